package diff

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"
)

func at(s int) Time { return scriptStart + Time(s)*1000 }

// see reconciles and applies, and returns the result.
func see(t *testing.T, s *State, p Policy, in Input) *Result {
	t.Helper()
	res := Reconcile(s, in, p)
	s.Apply(res)
	return res
}

func TestTime(t *testing.T) {
	moment := time.Date(2026, 11, 23, 22, 4, 5, 123_000_000, time.UTC)
	if back := TimeOf(moment).Time(); !back.Equal(moment) {
		t.Errorf("there and back: %s", back)
	}
	if TimeOf(time.Time{}) != 0 || !Time(0).Time().IsZero() {
		t.Error("none is not none")
	}
	for _, c := range []struct {
		name        string
		later, than Time
		want        time.Duration
	}{
		{"a second", at(1), at(0), time.Second},
		{"a clock that jumped back", at(0), at(1), 0},
		{"two thousand years", at(0), at(0) - 2000*365*24*3600*1000, math.MaxInt64},
		{"a creation time in the year 9999", at(0), 253_402_300_799_000, 0},
		{"the ends of time", math.MaxInt64, math.MinInt64, math.MaxInt64},
		{"the ends of time, reversed", math.MinInt64, math.MaxInt64, 0},
	} {
		if got := c.later.Since(c.than); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestAbsurdCreationTimesAreNoEvidence(t *testing.T) {
	s := NewState("s", DefaultWords())
	obs := []Observation{{VideoNo: "a", Raw: "PARSE", At: at(0), CreatedAt: 253_402_300_799_000}}
	see(t, s, Policy{StallAfter: time.Hour}, Input{Observations: obs, SweepComplete: at(0)})
	if s.Evidence != (Evidence{}) || s.Status("a") != Processing {
		t.Errorf("evidence %+v, status %s", s.Evidence, s.Status("a"))
	}
}

func TestResultOfTheBaseline(t *testing.T) {
	s := NewState("s", DefaultWords())
	obs := []Observation{
		{VideoNo: "a", Name: "a.mp4", Raw: "UNPARSE", Duration: 12, Size: 34, CreatedAt: at(-60), At: at(0)},
		{VideoNo: "b", Raw: "PARSE", CreatedAt: at(-50), At: at(0)},
	}
	res := see(t, s, scriptPolicy, Input{Observations: obs, Sweep: 7})
	if len(res.Changes)+len(res.Notes) != 0 || len(res.Learned) != 2 || res.New != 2 || res.InFlight != 1 {
		t.Fatalf("first page: %+v", res)
	}
	want := Record{
		Name: "a.mp4", Raw: "UNPARSE", Duration: 12, Size: 34, CreatedAt: at(-60), FirstSeen: at(0), ChangedAt: at(0), RunStart: at(0),
	}
	if got := exported(res.Learned[0].Record); res.Learned[0].VideoNo != "a" || got != want {
		t.Errorf("learned %+v, want %+v", got, want)
	}
	if res.Meta == nil || res.Meta.BaselineAt != 0 || res.Meta.Evidence.SawUnparse != (Witness{"a", at(0)}) {
		t.Errorf("meta of the first page: %+v", res.Meta)
	}
	if s.Pages != 1 || s.SeenIn(7) != 2 || s.SeenIn(6) != 0 || s.Len() != 2 || s.InFlight() != 1 || s.Count(Done) != 1 {
		t.Errorf("state: %d pages, %d seen, %d in flight", s.Pages, s.SeenIn(7), s.InFlight())
	}
	res = see(t, s, scriptPolicy, Input{SweepComplete: at(9)})
	if res.Empty() || res.Meta == nil || res.Meta.BaselineAt != at(9) || s.BaselineAt != at(9) {
		t.Errorf("the baseline: %+v", res)
	}
	if res = see(t, s, scriptPolicy, Input{SweepComplete: at(20)}); !res.Empty() {
		t.Errorf("a second baseline: %+v", res)
	}
}

func TestSightingsOfASweepAreCountedOnce(t *testing.T) {
	s := NewState("s", DefaultWords())
	page := func(second int, videos ...string) Input {
		in := Input{Sweep: 2}
		for _, no := range videos {
			in.Observations = append(in.Observations, Observation{VideoNo: no, Raw: "DONE", At: at(second)})
		}
		return in
	}
	see(t, s, scriptPolicy, page(1, "a", "b", "b"))
	see(t, s, scriptPolicy, page(2, "b", "c"))
	Reconcile(s, page(3, "a", "d"), scriptPolicy) // thrown away
	see(t, s, scriptPolicy, page(3, "a", "d"))
	see(t, s, scriptPolicy, Input{Observations: page(4, "e").Observations}) // by another lane
	if got := s.SeenIn(2); got != 4 {
		t.Errorf("%d videos seen, want a, b, c, d", got)
	}
}

func TestAWordThatMovedIsNoted(t *testing.T) {
	s := NewState("s", DefaultWords())
	see(t, s, scriptPolicy, Input{Observations: []Observation{{VideoNo: "a", Raw: "PENDING", At: at(0)}}, SweepComplete: at(0)})
	obs := []Observation{
		{VideoNo: "a", Raw: "UPLOADING", At: at(1)}, // another spelling of processing
		{VideoNo: "a", Raw: "UNPARSE", At: at(2)},
		{VideoNo: "a", Raw: "WAITING", At: at(3)},
	}
	res := see(t, s, scriptPolicy, Input{Observations: obs})
	if len(res.Changes) != 0 || len(res.Notes) != 1 {
		t.Fatalf("result: %+v", res)
	}
	n := res.Notes[0]
	if n.VideoNo != "a" || n.At != at(3) || n.Record.Raw != "WAITING" || n.Record.NotedAt != at(3) || n.Record.ChangedAt != at(0) {
		t.Errorf("note %+v", n)
	}
	late := []Observation{{VideoNo: "a", Raw: "PARSE", At: at(2)}}
	if res = see(t, s, scriptPolicy, Input{Observations: late}); !res.Empty() || res.Stale != 1 {
		t.Errorf("an observation older than the note: %+v", res)
	}
}

func TestUnknownWordsAreReportedOnce(t *testing.T) {
	s := NewState("s", DefaultWords())
	look := func(second int, words ...string) *Result {
		var in Input
		for i, w := range words {
			in.Observations = append(in.Observations, Observation{VideoNo: string(rune('a' + i)), Raw: w, At: at(second)})
		}
		return see(t, s, scriptPolicy, in)
	}
	res := look(1, "Waiting", "WAITING", "DONE")
	if !slices.Equal(res.UnknownWords, []string{"WAITING"}) || res.UnknownVideos != 2 {
		t.Errorf("first: %q, %d videos", res.UnknownWords, res.UnknownVideos)
	}
	res = look(2, "Waiting", "THINKING", "DONE")
	if !slices.Equal(res.UnknownWords, []string{"THINKING"}) || res.UnknownVideos != 1 {
		t.Errorf("another word: %q, %d videos", res.UnknownWords, res.UnknownVideos)
	}
	res = look(3, "THINKING", "THINKING", "WAITING")
	if len(res.UnknownWords) != 0 || res.UnknownVideos != 1 {
		t.Errorf("known by now: %q, %d videos", res.UnknownWords, res.UnknownVideos)
	}
	for i := range 2 * maxUnknownWords {
		look(4+i, "WORD"+string(rune('A'+i)))
	}
	if len(s.strange) != maxUnknownWords {
		t.Errorf("%d words remembered", len(s.strange))
	}
}

func TestRecordsAndMetaMayBeReadInAnyOrder(t *testing.T) {
	meta := Evidence{SawUnparse: Witness{"m", at(1)}}
	event := Record{Raw: "DONE", Version: 1, Status: Done, FirstSeen: at(0), ChangedAt: at(5)}
	first, last := NewState("s", DefaultWords()), NewState("s", DefaultWords())
	first.SetMeta(Meta{BaselineAt: at(2), Evidence: meta, Revision: 3})
	first.Put("a", event)
	last.Put("a", event)
	last.SetMeta(Meta{BaselineAt: at(2), Evidence: meta, Revision: 3})
	for _, s := range []*State{first, last} {
		if want := (Evidence{SawUnparse: meta.SawUnparse, SawDone: Witness{"a", at(5)}}); s.Evidence != want {
			t.Errorf("evidence %+v, want %+v", s.Evidence, want)
		}
		// What a record told and the meta record does not is stored at the next occasion.
		res := see(t, s, scriptPolicy, Input{})
		if res.Meta == nil || res.Meta.Evidence.SawDone.VideoNo != "a" || res.Meta.Evidence.Flipped == 0 || res.Meta.Revision != 3 {
			t.Errorf("meta %+v", res.Meta)
		}
		if res = see(t, s, scriptPolicy, Input{}); !res.Empty() {
			t.Errorf("stored twice: %+v", res)
		}
	}
}

func TestWhatATornCycleLearntIsAnnounced(t *testing.T) {
	// The UNPARSE of b was stored with its event, the rest of its cycle was not.
	s := NewState("s", DefaultWords())
	s.SetMeta(Meta{BaselineAt: at(0), Revision: 1})
	s.Put("a", Record{Raw: "PARSE", Version: 1, Status: Processing, FirstSeen: at(1), ChangedAt: at(1), RunStart: at(1)})
	s.Put("b", Record{Raw: "UNPARSE", Version: 1, Status: Processing, FirstSeen: at(2), ChangedAt: at(2), RunStart: at(2)})
	res := see(t, s, scriptPolicy, Input{})
	if len(res.Changes) != 1 || describe(res.Changes[0]) != "v2 done(a) inferred from processing" || res.Changes[0].At != at(2) {
		t.Errorf("changes %+v", res.Changes)
	}
}

func TestARecordReadFromTheLogEndsDoubts(t *testing.T) {
	s := NewState("s", DefaultWords())
	see(t, s, scriptPolicy, Input{Observations: []Observation{{VideoNo: "a", Raw: "DONE", At: at(0)}}, SweepComplete: at(0)})
	see(t, s, scriptPolicy, Input{Observations: []Observation{{VideoNo: "a", Raw: "UNPARSE", At: at(15)}}})
	s.Put("a", Record{Raw: "DONE", Version: 2, Status: Done, FirstSeen: at(0), ChangedAt: at(20)})
	res := see(t, s, scriptPolicy, Input{Observations: []Observation{{VideoNo: "a", Raw: "UNPARSE", At: at(30)}}})
	if len(res.Changes) != 0 || res.Unconfirmed != 1 {
		t.Errorf("result %+v", res)
	}
}

func TestRevisionsReachTheState(t *testing.T) {
	s := NewState("s", DefaultWords())
	see(t, s, scriptPolicy, Input{SweepComplete: at(0)})
	res := Reconcile(s, Input{Observations: []Observation{
		{VideoNo: "a", Raw: "UNPARSE", At: at(1)}, {VideoNo: "a", Raw: "PARSE", At: at(2)},
	}}, scriptPolicy)
	if len(res.Changes) != 2 {
		t.Fatalf("changes %+v", res.Changes)
	}
	res.Changes[0].Record.Revision, res.Changes[1].Record.Revision, res.Meta.Revision = 10, 11, 12
	s.Apply(res)
	r, ok := s.Get("a")
	if !ok || r.Revision != 11 || s.MetaRevision != 12 {
		t.Errorf("record %+v, meta revision %d", r, s.MetaRevision)
	}
	if _, ok := s.Get("b"); ok || s.Status("b") != None {
		t.Error("a video that is not known is known")
	}
	if got := s.Words().Class("DONE"); got != WordDone {
		t.Errorf("words: %d", got)
	}
	for range s.All() {
		break // a walk may end early
	}
}

// The poller's goroutine reconciles without a lock, and moves the state under one that hints read it under.
func TestStatusMayBeAskedWhileTheStateIsReconciled(t *testing.T) {
	s := NewState("s", DefaultWords())
	page := func(second int, raw string) Input {
		in := Input{Now: at(second), Sweep: uint32(second), SweepComplete: at(second)}
		for i := range 50 {
			in.Observations = append(in.Observations, Observation{VideoNo: fmt.Sprint(i), Raw: raw, At: at(second)})
		}
		return in
	}
	see(t, s, scriptPolicy, page(1, "UNPARSE"))
	var mu sync.RWMutex
	done, asked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(asked)
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			mu.RLock()
			s.Status(fmt.Sprint(i % 60))
			mu.RUnlock()
		}
	}()
	for i := range 200 {
		res := Reconcile(s, page(2+i, []string{"UNPARSE", "UNPARSE", "PARSE", "FAILED"}[i/20%4]), scriptPolicy)
		mu.Lock()
		s.Apply(res)
		if i%50 == 0 {
			s.ClockSet(at(2 + i))
		}
		mu.Unlock()
	}
	close(done)
	<-asked
}
