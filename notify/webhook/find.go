package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"vidbell/notify"
)

// recentEvents of the log are looked through before all of it: most questions are about what happened just now.
const recentEvents = 20_000

// find returns the events of some ids, in the order of the log. The error is ErrNoEvent when one of them is not there. What has
// a dead letter at the endpoint is read from that; the rest costs a walk through the log, which has no index by id.
func (d *Dispatcher) find(ctx context.Context, l *lane, ids []string) ([]loggedEvent, error) {
	missing := make(map[string]bool, len(ids))
	var found []loggedEvent
	for _, id := range ids {
		msg, err := d.letter(ctx, l.target.Name, id)
		if err != nil {
			return nil, err
		}
		if msg == nil {
			missing[id] = true
			continue
		}
		found = append(found, letterEvent(msg))
	}
	for _, stream := range []string{d.config.Names.OpsStream(), d.config.Names.Stream()} {
		got, err := d.findIn(ctx, stream, missing)
		if err != nil {
			return nil, err
		}
		found = append(found, got...)
	}
	for id := range missing {
		return nil, fmt.Errorf("event %q: %w", id, ErrNoEvent)
	}
	slices.SortStableFunc(found, func(a, b loggedEvent) int { return a.stored.Compare(b.stored) })
	return found, nil
}

// findIn takes what it finds out of missing.
func (d *Dispatcher) findIn(ctx context.Context, name string, missing map[string]bool) (found []loggedEvent, err error) {
	if len(missing) == 0 {
		return nil, nil
	}
	stream, err := d.config.JetStream.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", name, err)
	}
	all := []string{d.config.Names.AllEvents()}
	if name == d.config.Names.OpsStream() {
		all[0] = d.config.Names.OpsAll()
	}
	var seqs []uint64
	look := func(e loggedEvent) bool {
		if missing[e.id] {
			seqs = append(seqs, e.seq)
			delete(missing, e.id)
		}
		return len(missing) > 0
	}
	log := forwards{js: d.config.JetStream, stream: name, filters: all, bare: true}
	if last := stream.CachedInfo().State.LastSeq; last > 2*recentEvents {
		recent := log
		recent.from = last - recentEvents
		err = recent.each(ctx, look)
	}
	if err == nil && len(missing) > 0 {
		err = log.each(ctx, look)
	}
	for _, seq := range seqs {
		var msg *jetstream.RawStreamMsg
		if err == nil {
			msg, err = stream.GetMsg(ctx, seq)
		}
		if err != nil {
			return nil, fmt.Errorf("read stream %s: %w", name, err)
		}
		found = append(found, rawEvent(name, msg))
	}
	return found, err
}

func rawEvent(stream string, msg *jetstream.RawStreamMsg) loggedEvent {
	return loggedEvent{
		stream: stream, seq: msg.Sequence, id: msg.Header.Get(jetstream.MsgIDHeader), subject: msg.Subject,
		contentType: msg.Header.Get(contentTypeHeader), stored: msg.Time, body: msg.Data,
	}
}

// ofVideo returns the newest events of a video, of whatever source, the oldest first.
func (d *Dispatcher) ofVideo(ctx context.Context, video string, most int) (found []loggedEvent, err error) {
	filter := strings.TrimSuffix(d.config.Names.AllEvents(), ">") + "*.*." + notify.Token(video)
	log := forwards{js: d.config.JetStream, stream: d.config.Names.Stream(), filters: []string{filter}}
	err = log.each(ctx, func(e loggedEvent) bool {
		found = append(found, e)
		found = found[max(0, len(found)-most):]
		return true
	})
	return found, err
}

// lookUp takes its question for an event's id, and if there is none by that id, for a video's number.
func (d *Dispatcher) lookUp(ctx context.Context, l *lane, asked string, most int) ([]loggedEvent, error) {
	if !strings.HasPrefix(asked, eventPrefix) {
		if found, err := d.ofVideo(ctx, asked, most); len(found) > 0 || err != nil {
			return found, err
		}
	}
	found, err := d.find(ctx, l, []string{asked})
	if !errors.Is(err, ErrNoEvent) || !strings.HasPrefix(asked, eventPrefix) {
		return found, err
	}
	videos, err2 := d.ofVideo(ctx, asked, most)
	if len(videos) > 0 || err2 != nil {
		return videos, err2
	}
	return nil, err
}

const eventPrefix = "evt_"
