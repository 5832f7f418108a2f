package e2e

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"vidbell/internal/simulator"
)

// BenchmarkSeenToReceiver is the time from the start of the request that showed a change to the receiver that has verified the
// event, at twenty changes a second: the platform's answer, the decision, the log on disk and the delivery. Run it with
// -benchtime=500x.
func BenchmarkSeenToReceiver(b *testing.B) {
	from, to := newPlatform(b, simulator.WordsPlain(), 200, b.N), newReceiver(b)
	s := deliverTo(from.settings(), to).with("DATA_DIR", b.TempDir(), "NATS_LISTEN", "off", "HTTP_LISTEN", freeAddress(b))
	p := start(b, s)
	p.mustHaveBaseline()
	tick := time.NewTicker(time.Second / 20)
	defer tick.Stop()
	b.ResetTimer()
	for range b.N {
		<-tick.C
		from.finish(done)
	}
	p.eventually("all events", func() bool { return len(to.taken()) == b.N })
	b.StopTimer()
	took := make([]time.Duration, 0, b.N)
	for _, a := range to.taken() {
		var e struct{ Time time.Time }
		must(b, json.Unmarshal([]byte(a.body), &e))
		took = append(took, a.at.Sub(e.Time))
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds()*1e3, "p50-ms")
	b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "p99-ms")
	b.ReportMetric(0, "ns/op")
}
