package poller

import (
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"go.uber.org/zap"

	"vidbell/diff"
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
	skipped  int // items without an id
	first    int64
	total    int64     // first and latest total count that the platform named; -1 unknown
	news     int       // videos not known before that were seen since it began, by any lane
	ended    bool      // the last page was the end
	last     diff.Time // when the last page was asked for
	heir     bool      // it goes by the number of a walk that it replaced

	ids   map[uint64]struct{} // hashes: a walk may show a million ids
	seen  map[uint64]struct{} // hashes of pages
	seed  maphash.Seed
	bound int
}

var (
	errPageRepeated = errors.New("the platform answered with a page that it sent before")
	errOtherPage    = errors.New("the platform answered with another page than asked for")
	errEndless      = errors.New("the listing does not end")
)

func isWalkError(err error) bool {
	return errors.Is(err, errPageRepeated) || errors.Is(err, errOtherPage) || errors.Is(err, errEndless)
}

const (
	// slackPages is how many pages more than the total count asks for a walk may take.
	slackPages = 50
	// maxPages bounds a walk where the platform names no total count: four million videos.
	maxPages = 20_000
)

func newSweep(number uint32) *sweep {
	return &sweep{
		number: number, started: time.Now(), first: -1, total: -1,
		ids: make(map[uint64]struct{}), seen: make(map[uint64]struct{}), seed: maphash.MakeSeed(),
	}
}

// add takes the next page into the walk and decides whether it was the end.
func (w *sweep) add(page memories.Page, size int) error {
	n := w.pages + 1
	if page.Number != 0 && page.Number != n && page.Received > 0 {
		return fmt.Errorf("list page %d: %w (%d)", n, errOtherPage, page.Number)
	}
	if page.Received > 0 && !w.take(page) {
		return fmt.Errorf("list page %d: %w", n, errPageRepeated)
	}
	w.pages = n
	w.last = diff.TimeOf(page.StartedAt)
	w.received += page.Received
	w.skipped += page.Skipped
	w.count(page)
	w.ended = w.isEnd(page, size)
	if !w.ended && w.isEndless(size) {
		return fmt.Errorf("list page %d: %w", n, errEndless)
	}
	return nil
}

// take notes the ids of a page. It reports false for a page that came before: a platform that ignores the page number would
// be walked for ever.
func (w *sweep) take(page memories.Page) bool {
	var h maphash.Hash
	h.SetSeed(w.seed)
	for _, v := range page.Videos {
		_, _ = h.WriteString(v.VideoNo) // never fails
		_ = h.WriteByte(0)
		w.ids[maphash.String(w.seed, v.VideoNo)] = struct{}{}
	}
	w.unique = len(w.ids)
	sum := h.Sum64()
	_, again := w.seen[sum]
	w.seen[sum] = struct{}{}
	return !again
}

// isEmpty reports whether the walk has met no video at all.
func (w *sweep) isEmpty() bool { return w.unique == 0 && w.skipped == 0 }

// count keeps the total counts. An empty page past the first may be past the end, where a platform may count nothing.
func (w *sweep) count(page memories.Page) {
	if w.pages == 1 {
		w.first = page.Total
	}
	if w.pages == 1 || page.Received > 0 {
		w.total = page.Total
	}
}

// isEnd decides whether a page is the last. A short page is the end only if the total count bears it out: the platform may
// cap its pages below what we asked for, with or without saying so, or cut one short.
func (w *sweep) isEnd(page memories.Page, size int) bool {
	if page.Received == 0 {
		return true
	}
	if page.Size > 0 {
		size = min(size, page.Size)
	}
	return page.Received < size && int64(w.unique+w.skipped) == page.Total
}

func (w *sweep) isEndless(size int) bool {
	if w.total < 0 {
		return w.pages > max(w.bound, maxPages)
	}
	w.bound = max(w.bound, 2*(w.expectedPages(size, 0)+slackPages))
	return w.pages > w.bound
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

// miscounts reports whether the walk saw another number of videos than the platform counts. seen are those that any lane saw
// since it began. What was deleted meanwhile may have been seen before, or have pulled others out of its way.
func (w *sweep) miscounts(seen int) bool {
	if w.total < 0 {
		return false
	}
	deleted := max(0, w.first+int64(w.news)-w.total)
	off := int64(max(w.unique, seen)) - w.total
	return off > deleted || -off > deleted
}

// nextSweep numbers a walk that may become a sweep.
func (r *runner) nextSweep() *sweep {
	r.sweeps++
	return newSweep(r.sweeps)
}

// completeSweep ends a walk that came to its end, and compares what it saw with what the platform counts.
func (r *runner) completeSweep() {
	w := r.sweep
	r.sweepDue = w.started.Add(r.SweepInterval)
	if w.skipped > 0 {
		r.endSweep(outcomePartial, "videos without an id")
		return
	}
	r.endSweep(outcomeComplete, "")
	r.ended = time.Now()
	seen := w.unique
	if !w.heir {
		seen = max(seen, r.state.SeenIn(w.number))
	}
	r.mismatch = nil
	miscounts := w.miscounts(seen)
	r.suspect(w, !miscounts && w.total == int64(w.unique))
	if !miscounts {
		r.health.judge("")
		return
	}
	r.mismatch = &Mismatch{Seen: int64(seen), Counted: w.total}
	r.health.judge(ReasonCountMismatch)
	r.poller.metrics.mismatches.WithLabelValues(r.Name).Inc()
	r.log.Debug("sweep and total count disagree", zap.Int("seen", seen), zap.Int64("total", w.total))
}

// endSweep drops the walk under way.
func (r *runner) endSweep(o outcome, why string) {
	r.poller.metrics.swept(r.Name, o)
	if o != outcomeComplete {
		r.log.Debug("sweep ended early", zap.String("outcome", string(o)), zap.String("why", why), zap.Int("pages", r.sweep.pages))
	}
	r.sweep = nil
}
