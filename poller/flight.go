package poller

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"vidbell/diff"
	"vidbell/poller/memories"
)

// flight knows which videos of a source are in processing, and when each was last seen or asked for.
type flight struct {
	at   map[string]diff.Time
	gone map[string]gone // those that a look-up did not find, though they are held as processing
}

// gone is a video that look-ups do not find: sweeps will tell whether it was deleted.
type gone struct {
	times int
	at    diff.Time // of the last look-up
}

// due reports whether a video is to be asked for again: after twice as many ticks each time, up to a sweep.
func (g gone) due(now diff.Time, interval, sweep time.Duration) bool {
	if g.times == 0 {
		return true
	}
	return now.Since(g.at) >= min(interval<<min(g.times-1, 20), sweep)
}

// missing notes that a look-up did not find a video.
func (f *flight) missing(videoNo string, at diff.Time) {
	if f.gone == nil {
		f.gone = make(map[string]gone)
	}
	f.gone[videoNo] = gone{times: f.gone[videoNo].times + 1, at: at}
}

// took notes what was seen.
func (f *flight) took(state *diff.State, in diff.Input, res *diff.Result) {
	if f.at == nil {
		return
	}
	for i := range in.Observations {
		o := &in.Observations[i]
		f.note(state, o.VideoNo, o.At)
	}
	for i := range res.Changes {
		f.note(state, res.Changes[i].VideoNo, res.Changes[i].At)
	}
}

func (f *flight) note(state *diff.State, videoNo string, at diff.Time) {
	delete(f.gone, videoNo)
	if !inFlight(state.Status(videoNo)) {
		delete(f.at, videoNo)
		return
	}
	f.at[videoNo] = max(f.at[videoNo], at)
}

// asked notes that a video was looked up: whatever came of it, others are first next time.
func (f *flight) asked(videoNo string, at diff.Time) {
	if _, ok := f.at[videoNo]; ok {
		f.at[videoNo] = max(f.at[videoNo], at)
	}
}

// forget makes the next look read the state.
func (f *flight) forget() { *f = flight{} }

// align makes the videos those that the state holds in processing. What moves without being seen (other processes tell it,
// PARSE comes to mean something else) shows as another number.
func (f *flight) align(state *diff.State) {
	if f.at != nil && len(f.at) == state.InFlight() {
		return
	}
	had := f.at
	f.at = make(map[string]diff.Time, state.InFlight())
	for no := range state.All() {
		if inFlight(state.Status(no)) {
			f.at[no] = had[no]
		}
	}
}

// before lists the videos that were last seen or asked for before a time, the longest ago first.
func (f *flight) before(t diff.Time) []string {
	var list []string
	for no, at := range f.at {
		if at < t {
			list = append(list, no)
		}
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(f.at[a], f.at[b]), strings.Compare(a, b)) })
	return list
}

func inFlight(st diff.Status) bool { return st == diff.Processing || st == diff.Unknown }

// flightLane asks for the videos in processing that this tick has not shown yet, by the cheapest means that the platform
// honours, the longest unseen first.
func (r *runner) flightLane(ctx context.Context) (changed bool, err error) {
	r.flight.align(r.state)
	waiting := slices.DeleteFunc(r.flight.before(r.ticked), func(no string) bool {
		return !r.flight.gone[no].due(r.ticked, r.PollInterval, r.SweepInterval)
	})
	if len(waiting) == 0 {
		return false, nil
	}
	words := r.wordsOf(waiting)
	if !r.listingIsCheaper(words, len(waiting)) {
		found, err := r.lookUp(ctx, laneFlight, waiting)
		return found.changed, err
	}
	for _, word := range slices.Sorted(maps.Keys(words)) {
		moved, err := r.byStatus(ctx, word, words[word])
		changed = changed || moved
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// wordsOf groups videos by the word that they were last seen in.
func (r *runner) wordsOf(videos []string) map[string][]string {
	words := make(map[string][]string)
	for _, no := range videos {
		rec, _ := r.state.Get(no)
		word := strings.ToUpper(strings.TrimSpace(rec.Raw))
		words[word] = append(words[word], no)
	}
	return words
}

// maxWords bounds the words that are listed one by one.
const maxWords = 3

// listingIsCheaper decides between the listing by status and look-ups by id.
func (r *runner) listingIsCheaper(words map[string][]string, videos int) bool {
	if !r.honours(filterStatus) || len(words) > maxWords {
		return false
	}
	if _, empty := words[""]; empty { // no filter can ask for no word
		return false
	}
	listing := 0
	for _, list := range words {
		listing += pagesOf(len(list), r.PageSize)
	}
	return listing < r.lookUpCost(videos) && listing < r.budget // what has left it must be looked up too
}

func pagesOf(n, size int) int { return (n + size - 1) / size }

// byStatus lists the videos in one word, and looks up those that have left it: they have finished, or are gone.
func (r *runner) byStatus(ctx context.Context, word string, waiting []string) (changed bool, err error) {
	w := newSweep(0)
	for !w.ended && r.budget > 0 {
		page, err := r.ask(ctx, laneFlight, memories.Query{Status: word, Page: w.pages + 1, Size: r.PageSize})
		if err = r.refusedFilter(ctx, filterStatus, err); errors.Is(err, errRefused) {
			return changed, nil
		}
		if err != nil {
			return changed, err
		}
		if !onlyIn(page, word) {
			return changed, r.deceived(ctx, filterStatus, page, "it answered with videos in another status")
		}
		if err := w.add(page, r.PageSize); err != nil {
			r.log.Debug("listing by status makes no whole", zap.Error(err))
			return changed, nil
		}
		res, err := r.commitPage(ctx, page, r.sweepNumber(), 0)
		if err != nil {
			return changed, err
		}
		changed = changed || len(res.Changes) > 0
	}
	if !w.ended { // others than those we know of are in that status
		return changed, r.strike(ctx, filterStatus, "it lists more than can be read in a tick")
	}
	moved, err := r.leavers(ctx, word, waiting, w.pages == 1)
	return changed || moved, err
}

// onlyIn reports whether a page holds nothing but videos in one word.
func onlyIn(page memories.Page, word string) bool {
	return !slices.ContainsFunc(page.Videos, func(v memories.Video) bool {
		return !strings.EqualFold(strings.TrimSpace(v.RawStatus), word)
	})
}

// leavers looks up the videos that a listing by status does not show any more. A filter that leaves out what it should show,
// again and again, is not used for a day; whole says that the listing cannot have missed them by moving.
func (r *runner) leavers(ctx context.Context, word string, waiting []string, whole bool) (changed bool, err error) {
	left := slices.DeleteFunc(slices.Clone(waiting), func(no string) bool {
		return r.flight.at[no] >= r.ticked || !inFlight(r.state.Status(no))
	})
	if len(left) == 0 {
		r.prove(filterStatus)
		return false, nil
	}
	found, err := r.lookUp(ctx, laneFlight, left)
	if err != nil {
		return found.changed, err
	}
	still := 0
	for _, no := range left {
		if rec, _ := r.state.Get(no); found.shown[no] && strings.EqualFold(rec.Raw, word) && inFlight(r.state.Status(no)) {
			still++
		}
	}
	if !whole || still == 0 {
		return found.changed, nil
	}
	return found.changed, r.strike(ctx, filterStatus, "it leaves out videos that are in that status")
}

// sweepNumber is the walk for which a sighting counts; 0 between two walks.
func (r *runner) sweepNumber() uint32 {
	if r.sweep == nil {
		return 0
	}
	return r.sweep.number
}
