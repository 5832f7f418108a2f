package diff

import (
	"cmp"
	"slices"
	"time"
)

// Observation is one sighting of a video.
type Observation struct {
	VideoNo   string
	Name      string
	Raw       string // the platform's word
	Cause     string // normalised: empty is none
	Duration  int64  // seconds
	Size      int64  // bytes
	CreatedAt Time
	At        Time // when the request that showed it started
}

// Input is what one cycle saw.
type Input struct {
	Observations []Observation
	// Sweep is the number of the walk under way, for counting the videos it shows; 0 is none.
	Sweep uint32
	// SweepComplete says that with these observations a complete sweep ended, at that time; it makes the baseline.
	SweepComplete Time
}

// Policy is what the operator decides.
type Policy struct {
	Emit       bool          // announce at the baseline what is already done or failed
	StallAfter time.Duration // 0: never
	Confirm    time.Duration // how far apart two observations must be that confirm a backward or sideways move: the poll interval
}

// Change is something to tell the world.
type Change struct {
	VideoNo string
	Kind    Kind
	Reason  Reason
	From    Status // None when the video was not known
	FromRaw string
	Initial bool   // announced because of the baseline policy
	Record  Record // what is known after the change, with its version
	At      Time   // when the request that showed it started
	// Took is how long the run was observed in processing; negative when that is not known.
	Took time.Duration
}

// Note is something to remember without telling: a word that moved while the status stayed.
type Note struct {
	VideoNo string
	Record  Record
	At      Time
}

// Learned is a video of the baseline.
type Learned struct {
	VideoNo string
	Record  Record
}

// Meta is the state of a source beside its videos.
type Meta struct {
	BaselineAt Time
	Evidence   Evidence
	Revision   uint64 // the log's sequence, set when stored
}

// Result is what a cycle decided. Changes, Notes, Learned and Meta must be stored together, then the state moved by Apply.
type Result struct {
	Changes []Change  // in the order they were observed; of one video, in the order of their versions
	Notes   []Note    // at most one a video
	Learned []Learned // at most one a video; only before the baseline
	Meta    *Meta     // nil when unchanged

	New           int      // videos not known before
	InFlight      int      // observations of videos that may still move forward
	Unconfirmed   int      // observations that must be confirmed by another
	Stale         int      // observations older than the video's last change
	UnknownWords  []string // raw statuses that no list knows, each reported once per state
	UnknownVideos int      // videos that moved into such a word

	sweep    uint32
	records  map[string]*Record
	observed map[string]bool
	pending  map[string]pending
	overdue  map[string]Time
}

// Empty reports whether there is nothing to store.
func (r *Result) Empty() bool {
	return len(r.Changes) == 0 && len(r.Notes) == 0 && len(r.Learned) == 0 && r.Meta == nil
}

// maxUnknownWords bounds how many unknown words a state remembers having reported.
const maxUnknownWords = 100

// baselineStallAge: a baseline video counts for stalls if it was created less than this before we first saw it.
const baselineStallAge = 24 * time.Hour

// Reconcile compares what was seen with what is known. It is one pass over the observations; videos that did not move cost a
// map look-up and no memory.
func Reconcile(s *State, in Input, p Policy) *Result {
	r := &reconciler{
		state: s, policy: p, evidence: s.Evidence,
		res: &Result{
			sweep: in.Sweep, records: map[string]*Record{}, observed: map[string]bool{},
			pending: map[string]pending{}, overdue: map[string]Time{},
		},
	}
	r.wantsAge = s.wantsAge()
	moving := r.scan(in)
	r.settleEvidence()
	r.sort(in.Observations, moving)
	for _, i := range moving {
		r.observe(&in.Observations[i])
	}
	r.announceHeld(in)
	r.finish(in)
	return r.res
}

type reconciler struct {
	state    *State
	policy   Policy
	evidence Evidence // with what this cycle showed
	wantsAge bool
	res      *Result
}

// scan marks the sightings, collects evidence, and returns the positions of the observations that need a decision.
func (r *reconciler) scan(in Input) []int {
	var moving []int
	s := r.state
	for i := range in.Observations {
		o := &in.Observations[i]
		rec := s.videos[o.VideoNo]
		if rec != nil {
			s.mark(rec, in.Sweep)
			if !s.statusOf(rec).Settled() {
				r.res.InFlight++
			}
			if r.unmoved(rec, o) {
				continue
			}
		}
		moving = append(moving, i)
		r.evidence.see(o.Raw, o.VideoNo, o.At)
		if r.wantsAge && isOldParse(s.words, o, rec) {
			r.evidence.SawOldParse.first(o.VideoNo, o.At)
		}
	}
	return moving
}

// unmoved is the hot path: the observation says what is recorded, and no decision about the video is pending.
func (r *reconciler) unmoved(rec *Record, o *Observation) bool {
	if o.Raw != rec.Raw || rec.Status == Deleted || created(rec, o) {
		return false
	}
	if len(r.state.pending) > 0 {
		if _, open := r.state.pending[o.VideoNo]; open {
			return false
		}
	}
	if rec.class == WordParse && r.wantsAge && isOldParse(r.state.words, o, rec) {
		return false
	}
	now := r.state.statusOf(rec)
	if now.Settled() {
		return true
	}
	if rec.Version > 0 && r.state.words.status(rec.class, r.state.Evidence).Settled() {
		return false // held, or the operator's words changed
	}
	return !r.overdue(rec, o)
}

// wantsAge reports whether an old video in PARSE would tell anything new.
func (s *State) wantsAge() bool {
	meaning, _ := s.words.Parse(s.Evidence)
	return meaning == Unknown
}

func isOldParse(w Words, o *Observation, rec *Record) bool {
	if w.Class(o.Raw) != WordParse {
		return false
	}
	if o.CreatedAt != 0 && o.At.Since(o.CreatedAt) > oldParse {
		return true
	}
	return rec != nil && rec.class == WordParse && o.At.Since(rec.FirstSeen) > oldParse
}

// settleEvidence decides whether the cycle's evidence ends a belief.
func (r *reconciler) settleEvidence() {
	before, _ := r.state.words.Parse(r.state.Evidence)
	after, _ := r.state.words.Parse(r.evidence)
	if r.state.BaselineAt != 0 && before == Done && after == Processing {
		r.evidence.Flipped = r.evidence.SawDone.At
	}
}

// sort orders what must be decided by time, then age, then id, then rank, so that the order of the input does
// not matter.
func (r *reconciler) sort(obs []Observation, at []int) {
	slices.SortFunc(at, func(i, j int) int {
		a, b := &obs[i], &obs[j]
		return cmp.Or(
			cmp.Compare(a.At, b.At), cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.VideoNo, b.VideoNo),
			cmp.Compare(r.rank(a.Raw), r.rank(b.Raw)), cmp.Compare(a.Raw, b.Raw),
		)
	})
}

// rank orders two sightings in one request: what is plainly working comes before what may be finished.
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

func (r *reconciler) observe(o *Observation) {
	rec := r.record(o.VideoNo)
	r.res.observed[o.VideoNo] = true
	class := r.state.words.Class(o.Raw)
	if class == WordUnknown && (rec == nil || rec.class != WordUnknown) {
		r.reportUnknown(o.Raw)
	}
	switch {
	case rec == nil:
		r.appear(o, ReasonFirstSeen, ReasonFinishedSeen)
	case o.At < rec.ChangedAt:
		r.res.Stale++
	case rec.Status == Deleted && rec.Version > 0:
		r.comeBack(o, rec, ReasonReturned)
	case created(rec, o):
		r.replace(o, rec)
	case class == rec.class && (class != WordUnknown || normal(o.Raw) == normal(rec.Raw)):
		r.stay(o, rec)
	default:
		r.move(o, rec, class)
	}
}

func (r *reconciler) reportUnknown(raw string) {
	r.res.UnknownVideos++
	if _, known := r.state.strange[raw]; known || len(r.state.strange)+len(r.res.UnknownWords) >= maxUnknownWords {
		return
	}
	if !slices.Contains(r.res.UnknownWords, raw) {
		r.res.UnknownWords = append(r.res.UnknownWords, raw)
	}
}

// created reports whether a live id shows another creation time, which means another video.
func created(rec *Record, o *Observation) bool {
	return o.CreatedAt != 0 && rec.CreatedAt != 0 && o.CreatedAt != rec.CreatedAt
}

// appear takes up a video that is not known.
func (r *reconciler) appear(o *Observation, working, settled Reason) {
	r.res.New++
	rec := r.fresh(o)
	now := r.state.words.status(rec.class, r.evidence)
	if !now.Settled() {
		r.res.InFlight++
	}
	if r.state.BaselineAt == 0 {
		rec.ChangedAt = o.At
		r.keep(o.VideoNo, rec)
		r.res.Learned = append(r.res.Learned, Learned{VideoNo: o.VideoNo})
		return
	}
	reason := working
	if now.Settled() {
		reason = settled
	}
	r.change(o, rec, None, "", now, reason)
}

func (r *reconciler) fresh(o *Observation) *Record {
	rec := &Record{FirstSeen: o.At}
	r.take(rec, o)
	if !r.state.words.status(rec.class, r.evidence).Settled() {
		rec.RunStart = o.At
	}
	return rec
}

// take copies what the platform says into the record.
func (r *reconciler) take(rec *Record, o *Observation) {
	rec.Name, rec.Raw, rec.Cause, rec.Duration, rec.Size = o.Name, o.Raw, o.Cause, o.Duration, o.Size
	rec.class = r.state.words.Class(o.Raw)
	if o.CreatedAt != 0 {
		rec.CreatedAt = o.CreatedAt
	}
}

// comeBack starts a video anew under an id that was deleted.
func (r *reconciler) comeBack(o *Observation, old *Record, reason Reason) {
	rec := r.fresh(o)
	if rec.CreatedAt == 0 {
		rec.CreatedAt = old.CreatedAt
	}
	rec.Version, rec.Revision = old.Version, old.Revision
	r.change(o, rec, old.Status, old.Raw, r.state.words.status(rec.class, r.evidence), reason)
}

// replace handles a live id with another creation time: once confirmed, the old video is gone and a new one begins.
func (r *reconciler) replace(o *Observation, rec *Record) {
	if _, ok := r.confirm(o, None); !ok {
		return
	}
	before, beforeRaw := r.now(rec), rec.Raw
	gone := *rec
	r.change(o, &gone, before, beforeRaw, Deleted, ReasonReplaced)
	next := r.fresh(o)
	next.Version, next.Revision = gone.Version, gone.Revision
	r.change(o, next, Deleted, beforeRaw, r.state.words.status(next.class, r.evidence), ReasonReplaced)
}

// stay handles a video whose word did not move.
func (r *reconciler) stay(o *Observation, rec *Record) {
	r.settlePending(o.VideoNo)
	now := r.now(rec)
	if rec.Version > 0 && !now.Settled() && now != Deleted {
		if means := r.state.words.status(rec.class, r.evidence); means.Settled() {
			before := rec.Raw
			r.take(rec, o)
			r.change(o, rec, now, before, means, ReasonInferred)
			return
		}
	}
	if !now.Settled() && r.overdue(rec, o) {
		r.stall(o, rec, now)
	}
}

// move handles a video whose word moved.
func (r *reconciler) move(o *Observation, rec *Record, class Word) {
	now := r.now(rec)
	means := r.means(rec, class)
	switch {
	case !now.Settled() && means.Settled():
		r.forward(o, rec, now, means, ReasonMoved)
	case !now.Settled():
		r.note(o, rec)
		if r.overdue(rec, o) {
			r.stall(o, r.record(o.VideoNo), now)
		}
	case rec.Version == 0 && rec.class == WordParse && (class == WordDone || class == WordFailed):
		r.forward(o, rec, now, means, ReasonUnannounced)
	case means == now:
		r.note(o, rec)
	case means.Settled():
		if _, ok := r.confirm(o, means); ok {
			r.forward(o, rec, now, means, ReasonCorrected)
		}
	default:
		if since, ok := r.confirm(o, Processing); ok {
			r.restart(o, rec, now, means, since)
		}
	}
}

// now is the video's present status under the evidence at hand.
func (r *reconciler) now(rec *Record) Status { return r.state.statusUnder(rec, r.evidence) }

// means interprets the word a video moved to. PARSE after UNPARSE is done whatever the evidence, unless the operator said
// what PARSE means.
func (r *reconciler) means(rec *Record, class Word) Status {
	if class == WordParse && rec.class == WordUnparse && r.state.words.rule == ParseAuto {
		return Done
	}
	return r.state.words.status(class, r.evidence)
}

func (r *reconciler) forward(o *Observation, rec *Record, from, to Status, reason Reason) {
	before := rec.Raw
	r.take(rec, o)
	r.change(o, rec, from, before, to, reason)
}

// restart begins a new run after a confirmed move back to processing.
func (r *reconciler) restart(o *Observation, rec *Record, from, to Status, since Time) {
	before := rec.Raw
	r.take(rec, o)
	rec.RunStart, rec.Stalled = since, false
	r.change(o, rec, from, before, to, ReasonRegressed)
}

// note remembers a word that moved while the status stayed: UNPARSE before a PARSE decides what that PARSE means.
func (r *reconciler) note(o *Observation, rec *Record) {
	r.settlePending(o.VideoNo)
	r.take(rec, o)
	r.keep(o.VideoNo, rec)
	note := Note{VideoNo: o.VideoNo, Record: *rec, At: o.At}
	for i := range r.res.Notes {
		if r.res.Notes[i].VideoNo == o.VideoNo {
			r.res.Notes[i] = note
			return
		}
	}
	r.res.Notes = append(r.res.Notes, note)
}

// confirm reports whether an observation confirms an earlier one with the same target, and when that was. A different
// target starts over.
func (r *reconciler) confirm(o *Observation, target Status) (Time, bool) {
	open, ok := r.openPending(o.VideoNo)
	if ok && open.target == target && o.At.Since(open.since) >= r.policy.Confirm && o.At > open.since {
		r.settlePending(o.VideoNo)
		return open.since, true
	}
	r.res.Unconfirmed++
	if !ok || open.target != target {
		r.res.pending[o.VideoNo] = pending{target: target, since: o.At}
	}
	return 0, false
}

func (r *reconciler) openPending(videoNo string) (pending, bool) {
	p, ok := r.res.pending[videoNo]
	if !ok {
		p, ok = r.state.pending[videoNo]
	}
	return p, ok && p != pending{}
}

func (r *reconciler) settlePending(videoNo string) {
	if _, open := r.openPending(videoNo); open {
		r.res.pending[videoNo] = pending{}
	}
}

// overdue reports whether a stall may be due.
func (r *reconciler) overdue(rec *Record, o *Observation) bool {
	if r.policy.StallAfter <= 0 || rec.Stalled || r.state.BaselineAt == 0 || o.At.Since(rec.ChangedAt) < r.policy.StallAfter {
		return false
	}
	if rec.Version > 0 {
		return true
	}
	if rec.class == WordParse && rec.FirstSeen <= r.evidence.Flipped {
		return false // a change of what PARSE means starts no stall clock
	}
	return rec.CreatedAt != 0 && rec.FirstSeen.Since(rec.CreatedAt) < baselineStallAge
}

// stall announces a stall at the second overdue observation: the first may be the last one before the video moves.
func (r *reconciler) stall(o *Observation, rec *Record, now Status) {
	since, ok := r.res.overdue[o.VideoNo]
	if !ok {
		since = r.state.overdue[o.VideoNo]
	}
	if since == 0 || o.At <= since {
		if since == 0 {
			r.res.overdue[o.VideoNo] = o.At
		}
		return
	}
	r.res.overdue[o.VideoNo] = 0
	changed := rec.ChangedAt
	rec.Stalled = true
	r.emit(o.VideoNo, rec, Change{
		Kind: KindStalled, Reason: ReasonStalled, From: now, FromRaw: rec.Raw, At: o.At, Took: took(rec, o.At),
	}, now)
	rec.ChangedAt = changed // the status did not change
}

func (r *reconciler) change(o *Observation, rec *Record, from Status, fromRaw string, to Status, reason Reason) {
	c := Change{Kind: kindOf(to), Reason: reason, From: from, FromRaw: fromRaw, At: o.At, Took: -1}
	if to.Settled() || to == Deleted && !from.Settled() {
		c.Took = took(rec, o.At)
	}
	r.settlePending(o.VideoNo)
	if to.Settled() {
		rec.RunStart = 0
	}
	r.emit(o.VideoNo, rec, c, to)
}

func took(rec *Record, at Time) time.Duration {
	if rec.RunStart == 0 {
		return -1
	}
	return at.Since(rec.RunStart)
}

// emit numbers the change and keeps the record after it.
func (r *reconciler) emit(videoNo string, rec *Record, c Change, to Status) {
	rec.Version++
	rec.Status = to
	rec.ChangedAt = c.At
	if _, open := r.state.overdue[videoNo]; open && c.Kind != KindStalled {
		r.res.overdue[videoNo] = 0
	}
	if c.Kind != KindStalled && c.Kind != KindDeleted {
		rec.Stalled = false
	}
	r.dropNote(videoNo)
	r.keep(videoNo, rec)
	c.VideoNo, c.Record = videoNo, *rec
	r.res.Changes = append(r.res.Changes, c)
}

// dropNote removes a note that a change of the same cycle says better.
func (r *reconciler) dropNote(videoNo string) {
	r.res.Notes = slices.DeleteFunc(r.res.Notes, func(n Note) bool { return n.VideoNo == videoNo })
}

func (r *reconciler) keep(videoNo string, rec *Record) { r.res.records[videoNo] = rec }

// announceHeld announces the videos that were announced as processing in a PARSE that is now known to mean done.
func (r *reconciler) announceHeld(in Input) {
	before, _ := r.state.words.Parse(r.state.Evidence)
	after, _ := r.state.words.Parse(r.evidence)
	if before == after || after != Done {
		return
	}
	at := latest(in.Observations)
	var held []Observation
	for no, rec := range r.state.videos {
		if working := r.res.records[no]; working != nil {
			rec = working
		}
		if rec.class == WordParse && rec.Version > 0 && !rec.Status.Settled() && rec.Status != Deleted {
			held = append(held, Observation{
				VideoNo: no, Name: rec.Name, Raw: rec.Raw, Cause: rec.Cause, Duration: rec.Duration, Size: rec.Size,
				CreatedAt: rec.CreatedAt, At: at,
			})
		}
	}
	slices.SortFunc(held, func(a, b Observation) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.VideoNo, b.VideoNo))
	})
	for i := range held {
		r.stay(&held[i], r.record(held[i].VideoNo))
	}
}

func latest(obs []Observation) Time {
	var at Time
	for i := range obs {
		at = max(at, obs[i].At)
	}
	return at
}

// finish fills in what is known only at the end: the records of the baseline page, the baseline itself, the evidence.
func (r *reconciler) finish(in Input) {
	r.res.Learned = slices.DeleteFunc(r.res.Learned, func(l Learned) bool { return r.res.records[l.VideoNo].Version > 0 })
	for i := range r.res.Learned {
		r.res.Learned[i].Record = *r.res.records[r.res.Learned[i].VideoNo]
	}
	// A note about a video that is learnt in this very cycle would only repeat the page.
	if len(r.res.Learned) > 0 {
		r.res.Notes = slices.DeleteFunc(r.res.Notes, func(n Note) bool { return r.state.videos[n.VideoNo] == nil })
	}
	baselineAt := r.state.BaselineAt
	if baselineAt == 0 && in.SweepComplete != 0 {
		baselineAt = in.SweepComplete
		if r.policy.Emit {
			r.announceBaseline(in.SweepComplete)
		}
	}
	if baselineAt != r.state.BaselineAt || r.evidence != r.state.Evidence {
		r.res.Meta = &Meta{BaselineAt: baselineAt, Evidence: r.evidence, Revision: r.state.MetaRevision}
	}
}

// announceBaseline announces what was already settled, oldest first.
func (r *reconciler) announceBaseline(at Time) {
	var settled []string
	for no, rec := range r.state.videos {
		if r.res.records[no] == nil && rec.Version == 0 && r.now(rec).Settled() {
			settled = append(settled, no)
		}
	}
	for no, rec := range r.res.records {
		if rec.Version == 0 && r.now(rec).Settled() {
			settled = append(settled, no)
		}
	}
	slices.SortFunc(settled, func(a, b string) int {
		return cmp.Or(cmp.Compare(r.record(a).CreatedAt, r.record(b).CreatedAt), cmp.Compare(a, b))
	})
	for _, no := range settled {
		rec := r.record(no)
		to := r.now(rec)
		r.emit(no, rec, Change{
			Kind: kindOf(to), Reason: ReasonInitial, Initial: true, At: at, Took: -1, From: None,
		}, to)
	}
}
