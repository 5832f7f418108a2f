package history_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"vidbell/diff"
	"vidbell/internal/engine"
	"vidbell/notify"
	"vidbell/notify/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// shelf is a log with events, as the service writes them.
type shelf struct {
	t      testing.TB
	engine *engine.Engine
	log    *notify.Log
	*history.Reader
	states map[string]*diff.State
	clock  diff.Time
}

func newShelf(t testing.TB, dir string) *shelf {
	t.Helper()
	e, err := engine.Start(engine.Config{DataDir: dir, Listen: "127.0.0.1:0", Subjects: []string{"video.>", "vidbell.ops.>"}})
	must(t, err)
	t.Cleanup(e.Close)
	s := &shelf{t: t, engine: e, states: map[string]*diff.State{}, clock: diff.TimeOf(time.Now())}
	s.open()
	return s
}

func (s *shelf) open() {
	s.t.Helper()
	var err error
	s.log, err = notify.OpenLog(s.t.Context(), notify.LogConfig{JetStream: s.engine.JetStream})
	must(s.t, err)
	s.Reader, err = history.New(history.Config{JetStream: s.engine.JetStream, Mark: s.log.Mark})
	must(s.t, err)
}

// finish stores the event that a video is done: it was seen in processing before.
func (s *shelf) finish(source string, videos ...string) {
	s.t.Helper()
	st := s.states[source]
	if st == nil {
		st = diff.NewState(source, diff.DefaultWords())
		s.states[source] = st
		s.store(st, diff.Input{Now: s.clock, Sweep: 1, SweepComplete: s.clock})
	}
	for _, word := range []string{"UNPARSE", "DONE"} {
		s.clock += 1000
		var seen []diff.Observation
		for _, no := range videos {
			seen = append(seen, diff.Observation{VideoNo: no, Raw: word, At: s.clock})
		}
		s.store(st, diff.Input{Now: s.clock, Observations: seen})
	}
}

func (s *shelf) store(st *diff.State, in diff.Input) {
	s.t.Helper()
	res := diff.Reconcile(st, in, diff.Policy{})
	must(s.t, s.log.Append(s.t.Context(), st.Source, res))
	st.Apply(res)
}

func (s *shelf) report(source string) {
	s.t.Helper()
	s.clock += 1000
	must(s.t, s.log.ReportSource(s.t.Context(), false, notify.Trouble{Source: source, Reason: "unreachable", At: s.clock, Since: s.clock}))
}

func told(events []history.Event) (list []string) {
	for _, e := range events {
		list = append(list, e.Type+" "+e.Source+" "+e.VideoNo)
	}
	return list
}

// all reads every page of a list.
func (s *shelf) all(q history.Query) (events []history.Event, pages int) {
	s.t.Helper()
	for pages < 1000 {
		list, next, more, err := s.List(s.t.Context(), q)
		must(s.t, err)
		pages++
		events = append(events, list...)
		if !more {
			break
		}
		q.Before = next
	}
	return events, pages
}

func TestAListGoesFromTheNewestToTheOldestAndMissesNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t, t.TempDir())
	for i := range 30 {
		s.finish("one", fmt.Sprintf("VI%d", i))
		if i%10 == 0 {
			s.finish("two", fmt.Sprintf("VO%d", i))
			s.report("two")
		}
	}
	whole, _ := s.all(history.Query{Limit: 500})
	if len(whole) != 30*2+3*2+3 { // of each video that it is there, and that it is done
		t.Fatalf("%d events: %q", len(whole), told(whole))
	}
	if !slices.IsSortedFunc(whole, func(a, b history.Event) int { return b.StoredAt.Compare(a.StoredAt) }) {
		t.Errorf("not in order: %q", told(whole))
	}
	for _, limit := range []int{1, 2, 7, 33} {
		paged, pages := s.all(history.Query{Limit: limit})
		if !slices.Equal(told(paged), told(whole)) {
			t.Errorf("in pages of %d: %d events, want the same %d", limit, len(paged), len(whole))
		}
		if pages < len(whole)/limit {
			t.Errorf("%d pages of %d", pages, limit)
		}
	}
	for name, c := range map[string]struct {
		q    history.Query
		want []string
	}{
		"one video":           {history.Query{Filter: history.Filter{VideoNo: "VI3"}}, []string{"video.done one VI3", "video.processing one VI3"}},
		"a type and a source": {history.Query{Filter: history.Filter{Types: []string{"video.done"}, Source: "two"}}, []string{"video.done two VO20", "video.done two VO10", "video.done two VO0"}},
		"types of both streams": {
			history.Query{Filter: history.Filter{Types: []string{"source.*", "video.done"}, Source: "two"}},
			[]string{"source.degraded two ", "video.done two VO20", "source.degraded two ", "video.done two VO10", "source.degraded two ", "video.done two VO0"},
		},
		"what was stored before a time": {history.Query{Until: whole[len(whole)-2].StoredAt}, told(whole[len(whole)-1:])},
		"what was stored from a time on": {
			history.Query{Since: whole[1].StoredAt}, told(whole[:2]),
		},
		"a status":             {history.Query{Filter: history.Filter{Status: "done", Source: "two"}}, []string{"video.done two VO20", "video.done two VO10", "video.done two VO0"}},
		"in processing":        {history.Query{Filter: history.Filter{Status: "processing", VideoNo: "VI3"}}, []string{"video.processing one VI3"}},
		"of a word not theirs": {history.Query{Filter: history.Filter{Status: "unknown"}}, nil},
		"a status and types that exclude it": {
			history.Query{Filter: history.Filter{Status: "done", Types: []string{"video.failed", "source.*"}}}, nil,
		},
		"no such video": {history.Query{Filter: history.Filter{VideoNo: "VI99"}}, nil},
	} {
		c.q.Limit = 100
		if got, _ := s.all(c.q); !slices.Equal(told(got), c.want) {
			t.Errorf("%s: %q, want %q", name, told(got), c.want)
		}
	}
	e, err := s.Find(t.Context(), whole[17].ID)
	if err != nil || e.ID != whole[17].ID || e.Seq != whole[17].Seq || !bytes.Equal(e.Body, whole[17].Body) {
		t.Errorf("found %+v, %v", e, err)
	}
	if _, err := s.Find(t.Context(), "evt_NOTTHERE"); !errors.Is(err, history.ErrNoEvent) {
		t.Errorf("found what is not there: %v", err)
	}
}

// A forged message may be anywhere; it is nobody's event.
func TestForgedMessagesAreNeverShown(t *testing.T) {
	t.Parallel()
	s := newShelf(t, t.TempDir())
	s.finish("one", "VI1")
	forged := nats.NewMsg("vidbell.append.done.one.VI2")
	forged.Data = []byte(`{"type":"video.done","data":{"source":"one","video_no":"VI2"}}`)
	_, err := s.engine.JetStream.PublishMsg(t.Context(), forged)
	must(t, err)
	if got, _ := s.all(history.Query{Limit: 10}); len(got) != 2 {
		t.Errorf("%q", told(got))
	}
	f := s.follow(history.Start{Since: time.Now().Add(-time.Hour)}, history.Filter{})
	s.finish("one", "VI3")
	f.wait(4)
	if got := f.told(); slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, "VI2") }) {
		t.Errorf("%q", got)
	}
}

// follower remembers what it is given.
type follower struct {
	t    testing.TB
	stop func()
	done chan error

	mu     sync.Mutex
	events []history.Event
	places []history.Position
	gaps   []history.Gap
	begun  history.Position // the place that it is told of before any event
}

func (s *shelf) follow(from history.Start, filter history.Filter) *follower {
	ctx, cancel := context.WithCancel(s.t.Context())
	f := &follower{t: s.t, done: make(chan error, 1)}
	f.stop = func() {
		cancel()
		<-f.done
	}
	reader := s.Reader
	go func() {
		f.done <- reader.Follow(ctx, from, filter, history.Follower{
			Event: func(e history.Event, at history.Position) error {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.events, f.places = append(f.events, e), append(f.places, at)
				return nil
			},
			Gap: func(g history.Gap) error {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.gaps = append(f.gaps, g)
				return nil
			},
			Place: func(at history.Position) error {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.begun = at
				return nil
			},
		})
		close(f.done)
	}()
	s.t.Cleanup(f.stop)
	return f
}

func (f *follower) wait(n int) {
	f.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		f.mu.Lock()
		have := len(f.events)
		f.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case err := <-f.done:
			f.t.Fatalf("it ended: %v", err)
		default:
		}
		if time.Now().After(end) {
			f.t.Fatalf("%d events, want %d", have, n)
		}
	}
}

// waitPlace waits until the follower knows where it stands.
func (f *follower) waitPlace() {
	f.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		f.mu.Lock()
		have := f.begun
		f.mu.Unlock()
		if have != (history.Position{}) {
			return
		}
		if time.Now().After(end) {
			f.t.Fatal("no place")
		}
	}
}

func (f *follower) told() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return told(f.events)
}

func TestAFollowerGoesOnExactlyWhereItWas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newShelf(t, dir)
	s.finish("one", "VI0")
	s.report("one")
	f := s.follow(history.Start{Since: time.Now().Add(-time.Hour)}, history.Filter{})
	f.wait(3)
	for i := range 10 {
		s.finish("one", fmt.Sprintf("VI%d", i+1))
		s.report("one")
	}
	f.wait(33)
	whole, places := slices.Clone(f.events), slices.Clone(f.places)
	f.stop()
	for _, i := range []int{0, 1, 2, 15, 31} {
		again := s.follow(history.Start{After: places[i]}, history.Filter{})
		again.wait(len(whole) - i - 1)
		seen := map[string]bool{}
		for _, e := range whole[:i+1] {
			seen[e.ID] = true
		}
		for _, e := range again.events {
			if seen[e.ID] {
				t.Errorf("from place %d: %s comes twice", i, e.ID)
			}
			seen[e.ID] = true
		}
		if len(seen) != len(whole) || len(again.gaps) != 0 {
			t.Errorf("from place %d: %d events in all, want %d; gaps %v", i, len(seen), len(whole), again.gaps)
		}
		again.stop()
	}
	back, err := history.ParsePosition(places[7].String())
	if err != nil || back != places[7] {
		t.Errorf("%q is read as %+v, %v", places[7].String(), back, err)
	}
	only := s.follow(history.Start{Since: time.Now().Add(-time.Hour)}, history.Filter{Types: []string{"source.degraded"}})
	only.wait(11)
	fresh := s.follow(history.Start{}, history.Filter{VideoNo: "VI99"})
	fresh.waitPlace() // it begins with what comes from now on
	s.finish("one", "VI98", "VI99")
	fresh.wait(2)
	if got := fresh.told(); !slices.Equal(got, []string{"video.processing one VI99", "video.done one VI99"}) {
		t.Errorf("a fresh follower got %q", got)
	}
}

func TestAFollowerIsToldOfAnotherLog(t *testing.T) {
	t.Parallel()
	s := newShelf(t, t.TempDir())
	s.finish("one", "VI1", "VI2")
	f := s.follow(history.Start{Since: time.Now().Add(-time.Hour)}, history.Filter{})
	f.wait(4)
	place := f.places[3]
	f.stop()
	other := newShelf(t, t.TempDir())
	other.finish("one", "VO1")
	again := other.follow(history.Start{After: place}, history.Filter{})
	again.wait(2)
	if len(again.gaps) != 1 || again.gaps[0].Reason != history.GapReplaced {
		t.Errorf("gaps %+v", again.gaps)
	}
	// One that follows while the log is lost and made anew.
	live := s.follow(history.Start{After: place}, history.Filter{})
	s.finish("one", "VI5")
	live.wait(2)
	must(t, s.engine.JetStream.DeleteStream(t.Context(), "VIDEOS"))
	s.states = map[string]*diff.State{}
	s.open()
	s.finish("one", "VI7")
	// The follower's own reader still has the mark of the log that is gone; its process makes a new one in the same way.
	live.wait(4)
	live.mu.Lock()
	defer live.mu.Unlock()
	if len(live.gaps) != 1 || live.gaps[0].Reason != history.GapReplaced {
		t.Errorf("gaps %+v", live.gaps)
	}
}

// Old events go from the front of the log; its birth mark, and what else is no event, stay there.
func TestAFollowerIsToldWhatIsGoneBecauseOfItsAge(t *testing.T) {
	t.Parallel()
	s := newShelf(t, t.TempDir())
	s.finish("one", "VI1", "VI2", "VI3")
	s.report("one")
	s.report("two")
	f := s.follow(history.Start{Since: time.Now().Add(-time.Hour)}, history.Filter{})
	f.wait(8)
	whole, places := slices.Clone(f.events), slices.Clone(f.places)
	f.stop()
	videos, err := s.engine.JetStream.Stream(t.Context(), "VIDEOS")
	must(t, err)
	ops, err := s.engine.JetStream.Stream(t.Context(), "VIDBELL_OPS")
	must(t, err)
	// fromPlace is how many gaps a follower is told of that comes back to the place behind so many events.
	fromPlace := func(sentence string, at history.Position, filter history.Filter, gaps, events int) {
		t.Helper()
		again := s.follow(history.Start{After: at}, filter)
		defer again.stop()
		again.wait(events)
		if len(again.gaps) != gaps {
			t.Errorf("%s: gaps %+v, want %d", sentence, again.gaps, gaps)
		}
		if gaps > 0 && (again.gaps[0].Reason != history.GapExpired || again.gaps[0].Oldest.IsZero()) {
			t.Errorf("%s: gap %+v", sentence, again.gaps[0])
		}
	}
	all, onlyVideos := history.Filter{}, history.Filter{Types: []string{"video.*"}}
	var ofVideos []int // places in the list
	for i, e := range whole {
		if strings.HasPrefix(e.Type, "video.") {
			ofVideos = append(ofVideos, i)
		}
	}
	at := func(n int) history.Position { return places[ofVideos[n]] }
	if info, err := videos.Info(t.Context()); err != nil || info.State.FirstSeq >= whole[ofVideos[0]].Seq {
		t.Fatalf("the log begins with an event: %v", err)
	}
	fromPlace("nothing is gone", at(0), onlyVideos, 0, 5)
	must(t, videos.DeleteMsg(t.Context(), whole[ofVideos[0]].Seq))
	fromPlace("only what was read is gone", at(0), onlyVideos, 0, 5)
	must(t, videos.DeleteMsg(t.Context(), whole[ofVideos[1]].Seq))
	fromPlace("one was not read", at(0), onlyVideos, 1, 4)
	fromPlace("all that is gone was read", at(1), onlyVideos, 0, 4)
	must(t, videos.DeleteMsg(t.Context(), whole[ofVideos[2]].Seq))
	fromPlace("the next was not read", at(1), onlyVideos, 1, 3)
	told := s.follow(history.Start{After: at(0)}, onlyVideos)
	told.waitPlace()
	told.stop()
	fromPlace("it was told before", told.begun, onlyVideos, 0, 3)
	fromPlace("others are gone than are asked for", at(0), history.Filter{Types: []string{"source.*"}}, 0, 0)
	for _, e := range whole {
		if e.Type == "source.degraded" {
			must(t, ops.DeleteMsg(t.Context(), e.Seq))
		}
	}
	newest := places[len(places)-1]
	fromPlace("all was read, and much of it is gone", newest, all, 0, 0)
	s.report("three")
	newest.Ops, newest.OpsCheck = 1, ""
	fromPlace("events of sources are gone", newest, history.Filter{Types: []string{"source.*"}}, 1, 1)
}

// A backup that was put back, or a server that forgot its last minutes, goes on under the same mark: what is stored from then on
// has the numbers of what was lost.
func TestAPlaceIsNotTakenForOneInAPastThatWasPutBack(t *testing.T) {
	t.Parallel()
	s := newShelf(t, t.TempDir())
	s.finish("one", "VI1", "VI2")
	f := s.follow(history.Start{Since: time.Now().Add(-time.Hour)}, history.Filter{})
	f.wait(4)
	place := f.places[3]
	f.stop()
	other := newShelf(t, t.TempDir())
	other.finish("one", "VO1", "VO2", "VO3") // the same sequences hold other events
	place.Mark = other.log.Mark()
	again := other.follow(history.Start{After: place}, history.Filter{})
	again.wait(6)
	if len(again.gaps) != 1 || again.gaps[0].Reason != history.GapReplaced {
		t.Errorf("gaps %+v", again.gaps)
	}
}

// Whoever was cut off before the first event came has a place to go on from all the same.
func TestAFollowerHasAPlaceBeforeItsFirstEvent(t *testing.T) {
	t.Parallel()
	s := newShelf(t, t.TempDir())
	for _, before := range [][]string{nil, {"VI1"}, {"VI2", "VI3"}} { // in an empty log, and later
		if before != nil {
			s.finish("one", before...)
			s.report("one")
		}
		f := s.follow(history.Start{}, history.Filter{})
		f.waitPlace()
		f.stop()
		if len(f.events) != 0 {
			t.Fatalf("%q came, which was there before", f.told())
		}
		missed := fmt.Sprintf("VM%d", len(before))
		s.finish("one", missed)
		s.report("one")
		back, err := history.ParsePosition(f.begun.String())
		must(t, err)
		again := s.follow(history.Start{After: back}, history.Filter{})
		again.wait(3)
		again.stop()
		got := again.told()
		slices.Sort(got)
		if want := []string{"source.degraded one ", "video.done one " + missed, "video.processing one " + missed}; !slices.Equal(got, want) || len(again.gaps) != 0 {
			t.Errorf("%q, want %q; gaps %+v", got, want, again.gaps)
		}
	}
}

func FuzzPosition(f *testing.F) {
	f.Add("ABCDEFGH-1-0")
	f.Add("A--1")
	f.Add("A-01-2")
	f.Add("ABCDEFGH-118.K3QAB-6.AB2CD")
	f.Add("ABCDEFGH-0.K3QAB-6.ABCDEF")
	f.Add("A-1.-2")
	f.Fuzz(func(t *testing.T, text string) {
		at, err := history.ParsePosition(text)
		if err == nil && at.String() != text {
			t.Errorf("%q is read as %q", text, at)
		}
	})
}

// Where everything is folded and nothing was missed, nobody is told of a gap; who did miss something is told once.
func TestAQuietLogThatWasFoldedHasNoGapForThoseWhoHaveItAll(t *testing.T) {
	t.Parallel()
	s := newShelf(t, t.TempDir())
	var err error
	s.Reader, err = history.New(history.Config{JetStream: s.engine.JetStream, Mark: s.log.Mark, Expired: s.log.FoldedTo})
	must(t, err)
	s.finish("one", "VI1", "VI2")
	f := s.follow(history.Start{Since: time.Now().Add(-time.Hour)}, history.Filter{})
	f.wait(4)
	early, late := f.places[0], f.places[3]
	f.stop()
	_, err = s.log.Fold(t.Context(), "one", notify.Fold{Before: time.Now().Add(time.Hour), Owed: math.MaxUint64})
	must(t, err)
	begin := func(from history.Start) history.Position {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var place history.Position
		gaps := 0
		err := s.Follow(ctx, from, history.Filter{}, history.Follower{
			Event: func(e history.Event, _ history.Position) error { t.Errorf("event %s", e.ID); return nil },
			Gap:   func(history.Gap) error { gaps++; return nil },
			Place: func(at history.Position) error { place = at; cancel(); return nil },
		})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if told := from.After == early; (gaps == 1) != told {
			t.Errorf("from %v: %d gaps", from, gaps)
		}
		return place
	}
	fresh := begin(history.Start{})
	for _, place := range []history.Position{late, fresh, begin(history.Start{After: early})} {
		if at := begin(history.Start{After: place}); begin(history.Start{After: at}) != at {
			t.Errorf("the place %v does not stay", at)
		}
	}
}
