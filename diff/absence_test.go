package diff

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

func TestAbsence(t *testing.T) {
	spaced := Policy{Confirm: scriptStep, Agree: 10 * time.Minute}
	for _, c := range []struct {
		name   string
		policy Policy
		text   string
	}{
		{"S20 what two sweeps do not show and no look-up finds is deleted, once", scriptPolicy, `
			sweep [a:P b:R c:F]
			walk [a:P c:F]
			walk [a:P c:F] => v1 deleted(b) gone from done
			walk [a:P c:F]
			walk [a:P c:F]
		`},
		{"S21 what a look-up finds is no news", scriptPolicy, `
			sweep [a:P b:R]
			x4 walk [a:P] found [b:R]
		`},
		{"a video that moved while the walk went past it is found as it is", scriptPolicy, `
			sweep [a:R b:P]
			walk [a:R]
			walk [a:R] found [b:R] => v1 done(b) moved from processing took 31s
			walk [a:R]
			walk [a:R] => v2 deleted(b) gone from done
		`},
		{"a sighting by a sweep starts the count over", scriptPolicy, `
			sweep [a:P b:R]
			walk [a:P]
			walk [a:P b:R]
			walk [a:P]
			walk [a:P] => v1 deleted(b) gone from done
		`},
		{"a look-up that finds it starts the count over", scriptPolicy, `
			sweep [a:P b:R]
			walk [a:P]
			walk [a:P] found [b:R]
			walk [a:P]
			walk [a:P] => v1 deleted(b) gone from done
		`},
		{"a sighting by another lane starts the count over", scriptPolicy, `
			sweep [a:P b:R]
			walk [a:P]
			see [b:R]
			walk [a:P]
			walk [a:P] => v1 deleted(b) gone from done
		`},
		{"what is so new that a replica may not know it is not missed", Policy{Confirm: time.Second, Lag: 10 * time.Second}, `
			sweep [a:P]
			see [b:R] => v1 done(b) finished_seen
			+1s x5 see [] missed [b]
			+4s see [] missed [b]
			see [] missed [b]
			see [] missed [b] => v2 deleted(b) gone from done
		`},
		{"two misses in one sweep are one", scriptPolicy, `
			sweep [a:P b:R]
			see [] missed [b]
			see [] again missed [b]
			see [] again missed [b b@-2s]
			see [] missed [b b@-2s] => v1 deleted(b) gone from done
		`},
		{"a miss that began before a sighting says nothing, in whatever cycle it comes", scriptPolicy, `
			sweep [a:P b:R]
			see [b:R] missed [b@-5s]
			see [] missed [b@-20s]
			see [] missed [b]
			see [] missed [b] => v1 deleted(b) gone from done
		`},
		{"a miss and a sighting in one second are taken for a sighting", scriptPolicy, `
			sweep [a:P b:R]
			see [b:R] missed [b@5ms]
			see [b:R@2s] missed [b@3s]
			see [] missed [b] => v1 deleted(b) gone from done
		`},
		{"a sighting that began before the misses ends none", scriptPolicy, `
			sweep [a:P b:R]
			+1m see [] missed [b]
			see [b:R@-30s]
			see [] missed [b] => v1 deleted(b) gone from done
		`},
		{"a miss that began before a change says nothing", scriptPolicy, `
			sweep [a:P b:P]
			see [] missed [b]
			see [b:R] => v1 done(b) moved from processing took 30s
			restart
			see [] missed [b@-20s]
			see [] missed [b]
			see [] missed [b] => v2 deleted(b) gone from done
		`},
		{"the last of two sightings of a new video counts", scriptPolicy, `
			sweep [a:P]
			see [b:F@-5s b:F] => v1 failed(b) finished_seen
			see [] missed [b@-17s]
			see [] missed [b]
			see [] missed [b] => v2 deleted(b) gone from failed
		`},
		{"deletions are told in the order of their look-ups", scriptPolicy, `
			sweep [a:F b:F c:F d:F]
			see [] missed [a b c]
			see [] missed [a@-1s b@-5s c@-1s] => v1 deleted(b) gone from failed; v1 deleted(a) gone from failed; v1 deleted(c) gone from failed
		`},
		{"a sighting between two misses that a clock jumped back between ends both", scriptPolicy, `
			sweep [a:F b:F]
			+10m see [] missed [a b]
			see [] missed [a@-5m b@-5m] => held all 2 agreed 0
			see [a:F@-4m] => held 1 agreed 0
		`},
		{"misses of one cycle are taken sweep by sweep", scriptPolicy, `
			sweep [a:P b:R c:R]
			see [] missed [b c]
			see [c:R] missed [c@-5s b] => v1 deleted(b) gone from done
		`},
		{"the end of a run tells how long it took", scriptPolicy, `
			sweep [b:R]
			see [a:P] => v1 processing(a) first_seen
			walk [b:R]
			walk [b:R] => v2 deleted(a) gone from processing took 31s
		`},
		{"a baseline video that was never announced is deleted from what it was", scriptPolicy, `
			sweep [a:P b:R c:F d:WAITING e:R]
			walk [e:R]
			walk [e:R] => v1 deleted(a) gone from processing took 31s; v1 deleted(b) gone from done; v1 deleted(c) gone from failed; v1 deleted(d) gone from unknown took 31s
		`},
		{"a deleted id that is seen again begins anew, and so do its misses", scriptPolicy, `
			sweep [a:P b:R]
			walk [a:P]
			walk [a:P] => v1 deleted(b) gone from done
			walk [a:P b:R] => v2 done(b) returned from deleted
			walk [a:P]
			walk [a:P] => v3 deleted(b) gone from done
			walk [a:P b:P] => v4 processing(b) returned from deleted
			walk [a:P b:R] => v5 done(b) moved from processing took 15s
		`},
		{"a listing from before the look-up does not bring a video back", scriptPolicy, `
			sweep [a:P b:R]
			see [] missed [b]
			see [] missed [b] => v1 deleted(b) gone from done
			see [b:R@-16s]
			see [b:R] => v2 done(b) returned from deleted
		`},
		{"what another process told ends misses", scriptPolicy, `
			sweep [a:P b:R]
			walk [a:P]
			gone b
			walk [a:P]
			walk [a:P b:R] => v2 done(b) returned from deleted
			walk [a:P]
			walk [a:P] => v3 deleted(b) gone from done
		`},
		{"another video under the id ends misses", scriptPolicy, `
			sweep [a:P b:R]
			see [b:R#new]
			see [] missed [b]
			see [b:R#new@-10s] => v1 deleted(b) replaced from done; v2 done(b) replaced from deleted
			see [] missed [b]
			see [] missed [b] => v3 deleted(b) gone from done
		`},
		{"what was doubted about a video is gone with it", scriptPolicy, `
			sweep [a:P b:R]
			see [b:P]
			walk [a:P]
			walk [a:P] => v1 deleted(b) gone from done
			walk [a:P b:R] => v2 done(b) returned from deleted
			walk [a:P b:P]
			walk [a:P b:P] => v3 processing(b) regressed from done
		`},
		{"misses of what is not known, or deleted, say nothing", scriptPolicy, `
			sweep [a:P b:R]
			gone b
			x3 see [] missed [b x]
			see [x:P] => v1 processing(x) first_seen
			see [] missed [x]
			see [] missed [x] => v2 deleted(x) gone from processing took 30s
		`},
		{"before there is a baseline nothing is missed", scriptPolicy, `
			see [a:P b:R]
			see [a:P] missed [b]
			see [a:P] missed [b]
			sweep [a:P]
			walk [a:P]
			walk [a:P] => v1 deleted(b) gone from done
		`},
		{"the sweep that ends the baseline misses like any other", Policy{Confirm: scriptStep, Emit: true}, `
			see [a:P b:R]
			sweep [a:P] missed [b@1s] => v1 done(b) initial initial
			walk [a:P] => v2 deleted(b) gone from done
		`},
		{"after a restart two further sweeps are needed", scriptPolicy, `
			sweep [a:P b:R]
			walk [a:P]
			restart
			walk [a:P]
			walk [a:P] => v1 deleted(b) gone from done
		`},
		{"where no look-up is honoured, the total count must not move between the two", scriptPolicy, `
			sweep [a:P b:R c:R]
			see [] missed [b/5 c/5]
			see [] missed [b/4 c/5] => v1 deleted(c) gone from done
			see [] missed [b/5]
			see [] missed [b/5] => v1 deleted(b) gone from done
		`},
		{"a look-up and a count are no pair", scriptPolicy, `
			sweep [a:P b:R]
			see [] missed [b]
			see [] missed [b/5]
			see [] missed [b]
			see [] missed [b] => v1 deleted(b) gone from done
		`},
		{"the only video of a source is nothing special", scriptPolicy, `
			sweep [a:F]
			walk []
			walk [] => v1 deleted(a) gone from failed
			x3 walk []
			walk [a:F] => v2 failed(a) returned from deleted
		`},
		{"R4 a source that lists none is doubted until three further sweeps agree", scriptPolicy, `
			sweep [a:P b:R c:F]
			walk []
			walk [] => held all 3 agreed 0
			walk [] => held all 3 agreed 1
			walk [] => held all 3 agreed 2
			walk [] => v1 deleted(a) gone from processing took 1m16s; v1 deleted(b) gone from done; v1 deleted(c) gone from failed; held none
			x4 walk []
		`},
		{"R4 a source that lists none while one of its videos was missed but once is doubted too", scriptPolicy, `
			sweep [a:F b:F]
			walk [b:F]
			walk [] => held all 1 agreed 0
			walk [] => held all 2 agreed 0
			walk [b:F] => held 1 agreed 2
			walk [b:F] => v1 deleted(a) gone from failed; held none
		`},
		{"R4 a listing that comes back deletes nothing", scriptPolicy, `
			sweep [a:P b:R c:F]
			walk []
			walk [] => held all 3 agreed 0
			walk [] => held all 3 agreed 1
			walk [a:P b:R c:F] => held none
			walk []
			walk [] => held all 3 agreed 0
		`},
		{"R4 a listing that comes back in part deletes the rest after its three", scriptPolicy, `
			sweep [a:P b:R c:F d:R]
			walk []
			walk [] => held all 4 agreed 0
			walk [a:P] => held 3 agreed 1
			walk [a:P] found [b:R] => held 2 agreed 2
			walk [a:P b:R] => v1 deleted(c) gone from failed; v1 deleted(d) gone from done; held none
		`},
		{"R4 what is missed later waits for its own three", scriptPolicy, `
			sweep [a:F b:F]
			walk []
			walk [] => held all 2 agreed 0
			walk [c:F] => v1 failed(c) finished_seen; held 2 agreed 1
			walk [] => held all 2 agreed 2
			walk [] => v1 deleted(a) gone from failed; v1 deleted(b) gone from failed; held all 1 agreed 0
			walk [] => held all 1 agreed 1
			walk [] => held all 1 agreed 2
			walk [] => v2 deleted(c) gone from failed; held none
		`},
		{"R4 sweeps that follow each other faster than the sweep interval agree once", spaced, `
			sweep [a:F b:F]
			walk []
			walk [] => held all 2 agreed 0
			x8 walk []
			+8m walk [] => held all 2 agreed 1
			+9m59s walk []
			+1s walk [] => held all 2 agreed 2
			+1h walk [] => v1 deleted(a) gone from failed; v1 deleted(b) gone from failed; held none
		`},
		{"R4 judging again agrees no further", scriptPolicy, `
			sweep [a:F b:F]
			see [] missed [a b]
			see [] missed [a b] => held all 2 agreed 0
			x4 see [] again missed [a b]
			see [] missed [b]
			see [] missed [a b] => held all 2 agreed 1
		`},
		{"R4 sweeps agree only while the total count does not move, where no look-up is honoured", scriptPolicy, `
			sweep [a:F b:F]
			see [] missed [a/5 b/5]
			see [] missed [a/5 b/5] => held all 2 agreed 0
			see [] missed [a/5 b/5] => held all 2 agreed 1
			see [] missed [a/6 b/6]
			see [] missed [a/6 b/6] => held all 2 agreed 2
			see [] missed [a/6 b/6] => v1 deleted(a) gone from failed; v1 deleted(b) gone from failed; held none
		`},
		{"R4 the operator's word is enough", scriptPolicy, `
			sweep [a:P b:R]
			release
			walk []
			release
			walk [] => held all 2 agreed 0
			release => v1 deleted(a) gone from processing took 1m1s; v1 deleted(b) gone from done; held none
			release
			walk []
		`},
		{"R4 the operator's word comes too late for what is back", scriptPolicy, `
			sweep [a:P b:R]
			walk []
			walk [] => held all 2 agreed 0
			see [b:R] => held 1 agreed 0
			see [a:P] => held none
			release
			walk [a:P]
			walk [a:P] => v1 deleted(b) gone from done
		`},
		{"R4 a hold is over when another process told the same", scriptPolicy, `
			sweep [a:F b:F]
			walk []
			walk [] => held all 2 agreed 0
			gone a
			gone b
			walk [] => held none
		`},
		{"R4 a restart forgets a hold", scriptPolicy, `
			sweep [a:F b:F]
			walk []
			walk [] => held all 2 agreed 0
			walk [] => held all 2 agreed 1
			restart
			release
			walk []
			walk [] => held all 2 agreed 0
			walk [] => held all 2 agreed 1
			walk [] => held all 2 agreed 2
			restart
			walk [a:F b:F]
		`},
	} {
		t.Run(c.name, func(t *testing.T) { onEveryVocabulary(t, c.policy, c.text) })
	}
}

// many is a source with a baseline of so many videos.
type many struct {
	*source
	videos []string
	now    Time
	sweeps uint32
}

func newMany(t tb, videos int) *many {
	m := &many{source: newSource(t, DefaultWords(), scriptPolicy), now: scriptStart, sweeps: 1}
	for i := range videos {
		m.videos = append(m.videos, fmt.Sprintf("v%04d", i))
	}
	m.cycle(Input{Observations: m.list(0), Sweep: 1, SweepComplete: m.now})
	return m
}

// list is the listing without so many of the oldest.
func (m *many) list(without int) []Observation {
	var obs []Observation
	for _, no := range m.videos[without:] {
		obs = append(obs, Observation{VideoNo: no, Raw: "DONE", At: m.now})
	}
	return obs
}

// walk is a sweep in which so many of the oldest are neither listed nor found. It returns the ids of what is deleted.
func (m *many) walk(without int) []string {
	m.now += Time(scriptStep.Milliseconds())
	m.sweeps++
	m.cycle(Input{Observations: m.list(without), Sweep: m.sweeps, SweepComplete: m.now})
	late := Input{Judged: m.sweeps}
	for _, no := range m.state.Unseen(m.sweeps, m.now) {
		late.Misses = append(late.Misses, Miss{VideoNo: no, Sweep: m.sweeps, At: m.now + 1000})
	}
	var gone []string
	for _, c := range m.cycle(late) {
		gone = append(gone, c.VideoNo)
	}
	return gone
}

func TestS19ManyDeletionsAreHeldBack(t *testing.T) {
	m := newMany(t, 100)
	m.walk(40)
	for sweep, want := range []Hold{{Videos: 40}, {Videos: 40, Agreed: 1}, {Videos: 40, Agreed: 2}} {
		if gone := m.walk(40); len(gone) > 0 || m.hold != want {
			t.Fatalf("sweep %d: %d deleted, held %+v, want %+v", sweep+2, len(gone), m.hold, want)
		}
	}
	if gone := m.walk(40); !slices.Equal(gone, m.videos[:40]) || m.hold != (Hold{}) {
		t.Errorf("%d deleted: %v, held %+v", len(gone), gone, m.hold)
	}
	if gone := m.walk(40); len(gone) > 0 {
		t.Errorf("deleted again: %v", gone)
	}
}

func TestHowManyDeletionsAreMany(t *testing.T) {
	for _, c := range []struct {
		videos, gone int
		held         bool
	}{
		{1, 1, false},
		{2, 1, false},
		{2, 2, true},
		{10, 9, false},
		{10, 10, true},
		{11, 10, false},
		{11, 11, true},
		{12, 11, true},
		{50, 10, false},
		{50, 11, true},
		{54, 11, true},
		{55, 11, false},
		{100, 20, false},
		{100, 21, true},
		{104, 21, true},
		{105, 21, false},
	} {
		m := newMany(t, c.videos)
		m.walk(c.gone)
		deleted := m.walk(c.gone)
		if held := m.hold.Videos == c.gone; held != c.held || len(deleted) != c.gone && !held {
			t.Errorf("%d of %d: held %+v, %d deleted, want it held: %v", c.gone, c.videos, m.hold, len(deleted), c.held)
		}
	}
}

func TestDeletedVideosCountNoMore(t *testing.T) {
	m := newMany(t, 60)
	for _, no := range m.videos[40:] {
		m.delete(no, m.now+1)
	}
	m.videos = m.videos[:40]
	m.walk(11) // of 40, not of 60
	if gone := m.walk(11); len(gone) > 0 || m.hold.Videos != 11 {
		t.Errorf("%d deleted, held %+v", len(gone), m.hold)
	}
}

func TestAHoldGrowsAndShrinks(t *testing.T) {
	m := newMany(t, 100)
	m.walk(30)
	for _, step := range []struct {
		without, deleted int
		want             Hold
	}{
		{30, 0, Hold{Videos: 30}},
		{35, 0, Hold{Videos: 30, Agreed: 1}}, // five more were missed once
		{35, 0, Hold{Videos: 35}},
		{35, 30, Hold{Videos: 5, Agreed: 1}},
		{33, 0, Hold{Videos: 3, Agreed: 2}},
		{33, 3, Hold{}},
		{35, 0, Hold{}},
		{35, 2, Hold{}}, // ordinary again
	} {
		if gone := m.walk(step.without); len(gone) != step.deleted || m.hold != step.want {
			t.Fatalf("%+v: %d deleted, held %+v", step, len(gone), m.hold)
		}
	}
}

func TestAReleaseIsAboutWhatIsHeldAlready(t *testing.T) {
	m := newMany(t, 3)
	m.walk(3)
	late := Input{Judged: 9, Release: true}
	for _, no := range m.videos {
		late.Misses = append(late.Misses, Miss{VideoNo: no, Sweep: 9, At: m.now + 5000})
	}
	if changes := m.cycle(late); len(changes) > 0 || m.hold.Videos != 3 {
		t.Errorf("%d deleted, held %+v", len(changes), m.hold)
	}
}

func TestAResultThrownAwayLeavesHoldsAndMissesAlone(t *testing.T) {
	m := newMany(t, 3)
	m.walk(3)
	m.walk(3)
	held := m.hold
	Reconcile(m.state, Input{Release: true}, m.policy)
	Reconcile(m.state, Input{Observations: m.list(0)[:1]}, m.policy)
	if m.state.Hold() != held {
		t.Errorf("holds %+v, want %+v", m.state.Hold(), held)
	}
}

func TestUnseen(t *testing.T) {
	s := NewState("s", DefaultWords())
	list := func(second int, videos ...string) []Observation {
		var obs []Observation
		for _, no := range videos {
			obs = append(obs, Observation{VideoNo: no, Raw: "DONE", At: at(second)})
		}
		return obs
	}
	expect := func(sweep uint32, before int, want ...string) {
		t.Helper()
		if got := s.Unseen(sweep, at(before)); !slices.Equal(got, want) {
			t.Errorf("sweep %d did not show %v, want %v", sweep, got, want)
		}
	}
	see(t, s, scriptPolicy, Input{Observations: list(2, "c", "b"), Sweep: 1})
	see(t, s, scriptPolicy, Input{Observations: list(1, "d"), Sweep: 1})
	expect(2, 9) // before the baseline nothing is absent
	see(t, s, scriptPolicy, Input{Observations: list(3, "a"), Sweep: 1, SweepComplete: at(3)})
	expect(1, 9)
	expect(2, 9, "d", "b", "c", "a")
	expect(2, 3, "d", "b", "c") // a changed when the sweep had begun
	see(t, s, scriptPolicy, Input{Observations: list(12, "b"), Sweep: 2})
	see(t, s, scriptPolicy, Input{Observations: list(13, "new"), Sweep: 2})
	see(t, s, scriptPolicy, Input{Observations: list(13, "newer")})
	expect(2, 11, "d", "c", "a")
	expect(2, 14, "d", "c", "a", "newer")
	s.Put("d", Record{Raw: "DONE", Version: 1, Status: Deleted, ChangedAt: at(10)})
	s.Put("b", Record{Raw: "DONE", Version: 1, Status: Deleted, ChangedAt: at(13)})
	expect(2, 14, "c", "a", "newer")
	see(t, s, scriptPolicy, Input{Observations: list(14, "a", "c"), Sweep: 2})
	expect(2, 15, "newer") // as many were shown as live, but one of them was deleted then
	see(t, s, scriptPolicy, Input{Observations: list(14, "newer"), Sweep: 2})
	expect(2, 15)
	see(t, s, scriptPolicy, Input{Observations: list(15, "b")}) // it returns, and the sweep had shown it
	expect(2, 16)
	expect(1, 16, "c", "a", "new", "newer", "b")
}

func TestFiltersAreKept(t *testing.T) {
	s := NewState("s", DefaultWords())
	seen := []Observation{{VideoNo: "a", Raw: "DONE", At: at(0)}}
	first := Filters{VideoNos: at(1)}
	res := see(t, s, scriptPolicy, Input{Observations: seen, Filters: &first})
	if res.Meta == nil || res.Meta.Filters != first || res.Meta.BaselineAt != 0 || s.Filters != first {
		t.Errorf("meta %+v, state %+v", res.Meta, s.Filters)
	}
	if res = see(t, s, scriptPolicy, Input{Filters: &first}); !res.Empty() {
		t.Errorf("the same again: %+v", res.Meta)
	}
	if res = see(t, s, scriptPolicy, Input{SweepComplete: at(2)}); res.Meta == nil || res.Meta.Filters != first {
		t.Errorf("a baseline forgot the filters: %+v", res.Meta)
	}
	second := Filters{Status: at(3), VideoNo: at(4)}
	Reconcile(s, Input{Filters: &second}, scriptPolicy) // thrown away
	if res = see(t, s, scriptPolicy, Input{Filters: &second}); res.Meta == nil || res.Meta.Filters != second || res.Meta.BaselineAt != at(2) {
		t.Errorf("meta %+v", res.Meta)
	}
	again := NewState("s", DefaultWords())
	again.SetMeta(*res.Meta)
	if again.Filters != second || again.BaselineAt != at(2) || again.Evidence != s.Evidence {
		t.Errorf("read back as %+v", again)
	}
	if res = see(t, s, scriptPolicy, Input{Filters: &Filters{}}); res.Meta == nil || s.Filters != (Filters{}) {
		t.Errorf("filters that are honoured again: %+v, %+v", res.Meta, s.Filters)
	}
}

// Another process tells of a video what we saw later.
func TestASightingIsNotForgottenForWhatTheLogTells(t *testing.T) {
	s := NewState("s", DefaultWords())
	seen := []Observation{{VideoNo: "a", Raw: "DONE", At: at(20)}, {VideoNo: "b", Raw: "DONE", At: at(20)}}
	see(t, s, scriptPolicy, Input{Observations: seen, SweepComplete: at(20)})
	s.Put("a", Record{Raw: "DONE", Version: 1, Status: Done, FirstSeen: at(0), ChangedAt: at(10)})
	misses := []Miss{{VideoNo: "a", Sweep: 1, At: at(15)}, {VideoNo: "a", Sweep: 2, At: at(16)}}
	if res := see(t, s, scriptPolicy, Input{Misses: misses, Judged: 2}); len(res.Changes) != 0 {
		t.Errorf("deleted: %+v", res.Changes)
	}
}

// A library may have a million videos: what a record needs must not reach the allocator's next size.
func TestARecordFitsItsSize(t *testing.T) {
	if size := unsafe.Sizeof(Record{}); size > 128 {
		t.Errorf("a record takes %d bytes", size)
	}
}

// crowd writes the videos a to n as a script does, with some creation time.
func crowd(n int, created string) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("%c:R%s", 'a'+rune(i), created))
	}
	return strings.Join(list, " ")
}

// Many videos vanish while a sweep goes past them: it misses the last of them, and the next all.
func TestADeletionInBulkThatASweepSawTheEndOfIsOne(t *testing.T) {
	script{vocabulary: vocabularies[0], policy: scriptPolicy, text: `
		sweep [` + crowd(20, "") + `]
		walk [` + crowd(15, "") + `]
		walk [` + crowd(5, "") + `]
		walk [` + crowd(5, "") + `] => held 15 agreed 0
		walk [` + crowd(19, "") + `] => held 1 agreed 1
		walk [` + crowd(19, "") + `] => held 1 agreed 2
		walk [` + crowd(19, "") + `] => v1 deleted(t) gone from done; held none
	`}.run(t)
	script{vocabulary: vocabularies[0], policy: scriptPolicy, text: `
		sweep [` + crowd(25, "") + `]
		walk [` + crowd(13, "") + `]
		walk [` + crowd(1, "") + `]
		walk [` + crowd(1, "") + `] => held 24 agreed 0
	`}.run(t)
	script{vocabulary: vocabularies[0], policy: scriptPolicy, text: `
		sweep [` + crowd(20, "") + `]
		walk [` + crowd(18, "") + `]
		walk [` + crowd(5, "") + `]
		walk [` + crowd(18, "") + `] => v1 deleted(s) gone from done; v1 deleted(t) gone from done
	`}.run(t)
}

func TestReplacementsInBulk(t *testing.T) {
	spaced := Policy{Confirm: scriptStep, Agree: 10 * time.Minute}
	told := func(n int, videos string) string {
		var events []string
		for i := range n {
			v := 'a' + rune(i)
			events = append(events, fmt.Sprintf("v1 deleted(%c) replaced from done; v2 done(%c) replaced from deleted", v, v))
		}
		return strings.Join(events, "; ") + videos
	}
	others := crowd(20, "#other")
	for _, c := range []struct {
		name   string
		policy Policy
		text   string
	}{
		{"creation times that move by the same for many are no other videos", scriptPolicy, `
			sweep [` + crowd(20, "") + ` z:P]
			x3 sweep [` + crowd(20, "#new") + ` z:P]
			restart
			x3 sweep [` + crowd(20, "#new") + ` z:P]
			x3 sweep [` + crowd(20, "") + ` z:P]
			x3 sweep [` + crowd(20, "#old") + ` z:P]
			x3 sweep [` + crowd(20, "#new") + ` z:P]
			see [z:R#new] => v1 done(z) moved from processing took 4m
			x2 see [` + crowd(20, "") + ` z:R]
		`},
		{"ten replaced videos are nothing special", scriptPolicy, `
			sweep [` + crowd(10, "") + ` z:P]
			see [` + crowd(10, "#other") + ` z:P]
			see [` + crowd(10, "#other") + ` z:P] => ` + told(10, "") + `
		`},
		{"more are held back until three further sightings agree, apart", spaced, `
			sweep [` + crowd(20, "") + ` z:P]
			see [` + others + ` z:P] => held 20 of which replaced 20 agreed 0
			see [` + others + ` z:P]
			x39 see [` + others + ` z:P]
			see [` + others + ` z:P] => held 20 of which replaced 20 agreed 1
			+10m see [` + others + ` z:R] => v1 done(z) moved from processing took 20m30s; held 20 of which replaced 20 agreed 2
			+10m see [` + others + `] => ` + told(20, "; held none") + `
			x2 see [` + others + `]
		`},
		{"what is seen as it was is held back no longer", scriptPolicy, `
			sweep [` + crowd(20, "") + ` z:P]
			see [` + others + ` z:P] => held 20 of which replaced 20 agreed 0
			see [` + crowd(12, "") + `] => held 8 of which replaced 8 agreed 0
			see [` + crowd(20, "") + `] => held none
			see [a:R#other]
			see [a:R#other] => v1 deleted(a) replaced from done; v2 done(a) replaced from deleted
		`},
		{"one that is replaced while others are held back waits with them", scriptPolicy, `
			sweep [` + crowd(20, "") + ` z:R]
			see [` + others + ` z:R] => held 20 of which replaced 20 agreed 0
			see [z:R#other] => held 21 of which replaced 21 agreed 0
			see [z:R#other]
		`},
		{"many among the few that a page shows are many", scriptPolicy, `
			sweep [` + crowd(20, "") + ` A0:R A1:R A2:R A3:R A4:R A5:R A6:R A7:R A8:R A9:R B0:R B1:R B2:R B3:R B4:R B5:R B6:R B7:R B8:R B9:R` +
			` C0:R C1:R C2:R C3:R C4:R C5:R C6:R C7:R C8:R C9:R D0:R D1:R D2:R D3:R D4:R D5:R D6:R D7:R D8:R D9:R]
			see [` + crowd(11, "#other") + `] => held 11 of which replaced 11 agreed 0
			see [` + crowd(11, "#other") + `]
		`},
		{"the operator may believe them: they are told when they are seen next", spaced, `
			sweep [` + crowd(20, "") + ` z:P]
			see [` + others + ` z:P] => held 20 of which replaced 20 agreed 0
			see [` + others + ` z:P]
			release => held 20 of which replaced 20 agreed 3
			see [` + others + ` z:P] => ` + told(20, "; held none") + `
		`},
		{"deletions and replacements are held back side by side", scriptPolicy, `
			sweep [` + crowd(20, "") + `]
			see [` + others + `] => held 20 of which replaced 20 agreed 0
			walk [` + crowd(5, "#other") + `]
			walk [` + crowd(5, "#other") + `] => held 35 of which replaced 20 agreed 0
		`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, v := range vocabularies[:2] {
				script{vocabulary: v, policy: c.policy, text: c.text}.run(t)
			}
		})
	}
}
