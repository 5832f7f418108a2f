package poller_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"vidbell/diff"
	"vidbell/internal/simulator"
	"vidbell/poller"
)

// The scenarios of the rules, under their numbers, through the real client against the simulated platform.

func TestS01TheBaselineIsSilent(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.library("a:P", "b:R", "c:F")
		r := w.start()
		w.ticks(2)
		w.expect("two sweeps")
		s := r.status()
		if s.Videos != 3 || s.InFlight < 1 || s.Counts[diff.Failed] != 1 || s.BaselineAt.IsZero() {
			t.Errorf("status is %+v, want three videos known", s)
		}
		r.kill()
	})
}

func TestS02TheBaselineIsAnnouncedOnDemand(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.with(func(s *poller.Source) { s.Emit = true })
		w.library("a:P", "b:R", "c:F")
		w.start()
		w.expect("first sweep", "failed c", "done b") // oldest first
		events, _, _ := w.log.content()
		for _, e := range events {
			if !e.change.Initial || e.change.Reason != diff.ReasonInitial {
				t.Errorf("%s: initial %v, reason %s", e.change.VideoNo, e.change.Initial, e.change.Reason)
			}
		}
		w.ticks(3)
		w.expect("later sweeps")
	})
}

func TestS03APartialFirstWalkIsNoBaseline(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.with(pageSize(2))
		w.library("a:P", "b:R", "c:F", "d:R")
		w.fail(simulator.Fault{Kind: simulator.FaultHang, Page: 2, Times: 4})
		r := w.start()
		w.pass(33 * time.Second) // four timeouts are nearly over
		if s := r.status(); !s.BaselineAt.IsZero() {
			t.Errorf("status after half a walk: %+v", s)
		}
		w.ticks(2)
		if s := r.status(); s.BaselineAt.IsZero() || s.Videos != 4 {
			t.Errorf("status after a whole walk: %+v", s)
		}
		w.expect("baseline")
		w.add("e", w.word("P"))
		w.ticks(1)
		w.expect("something new", "processing e")
		w.expectReports("one failed tick is no trouble")
	})
}

func TestS04ANewVideoIsAnnouncedOnce(t *testing.T) {
	for name, library := range map[string][]string{"known videos": {"a:R"}, "an empty baseline": nil} {
		t.Run(name, func(t *testing.T) {
			onEveryVocabulary(t, simulator.Options{}, func(w *world) {
				w.library(library...)
				w.start()
				w.ticks(2)
				w.expect("baseline")
				w.add("b", w.word("P"))
				w.ticks(4)
				w.expect("seen three times", "processing b")
			})
		})
	}
}

func TestS05DoneIsAnnouncedOnce(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		w.start()
		w.is("a:R")
		w.ticks(3)
		w.expect("done and still done", "done a")
	})
}

func TestS07AFailureIsAnnouncedOnceWhateverBecomesOfItsCause(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.library("a:P", "b:P")
		w.start()
		w.sim.Set("default", "a", w.words.Failed, "x")
		w.ticks(1)
		w.expect("failed", "failed a")
		events, _, _ := w.log.content()
		if cause := events[0].change.Record.Cause; cause != "x" {
			t.Errorf("cause is %q, want x", cause)
		}
		for _, cause := range []string{"y", simulator.Absent, simulator.Null, simulator.Empty, "null"} {
			w.sim.Set("default", "a", w.words.Failed, cause)
			w.ticks(1)
		}
		for _, word := range []string{"FAIL", "FAILED", "PARSE_ERROR", "fail"} {
			w.sim.Set("default", "a", word, "z")
			w.ticks(1)
		}
		w.expect("other causes and spellings")
	})
}

func TestS08AMoveBackMustBeConfirmed(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.library("a:F")
		w.start()
		w.is("a:P")
		w.ticks(1)
		w.expect("first sight of the move back")
		w.ticks(1)
		w.expect("second sight", "processing a")
		w.is("a:R")
		w.ticks(2)
		w.expect("a new run", "done a")
	})
}

func TestS12AnInsertionBetweenPagesInventsNothing(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.with(pageSize(2))
		w.with(func(s *poller.Source) { s.SweepInterval = tick })
		w.library("d:R", "c:R", "b:F", "a:R")
		r := w.start()
		w.expect("baseline")
		w.sim.ResetRequests()
		w.sim.AfterPage("default", 1, func() { w.sim.Add("default", simulator.Video{No: "e", Raw: w.word("P")}) })
		w.ticks(1)
		w.expect("page 2 repeats what page 1 showed")
		pages := []int{}
		for _, req := range w.listings() {
			pages = append(pages, req.Page)
		}
		if !slices.Equal(pages[:min(3, len(pages))], []int{1, 2, 3}) {
			t.Errorf("asked for pages %v, want 1, 2, 3 and the end", pages)
		}
		w.ticks(3)
		w.expect("undisturbed", "processing e")
		w.expectReports("nothing is wrong")
		if s := r.status(); s.Videos != 5 {
			t.Errorf("%d videos known, want 5", s.Videos)
		}
	})
}

func TestS16NoErrorIsNews(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.library("a:P", "b:R")
		r := w.start()
		w.ticks(1)
		w.sim.ResetRequests()
		w.fail(
			simulator.Fault{Kind: simulator.FaultCode, Code: "0003", Times: 1},
			simulator.Fault{Kind: simulator.FaultHTML, Times: 1},
			simulator.Fault{Kind: simulator.FaultCut, Times: 1},
		)
		w.ticks(1)
		w.expectRequests("three failures and the page, in one tick", 4)
		for _, class := range []string{"bad_request", "malformed"} {
			if n := w.counter("vidbell_poll_requests_total", "lane", "head", "outcome", class); n < 1 {
				t.Errorf("%v requests counted as %s", n, class)
			}
		}
		w.expectReports("a tick that went well in the end")

		w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0401", Times: -1})
		w.ticks(1)
		w.expectReports("the key is refused", "degraded unauthorized")
		if s := r.status(); s.Degraded != "unauthorized" {
			t.Errorf("status shows %q", s.Degraded)
		}
		w.sim.ResetRequests()
		w.pass(time.Hour)
		w.expectRequests("one probe a minute", 60)
		w.is("a:R")
		w.pass(time.Minute)
		w.expect("refused")
		w.sim.ClearFaults()
		w.pass(time.Minute)
		w.expect("healthy", "done a")
		w.expectReports("the key is good again", "degraded unauthorized", "recovered unauthorized")
		w.ticks(5)
		w.expect("healthy for a while")
		w.expectReports("nothing more", "degraded unauthorized", "recovered unauthorized")
		if s := r.status(); s.Degraded != "" || s.LastError != "" {
			t.Errorf("status is %+v", s)
		}
	})
}

func TestS17AThrottledPageIsAskedForAgainInPlace(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.with(pageSize(2))
		first, second := poller.NewAccount(1), poller.NewAccount(1)
		w.library("i:P", "h:P", "g:P", "f:P", "e:R", "d:R", "c:R", "b:R", "a:F")
		var mu sync.Mutex // two accounts ask at the same time
		slowest := 1.0
		w.sim.OnServe(func(simulator.Request) {
			mu.Lock()
			defer mu.Unlock()
			slowest = min(slowest, first.Rate())
		})
		w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0429", Page: 3, Key: key, Times: 2})
		w.startOf(w.source("default", first, key), w.source("elsewhere", second, other))
		w.pass(2 * tick)
		w.expect("as if undisturbed")
		pages := []int{}
		for _, r := range w.listings() {
			if r.Namespace == "default" {
				pages = append(pages, r.Page)
			}
		}
		if len(pages) < 7 || !slices.Equal(pages[:7], []int{1, 2, 3, 3, 3, 4, 5}) {
			t.Errorf("asked for pages %v, want five and two more", pages)
		}
		if slowest != 0.25 {
			t.Errorf("rate after two throttles is %v, want a quarter", slowest)
		}
		if got := second.Rate(); got != 1 {
			t.Errorf("rate of the other account is %v, want 1", got)
		}
		w.is("i:R")
		w.pass(3 * time.Minute)
		w.expect("what moved", "done i")
		if got := first.Rate(); got != 1 {
			t.Errorf("rate after quiet is %v, want 1", got)
		}
		w.expectReports("a throttle is no trouble")
	})
}

func TestS23AfterDowntimeTheNetChangeIsAnnounced(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.library("a:P", "b:R")
		r := w.start()
		w.ticks(1)
		r.kill()
		w.add("c", w.word("P"))
		w.is("a:F")
		w.pass(10 * time.Minute)
		w.is("a:R")
		w.start()
		w.ticks(2)
		got := w.log.happened("default", 0)
		slices.Sort(got)
		if !slices.Equal(got, []string{"done a", "processing c"}) {
			t.Errorf("events %q, want done a and processing c", got)
		}
	})
}

func TestS25UnreadableStateStopsEverything(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		w.log.unreadable = true
		p := w.newPoller(w.source("default", poller.NewAccount(1), key))
		err := p.Load(w.t.Context())
		if err == nil || !isUnreadable(err) {
			w.t.Fatalf("Load returned %v", err)
		}
		if _, _, pages := w.log.content(); pages != 0 || w.log.appends != 0 {
			t.Error("something was written")
		}
		w.expectRequests("nothing was asked", 0)
	})
}

func TestStateThatTurnsOutUnreadableStopsAllSources(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		account := poller.NewAccount(5)
		r := w.startOf(w.source("default", account, key), w.source("second", account, key))
		w.log.set(func() {
			w.log.unreadable = true
			w.log.onAppend = func(*diff.Result) error { return errAway }
		})
		written := w.log.appends
		w.is("a:R")
		w.ticks(2)
		select {
		case err := <-r.ended:
			if !isUnreadable(err) {
				t.Errorf("Run returned %v", err)
			}
		default:
			w.t.Fatal("still running")
		}
		if w.log.appends != written {
			t.Error("something was written")
		}
		w.expect("nothing told")
	})
}

func TestS32TheIntervalGrowsWhenIdleAndDropsBack(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.with(func(s *poller.Source) { s.MaxInterval = time.Minute })
		w.library("a:R")
		// An old PARSE settles what PARSE means: nothing is in flight in any vocabulary.
		w.sim.Add("default", simulator.Video{No: "old", Raw: w.words.Done, CreatedAt: time.Now().Add(-48 * time.Hour)})
		w.start()
		w.pass(10 * time.Minute)
		at := func() []time.Duration {
			reqs := w.sim.Requests()
			gaps := make([]time.Duration, 0, len(reqs))
			for i := 1; i < len(reqs); i++ {
				gaps = append(gaps, reqs[i].Time.Sub(reqs[i-1].Time))
			}
			return gaps
		}
		gaps := at()
		want := []time.Duration{tick, tick * 3 / 2, tick * 9 / 4, tick * 27 / 8, time.Minute, time.Minute}
		if !slices.Equal(gaps[:len(want)], want) {
			t.Errorf("gaps %v, want %v", gaps, want)
		}
		w.add("b", w.word("P"))
		w.pass(time.Minute)
		w.expect("found within the longest interval", "processing b")
		w.sim.ResetRequests()
		w.pass(2 * time.Minute)
		if n := w.sim.Counts().Total; n != 8 {
			t.Errorf("%d polls in two minutes with a video in flight, want 8", n)
		}
	})
}

func TestS36ASourceThatReturnsTellsTheNetChange(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		account := poller.NewAccount(5)
		w.library("a:P", "b:P")
		r := w.startOf(w.source("default", account, key), w.source("stays", account, key))
		w.ticks(2)
		r.kill()
		r = w.startOf(w.source("stays", account, key))
		w.is("a:R")
		w.ticks(4)
		w.expect("removed")
		r.kill()
		w.is("b:R")
		w.startOf(w.source("default", account, key), w.source("stays", account, key))
		w.ticks(1)
		got := w.log.happened("default", 0)
		slices.Sort(got)
		if !slices.Equal(got, []string{"done a", "done b"}) {
			t.Errorf("events %q, want done a, done b", got)
		}
		w.expectOf("stays", "untouched")
	})
}

func TestS38TheOrderOfTheListingDoesNotMatter(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.library("a:P", "b:R", "c:F", "d:P")
		w.start()
		w.ticks(3)
		w.expect("the same again and again")
		events, notes, pages := w.log.content()
		appends := w.log.appends
		// The same platform in another order, for another process on the same log.
		shuffled, err := simulator.New(simulator.Options{Keys: []string{key}, Words: w.words, Shuffled: true})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, v := range w.sim.List("default") {
			shuffled.Add("default", v)
		}
		w.sim = shuffled
		w.start()
		w.ticks(3)
		w.expect("shuffled")
		after, notesAfter, pagesAfter := w.log.content()
		if len(after) != len(events) || len(notesAfter) != len(notes) || pagesAfter != pages || w.log.appends != appends {
			t.Errorf("the log has moved: %d appends, then %d: %v", appends, w.log.appends, w.lines(zapcore.DebugLevel))
		}
	})
}

func TestAStallIsToldOnceAndNotDuringAnOutage(t *testing.T) {
	for _, outage := range []bool{false, true} {
		name := map[bool]string{false: "without an outage", true: "with polls failing from minute 20 to 40"}[outage]
		t.Run("S27 "+name, func(t *testing.T) {
			onEveryVocabulary(t, simulator.Options{}, func(w *world) {
				w.with(func(s *poller.Source) { s.StallAfter = 30 * time.Minute })
				w.start()
				w.ticks(2)
				w.add("a", w.word("P"))
				w.pass(20 * time.Minute)
				if outage {
					w.fail(simulator.Fault{Kind: simulator.FaultReset, Times: -1})
				}
				w.pass(9*time.Minute + 30*time.Second)
				w.expect("before it is due", "processing a")
				w.pass(2 * time.Minute)
				if outage {
					w.expect("unseen")
					w.pass(8 * time.Minute)
					w.sim.ClearFaults()
					w.pass(2 * time.Minute)
				}
				w.expect("due", "stalled a")
				w.pass(5 * time.Minute)
				w.is("a:R")
				w.ticks(1)
				w.expect("done at last", "done a")
				events, _, _ := w.log.content()
				if took := events[len(events)-1].change.Took; took < 30*time.Minute {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func isUnreadable(err error) bool { return errors.Is(err, poller.ErrUnreadable) }

func TestTwoPollersOnOneLogTellEachChangeOnce(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.with(pageSize(5))
		w.with(func(s *poller.Source) { s.SweepInterval = time.Minute })
		for i := range 23 {
			w.add(string(rune('a'+i)), w.word("P"))
		}
		w.log.delay = 20 * time.Millisecond // batches of the two overlap
		sources := func() []poller.Source { return []poller.Source{w.source("default", poller.NewAccount(5), key)} }
		w.startOf(sources()...)
		w.startOf(sources()...)
		w.ticks(4)
		w.expect("baseline")
		letters := "PRF"
		want := map[string]int{}
		for round := range 12 {
			for i := range 23 {
				if (i+round)%3 == 0 {
					w.is(string(rune('a'+i)) + ":" + string(letters[(round+i)%2+1]))
				}
			}
			w.add("new"+string(rune('a'+round)), w.word("R"))
			want["new"+string(rune('a'+round))] = 1
			w.ticks(5)
		}
		counts := map[string]int{}
		seen := map[string]bool{}
		events, _, _ := w.log.content()
		for _, e := range events {
			counts[e.change.VideoNo]++
			id := e.change.VideoNo + "/" + string(rune('0'+e.change.Record.Version))
			if seen[id] {
				t.Errorf("version %s was stored twice", id)
			}
			seen[id] = true
		}
		for no := range want {
			if counts[no] != 1 {
				t.Errorf("%s was told %d times", no, counts[no])
			}
		}
	})
}
