package poller_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"vidbell/diff"
	"vidbell/internal/simulator"
	"vidbell/poller"
)

// What may be told must be true, and what is true must be told: scenarios in which platform, clock and vocabulary do their worst.

func TestWhatWasInFlightAtTheBaselineIsToldWhenItsWordComesToMeanDone(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.add("pending", "PENDING")
		w.add("base", "PROCESSING")
		w.add("idle", "FINISHED")
		r := w.start()
		w.ticks(1)
		w.sim.Set("default", "base", "FINISHED", "")
		w.sim.Set("default", "pending", "PARSE", "")
		w.ticks(2)
		w.expect("an unknown word, and one that may mean anything")
		r.kill()
		words, err := diff.NewWords([]string{"DONE", "FINISHED"}, nil, nil, diff.ParseAuto)
		if err != nil {
			t.Fatal(err)
		}
		w.with(func(s *poller.Source) { s.Words = words })
		r = w.start()
		w.ticks(1)
		w.expect("the operator says what the word means", "done base")
		w.add("new", "UNPARSE")
		w.ticks(1)
		w.expect("the platform shows what PARSE means", "processing new", "done pending")
		r.kill()
		w.start()
		w.ticks(2)
		w.expect("another restart")
	})
}

func TestAClockThatWasAheadMakesNoVideoDeaf(t *testing.T) {
	for name, restart := range map[string]bool{"by one process": false, "by the next process": true} {
		t.Run(name, func(t *testing.T) {
			onEveryVocabulary(t, simulator.Options{}, func(w *world) {
				w.library("old:R")
				w.setClock(2 * time.Hour)
				r := w.start()
				w.add("a", w.word("P"))
				w.add("b", w.word("P"))
				w.ticks(2)
				w.expect("seen by a clock that is ahead", "processing a", "processing b")
				if restart {
					r.kill()
				}
				w.setClock(0)
				if restart {
					w.start()
				}
				w.is("a:R")
				w.ticks(1)
				w.expect("the clock was set right", "done a")
				w.is("b:F", "a:P")
				w.ticks(2)
				w.expect("and goes on", "failed b", "processing a")
				w.is("a:R")
				w.ticks(1)
				w.expect("and on", "done a")
				w.inOrder()
				if n := len(slices.DeleteFunc(w.lines(zapcore.WarnLevel), func(l string) bool { return !strings.Contains(l, "in the future") })); n != 1 {
					t.Errorf("%d warnings about the clock, want one", n)
				}
			})
		})
	}
}

func TestADeletionIsToldWhateverTheClockDoes(t *testing.T) {
	for name, jump := range map[string]time.Duration{"forward": 48 * time.Hour, "back": -48 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			onEveryVocabulary(t, simulator.Options{}, func(w *world) {
				w.with(func(s *poller.Source) { s.StallAfter = 30 * time.Minute })
				w.library("a:P", "b:R", "c:R")
				w.start()
				w.ticks(1)
				w.sim.Delete("default", "b")
				w.ticks(1)
				w.setClock(jump)
				w.ticks(3)
				w.expect("two sweeps missed it, and nothing else is news", "deleted b")
				w.pass(time.Minute)
				w.setClock(0)
				w.sim.Delete("default", "c")
				w.ticks(3)
				w.expect("set right again", "deleted c")
				w.inOrder()
			})
		})
	}
}

// inOrder checks that the times of each video's events do not go backwards.
func (w *world) inOrder() {
	w.t.Helper()
	last := make(map[string]diff.Time)
	events, _, _ := w.log.content()
	for _, e := range events {
		if e.change.At < last[e.change.VideoNo] {
			w.t.Errorf("%s: version %d is earlier than the one before", e.change.VideoNo, e.change.Record.Version)
		}
		if e.change.Took < -1 {
			w.t.Errorf("%s: took %s", e.change.VideoNo, e.change.Took)
		}
		last[e.change.VideoNo] = e.change.At
	}
}

func TestAnEmptySuccessAtTheFirstStartMakesNoNewsOfAnOldLibrary(t *testing.T) {
	for _, emit := range []bool{false, true} {
		t.Run(fmt.Sprint("emit ", emit), func(t *testing.T) {
			onEveryVocabulary(t, simulator.Options{}, func(w *world) {
				w.with(func(s *poller.Source) { s.Emit = emit })
				old := time.Now().Add(-300 * 24 * time.Hour)
				for i := range 301 {
					w.sim.Add("default", simulator.Video{No: fmt.Sprintf("old%03d", i), Raw: w.words.Done, CreatedAt: old.Add(time.Duration(i) * time.Minute)})
				}
				w.fail(simulator.Fault{Kind: simulator.FaultEmpty, Times: 2})
				r := w.start()
				w.ticks(4)
				if s := r.status(); s.Videos != 301 || s.BaselineAt.IsZero() {
					t.Errorf("%d videos known, baseline %s", s.Videos, s.BaselineAt)
				}
				told := w.log.happened("default", w.expected["default"])
				w.expected["default"] += len(told)
				if want := map[bool]int{true: 301}[emit]; len(told) != want {
					t.Errorf("%d events, want %d", len(told), want)
				}
				r.kill()
				w.add("new", w.word("R"))
				w.start()
				w.ticks(2)
				w.expect("what came between two polls", "done new")
				w.is("old007:P")
				w.pass(time.Hour)
				w.is("old007:R")
				w.pass(time.Hour)
				w.expect("what was learnt late moves", "processing old007", "done old007")
			})
		})
	}
}

// recreate uploads a library again under its ids, with other creation times.
func (w *world) recreate(n int, created func(i int) time.Time) {
	w.t.Helper()
	for i := range n {
		w.sim.Add("default", simulator.Video{No: fmt.Sprintf("v%03d", i), Raw: w.words.Done, CreatedAt: created(i)})
	}
}

func TestCreationTimesThatMoveForAllAreNoReplacements(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		old := time.Now().Add(-90 * 24 * time.Hour)
		at := func(i int) time.Time { return old.Add(time.Duration(i*i) * time.Minute) }
		w.recreate(200, at)
		w.start()
		w.ticks(2)
		for _, by := range []time.Duration{8 * time.Hour, 0, -time.Hour} {
			w.recreate(200, func(i int) time.Time { return at(i).Add(by) })
			w.ticks(4)
			w.expect(fmt.Sprint("moved by ", by))
		}
		w.expectReports("a time zone is no trouble")
		w.add("new", w.word("R"))
		w.is("v007:F")
		w.ticks(3)
		w.expect("and news is news", "done new", "failed v007")
	})
}

func TestReplacementsInBulkAreHeldBack(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		old := time.Now().Add(-90 * 24 * time.Hour)
		w.recreate(100, func(i int) time.Time { return old.Add(time.Duration(i) * time.Minute) })
		r := w.start()
		w.ticks(2)
		w.recreate(100, func(i int) time.Time { return old.Add(time.Duration(i*i+700) * time.Hour / 7) })
		w.ticks(4)
		w.expect("all replaced at once")
		w.expectReports("", "degraded mass_deletion")
		if h := r.status().Held; h.Replaced != 100 || h.Videos != 100 {
			t.Errorf("held: %+v", h)
		}
		if err := r.poller.Release("default"); err != nil {
			t.Fatal(err)
		}
		w.ticks(2)
		events := w.log.happened("default", w.expected["default"])
		if w.expected["default"] += len(events); len(events) != 200 {
			t.Errorf("%d events, want a deletion and a done for each", len(events))
		}
		w.expectReports("", "degraded mass_deletion", "recovered mass_deletion")
		w.ticks(3)
		w.expect("told once")
	})
}

func TestAReplicaThatStandsStillTakesNothingBack(t *testing.T) {
	for name, c := range map[string]struct {
		still, interval time.Duration
		upload          bool
	}{
		"for some polls at a short interval":      {still: 8 * time.Second, interval: time.Second},
		"for long, and lacks what is newer":       {still: 50 * time.Second, interval: time.Second, upload: true},
		"for some polls at a very short interval": {still: 4 * time.Second, interval: 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryVocabulary(t, simulator.Options{}, func(w *world) {
				w.rate = 20
				w.with(func(s *poller.Source) { s.PollInterval, s.MaxInterval = c.interval, c.interval })
				w.library("a:P", "b:R", "c:R")
				w.start()
				frozen := time.Now()
				w.pass(c.interval)
				w.is("a:R")
				w.pass(2 * c.interval)
				w.expect("done", "done a")
				if c.upload {
					w.add("new", w.word("R"))
					w.pass(2 * c.interval)
					w.expect("and one more", "done new")
				}
				w.fail(simulator.Fault{Kind: simulator.FaultStale, AsOf: frozen, Times: -1, Lane: simulator.LaneWalk})
				w.pass(c.still)
				w.sim.ClearFaults()
				w.pass(time.Minute)
				w.expect("what was told stays told")
				w.is("a:P")
				w.pass(20 * time.Second)
				w.expect("what is true is told", "processing a")
			})
		})
	}
}

func TestHintsMayAskWhileTheStateIsReconciled(t *testing.T) {
	inBubble(t, simulator.Options{Words: simulator.WordsLegacy()}, func(w *world) {
		w.rate = 50
		w.with(func(s *poller.Source) { s.PollInterval, s.MaxInterval = 100*time.Millisecond, 100*time.Millisecond })
		w.library("a:P", "b:R", "c:R")
		r := w.start()
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(n%7) * time.Millisecond): // of fake time: pages are on their way or being taken in
					r.poller.Hint([]string{"a", "b", "none"}[n%3])
				}
			}
		}()
		for _, ahead := range []time.Duration{0, time.Hour, -time.Hour} {
			w.setClock(ahead)
			w.pass(2 * time.Second)
			w.is("a:P", "b:F")
			w.pass(2 * time.Second)
			w.is("a:R", "b:R")
		}
		close(stop)
		<-stopped
	})
}
