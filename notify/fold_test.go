package notify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vidbell/diff"
)

// all folds everything that is there.
func all() Fold { return Fold{Before: time.Now().Add(time.Hour), Owed: math.MaxUint64} }

// rebased is a state without revisions, which a fold changes and which decide nothing but what an append expects.
func rebased(t fataler, s *diff.State) *diff.State {
	t.Helper()
	c := diff.NewState(s.Source, s.Words())
	c.SetMeta(diff.Meta{BaselineAt: s.BaselineAt, EmptyAtFirst: s.EmptyAtFirst, Evidence: s.Evidence, Filters: s.Filters, Revision: s.MetaRevision})
	for no, r := range s.All() {
		r.Revision = 0
		c.Put(no, r)
	}
	return c
}

// What is loaded is the same with and without folds, whenever they come, and so are the events that follow.
func TestFoldsChangeNothingButTheLog(t *testing.T) {
	e := startEngine(t, t.TempDir())
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		name := fmt.Sprintf("s%d", n)
		l, err := OpenLog(context.Background(), LogConfig{JetStream: e.JetStream})
		if err != nil {
			t.Fatal(err)
		}
		st, err := l.Load(context.Background(), name, diff.DefaultWords())
		if err != nil {
			t.Fatal(err)
		}
		w := &world{log: l, state: st}
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			run(t, w, rapid.IntRange(1, 4).Draw(t, "steps"))
			f := all()
			if rapid.Bool().Draw(t, "owed") {
				f.Owed = uint64(rapid.IntRange(0, int(l.highest())+1).Draw(t, "lowest owed"))
			}
			if _, err := l.Fold(context.Background(), name, f); err != nil {
				t.Fatal(err)
			}
			other, err := OpenLog(context.Background(), LogConfig{JetStream: e.JetStream})
			if err != nil {
				t.Fatal(err)
			}
			loaded, err := other.Load(context.Background(), name, diff.DefaultWords())
			if err != nil {
				t.Fatal(err)
			}
			same(t, rebased(t, w.state), rebased(t, loaded))
			for no, r := range loaded.All() { // what the next append of a process that has just started would expect
				last, _, err := other.lastOf(context.Background(), other.names.VideoEvents(name, no))
				if err != nil || r.Revision != last.seq {
					t.Fatalf("%q has revision %d, its last event is %d (%v)", no, r.Revision, last.seq, err)
				}
			}
			if w.state, err = l.Follow(context.Background(), w.state); err != nil {
				t.Fatal(err)
			}
			same(t, w.state, loaded)
		}
	})
}

var errStopped = errors.New("stopped here")

// A fold that ends at any step leaves a log that loads to the same, and that takes the next event under its id and version.
func TestAFoldMayEndAtAnyStep(t *testing.T) {
	t.Parallel()
	for stop := 1; ; stop++ {
		l := newLog(t)
		w := load(t, l)
		w.baseline(seen("old", "DONE", 0))
		for i := range 4 {
			w.see(seen(fmt.Sprintf("v%d", i), "UNPARSE", 10))
		}
		for i := range 4 {
			w.see(seen(fmt.Sprintf("v%d", i), "DONE", 40))
		}
		steps := 0
		l.atStep = func(string) error {
			if steps++; steps == stop {
				return errStopped
			}
			return nil
		}
		_, err := l.Fold(t.Context(), source, all())
		l.atStep = nil
		loaded := w.reload()
		same(t, rebased(t, w.state), rebased(t, loaded.state))
		// The process that goes on, and one that starts now.
		for _, next := range []*world{w, loaded} {
			if next.state, _ = l.Follow(t.Context(), next.state); next.state == nil {
				t.Fatal("no state")
			}
		}
		res := loaded.decide(diff.Input{Observations: []diff.Observation{seen("v0", "UNPARSE", 100), seen("v0", "UNPARSE", 130)}})
		if len(res.Changes) == 0 {
			res = loaded.decide(diff.Input{Observations: []diff.Observation{seen("v0", "FAILED", 100)}})
		}
		if len(res.Changes) != 1 || res.Changes[0].Record.Version != 3 {
			t.Fatalf("stopped at %d: the next changes are %+v", stop, res.Changes)
		}
		loaded.store(res)
		if err == nil {
			if stop < 5 {
				t.Errorf("only %d steps", stop)
			}
			return
		}
		if !errors.Is(err, errStopped) {
			t.Fatal(err)
		}
		l.refolds, l.foldMarks = map[string][]purge{}, map[string]uint64{} // as after a start
		again := w.reload()
		_, err = l.Fold(t.Context(), source, all())
		must(t, err)
		same(t, rebased(t, again.state), rebased(t, w.reload().state))
		if n := len(stored(t, l, "video.>")); n != 0 {
			t.Errorf("stopped at %d: %d events are left", stop, n)
		}
	}
}

func TestAFoldTakesNothingThatIsYoungOrOwed(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	w := load(t, l)
	w.baseline()
	w.see(seen("a", "UNPARSE", 10))
	w.see(seen("a", "DONE", 40))
	w.see(seen("b", "UNPARSE", 50))
	done, err := l.Fold(t.Context(), source, Fold{Before: time.Now().Add(-time.Hour), Owed: math.MaxUint64})
	if err != nil || done != (Folded{}) {
		t.Errorf("folded %+v, %v", done, err)
	}
	if _, err := l.Fold(t.Context(), source, Fold{Before: time.Now().Add(time.Hour), Owed: 0}); err != nil {
		t.Error(err)
	}
	events := stored(t, l, "video.>")
	if len(events) != 3 {
		t.Fatalf("%d events are left", len(events))
	}
	done, err = l.Fold(t.Context(), source, Fold{Before: time.Now().Add(time.Hour), Owed: events[2].Sequence})
	if err != nil || done.Videos != 1 || done.Events != 2 || l.FoldedTo() != events[1].Sequence {
		t.Errorf("folded %+v to %d, %v", done, l.FoldedTo(), err)
	}
	if left := stored(t, l, "video.>"); len(left) != 1 || left[0].Sequence != events[2].Sequence {
		t.Errorf("%d events are left", len(left))
	}
}

// Another process finds out that what it knows is in a page now; whatever it writes meets the log as it is.
func TestTwoProcessesFoldAndWrite(t *testing.T) {
	t.Parallel()
	e := startEngine(t, t.TempDir())
	one, two := open(t, e), open(t, e)
	a := load(t, one)
	a.baseline(seen("x", "UNPARSE", 0))
	b := load(t, two)
	a.see(seen("x", "DONE", 30)) // the other one has not looked since
	a.see(seen("y", "UNPARSE", 40))
	_, err := one.Fold(t.Context(), source, all())
	must(t, err)
	two.mu.Lock()
	clear(two.foldLooked) // it is time to look
	two.mu.Unlock()
	b.state, err = two.Follow(t.Context(), b.state)
	must(t, err)
	same(t, rebased(t, a.state), rebased(t, b.state))
	if res := b.decide(diff.Input{Observations: []diff.Observation{seen("x", "DONE", 60)}}); len(res.Changes) != 0 {
		t.Errorf("it tells %+v again", res.Changes)
	}
	// One that has not followed yet writes under the revision it knows, and is refused.
	b.see(seen("y", "DONE", 70))
	_, err = two.Fold(t.Context(), source, all())
	must(t, err)
	res := a.decide(diff.Input{Observations: []diff.Observation{seen("y", "FAILED", 80)}})
	if err := one.Append(t.Context(), source, res); !errors.Is(err, ErrConflict) {
		t.Fatalf("a stale process wrote: %v", err)
	}
	a.state, err = one.Refresh(t.Context(), a.state, res)
	must(t, err)
	same(t, rebased(t, a.state), rebased(t, b.state))
	if _, err := one.Fold(t.Context(), source, all()); err != nil {
		t.Error(err)
	}
	if n := len(stored(t, one, "video.>")); n != 0 {
		t.Errorf("%d events are left", n)
	}
}

// A fold that removes what a load has counted, and not yet read, has it begin anew, at once.
func TestALoadThatMeetsAFoldBeginsAnew(t *testing.T) {
	t.Parallel()
	e := startEngine(t, t.TempDir())
	one, two := open(t, e), open(t, e)
	w := load(t, one)
	w.baseline(seen("old", "DONE", 0))
	for i := range 6 {
		w.see(seen(fmt.Sprintf("v%d", i), "UNPARSE", 10), seen(fmt.Sprintf("v%d", i), "DONE", 40))
	}
	folds := 0
	two.atStep = func(step string) error {
		if step != "counted" || folds > 0 {
			return nil
		}
		folds++
		_, err := one.Fold(t.Context(), source, all())
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), loadTimeout/2)
	defer cancel()
	state, err := two.Load(ctx, source, diff.DefaultWords())
	must(t, err)
	if folds != 1 {
		t.Fatalf("%d folds", folds)
	}
	same(t, rebased(t, w.state), rebased(t, state))
}
