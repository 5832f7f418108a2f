package poller

import (
	"context"
	"errors"
	"fmt"
	"regexp"
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
	case s.PageSize < 0 || s.BaselineRetries < 0:
		return fmt.Errorf("source %s: page size and baseline retries must not be negative", s.Name)
	}
	return nil
}

// runner polls one source. All its fields belong to its goroutine; others see what it publishes as its Status.
type runner struct {
	Source
	poller  *Poller
	log     *zap.Logger
	sharers int // sources on the account

	state    *diff.State
	schedule schedule
	health   health
	polled   time.Time // when the last tick began

	sweep    *sweep    // the walk under way, of the baseline or after; nil between two
	sweeps   uint32    // numbers given to walks
	sweepDue time.Time // when the next sweep may leave the head
	share    share
	walks    int       // baseline walks that did not count
	empty    time.Time // since when the baseline was seen empty
	progress time.Time // when the walk of the baseline was last told of

	throttles, reports, holds repeated
	holding                   time.Time // since when the engine has been away
}

func (r *runner) policy() diff.Policy {
	return diff.Policy{Emit: r.Emit, StallAfter: r.StallAfter, Confirm: r.PollInterval}
}

// run polls until told to stop. It returns an error only for a state that cannot be read.
func (r *runner) run(ctx context.Context, first time.Duration) error {
	if err := sleep(ctx, first); err != nil {
		return nil //nolint:nilerr // told to stop
	}
	for {
		r.polled = time.Now()
		busy, err := r.tick(ctx)
		if errors.Is(err, ErrUnreadable) {
			return err
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop
		}
		r.afterTick(ctx, err)
		r.poller.metrics.poll(r.Name, err)
		next := r.polled.Add(r.schedule.after(busy, r.health.refused(), r.poller.random()))
		r.publishStatus(next, err)
		if err := sleep(ctx, time.Until(next)); err != nil {
			return nil //nolint:nilerr // told to stop
		}
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
	page, err := r.fetch(ctx, l, w.pages+1)
	if err != nil {
		return memories.Page{}, err
	}
	if err := w.add(page, r.PageSize); err != nil {
		if r.sweep == w {
			r.endSweep(outcomeFailed, err.Error())
		}
		return memories.Page{}, fmt.Errorf("poll %s: %w", r.Name, err)
	}
	return page, nil
}
