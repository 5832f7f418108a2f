package simulator_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vidbell/internal/simulator"
)

const library = 100_000

func benchmarkRequest(b *testing.B, body func(i int, nos []string) string, change options) {
	opts := simulator.Options{Keys: []string{key}, RequestLog: 1000}
	if change != nil {
		change(&opts)
	}
	sim, err := simulator.New(opts)
	if err != nil {
		b.Fatal(err)
	}
	nos := sim.Fill("default", library)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		req := httptest.NewRequest(http.MethodPost, simulator.ListPath, strings.NewReader(body(i, nos)))
		req.Header.Set("Authorization", key)
		sim.ServeHTTP(httptest.NewRecorder(), req)
	}
}

func BenchmarkRequestsToALibraryOf100000(b *testing.B) {
	for _, c := range []struct {
		name   string
		body   func(i int, nos []string) string
		change options
	}{
		{"a page of 200", func(i int, _ []string) string { return fmt.Sprintf(`{"page":%d,"size":200}`, 1+i%500) }, nil},
		{"a page of 200, shuffled", func(i int, _ []string) string { return fmt.Sprintf(`{"page":%d,"size":200}`, 1+i%500) }, func(o *simulator.Options) { o.Shuffled = true }},
		{"one id", func(i int, nos []string) string { return `{"video_no":"` + nos[i%library] + `"}` }, nil},
		{"twenty ids", func(i int, nos []string) string {
			return `{"video_nos":["` + strings.Join(nos[i%(library-20):][:20], `","`) + `"]}`
		}, func(o *simulator.Options) { o.Form = simulator.Form2026 }},
		{"a status", func(int, []string) string { return `{"status":"UNPARSE"}` }, nil},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkRequest(b, c.body, c.change) })
	}
}

func BenchmarkFillALibraryOf100000(b *testing.B) {
	for b.Loop() {
		sim, err := simulator.New(simulator.Options{Keys: []string{key}})
		if err != nil {
			b.Fatal(err)
		}
		sim.Fill("default", library)
	}
}

func BenchmarkAddWithALifeToALibraryOf100000(b *testing.B) {
	sim, err := simulator.New(simulator.Options{Keys: []string{key}})
	if err != nil {
		b.Fatal(err)
	}
	sim.Fill("default", library)
	life := []simulator.Step{{After: time.Hour, Raw: "PARSE"}}
	b.ReportAllocs()
	for b.Loop() {
		sim.Add("default", simulator.Video{Life: life})
	}
}

func TestAWholeWalkSeesEveryVideoOfABigLibraryOnce(t *testing.T) {
	sim, url := serve(t, nil)
	sim.Fill("default", 10_050)
	seen := map[string]bool{}
	for p := 1; ; p++ {
		nos := ask(t, url, fmt.Sprintf(`{"page":%d,"size":200}`, p)).nos()
		if len(nos) == 0 {
			break
		}
		for _, no := range nos {
			seen[no] = true
		}
	}
	equal(t, "videos seen", len(seen), 10_050)
	equal(t, "requests", sim.Counts().Total, 52)
}

func TestEverythingMayBeDoneAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, func(o *simulator.Options) { o.QuotaPerSecond = 50 })
		sim.OnServe(func(r simulator.Request) { sim.Set(r.Namespace, "VI1", "PARSE", "") })
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for i := range 50 {
					no := sim.Add("default", simulator.Video{Life: []simulator.Step{{After: second, Raw: "PARSE"}}})
					_ = sim.Fail(simulator.Fault{Kind: simulator.FaultStale, Age: second})
					if _, _, err := roundTrip(t.Context(), sim, `{}`); err != nil {
						t.Error(err)
					}
					if i%3 == 0 {
						sim.Delete("default", no)
					}
					sim.SetLife("default", no, simulator.Step{Delete: i%2 == 0})
					_, _, _, _ = sim.List("default"), sim.Requests(), sim.Faults(), sim.Namespaces()
					time.Sleep(second / 10)
				}
			})
		}
		all.Wait()
		equal(t, "requests", sim.Counts().Total, 400)
	})
}
