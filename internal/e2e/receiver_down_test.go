package e2e

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// A receiver answers 500 for a while, then refuses connections, then is back. The other receiver does not notice; in the
// end both have everything, and each try of an event was the same but for its timestamp.
func TestReceiverDownAndBack(t *testing.T) {
	t.Parallel()
	const (
		outage = 5 * time.Second
		// fresh is how old a timestamp may be: it has whole seconds, and a busy machine takes its time. It must be less than
		// the outage, or a timestamp of the first try would pass.
		fresh = 3 * time.Second
	)
	rng := seeded(t)
	from, sick, healthy := newPlatform(t, newWords(rng), 60, 12), newReceiver(t), newReceiver(t)
	s := deliverTo(from.settings(), sick, healthy).with("DATA_DIR", t.TempDir(), "NATS_LISTEN", "off", "HTTP_LISTEN", freeAddress(t),
		"WEBHOOK_SCHEDULE", "0,100ms,200ms,400ms,800ms,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,2s,2s,2s,5s,5s,5s")
	p := start(t, s)
	p.mustHaveBaseline()
	var down atomic.Int64 // since when, in nanoseconds
	sick.answers(func(arrival) int {
		down.CompareAndSwap(0, time.Now().UnixNano())
		return http.StatusInternalServerError
	})
	end := traffic{platform: from, rng: rng}.begin()
	defer end()
	p.eventually("ten answers 500", func() bool { return len(sick.all()) >= 10 })
	sick.close()
	sick.answers(func(arrival) int { return http.StatusNoContent })
	refused := func() float64 { return p.metric("vidbell_webhook_attempts_total", `="retry"`) }
	before := refused()
	p.eventually("five refused connections", func() bool { return refused() >= before+5 })
	p.eventually("the outage lasted", func() bool { return time.Since(time.Unix(0, down.Load())) > outage })
	end()
	for from.finish(ending(rng)) {
	}
	truth := from.truth()
	p.eventually("the healthy receiver has everything while the other is down", func() bool { return healthy.missing(truth) == 0 })
	if len(sick.taken()) > 0 {
		t.Error("a receiver took something while it was down")
	}
	sick.open()
	back := time.Now()
	settle(t, from, sick, p)
	t.Logf("everything was there %s after the return", time.Since(back).Round(time.Millisecond))
	p.stop()

	js := openData(t, s["DATA_DIR"])
	events, dead := readLog(t, js), readDead(t, js)
	if len(dead) > 0 {
		t.Errorf("%d events were given up within their schedule", len(dead))
	}
	for _, r := range []*receiver{sick, healthy} {
		ledger{from.truth(), events, r.all(), dead}.check(t)
	}
	first, longest := map[string]time.Time{}, time.Duration(0)
	for _, a := range sick.all() {
		if age := a.at.Sub(a.sent); age > fresh || age < -time.Second {
			t.Errorf("webhook-timestamp is %s old", age)
		}
		if _, again := first[a.ID]; !again {
			first[a.ID] = a.at
		}
		longest = max(longest, a.at.Sub(first[a.ID]))
	}
	if longest < fresh {
		t.Errorf("no event was tried again after more than %s: this test shows nothing", longest)
	}
}
