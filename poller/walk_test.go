package poller_test

import (
	"fmt"
	"testing"
	"time"

	"vidbell/internal/simulator"
	"vidbell/poller"
)

func TestACappedPageHidesNothing(t *testing.T) {
	for name, policy := range map[string]simulator.SizePolicy{
		"and the platform says so":         simulator.SizeClamp,
		"and the platform echoes our size": simulator.SizeClampHidden,
	} {
		for _, videos := range []int{99, 100, 101, 250, 300} {
			t.Run(fmt.Sprintf("%s, %d videos", name, videos), func(t *testing.T) {
				options := simulator.Options{MaxPageSize: 100, SizePolicy: policy, Words: simulator.WordsLegacy()}
				inBubble(t, options, func(w *world) {
					w.with(func(s *poller.Source) { s.SweepInterval = time.Minute })
					w.sim.Fill("default", videos)
					old := w.sim.List("default")[videos-1].No
					r := w.start()
					w.expectBaseline("one walk", r, true, videos)
					if n := w.sim.Counts().Total; n > videos/100+1 {
						t.Errorf("%d requests for the baseline: %s", n, w.asked())
					}
					w.sim.Set("default", old, "UNPARSE", "")
					w.add("new", "UNPARSE")
					w.pass(5 * time.Minute)
					w.sim.Set("default", old, "PARSE", "")
					w.pass(5 * time.Minute)
					w.expect("at both ends of the library", "processing new", "processing "+old, "done "+old)
					w.expectReports("nothing is wrong")
				})
			})
		}
	}
}

func TestAPlatformThatIgnoresThePageNumberIsShownAndNotWalkedForEver(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.with(pageSize(2))
		w.library("e:P", "d:P", "c:P", "b:P", "a:P")
		repeat := simulator.Fault{
			Kind: simulator.FaultRepeat, ServePage: 1, Times: -1,
			Match: func(r simulator.Request) bool { return r.Page > 1 },
		}
		w.fail(repeat)
		r := w.start()
		w.ticks(4)
		w.expectReports("three ticks and more", "degraded listing")
		if n := w.sim.Counts().Total; n > 2*5 {
			t.Errorf("%d requests in five ticks, want two each: %s", n, w.asked())
		}
		w.expectBaseline("no walk had an end", r, false, 2)
		w.is("e:R")
		w.ticks(1)
		w.expect("what is seen is still told", "done e")
		w.sim.ClearFaults()
		w.ticks(2)
		w.expectBaseline("a whole walk", r, true, 5)
		w.expectReports("well again", "degraded listing", "recovered listing")
		w.fail(repeat)
		w.pass(10 * time.Minute) // the next sweep
		w.ticks(4)
		w.expect("after the baseline it is no news either")
		w.expectReports("shown again", "degraded listing", "recovered listing", "degraded listing")
	})
}

func TestAnEndlessListingIsBounded(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.with(pageSize(2))
		w.rate = 100
		// Whatever is asked for, there is more: every answer makes two videos at the end of the list.
		w.library("b:P", "a:P")
		at := time.Now().Add(-time.Hour)
		n := 0
		w.sim.OnServe(func(simulator.Request) {
			for range 2 {
				n++
				w.sim.Add("default", simulator.Video{No: fmt.Sprintf("old%d", n), Raw: "UNPARSE", CreatedAt: at.Add(-time.Duration(n) * time.Second)})
			}
		})
		w.fail(simulator.Fault{Kind: simulator.FaultTotal, Delta: -1_000_000, Times: -1})
		w.startOf(w.source("default", poller.NewAccount(w.rate), key))
		w.pass(time.Minute)
		if got := w.sim.Counts().Total; got > 5*2*60 {
			t.Errorf("%d requests in five ticks", got)
		}
		w.expect("no baseline, no news")
		w.expectReports("shown", "degraded listing")
	})
}

func TestAWrongTotalCountIsShownAndChangesNothing(t *testing.T) {
	for _, delta := range []int{-3, 5, -1000} {
		t.Run(fmt.Sprintf("off by %d", delta), func(t *testing.T) {
			inBubble(t, simulator.Options{Words: simulator.WordsLegacy()}, func(w *world) {
				w.with(pageSize(10))
				w.with(func(s *poller.Source) { s.SweepInterval = time.Minute })
				w.sim.Fill("default", 95)
				r := w.start()
				w.expectBaseline("honest at first", r, true, 95)
				w.fail(simulator.Fault{Kind: simulator.FaultTotal, Delta: delta, Times: -1})
				w.pass(3 * time.Minute)
				w.add("new", "UNPARSE")
				w.pass(5 * time.Minute)
				w.expect("no lie stops the news", "processing new")
				w.expectReports("shown once", "degraded count_mismatch")
				if n := w.counter("vidbell_sweep_count_mismatches_total"); n < 3 {
					t.Errorf("%v mismatches counted", n)
				}
				r.kill()
				r = w.start()
				w.ticks(1)
				w.expectReports("a restart proves nothing", "degraded count_mismatch")
				w.sim.ClearFaults()
				w.pass(3 * time.Minute)
				w.expectReports("honest again", "degraded count_mismatch", "recovered count_mismatch")
				r.kill()
			})
		})
	}
}

func TestAnEmptyPageInTheMiddleOfSweepsIsAMismatch(t *testing.T) {
	inBubble(t, simulator.Options{Words: simulator.WordsLegacy()}, func(w *world) {
		w.with(pageSize(10))
		w.with(func(s *poller.Source) { s.SweepInterval = time.Minute })
		w.sim.Fill("default", 95)
		w.start()
		w.fail(simulator.Fault{Kind: simulator.FaultEmpty, Page: 4, Times: -1})
		w.pass(5 * time.Minute)
		w.expectReports("it counts nothing, but that says nothing", "degraded count_mismatch")
		w.expect("no news")
		w.sim.ClearFaults()
		w.pass(2 * time.Minute)
		w.expectReports("whole again", "degraded count_mismatch", "recovered count_mismatch")
	})
}

func TestDeletionsAndUploadsDuringSweepsAreNoMismatch(t *testing.T) {
	inBubble(t, simulator.Options{Words: simulator.WordsLegacy()}, func(w *world) {
		w.with(pageSize(10))
		w.with(func(s *poller.Source) { s.SweepInterval = time.Minute })
		ids := w.sim.Fill("default", 300)
		w.start()
		for i := range 200 {
			w.sim.Delete("default", ids[i+100])
			if i%3 == 0 {
				w.sim.Add("default", simulator.Video{Raw: "UNPARSE", Life: []simulator.Step{{After: time.Minute, Raw: "PARSE"}}})
			}
			w.pass(7 * time.Second)
		}
		if n := w.counter("vidbell_sweeps_total", "outcome", "complete"); n < 5 {
			t.Errorf("%v complete sweeps", n)
		}
		w.expectReports("a busy library is healthy")
	})
}

func TestAnEmptyAnswerInNormalRunningIsNoNews(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.library("c:P", "b:R", "a:F")
		r := w.start()
		w.fail(simulator.Fault{Kind: simulator.FaultEmpty, Times: 2})
		w.ticks(4)
		w.expect("two empty answers")
		w.expectReports("are no trouble")
		w.fail(simulator.Fault{Kind: simulator.FaultEmpty, Times: -1})
		w.ticks(40)
		w.expect("ten minutes of them")
		w.expectReports("are shown", "degraded empty")
		r.kill()
		w.is("c:R")
		r = w.start()
		w.ticks(3)
		w.expect("still empty after a restart")
		w.expectReports("told once", "degraded empty")
		w.sim.ClearFaults()
		w.ticks(2)
		w.expect("full again", "done c")
		w.expectReports("full again", "degraded empty", "recovered empty")
		w.expectBaseline("nothing was forgotten", r, true, 3)
	})
}

func TestAnEmptyAnswerDoesNotGiveUpASweepUnderWay(t *testing.T) {
	inBubble(t, simulator.Options{Words: simulator.WordsLegacy()}, func(w *world) {
		w.with(pageSize(1))
		w.rate = 1
		w.sim.Fill("default", 60)
		w.start()
		w.pass(12 * time.Minute)
		before := w.counter("vidbell_sweeps_total", "outcome", "complete")
		for range 30 {
			w.fail(simulator.Fault{Kind: simulator.FaultEmpty, Page: 1, Times: 1})
			w.ticks(2)
		}
		if after := w.counter("vidbell_sweeps_total", "outcome", "complete"); after == before {
			t.Errorf("no sweep was completed: %v", after)
		}
		w.expectReports("every second listing was fine")
	})
}

func TestANamespaceThatStaysEmptyIsNoTrouble(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.start()
		w.pass(24 * time.Hour)
		w.expect("a day of nothing")
		w.expectReports("no trouble")
		if n := w.sim.Counts().Total; n != 24*60*4+1 {
			t.Errorf("%d requests, want one a tick", n)
		}
	})
}

func TestADelugeBetweenTwoPollsIsFoundAtOnce(t *testing.T) {
	inBubble(t, simulator.Options{Words: simulator.WordsLegacy()}, func(w *world) {
		w.with(pageSize(10))
		w.with(func(s *poller.Source) { s.SweepInterval = 24 * time.Hour })
		w.sim.Fill("default", 50)
		w.start()
		for i := range 150 { // more than a head walk reads
			w.add(fmt.Sprintf("v%03d", i), "PARSE")
		}
		w.pass(2 * time.Minute)
		if n := len(w.log.happened("default", 0)); n != 150 {
			t.Errorf("%d events after two minutes, want 150", n)
		}
	})
}
