package diff

import (
	"iter"
	"math"
	"time"
)

// Time is a point in time in Unix milliseconds, UTC; 0 is none. A library may have a million videos, and each keeps four.
type Time int64

// TimeOf converts; the zero time.Time is 0.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMilli())
}

// Time converts back; 0 is the zero time.Time.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(t)).UTC()
}

// Since returns how long after earlier t is, never negative: the wall clock may jump. Times that are absurdly far apart, as a
// platform may claim, are as far apart as a duration can tell.
func (t Time) Since(earlier Time) time.Duration {
	switch d := t - earlier; {
	case t <= earlier:
		return 0
	case d < 0 || d > Time(math.MaxInt64/time.Millisecond):
		return math.MaxInt64
	default:
		return time.Duration(d) * time.Millisecond
	}
}

// near reports whether two creation times mean the same: one form of the platform's answer gives milliseconds, another may
// give seconds.
func (t Time) near(u Time) bool { return t.Since(u) < time.Second && u.Since(t) < time.Second }

// Record is what is known of one video.
type Record struct {
	Name      string
	Raw       string // the platform's word, as last observed
	Cause     string // why it failed, when it did and the platform said
	Duration  int64  // seconds
	Size      int64  // bytes
	CreatedAt Time   // the platform's time of upload
	FirstSeen Time
	ChangedAt Time   // when the last change was observed
	NotedAt   Time   // when its word last moved while its status stayed, if that was since the last change; else 0
	RunStart  Time   // when this run was first observed in processing; 0 if it never was
	Revision  uint64 // the log's sequence of the last event, 0 for none; opaque here
	Version   uint32 // 0: nothing was ever announced
	Status    Status // as announced. While Version is 0: in flight if its word moved in flight since it was learnt, else None
	Stalled   bool   // a stall of this run was announced

	class Word   // of Raw
	sweep uint32 // the last sweep that showed it
	shown uint32 // the second in which a request began that showed it last; in memory only, like the sweep
}

// moved is when a record last moved.
func (r *Record) moved() Time { return max(r.ChangedAt, r.NotedAt) }

// show marks that a request showed the video. Whole seconds fit where the record has room; a million videos would pay for more.
func (r *Record) show(at Time) {
	if s := second(at); s > r.shown {
		r.shown = s
	}
}

func second(t Time) uint32 { return uint32(min(max(t/1000, 0), math.MaxUint32)) }

// State is what is known of one source. It is not safe for concurrent use.
type State struct {
	Source       string
	BaselineAt   Time // end of the first complete sweep; 0 before
	EmptyAtFirst bool // that sweep showed no video
	Evidence     Evidence
	MetaRevision uint64 // the log's sequence of the stored meta record; opaque here
	Pages        int    // baseline pages stored so far
	Filters      Filters

	words    Words
	stored   Evidence // as last stored; records may have told more since
	meaning  meanings // under Evidence
	wantsAge bool     // an old video in PARSE would tell something new

	videos    map[string]*Record
	pending   map[string]pending
	replacing replacements        // of them
	doubting  bool                // replacements are held back
	latest    Time                // start of the latest request that showed or missed something; in memory only
	steady    Time                // since when the clock is known to go evenly: the first input, or when it was set; in memory only
	wasSet    bool                // the clock was set since the first input
	present   Time                // of the last input
	overdue   map[string]Time     // first observation that made a stall due; in memory only
	behind    map[string]Time     // when a video moved that is recorded to have moved later; in memory only
	strange   map[string]struct{} // unknown words reported
	absences  map[string]absence  // of live videos; in memory only
	tally     tally               // of absences
	holding   bool                // deletions are held back
	counts    [len(statusNames)]int
	sweep     uint32
	seen      int // videos that the sweep showed
	shown     int // those of them that are live
}

// NewState returns the state of a source that never ran.
func NewState(source string, words Words) *State {
	s := &State{
		Source: source, words: words,
		videos: make(map[string]*Record), pending: make(map[string]pending),
		overdue: make(map[string]Time), behind: make(map[string]Time), strange: make(map[string]struct{}), absences: make(map[string]absence),
	}
	s.setEvidence(Evidence{})
	return s
}

// Put stores a record as read from the log, replacing what was known, confirmations under way and misses included. What its word says
// about the vocabulary is evidence, even if a crash kept the meta record of its cycle from being stored.
func (s *State) Put(videoNo string, r Record) {
	r.class = s.words.Class(r.Raw)
	s.set(videoNo, &r)
	var told Evidence
	told.see(r.Raw, videoNo, max(r.ChangedAt, r.NotedAt, 1))
	s.setEvidence(s.Evidence.or(told))
	s.setPending(videoNo, pending{})
	s.doubting = s.doubting && s.replacing.waiting() > 0
	delete(s.overdue, videoNo)
	delete(s.behind, videoNo)
	s.returned(videoNo)
}

// Folded says that the log has a video's record in a page now, and none of its events up to a revision.
func (s *State) Folded(videoNo string, upTo uint64) {
	if r := s.videos[videoNo]; r != nil && r.Revision <= upTo {
		r.Revision = 0
	}
}

// SetMeta stores the meta record as read from the log. Records may be put before or after.
func (s *State) SetMeta(m Meta) {
	s.BaselineAt, s.MetaRevision, s.stored, s.Filters = m.BaselineAt, m.Revision, m.Evidence, m.Filters
	s.EmptyAtFirst = m.EmptyAtFirst
	s.setEvidence(m.Evidence.or(s.Evidence))
}

// set puts a record in the place of what was known. The marks of sightings stay with the id.
func (s *State) set(videoNo string, r *Record) {
	if old := s.videos[videoNo]; old != nil {
		s.count(old, -1)
		r.sweep, r.shown = old.sweep, old.shown
	}
	s.videos[videoNo] = r
	s.count(r, 1)
}

func (s *State) count(r *Record, n int) {
	s.counts[s.statusOf(r)] += n
	if s.sweep != 0 && r.sweep == s.sweep && r.Status != Deleted {
		s.shown += n
	}
}

func (s *State) setEvidence(e Evidence) {
	s.Evidence = e
	s.wantsAge = s.words.parse(&e) == Unknown
	if m := s.words.meanings(&e); m != s.meaning {
		s.meaning = m
		s.recount()
	}
}

// Len is the number of videos known.
func (s *State) Len() int { return len(s.videos) }

// Get returns a copy of a video's record.
func (s *State) Get(videoNo string) (Record, bool) {
	r, ok := s.videos[videoNo]
	if !ok {
		return Record{}, false
	}
	return *r, true
}

// All walks over copies of all records, in no order.
func (s *State) All() iter.Seq2[string, Record] {
	return func(yield func(string, Record) bool) {
		for no, r := range s.videos {
			if !yield(no, *r) {
				return
			}
		}
	}
}

// Status returns the present status of a video; None if it is not known. It may be asked while another goroutine reconciles, for
// it reads none of the marks that moves; not while the state is moved.
func (s *State) Status(videoNo string) Status {
	if r := s.videos[videoNo]; r != nil {
		return s.statusOf(r)
	}
	return None
}

// Count is the number of videos in a status.
func (s *State) Count(st Status) int { return s.counts[st] }

// InFlight is the number of videos that may still move forward.
func (s *State) InFlight() int { return s.counts[Processing] + s.counts[Unknown] }

// SeenIn is the number of different videos seen since a sweep began.
func (s *State) SeenIn(sweep uint32) int {
	if s.sweep != sweep {
		return 0
	}
	return s.seen
}

// Words returns the vocabulary in use.
func (s *State) Words() Words { return s.words }

func (s *State) statusOf(r *Record) Status { return s.meaning.statusOf(r) }

func (s *State) recount() {
	s.counts = [len(statusNames)]int{}
	for _, r := range s.videos {
		s.counts[s.statusOf(r)]++
	}
}

func (s *State) mark(r *Record, sweep uint32) {
	if sweep == 0 {
		return
	}
	if s.sweep != sweep {
		s.sweep, s.seen, s.shown = sweep, 0, 0
	}
	if r.sweep == sweep {
		return
	}
	r.sweep = sweep
	s.seen++
	if r.Status != Deleted {
		s.shown++
	}
}

// Apply moves the state to what a result says, once it is stored in the log.
func (s *State) Apply(res *Result) {
	for no, r := range res.records {
		_, known := s.videos[no]
		s.set(no, r)
		if !known {
			s.mark(r, res.sweep) // Reconcile marked the others
		}
	}
	for i := range res.Changes {
		// Revisions are known only after the append; the last change of a video carries its newest.
		no := res.Changes[i].VideoNo
		s.videos[no].Revision = res.Changes[i].Record.Revision
		at, late := res.behind[no]
		setOrDelete(s.behind, no, at, late)
	}
	s.latest, s.present = max(s.latest, res.latest), res.present
	if s.steady == 0 {
		s.steady = res.present
	}
	for no, p := range res.pending {
		s.setPending(no, p)
	}
	for no, first := range res.overdue {
		setOrDelete(s.overdue, no, first, first != 0)
	}
	for no, a := range res.absences {
		s.setAbsence(no, a)
	}
	s.holding, s.doubting = res.Hold.Videos > res.Hold.Replaced, res.Hold.Replaced > 0
	for _, word := range res.UnknownWords {
		s.strange[word] = struct{}{}
	}
	if len(res.Learned) > 0 {
		s.Pages++
	}
	if res.Meta != nil {
		s.BaselineAt, s.MetaRevision, s.stored = res.Meta.BaselineAt, res.Meta.Revision, res.Meta.Evidence
		s.Filters, s.EmptyAtFirst = res.Meta.Filters, res.Meta.EmptyAtFirst
		s.setEvidence(res.Meta.Evidence)
	}
}

func setOrDelete[V any](m map[string]V, key string, value V, keep bool) {
	if keep {
		m[key] = value
		return
	}
	delete(m, key)
}
