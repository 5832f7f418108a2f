package poller

import (
	"context"
	"time"

	"vidbell/diff"
)

const (
	// maxHead bounds the pages of one head walk.
	maxHead = 10
	// sweepShare is the part of the quota that sweeps may use.
	sweepShare = 0.25
)

// lanes walks the head, then some pages of the sweep.
func (r *runner) lanes(ctx context.Context) (changed bool, err error) {
	w := r.nextSweep()
	if r.sweep != nil {
		w.number = r.sweep.number // its sightings count for the sweep under way
	}
	changed, cut, err := r.head(ctx, w)
	switch {
	case err != nil:
		return changed, err
	case w.unique == 0 && w.skipped == 0 && r.state.Len() > r.state.Count(diff.Deleted):
		r.health.judge(ReasonEmpty) // no sweep to go by, and none to be given up for it
		return changed, nil
	}
	r.health.shown()
	switch {
	case w.ended: // the head showed everything
		r.sweepFrom(w)
		r.completeSweep()
		return changed, nil
	case cut, r.sweep == nil && !time.Now().Before(r.sweepDue): // there is more where that came from
		r.sweepFrom(w)
	case r.sweep == nil:
		return changed, nil
	}
	more, err := r.continueSweep(ctx)
	return changed || more, err
}

// sweepFrom makes a head walk the sweep, in place of one under way: it began later and read the first pages.
func (r *runner) sweepFrom(w *sweep) {
	if r.sweep != nil {
		r.endSweep(outcomePartial, "began anew")
		w.number = r.sweeps
	}
	r.sweep = w
}

// head reads page 1, and on while a page brings videos that are new or in flight. cut says that it was stopped at its bound
// while there was still something new.
func (r *runner) head(ctx context.Context, w *sweep) (changed, cut bool, err error) {
	shown := 0
	for range maxHead {
		page, err := r.nextPage(ctx, laneHead, w)
		if err != nil {
			return changed, false, err
		}
		res, err := r.commit(ctx, page, w.number, 0)
		if err != nil {
			return changed, false, err
		}
		changed, cut = changed || len(res.Changes) > 0, res.New > 0
		w.news += res.New
		if r.sweep != nil {
			r.sweep.news += res.New
		}
		shown += stillInFlight(res)
		if w.ended || res.New == 0 && (res.InFlight == 0 || shown >= r.state.InFlight()) {
			return changed, false, nil
		}
	}
	return changed, cut, nil
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

// continueSweep reads the next pages of the walk, as many as keep it on time and within its share of the quota.
func (r *runner) continueSweep(ctx context.Context) (changed bool, err error) {
	w := r.sweep
	for range r.sweepPages() {
		page, err := r.nextPage(ctx, laneSweep, w)
		if err != nil {
			return changed, err
		}
		res, err := r.commit(ctx, page, w.number, 0)
		if err != nil {
			return changed, err
		}
		changed = changed || len(res.Changes) > 0
		w.news += res.New
		if r.sweep != w { // the state was loaded again
			return changed, nil
		}
		if w.ended {
			r.completeSweep()
			return changed, nil
		}
	}
	return changed, nil
}

// sweepPages is this tick's part of the walk.
func (r *runner) sweepPages() int {
	interval := max(r.schedule.now, r.PollInterval)
	pages := max(r.sweep.expectedPages(r.PageSize, r.state.Len()), 1)
	wanted := 1 + int(float64(pages)*float64(interval)/float64(r.SweepInterval))
	return r.share.spend(wanted, r.polled, interval, r.Account.Rate()*sweepShare/float64(r.sharers))
}

// share is what a source's sweep has saved of its part of the quota, in requests.
type share struct {
	saved float64
	since time.Time
}

// spend returns how many of the wanted requests the share allows, at perSecond since the last tick; what is saved never
// exceeds one interval's worth and one.
func (s *share) spend(wanted int, now time.Time, interval time.Duration, perSecond float64) int {
	earned := interval
	if !s.since.IsZero() {
		earned = now.Sub(s.since)
	}
	s.since = now
	s.saved = min(s.saved+earned.Seconds()*perSecond, interval.Seconds()*perSecond+1)
	n := min(wanted, int(s.saved))
	s.saved -= float64(n)
	return n
}
