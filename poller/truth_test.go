package poller_test

import (
	"testing"

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
