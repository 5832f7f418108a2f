package poller_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"vidbell/internal/simulator"
	"vidbell/poller"
)

// big is a library of 1,000 settled videos behind which a few are in flight: they are no part of the head.
func (w *world) big(inFlight int) {
	w.t.Helper()
	at := time.Now().Add(-time.Hour)
	put := func(no, raw string, createdAt time.Time) {
		w.sim.Add("default", simulator.Video{No: no, Raw: raw, CreatedAt: createdAt})
	}
	put("old", w.word("R"), at.Add(-72*time.Hour)) // what PARSE means is not in doubt
	for i := range inFlight {
		put(fmt.Sprint("p", i), w.word("P"), at.Add(time.Duration(i)*time.Second))
	}
	for i := range 1000 {
		put(fmt.Sprint("r", i), w.word("R"), at.Add(20*time.Minute+time.Duration(i)*time.Second))
	}
}

// kinds counts the requests by what they ask for.
func (w *world) kinds() map[string]int {
	n := map[string]int{}
	for _, r := range w.sim.Requests() {
		switch {
		case r.VideoNo != "":
			n["one"]++
		case len(r.VideoNos) > 0:
			n["set"]++
		case r.Status != "":
			n["status"]++
		case r.Page == 1:
			n["first"]++
		default:
			n["more"]++
		}
	}
	return n
}

func TestVideosInFlightAreAskedForByTheCheapestMeansThatIsHonoured(t *testing.T) {
	for _, c := range []struct {
		name    string
		options simulator.Options
		flight  int
		want    string // the only means used in steady running
		most    int    // requests by it in ten ticks
	}{
		{"an id set where it is honoured", simulator.Options{Form: simulator.Form2026}, 20, "set", 10},
		{"the status for many, since sets are smaller", simulator.Options{Form: simulator.Form2026}, 300, "status", 20},
		{"the status where sets are ignored", simulator.Options{Form: simulator.FormV12}, 20, "status", 10},
		{"one by one where nothing else is honoured", simulator.Options{IgnoredFilters: []string{"video_nos", "status"}}, 5, "one", 50},
		{"a set in halves where it may not be so large", simulator.Options{Form: simulator.Form2026, MaxVideoNos: 30, IgnoredFilters: []string{"status"}}, 60, "set", 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEveryVocabulary(t, c.options, func(w *world) {
				w.with(func(s *poller.Source) { s.SweepInterval = 24 * time.Hour })
				w.big(c.flight)
				w.start()
				w.ticks(10) // what is honoured is found out
				w.sim.ResetRequests()
				w.ticks(10)
				n := w.kinds()
				if n["first"] != 10 || n[c.want] == 0 || n[c.want] > c.most {
					t.Errorf("requests in ten ticks %v, want ten heads and at most %d of %s", n, c.most, c.want)
				}
				for _, kind := range []string{"set", "status", "one"} {
					if kind != c.want && n[kind] > 0 {
						t.Errorf("%d requests of %s in ten ticks", n[kind], kind)
					}
				}
				for i := range c.flight {
					w.is(fmt.Sprintf("p%d:R", i))
				}
				w.ticks(1)
				if got := len(w.log.happened("default", 0)); got != c.flight && c.flight < 60 {
					t.Errorf("%d events one tick after %d were done", got, c.flight)
				}
				w.ticks(3)
				if got := len(w.log.happened("default", 0)); got != c.flight {
					t.Errorf("%d events after %d were done", got, c.flight)
				}
				w.expectReports("all is well")
			})
		})
	}
}

func TestAFilterThatLiesIsGivenUpForADay(t *testing.T) {
	inBubble(t, simulator.Options{IgnoredFilters: []string{"video_nos", "status", "video_no"}}, func(w *world) {
		w.with(func(s *poller.Source) { s.PollInterval, s.MaxInterval = 5*time.Minute, 5*time.Minute })
		w.big(3)
		w.start()
		w.pass(20 * time.Minute)
		w.sim.ResetRequests()
		w.pass(20 * time.Hour)
		if n := w.kinds(); n["set"]+n["status"]+n["one"] != 0 {
			t.Errorf("asked by filters that are ignored: %v", n)
		}
		w.pass(5 * time.Hour)
		if n := w.kinds(); n["set"] == 0 || n["status"] == 0 || n["one"] == 0 || n["set"]+n["status"]+n["one"] > 12 {
			t.Errorf("after a day each is tried again, once: %v", n)
		}
		w.is("p1:R")
		w.pass(40 * time.Minute)
		w.expect("found by the sweep", "done p1")
	})
}

func TestAFilterThatLeavesOutWhatIsThereIsGivenUp(t *testing.T) {
	for _, c := range []struct {
		name   string
		flight int
		hit    func(simulator.Request) bool
		of     string
	}{
		{"by id sets", 20, func(r simulator.Request) bool { return len(r.VideoNos) > 0 }, "video_nos"},
		{"by status", 300, func(r simulator.Request) bool { return r.Status != "" }, "status"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEveryVocabulary(t, simulator.Options{Form: simulator.Form2026}, func(w *world) {
				w.big(c.flight)
				r := w.start()
				w.ticks(2)
				w.fail(simulator.Fault{Kind: simulator.FaultEmpty, Times: -1, Match: c.hit})
				w.is("p7:R")
				w.ticks(20)
				if r.status().Filters[c.of] != poller.FilterIgnored {
					t.Errorf("%s is still believed", c.of)
				}
				w.expect("found all the same", "done p7")
				w.expectReports("all is well")
			})
		})
	}
}

func TestARefusedFilterIsNoTroubleOfTheSource(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{Form: simulator.Form2026}, func(w *world) {
		w.big(20)
		w.start()
		w.ticks(2)
		w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0003", Times: -1, Match: func(r simulator.Request) bool {
			return len(r.VideoNos) > 0 || r.Status != ""
		}})
		w.ticks(12)
		w.is("p7:R", "p8:F")
		w.ticks(2)
		got := w.log.happened("default", 0)
		slices.Sort(got)
		if !slices.Equal(got, []string{"done p7", "failed p8"}) {
			t.Errorf("events %q", got)
		}
		w.expectReports("all is well")
	})
}

func TestWhatIsHonouredIsRememberedThroughARestart(t *testing.T) {
	inBubble(t, simulator.Options{Words: simulator.WordsLegacy(), IgnoredFilters: []string{"video_nos", "status"}}, func(w *world) {
		w.big(3)
		r := w.start()
		w.ticks(3)
		r.kill()
		w.sim.ResetRequests()
		w.start()
		w.ticks(3)
		if n := w.kinds(); n["set"]+n["status"] != 0 || n["one"] < 9 {
			t.Errorf("requests after the restart: %v", n)
		}
	})
}

func TestAListingInAnotherOrderIsSweptWithoutAPause(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{Shuffled: true, Form: simulator.Form2026}, func(w *world) {
		w.rate = 1
		w.with(pageSize(20))
		w.big(5)
		r := w.start()
		if !r.status().NewestFirst {
			t.Error("one page is no proof")
		}
		w.pass(10 * time.Minute)
		if r.status().NewestFirst {
			w.t.Fatal("the order is not noticed")
		}
		w.sim.ResetRequests()
		w.pass(10 * time.Minute)
		if n := w.kinds(); n["first"]+n["more"] < 450 || n["set"] < 20 {
			t.Errorf("requests in ten minutes at one a second: %v", n)
		}
		w.add("new", w.word("P"))
		w.is("p3:R")
		w.pass(2 * time.Minute)
		got := w.log.happened("default", 0)
		slices.Sort(got)
		if !slices.Equal(got, []string{"done p3", "processing new"}) {
			t.Errorf("events %q", got)
		}
		said := slices.DeleteFunc(w.lines(zapcore.WarnLevel), func(line string) bool { return !strings.Contains(line, "newest first") })
		if len(said) != 1 {
			t.Errorf("said %d times", len(said))
		}
		w.expectReports("all is well")
	})
}
