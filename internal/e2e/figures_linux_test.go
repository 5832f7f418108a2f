package e2e

import (
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vidbell/diff"
	"vidbell/internal/engine"
	"vidbell/internal/simulator"
	"vidbell/notify"
)

// library is what a log holds before the binary starts on it, and what the platform lists.
type library struct {
	videos int
	events bool // each video has an event of its own; else they stand in the pages of the baseline
}

// libraries are the sizes that the goals speak of.
var libraries = []library{{}, {videos: 100_000}, {videos: 100_000, events: true}, {videos: 1_000_000}}

func (l library) String() string {
	kept := "pages"
	if l.events {
		kept = "events"
	}
	return fmt.Sprintf("videos=%d/kept=%s", l.videos, kept)
}

// filled is a platform and a data directory that know the same videos, and the settings for a process between them.
func (l library) filled(b *testing.B) settings {
	b.Helper()
	sim, err := simulator.New(simulator.Options{
		Keys: []string{apiKey}, Words: simulator.WordsPlain(), Form: simulator.Form2026, RequestLog: 1,
	})
	must(b, err)
	sim.Fill(namespace, l.videos)
	server := httptest.NewServer(sim)
	b.Cleanup(server.Close)
	dir := b.TempDir()
	l.write(b, dir, sim.List(namespace))
	return settings{
		"API_URL": server.URL, "API_KEY": apiKey, "DATA_DIR": dir, "NATS_LISTEN": "off", "LOG_FORMAT": "json",
		"RATE_LIMIT": "100", "POLL_INTERVAL": "1s", "POLL_MAX_INTERVAL": "1s", "SWEEP_INTERVAL": "1s",
	}
}

// write makes the log as the service would have.
func (l library) write(b *testing.B, dir string, videos []simulator.Video) {
	b.Helper()
	e, err := engine.Start(engine.Config{DataDir: dir})
	must(b, err)
	defer e.Close()
	log, err := notify.OpenLog(b.Context(), notify.LogConfig{JetStream: e.JetStream})
	must(b, err)
	now := diff.TimeOf(time.Now())
	state, page := diff.NewState(namespace, diff.DefaultWords()), 200
	see := func(in diff.Input) {
		res := diff.Reconcile(state, in, diff.Policy{})
		must(b, log.Append(b.Context(), namespace, res))
		state.Apply(res)
	}
	if l.events {
		page = 1000
		see(diff.Input{Observations: sighted(videos[:1], now), SweepComplete: now}) // whatever comes now is news
		videos = videos[1:]
	}
	for part := range slices.Chunk(videos, page) {
		see(diff.Input{Observations: sighted(part, now+1)})
	}
	if !l.events && l.videos > 0 {
		see(diff.Input{SweepComplete: now})
	}
}

func sighted(videos []simulator.Video, at diff.Time) []diff.Observation {
	seen := make([]diff.Observation, len(videos))
	for i, v := range videos {
		seen[i] = diff.Observation{
			VideoNo: v.No, Name: v.Name, Raw: v.Raw, Cause: v.Cause, Duration: v.DurationS, Size: v.Size,
			CreatedAt: diff.TimeOf(v.CreatedAt), At: at,
		}
	}
	return seen
}

// begin starts the binary, and returns when it says that it is ready and how long that took.
func begin(b *testing.B, s settings) (*process, time.Duration) {
	b.Helper()
	const step = 2 * time.Millisecond
	began := time.Now()
	p := start(b, s.with("HTTP_LISTEN", freeAddress(b)))
	for !p.ready() {
		if !p.running() || time.Since(began) > 2*time.Minute {
			b.Fatalf("not ready:\n%s", p.stderr.tail())
		}
		time.Sleep(step)
	}
	return p, time.Since(began)
}

// BenchmarkStart is the time from the start of the binary to the moment it says that it is ready, on logs of several sizes that
// are in the system's file cache, and the least processor time that it took. Run it with -benchtime=5x.
func BenchmarkStart(b *testing.B) {
	_, err := built()
	must(b, err)
	for _, l := range libraries {
		b.Run(l.String(), func(b *testing.B) {
			s := l.filled(b)
			best, least := time.Hour, time.Hour
			var sum time.Duration
			for b.Loop() {
				p, took := begin(b, s)
				best, sum, least = min(best, took), sum+took, min(least, p.used(b))
				p.stop()
			}
			b.ReportMetric(sum.Seconds()/float64(b.N), "s-to-ready")
			b.ReportMetric(best.Seconds(), "best-s-to-ready")
			b.ReportMetric(least.Seconds(), "cpu-s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkMemory is what the whole process keeps resident: when it is ready, after a walk through the whole library that follows,
// and at most since it began. The walk through a million takes more than three minutes. Run it with -benchtime=1x.
func BenchmarkMemory(b *testing.B) {
	_, err := built()
	must(b, err)
	for _, l := range libraries {
		b.Run(l.String(), func(b *testing.B) {
			s := l.filled(b)
			for b.Loop() {
				p, _ := begin(b, s)
				ready := p.resident(b, "VmRSS")
				began := time.Now()
				p.mustSweep(b)
				time.Sleep(time.Until(began.Add(l.settles())))
				if known := p.metric("vidbell_videos"); int(known) != l.videos {
					b.Fatalf("%v videos are known", known)
				}
				b.ReportMetric(ready, "MB-ready")
				b.ReportMetric(p.resident(b, "VmRSS"), "MB-after-sweep")
				b.ReportMetric(p.resident(b, "VmHWM"), "MB-peak")
				b.ReportMetric(p.metric("go_memstats_heap_alloc_bytes")/1e6, "MB-heap")
				p.stop()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// settles is how long after a start nothing is kept any more but what stays: of what was read of the log, for seconds, and of the
// ids of the last two minutes' events, which is all of them in a log that was just written and few in any other.
func (l library) settles() time.Duration {
	if l.events {
		return 150 * time.Second
	}
	return 20 * time.Second
}

// mustSweep waits for a complete walk through the library.
func (p *process) mustSweep(b *testing.B) {
	b.Helper()
	const longest = 10 * time.Minute // a million videos at a quarter of a hundred requests a second take 200 s
	err := wait(longest, func() bool {
		time.Sleep(time.Second)
		return !p.running() || p.metric("vidbell_sweeps_total", `outcome="complete"`) > 0
	})
	if err != nil || !p.running() {
		b.Fatalf("no complete sweep: %v\n%s", err, p.stderr.tail())
	}
}

// used is the processor time of the process so far.
func (p *process) used(b *testing.B) time.Duration {
	b.Helper()
	const perSecond = 100 // USER_HZ, which every Linux that we know has
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	must(b, err)
	_, rest, _ := strings.Cut(string(text), ") ") // past the name, which may hold anything
	fields := strings.Fields(rest)
	var ticks int
	for _, text := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(text)
		must(b, err)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / perSecond
}

// resident reads a line of what the system knows of the process's memory, in megabytes.
func (p *process) resident(b *testing.B, name string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	must(b, err)
	_, rest, _ := strings.Cut(string(text), name+":")
	value, _, _ := strings.Cut(strings.TrimSpace(rest), " kB")
	kilobytes, err := strconv.Atoi(value)
	must(b, err)
	return float64(kilobytes) * 1024 / 1e6
}
