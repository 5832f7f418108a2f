//go:build unix

package webhook

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// BenchmarkDeliveries measures the whole way from the log to receivers that have answered, against a loop that posts the same
// bodies with the same number of requests at once and does nothing else: no log, no signature, no acknowledgement. Both run in the
// same process, with fsync on, in turns, so that what else the machine does hits both. ratio and cpu-ms/op are the figures to look
// at. The processor time includes that of the receiver and of the engine. Run it with -benchtime=20000x.
func BenchmarkDeliveries(b *testing.B) {
	for _, endpoints := range []int{1, 10} {
		b.Run(fmt.Sprintf("endpoints=%d", endpoints), func(b *testing.B) { benchmarkDeliveries(b, endpoints) })
	}
}

// spent is what a number of requests cost.
type spent struct{ wall, cpu time.Duration }

func (s *spent) on(work func()) {
	cpu, start := cpuTime(), time.Now()
	work()
	s.wall, s.cpu = s.wall+time.Since(start), s.cpu+cpuTime()-cpu
}

func benchmarkDeliveries(b *testing.B, endpoints int) {
	const (
		inFlight = 16
		perTurn  = 2000
	)
	sink := startSink(b)
	e := startEngine(b)
	var list []Endpoint
	for i := range endpoints {
		list = append(list, Endpoint{
			Name: fmt.Sprintf("e%d", i), URL: fmt.Sprintf("%s/%d", sink.url, i), InFlight: inFlight, Secrets: []string{secretText(0)},
		})
	}
	b.ReportAllocs()
	var ours, bare spent
	deliveries, appended := 0, 0
	for deliveries < b.N {
		b.StopTimer()
		r := e.prepare(list, func(c *Config) { c.Logger = nil })
		events := (min(perTurn, b.N-deliveries) + endpoints - 1) / endpoints
		e.appendMany(b, appended, events)
		appended += events
		n := events * endpoints
		deliveries += n
		sink.count.Store(0)
		b.StartTimer()
		ours.on(func() {
			r.start()
			sink.wait(int64(n))
		})
		b.StopTimer()
		r.stop()
		bare.on(func() { barePosts(b, sink.url, n, min(inFlight*endpoints, defaultGlobalInFlight)) })
	}
	n := float64(deliveries)
	b.ReportMetric(n/ours.wall.Seconds(), "deliveries/s")
	b.ReportMetric(n/bare.wall.Seconds(), "posts/s")
	b.ReportMetric(bare.wall.Seconds()/ours.wall.Seconds(), "ratio")
	b.ReportMetric(ours.cpu.Seconds()*1e3/n, "cpu-ms/op")
	b.ReportMetric(bare.cpu.Seconds()*1e3/n, "bare-cpu-ms/op")
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

// BenchmarkLatency measures from the append of one event, with fsync, to the receiver's handler, at twenty events a second.
// Run it with -benchtime=200x.
func BenchmarkLatency(b *testing.B) {
	arrived := make(chan time.Time, 1)
	in := startReceiver(b, func(http.ResponseWriter, *http.Request) { arrived <- time.Now() })
	e := startEngine(b)
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Secrets: []string{secretText(0)}}}, func(c *Config) { c.Logger = nil })
	tick := time.NewTicker(time.Second / 20)
	defer tick.Stop()
	took := make([]time.Duration, 0, b.N)
	for i := range b.N {
		<-tick.C
		start := time.Now()
		e.append("done", i)
		took = append(took, (<-arrived).Sub(start))
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds()*1e3, "p50-ms")
	b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "p99-ms")
}
