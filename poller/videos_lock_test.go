package poller

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"vidbell/diff"
)

// shelved is a source that knows videos, the first of them in processing.
func shelved(tb testing.TB, videos int) *runner {
	tb.Helper()
	r := &runner{Source: Source{Name: "one"}, state: diff.NewState("one", diff.DefaultWords())}
	for from := 0; from < videos; from += 200 {
		var page []diff.Observation
		for i := from; i < min(from+200, videos); i++ {
			page = append(page, diff.Observation{
				VideoNo: fmt.Sprintf("VI%018d", i), Name: fmt.Sprintf("camera_%07d_front_door", i), Raw: "DONE", CreatedAt: 1, At: diff.Time(1000 + i),
			})
		}
		r.move(diff.Input{Observations: page, Sweep: 1})
	}
	r.move(diff.Input{SweepComplete: 2000, Sweep: 1})
	return r
}

func (r *runner) move(in diff.Input) {
	res := diff.Reconcile(r.state, in, diff.Policy{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Apply(res)
}

// A list is made while the state moves, and lets it move: videos come all the time, and each that was there is listed once.
func TestAListDoesNotStopASource(t *testing.T) {
	t.Parallel()
	const videos = 3*lookedAt + 7
	r := shelved(t, videos)
	stop, moved := make(chan struct{}), 0
	var mover sync.WaitGroup
	mover.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				at := diff.Time(1_000_000 + moved)
				r.move(diff.Input{Observations: []diff.Observation{{VideoNo: fmt.Sprintf("VX%d", moved), Raw: "PARSE", At: at}}, Now: at})
				moved++
			}
		}
	})
	for range 20 {
		best := &latest{}
		r.pick(VideoQuery{Limit: 2 * videos, Raw: "DONE"}, "", 0, best)
		slices.SortFunc(*best, func(a, b Video) int { return a.compare(b.VideoKey) })
		if len(*best) != videos {
			t.Fatalf("%d videos, want %d", len(*best), videos)
		}
		for i, v := range *best {
			if want := fmt.Sprintf("VI%018d", i); v.VideoNo != want {
				t.Fatalf("video %d is %s, want %s", i, v.VideoNo, want)
			}
		}
	}
	close(stop)
	mover.Wait()
	if moved == 0 {
		t.Error("the state did not move")
	}
}

// BenchmarkVideos is what a page of a list costs, and for how long a source that wants to move its state may have to wait.
func BenchmarkVideos(b *testing.B) {
	for _, videos := range []int{100_000, 1_000_000} {
		r := shelved(b, videos)
		for name, c := range map[string]struct {
			q    VideoQuery
			name string
		}{
			"first page":  {q: VideoQuery{Limit: 100}},
			"a late page": {q: VideoQuery{Limit: 100, After: VideoKey{"one", fmt.Sprintf("VI%018d", videos-200)}}},
			"by name":     {q: VideoQuery{Limit: 100}, name: "_0000099_"},
		} {
			b.Run(fmt.Sprintf("videos=%d/%s", videos, name), func(b *testing.B) {
				b.ReportAllocs()
				stop, waits := make(chan struct{}), []time.Duration{0}
				var waiter sync.WaitGroup
				waiter.Go(func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(time.Millisecond):
							begun := time.Now()
							r.mu.Lock()
							waits = append(waits, time.Since(begun))
							r.mu.Unlock()
						}
					}
				})
				for b.Loop() {
					r.pick(c.q, c.name, 0, &latest{})
				}
				close(stop)
				waiter.Wait()
				slices.Sort(waits)
				b.ReportMetric(waits[len(waits)*99/100].Seconds()*1e3, "p99-wait-ms")
				b.ReportMetric(waits[len(waits)-1].Seconds()*1e3, "longest-wait-ms")
			})
		}
	}
}
