package webhook

import (
	"context"
	"sync/atomic"
	"testing"
)

// lateStop is a context that ends after it was looked at some times.
type lateStop struct {
	context.Context

	cancel context.CancelFunc
	looks  atomic.Int32
}

func (c *lateStop) Err() error {
	if c.looks.Add(-1) < 0 {
		c.cancel()
	}
	return c.Context.Err()
}

// A feed that is stopped at whatever moment has closed its subscription when it ends. One left open would be handed events that
// nobody reads: they come again when the ack wait is over.
func TestAFeedLeavesNoSubscriptionBehind(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	r := e.prepare([]Endpoint{{Name: "a", URL: "http://127.0.0.1:1"}})
	before := e.server.NumSubscriptions()
	for looks := range int32(4) {
		inner, cancel := context.WithCancel(t.Context())
		ctx := &lateStop{Context: inner, cancel: cancel}
		ctx.looks.Store(looks)
		f := r.roster().feeds[0]
		f.run(ctx, context.Background())
		cancel()
		if f.sub != nil {
			t.Errorf("stopped after %d looks it has a subscription", looks)
		}
	}
	must(t, e.conn.Flush())
	eventually(t, "the engine knows of no more subscriptions", func() bool { return e.server.NumSubscriptions() == before })
}
