package poller

import (
	"context"
	"time"

	"vidbell/diff"
	"vidbell/poller/memories"
)

const (
	// maxHead bounds the pages of one head walk.
	maxHead = 10
	// sweepShare is the part of the quota that sweeps may use.
	sweepShare = 0.25
)

// lanes makes one tick's requests: what is new, what is in flight, a part of the walk through everything, and what that did not
// show. An error ends the tick.
func (r *runner) lanes(ctx context.Context) (changed bool, err error) {
	r.budget = r.tickBudget()
	clear(r.missed)
	r.flight.align(r.state)
	for _, lane := range []func(context.Context) (bool, error){r.headLane, r.flightLane, r.sweepLane, r.judgeLane} {
		moved, err := lane(ctx)
		changed = changed || moved
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// tickBudget is how many requests a tick may make for what is in flight: what the account allows this source in an interval,
// less the head, the sweep and the suspects.
func (r *runner) tickBudget() int {
	quota := r.Account.Rate() * r.schedule.interval().Seconds() / float64(r.sharers.Load())
	return max(1, int(quota*(1-2*sweepShare))-1)
}

// headLane walks the head and decides what becomes of the sweep. A listing in another order has no head.
func (r *runner) headLane(ctx context.Context) (changed bool, err error) {
	if r.order.other && r.state.Len() > r.PageSize {
		return false, nil
	}
	w, state := r.nextSweep(), r.state
	if r.sweep != nil {
		w.number = r.sweep.number // its sightings count for the sweep under way
	}
	changed, cut, err := r.head(ctx, w)
	switch {
	case err != nil, r.state != state: // or one that was loaded again, and has not seen all of it
		return changed, err
	case w.isEmpty() && r.live() > 0:
		r.emptyListing(w)
		return changed, nil
	}
	r.health.shown()
	switch {
	case w.ended: // the head showed everything
		r.sweepFrom(w)
		r.completeSweep()
	case cut, r.sweep == nil && !time.Now().Before(r.sweepDue): // there is more where that came from
		r.sweepFrom(w)
	}
	return changed, nil
}

// live is the number of videos that are not known to be gone.
func (r *runner) live() int { return r.state.Len() - r.state.Count(diff.Deleted) }

// emptyListing doubts a listing that shows none of the videos that are known. It is no sweep to go by, and none is given up for
// it; only when it lasts are the videos asked for one by one.
func (r *runner) emptyListing(w *sweep) {
	r.health.judge(ReasonEmpty)
	r.witnesses = nil
	if r.health.emptied() {
		w.number = r.sweeps // nothing was seen under it
		r.suspect(w, w.total == 0)
	}
}

// sweepFrom makes a head walk the sweep, in place of one under way: it began later and read the first pages.
func (r *runner) sweepFrom(w *sweep) {
	if r.sweep != nil {
		r.endSweep(outcomePartial, "began anew")
		w.heir = true // what it has seen counts under the number of the other
	}
	r.sweep = w
}

// head reads page 1, and on while a page brings videos that are new. cut says that it was stopped at its bound while there was
// still something new.
func (r *runner) head(ctx context.Context, w *sweep) (changed, cut bool, err error) {
	for range maxHead {
		page, err := r.nextPage(ctx, laneHead, w)
		if err != nil {
			return changed, false, err
		}
		res, err := r.commitNext(ctx, page, w)
		if err != nil {
			return changed, false, err
		}
		changed, cut = changed || len(res.Changes) > 0, res.New > 0
		w.news += res.New
		if r.sweep != nil {
			r.sweep.news += res.New
		}
		if w.ended || res.New == 0 {
			return changed, false, nil
		}
	}
	return changed, cut, nil
}

// commitNext takes in the page of the head walk that was just read.
func (r *runner) commitNext(ctx context.Context, page memories.Page, w *sweep) (*diff.Result, error) {
	if w.pages == 1 {
		return r.commitHead(ctx, page, w.number)
	}
	return r.commitPage(ctx, page, w.number, 0)
}

// glance reads page 1 out of turn.
func (r *runner) glance(ctx context.Context) error {
	page, err := r.ask(ctx, laneHint, memories.Query{Page: 1, Size: r.PageSize})
	if err != nil {
		return err
	}
	return r.addNews(r.commitHead(ctx, page, r.sweepNumber()))
}

// sight takes in what an answer shows beside what was asked for: a sighting is a sighting.
func (r *runner) sight(ctx context.Context, page memories.Page) error {
	return r.addNews(r.commitPage(ctx, page, r.sweepNumber(), 0))
}

// addNews counts what was new for the sweep under way.
func (r *runner) addNews(res *diff.Result, err error) error {
	if err == nil && r.sweep != nil {
		r.sweep.news += res.New
	}
	return err
}

// sweepLane reads the next pages of the walk, as many as keep it on time and within its share of the quota. Where the listing
// has no head, it is walked without a pause.
func (r *runner) sweepLane(ctx context.Context) (changed bool, err error) {
	if r.sweep == nil && r.order.other && r.state.Len() > r.PageSize {
		r.sweep = r.nextSweep()
	}
	if r.sweep == nil {
		return false, nil
	}
	w := r.sweep
	for range r.sweepPages() {
		page, err := r.nextPage(ctx, laneSweep, w)
		if err != nil {
			return changed, err
		}
		res, err := r.commitPage(ctx, page, w.number, 0)
		if err != nil {
			return changed, err
		}
		changed = changed || len(res.Changes) > 0
		w.news += res.New
		if r.sweep != w { // the state was loaded again
			return changed, nil
		}
		if w.ended {
			r.finishSweep()
			return changed, nil
		}
	}
	return changed, nil
}

// finishSweep ends a walk that came to its end. Where there is no head, it is the sweep that meets an empty listing.
func (r *runner) finishSweep() {
	w := r.sweep
	if w.isEmpty() && r.live() > 0 {
		r.endSweep(outcomePartial, "empty")
		r.emptyListing(w)
		return
	}
	if r.order.other {
		r.health.shown()
	}
	r.completeSweep()
}

// sweepPages is this tick's part of the walk.
func (r *runner) sweepPages() int {
	interval := r.schedule.interval()
	if r.order.other {
		return max(1, int(interval.Seconds()*r.Account.Rate()/float64(r.sharers.Load())))
	}
	pages := max(r.sweep.expectedPages(r.PageSize, r.state.Len()), 1)
	wanted := 1 + int(float64(pages)*float64(interval)/float64(r.SweepInterval))
	return r.share.spend(wanted, r.polled, interval, r.Account.Rate()*sweepShare/float64(r.sharers.Load()))
}

// share is what a lane has saved of its part of the quota, in requests.
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
