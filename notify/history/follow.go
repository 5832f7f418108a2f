package history

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// ahead is how many messages are read ahead of a follower.
	ahead = 64
	// retryEvery is the pause before a stream that cannot be read is tried again.
	retryEvery = time.Second
)

// Start says where a follower begins.
type Start struct {
	After Position  // behind this place; the zero Position for none
	Since time.Time // with what was stored from then on, where After is none; the zero time begins with what comes now
}

// Gap says that events between a place and what follows may be missing: they are gone because of their age, or with a log that
// was lost.
type Gap struct {
	Reason string // "log_replaced" or "events_expired"
	Oldest time.Time
}

// Reasons of a Gap.
const (
	GapReplaced = "log_replaced"   // the place is in another log
	GapExpired  = "events_expired" // what follows the place was removed because of its age
)

// Follower is given what is read.
type Follower struct {
	// Event is given one event and the place behind it. An error ends it all.
	Event func(Event, Position) error
	// Gap is given a gap, before the event that follows it.
	Gap func(Gap) error
}

// errAnew means that a stream was lost, and another one is in its place.
var errAnew = errors.New("the stream began anew")

// Follow hands over events from a place on, those that come included, until ctx ends or the follower returns an error, which it
// returns. It reads no faster than the follower takes, and waits for an engine that is away.
func (r *Reader) Follow(ctx context.Context, from Start, f Filter, to Follower) error {
	for {
		at, gap, err := r.begin(ctx, from)
		if err != nil {
			return err
		}
		if gap != nil {
			if err := to.Gap(*gap); err != nil {
				return err
			}
		}
		err = r.follow(ctx, at, f, to)
		if !errors.Is(err, errAnew) {
			return err
		}
		from = Start{After: Position{Mark: "0"}} // of no log
	}
}

func (r *Reader) follow(ctx context.Context, at Position, f Filter, to Follower) error {
	ctx, cancel := context.WithCancel(ctx)
	events, anew := make(chan Event), make(chan struct{}, 2)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	for _, s := range []struct {
		stream, subject string
		after           uint64
	}{{r.names.Stream(), f.videos(r.names), at.Videos}, {r.names.OpsStream(), f.ops(r.names), at.Ops}} {
		if s.subject != "" {
			readers.Go(func() { r.pump(ctx, s.stream, s.subject, s.after, events, anew) })
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-anew:
			return errAnew
		case e := <-events:
			at = at.after(e)
			if !f.passes(e) {
				continue
			}
			if err := to.Event(e, at); err != nil {
				return err
			}
		}
	}
}

// begin turns a start into a place in the log that is there, and says whether that loses something.
func (r *Reader) begin(ctx context.Context, from Start) (Position, *Gap, error) {
	at := Position{Mark: r.mark()}
	videos, err := r.edges(ctx, r.names.Stream(), from.Since)
	if err != nil {
		return at, nil, err
	}
	ops, err := r.edges(ctx, r.names.OpsStream(), from.Since)
	if err != nil {
		return at, nil, err
	}
	given := from.After
	switch {
	case given == Position{}:
		at.Videos, at.Ops = videos.begin, ops.begin
	case given.Mark != at.Mark, given.Videos > videos.last, given.Ops > ops.last:
		return at, &Gap{Reason: GapReplaced, Oldest: videos.at}, nil
	default:
		at.Videos, at.Ops = given.Videos, given.Ops
		if given.Videos+1 < videos.first {
			return at, &Gap{Reason: GapExpired, Oldest: videos.at}, nil
		}
	}
	return at, nil, nil
}

// edges are where a stream begins and ends.
type edges struct {
	first, last uint64
	begin       uint64    // what is behind it was stored since a time; the last for no time
	at          time.Time // when the first was stored
}

func (r *Reader) edges(ctx context.Context, name string, since time.Time) (edges, error) {
	stream, err := r.js.Stream(ctx, name)
	if err != nil {
		return edges{}, fmt.Errorf("open stream %s: %w", name, err)
	}
	state := stream.CachedInfo().State
	e := edges{first: state.FirstSeq, last: state.LastSeq, begin: state.LastSeq, at: state.FirstTime}
	if since.IsZero() || state.Msgs == 0 || since.After(state.LastTime) {
		return e, nil
	}
	// The engine finds a time by bisection, which a reader is made for.
	consumer, err := r.js.CreateConsumer(ctx, name, jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since, HeadersOnly: true,
		InactiveThreshold: scanQuiet, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		return edges{}, fmt.Errorf("read stream %s: %w", name, err)
	}
	defer func() { _ = r.js.DeleteConsumer(context.WithoutCancel(ctx), name, consumer.CachedInfo().Name) }() // else it ages out
	e.begin = consumer.CachedInfo().Delivered.Stream
	return e, nil
}

// pump reads a stream from a sequence on, and goes on from where it was after whatever goes wrong: an engine that is away is
// waited for.
func (r *Reader) pump(ctx context.Context, stream, subject string, after uint64, out chan<- Event, anew chan<- struct{}) {
	var born time.Time // of the stream
	for {
		if err := r.drain(ctx, stream, subject, &after, &born, out); errors.Is(err, errAnew) {
			anew <- struct{}{}
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryEvery):
		}
	}
}

// drain returns when the reader breaks, with after at what was handed over last.
func (r *Reader) drain(ctx context.Context, stream, subject string, after *uint64, born *time.Time, out chan<- Event) error {
	s, err := r.js.Stream(ctx, stream)
	if err != nil {
		return err
	}
	switch info := s.CachedInfo(); {
	case info.State.LastSeq < *after, !born.IsZero() && !born.Equal(info.Created):
		return errAnew
	default:
		*born = info.Created
	}
	consumer, err := r.js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{subject}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: *after + 1,
		InactiveThreshold: scanQuiet, MaxResetAttempts: 1, // then it is looked at whether the stream is still the same
	})
	if err != nil {
		return err
	}
	msgs, err := consumer.Messages(jetstream.PullMaxMessages(ahead))
	if err != nil {
		return err
	}
	defer msgs.Stop()
	stop := context.AfterFunc(ctx, msgs.Stop)
	defer stop()
	for {
		msg, err := msgs.Next()
		if err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil || meta.Sequence.Stream <= *after {
			return errors.Join(err, nats.ErrInvalidMsg) // begin again, which finds out
		}
		e, ok := read(r.names, stored{
			seq: meta.Sequence.Stream, subject: msg.Subject(), header: msg.Headers(), at: meta.Timestamp, body: msg.Data(),
		})
		if ok {
			select {
			case out <- e:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		*after = meta.Sequence.Stream
	}
}
