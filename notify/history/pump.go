package history

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vidbell/notify"
)

const (
	// ahead is how many messages are read ahead of a follower.
	ahead = 64
	// retryEvery is the pause before a stream that cannot be read is tried again.
	retryEvery = time.Second
	// sameEvery is how often it is looked at whether a stream is still the one that it was: the engine's reader finds its way to
	// another of that name by itself, and says nothing.
	sameEvery = 5 * time.Second
)

// pump reads the events of a stream, for one follower.
type pump struct {
	reader   *Reader
	stream   string
	subjects []string
	after    uint64    // the last sequence that was handed over
	born     time.Time // of the stream; zero before it was looked at
	looked   time.Time // when it was
}

// run goes on from where it was after whatever goes wrong: an engine that is away is waited for.
func (p *pump) run(ctx context.Context, out chan<- Event, anew chan<- struct{}) {
	for {
		if err := p.drain(ctx, out); errors.Is(err, errAnew) {
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

// drain returns when the reader breaks.
func (p *pump) drain(ctx context.Context, out chan<- Event) error {
	if err := p.look(ctx); err != nil {
		return err
	}
	consumer, err := p.reader.js.OrderedConsumer(ctx, p.stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: p.subjects, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: p.after + 1,
		InactiveThreshold: notify.ReaderQuiet, MaxResetAttempts: 1,
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
		msg, err := msgs.Next(jetstream.NextMaxWait(sameEvery))
		quiet := errors.Is(err, nats.ErrTimeout)
		if err != nil && !quiet {
			return err
		}
		if time.Since(p.looked) >= sameEvery {
			if err := p.look(ctx); err != nil {
				return err
			}
		}
		if quiet {
			continue
		}
		if err := p.hand(ctx, msg, out); err != nil {
			return err
		}
	}
}

// look returns errAnew when the stream is not the one that was read before.
func (p *pump) look(ctx context.Context) error {
	s, err := p.reader.js.Stream(ctx, p.stream)
	if err != nil {
		return err
	}
	info := s.CachedInfo()
	if info.State.LastSeq < p.after || !p.born.IsZero() && !p.born.Equal(info.Created) {
		return errAnew
	}
	p.born, p.looked = info.Created, time.Now()
	return nil
}

func (p *pump) hand(ctx context.Context, msg jetstream.Msg, out chan<- Event) error {
	meta, err := msg.Metadata()
	if err != nil || meta.Sequence.Stream <= p.after {
		return errors.Join(err, nats.ErrInvalidMsg) // begin again, which finds out
	}
	e, ok := read(p.reader.names, stored{
		seq: meta.Sequence.Stream, subject: msg.Subject(), header: msg.Headers(), at: meta.Timestamp, body: msg.Data(),
	})
	if ok {
		select {
		case out <- e:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.after = meta.Sequence.Stream
	return nil
}
