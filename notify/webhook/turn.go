package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// turnRenew is how often who queues a replay says that it still does, turnLost after how long a silence it is taken for gone.
	turnRenew = 2 * time.Second
	turnLost  = 3*turnRenew + time.Second
	turnAsk   = 100 * time.Millisecond
)

// errTurnLost means that another process took this one for gone.
var errTurnLost = errors.New("another process queues replays to the endpoint now")

// replayTurn waits until no other process queues replays for an endpoint. Else each of two requests that run side by side could
// choose what the other one has just queued and had delivered. ctx ends when the turn is lost; over gives it back.
func (d *Dispatcher) replayTurn(ctx context.Context, endpoint string) (held context.Context, over func(), err error) {
	c := &turnClaim{records: d.records, subject: d.config.Names.ReplayTurnSubject(endpoint), owner: d.owner}
	if err := c.wait(ctx); err != nil {
		return nil, nil, fmt.Errorf("wait for the replay of another process: %w", err)
	}
	held, lose := context.WithCancelCause(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { c.renew(held, lose) })
	return held, func() {
		lose(nil)
		renewing.Wait()
		c.giveBack()
	}, nil
}

// turnClaim is a message that is there while somebody has the turn.
type turnClaim struct {
	records *records
	subject string
	owner   string
	seq     uint64
}

// wait claims the turn. A claim that is not renewed for long is that of a process that is gone; no clock but ours is asked.
func (c *turnClaim) wait(ctx context.Context) error {
	var other uint64
	var since time.Time
	for {
		msg, err := lastOf(ctx, c.records.health, c.subject)
		if err != nil {
			return err
		}
		last := uint64(0)
		if msg != nil {
			last = msg.Sequence
		}
		if last != other || since.IsZero() {
			other, since = last, time.Now()
		}
		if last == 0 || time.Since(since) > turnLost {
			err := c.claim(ctx, last)
			if !errors.Is(err, errOutrun) {
				return err
			}
			continue
		}
		select {
		case <-time.After(turnAsk):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *turnClaim) claim(ctx context.Context, last uint64) error {
	ack, err := c.records.js.Publish(ctx, c.subject, []byte(c.owner),
		jetstream.WithExpectStream(c.records.names.HealthStream()), jetstream.WithExpectLastSequencePerSubject(last))
	if refusal(err) == jetstream.JSErrCodeStreamWrongLastSequence {
		return c.adopt(ctx)
	}
	if err != nil {
		return err
	}
	c.seq = ack.Sequence
	return nil
}

// adopt is for a claim of ours that was written, and whose answer was lost.
func (c *turnClaim) adopt(ctx context.Context) error {
	msg, err := lastOf(ctx, c.records.health, c.subject)
	if err != nil {
		return err
	}
	if msg == nil || string(msg.Data) != c.owner {
		return errOutrun
	}
	c.seq = msg.Sequence
	return nil
}

func (c *turnClaim) renew(ctx context.Context, lose context.CancelCauseFunc) {
	tick := time.NewTicker(turnRenew)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineTimeout) // an answer that nobody hears is a claim left behind
		err := c.claim(ask, c.seq)
		cancel()
		if errors.Is(err, errOutrun) { // what else goes wrong here goes wrong for the replay as well
			lose(errTurnLost)
			return
		}
	}
}

// giveBack makes room for the next one; if that fails the next one waits a little.
func (c *turnClaim) giveBack() {
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	_ = c.records.health.DeleteMsg(ctx, c.seq)
}
