package poller

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	// Backoff of a throttled account: the vendor's advice for its newer API is 1 s doubling to 32 s.
	minBackoff = time.Second
	maxBackoff = 32 * time.Second
	// maxRetryAfter caps what a Retry-After may cost us.
	maxRetryAfter = 5 * time.Minute
	// quietWindow is how long an account must see no throttle before its rate steps up, and stepsUp how many steps lead
	// from nothing to the full rate.
	quietWindow = 10 * time.Second
	stepsUp     = 8
	// slowest, in requests a second, keeps a much throttled account alive.
	slowest = 1.0 / 60
)

// Urgency is how soon a request wants to be made. Of those who wait on an account, the most urgent goes first.
type Urgency int

// What a request may be made for, the most urgent first.
const (
	UrgentLookup Urgency = iota // what is known to be moving, or was hinted at
	UrgentHead                  // what is new
	UrgentSweep                 // everything else
	urgencies
)

// Account is the quota that the sources of one API key share. Of those who wait the most urgent are served first, and among
// equals in the order they came, so that of several sources, each with one request at a time, all get the same share. It is
// safe for concurrent use.
type Account struct {
	full   float64
	random func() float64

	mu      sync.Mutex
	queues  [urgencies][]*waiter
	rate    float64   // requests a second, at present
	last    time.Time // when the last request was let through
	minute  minute    // the requests of the last minute
	pause   time.Time // no request before
	calm    time.Time // since when no throttle was seen, or the last step up
	backoff time.Duration
}

// waiter is a request that waits for its turn.
type waiter struct {
	urgency Urgency
	since   time.Time
	first   chan struct{} // of capacity 1: it may have become the one whose turn is next
}

// NewAccount returns a quota of perSecond requests a second, which must be above 0. Requests are spaced evenly: in any second
// there is never more than one above the rate.
func NewAccount(perSecond float64) *Account {
	return &Account{full: perSecond, rate: perSecond, random: rand.Float64}
}

// Wait blocks until a request may be made. It returns an error only when ctx ends.
func (a *Account) Wait(ctx context.Context, u Urgency) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := a.enter(u)
	defer a.leave(w)
	for {
		// Asked again after each wait: a throttle, or somebody more urgent, may have come meanwhile.
		d, next := a.try(w, time.Now())
		if next && d <= 0 {
			return nil
		}
		if err := w.wait(ctx, d, next); err != nil {
			return err
		}
	}
}

// wait returns when the turn may have come: after d for the one who is next, else when told.
func (w *waiter) wait(ctx context.Context, d time.Duration, next bool) error {
	var due <-chan time.Time
	if next {
		t := time.NewTimer(d)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-due:
	case <-w.first:
	}
	return nil
}

func (a *Account) enter(u Urgency) *waiter {
	w := &waiter{urgency: u, since: time.Now(), first: make(chan struct{}, 1)}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queues[u] = append(a.queues[u], w)
	return w
}

// leave takes a waiter out, and tells the one whose turn is next.
func (a *Account) leave(w *waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.queues[w.urgency]
	if i := slices.Index(q, w); i >= 0 {
		a.queues[w.urgency] = slices.Delete(q, i, i+1)
	}
	if next := a.next(); next != nil {
		select {
		case next.first <- struct{}{}:
		default: // told already
		}
	}
}

func (a *Account) next() *waiter {
	for _, q := range a.queues {
		if len(q) > 0 {
			return q[0]
		}
	}
	return nil
}

// try lets a waiter through if its turn has come, or returns how long the turn takes to come and whether it is next.
func (a *Account) try(w *waiter, now time.Time) (time.Duration, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next() != w {
		return 0, false
	}
	return a.take(now), true
}

// take lets a request through now, or returns how long it has to wait.
func (a *Account) take(now time.Time) time.Duration {
	var wait time.Duration
	if !a.last.IsZero() {
		wait = time.Duration(float64(time.Second)/a.rate) - now.Sub(a.last)
	}
	if wait = max(wait, a.pause.Sub(now)); wait > 0 {
		return wait
	}
	a.last = now
	a.minute.add(now)
	return 0
}

// Throttled slows the account down: half the rate, and a pause of what the platform asked for or of the backoff.
func (a *Account) Throttled(retryAfter time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.backoff = min(max(minBackoff, 2*a.backoff), maxBackoff)
	pause := min(retryAfter, maxRetryAfter)
	if pause <= 0 {
		pause = time.Duration(a.random() * float64(a.backoff))
	}
	if until := now.Add(pause); until.After(a.pause) {
		a.pause = until
	}
	a.calm = now
	if a.pause.After(now) {
		a.calm = a.pause // a pause proves nothing
	}
	a.rate = max(a.rate/2, min(slowest, a.full))
}

// Answered notes a request that the platform answered, and lets the rate step back up after quiet windows.
func (a *Account) Answered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if now.Before(a.pause) {
		return // asked before the throttle
	}
	a.backoff = 0
	quiet := now.Sub(a.calm) / quietWindow
	if a.rate >= a.full || quiet < 1 {
		return
	}
	a.calm = now
	a.rate = min(a.full, a.rate+a.full*min(float64(quiet), stepsUp)/stepsUp)
}

// SetRate changes the configured rate, in requests a second above 0. An account that is throttled stays so, and steps back up to
// the new rate.
func (a *Account) SetRate(perSecond float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rate >= a.full {
		a.rate = perSecond
	}
	a.full = perSecond
	a.rate = min(a.rate, perSecond)
	if next := a.next(); next != nil { // whoever waits counts again
		select {
		case next.first <- struct{}{}:
		default: // told already
		}
	}
}

// Rate is the present rate in requests a second.
func (a *Account) Rate() float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rate
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
