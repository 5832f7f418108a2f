package diff

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

const (
	benchVideos = 100_000
	benchPage   = 200 // the platform's largest page
	benchNow    = Time(1_754_037_217_992)
)

// library lists videos as the platform would: settled, but for every thousandth.
func library(n int, at Time) []Observation {
	obs := make([]Observation, n)
	for i := range obs {
		raw := "PARSE"
		if i%1000 == 0 {
			raw = "UNPARSE"
		}
		obs[i] = Observation{
			VideoNo: fmt.Sprintf("VI%018d", 606404158946574336+int64(i)), Name: fmt.Sprintf("video-%d.mp4", i), Raw: raw,
			Duration: 12, Size: 3_284_512, CreatedAt: benchNow - Time(i)*1000, At: at,
		}
	}
	return obs
}

// settledIn returns a state that knows a library, and the library as it is listed again later.
func settledIn(n int) (*State, []Observation) {
	s := NewState("bench", DefaultWords())
	s.Apply(Reconcile(s, Input{Observations: library(n, benchNow), SweepComplete: benchNow}, benchPolicy))
	return s, library(n, benchNow+60_000)
}

var benchPolicy = Policy{StallAfter: time.Hour, Confirm: 15 * time.Second}

func reconcileBy(b *testing.B, s *State, obs []Observation, page int) {
	b.Helper()
	for from := 0; from < len(obs); from += page {
		res := Reconcile(s, Input{Observations: obs[from:min(from+page, len(obs))], Sweep: 2}, benchPolicy)
		if !res.Empty() {
			b.Fatal("unchanged observations changed something")
		}
	}
}

// BenchmarkReconcileUnchanged is the number of the design: 100,000 unchanged observations in under 20 ms. best-ms is the fastest
// time, which says most on a machine that does other things too.
func BenchmarkReconcileUnchanged(b *testing.B) {
	s, obs := settledIn(benchVideos)
	for _, page := range []int{benchPage, benchVideos} {
		b.Run(fmt.Sprintf("page=%d", page), func(b *testing.B) {
			b.ReportAllocs()
			best := time.Hour
			for b.Loop() {
				start := time.Now()
				reconcileBy(b, s, obs, page)
				best = min(best, time.Since(start))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchVideos, "ns/video")
			b.ReportMetric(best.Seconds()*1e3, "best-ms")
		})
	}
}

// BenchmarkReconcileBaseline learns 100,000 videos.
func BenchmarkReconcileBaseline(b *testing.B) {
	obs := library(benchVideos, benchNow)
	for _, page := range []int{benchPage, benchVideos} {
		b.Run(fmt.Sprintf("page=%d", page), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s := NewState("bench", DefaultWords())
				for from := 0; from < len(obs); from += page {
					s.Apply(Reconcile(s, Input{Observations: obs[from:min(from+page, len(obs))], Sweep: 1}, benchPolicy))
				}
				s.Apply(Reconcile(s, Input{SweepComplete: benchNow}, benchPolicy))
				if s.Len() != benchVideos {
					b.Fatal(s.Len())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchVideos, "ns/video")
		})
	}
}

// BenchmarkStateMemory is what a state keeps on the heap for each video, ids and names included.
func BenchmarkStateMemory(b *testing.B) {
	for _, n := range []int{benchVideos, 10 * benchVideos} {
		b.Run(fmt.Sprintf("videos=%d", n), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				s := NewState("bench", DefaultWords())
				for from := 0; from < n; from += benchPage {
					s.Apply(Reconcile(s, Input{Observations: libraryPage(from), Sweep: 1}, benchPolicy))
				}
				s.Apply(Reconcile(s, Input{SweepComplete: benchNow}, benchPolicy))
				b.ReportMetric(float64(heap()-before)/float64(n), "B/video")
				b.ReportMetric(float64(heap()-before)/1e6, "MB")
				runtime.KeepAlive(s)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// libraryPage is a page of observations whose texts were read by themselves.
func libraryPage(from int) []Observation {
	obs := library(benchPage, benchNow)
	for i := range obs {
		obs[i].VideoNo = fmt.Sprintf("VI%018d", 606404158946574336+int64(from+i))
		obs[i].Name = fmt.Sprintf("camera_%07d_2025-08-01T08-33-37_front_door", from+i)
	}
	return obs
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkUnseen is what the end of a sweep costs: nothing where it showed all, one pass where it did not.
func BenchmarkUnseen(b *testing.B) {
	for _, missing := range []int{0, 1} {
		b.Run(fmt.Sprintf("missing=%d", missing), func(b *testing.B) {
			s, obs := settledIn(benchVideos)
			Reconcile(s, Input{Observations: obs[missing:], Sweep: 2}, benchPolicy)
			b.ReportAllocs()
			for b.Loop() {
				if got := len(s.Unseen(2, benchNow+1)); got != missing {
					b.Fatal(got)
				}
			}
		})
	}
}

func TestASweepThatShowedAllCostsNothingToJudge(t *testing.T) {
	s, obs := settledIn(1000)
	Reconcile(s, Input{Observations: obs, Sweep: 2}, benchPolicy)
	if n := testing.AllocsPerRun(5, func() { s.Unseen(2, benchNow+1) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestUnchangedVideosCostNoMemory(t *testing.T) {
	allocs := func(videos int) float64 {
		s, obs := settledIn(videos)
		s.Apply(Reconcile(s, Input{Misses: []Miss{{VideoNo: obs[0].VideoNo, Sweep: 1, At: benchNow + 90_000}}}, benchPolicy)) // and stays missed
		return testing.AllocsPerRun(5, func() { Reconcile(s, Input{Observations: obs, Sweep: 2}, benchPolicy) })
	}
	few, many := allocs(10), allocs(10_000)
	if many > few {
		t.Errorf("10,000 unchanged videos cost %v allocations, 10 cost %v", many, few)
	}
}
