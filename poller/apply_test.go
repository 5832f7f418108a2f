package poller_test

import (
	"strings"
	"testing"
	"time"

	"vidbell/internal/simulator"
	"vidbell/poller"
)

func TestSourcesComeAndGoWhileOthersAreUntouched(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P", "b:P", "c:R")
		account := poller.NewAccount(w.rate)
		first, second := w.source("default", account, key), w.source("other", account, key)
		w.sim.Add("other", simulator.Video{No: "x", Raw: w.word("P")})
		r := w.startOf(first)
		w.ticks(3)
		w.is("a:R")
		w.ticks(2)
		w.expect("one source", "done a")

		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		before := r.poller.Status()[0].LastPoll
		must(r.poller.Apply(t.Context(), []poller.Source{first, second}))
		if r.poller.Status()[0].LastPoll != before || len(r.poller.Status()) != 2 {
			t.Errorf("status %+v", r.poller.Status())
		}
		w.ticks(3)
		w.sim.Set("other", "x", w.word("R"), "")
		w.ticks(2)
		w.expectOf("other", "a source that came", "done x")

		// One that goes, and comes back when something has happened, goes on from the log.
		must(r.poller.Apply(t.Context(), []poller.Source{second}))
		w.is("b:F")
		w.ticks(5)
		w.expect("a source that went")
		families, err := w.metrics.Gather()
		must(err)
		for _, f := range families {
			if strings.Contains(f.String(), `"default"`) {
				t.Errorf("a metric of a source that went: %s", f.GetName())
			}
		}
		first.PollInterval *= 2 // changed as well
		must(r.poller.Apply(t.Context(), []poller.Source{second, first}))
		w.ticks(6)
		w.expect("a source that is back", "failed b")

		// A change of settings alone invents nothing and loses nothing.
		w.add("d", w.word("P"))
		w.ticks(6)
		w.expect("a new video", "processing d")
		first.StallAfter = time.Hour
		must(r.poller.Apply(t.Context(), []poller.Source{first, second}))
		w.is("d:R")
		w.ticks(6)
		w.expect("after a change", "done d")
		w.ticks(20)
		w.expect("nothing more")
		if err := r.poller.Apply(t.Context(), []poller.Source{first, first}); err == nil {
			t.Error("two sources of one name were taken")
		}
		w.sim.Set("other", "x", w.word("P"), "")
		w.ticks(4)
		r.kill()
		if err := r.poller.Apply(t.Context(), nil); err == nil {
			t.Error("a poller that has ended took sources")
		}
	})
}
