package poller_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"vidbell/internal/simulator"
	"vidbell/poller"
)

func TestASmallLibraryCostsOneRequestATick(t *testing.T) {
	for _, n := range []int{0, 1, 150, 199} {
		t.Run(fmt.Sprintf("%d videos", n), func(t *testing.T) {
			onEveryVocabulary(t, simulator.Options{}, func(w *world) {
				w.sim.Fill("default", n)
				w.start()
				w.ticks(2)
				w.sim.ResetRequests()
				w.pass(time.Hour)
				w.expectRequests("one hour", 240)
				w.expect("nothing moved")
				if ok := w.counter("vidbell_sweeps_total", "outcome", "complete"); ok < 240 {
					t.Errorf("%v complete sweeps: each tick shows everything", ok)
				}
			})
		})
	}
}

func TestALargeLibraryCostsTheHeadAndAQuarterOfTheQuota(t *testing.T) {
	inBubble(t, simulator.Options{Words: simulator.WordsLegacy()}, func(w *world) {
		w.rate = 1
		w.sim.Fill("default", 100_000)
		for i := range 20 {
			w.add(fmt.Sprintf("p%d", i), "UNPARSE")
		}
		r := w.start()
		w.pass(9 * time.Minute)
		w.expectBaseline("501 pages at one a second", r, true, 100_020)
		if n := w.sim.Counts().Total; n < 501 || n > 520 {
			t.Errorf("%d requests for the baseline", n)
		}
		w.sim.ResetRequests()
		const ticks = 240
		w.ticks(ticks)
		perTick := float64(w.sim.Counts().Total) / ticks
		if perTick > 1+15*0.25+0.1 || perTick < 4 {
			t.Errorf("%.2f requests a tick, want one of the head and 3.75 of the sweep", perTick)
		}
		if ok := w.counter("vidbell_sweeps_total", "outcome", "complete"); ok < 2 {
			t.Errorf("%v complete sweeps in an hour, baseline included", ok)
		}
		for i := range 10 {
			w.is(fmt.Sprintf("p%d:R", i))
			w.add(fmt.Sprintf("q%d", i), "UNPARSE")
		}
		w.ticks(1)
		if n := len(w.log.happened("default", 0)); n != 20 {
			t.Errorf("%d events one tick after ten were done and ten came, want 20", n)
		}
		if late := w.counter("vidbell_poll_requests_total", "lane", "head"); late > ticks+60 {
			t.Errorf("%v head requests", late)
		}
	})
}

func TestALibraryOfAMillionIsSweptInTheEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("walks through a long listing")
	}
	inBubble(t, simulator.Options{Words: simulator.WordsLegacy()}, func(w *world) {
		// Pages of 2 in place of 200: the number of requests is what matters.
		w.with(pageSize(2))
		w.rate = 1
		w.sim.Fill("default", 10_000)
		w.start()
		w.pass(90 * time.Minute)
		w.sim.ResetRequests()
		w.pass(6 * time.Hour)
		if ok := w.counter("vidbell_sweeps_total", "outcome", "complete"); ok != 2 {
			t.Errorf("%v complete sweeps, want the baseline and one of 5,000 pages at a quarter of the quota", ok)
		}
	})
}

func TestSourcesOfOneAccountShareItsQuotaAndNoneStarves(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{QuotaPerSecond: 2, QuotaBurst: 2}, func(w *world) {
		w.with(pageSize(4))
		w.with(func(s *poller.Source) { s.SweepInterval = time.Minute })
		w.sim.Fill("big", 200)
		w.sim.Add("big", simulator.Video{Raw: w.words.Done, CreatedAt: time.Now().Add(-48 * time.Hour)}) // says what PARSE means
		w.sim.Fill("default", 3)
		w.sim.Fill("small", 3)
		w.sim.Fill("apart", 3)
		one, two := poller.NewAccount(1), poller.NewAccount(1)
		w.startOf(
			w.source("big", one, key), w.source("default", one, key), w.source("small", one, key), w.source("apart", two, other),
		)
		w.pass(5 * time.Minute)
		w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0429", Key: key, Chance: 0.3, Times: 40})
		w.pass(25 * time.Minute)
		if n := w.most(key, time.Second); n > 1 {
			t.Errorf("%d requests within a second at a rate of one", n)
		}
		if n := w.most(key, time.Minute); n > 60 {
			t.Errorf("%d requests within a minute at a rate of one a second", n)
		}
		w.ticks(4)
		if got := one.Rate(); got != 1 {
			t.Errorf("rate after quiet is %v", got)
		}
		// In quiet running every small source is seen every tick, while the big one is walked.
		w.sim.ResetRequests()
		w.ticks(40)
		asked := map[string]int{}
		for _, r := range w.sim.Requests() {
			asked[r.Namespace]++
		}
		for _, ns := range []string{"default", "small", "apart"} {
			if asked[ns] != 40 {
				t.Errorf("%s was asked %d times in 40 ticks", ns, asked[ns])
			}
		}
		if share := asked["big"] - 40; share < 40 || share > 51 {
			t.Errorf("the sweep of the big source used %d requests, want about a third of a quarter of 600: head %v, sweep %v", share,
				w.counter("vidbell_poll_requests_total", "lane", "head", "source", "big"), w.counter("vidbell_poll_requests_total", "lane", "sweep", "source", "big"))
		}
		if s := w.sim.Counts().Throttled; s != 0 {
			t.Errorf("throttled %d times", s)
		}
	})
}

func TestThrottlingOneAccountLeavesAnotherAlone(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		one, two := poller.NewAccount(1), poller.NewAccount(1)
		w.library("a:P")
		w.sim.Add("apart", simulator.Video{No: "z", Raw: w.words.Processing})
		w.startOf(w.source("default", one, key), w.source("apart", two, other))
		w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0429", Key: key, Times: -1})
		w.ticks(4)
		w.sim.ResetRequests()
		w.pass(10 * time.Minute)
		n := 0
		for _, r := range w.sim.Requests() {
			if r.Account == other {
				n++
			}
		}
		if n != 40 || two.Rate() != 1 {
			t.Errorf("the other account made %d polls at rate %v, want 40 at 1", n, two.Rate())
		}
		if mine := w.sim.Counts().Total - n; mine > 30 {
			t.Errorf("%d requests of a throttled account in ten minutes", mine)
		}
	})
}

func TestNoFaultMultipliesRequests(t *testing.T) {
	for _, kind := range []simulator.FaultKind{
		simulator.FaultHTML, simulator.FaultReset, simulator.FaultEmpty, simulator.FaultNullData, simulator.FaultCut,
		simulator.FaultShort, simulator.FaultNoID, simulator.FaultContradicted, simulator.FaultTotal,
	} {
		t.Run(string(kind), func(t *testing.T) {
			inBubble(t, simulator.Options{Words: simulator.WordsLegacy()}, func(w *world) {
				w.sim.Fill("default", 150)
				w.start()
				w.sim.ResetRequests()
				w.fail(simulator.Fault{Kind: kind, Delta: 3, Times: -1})
				w.ticks(100)
				if n := w.sim.Counts().Total; n > 4*101 {
					t.Errorf("%d requests in 100 ticks", n)
				}
				w.expect("no news")
			})
		})
	}
}

func TestATickThatRunsLongIsNotMadeUpFor(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		w.start()
		w.sim.ResetRequests()
		w.log.set(func() { w.log.delay = 100 * time.Second })
		w.is("a:F")
		w.pass(10 * time.Second)
		w.log.set(func() { w.log.delay = 0 })
		w.ticks(10)
		w.expect("late", "failed a")
		gaps := []time.Duration{}
		reqs := w.sim.Requests()
		for i := 1; i < len(reqs); i++ {
			gaps = append(gaps, reqs[i].Time.Sub(reqs[i-1].Time))
		}
		if len(gaps) < 3 || gaps[0] < 100*time.Second || slices.Min(gaps) != tick {
			t.Errorf("gaps between polls: %v", gaps)
		}
	})
}
