package diff

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// tb is what a test, a property and a fuzz target have in common.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

var _ tb = testing.TB(nil)

// source runs cycles over a state beside the log that the state could be rebuilt from. Every cycle of every test goes through
// the same checks: see cycle.
type source struct {
	t      tb
	words  Words
	policy Policy
	state  *State
	hold   Hold // after the last cycle
	log    fakeLog
	seen   map[string][]Observation // all that was ever observed
	missed map[string][]Miss        // all that was ever missed
	shown  map[string]Time          // when a video was last seen since the last restart
	told   map[string]Change        // the last change of each video
	jumped bool                     // the clock was set: times from before and after do not compare
}

func newSource(t tb, words Words, policy Policy) *source {
	return &source{
		t: t, words: words, policy: policy, state: NewState("test", words),
		seen: map[string][]Observation{}, missed: map[string][]Miss{}, shown: map[string]Time{}, told: map[string]Change{},
	}
}

// cycle reconciles, checks everything that must hold whatever the input, stores and applies the result.
func (s *source) cycle(in Input) []Change {
	s.t.Helper()
	for _, o := range in.Observations {
		s.seen[o.VideoNo] = append(s.seen[o.VideoNo], o)
		s.shown[o.VideoNo] = max(s.shown[o.VideoNo], o.At)
	}
	for _, m := range in.Misses {
		s.missed[m.VideoNo] = append(s.missed[m.VideoNo], m)
	}
	before := snap(s.state)
	res := Reconcile(s.state, in, s.policy)
	s.same("the state after Reconcile", snap(s.state), before)
	s.sameInAnyOrder(in, res)
	for _, c := range res.Changes {
		s.checkChange(c)
		s.told[c.VideoNo] = c
	}
	torn := s.tearApart(in, res)
	s.log.append(entriesOf(res)...)
	s.state.Apply(res)
	s.hold = res.Hold
	s.same("what the state holds back", s.state.Hold(), res.Hold)
	s.checkCounts()
	s.checkAbsences()
	s.same("the state rebuilt from the log", snap(s.log.rebuild(s.words)).lasting(), snap(s.state).lasting())
	for k, got := range torn {
		want := records(s.state)
		maps.DeleteFunc(want, func(no string, _ Record) bool { _, ok := got[no]; return !ok })
		s.same(fmt.Sprintf("the records after a crash behind entry %d", k), got, want)
	}
	if !before.Holding || !before.Doubting {
		in.Release = false // it is about what was held back when it was said
	}
	s.checkAgain(in)
	return res.Changes
}

// sameInAnyOrder checks that the order of the input does not matter, and that a result thrown away leaves no trace.
func (s *source) sameInAnyOrder(in Input, res *Result) {
	s.t.Helper()
	want := outcomeOf(res)
	shuffled := in
	shuffled.Observations = slices.Clone(in.Observations)
	shuffled.Misses = slices.Clone(in.Misses)
	slices.Reverse(shuffled.Observations)
	slices.Reverse(shuffled.Misses)
	s.same("the result of the input reversed", outcomeOf(Reconcile(s.state, shuffled, s.policy)), want)
	rnd := rand.New(rand.NewPCG(1, uint64(len(in.Observations))))
	rnd.Shuffle(len(shuffled.Observations), func(i, j int) {
		shuffled.Observations[i], shuffled.Observations[j] = shuffled.Observations[j], shuffled.Observations[i]
	})
	rnd.Shuffle(len(shuffled.Misses), func(i, j int) {
		shuffled.Misses[i], shuffled.Misses[j] = shuffled.Misses[j], shuffled.Misses[i]
	})
	s.same("the result of the input shuffled", outcomeOf(Reconcile(s.state, shuffled, s.policy)), want)
	s.same("the result of the input again", outcomeOf(Reconcile(s.state, in, s.policy)), want)
}

// checkAgain checks that the same observations, once applied, say nothing more and move nothing.
func (s *source) checkAgain(in Input) {
	s.t.Helper()
	before := snap(s.state)
	again := Reconcile(s.state, in, s.policy)
	if !again.Empty() {
		s.t.Fatalf("the same input again: %+v", outcomeOf(again))
	}
	s.state.Apply(again)
	s.same("the state after the same input again", snap(s.state), before)
}

// checkChange checks what every change promises by itself and against the one before it.
func (s *source) checkChange(c Change) {
	s.t.Helper()
	last, told := s.told[c.VideoNo]
	r := c.Record
	promise := func(ok bool, what string) {
		if !ok {
			s.t.Fatalf("%s: broken promise: %s\n%+v\nbefore it: %+v", describe(c), what, c, last)
		}
	}
	promise(r.Version == last.Record.Version+1, "versions go 1, 2, 3")
	promise(!told || c.From == last.Record.Status && c.At >= last.At, "changes of a video follow each other")
	promise(r.ChangedAt == c.At && r.NotedAt == 0 && r.FirstSeen <= c.At && r.FirstSeen > 0, "times")
	promise(r.Stalled == (c.Kind == KindStalled), "only the stall itself is stalled")
	promise(slices.Contains(Kinds(), c.Kind) && slices.Contains(Reasons(), c.Reason), "closed sets")
	promise(c.Kind == KindStalled && r.Status.inFlight() || c.Kind == kindOf(r.Status), "kind and status agree")
	promise(c.Initial == (c.Reason == ReasonInitial) && (!c.Initial || s.policy.Emit && !told), "initial")
	promise(!told || !r.Status.Settled() || r.Status != last.Record.Status, "done or failed once per run")
	promise(r.Status == Deleted || s.wasSeen(c), "only what was observed is announced")
	promise(s.confirmed(c), "backward and sideways moves are confirmed")
	promise(c.Reason != ReasonGone || s.wasMissed(c), "what is gone was missed by two sweeps, and not seen after the first")
	// What an event does not carry must follow from what it does.
	switch {
	case !r.Status.inFlight():
		promise(r.RunStart == 0, "no run goes on")
	case c.Kind == KindStalled:
		promise(r.RunStart > 0 && c.Took == c.At.Since(r.RunStart), "a stall tells when the run began")
	default:
		promise(r.RunStart > 0 && r.RunStart <= c.At && c.Took == notKnown, "a run begins")
	}
}

// wasSeen reports whether the platform said the word of a change, not later than the change.
func (s *source) wasSeen(c Change) bool {
	return slices.ContainsFunc(s.seen[c.VideoNo], func(o Observation) bool {
		return o.At <= c.At && o.Raw == c.Record.Raw
	})
}

// confirmed reports whether a move that needs it was shown twice, far enough apart.
func (s *source) confirmed(c Change) bool {
	var shows func(o Observation) bool
	switch c.Reason {
	case ReasonRegressed:
		shows = func(o Observation) bool { return !s.plain(o.Raw).Settled() }
	case ReasonCorrected:
		shows = func(o Observation) bool {
			return s.plain(o.Raw) == c.Record.Status || s.words.Class(o.Raw) == WordParse
		}
	case ReasonReplaced:
		if c.Kind != KindDeleted {
			return true // the second of the pair
		}
		shows = func(o Observation) bool { return o.CreatedAt != 0 && o.CreatedAt != c.Record.CreatedAt }
	default:
		return true
	}
	return slices.ContainsFunc(s.seen[c.VideoNo], func(o Observation) bool {
		return (s.jumped || o.At < c.At && c.At.Since(o.At) >= s.policy.Confirm) && shows(o)
	})
}

// wasMissed reports whether two sweeps missed a video, and nothing showed it since the first of them.
func (s *source) wasMissed(c Change) bool {
	sweeps := map[uint32]bool{}
	for _, m := range s.missed[c.VideoNo] {
		if m.At > s.shown[c.VideoNo] && m.At <= c.At {
			sweeps[m.Sweep] = true
		}
	}
	return len(sweeps) >= 2
}

// plain is what a word says by itself.
func (s *source) plain(raw string) Status {
	if s.words.Class(raw) == WordParse {
		return None
	}
	return s.words.meanings(&Evidence{})[s.words.Class(raw)]
}

func (s *source) checkCounts() {
	s.t.Helper()
	var want [len(statusNames)]int
	for no := range s.state.All() {
		want[s.state.Status(no)]++
	}
	for st, n := range want {
		if got := s.state.Count(Status(st)); got != n {
			s.t.Fatalf("count of %q is %d, want %d", Status(st), got, n)
		}
	}
	if want[Processing]+want[Unknown] != s.state.InFlight() {
		s.t.Fatalf("in flight: %d, counts: %v", s.state.InFlight(), want)
	}
}

// checkAbsences checks what is counted about absences against what there is.
func (s *source) checkAbsences() {
	s.t.Helper()
	var want tally
	for no, a := range s.state.absences {
		want.move(absence{}, a)
		if a.misses == 0 || s.state.videos[no] == nil || s.state.videos[no].Status == Deleted {
			s.t.Fatalf("%s is no live video that was missed: %+v", no, a)
		}
	}
	got := s.state.tally
	got[0], want[0] = 0, 0
	s.same("the tally of absences", got, want)
	shown, live := 0, 0
	for no, r := range s.state.videos {
		if r.Status == Deleted {
			if p, doubted := s.state.pending[no]; doubted {
				s.t.Fatalf("%s is deleted and doubted: %+v", no, p)
			}
			continue
		}
		live++
		if s.state.sweep != 0 && r.sweep == s.state.sweep {
			shown++
		}
		if s.state.absences[no].misses > missesGone && !s.state.holding {
			s.t.Fatalf("%s was missed %d times, and nothing is held", no, s.state.absences[no].misses)
		}
	}
	s.same("live videos, and those that the sweep showed", [2]int{s.state.live(), s.state.shown}, [2]int{live, shown})
}

// tearApart checks that the process may die behind any entry of what it stores: the rest follows when the same is observed
// again. It returns the records that then result. What is kept in memory only is carried over, but for the videos that an entry
// is about: a doubt about those may take two more observations, and they are left out.
func (s *source) tearApart(in Input, res *Result) []map[string]Record {
	s.t.Helper()
	var results []map[string]Record
	entries := entriesOf(res)
	for k := range min(len(entries), 12) {
		log := fakeLog{entries: slices.Clone(s.log.entries)}
		log.append(entries[:k]...)
		state := log.rebuild(s.words)
		s.carry(state)
		doubted := map[string]bool{}
		stored := min(k, len(res.Changes))
		for _, c := range res.Changes[:stored] {
			doubted[c.VideoNo] = s.state.pending[c.VideoNo] != pending{} || slices.ContainsFunc(res.Changes[stored:], func(rest Change) bool {
				return rest.VideoNo == c.VideoNo && needsConfirmation(rest)
			})
			if c.At > horizon(in.Now) { // under a clock that went back, what was observed before the crash cannot come again
				doubted[c.VideoNo] = true
			}
			state.setPending(c.VideoNo, pending{})
			delete(state.overdue, c.VideoNo)
			state.setAbsence(c.VideoNo, absence{})
		}
		for _, n := range res.Notes {
			doubted[n.VideoNo] = doubted[n.VideoNo] || n.At > horizon(in.Now)
		}
		certain := func(changes []Change) []string {
			return outlines(slices.DeleteFunc(slices.Clone(changes), func(c Change) bool { return doubted[c.VideoNo] }))
		}
		again := Reconcile(state, in, s.policy)
		s.same(fmt.Sprintf("the changes after a crash behind entry %d", k), certain(again.Changes), certain(res.Changes[stored:]))
		state.Apply(again)
		all := records(state)
		maps.DeleteFunc(all, func(no string, _ Record) bool { return doubted[no] })
		results = append(results, all)
	}
	return results
}

// carry gives a state what is kept in memory only.
func (s *source) carry(state *State) {
	state.steady, state.wasSet, state.present = s.state.steady, s.state.wasSet, s.state.present
	state.behind = maps.Clone(s.state.behind)
	state.latest, state.pending, state.overdue = s.state.latest, maps.Clone(s.state.pending), maps.Clone(s.state.overdue)
	state.replacing, state.doubting = s.state.replacing, s.state.doubting
	state.absences, state.tally, state.holding = maps.Clone(s.state.absences), s.state.tally, s.state.holding
	for no, r := range state.videos {
		if old := s.state.videos[no]; old != nil {
			r.shown = old.shown
		}
	}
}

func needsConfirmation(c Change) bool {
	return c.Reason == ReasonRegressed || c.Reason == ReasonCorrected || c.Reason == ReasonReplaced && c.Kind == KindDeleted
}

// restart rebuilds the state from the log, perhaps with other words.
func (s *source) restart(words Words) {
	s.words = words
	s.state = s.log.rebuild(words)
	s.hold = Hold{}
	clear(s.missed)
	clear(s.shown)
}

// clockSet tells the state that the clock was set. What was missed since a video was seen still was.
func (s *source) clockSet(now Time) {
	s.jumped = true
	s.state.ClockSet(now)
	for no, missed := range s.missed {
		s.missed[no] = slices.DeleteFunc(missed, func(m Miss) bool { return m.At <= s.shown[no] })
		for i := range s.missed[no] {
			s.missed[no][i].At = now
		}
	}
	for no, at := range s.shown {
		s.shown[no] = min(at, now-1)
	}
}

// delete is what another process told about a video that is gone.
func (s *source) delete(videoNo string, at Time) {
	r, ok := s.state.Get(videoNo)
	if !ok || r.Status == Deleted {
		return
	}
	c := Change{VideoNo: videoNo, Kind: KindDeleted, From: s.state.Status(videoNo), FromRaw: r.Raw, At: at, Took: notKnown}
	r.Version, r.Status, r.ChangedAt, r.NotedAt, r.RunStart, r.Stalled = r.Version+1, Deleted, at, 0, 0, false
	c.Record = r
	s.told[videoNo] = c
	s.log.append(entry{video: videoNo, record: r, isEvent: true})
	s.state.Put(videoNo, r)
}

func (s *source) same(what string, got, want any) {
	s.t.Helper()
	if !reflect.DeepEqual(got, want) {
		s.t.Fatalf("%s differs:\n got %+v\nwant %+v", what, got, want)
	}
}

// fakeLog keeps what the log keeps, and reads it back as the log is read back: the last event of a video, its page before it had
// one, its note if no event overtook it, the last meta record.
type fakeLog struct{ entries []entry }

type entry struct {
	video   string
	record  Record
	isEvent bool
	isNote  bool
	meta    *Meta
}

func entriesOf(res *Result) []entry {
	var entries []entry
	for _, c := range res.Changes {
		entries = append(entries, entry{video: c.VideoNo, record: c.Record, isEvent: true})
	}
	for _, n := range res.Notes {
		entries = append(entries, entry{video: n.VideoNo, record: n.Record, isNote: true})
	}
	for _, l := range res.Learned {
		entries = append(entries, entry{video: l.VideoNo, record: l.Record})
	}
	if res.Meta != nil {
		entries = append(entries, entry{meta: res.Meta})
	}
	return entries
}

func (l *fakeLog) append(entries ...entry) { l.entries = append(l.entries, entries...) }

func (l *fakeLog) rebuild(words Words) *State {
	s := NewState("test", words)
	notes := map[string]Record{}
	for _, e := range l.entries {
		_, known := s.Get(e.video)
		switch {
		case e.meta != nil:
			s.SetMeta(*e.meta)
		case e.isNote:
			notes[e.video] = e.record
		case e.isEvent || !known:
			s.Put(e.video, exported(e.record))
		}
	}
	for no, n := range notes {
		if r, ok := s.Get(no); ok && r.Version == n.Version && n.NotedAt >= r.ChangedAt {
			s.Put(no, exported(n))
		}
	}
	return s
}

// exported is a record without what only the package knows.
func exported(r Record) Record {
	r.class, r.sweep, r.shown = 0, 0, 0
	return r
}

// snapshot is a deep copy of a state, without the marks of sightings.
type snapshot struct {
	BaselineAt       Time
	EmptyAtFirst     bool
	Evidence, Stored Evidence
	Videos           map[string]Record
	Latest           Time
	Pending          map[string]pending
	Overdue          map[string]Time
	Strange          map[string]struct{}
	Counts           [len(statusNames)]int
	Meaning          meanings
	WantsAge         bool
	Filters          Filters
	Absences         map[string]absence
	Holding          bool
	Doubting         bool
	Replacing        replacements
}

func snap(s *State) snapshot {
	return snapshot{
		EmptyAtFirst: s.EmptyAtFirst,
		BaselineAt:   s.BaselineAt, Evidence: s.Evidence, Stored: s.stored, Videos: records(s), Latest: s.latest, Pending: maps.Clone(s.pending),
		Overdue: maps.Clone(s.overdue), Strange: maps.Clone(s.strange), Counts: s.counts, Meaning: s.meaning, WantsAge: s.wantsAge,
		Filters: s.Filters, Absences: maps.Clone(s.absences), Holding: s.holding, Doubting: s.doubting,
		Replacing: s.replacing,
	}
}

// lasting is the part of a snapshot that survives a restart.
func (s snapshot) lasting() snapshot {
	s.Latest, s.Pending, s.Overdue, s.Strange, s.Absences, s.Holding = 0, nil, nil, nil, nil, false
	s.Doubting, s.Replacing = false, replacements{}
	return s
}

func records(s *State) map[string]Record {
	all := map[string]Record{}
	for no, r := range s.All() {
		r.sweep, r.shown = 0, 0
		all[no] = r
	}
	return all
}

// outcome is a result without pointers and marks.
type outcome struct {
	Result  Result
	Meta    Meta
	Records map[string]Record
}

func outcomeOf(res *Result) outcome {
	out := outcome{Result: *res, Records: map[string]Record{}}
	if res.Meta != nil {
		out.Meta, out.Result.Meta = *res.Meta, nil
	}
	for no, r := range res.records {
		rec := *r
		rec.sweep, rec.shown = 0, 0
		out.Records[no] = rec
	}
	out.Result.records = nil
	out.Result.Changes = slices.Clone(res.Changes)
	for i := range out.Result.Changes {
		out.Result.Changes[i].Record.sweep, out.Result.Changes[i].Record.shown = 0, 0
	}
	out.Result.Notes = slices.Clone(res.Notes)
	for i := range out.Result.Notes {
		out.Result.Notes[i].Record.sweep, out.Result.Notes[i].Record.shown = 0, 0
	}
	return out
}

// describe is a change as the tables write it.
func describe(c Change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "v%d %s(%s) %s", c.Record.Version, c.Kind, c.VideoNo, c.Reason)
	if c.From != None {
		fmt.Fprintf(&b, " from %s", c.From)
	}
	if c.Initial {
		b.WriteString(" initial")
	}
	if c.Took >= 0 {
		fmt.Fprintf(&b, " took %s", brief(c.Took))
	}
	if c.Record.Status == Failed && c.Record.Cause != "" {
		fmt.Fprintf(&b, " cause %s", c.Record.Cause)
	}
	return b.String()
}

// brief writes 31m instead of 31m0s.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// outlines are changes with all their facts but one: of a replacement torn apart, the second half reads as a return.
func outlines(changes []Change) []string {
	lines := []string{}
	for _, c := range changes {
		if c.Reason == ReasonReplaced && c.From == Deleted {
			c.Reason = ReasonReturned
		}
		lines = append(lines, fmt.Sprintf("%s at %d, %q to %q of %d, status %s", describe(c), c.At, c.FromRaw, c.Record.Raw,
			c.Record.CreatedAt, c.Record.Status))
	}
	return lines
}
