package poller_test

import (
	"fmt"
	"testing"
	"time"

	"vidbell/internal/simulator"
	"vidbell/poller"
)

func TestAHintIsLookedUpAtOnce(t *testing.T) {
	for _, form := range []simulator.Form{simulator.FormV12, simulator.Form2026} {
		t.Run(string(form), func(t *testing.T) {
			onEveryVocabulary(t, simulator.Options{Form: form}, func(w *world) {
				w.big(3)
				r := w.start()
				w.ticks(3)
				w.is("p1:R")
				if n := r.poller.Hint("p1"); n != 1 {
					t.Errorf("taken up at %d sources", n)
				}
				w.pass(300 * time.Millisecond)
				w.expect("known", "done p1")
				w.add("new", w.word("P"))
				r.poller.Hint("new")
				w.pass(700 * time.Millisecond)
				w.expect("not known before", "processing new")
				r.poller.Hint("") // a task is done: something is new
				w.add("newer", w.word("F"))
				w.pass(time.Second)
				w.expect("without an id", "failed newer")
			})
		})
	}
}

func TestAHintMakesNoEventByItself(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.big(3)
		r := w.start()
		w.ticks(3)
		for i := range 10 {
			for _, no := range []string{"p1", "r5", "forged", "", "p1"} {
				r.poller.Hint(no)
			}
			w.pass(time.Duration(i) * 700 * time.Millisecond)
		}
		w.expect("early, doubled and forged")
		w.expectReports("all is well")
	})
}

func TestHintsStayWithinTheQuotaAndLeaveRoomForTheLanes(t *testing.T) {
	inBubble(t, simulator.Options{Words: simulator.WordsLegacy()}, func(w *world) {
		w.rate = 1
		w.big(3)
		r := w.start()
		w.pass(5 * time.Minute)
		w.sim.ResetRequests()
		for i := range 600 { // a flood for ten minutes
			for j := range 20 {
				r.poller.Hint(fmt.Sprint("forged", i*20+j))
			}
			w.pass(time.Second)
		}
		n := w.sim.Counts().Total
		if n > 601 || n < 300 {
			t.Errorf("%d requests in ten minutes at one a second", n)
		}
		if got := w.counter("vidbell_poll_requests_total", "lane", "hint"); got > 330 {
			t.Errorf("%v of them for hints", got)
		}
		w.is("p1:R")
		w.ticks(2)
		w.expect("the lanes go on", "done p1")
	})
}

func TestAHintForWhatOneSourceKnowsCostsTheOthersNothing(t *testing.T) {
	inBubble(t, simulator.Options{Words: simulator.WordsLegacy()}, func(w *world) {
		account := poller.NewAccount(5)
		var sources []poller.Source
		for i := range 30 {
			name := fmt.Sprint("s", i)
			w.sim.Add(name, simulator.Video{No: "v" + name, Raw: "PARSE", CreatedAt: time.Now().Add(-72 * time.Hour)})
			sources = append(sources, w.source(name, account, key))
		}
		r := w.startOf(sources...)
		w.pass(time.Minute)
		if n := r.poller.Hint("vs7"); n != 1 {
			t.Errorf("a known video was hinted to %d sources", n)
		}
		if n := r.poller.Hint("nobody"); n != 8 {
			t.Errorf("a video that nobody knows was hinted to %d sources", n)
		}
	})
}

func TestAHintWakesASourceThatHasGoneQuiet(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.with(func(s *poller.Source) { s.MaxInterval = 10 * time.Minute })
		w.library("a:R", "b:F")
		w.sim.Add("default", simulator.Video{No: "old", Raw: w.words.Done, CreatedAt: time.Now().Add(-72 * time.Hour)})
		r := w.start()
		w.pass(2 * time.Hour)
		w.sim.ResetRequests()
		r.poller.Hint("")
		w.pass(tick + time.Second)
		w.expectRequests("the hint and a tick", 2)
	})
}

func TestARefusedKeyIsNotAskedForHints(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		r := w.start()
		w.ticks(2)
		w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0401", Times: -1})
		w.ticks(1)
		w.sim.ResetRequests()
		for range 50 {
			r.poller.Hint("a")
			w.pass(time.Second)
		}
		w.expectRequests("a probe a minute", 0)
	})
}
