package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"vidbell/notify"
)

// An installation may begin with the engine inside the process and move to one that processes share, or back: a position passes
// from cursor to consumer and from consumer to cursor.

// takeUp makes sure that the endpoint has a cursor in the feed's stream, and that it is written down.
func (p *positions) takeUp(ctx context.Context, f *feed) (standing, error) {
	name := f.lane.target.Name
	stream, err := f.js.Stream(ctx, f.stream)
	if err != nil {
		return standing{}, fmt.Errorf("open stream %s: %w", f.stream, err)
	}
	consumer, err := stream.Consumer(ctx, f.consumer)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return standing{}, fmt.Errorf("look for consumer %s of stream %s: %w", f.consumer, f.stream, err)
	}
	c, info := p.find(name, f.stream), stream.CachedInfo()
	switch {
	case c != nil && !c.hasLeft() && (consumer == nil || !c.hasMoved()):
		if c.follow(info) {
			c.sheet.touch()
		}
	case consumer != nil:
		c = p.add(name, f.stream)
		c.takeOver(info, standingOf(consumer.CachedInfo()))
	case c == nil && !p.isWhole():
		next, err := p.lastKnown(ctx, f, info.State.LastSeq)
		if err != nil {
			return standing{}, err
		}
		c = p.add(name, f.stream)
		c.begin(info.Created, next, info.State.LastSeq)
	default:
		c = p.add(name, f.stream)
		c.begin(info.Created, info.State.LastSeq+1, 0)
	}
	if err := p.flush(ctx); err != nil {
		return standing{}, err
	}
	if consumer != nil {
		if err := dropConsumer(ctx, f.js, f.stream, f.consumer); err != nil {
			return standing{}, err
		}
	}
	f.place.Store(c)
	return c.standing(), nil
}

// lastKnown is where an endpoint goes on whose position was lost: behind what was noted of it last, a minute ago or less. One that
// nothing is known of begins with the events to come.
func (p *positions) lastKnown(ctx context.Context, f *feed, last uint64) (next uint64, err error) {
	v, err := f.lane.records.loadServed(ctx, f.lane.target.Name)
	if err != nil {
		return 0, err
	}
	i := v.goingOn(f.stream)
	if i < 0 || v.Spans[i].Floor > last {
		return last + 1, nil
	}
	f.log.Error("position of a webhook endpoint was lost, some deliveries may be repeated", zap.Uint64("from_sequence", v.Spans[i].Floor+1))
	return v.Spans[i].Floor + 1, nil
}

// leave gives the endpoint's cursor up, if it has one.
func (p *positions) leave(ctx context.Context, endpoint, stream string) error {
	c := p.find(endpoint, stream)
	if c == nil || !c.leave() {
		return nil
	}
	return p.flush(ctx)
}

// pastOpen is what a cursor knew when a consumer went on in its place: all before next is over, but for what is open. The consumer
// begins before the first of those.
type pastOpen struct {
	next uint64
	open map[uint64]bool
}

// isOver reports whether an event was over before the consumer was made.
func (p pastOpen) isOver(seq uint64) bool { return seq < p.next && !p.open[seq] }

// findPast looks for the cursor of an endpoint that is to have a consumer, and notes that it has moved. start is where the consumer
// begins; zero when there was no cursor.
func findPast(ctx context.Context, js jetstream.JetStream, names notify.Names, endpoint, stream string) (past pastOpen, start uint64, err error) {
	var e positionEntry
	err = changeEntry(ctx, js, names, endpoint, stream, func(stored *positionEntry) bool {
		e = *stored
		moved := stored.Consumer
		stored.Consumer = true
		return !moved
	})
	if err != nil || e.Next == 0 || e.Left {
		return past, 0, err
	}
	kept, err := js.Stream(ctx, names.PositionsStream())
	if err != nil {
		return past, 0, fmt.Errorf("read positions: %w", err)
	}
	page, _, err := e.readPage(ctx, kept, names)
	if err != nil {
		return past, 0, err
	}
	past = pastOpen{next: e.Next, open: make(map[uint64]bool)}
	start = e.Next
	for _, w := range page {
		past.open[w.seq] = true
	}
	for _, seq := range e.Gone {
		delete(past.open, seq)
	}
	for _, w := range e.Open {
		past.open[w.seq] = true
	}
	for seq := range past.open {
		start = min(start, seq)
	}
	// A copy of a store at work may have a position that is newer than the end of the log.
	log, err := js.Stream(ctx, stream)
	if err != nil {
		return past, 0, fmt.Errorf("open stream %s: %w", stream, err)
	}
	behind := log.CachedInfo().State.LastSeq + 1
	past.next = min(past.next, behind)
	return past, min(start, behind), nil
}

// leavePast is leave for an endpoint whose cursor is not in use.
func leavePast(ctx context.Context, js jetstream.JetStream, names notify.Names, endpoint, stream string) error {
	return changeEntry(ctx, js, names, endpoint, stream, func(e *positionEntry) bool {
		left := e.Left
		e.Left = true
		return !left
	})
}

// changeEntry changes what is written of an endpoint's cursor, if there is something, and begins again if somebody else did.
func changeEntry(
	ctx context.Context, js jetstream.JetStream, names notify.Names, endpoint, stream string, change func(*positionEntry) bool,
) error {
	for {
		kept, err := js.Stream(ctx, names.PositionsStream())
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read positions: %w", err)
		}
		all, err := readSheets(ctx, kept, names)
		if err != nil {
			return err
		}
		err = all.change(ctx, js, names, endpoint, stream, change)
		if !isWrongLast(err) {
			return err
		}
	}
}

func (s storedSheets) change(
	ctx context.Context, js jetstream.JetStream, names notify.Names, endpoint, stream string, change func(*positionEntry) bool,
) error {
	for number, one := range s.sheets {
		i := slices.IndexFunc(one.entries, func(e positionEntry) bool { return e.Endpoint == endpoint && e.Stream == stream })
		if i < 0 {
			continue
		}
		if !change(&one.entries[i]) {
			return nil
		}
		data, err := json.Marshal(one.entries)
		if err != nil {
			return fmt.Errorf("write positions: %w", err)
		}
		_, err = js.Publish(ctx, names.PositionSheetSubject(strconv.Itoa(number)), data,
			jetstream.WithExpectStream(names.PositionsStream()), jetstream.WithExpectLastSequencePerSubject(one.seq))
		return err
	}
	return nil
}
