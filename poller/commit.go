package poller

import (
	"context"
	"errors"
	"path"
	"time"

	"go.uber.org/zap"

	"vidbell/diff"
	"vidbell/poller/memories"
)

const (
	// holdMin and holdMax bound the wait between two tries to reach the engine.
	holdMin = 100 * time.Millisecond
	holdMax = 5 * time.Second
	// maxConflicts is how many conflicts in a row are settled by bringing videos up to date, before everything is loaded.
	maxConflicts = 3
	// stopGrace lets an append that is under way end when we are told to stop.
	stopGrace = 5 * time.Second
)

// commitPage takes in what a page shows. number is that of the sweep for which its sightings count; 0 is none.
func (r *runner) commitPage(ctx context.Context, page memories.Page, number uint32, complete diff.Time) (*diff.Result, error) {
	return r.commit(ctx, diff.Input{Observations: r.observations(page), Sweep: number, SweepComplete: complete})
}

// commitHead takes in page 1, whatever it was read for.
func (r *runner) commitHead(ctx context.Context, page memories.Page, number uint32) (*diff.Result, error) {
	return r.commit(ctx, diff.Input{Observations: r.observations(page), Sweep: number, Lagging: r.lags(page)})
}

// commit reconciles what was seen and stores what it says. It holds on through conflicts and an engine that is away, and
// returns an error only when told to stop or when the stored state cannot be read.
func (r *runner) commit(ctx context.Context, in diff.Input) (*diff.Result, error) {
	for tries := 0; ; tries++ {
		r.pulse.beat(0)
		in.Now = r.lookAtClock()
		res := r.reconcile(ctx, in)
		if res.Empty() {
			r.applied(in, res)
			return res, nil
		}
		err := r.append(ctx, res)
		if err == nil {
			r.applied(in, res)
			return res, nil
		}
		if err := r.catchUp(ctx, res, err, tries); err != nil {
			return nil, err
		}
	}
}

// append stores a result. A batch that is on its way when we are told to stop may still arrive.
func (r *runner) append(ctx context.Context, res *diff.Result) error {
	graceful, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		_ = sleep(graceful, stopGrace) // ends early with the append
		cancel()
	})
	defer stop()
	return r.poller.store.Append(graceful, r.Name, res)
}

// catchUp brings the state up to date after an append that failed: what we hold is too old, or the batch may or may not have
// been stored.
func (r *runner) catchUp(ctx context.Context, res *diff.Result, err error, tries int) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrUnreadable):
		return err
	}
	if errors.Is(err, ErrConflict) && tries < maxConflicts {
		r.log.Debug("the log has moved on, deciding again", zap.Error(err))
		return r.refresh(ctx, res)
	}
	r.away(err)
	if err := sleep(ctx, holdFor(tries)); err != nil {
		return err
	}
	return r.load(ctx)
}

// holdFor doubles with every try, up to its bound.
func holdFor(tries int) time.Duration {
	return min(holdMin<<min(tries, 10), holdMax)
}

// refresh brings the state up to date after a conflict.
func (r *runner) refresh(ctx context.Context, res *diff.Result) error {
	r.mu.Lock()
	state, err := r.poller.store.Refresh(ctx, r.state, res)
	r.mu.Unlock()
	switch {
	case err == nil:
		r.adopt(state)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrUnreadable):
		return err
	}
	r.away(err)
	return r.load(ctx)
}

// load reads the state from the log, and waits for an engine that is away.
func (r *runner) load(ctx context.Context) error {
	for tries := 0; ; tries++ {
		r.pulse.beat(0)
		state, err := r.poller.store.Load(ctx, r.Name, r.Words)
		switch {
		case err == nil:
			r.adopt(state)
			return nil
		case errors.Is(err, ErrUnreadable):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		r.away(err)
		if err := sleep(ctx, holdFor(tries)); err != nil {
			return err
		}
	}
}

// adopt goes on with another state. One that was loaded anew knows nothing of the sweep under way, nor of what was seen since
// one that is being judged ended.
func (r *runner) adopt(state *diff.State) {
	if state == r.state {
		return
	}
	if r.clock.set != 0 {
		state.ClockSet(r.clock.set)
	}
	r.mu.Lock()
	r.state = state
	r.mu.Unlock()
	r.flight.forget()
	r.judging = nil
	if r.sweep != nil && r.state.BaselineAt != 0 {
		r.endSweep(outcomePartial, "the state was loaded again")
	}
}

// follow takes over what another process wrote meanwhile. While the engine is away there is nothing to take over, and an append
// would wait for it.
func (r *runner) follow(ctx context.Context) error {
	r.mu.Lock() // hints ask which videos are known
	state, err := r.poller.store.Follow(ctx, r.state)
	r.mu.Unlock()
	switch {
	case err == nil:
		r.adopt(state)
		return nil
	case errors.Is(err, ErrUnreadable):
		return err
	default:
		r.log.Debug("could not look at what others wrote", zap.Error(err))
		return ctx.Err()
	}
}

// applied moves the state and tells what happened.
func (r *runner) applied(in diff.Input, res *diff.Result) {
	before, _ := r.Words.Parse(r.state.Evidence)
	r.mu.Lock()
	r.state.Apply(res)
	r.mu.Unlock()
	if n := len(res.Learned); n > 0 && r.state.EmptyAtFirst {
		r.log.Info("videos are far older than the baseline, which was empty: no news", zap.Int("videos", n))
	}
	r.flight.took(r.state, in, res)
	r.tellSkew(res.Skewed)
	if h := r.state.Hold(); h.Replaced != r.health.held.Replaced {
		r.hold(h)
	}
	r.released()
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

// away logs that the engine is away.
func (r *runner) away(err error) {
	now := time.Now()
	if r.holding.IsZero() {
		r.holding = now
	}
	r.stuck.Store(&err)
	if times, worth := r.holds.seen(err.Error(), now); worth {
		r.log.Warn("the log cannot be written, holding", zap.Error(err), zap.Int("times", times))
	}
}

// released logs that the engine is back.
func (r *runner) released() {
	if r.holding.IsZero() {
		return
	}
	r.log.Info("the log is written again", zap.Duration("after", time.Since(r.holding)))
	r.holding = time.Time{}
	r.stuck.Store(nil)
	r.holds.over()
}

// observations stamps the videos of a page with the start of its request. What the source does not watch is left out.
func (r *runner) observations(page memories.Page) []diff.Observation {
	obs := make([]diff.Observation, 0, len(page.Videos))
	at := diff.TimeOf(page.StartedAt)
	for _, v := range page.Videos {
		if !r.watches(v) {
			continue
		}
		obs = append(obs, diff.Observation{
			VideoNo: v.VideoNo, Name: v.Name, Raw: v.RawStatus, Cause: v.Cause, Duration: v.Duration, Size: v.Size,
			CreatedAt: diff.TimeOf(v.CreatedAt), At: at,
		})
	}
	return obs
}

// watches reports whether a video belongs to the source: by its name, or since it did before it was renamed. The world waits to
// hear how that ends, and it must not look as if it were gone.
func (r *runner) watches(v memories.Video) bool {
	if r.VideoName == "" {
		return true
	}
	ok, err := path.Match(r.VideoName, v.Name)
	if ok && err == nil { // the pattern was checked at the start
		return true
	}
	st := r.state.Status(v.VideoNo)
	return st != diff.None && st != diff.Deleted
}
