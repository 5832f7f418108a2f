package poller

import (
	"context"
	"errors"
	"slices"
	"time"

	"vidbell/diff"
	"vidbell/poller/memories"
)

const (
	// maxSet is how many ids are asked for at once: what the vendor documents for other calls with id lists.
	maxSet = 100
	// minSet is below which a refused id list is taken for a filter that is not known.
	minSet = 10
	// maxWitnesses is how many videos are remembered that a listing has just shown.
	maxWitnesses = 4
)

// found is what look-ups told.
type found struct {
	changed bool
	asked   map[string]bool
	shown   map[string]bool
	missing map[string]diff.Time // not there, by an answer that can be trusted; when its request started
}

func newFound() found {
	return found{asked: make(map[string]bool), shown: make(map[string]bool), missing: make(map[string]diff.Time)}
}

// lookUpCost is how many requests it takes to look videos up, by the cheapest means.
func (r *runner) lookUpCost(videos int) int {
	if r.honours(filterVideoNos) && videos > 1 {
		return pagesOf(videos, r.setSize())
	}
	return videos
}

// setSize leaves room for a witness.
func (r *runner) setSize() int {
	if r.set < maxSet && time.Since(r.shrunk) >= distrustFor {
		r.set = maxSet
	}
	return max(1, r.set-1)
}

// lookUp asks for videos by id as far as the tick's budget reaches, takes in what is shown, and says which are not there.
func (r *runner) lookUp(ctx context.Context, l lane, videos []string) (found, error) {
	f := newFound()
	for len(videos) > 0 && r.budget > 0 {
		var n int
		var err error
		switch {
		case r.honours(filterVideoNos) && (len(videos) > 1 || !r.honours(filterVideoNo)):
			n = min(len(videos), r.setSize())
			n, err = r.lookUpSet(ctx, l, videos[:n], &f)
		case r.honours(filterVideoNo):
			n, err = r.lookUpOne(ctx, l, videos[0], &f)
		default:
			return f, nil
		}
		if errors.Is(err, errRefused) {
			return f, nil
		}
		if err != nil {
			return f, err
		}
		videos = videos[n:]
	}
	return f, nil
}

// lookUpSet asks for several videos at once, and for one more that is known to be there: an answer without that witness
// proves no absence. It returns how many were dealt with.
func (r *runner) lookUpSet(ctx context.Context, l lane, videos []string, f *found) (int, error) {
	witness := r.witness(videos)
	ids := slices.Clone(videos)
	if witness != "" {
		ids = append(ids, witness)
	}
	page, err := r.ask(ctx, l, memories.Query{VideoNos: ids, Size: len(ids)})
	if refusesRequest(err) && r.shrinkSet(len(ids)) {
		return 0, nil
	}
	if err != nil {
		return 0, r.refusedFilter(ctx, filterVideoNos, err)
	}
	if why := notSubset(page, ids); why != "" {
		return 0, r.deceived(ctx, filterVideoNos, page, why)
	}
	switch {
	case page.Total > int64(len(page.Videos)): // it counts what it does not show
		return len(videos), r.takeFound(ctx, page, videos, false, f)
	case shows(page, witness), page.Total == int64(len(page.Videos)) && len(page.Videos) > 0:
		r.prove(filterVideoNos)
	case witness != "":
		return len(videos), errors.Join(r.takeFound(ctx, page, videos, false, f), r.fails(ctx, filterVideoNos, witness))
	}
	return len(videos), r.takeFound(ctx, page, videos, r.isProved(filterVideoNos), f)
}

// shrinkSet asks for fewer ids at once, for a day, where perhaps there were too many. It reports false for a set so small that
// rather the filter itself is refused: a smaller one was never honoured.
func (r *runner) shrinkSet(ids int) bool {
	if ids <= minSet && (ids <= 2 || !r.isProved(filterVideoNos)) {
		return false
	}
	r.set, r.shrunk = ids/2, time.Now()
	return true
}

// prove notes that a filter has shown what it should.
func (r *runner) prove(f filter) { r.proved[f], r.strikes[f] = time.Now(), 0 }

// isProved reports whether what a filter does not show may be taken to be absent. Where the listing itself is empty there is
// nothing to prove it by.
func (r *runner) isProved(f filter) bool {
	return r.honours(f) && (r.health.emptied() || time.Since(r.proved[f]) < distrustFor)
}

// fails notes that a filter did not show a witness. Perhaps that was deleted just now; a filter that goes on like this is not
// used for a day.
func (r *runner) fails(ctx context.Context, f filter, witness string) error {
	r.dropWitness(witness)
	return r.strike(ctx, f, "it leaves out videos that are there")
}

// notSubset says why an answer cannot be to what was asked; empty if it can.
func notSubset(page memories.Page, ids []string) string {
	if page.Total > int64(len(ids)) {
		return "it counts more videos than were asked for"
	}
	for _, v := range page.Videos {
		if !slices.Contains(ids, v.VideoNo) {
			return "it answered with videos that were not asked for"
		}
	}
	return ""
}

func shows(page memories.Page, videoNo string) bool {
	return videoNo != "" && slices.ContainsFunc(page.Videos, func(v memories.Video) bool { return v.VideoNo == videoNo })
}

// lookUpOne asks for one video. That the platform does not show it proves something only once it has shown another.
func (r *runner) lookUpOne(ctx context.Context, l lane, videoNo string, f *found) (int, error) {
	page, err := r.ask(ctx, l, memories.Query{VideoNo: videoNo, Size: 1})
	if err != nil {
		return 0, r.refusedFilter(ctx, filterVideoNo, err)
	}
	if why := notSubset(page, []string{videoNo}); why != "" {
		return 0, r.deceived(ctx, filterVideoNo, page, why)
	}
	if len(page.Videos) > 0 {
		r.prove(filterVideoNo)
	} else if err := r.tryWitness(ctx, l, videoNo); err != nil {
		return 0, err
	}
	proof := r.isProved(filterVideoNo) && page.Total <= int64(len(page.Videos))
	return 1, r.takeFound(ctx, page, []string{videoNo}, proof, f)
}

// tryWitness looks up a video that is known to be there, once a day: then also beyond the budget, which may be a single request.
func (r *runner) tryWitness(ctx context.Context, l lane, but string) error {
	witness := r.witness([]string{but})
	if r.isProved(filterVideoNo) || witness == "" {
		return nil
	}
	page, err := r.ask(ctx, l, memories.Query{VideoNo: witness, Size: 1})
	if err != nil {
		return r.refusedFilter(ctx, filterVideoNo, err)
	}
	if why := notSubset(page, []string{witness}); why != "" {
		return r.deceived(ctx, filterVideoNo, page, why)
	}
	if len(page.Videos) == 0 {
		return r.fails(ctx, filterVideoNo, witness)
	}
	r.prove(filterVideoNo)
	return nil
}

// takeFound takes in what a look-up shows, and notes what it does not.
func (r *runner) takeFound(ctx context.Context, page memories.Page, asked []string, proof bool, f *found) error {
	at := diff.TimeOf(page.StartedAt)
	for _, v := range page.Videos {
		f.shown[v.VideoNo] = true
	}
	for _, no := range asked {
		f.asked[no] = true
		r.flight.asked(no, at)
		if proof && !f.shown[no] && page.Skipped == 0 {
			f.missing[no] = at
			r.missed[no] = at
			r.flight.missing(no, at)
		}
	}
	res, err := r.commitPage(ctx, page, r.sweepNumber(), 0)
	if err != nil {
		return err
	}
	f.changed = f.changed || len(res.Changes) > 0
	return nil
}

// witness is a video that a listing has lately shown, other than those asked for; empty if there is none.
func (r *runner) witness(but []string) string {
	for _, no := range slices.Backward(r.witnesses) {
		if !slices.Contains(but, no) {
			return no
		}
	}
	return ""
}

// heed remembers a video of a page as a witness: the last, so that a platform that ignores the filter and answers with the
// newest does not show it by chance.
func (r *runner) heed(page memories.Page) {
	if len(page.Videos) == 0 {
		return
	}
	no := page.Videos[len(page.Videos)-1].VideoNo
	r.dropWitness(no)
	r.witnesses = append(r.witnesses, no)
	if len(r.witnesses) > maxWitnesses {
		r.witnesses = slices.Delete(r.witnesses, 0, 1)
	}
}

func (r *runner) dropWitness(no string) {
	r.witnesses = slices.DeleteFunc(r.witnesses, func(have string) bool { return have == no })
}
