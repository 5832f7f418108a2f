package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// grouping is an endpoint whose messages name the events they tell.
func grouping(url string, most int) Endpoint {
	return Endpoint{
		Name: "a", URL: url, Format: FormatTemplate, Timeout: time.Second, GroupWait: 150 * time.Millisecond, GroupMax: most,
		Template: `[{{range $i, $e := .events}}{{if $i}},{{end}}{{json $e.id}}{{end}}]`,
	}
}

// toldIn returns the messages of a receiver by webhook-id, and complains about an event that was told under two of them, or a
// message whose bytes changed.
func toldIn(t *testing.T, in *receiver) (messages map[string][]string, attempts map[string]int) {
	t.Helper()
	messages, attempts = map[string][]string{}, map[string]int{}
	bodies, by := map[string][]byte{}, map[string]string{}
	for _, q := range in.seen() {
		attempts[q.id]++
		if known := bodies[q.id]; known != nil && !bytes.Equal(known, q.body) {
			t.Errorf("%s changed from %s to %s", q.id, known, q.body)
		}
		bodies[q.id] = q.body
		var ids []string
		must(t, json.Unmarshal(q.body, &ids))
		messages[q.id] = ids
		for _, id := range ids {
			if other := by[id]; other != "" && other != q.id {
				t.Errorf("%s was told in %s and in %s", id, other, q.id)
			}
			by[id] = q.id
		}
	}
	return messages, attempts
}

func (e *engine) appendRange(kind string, from, to int) (ids []string) {
	e.tb.Helper()
	for i := from; i < to; i++ {
		id, msg := e.event(kind, i)
		_, err := e.js.PublishMsgAsync(msg)
		must(e.tb, err)
		ids = append(ids, id)
	}
	select {
	case <-e.js.PublishAsyncComplete():
	case <-time.After(patience):
		e.tb.Fatal("the engine does not take the events")
	}
	return ids
}

func TestFiveHundredFailuresAreOneMessage(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Format: FormatSlack, GroupWait: time.Second}})
	e.appendRange("failed", 0, 500)
	eventually(t, "the message", func() bool { return len(in.seen()) > 0 && e.unanswered("a") == 0 })
	if n := len(in.seen()); n != 1 {
		t.Fatalf("%d messages", n)
	}
	q := in.seen()[0]
	if !strings.HasPrefix(q.id, groupPrefix) || !bytes.Contains(q.body, []byte("500 videos failed")) || !bytes.Contains(q.body, []byte("and 490 more")) {
		t.Errorf("%s: %s", q.id, q.body)
	}
}

func TestAGroupTellsItsEventsInTheLogsOrderAndNoMoreThanItMay(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	e.dispatch([]Endpoint{grouping(in.URL, 20)})
	ids := e.appendRange("done", 0, 50)
	eventually(t, "every event", func() bool { return e.unanswered("a") == 0 })
	messages, _ := toldIn(t, in)
	var all []string
	for id, told := range messages {
		if len(told) > 20 || len(told) == 1 && id != told[0] {
			t.Errorf("%s tells %d", id, len(told))
		}
		if !slices.IsSortedFunc(told, func(a, b string) int { return slices.Index(ids, a) - slices.Index(ids, b) }) {
			t.Errorf("out of order: %v", told)
		}
		all = append(all, told...)
	}
	slices.Sort(all)
	slices.Sort(ids)
	if !slices.Equal(all, ids) {
		t.Errorf("told %d of %d: %v", len(all), len(ids), all)
	}
}

func TestAnEventAloneIsToldUnderItsOwnID(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	e.dispatch([]Endpoint{grouping(in.URL, 20)})
	id := e.append("done", 1)
	eventually(t, "the message", func() bool { return in.count(id) == 1 && e.unanswered("a") == 0 })
}

func TestAGroupIsTriedAgainAsOneAndKeepsItsScheduleAcrossARestart(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, status(http.StatusInternalServerError))
	endpoint := grouping(in.URL, 20)
	endpoint.Schedule = schedule(t, "0,300ms,1500ms,1h")
	noJitter := func(c *Config) { c.Jitter = func() float64 { return .5 } }
	first := e.dispatch([]Endpoint{endpoint}, noJitter)
	e.appendRange("done", 0, 8)
	eventually(t, "two attempts", func() bool { return len(in.seen()) == 2 && len(e.messages(e.names.RetryStream(), ">")) == 1 })
	first.stop()
	e.stop()
	e.start()
	in.answers(nil)
	e.dispatch([]Endpoint{endpoint}, noJitter)
	e.appendRange("done", 8, 12)
	eventually(t, "every event", func() bool { return e.unanswered("a") == 0 })
	messages, attempts := toldIn(t, in)
	group := in.seen()[0].id
	if len(messages[group]) != 8 || attempts[group] != 3 {
		t.Errorf("%d events, %d attempts", len(messages[group]), attempts[group])
	}
	var at []time.Time
	for _, q := range in.seen() {
		if q.id == group {
			at = append(at, q.at)
		}
	}
	if gap := at[2].Sub(at[1]); gap < 1400*time.Millisecond {
		t.Errorf("the third attempt came after %s: the restart cut the wait short", gap)
	}
}

func TestALetterForEachEventOfADeadGroupNamesIt(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, status(http.StatusInternalServerError))
	endpoint := grouping(in.URL, 20)
	endpoint.Schedule = schedule(t, "0,20ms,20ms")
	e.dispatch([]Endpoint{endpoint})
	ids := e.appendRange("done", 0, 6)
	eventually(t, "six letters", func() bool { return len(e.messages(e.names.DeadStream(), ">")) == 6 && e.unanswered("a") == 0 })
	_, attempts := toldIn(t, in)
	group := in.seen()[0].id
	if attempts[group] != 3 || len(attempts) != 1 {
		t.Errorf("attempts are %v", attempts)
	}
	for _, letter := range e.messages(e.names.DeadStream(), ">") {
		h := letter.Header
		if h.Get(HeaderGroup) != group || h.Get(HeaderGroupSize) != "6" || h.Get(HeaderAttempts) != "3" || h.Get(HeaderReason) != string(ReasonUsedUp) ||
			!slices.Contains(ids, h.Get(HeaderEventID)) || !bytes.Contains(letter.Data, []byte(h.Get(HeaderEventID))) {
			t.Errorf("a letter says %v %s", h, letter.Data)
		}
	}
}

func TestWhatCannotBeRenderedDoesNotTakeItsGroupAlong(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	e.dispatch([]Endpoint{grouping(in.URL, 20)})
	_, err := e.js.PublishMsg(t.Context(), &nats.Msg{
		Subject: e.names.AppendSubject("done", "default", "VI1"), Header: nats.Header{jetstream.MsgIDHeader: {"evt_x"}, contentTypeHeader: {"application/cloudevents+json"}}, Data: []byte("not JSON"),
	})
	must(t, err)
	e.appendRange("done", 2, 6)
	eventually(t, "all answered for", func() bool { return e.unanswered("a") == 0 })
	letters := e.messages(e.names.DeadStream(), ">")
	if len(letters) != 1 || letters[0].Header.Get(HeaderEventID) != "evt_x" || letters[0].Header.Get(HeaderReason) != string(ReasonRender) {
		t.Errorf("%d letters", len(letters))
	}
	told := 0
	messages, _ := toldIn(t, in)
	for _, ids := range messages {
		told += len(ids)
	}
	if told != 4 {
		t.Errorf("%d events told", told)
	}
}

func TestAStopWhileAGroupCollectsHandsItBack(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	slow := grouping(in.URL, 20)
	slow.GroupWait = time.Minute
	first := e.dispatch([]Endpoint{slow})
	e.appendRange("done", 0, 5)
	eventually(t, "five held", func() bool { return e.standing("a").open == 5 })
	first.stop()
	if len(in.seen()) != 0 || len(e.messages(e.names.RetryStream(), ">")) != 0 {
		t.Errorf("%d requests, %d records", len(in.seen()), len(e.messages(e.names.RetryStream(), ">")))
	}
	e.dispatch([]Endpoint{grouping(in.URL, 20)})
	eventually(t, "every event", func() bool { return e.unanswered("a") == 0 })
	toldIn(t, in)
}

func TestAGroupBrokenOffByOurStopIsSentAgainAsItWas(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	e, in := startEngine(t), startReceiver(t, hang(release))
	first := e.dispatch([]Endpoint{grouping(in.URL, 20)}, func(c *Config) { c.Grace = 10 * time.Millisecond })
	e.appendRange("done", 0, 5)
	eventually(t, "the request", func() bool { return len(in.seen()) == 1 })
	first.stop()
	in.answers(nil)
	start := time.Now()
	e.dispatch([]Endpoint{grouping(in.URL, 20)})
	e.appendRange("done", 5, 9)
	eventually(t, "every event", func() bool { return e.unanswered("a") == 0 })
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("it took %s: the claim was not given up", took)
	}
	if _, attempts := toldIn(t, in); attempts[in.seen()[0].id] != 2 {
		t.Errorf("attempts are %v", attempts)
	}
}

func TestOtherSettingsTakeAGroupApart(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, status(http.StatusInternalServerError))
	endpoint := grouping(in.URL, 20)
	endpoint.Schedule = schedule(t, "0,200ms,200ms,200ms,200ms,1h")
	first := e.dispatch([]Endpoint{endpoint})
	e.appendRange("done", 0, 5)
	eventually(t, "an attempt", func() bool { return len(in.seen()) >= 1 && len(e.messages(e.names.RetryStream(), ">")) == 1 })
	first.stop()
	before := len(in.seen())
	in.answers(nil)
	endpoint.Template = `{"n":{{.count}}}`
	e.dispatch([]Endpoint{endpoint})
	eventually(t, "every event", func() bool { return e.unanswered("a") == 0 })
	for _, q := range in.seen()[before:] {
		if !bytes.HasPrefix(q.body, []byte(`{"n":`)) {
			t.Errorf("%s", q.body)
		}
	}
}

func TestWithoutGroupsNowAGroupFromBeforeIsStillOne(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, status(http.StatusInternalServerError))
	endpoint := grouping(in.URL, 20)
	endpoint.Schedule = schedule(t, "0,300ms,1h")
	first := e.dispatch([]Endpoint{endpoint})
	e.appendRange("done", 0, 5)
	eventually(t, "an attempt", func() bool { return len(in.seen()) == 1 && len(e.messages(e.names.RetryStream(), ">")) == 1 })
	first.stop()
	in.answers(nil)
	endpoint.GroupMax = 1
	e.dispatch([]Endpoint{endpoint})
	id := e.append("done", 9)
	eventually(t, "every event", func() bool { return e.unanswered("a") == 0 })
	messages, _ := toldIn(t, in)
	if len(messages) != 2 || len(messages[id]) != 1 {
		t.Errorf("%v", messages)
	}
}

// Two processes share the events of a group when they come again. One of them sends it.
func TestTwoProcessesSendAGroupOnce(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, nil)
	e.shared = true
	var mu sync.Mutex
	tries := map[string]int{}
	in.answers(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if tries[r.Header.Get("Webhook-Id")]++; tries[r.Header.Get("Webhook-Id")] < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	endpoint := grouping(in.URL, 40)
	endpoint.Schedule = schedule(t, "0,200ms,200ms,200ms,1h")
	noJitter := func(c *Config) { c.Jitter = func() float64 { return .5 } }
	e.dispatch([]Endpoint{endpoint}, noJitter)
	e.dispatch([]Endpoint{endpoint}, noJitter)
	e.appendRange("done", 0, 200)
	eventually(t, "every event", func() bool { return e.unanswered("a") == 0 })
	messages, attempts := toldIn(t, in)
	told := 0
	for id, ids := range messages {
		told += len(ids)
		if attempts[id] != 3 {
			t.Errorf("%s was sent %d times, want 3", id, attempts[id])
		}
	}
	if told != 200 {
		t.Errorf("%d events told", told)
	}
}

// A process killed while a group is being sent sends it again as it was: the same events under the same id, the same bytes.
func TestKilledInTheMiddleAGroupStaysWhatItWas(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the ack wait after each kill")
	}
	t.Parallel()
	var (
		mu     sync.Mutex
		failed = make(map[string]bool)
		taken  = make(map[string]bool)
		hold   atomic.Bool
		held   = make(chan string)
		in     = startReceiver(t, nil)
	)
	in.answers(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("Webhook-Id")
		if hold.CompareAndSwap(true, false) {
			held <- id
			<-r.Context().Done() // the kill
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if strings.HasSuffix(id, "7") && !failed[id] {
			failed[id] = true
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		taken[id] = true
	})
	told := func() int {
		mu.Lock()
		defer mu.Unlock()
		all := make(map[string]bool)
		for _, q := range in.seen() {
			var ids []string
			if json.Unmarshal(q.body, &ids) != nil || !taken[q.id] {
				continue
			}
			for _, id := range ids {
				all[id] = true
			}
		}
		return len(all)
	}
	dir := t.TempDir()
	var broken []string
	for kill := range 2 {
		child := startChild(t, dir, in.URL, childGroups+"=1")
		eventually(t, "progress", func() bool { return told() >= killEvents*(kill+1)/4 })
		hold.Store(true)
		select {
		case id := <-held:
			broken = append(broken, id)
		case <-time.After(patience):
			t.Fatal("no request to break off")
		}
		must(t, child.Process.Kill())
		_ = child.Wait()
	}
	child := startChild(t, dir, in.URL, childGroups+"=1")
	eventually(t, "every event", func() bool { return told() == killEvents })
	must(t, child.Process.Kill())
	_ = child.Wait()
	messages, attempts := toldIn(t, in)
	for _, id := range broken {
		if attempts[id] < 2 {
			t.Errorf("%s was broken off and not sent again", id)
		}
	}
	t.Logf("%d events in %d messages, %d requests", killEvents, len(messages), len(in.seen()))
}

func TestSettingsOfGroupsAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		endpoint Endpoint
		want     string
	}{
		"a chat as it is":             {Endpoint{Format: FormatSlack}, ""},
		"a chat without groups":       {Endpoint{Format: FormatSlack, GroupMax: 1}, ""},
		"a template with groups":      {Endpoint{Format: FormatTemplate, Template: "{}", GroupWait: time.Second}, ""},
		"a wait of nothing":           {Endpoint{Format: FormatSlack, GroupWait: time.Millisecond}, "group_wait 1ms is out of range, use 100ms to 10m0s"},
		"a wait of a day":             {Endpoint{Format: FormatSlack, GroupWait: 24 * time.Hour}, "group_wait 24h0m0s is out of range"},
		"a group of everything":       {Endpoint{Format: FormatSlack, GroupMax: 5000}, "group_max 5000 is out of range, use 2 to 1000"},
		"fewer than none":             {Endpoint{Format: FormatSlack, GroupMax: -1}, "group_max -1 is out of range"},
		"a limit without a wait":      {Endpoint{Format: FormatAlertmanager, GroupMax: 5}, "set group_wait to how long it waits"},
		"groups of what is one event": {Endpoint{GroupWait: time.Second}, "the standard format sends one event a request"},
		"groups of incidents":         {Endpoint{Format: FormatPagerDuty, RoutingKey: strings.Repeat("a", 32), GroupMax: 5}, "the pagerduty format sends one event a request"},
	} {
		c.endpoint.Name, c.endpoint.URL = "a", "https://host/"
		err := ValidateEndpoint(c.endpoint)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for format, want := range map[Format]string{FormatSlack: "10s 500", FormatAlertmanager: "0s 0", FormatStandard: "0s 0"} {
		if e := (Endpoint{Format: format}).WithDefaults(); fmt.Sprint(e.GroupWait, " ", strconv.Itoa(e.GroupMax)) != want {
			t.Errorf("%s: %s %d, want %s", format, e.GroupWait, e.GroupMax, want)
		}
	}
}
