package poller_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vidbell/diff"
	"vidbell/internal/simulator"
	"vidbell/poller"
)

// mustLive looks at the poller every second of a time.
func (w *world) mustLive(p *poller.Poller, d time.Duration) {
	w.t.Helper()
	for range int(d / time.Second) {
		w.pass(time.Second)
		if err := p.Alive(); err != nil {
			w.t.Fatalf("while it polls: %v", err)
		}
	}
}

// Nothing that a platform or an engine can do to a poller is a standstill of its own.
func TestAPollerIsAliveThroughAllTrouble(t *testing.T) {
	for name, trouble := range map[string]func(w *world){
		"none":                            func(*world) {},
		"the engine is away":              func(w *world) { w.log.set(func() { w.log.away = true }) },
		"the key is refused":              func(w *world) { w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0401", Times: -1}) },
		"the platform never answers":      func(w *world) { w.fail(simulator.Fault{Kind: simulator.FaultHang, Times: -1}) },
		"the platform throttles for long": func(w *world) { w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0429", Times: -1}) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, simulator.Options{}, func(w *world) {
				w.library("b:P", "a:P")
				r := w.start()
				trouble(w)
				w.is("a:R")
				w.mustLive(r.poller, time.Hour)
			})
		})
	}
}

// Twenty sources share one request a minute: each waits for its turn far longer than a standstill may last.
func TestWaitingInAQueueThatMovesIsNoStandstill(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		account := poller.NewAccount(1.0 / 60)
		var sources []poller.Source
		for i := range 20 {
			sources = append(sources, w.source("s"+string(rune('a'+i)), account, key))
		}
		r := w.startOf(sources...)
		w.mustLive(r.poller, time.Hour)
	})
}

func TestAStoreThatNeverReturnsIsAStandstill(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		release := make(chan struct{})
		w.library("a:P")
		r := w.start()
		w.log.set(func() { w.log.onAppend = func(*diff.Result) error { <-release; return nil } })
		w.is("a:R")
		w.mustLive(r.poller, 4*time.Minute)
		time.Sleep(3 * time.Minute)
		if err := r.poller.Alive(); err == nil {
			t.Error("a poller that has not moved for minutes is taken for alive")
		}
		close(release)
		synctest.Wait()
		w.pass(time.Minute)
		if err := r.poller.Alive(); err != nil {
			t.Errorf("it moves again: %v", err)
		}
	})
}
