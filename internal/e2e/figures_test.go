package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"vidbell/internal/simulator"
)

// BenchmarkSeenToReceiver is the time from the start of the request that showed a change to the receiver that has verified the
// event, at twenty changes a second: the platform's answer, the decision, the log on disk and the delivery. The disk decides: how
// long it takes to write and sync a kilobyte is measured beside it, after each change. Run it with -benchtime=500x.
func BenchmarkSeenToReceiver(b *testing.B) {
	from, to := newPlatform(b, simulator.WordsPlain(), 200, b.N), newReceiver(b)
	s := deliverTo(from.settings(), to).with("DATA_DIR", b.TempDir(), "NATS_LISTEN", "off", "HTTP_LISTEN", freeAddress(b))
	p := start(b, s)
	p.mustHaveBaseline()
	disk, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	must(b, err)
	defer disk.Close()
	synced := make([]time.Duration, b.N)
	tick := time.NewTicker(time.Second / 20)
	defer tick.Stop()
	b.ResetTimer()
	for i := range b.N {
		<-tick.C
		from.finish(done)
		synced[i] = bareSync(b, disk)
	}
	p.eventually("all events", func() bool { return len(to.taken()) == b.N })
	b.StopTimer()
	took := make([]time.Duration, 0, b.N)
	for _, a := range to.taken() {
		var e struct{ Time time.Time }
		must(b, json.Unmarshal([]byte(a.body), &e))
		took = append(took, a.at.Sub(e.Time))
	}
	reportLatency(b, "", took)
	reportLatency(b, "sync-", synced)
	b.ReportMetric(0, "ns/op")
}

func bareSync(b *testing.B, disk *os.File) time.Duration {
	b.Helper()
	start := time.Now()
	_, err := disk.Write(make([]byte, 1<<10))
	must(b, err)
	must(b, disk.Sync())
	return time.Since(start)
}

func reportLatency(b *testing.B, prefix string, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds()*1e3, prefix+"p50-ms")
	b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, prefix+"p99-ms")
}
