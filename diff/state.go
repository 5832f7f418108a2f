package diff

import (
	"iter"
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

// Since returns how long after earlier t is, never negative: the wall clock may jump.
func (t Time) Since(earlier Time) time.Duration {
	return max(0, time.Duration(t-earlier)*time.Millisecond)
}

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
	RunStart  Time   // when this run was first observed in processing; 0 if it never was
	Revision  uint64 // the log's sequence of the last event, 0 for none; opaque here
	Version   uint32 // 0: nothing was ever announced
	Status    Status // as announced; meaningless while Version is 0
	Stalled   bool   // a stall of this run was announced

	class Word   // of Raw
	sweep uint32 // the last sweep that showed it
}

// State is what is known of one source. It is not safe for concurrent use.
type State struct {
	Source       string
	BaselineAt   Time // end of the first complete sweep; 0 before
	Evidence     Evidence
	MetaRevision uint64 // the log's sequence of the stored meta record; opaque here
	Pages        int    // baseline pages stored so far

	words   Words
	videos  map[string]*Record
	pending map[string]pending
	overdue map[string]Time
	strange map[string]struct{}
	counts  [len(statusNames)]int
	sweep   uint32
	seen    int
}

// pending is an observation that must be confirmed by another before it is believed.
type pending struct {
	target Status // None stands for another creation time
	since  Time
}

// NewState returns the state of a source that never ran.
func NewState(source string, words Words) *State {
	return &State{
		Source: source, words: words,
		videos: make(map[string]*Record), pending: make(map[string]pending),
		overdue: make(map[string]Time), strange: make(map[string]struct{}),
	}
}

// Put stores a record as read from the log, replacing what was known. The record of a video whose event is newer than ours
// wins over confirmations that were under way.
func (s *State) Put(videoNo string, r Record) {
	r.class = s.words.Class(r.Raw)
	old := s.videos[videoNo]
	if old != nil {
		s.counts[s.statusOf(old)]--
		r.sweep = old.sweep
	}
	s.videos[videoNo] = &r
	s.counts[s.statusOf(&r)]++
	if e := s.Evidence; r.class != WordUnknown {
		e.see(r.Raw, videoNo, max(r.ChangedAt, 1))
		if e != s.Evidence {
			s.setEvidence(e)
		}
	}
	delete(s.pending, videoNo)
	delete(s.overdue, videoNo)
}

// SetMeta stores the meta record as read from the log.
func (s *State) SetMeta(baselineAt Time, e Evidence, revision uint64) {
	s.BaselineAt, s.MetaRevision = baselineAt, revision
	s.setEvidence(e)
}

func (s *State) setEvidence(e Evidence) {
	before, _ := s.words.Parse(s.Evidence)
	s.Evidence = e
	if after, _ := s.words.Parse(e); after != before {
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

// Status returns the present status of a video; None if it is not known.
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

// statusOf is the announced status, or for a video never announced what its word means now.
func (s *State) statusOf(r *Record) Status { return s.statusUnder(r, s.Evidence) }

func (s *State) statusUnder(r *Record, e Evidence) Status {
	if r.Version > 0 {
		return r.Status
	}
	return s.words.status(r.class, e)
}

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
		s.sweep, s.seen = sweep, 0
	}
	if r.sweep != sweep {
		r.sweep = sweep
		s.seen++
	}
}

// Apply moves the state to what a result says, once it is stored in the log.
func (s *State) Apply(res *Result) {
	for no, r := range res.records {
		if old := s.videos[no]; old != nil {
			s.counts[s.statusOf(old)]--
			r.sweep = old.sweep
		}
		if res.sweep != 0 && res.observed[no] {
			s.mark(r, res.sweep)
		}
		s.videos[no] = r
		s.counts[s.statusOf(r)]++
	}
	for i := range res.Changes {
		// Revisions are known only after the append; the last change of a video carries its newest.
		s.videos[res.Changes[i].VideoNo].Revision = res.Changes[i].Record.Revision
	}
	for no, p := range res.pending {
		setOrDelete(s.pending, no, p, p != pending{})
	}
	for no, since := range res.overdue {
		setOrDelete(s.overdue, no, since, since != 0)
	}
	for _, word := range res.UnknownWords {
		s.strange[word] = struct{}{}
	}
	if len(res.Learned) > 0 {
		s.Pages++
	}
	if res.Meta != nil {
		s.BaselineAt, s.MetaRevision = res.Meta.BaselineAt, res.Meta.Revision
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
