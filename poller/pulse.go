package poller

import (
	"fmt"
	"sync/atomic"
	"time"
)

// standstill is how long nothing may move that should. The longest single step, reading the state of a million videos from a
// slow engine, takes a fraction of it.
const standstill = 5 * time.Minute

// pulse is what a source's loop says of itself: when it will move again at the latest. It moves with each request, each try to
// store and each wait, so it says that the loop turns, not that what it does succeeds.
type pulse struct {
	due    atomic.Pointer[time.Time] // nil while the loop does not run
	queued atomic.Bool               // for the account's quota
}

// beat says that the loop moved, and is about to wait for no longer than this.
func (p *pulse) beat(wait time.Duration) {
	due := time.Now().Add(max(0, wait))
	p.due.Store(&due)
}

// stop says that the loop has ended.
func (p *pulse) stop() { p.due.Store(nil) }

// overdue is for how long the loop should have moved.
func (p *pulse) overdue(now time.Time) time.Duration {
	due := p.due.Load()
	if due == nil {
		return 0
	}
	return now.Sub(*due)
}

// Alive returns an error that names a source whose loop has stood still for minutes, whatever the reason; nil when all turn. A
// platform or an engine that is away is no standstill: it is asked again and again. It is safe for concurrent use.
func (p *Poller) Alive() error {
	now := time.Now()
	for _, r := range p.runners() {
		late := r.pulse.overdue(now)
		if r.pulse.queued.Load() { // as long as others are served, it waits rightly
			late = r.account.Load().overdue(now)
		}
		if late > standstill {
			return fmt.Errorf("source %s has stood still for %s", r.name, late.Round(time.Second))
		}
	}
	return nil
}

// overdue is for how long the one whose turn is next should have been let through.
func (a *Account) overdue(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := a.next()
	if next == nil {
		return 0
	}
	due := next.since
	for _, t := range []time.Time{a.pause, a.last.Add(time.Duration(float64(time.Second) / a.rate))} {
		if t.After(due) {
			due = t
		}
	}
	return now.Sub(due)
}
