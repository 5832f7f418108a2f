package poller_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vidbell/internal/simulator"
	"vidbell/poller"
	"vidbell/poller/memories"
)

// figure is what a way of polling costs and how soon it shows a change, in simulated time.
type figure struct {
	perPoll float64 // requests in a poll interval
	late    []time.Duration
}

func (f figure) report(b *testing.B, prefix string) {
	b.ReportMetric(f.perPoll, prefix+"requests/poll")
	if n := len(f.late); n > 0 {
		slices.Sort(f.late)
		b.ReportMetric(f.late[n/2].Seconds(), prefix+"p50-s")
		b.ReportMetric(f.late[min(n-1, n*99/100)].Seconds(), prefix+"p99-s")
	}
}

// bubbled runs a piece of a benchmark in fake time, which only tests can have.
func bubbled(b *testing.B, options simulator.Options, run func(w *world)) {
	b.Helper()
	if !testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "bubble", F: func(t *testing.T) { inBubble(t, options, run) },
	}}) {
		b.Fatal("the bubble failed")
	}
}

// stage is a library in which some videos are in flight, far behind the head, and one moves every few seconds.
type stage struct {
	*world
	random *rand.Rand
	flight []string
	n      int
	moved  map[string]time.Time
}

const (
	figuresFor = 20 * time.Minute
	moveEvery  = 5 * time.Second
)

func newStage(w *world, library, inFlight int) *stage {
	s := &stage{world: w, random: rand.New(rand.NewPCG(1, 2)), moved: make(map[string]time.Time)}
	at := time.Now().Add(-20 * time.Hour)
	for i := range inFlight + int(figuresFor/moveEvery) + 100 { // those that will finish, and those that stay
		no := fmt.Sprint("flight", i)
		raw := w.words.Processing
		if i >= inFlight {
			raw = w.words.Done
		}
		s.sim.Add("default", simulator.Video{No: no, Raw: raw, CreatedAt: at.Add(time.Duration(i) * time.Millisecond)})
		if i < inFlight {
			s.flight = append(s.flight, no)
		}
	}
	s.sim.Fill("default", library)
	for i := range 1000 {
		s.sim.Add("default", simulator.Video{Raw: w.words.Done, CreatedAt: at.Add(time.Hour + time.Duration(i)*time.Second)})
	}
	return s
}

// move lets one video finish, or come and go where none is in flight, and another take its place.
func (s *stage) move() {
	s.n++
	if len(s.flight) == 0 {
		no := fmt.Sprint("new", s.n)
		s.moved[no] = time.Now()
		s.sim.Add("default", simulator.Video{No: no, Raw: s.words.Done})
		return
	}
	i := s.random.IntN(len(s.flight))
	no := s.flight[i]
	s.moved[no] = time.Now()
	s.is(no + ":R")
	s.flight[i] = fmt.Sprint("new", s.n)
	s.sim.Add("default", simulator.Video{No: s.flight[i], Raw: s.words.Processing})
}

// live lets videos move while somebody polls.
func (s *stage) live() {
	for range int(figuresFor / moveEvery) {
		s.pass(time.Duration(s.random.Int64N(int64(2 * moveEvery))))
		s.move()
	}
}

// ours is vidbell at a rate.
func (s *stage) ours(rate float64) figure {
	s.rate = rate
	s.start()
	s.pass(20*time.Minute + 5*time.Second) // the baseline, and time to find out what is honoured
	s.sim.ResetRequests()
	began := time.Now()
	s.live()
	f := figure{perPoll: float64(s.sim.Counts().Total) / time.Since(began).Seconds() * tick.Seconds()}
	s.pass(time.Minute)
	for _, e := range s.log.all() {
		if at, ok := s.moved[e.change.VideoNo]; ok && e.change.Record.Status.Settled() {
			f.late = append(f.late, e.at.Sub(at))
		}
	}
	return f
}

// plain is a loop that reads all pages, as often as the rate allows but not more than once a poll interval.
func (s *stage) plain(rate float64) figure {
	client, err := memories.New(memories.Config{BaseURL: "http://platform", APIKey: key, Transport: s.sim.RoundTripper()})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(s.t.Context())
	account, seen := poller.NewAccount(rate), make(map[string]time.Time)
	done := make(chan int)
	go func() {
		polls := 0
		defer func() { done <- polls }()
		for ctx.Err() == nil {
			next := time.Now().Add(tick)
			s.walk(ctx, client, account, seen)
			polls++
			select {
			case <-ctx.Done():
			case <-time.After(time.Until(next)):
			}
		}
	}()
	s.live()
	s.pass(20 * time.Minute)
	stop()
	polls := <-done
	f := figure{perPoll: float64(s.sim.Counts().Total) / float64(polls)}
	for no, at := range s.moved {
		if when, ok := seen[no]; ok {
			f.late = append(f.late, when.Sub(at))
		}
	}
	return f
}

func (s *stage) walk(ctx context.Context, client *memories.Client, account *poller.Account, seen map[string]time.Time) {
	for n := 1; account.Wait(ctx, poller.UrgentHead) == nil; n++ {
		page, err := client.List(ctx, memories.Query{UniqueID: "default", Page: n, Size: 200})
		if err != nil || len(page.Videos) == 0 {
			return
		}
		for _, v := range page.Videos {
			if _, ok := seen[v.VideoNo]; !ok && v.RawStatus == s.words.Done {
				seen[v.VideoNo] = time.Now()
			}
		}
	}
}

// BenchmarkPolling shows requests per poll and the time from a change to its event, at the defaults (one request a second) and at
// five a second, against a plain walk through all pages at the same rate.
func BenchmarkPolling(b *testing.B) {
	for _, library := range []int{100, 10_000, 100_000} {
		for _, inFlight := range []int{0, 20, 500} {
			for _, rate := range []float64{1, 5} {
				b.Run(fmt.Sprintf("library=%d/in_flight=%d/rate=%v", library, inFlight, rate), func(b *testing.B) {
					for b.Loop() {
						benchmarkPolling(b, library, inFlight, rate)
					}
				})
			}
		}
	}
}

func benchmarkPolling(b *testing.B, library, inFlight int, rate float64) {
	options := simulator.Options{Words: simulator.WordsLegacy(), Form: simulator.Form2026}
	var ours, plain figure
	bubbled(b, options, func(w *world) { ours = newStage(w, library, inFlight).ours(rate) })
	bubbled(b, options, func(w *world) { plain = newStage(w, library, inFlight).plain(rate) })
	ours.report(b, "")
	plain.report(b, "plain-")
	b.ReportMetric(plain.perPoll/ours.perPoll, "requests-ratio")
	b.ReportMetric(0, "ns/op") // simulated time is what counts
}
