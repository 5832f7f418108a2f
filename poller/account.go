package poller

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
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
	// slowest keeps a much throttled account alive.
	slowest = rate.Limit(1.0 / 60)
)

// Account is the quota that the sources of one API key share. It is safe for concurrent use.
type Account struct {
	limiter *rate.Limiter
	full    rate.Limit

	mu      sync.Mutex
	pause   time.Time // no request before
	backoff time.Duration
	calm    time.Time // since when no throttle was seen, or the last step up
	random  func() float64
}

// NewAccount returns a quota of perSecond requests a second, never exceeded in any second by more than one request.
func NewAccount(perSecond float64) *Account {
	full := rate.Limit(perSecond)
	return &Account{limiter: rate.NewLimiter(full, 1), full: full, random: rand.Float64}
}

// Wait blocks until a request may be made.
func (a *Account) Wait(ctx context.Context) error {
	for {
		if err := a.sitOut(ctx); err != nil {
			return err
		}
		if err := a.limiter.Wait(ctx); err != nil {
			return err
		}
		if !a.paused() {
			return nil
		}
	}
}

// sitOut waits for the end of a pause.
func (a *Account) sitOut(ctx context.Context) error {
	for a.paused() {
		a.mu.Lock()
		d := time.Until(a.pause)
		a.mu.Unlock()
		if err := sleep(ctx, d); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (a *Account) paused() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Before(a.pause)
}

// Throttled slows the account down: half the rate, and a pause of what the platform asked for or of the backoff.
func (a *Account) Throttled(retryAfter time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.calm = now
	if a.backoff == 0 {
		a.backoff = minBackoff
	}
	pause := min(retryAfter, maxRetryAfter)
	if pause <= 0 {
		pause = time.Duration(a.random() * float64(a.backoff))
	}
	a.backoff = min(2*a.backoff, maxBackoff)
	if until := now.Add(pause); until.After(a.pause) {
		a.pause = until
	}
	a.limiter.SetLimitAt(now, max(a.limiter.Limit()/2, slowest))
}

// Answered notes a request that was not throttled, and lets the rate step back up after a quiet window.
func (a *Account) Answered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.backoff = 0
	now := time.Now()
	if a.limiter.Limit() >= a.full || now.Sub(a.calm) < quietWindow {
		return
	}
	a.calm = now
	a.limiter.SetLimitAt(now, min(a.full, a.limiter.Limit()+a.full/stepsUp))
}

// Rate is the present rate in requests a second.
func (a *Account) Rate() float64 { return float64(a.limiter.Limit()) }

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
