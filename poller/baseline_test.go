package poller_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"vidbell/diff"
	"vidbell/internal/simulator"
	"vidbell/poller"
)

func (w *world) expectBaseline(what string, r *running, done bool, videos int) {
	w.t.Helper()
	s := r.status()
	if s.BaselineAt.IsZero() == done || s.Videos != videos {
		w.t.Errorf("%s (at %s): baseline at %v with %d videos, want done=%v with %d", what, time.Since(w.started), s.BaselineAt, s.Videos, done, videos)
	}
}

func TestAnEmptyListingMustBeConfirmedBeforeItIsTheBaseline(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		r := w.start()
		w.expectBaseline("one empty listing", r, false, 0)
		w.ticks(1)
		w.expectBaseline("two empty listings", r, true, 0)
		w.add("a", "PARSE")
		w.ticks(2)
		w.expect("the first video", "processing a")
	})
}

func TestAFalseEmptyFirstListingMakesNoNewsOfALibrary(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.with(pageSize(20))
		w.sim.Fill("default", 300)
		w.fail(simulator.Fault{Kind: simulator.FaultEmpty, Times: 1})
		r := w.start()
		w.expectBaseline("a false empty listing", r, false, 0)
		w.ticks(2)
		w.expectBaseline("the library", r, true, 300)
		w.ticks(10)
		w.expect("all was there before")
	})
}

func TestEmptyListingsOnBothSidesOfALibraryDoNotAddUp(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:R", "b:R")
		w.with(pageSize(1))
		w.fail(simulator.Fault{Kind: simulator.FaultEmpty, Page: 1, Times: 1})
		r := w.start()
		w.fail(simulator.Fault{Kind: simulator.FaultEmpty, Page: 2, Times: 1}) // this walk ends too early
		w.ticks(1)
		w.expectBaseline("half a walk", r, false, 1)
		w.fail(simulator.Fault{Kind: simulator.FaultEmpty, Page: 1, Times: 1})
		w.ticks(1)
		w.expectBaseline("empty again", r, false, 1)
		w.ticks(1)
		w.expectBaseline("a whole walk", r, true, 2)
		w.ticks(4)
		w.expect("nothing is news")
	})
}

func TestOneEmptyListingLongAfterAnotherIsNoConfirmation(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:R", "b:R")
		w.with(pageSize(1))
		w.fail(simulator.Fault{Kind: simulator.FaultEmpty, Page: 1, Times: 1})
		r := w.start()
		w.fail(simulator.Fault{Kind: simulator.FaultRepeat, Page: 2, Times: -1}) // no walk comes to its end
		w.ticks(20)
		w.expectBaseline("walks without an end", r, false, 1)
		w.sim.ClearFaults()
		w.fail(simulator.Fault{Kind: simulator.FaultEmpty, Page: 1, Times: 1})
		w.ticks(1)
		w.expectBaseline("empty once more", r, false, 1)
		w.ticks(2)
		w.expectBaseline("a whole walk", r, true, 2)
		w.expect("nothing is news")
	})
}

func TestAnEmptyListingThatCountsVideosIsDoubtedForLong(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:R", "b:R")
		w.fail(simulator.Fault{Kind: simulator.FaultShort, Keep: 0, Times: -1})
		r := w.start()
		w.ticks(8)
		w.expectBaseline("empty, with a count", r, false, 0)
		w.sim.ClearFaults()
		w.ticks(2)
		w.expectBaseline("whole", r, true, 2)
		w.expect("nothing is news")
	})
}

func TestACountThatIsALieForEverHoldsTheBaselineUpOnlyForAWhile(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.fail(simulator.Fault{Kind: simulator.FaultTotal, Delta: 7, Times: -1})
		r := w.start()
		w.ticks(9)
		w.expectBaseline("for a while", r, false, 0)
		w.ticks(3)
		w.expectBaseline("then", r, true, 0)
		w.add("a", "PARSE")
		w.ticks(2)
		w.expect("working in spite of the lie", "processing a")
	})
}

func TestAWalkThatMissesVideosIsWalkedAgain(t *testing.T) {
	cases := map[string]simulator.Fault{
		"a page cut short":                 {Kind: simulator.FaultShort, Keep: 3, Page: 2, Times: 1},
		"an empty page in the middle":      {Kind: simulator.FaultEmpty, Page: 2, Times: 1},
		"a total count that is too high":   {Kind: simulator.FaultTotal, Delta: 5, Page: 1, Times: 1},
		"a video without an id":            {Kind: simulator.FaultNoID, Page: 2, Times: 1},
		"a page that came before":          {Kind: simulator.FaultRepeat, Page: 3, Times: 1},
		"a failure in the middle":          {Kind: simulator.FaultHTTP, HTTPStatus: 503, Page: 2, Times: 4},
		"a failure that lasts three ticks": {Kind: simulator.FaultHTTP, HTTPStatus: 503, Page: 2, Times: 11},
	}
	for name, fault := range cases {
		t.Run(name, func(t *testing.T) {
			onEveryVocabulary(t, simulator.Options{}, func(w *world) {
				w.with(pageSize(10))
				w.sim.Fill("default", 45)
				w.fail(fault)
				r := w.start()
				w.expectBaseline("the first walk", r, false, r.status().Videos)
				w.ticks(4)
				w.expectBaseline("a later walk", r, true, 45)
				w.pass(30 * time.Minute)
				w.expect("all was there before")
			})
		})
	}
}

func TestAWalkGoesOnWhereItMetAFailure(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.with(pageSize(10))
		w.sim.Fill("default", 45)
		w.fail(simulator.Fault{Kind: simulator.FaultReset, Page: 4, Times: 4})
		r := w.start()
		w.ticks(1)
		w.expectBaseline("second tick", r, true, 45)
		w.expectRequests("three pages, four failures, two pages", 9)
	})
}

func TestMismatchedCountsAreBelievedAfterThreeWalks(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.with(func(s *poller.Source) { s.SweepInterval = tick })
		w.library("a:R", "b:R", "c:P")
		w.fail(simulator.Fault{Kind: simulator.FaultTotal, Delta: 7, Times: -1})
		r := w.start()
		w.ticks(1)
		w.expectBaseline("two walks", r, false, 3)
		w.ticks(1)
		w.expectBaseline("three walks", r, true, 3)
		w.is("c:F")
		w.ticks(2)
		w.expect("working in spite of the lie", "failed c")
		w.ticks(4)
		w.expectReports("the lie is shown", "degraded count_mismatch")
		w.sim.ClearFaults()
		w.ticks(2)
		w.expectReports("an honest count", "degraded count_mismatch", "recovered count_mismatch")
	})
}

func TestUploadsDuringTheBaselineWalkDoNotHoldItUp(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.with(pageSize(10))
		w.sim.Fill("default", 45)
		for page := 1; page <= 4; page++ {
			w.sim.AfterPage("default", page, func() {
				w.sim.Add("default", simulator.Video{No: fmt.Sprintf("new%d", page), Raw: w.words.Processing})
			})
		}
		r := w.start()
		if r.status().BaselineAt.IsZero() {
			t.Error("the walk does not count, though it missed only what came while it walked")
		}
		w.ticks(2)
		got := w.log.happened("default", 0)
		slices.Sort(got)
		// The last upload, or more, was pushed into the walk's own pages or is found by the head: never twice, never an old one.
		for _, e := range slices.Compact(slices.Clone(got)) {
			if len(e) < len("processing new") || e[:14] != "processing new" {
				t.Errorf("%q is no news", e)
			}
		}
		if len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("told twice: %q", got)
		}
		if v := r.status().Videos; v != 49 {
			t.Errorf("%d videos known, want 49", v)
		}
	})
}

func TestAMoveDuringTheBaselineWalkIsTold(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.with(pageSize(2))
		w.library("d:P", "c:R", "b:F", "a:R")
		// The first walk shows d in processing and fails; when it goes on, the head of the listing has moved.
		w.fail(simulator.Fault{Kind: simulator.FaultEmpty, Page: 2, Times: 1})
		r := w.start()
		w.expectBaseline("first walk", r, false, 2)
		w.is("d:R")
		w.ticks(1)
		w.expectBaseline("second walk", r, true, 4)
		w.expect("the move was seen", "done d")
		w.ticks(20)
		w.expect("once")
	})
}

func TestARestartInMidBaselineLosesNoMoveAndTellsNothingTwice(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.with(pageSize(2))
		w.library("f:P", "e:P", "d:R", "c:R", "b:F", "a:R")
		w.fail(
			simulator.Fault{Kind: simulator.FaultEmpty, Page: 2, Times: 1},
			simulator.Fault{Kind: simulator.FaultReset, Page: 3, Times: 100},
		)
		r := w.start()
		w.expectBaseline("half a walk", r, false, 2)
		w.is("f:R")
		w.ticks(1)
		w.expect("a move in the baseline", "done f")
		r.kill()
		w.is("e:F")
		w.sim.ClearFaults()
		r = w.start()
		w.expectBaseline("after the restart", r, true, 6)
		w.expect("the move while away", "failed e")
		r.kill()
		w.start()
		w.ticks(4)
		w.expect("nothing twice")
	})
}

func TestEmitTellsEachVideoOnceWhateverTheBaselineWentThrough(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.with(pageSize(3))
		w.with(func(s *poller.Source) { s.Emit = true })
		w.library("f:R", "e:P", "d:R", "c:R", "b:F", "a:R")
		w.fail(simulator.Fault{Kind: simulator.FaultReset, Page: 2, Times: 4})
		r := w.start()
		r.kill()
		lost := false
		w.log.set(func() {
			w.log.afterAppend = func(res *diff.Result) error {
				if !lost && res.Meta != nil && res.Meta.BaselineAt != 0 {
					lost = true
					return errAway
				}
				return nil
			}
		})
		r = w.start()
		w.ticks(1)
		w.expectBaseline("after a restart and a lost ack", r, true, 6)
		w.expect("oldest first", "done a", "failed b", "done c", "done d", "done f")
		w.ticks(5)
		w.expect("once")
		if !lost {
			t.Error("no ack was lost")
		}
	})
}

func TestAPartialBaselineThatTurnsEmptyIsDoubtedForLong(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.with(pageSize(2))
		w.library("d:R", "c:R", "b:R", "a:R")
		w.fail(simulator.Fault{Kind: simulator.FaultReset, Page: 2, Times: 4})
		r := w.start()
		r.kill()
		w.sim.ClearFaults()
		w.fail(simulator.Fault{Kind: simulator.FaultEmpty, Times: -1})
		r = w.start()
		w.ticks(6)
		w.expectBaseline("empty for six polls", r, false, 2)
		w.sim.ClearFaults()
		w.ticks(1)
		w.expectBaseline("back", r, true, 4)
		w.ticks(2)
		w.expect("nothing is news")
	})
}
