package poller

import (
	"context"
	"errors"
	"fmt"
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
	// maxHead bounds the pages of one head walk.
	maxHead = 10
	// troubleAfter is how many ticks must fail in a row before a source is degraded.
	troubleAfter = 3
	// mismatchesAfter is how many complete sweeps in a row must miscount before a source is degraded.
	mismatchesAfter = 3
	// holdMin and holdMax bound the wait between two tries to reach the engine.
	holdMin = 100 * time.Millisecond
	holdMax = 5 * time.Second
	// stopGrace lets an append that is under way end when we are told to stop.
	stopGrace = 5 * time.Second
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

func (s Source) validate() error {
	switch {
	case s.Name == "":
		return errors.New("source without a name")
	case s.Lister == nil || s.Account == nil:
		return fmt.Errorf("source %s: no lister or no account", s.Name)
	case s.PollInterval <= 0 || s.SweepInterval <= 0:
		return fmt.Errorf("source %s: poll and sweep interval must be above 0", s.Name)
	}
	return nil
}

// runner polls one source. All its fields belong to its goroutine but for status.
type runner struct {
	Source
	poller *Poller
	log    *zap.Logger

	state    *diff.State
	schedule schedule
	health   health
	sweep    *sweep
	sweeps   uint32    // numbers given to sweeps
	sweepDue time.Time // when the next sweep may leave the head
	tries    int       // baseline walks that did not count
	empty    time.Time // when an empty baseline was first seen
	progress time.Time // when the walk of the baseline was last told of
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
		start := time.Now()
		busy, err := r.tick(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, ErrUnreadable) {
			return err
		}
		r.afterTick(ctx, err)
		next := r.schedule.after(busy, r.health.refused(), r.poller.random())
		r.publishStatus(start, next, err)
		if err := sleep(ctx, time.Until(start.Add(next))); err != nil {
			return nil //nolint:nilerr // told to stop
		}
	}
}

// tick is one flight. busy says that the next should come soon.
func (r *runner) tick(ctx context.Context) (busy bool, err error) {
	if r.state.BaselineAt == 0 {
		err = r.baseline(ctx)
		return true, err
	}
	changed, err := r.lanes(ctx)
	return changed || r.state.InFlight() > 0, err
}

// lanes walks the head, then some pages of the sweep.
func (r *runner) lanes(ctx context.Context) (changed bool, err error) {
	if r.sweep != nil && time.Since(r.sweep.started) > 4*r.SweepInterval {
		r.endSweep(outcomeFailed, "took too long")
	}
	fresh := r.sweep == nil
	if fresh {
		r.beginSweep()
	}
	changed, ended, err := r.head(ctx, fresh)
	if err != nil {
		if fresh {
			r.sweep = nil // it never left the head
		}
		return changed, err
	}
	if ended || r.sweep == nil { // done, or the state was loaded again
		return changed, nil
	}
	if fresh && time.Now().Before(r.sweepDue) {
		r.sweep = nil
		return changed, nil
	}
	more, err := r.continueSweep(ctx)
	return changed || more, err
}

// head reads page 1, and on while a page brings videos that are new or in flight. In a fresh sweep its pages are the
// sweep's first.
func (r *runner) head(ctx context.Context, fresh bool) (changed, ended bool, err error) {
	w := r.sweep
	if !fresh {
		w = &sweep{number: r.sweep.number} // its sightings count for the sweep under way
	}
	shown := 0
	for n := 1; n <= maxHead; n++ {
		page, err := r.fetch(ctx, laneHead, n)
		if err != nil {
			return changed, false, err
		}
		if err := w.add(n, page, r.PageSize); err != nil {
			return changed, false, err
		}
		res, err := r.commit(ctx, page, w.number, 0)
		if err != nil {
			return changed, false, err
		}
		changed = changed || len(res.Changes) > 0
		if w.ended {
			if fresh && r.sweep == w {
				r.completeSweep(ctx)
			}
			return changed, true, nil
		}
		shown += stillInFlight(res)
		if res.New == 0 && (res.InFlight == 0 || shown >= r.state.InFlight()) {
			return changed, false, nil
		}
	}
	return changed, false, nil
}

// stillInFlight is how many videos of a page are in flight after it was committed.
func stillInFlight(res *diff.Result) int {
	n := res.InFlight
	for _, c := range res.Changes {
		if c.Record.Status.Settled() && c.From != diff.None {
			n--
		}
	}
	return n
}

// continueSweep reads the next pages of the walk, as many as keep it on time.
func (r *runner) continueSweep(ctx context.Context) (changed bool, err error) {
	for range r.sweepPages() {
		n := r.sweep.pages + 1
		page, err := r.fetch(ctx, laneSweep, n)
		if err != nil {
			r.endSweep(outcomePartial, "page failed")
			return changed, err
		}
		if err := r.sweep.add(n, page, r.PageSize); err != nil {
			r.endSweep(outcomeFailed, err.Error())
			return changed, err
		}
		res, err := r.commit(ctx, page, r.sweep.number, 0)
		if err != nil {
			return changed, err
		}
		changed = changed || len(res.Changes) > 0
		if r.sweep == nil { // the state was loaded again
			return changed, nil
		}
		if r.sweep.ended {
			r.completeSweep(ctx)
			return changed, nil
		}
	}
	return changed, nil
}

// sweepPages is this tick's share of the walk.
func (r *runner) sweepPages() int {
	pages := max(r.sweep.expectedPages(r.PageSize, r.state.Len()), 1)
	interval := max(r.schedule.now, r.PollInterval)
	share := int(float64(pages)*float64(interval)/float64(r.SweepInterval)) + 1
	room := int(interval.Seconds()*r.Account.Rate()) - maxHead/2
	return max(1, min(share, room))
}

// baseline walks through everything until one walk counts.
func (r *runner) baseline(ctx context.Context) error {
	r.beginSweep()
	defer func() { r.sweep = nil }()
	w := r.sweep
	for n := 1; ; n++ {
		page, err := r.fetch(ctx, laneBaseline, n)
		if err != nil {
			return err
		}
		if err := w.add(n, page, r.PageSize); err != nil {
			return err
		}
		var complete diff.Time
		if w.ended && r.baselineCounts(w, page) {
			complete = diff.TimeOf(page.StartedAt)
		}
		if _, err := r.commit(ctx, page, w.number, complete); err != nil {
			return err
		}
		r.tellProgress(w)
		if !w.ended {
			continue
		}
		if r.state.BaselineAt != 0 && r.sweep == w {
			r.completeSweep(ctx)
			r.log.Info("baseline complete", zap.Int("videos", r.state.Len()), zap.Int("pages", w.pages),
				zap.Int("in_flight", r.state.InFlight()))
		}
		return nil
	}
}

// baselineCounts decides whether a walk that came to its end may be the baseline.
func (r *runner) baselineCounts(w *sweep, last memories.Page) bool {
	if w.unique == 0 && r.state.Len() == 0 {
		return r.emptyCounts()
	}
	if w.total >= 0 && int64(w.unique) < w.total {
		r.tries++
		if r.tries < r.BaselineRetries {
			r.log.Info("baseline walk saw fewer videos than the platform counts, walking again",
				zap.Int("seen", w.unique), zap.Int64("total", w.total))
			return false
		}
	}
	return last.Received > 0 || w.unique > 0
}

// emptyCounts asks for a second empty listing before it believes the first.
func (r *runner) emptyCounts() bool {
	if r.empty.IsZero() {
		r.empty = time.Now()
		return false
	}
	if time.Since(r.empty) < r.PollInterval {
		return false
	}
	r.log.Warn("the namespace is empty; if it should not be, check its name", zap.String("unique_id", r.UniqueID))
	return true
}

// tellProgress says now and then how far the first walk has come.
func (r *runner) tellProgress(w *sweep) {
	const every = 10 * time.Second
	if r.progress.IsZero() {
		r.progress = time.Now()
	}
	if time.Since(r.progress) < every {
		return
	}
	r.progress = time.Now()
	r.log.Info("walking the baseline", zap.Int("page", w.pages), zap.Int("of_pages", w.expectedPages(r.PageSize, 0)),
		zap.Int("videos", r.state.Len()))
}

// commit reconciles one page and stores what it says. It holds on through conflicts and an engine that is away, and returns
// an error only when told to stop or when the stored state cannot be read.
func (r *runner) commit(ctx context.Context, page memories.Page, number uint32, complete diff.Time) (*diff.Result, error) {
	in := diff.Input{Observations: observations(page), Sweep: number, SweepComplete: complete}
	hold := holdMin
	for {
		res := diff.Reconcile(r.state, in, r.policy())
		if res.Empty() {
			r.applied(in, res)
			return res, nil
		}
		err := r.append(ctx, res)
		if err == nil {
			r.applied(in, res)
			return res, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if errors.Is(err, ErrConflict) {
			r.log.Debug("the log has moved on, deciding again", zap.Error(err))
			err = r.refresh(ctx, res)
		} else {
			r.health.held(r.log, err)
			if err := sleep(ctx, hold); err != nil {
				return nil, err
			}
			hold = min(2*hold, holdMax)
			err = r.load(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
}

// append lets a batch that is on its way arrive even when we are told to stop.
func (r *runner) append(ctx context.Context, res *diff.Result) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	timer := time.AfterFunc(stopGrace, cancel)
	defer timer.Stop()
	return r.poller.store.Append(ctx, r.Name, res)
}

// applied moves the state and tells what happened.
func (r *runner) applied(in diff.Input, res *diff.Result) {
	before, _ := r.Words.Parse(r.state.Evidence)
	r.state.Apply(res)
	r.health.released(r.log)
	now := time.Now()
	for _, c := range res.Changes {
		r.poller.metrics.change(r.Name, c, now)
		r.log.Info("video changed", zap.String("video_no", c.VideoNo), zap.String("kind", string(c.Kind)),
			zap.String("reason", string(c.Reason)), zap.String("raw_status", c.Record.Raw), zap.Uint32("version", c.Record.Version))
	}
	for _, word := range res.UnknownWords {
		r.log.Warn("unknown status word, treated as processing", zap.String("raw_status", word))
	}
	r.poller.metrics.observed(r.Name, len(in.Observations), res)
	if after, why := r.Words.Parse(r.state.Evidence); after != before {
		r.log.Info("meaning of PARSE settled", zap.String("meaning", after.String()), zap.String("because", why))
	}
}

// refresh brings the state up to date after a conflict.
func (r *runner) refresh(ctx context.Context, res *diff.Result) error {
	state, err := r.poller.store.Refresh(ctx, r.state, res)
	if err == nil {
		r.adopt(state)
		return nil
	}
	if errors.Is(err, ErrUnreadable) {
		return err
	}
	r.health.held(r.log, err)
	return r.load(ctx)
}

// load reads the state from the log, and waits for an engine that is away.
func (r *runner) load(ctx context.Context) error {
	for hold := holdMin; ; hold = min(2*hold, holdMax) {
		state, err := r.poller.store.Load(ctx, r.Name, r.Words)
		if err == nil {
			r.adopt(state)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, ErrUnreadable) {
			return err
		}
		r.health.held(r.log, err)
		if err := sleep(ctx, hold); err != nil {
			return err
		}
	}
}

// adopt goes on with another state. One that was loaded anew knows nothing of the sweep under way.
func (r *runner) adopt(state *diff.State) {
	if state == r.state {
		return
	}
	r.state = state
	if r.sweep != nil && r.state.BaselineAt != 0 {
		r.endSweep(outcomePartial, "the state was loaded again")
	}
}

// observations stamps the videos of a page with the start of its request.
func observations(page memories.Page) []diff.Observation {
	obs := make([]diff.Observation, len(page.Videos))
	at := diff.TimeOf(page.StartedAt)
	for i, v := range page.Videos {
		obs[i] = diff.Observation{
			VideoNo: v.VideoNo, Name: v.Name, Raw: v.RawStatus, Cause: v.Cause, Duration: v.Duration, Size: v.Size,
			CreatedAt: diff.TimeOf(v.CreatedAt), At: at,
		}
	}
	return obs
}
