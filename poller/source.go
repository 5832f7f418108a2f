package poller

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"vidbell/diff"
	"vidbell/poller/memories"
)

// Lister makes one request to the platform. *memories.Client is one.
type Lister interface {
	List(ctx context.Context, q memories.Query) (memories.Page, error)
}

// Source is one listing that is polled.
type Source struct {
	Name     string // [A-Za-z0-9_-]{1,64}
	UniqueID string // the namespace asked for
	Lister   Lister
	Account  *Account

	PollInterval    time.Duration // while something is in flight
	MaxInterval     time.Duration // when nothing is
	SweepInterval   time.Duration // for a walk through everything
	PageSize        int           // 0 means 200
	Words           diff.Words
	Emit            bool          // announce at the baseline what is settled
	StallAfter      time.Duration // 0: never
	VideoName       string        // a path.Match pattern: videos that never had such a name are not watched; empty: all are
	BaselineRetries int           // walks whose count disagrees before one is believed; 0 means 3
}

const (
	// defaultPageSize is the largest page in use by the vendor's own client.
	defaultPageSize        = 200
	defaultBaselineRetries = 3
)

func (s Source) withDefaults() Source {
	if s.PageSize == 0 {
		s.PageSize = defaultPageSize
	}
	if s.BaselineRetries == 0 {
		s.BaselineRetries = defaultBaselineRetries
	}
	s.MaxInterval = max(s.MaxInterval, s.PollInterval)
	return s
}

// namePattern is what fits into a subject, a label and a URL as it is.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (s Source) validate() error {
	switch {
	case !namePattern.MatchString(s.Name):
		return fmt.Errorf("source %q: a name has 1 to 64 of A-Z, a-z, 0-9, _ and -", s.Name)
	case s.Lister == nil || s.Account == nil:
		return fmt.Errorf("source %s: no lister or no account", s.Name)
	case s.PollInterval <= 0 || s.SweepInterval <= 0:
		return fmt.Errorf("source %s: poll and sweep interval must be above 0", s.Name)
	case !validPattern(s.VideoName):
		return fmt.Errorf("source %s: video name pattern %q: see path.Match for what it may hold", s.Name, s.VideoName)
	case s.PageSize < 0 || s.BaselineRetries < 0:
		return fmt.Errorf("source %s: page size and baseline retries must not be negative", s.Name)
	}
	return nil
}

func validPattern(pattern string) bool {
	_, err := path.Match(pattern, "")
	return err == nil
}

// runner polls one source. All its fields belong to its goroutine; others see what it publishes as its Status.
type runner struct {
	Source  // replaced only between two runs of its goroutine
	name    string
	account atomic.Pointer[Account] // that of Source, for others to look at
	poller  *Poller
	log     *zap.Logger
	sharers atomic.Int64 // sources on the account

	halt func()    // ends the goroutine, and waits for that; nil before it was started
	due  time.Time // when the next tick is; zero in a tick

	mu       sync.RWMutex // held while the state is moved: hints ask it which videos are known
	state    *diff.State
	flight   flight
	schedule schedule
	health   health
	polled   time.Time // when the last tick began
	ticked   diff.Time // the same, by the wall clock
	clock    clock
	skewTold bool

	sweep        *sweep    // the walk under way, of the baseline or after; nil between two
	sweeps       uint32    // numbers given to walks
	sweepDue     time.Time // when the next sweep may leave the head
	share        share
	suspectShare share
	walks        int       // baseline walks that did not count
	empty        time.Time // since when the baseline was seen empty
	progress     progress  // of the baseline
	order        order
	lead         lead
	judged       time.Time  // when the last judgement began
	judging      *judgement // of the newest complete sweep whose suspects are not all looked up; nil between two
	ended        time.Time  // when the last complete sweep ended
	mismatch     *Mismatch  // of that sweep
	release      atomic.Bool

	budget    int       // requests by id or status that this tick may still make
	set       int       // ids to ask for at once
	shrunk    time.Time // when that became fewer
	witnesses []string
	missed    map[string]diff.Time // videos that look-ups of this tick did not find, though they can be trusted
	proved    map[filter]time.Time // when it last showed what it should
	strikes   map[filter]int       // how often it has not, in a row
	hints     *hints
	hintShare share
	asked     map[lane]int

	throttles, reports, holds, clockSteps repeated
	holding                               time.Time // since when the engine has been away
	stuck                                 atomic.Pointer[error]
	pulse                                 pulse
}

func (r *runner) policy() diff.Policy {
	return diff.Policy{
		Emit: r.Emit, StallAfter: r.StallAfter, Confirm: r.PollInterval, Lag: replicaLag, Agree: r.SweepInterval * 3 / 4,
	}
}

// run polls until told to stop. It returns an error only for a state that cannot be read.
func (r *runner) run(ctx context.Context, first time.Duration) error {
	r.pulse.beat(first)
	if err := sleep(ctx, first); err != nil {
		return endOf(ctx, err)
	}
	for {
		r.pulse.beat(0)
		r.polled, r.ticked, r.due = time.Now(), r.lookAtClock(), time.Time{}
		var busy bool
		err := r.traced(ctx, "poll", func(ctx context.Context) (err error) {
			busy, err = r.tick(ctx)
			return err
		})
		if errors.Is(err, ErrUnreadable) {
			return err
		}
		if ctx.Err() != nil {
			return endOf(ctx, err)
		}
		took := time.Since(r.polled)
		r.afterTick(ctx, err)
		r.poller.metrics.poll(r.Name, took, err)
		next := r.polled.Add(r.schedule.after(busy, r.health.refused(), r.poller.random()))
		r.publishStatus(next, err)
		r.due = next
		if err := r.rest(ctx, next); err != nil {
			return endOf(ctx, err)
		}
	}
}

// endOf is what run returns: nothing when it was told to stop.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// hintPause is how long hints that are beyond their share of the quota wait for the next look.
const hintPause = time.Second

// rest waits for the next tick, and serves what hints come meanwhile. They bring the next tick nearer, for what they speak of
// may not have been there yet.
func (r *runner) rest(ctx context.Context, next time.Time) error {
	for {
		until := next
		if r.hints.waiting() && !r.health.refused() {
			until = earlier(next, time.Now().Add(hintPause))
		}
		hinted, err := r.doze(ctx, time.Until(until))
		switch {
		case err != nil:
			return err
		case !time.Now().Before(next):
			return nil
		case r.health.refused() || !hinted && !r.hints.waiting():
			continue
		}
		if err := errors.Join(r.serveHints(ctx), r.releaseHeld(ctx)); err != nil {
			return err
		}
		r.schedule.wake()
		next = earlier(next, time.Now().Add(r.PollInterval))
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// doze waits, and reports whether a hint ended that.
func (r *runner) doze(ctx context.Context, d time.Duration) (hinted bool, err error) {
	r.pulse.beat(d)
	t := time.NewTimer(max(0, d))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-t.C:
		return false, ctx.Err()
	case <-r.hints.wake:
		return true, nil
	}
}

// tick is one flight. busy says that the next should come soon.
func (r *runner) tick(ctx context.Context) (busy bool, err error) {
	if err := r.follow(ctx); err != nil {
		return true, err
	}
	if r.state.BaselineAt == 0 {
		return true, r.baseline(ctx)
	}
	changed, err := r.lanes(ctx)
	return changed || r.state.InFlight() > 0, err
}

// nextPage fetches the next page of a walk and takes it in. A page that fails leaves the walk where it is, to go on with the
// next tick; one that makes no sense ends it.
func (r *runner) nextPage(ctx context.Context, l lane, w *sweep) (memories.Page, error) {
	if err := r.serveHints(ctx); err != nil {
		return memories.Page{}, err
	}
	page, err := r.fetch(ctx, l, memories.Query{Page: w.pages + 1, Size: r.PageSize})
	if err != nil {
		return memories.Page{}, err
	}
	if err := w.add(page, r.PageSize); err != nil {
		if r.sweep == w {
			r.endSweep(outcomeFailed, err.Error())
		}
		return memories.Page{}, fmt.Errorf("poll %s: %w", r.Name, err)
	}
	r.heed(page)
	if w.pages == 1 {
		r.lookAtOrder(page)
	}
	return page, nil
}
