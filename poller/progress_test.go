package poller_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vidbell/internal/simulator"
	"vidbell/poller"
)

// The walk through a library that takes long is told every ten seconds, and seen in the status between.
func TestProgressOfALargeBaseline(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.sim.Fill("default", 3000) // 150 pages, at 5 a second half a minute
		w.with(pageSize(20))
		r := w.start()
		p := r.status().Baseline
		if p == nil || p.TotalPages != 150 || p.TotalVideos != 3000 || p.Pages < 25 || p.Pages > 40 || p.Videos != p.Pages*20 {
			t.Fatalf("after 7.5 s: %+v", p)
		}
		if p.PerSecond < 80 || p.PerSecond > 120 || p.Left < 15*time.Second || p.Left > 30*time.Second {
			t.Errorf("pace: %+v", p)
		}
		w.pass(20 * time.Second)
		lines := w.logged.FilterMessage("walking the baseline").All()
		if len(lines) != 2 {
			t.Fatalf("%d lines in 27 s", len(lines))
		}
		first, second := lines[0].ContextMap(), lines[1].ContextMap()
		if first["of_pages"] != int64(150) || first["of_videos"] != int64(3000) || first["pages"].(int64) >= second["pages"].(int64) ||
			first["videos"] != first["pages"].(int64)*20 || first["left"].(time.Duration) <= second["left"].(time.Duration) {
			t.Errorf("lines %v and %v", first, second)
		}

		// The process ends in the middle; what it recorded is still there, and is not told a second time as progress from nothing.
		before := r.status().Baseline
		r.stop()
		<-r.ended
		r = w.start()
		after := r.status().Baseline
		if before == nil || after == nil || after.Videos < before.Videos || after.Pages >= before.Pages {
			t.Errorf("before the restart %+v, after it %+v", before, after)
		}
		w.pass(40 * time.Second)
		if s := r.status(); s.Baseline != nil || s.BaselineAt.IsZero() || s.Videos != 3000 {
			t.Errorf("in the end: %+v", s)
		}
		told := w.logged.FilterMessage("walking the baseline").Len()
		w.ticks(10)
		if n := w.logged.FilterMessage("walking the baseline").Len(); n != told {
			t.Errorf("%d lines after the baseline", n-told)
		}
	})
}

func TestProgressWhereTheStateIsLoadedButNoPageCame(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.fail(simulator.Fault{Kind: simulator.FaultHTTP, HTTPStatus: 500, Times: -1})
		r := w.start()
		if p := r.status().Baseline; p == nil || p.Pages != 0 || p.TotalPages != 0 || p.TotalVideos != -1 || p.Left != 0 {
			t.Errorf("progress %+v", p)
		}
	})
}

func TestUsageOfAnAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := poller.NewAccount(2)
		mustUse := func(when string, want poller.Usage) {
			t.Helper()
			if got := a.Usage(); got != want {
				t.Errorf("%s: %+v, want %+v", when, got, want)
			}
		}
		mustUse("at first", poller.Usage{Limit: 2, Rate: 2})
		for range 10 { // in 4.5 s
			if err := a.Wait(t.Context(), poller.UrgentHead); err != nil {
				t.Fatal(err)
			}
		}
		mustUse("after ten requests", poller.Usage{Limit: 2, Rate: 2, LastMinute: 10})
		time.Sleep(57 * time.Second)
		if n := a.Usage().LastMinute; n <= 0 || n >= 10 {
			t.Errorf("a minute after the first: %d", n)
		}
		time.Sleep(time.Minute)
		mustUse("after a quiet minute", poller.Usage{Limit: 2, Rate: 2})
		a.Throttled(30 * time.Second)
		mustUse("throttled", poller.Usage{Limit: 2, Rate: 1, Throttled: time.Now().Add(30 * time.Second)})
		time.Sleep(30 * time.Second)
		mustUse("after the pause", poller.Usage{Limit: 2, Rate: 1})
	})
}
