package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"vidbell/notify"
)

// A receiver that nobody can reach for a while, and a schedule that would make its deliveries wait for minutes.
func TestAReceiverThatIsBackHasEverythingWithinSeconds(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, nil)
	url := in.URL
	in.Close()
	r := e.dispatch([]Endpoint{{Name: "a", URL: url}})
	var ids []string
	for i := range 200 {
		ids = append(ids, e.append("done", i))
	}
	eventually(t, "degraded", func() bool { return r.state(t, "a").State == StateDegraded })
	first := in.attempts(r)
	eventually(t, "some probes", func() bool { return in.attempts(r) >= first+5 })
	back, returned := startReceiver(t, nil), time.Now()
	listenOn(t, back, strings.TrimPrefix(url, "http://"))
	for _, id := range ids {
		eventually(t, "delivery of "+id, func() bool { return back.count(id) == 1 })
	}
	if took := time.Since(returned); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
	eventually(t, "active", func() bool { return r.state(t, "a").State == StateActive })
	if n := len(e.messages(e.names.DeadStream(), ">")); n != 0 {
		t.Errorf("%d were given up", n)
	}
}

// attempts counts what the dispatcher tried; the receiver cannot know.
func (r *receiver) attempts(d *running) int {
	return d.logs.FilterMessage("webhook attempt failed").Len()
}

func (r *running) state(t *testing.T, endpoint string) Health {
	t.Helper()
	h, err := r.State(endpoint)
	must(t, err)
	return h
}

func TestAnOpenBreakerLetsOneDeliveryThroughNowAndThen(t *testing.T) {
	e := startEngine(t)
	var now, most atomic.Int64
	in := startReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		w.WriteHeader(http.StatusBadGateway)
	})
	// Two streams, two feeds: one probe between them all the same.
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Events: []string{"*"}, InFlight: 4}})
	for i := range 30 {
		e.append("done", i)
		e.appendOps("source.degraded", fmt.Sprint(i))
	}
	eventually(t, "degraded", func() bool { return r.state(t, "a").State == StateDegraded })
	eventually(t, "nothing under way", func() bool { return r.state(t, "a").InFlight == 0 && now.Load() == 0 })
	if n := len(in.seen()); n > breakerAfter+4 {
		t.Errorf("%d requests before it opened", n)
	}
	most.Store(0)
	before := len(in.seen())
	eventually(t, "five probes", func() bool { return len(in.seen()) >= before+5 })
	if most.Load() != 1 {
		t.Errorf("%d probes at once", most.Load())
	}
	h := r.state(t, "a")
	if h.Cause != CauseFailing || h.Status != http.StatusBadGateway || h.FailuresInRow < breakerAfter || h.FailingSince.IsZero() || h.Since.IsZero() {
		t.Errorf("%+v", h)
	}
}

// The schedule below is used up within a tenth of a second; the outage lasts longer.
func TestNothingIsGivenUpInAnOutage(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, status(http.StatusInternalServerError))
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0,50ms,50ms")}})
	ids := make([]string, 0, 8)
	for i := range cap(ids) {
		ids = append(ids, e.append("done", i))
	}
	eventually(t, "degraded", func() bool { return r.state(t, "a").State == StateDegraded })
	before := len(in.seen())
	eventually(t, "more probes than there are steps", func() bool { return len(in.seen()) >= before+5*3 })
	if n := len(e.messages(e.names.DeadStream(), ">")); n != 0 {
		t.Errorf("%d were given up", n)
	}
	in.answers(nil)
	eventually(t, "recovery", func() bool { return r.state(t, "a").State == StateActive })
	eventually(t, "no record left", func() bool { return len(e.messages(e.names.RetryStream(), ">")) == 0 })
	for _, id := range ids {
		eventually(t, id, func() bool { return in.count(id) >= 1 })
	}
}

func TestAProbeNeverComesBeforeARetryAfter(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	var asked atomic.Int64
	in := startReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		asked.Store(time.Now().UnixNano())
	})
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, InFlight: 8}})
	for i := range 20 {
		e.append("done", i)
	}
	eventually(t, "degraded", func() bool { return r.state(t, "a").State == StateDegraded })
	eventually(t, "nothing under way", func() bool { return r.state(t, "a").InFlight == 0 })
	r.stop() // nor after a restart
	e.dispatch(r.config.Endpoints)
	last := time.Unix(0, asked.Load())
	before := len(in.seen())
	eventually(t, "the probe", func() bool { return len(in.seen()) > before })
	if gap := in.seen()[before].at.Sub(last); gap < 980*time.Millisecond {
		t.Errorf("it came after %s", gap)
	}
}

// told returns the endpoint.* events about an endpoint, as a receiver that asked for them got them.
func told(t *testing.T, in *receiver, endpoint string) (kinds, reasons []string) {
	t.Helper()
	for _, q := range in.seen() {
		var parsed event.Event
		must(t, parsed.UnmarshalJSON(q.body))
		must(t, parsed.Validate())
		var data notify.EndpointData
		must(t, json.Unmarshal(parsed.Data(), &data))
		if data.Endpoint != endpoint || parsed.Subject() != endpoint || parsed.ID() != q.id || data.Since == "" {
			t.Errorf("%s", q.body)
		}
		kinds, reasons = append(kinds, parsed.Type()), append(reasons, data.Reason)
	}
	return kinds, reasons
}

func TestTheHealthOfAnEndpointIsToldToThoseWhoAsk(t *testing.T) {
	e, in, ops := startEngine(t), startReceiver(t, status(http.StatusInternalServerError)), startReceiver(t, nil)
	r := e.dispatch([]Endpoint{
		{Name: "a", URL: in.URL + "/x?token=hidden"},
		{Name: "ops", URL: ops.URL, Events: []string{"endpoint.*"}},
	})
	for i := range 10 {
		e.append("done", i)
	}
	eventually(t, "degraded is told", func() bool { return len(ops.seen()) == 1 })
	in.answers(nil)
	eventually(t, "recovered is told", func() bool { return len(ops.seen()) == 2 })
	in.answers(status(http.StatusGone))
	e.append("done", 10)
	eventually(t, "disabled is told", func() bool { return len(ops.seen()) == 3 })
	in.answers(nil)
	must(t, r.Enable(t.Context(), "a"))
	eventually(t, "recovered is told again", func() bool { return len(ops.seen()) == 4 })
	kinds, reasons := told(t, ops, "a")
	if got := strings.Join(kinds, " "); got != "endpoint.degraded endpoint.recovered endpoint.disabled endpoint.recovered" {
		t.Errorf("%s", got)
	}
	if got := strings.Join(reasons, " "); got != "failing failing gone gone" {
		t.Errorf("%s", got)
	}
	subject := e.names.OpsSubject(notify.TypeEndpointDisabled, "a")
	if len(e.messages(e.names.OpsStream(), subject)) != 1 {
		t.Errorf("nothing under %s", subject)
	}
	r.showsNothingOf(t, "hidden")
}

// What was asked of a receiver before it was enabled, and is answered after that, does not disable it again.
func TestALateAnswerDisablesNobody(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	t.Cleanup(letGo)
	in := startReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Webhook-Id") == "evt_done2" {
			<-release
		}
		w.WriteHeader(http.StatusGone)
	})
	e := startEngine(t)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}})
	slow := e.append("done", 2)
	eventually(t, "it hangs", func() bool { return in.count(slow) == 1 })
	gone := e.append("done", 1)
	eventually(t, "it is disabled", func() bool { return r.state(t, "a").State == StateDisabled })
	must(t, r.Enable(t.Context(), "a"))
	in.answers(nil)
	letGo()
	for _, id := range []string{slow, gone} {
		eventually(t, id, func() bool { return in.count(id) == 2 })
	}
	eventually(t, "nothing is left", func() bool { return r.endpoint("a").Pending == 0 })
	if h := r.state(t, "a"); h.State != StateActive {
		t.Errorf("%+v", h)
	}
}

func TestAnOpenBreakerSurvivesARestart(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]func(*engine){
		"of the process": func(*engine) {},
		"of the engine":  func(e *engine) { e.stop(); e.start() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, in := startEngine(t), startReceiver(t, status(http.StatusBadGateway))
			endpoints := []Endpoint{{Name: "a", URL: in.URL}}
			first := e.dispatch(endpoints)
			var ids []string
			for i := range 20 {
				ids = append(ids, e.append("done", i))
			}
			eventually(t, "degraded", func() bool { return len(e.messages(e.names.HealthStream(), e.names.HealthSubject("a"))) == 1 })
			first.stop()
			restart(e)
			r := e.prepare(endpoints)
			if h := r.state(t, "a"); h.State != StateDegraded || h.Cause != CauseFailing {
				t.Errorf("%+v", h)
			}
			in.answers(nil)
			r.start()
			for _, id := range ids { // without the standard schedule's five minutes
				eventually(t, id, func() bool { return in.count(id) >= 1 })
			}
			eventually(t, "active", func() bool { return r.state(t, "a").State == StateActive })
		})
	}
}

func TestAnEndpointWithoutOneSuccessIsDisabledAndKeepsItsBacklog(t *testing.T) {
	e, in, ops := startEngine(t), startReceiver(t, status(http.StatusBadGateway)), startReceiver(t, nil)
	endpoints := []Endpoint{{Name: "a", URL: in.URL}, {Name: "ops", URL: ops.URL, Events: []string{"endpoint.disabled"}}}
	soon := func(c *Config) { c.timing.giveUp = 300 * time.Millisecond }
	r := e.dispatch(endpoints, soon)
	ids := make([]string, 0, 12)
	for i := range cap(ids) {
		ids = append(ids, e.append("done", i))
	}
	eventually(t, "disabled", func() bool { return r.state(t, "a").State == StateDisabled })
	if h := r.state(t, "a"); h.Cause != CauseNoSuccess || h.FailingSince.IsZero() {
		t.Errorf("%+v", h)
	}
	eventually(t, "it is told", func() bool { return len(ops.seen()) == 1 })
	if _, reasons := told(t, ops, "a"); reasons[0] != string(CauseNoSuccess) {
		t.Errorf("%v", reasons)
	}
	in.answers(nil)
	must(t, r.Enable(t.Context(), "a"))
	for _, id := range ids {
		eventually(t, id, func() bool { return in.count(id) >= 1 })
	}
	eventually(t, "nothing is left", func() bool { return len(e.messages(e.names.RetryStream(), ">")) == 0 })
}

func TestAnOperatorDisablesAndEnables(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	endpoints := []Endpoint{{Name: "a", URL: in.URL}}
	first := e.dispatch(endpoints)
	must(t, first.Disable(t.Context(), "a", "maintenance\x00window"))
	told := len(e.messages(e.names.OpsStream(), ">"))
	must(t, first.Disable(t.Context(), "a", "another maintenance"))
	must(t, first.Disable(t.Context(), "a", "")) // says nothing new
	if n := len(e.messages(e.names.OpsStream(), ">")); n != told {
		t.Errorf("it was told %d times more", n-told)
	}
	ids := []string{e.append("done", 0), e.append("done", 1)}
	first.stop()
	second := e.dispatch(endpoints)
	if h := second.state(t, "a"); h.State != StateDisabled || h.Cause != CauseOperator || h.Detail != "another maintenance" || !h.Next.IsZero() {
		t.Errorf("%+v", h)
	}
	if len(in.seen()) != 0 {
		t.Errorf("%d requests while disabled", len(in.seen()))
	}
	must(t, second.Enable(t.Context(), "a"))
	for _, id := range ids {
		eventually(t, id, func() bool { return in.count(id) == 1 })
	}
	if all := second.States(); len(all) != 1 || all[0].State != StateActive || all[0].Cause != "" {
		t.Errorf("%+v", all)
	}
	for name, err := range map[string]error{
		"enable": second.Enable(t.Context(), "b"), "disable": second.Disable(t.Context(), "b", ""),
		"state": func() error { _, err := second.State("b"); return err }(),
	} {
		if !errors.Is(err, ErrNoEndpoint) {
			t.Errorf("%s nobody: %v", name, err)
		}
	}
}

func TestProcessesThatShareAnEndpointAgreeOnWhetherItIsDisabled(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	e.shared = true
	endpoints := []Endpoint{{Name: "a", URL: in.URL}}
	one, two := e.dispatch(endpoints), e.dispatch(endpoints)
	must(t, one.Disable(t.Context(), "a", "maintenance"))
	two.tend(t.Context())
	if h := two.state(t, "a"); h.State != StateDisabled || h.Detail != "maintenance" {
		t.Errorf("the other one: %+v", h)
	}
	must(t, two.Enable(t.Context(), "a"))
	one.tend(t.Context())
	if h := one.state(t, "a"); h.State != StateActive {
		t.Errorf("the first one: %+v", h)
	}
}

func TestProcessesThatShareAnEndpointTellOfItOnce(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, status(http.StatusBadGateway))
	e.shared = true
	endpoints := []Endpoint{{Name: "a", URL: in.URL}}
	both := []*running{e.dispatch(endpoints), e.dispatch(endpoints)}
	for i := range 60 {
		e.append("done", i)
	}
	for _, r := range both {
		eventually(t, "degraded", func() bool { return r.state(t, "a").State == StateDegraded })
	}
	in.answers(nil)
	for _, r := range both { // one of them may have nothing left to try: then it learns of it
		eventually(t, "active", func() bool { r.tend(t.Context()); return r.state(t, "a").State == StateActive })
	}
	for _, r := range both {
		r.stop()
	}
	s, err := e.js.Stream(t.Context(), e.names.OpsStream())
	must(t, err)
	var told []string
	for seq := range s.CachedInfo().State.LastSeq {
		msg, err := s.GetMsg(t.Context(), seq+1)
		must(t, err)
		told = append(told, string(msg.Data))
	}
	if len(told) != 2 {
		t.Errorf("told %s, want endpoint.degraded and endpoint.recovered", strings.Join(told, "\n"))
	}
}

// What one process writes of an endpoint when another has just written something else: nobody tells twice, and an operator's word
// stands.
func TestProcessesThatShareAnEndpointHeedWhatTheOtherHasWritten(t *testing.T) {
	fail := func(l *lane) {
		for range breakerAfter {
			l.noteFailure(decision{outcome: outcome{class: ClassStatus, status: 502}, record: record{LastAt: time.Now()}})
		}
	}
	mend := func(l *lane) { l.noteSuccess(time.Now()) }
	write := func(l *lane) { l.pause(time.Now().Add(time.Minute), 429, time.Now()) } // whatever it is about
	for name, c := range map[string]struct {
		events int
		state  State
		play   func(t *testing.T, one, two *lane)
	}{
		"told by the other, found out later": {1, StateDegraded, func(t *testing.T, one, two *lane) {
			t.Helper()
			fail(one)
			must(t, two.tend(t.Context()))
			fail(two)
		}},
		"both at once": {2, StateActive, func(_ *testing.T, one, two *lane) {
			fail(one)
			fail(two)
			mend(one)
			mend(two)
		}},
		"written late, when the other has recovered": {2, StateActive, func(_ *testing.T, one, two *lane) {
			fail(one)
			fail(two)
			mend(one)
			write(two)
			mend(two)
		}},
		"failing again after both recovered": {3, StateDegraded, func(t *testing.T, one, two *lane) {
			t.Helper()
			fail(one)
			fail(two)
			mend(one)
			mend(two)
			must(t, one.tend(t.Context()))
			fail(one)
		}},
		"disabled meanwhile": {1, StateDisabled, func(_ *testing.T, one, two *lane) {
			one.disable(CauseOperator, "maintenance", 0, time.Now())
			write(two)
			fail(two)
		}},
		"disabled while failing": {2, StateDisabled, func(_ *testing.T, one, two *lane) {
			fail(two)
			one.disable(CauseOperator, "maintenance", 0, time.Now())
			mend(two)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e := startEngine(t)
			e.shared = true
			endpoints := []Endpoint{{Name: "a", URL: "http://127.0.0.1:1"}}
			one, two := e.prepare(endpoints).roster().lanes[0], e.prepare(endpoints).roster().lanes[0]
			c.play(t, one, two)
			ops, err := e.js.Stream(t.Context(), e.names.OpsStream())
			must(t, err)
			if n := ops.CachedInfo().State.Msgs; n != uint64(c.events) {
				t.Errorf("%d events were told, want %d", n, c.events)
			}
			must(t, one.tend(t.Context()))
			must(t, two.tend(t.Context()))
			h, err := one.records.loadHealth(t.Context(), "a")
			must(t, err)
			if h.State != c.state || c.state == StateDisabled && (one.gate.name(time.Now()) != c.state || two.gate.name(time.Now()) != c.state) {
				t.Errorf("written %s, the gates are %s and %s", h.State, one.gate.name(time.Now()), two.gate.name(time.Now()))
			}
		})
	}
}

// Whoever cannot tell the engine tells it later, and once.
func TestWhatCouldNotBeToldIsToldLater(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}})
	must(t, e.js.DeleteStream(t.Context(), e.names.OpsStream()))
	must(t, r.Disable(t.Context(), "a", "maintenance"))
	must(t, func() error { _, err := e.js.CreateStream(t.Context(), opsStream(e.names)); return err }())
	for range 2 {
		r.tend(t.Context())
	}
	if n := len(e.messages(e.names.OpsStream(), ">")); n != 1 {
		t.Errorf("%d events", n)
	}
	r.stop()
	e.prepare([]Endpoint{{Name: "a", URL: in.URL}})
	if n := len(e.messages(e.names.OpsStream(), ">")); n != 1 {
		t.Errorf("%d events after a restart", n)
	}
}
