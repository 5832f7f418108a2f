package diff

import (
	"cmp"
	"slices"
)

// maxUnknownWords bounds how many unknown words a state remembers having reported.
const maxUnknownWords = 100

// Reconcile compares what was seen with what is known. It is one pass over the observations; videos that did not move cost a
// map look-up and no memory.
func Reconcile(s *State, in Input, p Policy) *Result {
	in = in.present()
	r := &reconciler{
		state: s, policy: p, present: in.Now, horizon: horizon(in.Now), lagging: in.Lagging, evidence: s.Evidence, baselineAt: cmp.Or(s.BaselineAt, in.SweepComplete),
		tally: s.tally, holding: s.holding, replacing: s.replacing, doubting: s.doubting,
		res: &Result{
			sweep: in.Sweep, present: in.Now, records: map[string]*Record{}, pending: map[string]pending{}, overdue: map[string]Time{}, behind: map[string]Time{},
		},
		notes: map[string]bool{},
	}
	moving := r.scan(in)
	r.settleEvidence()
	r.settleShift()
	r.doubtReplacements()
	moving = r.reconsider(in.Observations, moving)
	r.sort(in.Observations, moving)
	for k, i := range moving {
		o := &in.Observations[i]
		if k+1 < len(moving) && sameSighting(o, &in.Observations[moving[k+1]]) {
			continue // one answer listed the video twice: what is furthest counts
		}
		r.observe(o)
		if rec := r.res.records[o.VideoNo]; rec != nil {
			rec.show(o.At) // scan marked what was known before
		}
	}
	r.announceHeld()
	r.announceBaseline()
	r.miss(in.Misses)
	r.judge(in)
	r.finish(in)
	return r.res
}

type reconciler struct {
	state      *State
	policy     Policy
	lagging    bool // what answered is older than what is known
	present    Time
	horizon    Time     // what is recorded beyond it was recorded by a clock that was ahead
	baselineAt Time     // with this cycle; 0 as long as there is none
	told       Evidence // what this cycle showed
	evidence   Evidence // what was shown before, and from settleEvidence on with this cycle
	meaning    meanings // under that evidence
	released   bool     // this cycle's evidence says that what was held is done
	res        *Result
	notes      map[string]bool // videos whose words moved while their status stayed
	tally      tally           // of the absences by now
	holding    bool            // deletions are held back by now
	differ     []differing     // live videos that this cycle shows with another creation time
	shownLive  int             // observations of live videos
	replacing  replacements    // by now
	doubting   bool            // replacements are held back by now
}

// scan marks the sightings, collects evidence, and returns the positions of the observations that need a decision.
func (r *reconciler) scan(in Input) []int {
	var moving []int
	for i := range in.Observations {
		o := &in.Observations[i]
		r.res.latest = max(r.res.latest, o.At)
		rec := r.state.videos[o.VideoNo]
		if rec != nil {
			r.state.mark(rec, in.Sweep)
			rec.show(o.At)
			r.there(o.VideoNo, o.At)
			r.compare(rec, o)
			if r.state.statusOf(rec).inFlight() {
				r.res.InFlight++
			}
			if r.unmoved(rec, o) {
				continue
			}
		}
		moving = append(moving, i)
		r.told.see(o.Raw, o.VideoNo, o.At)
		if r.state.wantsAge && r.state.words.Class(o.Raw) == WordParse && r.isOld(rec, o) {
			r.told.SawOldParse.first(o.VideoNo, o.At)
		}
	}
	return moving
}

// unmoved is the hot path: the observation says what is recorded, and no decision about the video is pending.
func (r *reconciler) unmoved(rec *Record, o *Observation) bool {
	if o.Raw != rec.Raw || rec.Status == Deleted || r.anotherVideo(rec, o) {
		return false
	}
	if len(r.state.pending) > 0 {
		if _, open := r.state.pending[o.VideoNo]; open {
			return false
		}
	}
	if rec.class == WordParse && r.state.wantsAge && r.isOld(rec, o) {
		return false
	}
	if r.state.statusOf(rec).Settled() {
		return true
	}
	// Its word may mean done or failed by now: it was held, or the operator changed the words.
	return !r.state.meaning[rec.class].Settled() && !r.overdue(rec, o)
}

// reconsider adds observations that scan passed over. Of two sightings of a video in one cycle, the one that says nothing new
// may be the later, and contradicts the other. And when PARSE comes to mean something else, all must be looked at once.
func (r *reconciler) reconsider(obs []Observation, moving []int) []int {
	everything := r.meaning != r.state.meaning
	if len(moving) == len(obs) || len(moving) == 0 && !everything {
		return moving
	}
	videos := make(map[string]struct{}, len(moving))
	for _, i := range moving {
		videos[obs[i].VideoNo] = struct{}{}
	}
	all := make([]int, 0, len(moving))
	for i := range obs {
		if _, ok := videos[obs[i].VideoNo]; ok || everything {
			all = append(all, i)
		}
	}
	return all
}

// sort orders what must be decided by time, then id, then how far the video is. The order is total, so that the order of the
// input does not matter. Ids grow with the time of upload.
func (r *reconciler) sort(obs []Observation, at []int) {
	slices.SortFunc(at, func(i, j int) int {
		a, b := &obs[i], &obs[j]
		if c := cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.VideoNo, b.VideoNo)); c != 0 {
			return c
		}
		return cmp.Or(
			cmp.Compare(r.rank(a.Raw), r.rank(b.Raw)), cmp.Compare(a.Raw, b.Raw), cmp.Compare(a.CreatedAt, b.CreatedAt),
			cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Size, b.Size), cmp.Compare(a.Duration, b.Duration),
		)
	})
}

// rank tells how far a word is along a video's life: what may be finished is further than what is plainly working.
func (r *reconciler) rank(raw string) int {
	switch r.state.words.Class(raw) {
	case WordUnparse, WordProcessing:
		return 0
	case WordUnknown, WordParse:
		return 1
	case WordDone, WordFailed:
		return 2
	}
	return 1
}

// sameSighting reports whether two observations come from one request and are of one video.
func sameSighting(a, b *Observation) bool {
	return a.At == b.At && a.VideoNo == b.VideoNo
}

// record returns a working copy of a video's record, or nil.
func (r *reconciler) record(videoNo string) *Record {
	if rec := r.res.records[videoNo]; rec != nil {
		return rec
	}
	if rec := r.state.videos[videoNo]; rec != nil {
		working := *rec
		return &working
	}
	return nil
}

func (r *reconciler) keep(videoNo string, rec *Record) { r.res.records[videoNo] = rec }

// now is the video's present status under the evidence at hand.
func (r *reconciler) now(rec *Record) Status { return r.meaning.statusOf(rec) }

// finish fills in what is known only at the end: the notes, the baseline page, the meta record.
func (r *reconciler) finish(in Input) {
	r.finishLearned()
	r.finishNotes()
	r.finishHold()
	filters := r.state.Filters
	if in.Filters != nil {
		filters = *in.Filters
	}
	if r.baselineAt != r.state.BaselineAt || r.evidence != r.state.stored || filters != r.state.Filters {
		r.res.Meta = &Meta{
			BaselineAt: r.baselineAt, EmptyAtFirst: r.emptyAtFirst(), Evidence: r.evidence, Filters: filters,
			Revision: r.state.MetaRevision,
		}
	}
}

// emptyAtFirst reports whether the baseline, of this cycle or before, showed no video.
func (r *reconciler) emptyAtFirst() bool {
	if r.state.BaselineAt == 0 && r.baselineAt != 0 {
		return len(r.state.videos) == 0 && len(r.res.records) == 0
	}
	return r.state.EmptyAtFirst
}

// finishLearned fills in the records of the baseline page. An event says more than the page.
func (r *reconciler) finishLearned() {
	r.res.Learned = slices.DeleteFunc(r.res.Learned, func(l Learned) bool { return r.res.records[l.VideoNo].Version > 0 })
	for i := range r.res.Learned {
		r.res.Learned[i].Record = *r.res.records[r.res.Learned[i].VideoNo]
	}
}

func (r *reconciler) finishNotes() {
	for no := range r.notes {
		rec := r.res.records[no]
		if rec.Version == 0 && r.state.videos[no] == nil {
			continue // the baseline page of this very cycle says it
		}
		r.res.Notes = append(r.res.Notes, Note{VideoNo: no, Record: *rec, At: rec.NotedAt})
	}
	slices.SortFunc(r.res.Notes, func(a, b Note) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.VideoNo, b.VideoNo))
	})
}
