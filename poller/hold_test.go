package poller_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap/zapcore"

	"vidbell/diff"
	"vidbell/internal/simulator"
	"vidbell/poller"
)

func TestAnEngineThatIsAwayHoldsTheSource(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.library("b:P", "a:P")
		r := w.start()
		if err := r.poller.Holding(); err != nil {
			t.Errorf("holding in health: %v", err)
		}
		w.log.set(func() { w.log.away = true })
		w.is("a:R")
		w.ticks(1)
		if err := r.poller.Holding(); !errors.Is(err, errAway) {
			t.Errorf("holding because of %v", err)
		}
		w.sim.ResetRequests()
		w.pass(10 * time.Minute)
		w.expectRequests("no use in asking", 0)
		w.is("b:F")
		w.expect("away")
		w.log.set(func() { w.log.away = false })
		w.ticks(2)
		w.expect("back", "done a", "failed b")
		w.expectReports("the platform was never in trouble")
		warned := w.lines(zapcore.WarnLevel)
		if n := len(warned); n < 5 || n > 15 {
			t.Errorf("%d lines in ten minutes, want about one a minute: %q", n, warned)
		}
		if !slices.Contains(w.lines(zapcore.InfoLevel), "the log is written again") {
			t.Error("nobody was told that the engine is back")
		}
		if err := r.poller.Holding(); err != nil {
			t.Errorf("still holding: %v", err)
		}
	})
}

func TestAnotherErrorOfTheEngineIsLoggedAtOnce(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		w.start()
		reason := errors.New("no answer")
		w.log.set(func() { w.log.onAppend = func(*diff.Result) error { return reason } })
		w.is("a:R")
		w.ticks(1)
		before := len(w.lines(zapcore.WarnLevel))
		w.log.set(func() { reason = errors.New("the disk is full") })
		w.pass(10 * time.Second)
		if n := len(w.lines(zapcore.WarnLevel)) - before; n != 1 {
			t.Errorf("%d lines about the new error", n)
		}
	})
}

func TestALostAckIsNoSecondEvent(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.library("c:P", "b:P", "a:P")
		w.start()
		lost := 0
		w.log.set(func() {
			w.log.afterAppend = func(*diff.Result) error {
				if lost < 3 {
					lost++
					w.log.away = true
					return errAway
				}
				return nil
			}
		})
		for _, step := range []string{"a:R", "b:F", "c:R"} {
			w.is(step)
			w.ticks(1)
			w.log.set(func() { w.log.away = false })
			w.ticks(2)
		}
		w.expect("each once", "done a", "failed b", "done c")
		if lost != 3 {
			t.Errorf("%d acks lost", lost)
		}
	})
}

func TestAnEngineThatIsAwayAtTheStartIsWaitedFor(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		w.log.away = true
		p := w.newPoller(w.source("default", poller.NewAccount(1), key))
		loaded := make(chan error, 1)
		go func() { loaded <- p.Load(w.t.Context()) }()
		w.pass(time.Minute)
		select {
		case err := <-loaded:
			w.t.Fatalf("Load returned %v", err)
		default:
		}
		w.log.set(func() { w.log.away = false })
		w.pass(10 * time.Second)
		if err := <-loaded; err != nil {
			w.t.Fatal(err)
		}
	})
}

func TestAConflictThatNeverEndsIsNoTightLoop(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		w.start()
		tries := 0
		w.log.set(func() {
			w.log.onAppend = func(*diff.Result) error {
				tries++
				return fmt.Errorf("%w: for ever", poller.ErrConflict)
			}
		})
		w.is("a:R")
		w.pass(10 * time.Minute)
		if tries > 150 {
			t.Errorf("%d appends in ten minutes", tries)
		}
		w.log.set(func() { w.log.onAppend = nil })
		w.ticks(1)
		w.expect("once it is over", "done a")
	})
}

func TestABatchThatTakesLongIsWaitedFor(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		w.start()
		w.log.set(func() { w.log.delay = 20 * time.Second })
		w.is("a:R")
		w.ticks(4)
		w.expect("slow, but stored", "done a")
		if n := w.log.loads; n != 1 {
			t.Errorf("loaded %d times", n)
		}
	})
}

func TestStopInMidAppendLetsTheBatchArrive(t *testing.T) {
	for name, c := range map[string]struct {
		delay  time.Duration
		within time.Duration
		events []string
	}{
		"within the grace": {delay: 2 * time.Second, within: 2 * time.Second, events: []string{"done a"}},
		"beyond the grace": {delay: time.Hour, within: 5 * time.Second, events: nil},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, simulator.Options{}, func(w *world) {
				w.library("a:P")
				r := w.start()
				w.log.set(func() { w.log.delay = c.delay })
				w.is("a:R")
				w.pass(tick/2 + 500*time.Millisecond)
				stopped := time.Now()
				r.kill()
				if took := time.Since(stopped); took > c.within {
					t.Errorf("stopping took %s", took)
				}
				w.expect("what was under way", c.events...)
				w.log.set(func() { w.log.delay = 0 })
				w.start()
				w.ticks(1)
				if got := w.log.happened("default", 0); !slices.Equal(got, []string{"done a"}) {
					t.Errorf("after the restart %q", got)
				}
			})
		})
	}
}

func TestStopIsPromptWhereverItComes(t *testing.T) {
	cases := map[string]func(w *world){
		"in mid-request": func(w *world) { w.fail(simulator.Fault{Kind: simulator.FaultHang, Times: -1}) },
		"between two tries": func(w *world) {
			w.fail(simulator.Fault{Kind: simulator.FaultHTTP, HTTPStatus: 503, RetryAfter: 5 * time.Minute, Times: -1})
		},
		"in a pause of the account": func(w *world) {
			w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0429", RetryAfter: 5 * time.Minute, Times: -1})
		},
		"between two ticks":        func(*world) {},
		"while the engine is away": func(w *world) { w.log.set(func() { w.log.away = true }); w.is("a:R") },
		"with a body that dribbles": func(w *world) {
			w.fail(simulator.Fault{Kind: simulator.FaultDrip, Pause: 900 * time.Millisecond, Times: -1})
		},
	}
	for name, disturb := range cases {
		t.Run(name, func(t *testing.T) {
			inBubble(t, simulator.Options{}, func(w *world) {
				w.library("b:P", "a:P")
				account := poller.NewAccount(5)
				second := w.source("second", account, key)
				second.UniqueID = "default"
				r := w.startOf(w.source("default", account, key), second)
				disturb(w)
				w.pass(tick + time.Second)
				stopped := time.Now()
				r.kill()
				// Run has returned: the bubble itself fails the test for a goroutine that stays behind.
				if took := time.Since(stopped); took != 0 {
					t.Errorf("stopping took %s", took)
				}
				w.expectReports("our own cancellation is no trouble")
				for _, line := range w.lines(zapcore.WarnLevel) {
					if line != "the log cannot be written, holding" {
						t.Errorf("logged %q", line)
					}
				}
			})
		})
	}
}

func TestAContextThatHasEndedStartsNothing(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		p := w.newPoller(w.source("default", poller.NewAccount(1), key))
		if err := p.Load(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(w.t.Context())
		cancel()
		if err := p.Run(ctx); err != nil {
			w.t.Fatal(err)
		}
		synctest.Wait()
		w.expectRequests("nothing", 0)
	})
}

func TestWhatAnotherProcessToldMeanwhileIsTakenOver(t *testing.T) {
	inBubble(t, simulator.Options{Words: simulator.WordsLegacy()}, func(w *world) {
		w.with(func(s *poller.Source) { s.SweepInterval = time.Minute })
		w.library("b:P", "a:P")
		first := w.start()
		w.pass(tick / 3)
		second := w.start()
		// Both see a done: the later one meets a conflict, and knows that it is not alone.
		w.is("a:R")
		w.ticks(2)
		w.expect("seen by both", "done a")
		// Only one of them sees b done: for the other, the listing stands still.
		frozen := time.Now()
		asked := 0
		w.fail(simulator.Fault{Kind: simulator.FaultStale, AsOf: frozen, Times: -1, Match: func(simulator.Request) bool {
			asked++
			return asked%2 == 1
		}})
		time.Sleep(time.Millisecond) // a change at frozen itself would still be seen
		w.is("b:R")
		w.ticks(1)
		w.expect("seen by one", "done b")
		told, left := first, second
		if second.status().Counts[diff.Done] == 2 {
			told, left = second, first
		}
		if left.status().Counts[diff.Done] != 1 {
			t.Errorf("both have seen it: %v %v %s", first.status().Counts, second.status().Counts, w.asked())
		}
		told.kill()
		w.sim.ClearFaults()
		w.is("b:P")
		w.pass(3 * time.Minute)
		w.expect("processed again, for the one that is left", "processing b")
		w.is("b:R")
		w.ticks(2)
		w.expect("and done again", "done b")
		left.kill()
	})
}
