package webhook

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func TestADeliveryIsWhatTheStandardsSay(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	e.dispatch([]Endpoint{{
		Name: "a", URL: strings.Replace(in.URL, "://", "://user:pa%3Ass@", 1) + "/hook?x=y",
		Secrets: []string{secretText(1), secretText(2)},
	}})
	id := e.append("done", 1)
	eventually(t, "the delivery", func() bool { return len(in.seen()) == 1 })
	got := in.seen()[0]

	for _, seed := range []byte{1, 2} {
		official, err := standardwebhooks.NewWebhook(secretText(seed))
		must(t, err)
		if err := official.Verify(got.body, got.header); err != nil {
			t.Errorf("secret %d: %v", seed, err)
		}
	}
	var parsed event.Event
	must(t, parsed.UnmarshalJSON(got.body))
	must(t, parsed.Validate())
	if parsed.ID() != id || parsed.Type() != "video.done" {
		t.Errorf("the event reads %s %s", parsed.ID(), parsed.Type())
	}
	if want := eventBody(id, "video.done", "VI1"); !bytes.Equal(got.body, want) {
		t.Errorf("the body is %s, want %s", got.body, want)
	}
	for key, want := range map[string]string{
		"Webhook-Id": id, "Content-Type": "application/json", "User-Agent": "vidbell/1.2.3", "Accept-Encoding": "identity",
		"Authorization": "Basic dXNlcjpwYTpzcw==",
	} {
		if value := got.header.Get(key); value != want {
			t.Errorf("%s is %q, want %q", key, value, want)
		}
	}
	if len(got.header) != 9 { // the five above, timestamp, signature, traceparent, content length
		t.Errorf("unexpected headers: %v", got.header)
	}
}

func TestWithoutASecretIDAndTimeAreSentAllTheSame(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL}})
	id := e.append("failed", 1)
	eventually(t, "the delivery", func() bool { return len(in.seen()) == 1 })
	h := in.seen()[0].header
	if h.Get("Webhook-Id") != id || h.Get("Webhook-Timestamp") == "" || h.Values("Webhook-Signature") != nil {
		t.Errorf("%v", h)
	}
}

func TestARetryCarriesTheSameBytesAndIDAndAFreshSignature(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	in.answers(func(w http.ResponseWriter, _ *http.Request) {
		if len(in.seen()) < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	var clock atomic.Int64 // so that every attempt has a second of its own
	clock.Store(time.Now().Unix())
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Secrets: []string{secretText(1)}, Schedule: schedule(t, "0,20ms,20ms,20ms")}},
		func(c *Config) { c.Now = func() time.Time { return time.Unix(clock.Add(1), 0) } })
	id := e.append("done", 1)
	eventually(t, "three attempts", func() bool { return len(in.seen()) == 3 })
	official, err := standardwebhooks.NewWebhook(secretText(1))
	must(t, err)
	stamps := make(map[string]bool)
	for i, q := range in.seen() {
		if q.id != id || !bytes.Equal(q.body, in.seen()[0].body) {
			t.Errorf("attempt %d differs: %s %s", i+1, q.id, q.body)
		}
		if err := official.VerifyIgnoringTimestamp(q.body, q.header); err != nil {
			t.Errorf("attempt %d: %v", i+1, err)
		}
		stamps[q.header.Get("Webhook-Timestamp")] = true
	}
	if len(stamps) != 3 {
		t.Errorf("timestamps are %v, want one per attempt", stamps)
	}
	eventually(t, "no record left", func() bool { return len(e.messages(e.names.RetryStream(), ">")) == 0 })
	if n := r.logs.FilterMessage("webhook endpoint answers again").Len(); n != 1 {
		t.Errorf("recovery is logged %d times", n)
	}
}

func TestAReceiverThatIsAwayGetsEverythingWhenItIsBack(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	url := in.URL
	in.Close()
	r := e.dispatch([]Endpoint{{Name: "a", URL: url, Schedule: schedule(t, "0"+strings.Repeat(",50ms", 49))}})
	var ids []string
	for i := range 40 {
		ids = append(ids, e.append("done", i))
	}
	eventually(t, "failures", func() bool { return r.logs.FilterMessage("webhook attempt failed").Len() >= 20 })
	back := startReceiver(t, nil)
	listenOn(t, back, strings.TrimPrefix(url, "http://"))
	for _, id := range ids {
		eventually(t, "delivery of "+id, func() bool { return back.count(id) == 1 })
	}
	eventually(t, "no record left", func() bool { return len(e.messages(e.names.RetryStream(), ">")) == 0 })
	if len(back.seen()) != 40 {
		t.Errorf("%d requests for 40 events", len(back.seen()))
	}
	if warned := r.logs.FilterMessage("webhook attempt failed").FilterLevelExact(1).Len(); warned != 1 {
		t.Errorf("one failure that repeats is logged %d times", warned)
	}
}

// listenOn serves r on an address besides its own.
func listenOn(t testing.TB, r *receiver, address string) {
	t.Helper()
	server := &http.Server{Addr: address, Handler: r, ReadHeaderTimeout: patience}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ListenAndServe() }()
	t.Cleanup(func() { _ = server.Close(); <-done })
}

func TestOnlyTheEventsAskedForAreDelivered(t *testing.T) {
	e := startEngine(t)
	done, video, ops, all := startReceiver(t, nil), startReceiver(t, nil), startReceiver(t, nil), startReceiver(t, nil)
	e.dispatch([]Endpoint{
		{Name: "done", URL: done.URL},
		{Name: "video", URL: video.URL, Events: []string{"video.*"}},
		{Name: "ops", URL: ops.URL, Events: []string{"*.degraded"}},
		{Name: "all", URL: all.URL, Events: []string{"*"}},
	})
	for i, kind := range videoKinds {
		e.append(kind, i)
	}
	for _, kind := range opsTypes {
		e.appendOps(kind, "x")
	}
	for name, c := range map[string]struct {
		in   *receiver
		want int
	}{"the default": {done, 2}, "video.*": {video, 5}, "*.degraded": {ops, 2}, "*": {all, 10}} {
		eventually(t, name, func() bool { return len(c.in.seen()) == c.want })
	}
	e.append("done", 99)
	eventually(t, "another", func() bool { return len(all.seen()) == 11 && len(done.seen()) == 3 && len(video.seen()) == 6 })
	if len(ops.seen()) != 2 {
		t.Errorf("ops got %d", len(ops.seen()))
	}
}

func TestANewEndpointBeginsWithEventsFromNow(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	e.append("done", 1)
	r := e.prepare([]Endpoint{{Name: "a", URL: in.URL}})
	after := e.append("done", 2) // appended after Prepare, before Run
	r.start()
	eventually(t, "the event after Prepare", func() bool { return in.count(after) == 1 })
	if len(in.seen()) != 1 {
		t.Errorf("%d requests", len(in.seen()))
	}
}

func TestAChangedFilterKeepsThePosition(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	first := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Events: []string{"video.done", "source.*"}}})
	before := e.append("done", 1)
	eventually(t, "the first", func() bool { return in.count(before) == 1 })
	first.stop()
	missed, other := e.append("done", 2), e.append("failed", 3)
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Events: []string{"video.*"}}})
	after := e.append("stalled", 4)
	for _, id := range []string{missed, other, after} {
		eventually(t, id, func() bool { return in.count(id) == 1 })
	}
	if in.count(before) != 1 {
		t.Error("the position was lost")
	}
	if _, err := e.js.Consumer(t.Context(), e.names.OpsStream(), e.names.Consumer("a")); err == nil {
		t.Error("the consumer of a stream that is not wanted any more is still there")
	}
}

func TestDeliveriesOfOneEndpointNeverPassItsLimit(t *testing.T) {
	e := startEngine(t)
	var now, most atomic.Int64
	release := make(chan struct{})
	in := startReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		hang(release)(w, r)
	})
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL, InFlight: 3}})
	for i := range 20 {
		e.append("done", i)
	}
	eventually(t, "three under way", func() bool { return now.Load() == 3 })
	close(release)
	eventually(t, "all of them", func() bool { return len(in.seen()) == 20 })
	if most.Load() != 3 {
		t.Errorf("%d at once", most.Load())
	}
}

func TestAHangingEndpointDelaysNobodyElse(t *testing.T) {
	e := startEngine(t)
	release := make(chan struct{})
	var once sync.Once
	open := func() { once.Do(func() { close(release) }) }
	endpoints := make([]Endpoint, 0, 5)
	for i := range 4 {
		hanging := startReceiver(t, hang(release))
		endpoints = append(endpoints, Endpoint{Name: fmt.Sprintf("hanging%d", i), URL: hanging.URL})
	}
	t.Cleanup(open)
	healthy := startReceiver(t, nil)
	endpoints = append(endpoints, Endpoint{Name: "healthy", URL: healthy.URL})
	// Four hanging endpoints could fill the global limit several times over.
	r := e.dispatch(endpoints, func(c *Config) { c.GlobalInFlight = 8; c.Grace = 50 * time.Millisecond })
	for i := range 100 {
		id := e.append("done", i)
		eventually(t, "delivery of "+id+" to the healthy endpoint", func() bool { return healthy.count(id) == 1 })
	}
	open()
	r.stop()
}

func TestASlowReceiverCausesNoSecondAttemptAtOnce(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes longer than the ack wait")
	}
	e := startEngine(t)
	release := make(chan struct{})
	in := startReceiver(t, hang(release))
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL, InFlight: 2, Timeout: 30 * time.Second}})
	ids := make([]string, 0, 4) // two under way, one waiting here, one in the log
	for i := range cap(ids) {
		ids = append(ids, e.append("done", i))
	}
	eventually(t, "two under way", func() bool { return len(in.seen()) == 2 })
	select { // longer than the ack wait by one sign of life: nothing else would show a redelivery
	case <-time.After(ackWait + keepAliveEvery):
	case <-t.Context().Done():
	}
	close(release)
	for _, id := range ids {
		eventually(t, id, func() bool { return in.count(id) == 1 })
	}
	if n := len(in.seen()); n != len(ids) {
		t.Errorf("%d requests for %d events", n, len(ids))
	}
}

func TestRetryAfterHoldsTheWholeEndpoint(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	var asked atomic.Int64 // when the pause was asked for
	release := make(chan struct{})
	in := startReceiver(t, nil)
	in.answers(func(w http.ResponseWriter, r *http.Request) {
		if len(in.seen()) > 2 {
			return
		}
		hang(release)(w, r)
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		asked.Store(time.Now().UnixNano())
	})
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, InFlight: 2, Schedule: schedule(t, "0,10ms,10s")}})
	for i := range 10 {
		e.append("done", i)
	}
	eventually(t, "two under way", func() bool { return len(in.seen()) == 2 }) // and one held ready
	close(release)
	eventually(t, "the state", func() bool { return r.value(t, "vidbell_endpoint_state", "a", string(StatePaused)) == 1 })
	eventually(t, "everything", func() bool { return len(in.seen()) == 12 })
	for _, q := range in.seen()[2:] {
		if early := time.Second - q.at.Sub(time.Unix(0, asked.Load())); early > 20*time.Millisecond {
			t.Errorf("%s came %s too early", q.id, early)
		}
	}
	if got := r.value(t, "vidbell_webhook_attempts_total", "a", "retry"); got != 2 {
		t.Errorf("%v attempts failed: a pause must spend none", got)
	}
	eventually(t, "the state", func() bool { return r.value(t, "vidbell_endpoint_state", "a", string(StateActive)) == 1 })
}

func TestARetryAfterThatIsADateHoldsTheOthers(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", time.Now().UTC().Add(2*time.Second).Format(http.TimeFormat)) // a date has whole seconds
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, InFlight: 1, Schedule: schedule(t, "0,10s")}},
		func(c *Config) { c.Jitter = func() float64 { return 0 } })
	first := e.append("done", 0)
	eventually(t, "a pause", func() bool { return r.state(t, "a").State == StatePaused })
	second := e.append("done", 1)
	eventually(t, "the next request", func() bool { return len(in.seen()) == 2 })
	seen := in.seen()
	if seen[0].id != first || seen[1].id != second {
		t.Errorf("%s came before %s", seen[0].id, seen[1].id)
	}
	if gap := seen[1].at.Sub(seen[0].at); gap < 980*time.Millisecond {
		t.Errorf("it came after %s", gap)
	}
}

func TestWhatFollowsFromAnAttempt(t *testing.T) {
	began := time.Unix(1_000_000, 0)
	at := began
	target, err := compile(Endpoint{Name: "a", URL: "https://host/", Schedule: schedule(t, "0,10s,1m")})
	must(t, err)
	l := &lane{target: target, now: func() time.Time { return at }, jitter: func() float64 { return .5 }, gate: newGate(1, testTiming)}
	answered := func(status int, after time.Duration) outcome {
		return outcome{status: status, class: statusClass(status), retryAfter: after}
	}
	tried := record{Attempts: 2, FirstAt: began.Add(-20 * time.Second), LastAt: began.Add(-10 * time.Second), NextAt: began}
	early := tried
	early.NextAt = began.Add(50 * time.Second)
	for name, c := range map[string]struct {
		past        record
		out         outcome
		probe       bool
		verdict     verdict
		steps, made int
		wait, pause time.Duration
	}{
		"a failure spends a step":                       {record{}, answered(500, 0), false, verdictRetry, 1, 1, 10 * time.Second, 0},
		"the last one is the last":                      {tried, answered(500, 0), false, verdictDead, 3, 3, 0, 0},
		"a probe spends none":                           {tried, answered(500, 0), true, verdictRetry, 2, 3, 0, 0},
		"nor does a first one":                          {record{}, answered(500, 0), true, verdictRetry, 0, 1, 0, 0},
		"a refused probe spends one":                    {record{}, answered(404, 0), true, verdictRetry, 1, 1, 10 * time.Second, 0},
		"an early retry keeps its time":                 {early, answered(500, 0), false, verdictRetry, 2, 3, 50 * time.Second, 0},
		"a final answer to a probe is final":            {tried, answered(501, 0), true, verdictDead, 2, 3, 0, 0},
		"a 410 spends none":                             {tried, answered(410, 0), false, verdictDisable, 2, 3, 0, 0},
		"a delivery changes nothing":                    {tried, answered(204, time.Hour), false, verdictDelivered, 2, 2, 0, 0},
		"a Retry-After is waited for":                   {record{}, answered(429, 30*time.Second), false, verdictRetry, 1, 1, 30 * time.Second, 30 * time.Second},
		"the schedule may be longer":                    {record{}, answered(429, 2*time.Second), false, verdictRetry, 1, 1, 10 * time.Second, 2 * time.Second},
		"it is capped by the window":                    {record{}, answered(429, time.Hour), false, verdictRetry, 1, 1, 84 * time.Second, 84 * time.Second},
		"the last one's is too":                         {tried, answered(429, time.Hour), false, verdictDead, 3, 3, 0, 84 * time.Second},
		"that of a probe is obeyed by all":              {tried, answered(503, 40*time.Second), true, verdictRetry, 2, 3, 0, 40 * time.Second},
		"what we broke off was nothing":                 {tried, outcome{aborted: true}, true, "", 2, 2, 0, 0},
		"a 2xx that broke off in an outage spends none": {tried, outcome{status: 200, class: ClassBody}, true, verdictRetry, 2, 3, 0, 0},
	} {
		next := l.decide(c.past, c.out, c.probe)
		var pause time.Duration
		if !next.pause.IsZero() {
			pause = next.pause.Sub(at)
		}
		if next.verdict != c.verdict || next.record.steps() != c.steps || next.record.Attempts != c.made || next.wait != c.wait || pause != c.pause {
			t.Errorf("%s: %s, %d steps, %d attempts, wait %s, pause %s", name, next.verdict, next.record.steps(), next.record.Attempts, next.wait, pause)
		}
	}

	// The window of a delivery does not run while nobody could have delivered it.
	at = began.Add(24 * time.Hour)
	if next := l.decide(tried, answered(503, time.Minute), true); !next.pause.Equal(at.Add(time.Minute)) {
		t.Errorf("after a day of outage a Retry-After of a minute is obeyed for %s", next.pause.Sub(at))
	}
}

func TestARetryAfterPastTheWindowIsCapped(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", strconv.Itoa(1<<30))
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0,50ms,50ms")}})
	id := e.append("done", 0)
	eventually(t, "the dead letter", func() bool { return len(e.messages(e.names.DeadStream(), ">")) == 1 })
	if in.count(id) != 3 {
		t.Errorf("%d attempts", in.count(id))
	}
}
