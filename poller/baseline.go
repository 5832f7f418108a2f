package poller

import (
	"context"
	"time"

	"go.uber.org/zap"

	"vidbell/diff"
)

// doubtfulEmpty is for how many poll intervals a listing must stay empty that was not before, or that counts videos.
const doubtfulEmpty = 10

// baseline walks through everything until one walk counts. A walk that met a failure goes on where it stopped.
func (r *runner) baseline(ctx context.Context) error {
	if r.sweep == nil {
		r.sweep = r.nextSweep()
	}
	w := r.sweep
	for !w.ended {
		page, err := r.nextPage(ctx, laneBaseline, w)
		if err != nil {
			return err
		}
		if w.unique > 0 {
			r.empty = time.Time{}
		}
		var complete diff.Time
		if w.ended && r.baselineCounts(w) {
			complete = diff.TimeOf(page.StartedAt)
		}
		if _, err := r.commitPage(ctx, page, w.number, complete); err != nil {
			return err
		}
		if r.sweep != w { // another process has completed the baseline
			return nil
		}
		r.tellProgress(w)
	}
	if r.state.BaselineAt == 0 {
		r.endSweep(outcomePartial, "does not count as the baseline")
		return nil
	}
	r.completeSweep()
	r.log.Info("baseline complete", zap.Int("videos", r.state.Len()), zap.Int("pages", w.pages),
		zap.Int("in_flight", r.state.InFlight()))
	return nil
}

// baselineCounts decides whether a walk that came to its end may be the baseline. Videos that it missed would be news to us
// later. It may miss those that came while it walked: they are news.
func (r *runner) baselineCounts(w *sweep) bool {
	if w.unique == 0 && w.skipped == 0 {
		return r.emptyCounts(w)
	}
	if w.skipped == 0 && int64(w.unique) >= w.first {
		return true
	}
	r.walks++
	if r.walks >= r.BaselineRetries {
		r.log.Warn("no walk showed as many videos as the platform counts, taking this one as the baseline",
			zap.Int("seen", w.unique), zap.Int("without_id", w.skipped), zap.Int64("total", w.first))
		return true
	}
	r.log.Info("baseline walk saw fewer videos than the platform counts, walking again",
		zap.Int("seen", w.unique), zap.Int("without_id", w.skipped), zap.Int64("total", w.first))
	return false
}

// emptyCounts asks for a second empty listing, a poll interval later, before it believes the first; for many more where
// something speaks against it.
func (r *runner) emptyCounts(w *sweep) bool {
	if r.empty.IsZero() {
		r.empty = time.Now()
		return false
	}
	patience := r.PollInterval
	if w.total > 0 || r.state.Len() > 0 {
		patience *= doubtfulEmpty
	}
	if time.Since(r.empty) < patience {
		return false
	}
	r.log.Warn("the namespace is empty; if it should not be, check its name", zap.String("unique_id", r.UniqueID))
	return true
}
