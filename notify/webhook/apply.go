package webhook

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// applyRetry is the pause before the engine is asked again to prepare an endpoint.
const applyRetry = time.Second

// ErrNotRunning means that Run is not under way, or not yet.
var ErrNotRunning = errors.New("webhook: Run is not under way")

// run is what Run gives everybody whom it has work.
type run struct {
	ctx  context.Context //nolint:containedctx // it is Run's, and ends with it
	hard context.Context //nolint:containedctx // the same, after the grace period
}

// shift is a lane at work.
type shift struct {
	stop func()        // take nothing more
	cut  func()        // break off what is under way
	done chan struct{} // closed when every delivery it took is answered for
}

// Apply puts other endpoints in the place of those that are delivered to, while Run is under way. Endpoints are told apart by their
// names.
//
// One that is the same in all goes on untouched. One that is new begins with the events that come from now on, as at a first start. One
// that is changed takes nothing more, gets up to the grace period for its requests under way, and goes on with its new
// settings where it was: nothing is lost, what was broken off comes again. One that is left out ends in the same way. Its
// position and what waits for it stay with the engine, so that it goes on there if it comes back under its name.
//
// All endpoints are checked before anything is touched; after such an error everything goes on as it was. An engine that is away is
// waited for, until ctx ends.
func (d *Dispatcher) Apply(ctx context.Context, endpoints []Endpoint) error {
	d.applying.Lock()
	defer d.applying.Unlock()
	if d.run == nil || d.run.ctx.Err() != nil {
		return ErrNotRunning
	}
	c := d.config
	c.Endpoints = endpoints
	targets, err := c.compile()
	if err != nil {
		return err
	}
	old, next := d.roster(), &roster{}
	var begin []*lane
	kept := make(map[*lane]bool)
	for _, t := range targets {
		if l := old.same(t); l != nil {
			kept[l] = true
			feeds := old.of(l)
			next.add(l, feeds[:len(feeds)-1], feeds[len(feeds)-1])
			continue
		}
		l, feeds, queue := d.newLane(t, len(targets))
		next.add(l, feeds, queue)
		begin = append(begin, l)
	}
	d.endAll(old, kept)
	for _, l := range begin {
		if err := d.insist(ctx, l, func(ctx context.Context) error { return d.prepareLane(ctx, next, l) }); err != nil {
			return fmt.Errorf("prepare endpoint %q: %w", l.target.Name, err)
		}
	}
	d.staff.Store(next)
	for _, l := range begin {
		d.begin(next, l)
	}
	for _, l := range old.lanes {
		if !slices.ContainsFunc(next.lanes, func(n *lane) bool { return n.target.Name == l.target.Name }) {
			d.metrics.forget(l.target.Name)
		}
	}
	return nil
}

// same is the lane that delivers to just this endpoint, nil if there is none.
func (r *roster) same(t *target) *lane {
	for _, l := range r.lanes {
		if l.target.Name == t.Name && reflect.DeepEqual(l.target.Endpoint, t.Endpoint) {
			return l
		}
	}
	return nil
}

// endAll ends all lanes but those that are kept, side by side: one whose receiver hangs must not hold up the others for longer.
func (d *Dispatcher) endAll(all *roster, kept map[*lane]bool) {
	var ended sync.WaitGroup
	for _, l := range all.lanes {
		if kept[l] {
			continue
		}
		s := d.shifts[l]
		delete(d.shifts, l)
		ended.Go(func() { d.end(all, l, s) })
	}
	ended.Wait()
}

// end has a lane take nothing more, and waits until all it took is answered for.
func (d *Dispatcher) end(all *roster, l *lane, s *shift) {
	s.stop()
	grace := time.AfterFunc(d.config.Grace, s.cut)
	<-s.done
	grace.Stop()
	clean := !slices.ContainsFunc(all.of(l), func(f *feed) bool { return f.gaveUp })
	ctx, cancel := context.WithTimeout(d.run.hard, flushWait)
	defer cancel()
	if err := l.signOff(ctx, clean); err != nil {
		l.trouble(err)
	}
}

// begin has a lane take deliveries, within Run.
func (d *Dispatcher) begin(all *roster, l *lane) {
	ctx, stop := context.WithCancel(d.run.ctx)
	hard, cut := context.WithCancel(withScheme(d.run.hard, l.target.url.Scheme))
	s := &shift{stop: stop, cut: cut, done: make(chan struct{})}
	d.shifts[l] = s
	var feeds sync.WaitGroup
	for _, f := range all.of(l) {
		feeds.Go(func() { f.run(ctx, hard) })
	}
	go func() {
		feeds.Wait()
		stop()
		cut()
		close(s.done)
	}()
}

// insist repeats a step while the engine cannot serve it.
func (d *Dispatcher) insist(ctx context.Context, l *lane, step func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.run.ctx, cancel)()
	for {
		bounded, done := context.WithTimeout(ctx, engineTimeout)
		err := step(bounded)
		done()
		if err == nil || ctx.Err() != nil {
			return err
		}
		l.log.Warn("endpoint cannot be prepared yet, trying again", zap.Error(err))
		select {
		case <-ctx.Done():
			return err
		case <-time.After(applyRetry):
		}
	}
}
