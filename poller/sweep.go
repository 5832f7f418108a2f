package poller

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"go.uber.org/zap"

	"vidbell/poller/memories"
)

// outcome is how a sweep ended.
type outcome string

const (
	outcomeComplete outcome = "complete"
	outcomePartial  outcome = "partial"
	outcomeFailed   outcome = "failed"
)

// sweep is a walk through all pages, or the part of one that a head walk makes.
type sweep struct {
	number   uint32
	started  time.Time
	pages    int // read so far
	received int // items, repeated ones counted again
	unique   int // different ids
	skipped  int
	total    int64 // as the platform last said; -1 unknown
	ended    bool  // the last page was the end

	ids   map[string]struct{}
	seen  map[uint64]struct{} // hashes of pages
	seed  maphash.Seed
	bound int
}

var (
	errPageRepeated = errors.New("the platform answered with a page that it sent before")
	errOtherPage    = errors.New("the platform answered with another page than asked for")
	errEndless      = errors.New("the listing does not end")
)

// slackPages is how many pages more than the total count asks for a walk may take.
const slackPages = 50

// add takes a page into the walk and decides whether it was the end.
func (w *sweep) add(n int, page memories.Page, size int) error {
	if page.Number != 0 && page.Number != n && page.Received > 0 {
		return fmt.Errorf("list page %d: %w (%d)", n, errOtherPage, page.Number)
	}
	if err := w.once(page); err != nil {
		return fmt.Errorf("list page %d: %w", n, err)
	}
	w.pages = n
	w.received += page.Received
	w.skipped += page.Skipped
	w.total = page.Total
	w.ended = w.isEnd(page, size)
	w.bound = max(w.bound, w.expectedPages(size, 0)+slackPages)
	if !w.ended && w.total >= 0 && n > 2*w.bound {
		return fmt.Errorf("list page %d: %w", n, errEndless)
	}
	return nil
}

// once refuses a page that came before: a platform that ignores the page number would be walked for ever.
func (w *sweep) once(page memories.Page) error {
	if w.seen == nil {
		w.seen, w.ids, w.seed = make(map[uint64]struct{}), make(map[string]struct{}), maphash.MakeSeed()
	}
	var h maphash.Hash
	h.SetSeed(w.seed)
	for _, v := range page.Videos {
		_, _ = h.WriteString(v.VideoNo) // never fails
		_ = h.WriteByte(0)
		if _, known := w.ids[v.VideoNo]; !known {
			w.ids[v.VideoNo] = struct{}{}
			w.unique++
		}
	}
	if page.Received == 0 {
		return nil
	}
	sum := h.Sum64()
	if _, again := w.seen[sum]; again {
		return errPageRepeated
	}
	w.seen[sum] = struct{}{}
	return nil
}

// isEnd decides whether a page is the last. A short page is the end only if the platform did not simply cap the page below
// what we asked for: its own page size and its total count tell.
func (w *sweep) isEnd(page memories.Page, size int) bool {
	if page.Received == 0 {
		return true
	}
	if page.Size > 0 {
		size = min(size, page.Size)
	}
	if page.Received >= size {
		return false
	}
	switch {
	case page.Total >= 0:
		return int64(w.received) >= page.Total
	default:
		return page.Size > 0
	}
}

// expectedPages is how many pages the whole walk takes, by the total count or by what is known.
func (w *sweep) expectedPages(size, known int) int {
	videos := int64(known)
	if w.total > 0 {
		videos = w.total
	}
	per := int64(size)
	if w.pages > 0 && w.received > 0 {
		per = max(1, min(per, int64(w.received/w.pages)))
	}
	return int((videos + per - 1) / per)
}

func (r *runner) beginSweep() {
	r.sweeps++
	r.sweep = &sweep{number: r.sweeps, started: time.Now(), total: -1}
}

// completeSweep ends a walk that came to its end, and compares what it saw with what the platform counts.
func (r *runner) completeSweep(ctx context.Context) {
	w := r.sweep
	r.sweepDue = w.started.Add(r.SweepInterval)
	if w.skipped > 0 {
		r.endSweep(outcomePartial, "videos without an id")
		return
	}
	r.endSweep(outcomeComplete, "")
	// Another lane may have seen a video that slipped past this one.
	seen := max(w.unique, r.state.SeenIn(w.number))
	mismatch := w.total >= 0 && int64(seen) != w.total
	r.poller.metrics.swept(r.Name, mismatch)
	if !mismatch {
		r.health.counted()
		return
	}
	r.health.miscounted()
	r.log.Debug("sweep and total count disagree", zap.Int("seen", seen), zap.Int64("total", w.total))
	if ctx.Err() == nil && r.health.mismatches == mismatchesAfter {
		r.log.Warn("three sweeps in a row disagree with the platform's total count", zap.Int("seen", seen), zap.Int64("total", w.total))
	}
}

func (r *runner) endSweep(o outcome, why string) {
	r.poller.metrics.sweeps.WithLabelValues(r.Name, string(o)).Inc()
	if o == outcomeComplete {
		now := time.Now()
		r.poller.metrics.lastSweep.WithLabelValues(r.Name).Set(float64(now.UnixMilli()) / 1e3)
	} else {
		r.log.Debug("sweep ended early", zap.String("outcome", string(o)), zap.String("why", why), zap.Int("pages", r.sweep.pages))
	}
	r.sweep = nil
}
