package poller_test

import (
	"slices"
	"time"

	"vidbell/diff"
)

// The rules for deletions, as this model understands them. A deletion may be told by a process that
//
//   - has not been shown the video, in any answer, since it was first denied;
//   - was denied it in two sweeps, by look-ups; in five where a deletion is one of many at once, and no operator believed it.
//     Where it found that no look-up is honoured, the walks themselves count;
//   - and if the video was on the platform all that time, then as many of the answers were spoilt by the platform, or lists
//     shifted under the walks as often.

const (
	denialsGone = 2
	denialsMany = 5
)

func (s *simulation) checkDeletions() {
	for _, batch := range s.batches() {
		needed := denialsGone
		if s.many(batch) && !s.believed(batch[0].at) {
			needed = denialsMany
		}
		for _, e := range batch {
			s.checkDeletion(e, needed)
		}
	}
}

// batches are the deletions that were told together.
func (s *simulation) batches() [][]stored {
	var all [][]stored
	for _, e := range s.log.all() {
		if e.change.Reason != diff.ReasonGone {
			continue
		}
		if n := len(all); n > 0 && all[n-1][0].by == e.by && all[n-1][0].at.Equal(e.at) {
			all[n-1] = append(all[n-1], e)
			continue
		}
		all = append(all, []stored{e})
	}
	return all
}

// many reports whether deletions are so many that they must have been held back. Those that others have told just now may not be
// known to who tells these.
func (s *simulation) many(batch []stored) bool {
	live := s.liveBefore(batch[0])
	return len(batch) > 10 && 5*len(batch) > live || live > 1 && len(batch) == live
}

// liveBefore is how many videos the log held for live before an event.
func (s *simulation) liveBefore(e stored) int {
	const justNow = time.Minute
	live := make(map[string]bool)
	for _, page := range s.log.pages["default"] {
		for _, l := range page {
			live[l.VideoNo] = true
		}
	}
	for _, other := range s.log.all() {
		if other.seq >= e.seq {
			break
		}
		unknown := other.by != e.by && e.at.Sub(other.at) < justNow
		live[other.change.VideoNo] = other.change.Record.Status != diff.Deleted || unknown
	}
	n := 0
	for _, is := range live {
		if is {
			n++
		}
	}
	return n
}

// believed reports whether an operator had a hand in what was told at a time.
func (s *simulation) believed(at time.Time) bool {
	return slices.ContainsFunc(s.released, func(r time.Time) bool { return !r.After(at) && at.Sub(r) < 5*time.Minute })
}

func (s *simulation) checkDeletion(e stored, needed int) {
	p, no := s.told(e), e.change.VideoNo
	since, answers := p.sinceShown(e.change)
	denials, walks, spoilt := 0, 0, 0
	for _, a := range answers {
		if a.denies(no) {
			denials++
		}
		if a.walks() && a.Page == 1 && a.err == nil {
			walks++
		}
		if a.err == nil && a.fault != "" {
			spoilt++
		}
	}
	if denials < needed && (walks < needed || s.looksUp(e.at)) {
		s.t.Errorf("%s was told to be gone at %s after %d look-ups and %d walks, %d are needed", no, e.at.Sub(s.began), denials, walks, needed)
	}
	if s.stayed(no, since, e.at) && spoilt < needed && (s.looksUp(e.at) || s.shifts(since, e.at) < needed) {
		s.t.Errorf("%s was told to be gone at %s, but was there since %s, and only %d answers were spoilt",
			no, e.at.Sub(s.began), since.Sub(s.began), spoilt)
	}
}

// noteFilters notes when it is in the log that no look-up by id is honoured.
func (s *simulation) noteFilters() {
	s.log.set(func() {
		if f := s.log.meta["default"].Filters; f.VideoNos != 0 && f.VideoNo != 0 && s.blind.IsZero() {
			s.blind = time.Now()
		}
	})
}

// looksUp reports whether look-ups by id were taken to be honoured at a time.
func (s *simulation) looksUp(at time.Time) bool { return s.blind.IsZero() || at.Before(s.blind) }

// sinceShown returns when a process was last shown a video before it decided, or started, and what it was answered since.
func (p *program) sinceShown(c diff.Change) (time.Time, []asked) {
	known := p.asked[:p.knew[versionOf(c)]]
	for i := range slices.Backward(known) {
		if _, shown := known[i].shows(c.VideoNo); shown {
			return known[i].at, known[i+1:]
		}
	}
	return p.started, known
}
