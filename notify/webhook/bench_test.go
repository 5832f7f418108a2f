//go:build unix

package webhook

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// BenchmarkDeliveries measures the whole way from the log to receivers that have answered, delivery log included, against a
// loop that posts the same signed bodies with the same number of requests at once and does nothing else. Both run in the same
// process, with fsync on, turn by turn, so that what else the machine does meets both; ratio is the median of the turns. Run it
// with -benchtime=30000x.
func BenchmarkDeliveries(b *testing.B) {
	for _, endpoints := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("endpoints=%d", endpoints), func(b *testing.B) { benchmarkDeliveries(b, endpoints) })
	}
}

func benchmarkDeliveries(b *testing.B, endpoints int) {
	const inFlight, turns = 16, 5
	sink := startSink(b)
	e := startEngine(b)
	var list []Endpoint
	for i := range endpoints {
		list = append(list, Endpoint{
			Name: fmt.Sprintf("e%d", i), URL: fmt.Sprintf("%s/%d", sink.url, i), InFlight: inFlight, Secrets: []string{secretText(0)},
		})
	}
	b.ReportAllocs()
	events := max(1, b.N/endpoints/turns)
	n := events * endpoints
	var ours, bare, ratios []float64
	var cpu, bareCPU time.Duration
	for turn := range turns {
		r := e.prepare(list, func(c *Config) { c.Logger = nil })
		e.appendMany(b, turn*events, events)
		sink.count.Store(0)
		took, spent := measured(func() { r.start(); sink.wait(int64(n)) })
		r.stop()
		tookBare, spentBare := measured(func() { barePosts(b, sink.url, n, min(inFlight*endpoints, defaultGlobalInFlight)) })
		ours, bare = append(ours, float64(n)/took.Seconds()), append(bare, float64(n)/tookBare.Seconds())
		ratios = append(ratios, tookBare.Seconds()/took.Seconds())
		cpu, bareCPU = cpu+spent, bareCPU+spentBare
	}
	b.ReportMetric(quantile(ours, .5), "deliveries/s")
	b.ReportMetric(quantile(bare, .5), "posts/s")
	b.ReportMetric(quantile(ratios, .5), "ratio")
	b.ReportMetric(cpu.Seconds()*1e3/float64(n*turns), "cpu-ms/delivery")
	b.ReportMetric(bareCPU.Seconds()*1e3/float64(n*turns), "cpu-ms/post")
}

func measured(f func()) (took, cpu time.Duration) {
	start, before := time.Now(), cpuTime()
	f()
	return time.Since(start), cpuTime() - before
}

func quantile[T cmp.Ordered](values []T, q float64) T {
	if len(values) == 0 { // a first run of one
		var none T
		return none
	}
	slices.Sort(values)
	return values[min(len(values)-1, int(q*float64(len(values))))]
}

func (e *engine) appendMany(b *testing.B, first, events int) {
	b.Helper()
	for i := range events {
		_, msg := e.event("done", first+i)
		_, err := e.js.PublishMsgAsync(msg, jetstream.WithStallWait(patience))
		must(b, err)
	}
	select {
	case <-e.js.PublishAsyncComplete():
	case <-time.After(5 * time.Minute):
		b.Fatal("the events were not stored")
	}
}

// sink is a receiver that only counts.
type sink struct {
	url   string
	count atomic.Int64
}

func startSink(b *testing.B) *sink {
	b.Helper()
	s := &sink{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
		s.count.Add(1)
	})}
	go func() { _ = server.Serve(listener) }()
	b.Cleanup(func() { _ = server.Close() })
	s.url = "http://" + listener.Addr().String()
	return s
}

func (s *sink) wait(n int64) {
	for s.count.Load() < n {
		time.Sleep(time.Millisecond)
	}
}

func barePosts(b *testing.B, url string, posts, concurrency int) {
	b.Helper()
	transport := &http.Transport{MaxIdleConns: concurrency, MaxIdleConnsPerHost: concurrency}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: defaultTimeout}
	body := eventBody("evt_bare", "video.done", "VI1")
	work := make(chan struct{}, concurrency)
	var all sync.WaitGroup
	for range concurrency {
		all.Go(func() {
			for range work {
				answer, err := client.Post(url, "application/json", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					continue
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
		})
	}
	for range posts {
		work <- struct{}{}
	}
	close(work)
	all.Wait()
}

// cpuTime is what this process, receiver and engine included, has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReturn measures from the return of a receiver that was away for half a minute, with ten events a second and the
// standard schedule, to its last event. Run it with -benchtime=1x.
func BenchmarkReturn(b *testing.B) {
	for range b.N {
		in := startReceiver(b, nil)
		url := in.URL
		in.Close()
		e := startEngine(b)
		r := e.dispatch([]Endpoint{{Name: "a", URL: url}}, func(c *Config) {
			c.Logger, c.timing = nil, timing{first: probeFirst, most: probeMost, giveUp: giveUpAfter}
		})
		tick := time.NewTicker(100 * time.Millisecond)
		const events = 300
		for i := range events {
			<-tick.C
			e.append("done", i)
		}
		tick.Stop()
		back, returned := startReceiver(b, nil), time.Now()
		listenOn(b, back, strings.TrimPrefix(url, "http://"))
		eventually(b, "everything", func() bool { return len(back.seen()) >= events })
		b.ReportMetric(time.Since(returned).Seconds(), "s-to-last")
		r.stop()
	}
}

// BenchmarkLatency measures from the append of one event, with fsync, to the first byte of its request in the receiver's
// handler, at twenty events a second, against an append and a POST by the same hand, turn by turn. Run it with -benchtime=300x.
func BenchmarkLatency(b *testing.B) {
	arrived := make(chan time.Time, 1)
	in := startReceiver(b, nil)
	in.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived <- time.Now() })
	e, beside := startEngine(b), startEngine(b)
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Secrets: []string{secretText(0)}}}, func(c *Config) { c.Logger = nil })
	tick := time.NewTicker(time.Second / 20)
	defer tick.Stop()
	var took, bare []float64
	for i := range b.N {
		<-tick.C
		start := time.Now()
		e.append("done", i)
		took = append(took, (<-arrived).Sub(start).Seconds()*1e3)
		time.Sleep(5 * time.Millisecond) // the acknowledgement has left
		start = time.Now()
		beside.append("done", i)
		answer, err := http.Post(in.URL, "application/json", bytes.NewReader(eventBody("evt_bare", "video.done", "VI1")))
		must(b, err)
		_ = answer.Body.Close()
		bare = append(bare, (<-arrived).Sub(start).Seconds()*1e3)
	}
	b.ReportMetric(quantile(took, .5), "p50-ms")
	b.ReportMetric(quantile(took, .99), "p99-ms")
	b.ReportMetric(quantile(bare, .5), "bare-p50-ms")
	b.ReportMetric(quantile(bare, .99), "bare-p99-ms")
	b.ReportMetric(quantile(took, .5)/quantile(bare, .5), "p50-ratio")
}

// BenchmarkOneHangs measures the latency of 99 endpoints while a hundredth one hangs against that while it does not, turn by
// turn in one run: five events a second, each to all. Run it with -benchtime=200x.
func BenchmarkOneHangs(b *testing.B) {
	const others, perTurn = 99, 20
	e := startEngine(b)
	var mu sync.Mutex
	var sent sync.Map // event id -> time
	took := map[bool][]float64{}
	hangs := false
	var arrived atomic.Int64
	in := startReceiver(b, nil)
	in.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, _ := sent.Load(r.Header.Get("Webhook-Id"))
		ms := time.Since(start.(time.Time)).Seconds() * 1e3
		mu.Lock()
		took[hangs] = append(took[hangs], ms)
		mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
		arrived.Add(1)
	})
	bad := startReceiver(b, nil)
	list := []Endpoint{{Name: "bad", URL: bad.URL, Timeout: 30 * time.Second}}
	for i := range others {
		list = append(list, Endpoint{Name: fmt.Sprintf("e%d", i), URL: fmt.Sprintf("%s/%d", in.URL, i), Secrets: []string{secretText(0)}})
	}
	r := e.dispatch(list, func(c *Config) { c.Logger = nil })
	tick := time.NewTicker(time.Second / 5)
	defer tick.Stop()
	release := make(chan struct{})
	for i := range b.N {
		if i%perTurn == 0 {
			mu.Lock()
			hangs = !hangs
			mu.Unlock()
			if hangs {
				release = make(chan struct{})
				bad.answers(hang(release))
			} else {
				bad.answers(nil)
				close(release)
			}
			eventually(b, "a calm moment", func() bool { return hangs || r.pendingOf(b, "bad") == 0 })
		}
		<-tick.C
		id := fmt.Sprint("evt_done", i)
		sent.Store(id, time.Now())
		e.append("done", i)
		eventually(b, "all others", func() bool { return arrived.Load() == int64((i+1)*others) })
	}
	if hangs {
		bad.answers(nil)
		close(release)
	}
	b.ReportMetric(quantile(took[false], .5), "p50-ms")
	b.ReportMetric(quantile(took[false], .99), "p99-ms")
	b.ReportMetric(quantile(took[true], .99), "p99-ms-hanging")
	b.ReportMetric(quantile(took[true], .99)/max(quantile(took[false], .99), 1e-9), "p99-ratio")
}

func (r *running) pendingOf(tb testing.TB, name string) uint64 {
	tb.Helper()
	all, err := r.Endpoints(tb.Context())
	must(tb, err)
	i := slices.IndexFunc(all, func(s EndpointState) bool { return s.Name == name })
	return all[i].Pending
}

// BenchmarkBacklog measures what a backlog costs: memory while its receiver hangs, beside that of the engine with the same log
// and nobody who delivers, and the time to drain it when the receiver is back, beside a bare POST loop. Run it with
// -benchtime=100000x.
func BenchmarkBacklog(b *testing.B) {
	e := startEngine(b)
	release := make(chan struct{})
	in := startReceiver(b, nil)
	var count atomic.Int64
	in.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hang(release)(w, r)
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
		count.Add(1)
	})
	r := e.prepare([]Endpoint{{Name: "a", URL: in.URL, Timeout: 30 * time.Second, Secrets: []string{secretText(0)}}}, func(c *Config) { c.Logger = nil })
	e.appendMany(b, 0, b.N)
	idle := heapInUse()
	r.start()
	eventually(b, "requests under way", func() bool { h, err := r.State("a"); return err == nil && h.InFlight >= min(b.N, defaultInFlight) })
	pending := heapInUse()
	back := time.Now()
	close(release)
	for count.Load() < int64(b.N) {
		time.Sleep(time.Millisecond)
	}
	took := time.Since(back)
	r.stop()
	bare, _ := measured(func() { barePosts(b, in.URL, b.N, defaultInFlight) })
	b.ReportMetric((pending-idle)/1e6, "MB-pending")
	b.ReportMetric(idle/1e6, "MB-engine")
	b.ReportMetric(took.Seconds(), "s-to-drain")
	b.ReportMetric(bare.Seconds()/took.Seconds(), "drain-ratio")
}

// BenchmarkWaiting measures what deliveries cost that failed once and wait for their next attempt: memory of process and engine
// in bytes for each. Run it with -benchtime=100000x.
func BenchmarkWaiting(b *testing.B) {
	e := startEngine(b)
	in := startReceiver(b, nil)
	in.Config.Handler = status(http.StatusBadRequest)
	r := e.prepare([]Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(b, "0,24h")}}, func(c *Config) { c.Logger = nil })
	e.appendMany(b, 0, b.N)
	idle := heapInUse()
	r.start()
	records, err := e.js.Stream(b.Context(), e.names.RetryStream())
	must(b, err)
	for {
		info, err := records.Info(b.Context())
		must(b, err)
		if info.State.Msgs >= uint64(b.N) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	waiting := heapInUse()
	b.ReportMetric((waiting-idle)/1e6, "MB-waiting")
	b.ReportMetric((waiting-idle)/float64(b.N), "B/waiting")
	b.ReportMetric(idle/1e6, "MB-engine")
}

// heapInUse is what is in use after a collection.
func heapInUse() float64 {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse)
}
