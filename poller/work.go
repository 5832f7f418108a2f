package poller

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrStopped means that Run has ended.
var ErrStopped = errors.New("poller: it has stopped")

// work is a Run: the goroutines of the sources, which come and go.
type work struct {
	ctx   context.Context
	end   context.CancelFunc
	loops sync.WaitGroup
	over  bool // no more are started; guarded by the poller's mutex

	failing sync.Once
	err     error // why it ended, if that was no wish of the caller
}

func newWork(ctx context.Context) *work {
	w := &work{}
	w.ctx, w.end = context.WithCancel(ctx)
	return w
}

func (w *work) fail(err error) {
	w.failing.Do(func() { w.err = err })
	w.end()
}

// start begins to poll a source, after a while. The poller's mutex is held.
func (w *work) start(r *runner, first time.Duration) {
	if w.over {
		return
	}
	ctx, stop := context.WithCancel(w.ctx)
	ended := make(chan struct{})
	r.halt = func() { stop(); <-ended }
	w.loops.Go(func() {
		defer close(ended)
		defer stop()
		defer r.pulse.stop()
		if err := r.run(ctx, first); err != nil {
			w.fail(err)
		}
	})
}

// stop stops polling a source, and returns when its last append is stored or was never made.
func (r *runner) stop() {
	if r.halt != nil {
		r.halt()
	}
}

// firstOf is when a source polls first that begins with so many others.
func (r *runner) firstOf(beginners int) time.Duration {
	if beginners < spreadFrom {
		return 0
	}
	return phase(r.name, r.PollInterval)
}
