package webhook

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTheCountOfAttemptsSurvivesARestartOfTheEngine(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, status(http.StatusServiceUnavailable))
	endpoints := []Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0,20ms,1s,20ms")}}
	first := e.dispatch(endpoints)
	id := e.append("done", 1)
	eventually(t, "two attempts", func() bool { return in.count(id) == 2 && len(e.messages(e.names.RetryStream(), ">")) == 1 })
	first.stop()
	e.stop()
	e.start()
	e.dispatch(endpoints)
	eventually(t, "the dead letter", func() bool { return len(e.messages(e.names.DeadStream(), ">")) == 1 })
	if in.count(id) != 4 {
		t.Errorf("%d attempts, want 4 in all", in.count(id))
	}
	if gap := in.seen()[2].at.Sub(in.seen()[1].at); gap < 800*time.Millisecond {
		t.Errorf("the third attempt came after %s: the restart cut the wait short", gap)
	}
	if got := e.messages(e.names.DeadStream(), ">")[0].Header.Get(HeaderAttempts); got != "4" {
		t.Errorf("the letter counts %s attempts", got)
	}
}

// After a kill the engine may have forgotten that it handed a message out: it comes back at once, counted as the first time.
func TestADeliveryThatComesBackTooEarlySpendsNoAttempt(t *testing.T) {
	t.Parallel()
	for _, forget := range map[string]func(*engine){
		"its position was rewound": func(e *engine) { e.rewind("a") },
		"the engine was restarted": func(e *engine) { e.stop(); e.start() },
	} {
		keepers(t, func(t *testing.T, e *engine) {
			in := startReceiver(t, status(http.StatusInternalServerError))
			endpoints := []Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0,2s,1h")}}
			noJitter := func(c *Config) { c.Jitter = func() float64 { return .5 } }
			first := e.dispatch(endpoints, noJitter)
			id := e.append("done", 1)
			eventually(t, "the first attempt", func() bool { return len(e.messages(e.names.RetryStream(), ">")) == 1 })
			first.stop()
			forget(e)
			e.dispatch(endpoints, noJitter)
			eventually(t, "the second attempt", func() bool { return in.count(id) == 2 })
			if gap := in.seen()[1].at.Sub(in.seen()[0].at); gap < 2*time.Second {
				t.Errorf("it came after %s, want 2s", gap)
			}
		})
	}
}

func TestAStopHandsBackWhatHasNotStartedAndFinishesWhatHas(t *testing.T) {
	t.Parallel()
	keepers(t, stopInTheMiddle)
}

func stopInTheMiddle(t *testing.T, e *engine) {
	t.Helper()
	release := make(chan struct{})
	in := startReceiver(t, hang(release))
	endpoints := []Endpoint{{Name: "a", URL: in.URL, InFlight: 4}}
	first := e.dispatch(endpoints)
	for i := range 20 {
		e.append("done", i)
	}
	eventually(t, "four under way", func() bool { return len(in.seen()) == 4 })
	f := first.roster().feeds[0]
	eventually(t, "two more are held ready", func() bool { return e.standing("a").open == 6 })
	naks, err := e.conn.SubscribeSync("$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.>")
	must(t, err)
	must(t, e.conn.Flush())
	first.cancel()
	if f.alone {
		eventually(t, "two are handed back", func() bool { return backIn(f.cursor()) == 2 })
	} else {
		for range 2 {
			_, err := naks.NextMsg(patience)
			must(t, err)
		}
	}
	close(release)
	must(t, <-first.ended)
	first.cancel = nil
	if n := len(in.seen()); n != 4 {
		t.Errorf("%d were started", n)
	}
	began := time.Now()
	second := e.dispatch(endpoints)
	eventually(t, "the rest", func() bool { return len(in.seen()) == 20 })
	if took := time.Since(began); took > ackWait/2 {
		t.Errorf("the rest took %s: it was not handed back but timed out", took)
	}
	if got := second.value(t, "vidbell_webhook_attempts_total", "a", "delivered"); got != 16 {
		eventually(t, "16 deliveries", func() bool { return second.value(t, "vidbell_webhook_attempts_total", "a", "delivered") == 16 })
	}
}

// backIn counts what is open and in nobody's hands.
func backIn(c *cursor) (n int) {
	for _, w := range c.open() {
		if !w.due.IsZero() {
			n++
		}
	}
	return n
}

func TestRequestsThatOutlastTheGraceAreBrokenOffAndSpendNoAttempt(t *testing.T) {
	e := startEngine(t)
	release := make(chan struct{})
	in := startReceiver(t, hang(release))
	defer close(release)
	endpoints := []Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0")}} // a counted attempt would be the last
	first := e.dispatch(endpoints, func(c *Config) { c.Grace = 50 * time.Millisecond })
	id := e.append("done", 1)
	eventually(t, "a request", func() bool { return in.count(id) == 1 })
	began := time.Now()
	first.stop()
	if took := time.Since(began); took > patience/4 {
		t.Errorf("stopping took %s", took)
	}
	if n := len(e.messages(e.names.DeadStream(), ">")) + len(e.messages(e.names.RetryStream(), ">")); n != 0 {
		t.Errorf("the stop was counted as a failure: %d records", n)
	}
	in.answers(nil)
	e.dispatch(endpoints)
	eventually(t, "the delivery", func() bool { return in.count(id) == 2 })
}

func TestAnEndpointThatIsGoneIsDisabledAndKeepsItsBacklog(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, status(http.StatusGone))
	endpoints := []Endpoint{{Name: "a", URL: in.URL + "/old", InFlight: 1}}
	first := e.dispatch(endpoints)
	ids := []string{e.append("done", 0)}
	eventually(t, "it is disabled", func() bool { return first.value(t, "vidbell_endpoint_state", "a", string(StateDisabled)) == 1 })
	for i := range 5 {
		ids = append(ids, e.append("done", i+1))
	}
	first.stop()
	if n := len(in.seen()); n != 1 {
		t.Errorf("%d requests, want none after the 410", n)
	}
	if first.logs.FilterMessage("webhook endpoint disabled, its events are kept").Len() != 1 {
		t.Error("nobody was told")
	}

	in.answers(nil)
	second := e.dispatch(endpoints)
	if got := second.value(t, "vidbell_endpoint_state", "a", string(StateDisabled)); got != 1 {
		t.Fatal("a restart enabled it")
	}
	must(t, second.Enable(t.Context(), "a"))
	for i, id := range ids {
		want := 1
		if i == 0 {
			want = 2
		}
		eventually(t, id, func() bool { return in.count(id) == want })
	}
	if err := second.Enable(t.Context(), "b"); err == nil || !strings.Contains(err.Error(), `"b"`) {
		t.Errorf("enabling nobody: %v", err)
	}
	second.stop()
	eventually(t, "nothing is kept", func() bool { return len(e.messages(e.names.RetryStream(), ">")) == 0 })
}

func TestANewURLEnablesAnEndpoint(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, status(http.StatusGone))
	first := e.dispatch([]Endpoint{{Name: "a", URL: in.URL + "/old"}})
	id := e.append("done", 0)
	eventually(t, "it is disabled", func() bool { return len(e.messages(e.names.HealthStream(), e.names.HealthSubject("a"))) == 1 })
	first.stop()
	in.answers(nil)
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL + "/new"}})
	eventually(t, "its backlog", func() bool { return in.count(id) == 2 })
}

func TestAPauseSurvivesARestart(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	endpoints := []Endpoint{{Name: "a", URL: in.URL}}
	first := e.dispatch(endpoints)
	e.append("done", 0)
	eventually(t, "the pause is kept", func() bool { return len(e.messages(e.names.HealthStream(), e.names.HealthSubject("a"))) == 1 })
	asked := in.seen()[0].at
	first.stop()
	in.answers(nil)
	other := e.append("done", 1)
	e.dispatch(endpoints)
	eventually(t, "the other event", func() bool { return in.count(other) == 1 })
	if gap := in.seen()[1].at.Sub(asked); gap < 2*time.Second {
		t.Errorf("it came after %s, want 2s", gap)
	}
}

func TestAPauseAskedForByAClockThatWasAheadIsNoLongerThanAsked(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	endpoints := []Endpoint{{Name: "a", URL: in.URL}}
	first := e.dispatch(endpoints, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(24 * time.Hour) } })
	e.append("done", 0)
	eventually(t, "the pause is kept", func() bool { return len(e.messages(e.names.HealthStream(), e.names.HealthSubject("a"))) == 1 })
	first.stop()
	in.answers(nil)
	other := e.append("done", 1)
	e.dispatch(endpoints)
	eventually(t, "the other event", func() bool { return in.count(other) == 1 })
}

func TestADeletedConsumerIsRevivedAndSkipsNothing(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	e.shared = true
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}})
	before := e.append("done", 0)
	eventually(t, "an event", func() bool { return in.count(before) == 1 })
	must(t, e.js.DeleteConsumer(t.Context(), e.names.Stream(), e.names.Consumer("a")))
	after := e.append("done", 1) // lost, if the consumer began anew
	eventually(t, "the event appended while there was no consumer", func() bool { return in.count(after) >= 1 })
	if r.logs.FilterMessage("webhook consumer was deleted and is created again, some deliveries may be repeated").Len() != 1 {
		t.Error("nobody was told")
	}
}

func TestDeliveryGoesOnWhenTheConnectionToTheEngineBreaks(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL}})
	for i := range 10 {
		must(t, e.conn.ForceReconnect())
		eventually(t, "the connection", e.conn.IsConnected)
		id := e.append("done", i)
		eventually(t, id, func() bool { return in.count(id) == 1 })
	}
}

func TestWhileTheEngineIsAwayRunWaitsAndLosesNothing(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	release := make(chan struct{})
	in := startReceiver(t, hang(release))
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, InFlight: 2}})
	var ids []string
	for i := range 6 {
		ids = append(ids, e.append("done", i))
	}
	eventually(t, "two under way", func() bool { return len(in.seen()) == 2 })
	e.halt()
	eventually(t, "the loss", func() bool { return !e.conn.IsConnected() })
	close(release) // the two end while nobody can be told
	must(t, e.boot())
	eventually(t, "the connection", e.conn.IsConnected)
	ids = append(ids, e.append("done", 6))
	for _, id := range ids {
		eventually(t, id, func() bool { return in.count(id) >= 1 })
	}
	eventually(t, "nothing left to do", func() bool { return e.unanswered("a") == 0 })
	if got := r.value(t, "vidbell_webhook_attempts_total", "a", string(verdictDelivered)); got < 7 {
		t.Errorf("%v deliveries", got)
	}
}

func TestAStopWhileTheEngineIsAwayIsBounded(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}})
	id := e.append("done", 1)
	eventually(t, "a delivery", func() bool { return in.count(id) == 1 })
	e.halt()
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it took %s", took)
	}
}

func TestAnEngineThatHandsOutAgainAtOnceIsNotOverlooked(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	r := e.prepare([]Endpoint{{Name: "a", URL: in.URL}})
	f := r.roster().feeds[0]
	old, again := &delivery{seq: 7}, &delivery{seq: 7}
	f.held[7] = again
	f.release(old)
	if f.held[7] != again {
		t.Error("the answer to the first handing out let go of the second")
	}
	f.release(again)
	if len(f.held) != 0 {
		t.Error("it is still held")
	}
}
