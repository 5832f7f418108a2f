package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"vidbell/internal/web"
	"vidbell/notify/webhook"
)

// hostile is what somebody outside could have a terminal do.
const hostile = "\x1b]0;x\x07\u202egnp\u2028\U000E0041"

// command runs one and returns what it printed, its error included.
func command(run func(out io.Writer) error) (said string, code int) {
	var out bytes.Buffer
	err := run(&out)
	if err != nil {
		out.WriteString(err.Error())
	}
	return out.String(), ExitCode(err)
}

// mustSay compares what was printed line by line; runs of spaces count as one.
func mustSay(t *testing.T, said string, want ...string) {
	t.Helper()
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(said), "\n") {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("says\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	mustBeHarmless(t, said)
}

func mustBeHarmless(t *testing.T, said string) {
	t.Helper()
	if i := strings.IndexFunc(said, func(r rune) bool { return r != '\n' && obeyed(r) }); i >= 0 {
		t.Errorf("a terminal obeys what is printed: %q", said[i:])
	}
}

func mustContain(t *testing.T, said string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("%q is not in\n%s", text, said)
		}
	}
}

func TestEndpointsCommand(t *testing.T) {
	now := time.Now()
	f := &fakeDispatcher{endpoints: []webhook.EndpointState{
		{
			Name: "ops", Format: "standard", Health: webhook.Health{State: webhook.StateDisabled}, Reason: "gone", Detail: "it answered 410" + hostile,
			Since: now, Pending: 5, Queued: 2, OldestPending: now.Add(-2 * time.Hour), LastSuccess: now.Add(-3 * time.Hour),
			LastFailure: now.Add(-2 * time.Hour), LastClass: "status", LastStatus: 410, DeadLetters: 1,
		},
		{Name: "chat", Format: "slack", Health: webhook.Health{State: webhook.StateActive}, InFlight: 1},
	}}
	serveDispatcher(t, f)
	said, code := command(func(out io.Writer) error { return Endpoints(t.Context(), out, false) })
	if code != ExitOK {
		t.Errorf("code %d", code)
	}
	mustSay(t, said,
		"ENDPOINT FORMAT PENDING OLDEST IN FLIGHT LAST SUCCESS LAST FAILURE DEAD STATE",
		"ops standard 7 2h0m0s 0 3h0m0s ago 410 2h0m0s ago 1 disabled: gone",
		"chat slack 0 - 1 never never 0 active",
		"",
		"ops is disabled: it answered 410\uFFFD]0;x\uFFFD\uFFFDgnp\uFFFD\uFFFD",
		"Its deliveries are kept. When it is right again: vidbell endpoints enable ops",
		"",
		"ops has 1 dead letter: vidbell dead-letters --endpoint ops")
	said, _ = command(func(out io.Writer) error { return Endpoints(t.Context(), out, true) })
	mustBeHarmless(t, said)
	var list web.EndpointList
	must(t, json.Unmarshal([]byte(said), &list))
	if len(list.Endpoints) != 2 || list.Endpoints[0].Detail != "it answered 410"+hostile {
		t.Errorf("prints %s", said)
	}
	f.endpoints = nil
	said, _ = command(func(out io.Writer) error { return Endpoints(t.Context(), out, false) })
	mustSay(t, said, "no endpoints: set VIDBELL_WEBHOOK_URL for the service")
}

func TestEndpointChangeCommand(t *testing.T) {
	for _, tc := range []struct {
		sentence string
		o        EndpointChange
		code     int
		asked    string
		says     string
	}{
		{"enable", EndpointChange{Name: "ops", Enable: true}, ExitOK, "enable ops", "enabled: ops, what waited for it is sent now\n"},
		{
			"disable with a reason",
			EndpointChange{Name: "ops", Reason: "it moves"},
			ExitOK, "disable ops: it moves",
			"disabled: ops gets nothing until \"vidbell endpoints enable\", its deliveries are kept\n",
		},
		{"for programs", EndpointChange{Name: "ops", JSON: true}, ExitOK, "disable ops: ", "{\n  \"endpoint\": \"ops\",\n  \"enabled\": false\n}\n"},
		{"nobody has that name", EndpointChange{Name: "opps"}, ExitUsage, "disable opps: ", `no endpoint is named "opps"; there is ops, chat`},
		{"a name that is a path", EndpointChange{Name: "../ops/x", Enable: true}, ExitUsage, "enable ../ops/x", `no endpoint is named "../ops/x"; there is ops, chat`},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			f := &fakeDispatcher{endpoints: []webhook.EndpointState{{Name: "ops"}, {Name: "chat"}}}
			serveDispatcher(t, f)
			said, code := command(func(out io.Writer) error { return ChangeEndpoint(t.Context(), out, tc.o) })
			if code != tc.code || said != tc.says || strings.Join(f.asked, "") != tc.asked {
				t.Errorf("code %d, asked %q, says %q", code, f.asked, said)
			}
		})
	}
}

func TestSendTestCommand(t *testing.T) {
	f := &fakeDispatcher{test: webhook.TestResult{
		Attempt: webhook.Attempt{
			Endpoint: "ops", EventID: "evt_test_1", Type: "video.done", Duration: 38 * time.Millisecond, Status: 204, Result: webhook.ResultDelivered,
		},
		RequestHeaders: map[string]string{"Webhook-Id": "evt_test_1", "Content-Type": "application/json"}, RequestBody: `{"id":"evt_test_1"}`,
	}}
	serveDispatcher(t, f)
	test := func(o TestOptions) (string, int) {
		return command(func(out io.Writer) error { return SendTest(t.Context(), out, o) })
	}
	said, code := test(TestOptions{Endpoint: "ops", Type: "video.done"})
	if code != ExitOK || strings.Join(f.asked, "") != "test ops: video.done" {
		t.Errorf("code %d, asked %q", code, f.asked)
	}
	mustSay(t, said, "POST to ops, video.done evt_test_1", "Content-Type: application/json", "Webhook-Id: evt_test_1", `{"id":"evt_test_1"}`,
		"delivered: 204 after 38 ms")

	f.test.Status, f.test.Class, f.test.Detail, f.test.Result = 503, "status", "503 Service Unavailable", webhook.ResultFailed
	f.test.Excerpt = "<html>\r\n" + hostile + strings.Repeat("\nmore", 20)
	said, code = test(TestOptions{Endpoint: "ops"})
	if code != ExitCheck {
		t.Errorf("code %d", code)
	}
	mustBeHarmless(t, said)
	mustContain(t, said, "failed: 503 after 38 ms: 503 Service Unavailable\n  | <html>\n  | \uFFFD]0;x", "  | … 12 lines more")
	said, code = test(TestOptions{Endpoint: "ops", JSON: true})
	mustBeHarmless(t, said)
	mustContain(t, said, `"result": "failed"`, `"request_headers": {`, `\u202egnp`)
	if code != ExitCheck {
		t.Errorf("code %d", code)
	}
	f.test.Status, f.test.Class, f.test.Detail, f.test.Excerpt = 0, "timeout", "no answer in 15s", ""
	said, _ = test(TestOptions{Endpoint: "ops"})
	mustContain(t, said, "failed: timeout after 38 ms: no answer in 15s\n")
	f.err = &webhook.FieldError{Field: "type", Err: errors.New("the format slack has no words for it")}
	said, code = test(TestOptions{Endpoint: "ops", Type: "video.processing"})
	mustContain(t, said, "refuses: type: the format slack has no words for it")
	if code != ExitUsage {
		t.Errorf("code %d", code)
	}
}

func threeAttempts(now time.Time) []webhook.Attempt {
	return []webhook.Attempt{
		{
			Seq: 9, At: now.Add(-time.Second), Endpoint: "ops", EventID: "evt_2", Type: "video.failed", Source: "press", VideoNo: "VI2",
			Number: 2, Duration: 1200 * time.Millisecond, Status: 503, Class: "status", Result: webhook.ResultRetry, NextAt: now.Add(time.Hour),
		},
		{
			Seq: 5, At: now.Add(-2 * time.Minute), Endpoint: "ops" + hostile, EventID: "evt_2" + hostile, Type: "video.failed",
			Source: "press" + hostile, VideoNo: "VI2" + hostile, Number: 1, Duration: 15 * time.Second, Class: "timeout",
			Result: webhook.ResultRetry, NextAt: now.Add(-time.Minute),
		},
		{
			Seq: 4, At: now.Add(-48 * time.Hour), Endpoint: "chat", EventID: "evt_1", Type: "source.degraded", Source: "press", Number: 1,
			Duration: 38 * time.Millisecond, Status: 204, Result: webhook.ResultDelivered, Replay: true,
		},
	}
}

func TestDeliveriesCommand(t *testing.T) {
	now := time.Now()
	f := &fakeDispatcher{attempts: threeAttempts(now)}
	serveDispatcher(t, f)
	run := func(o ListOptions) (string, int) {
		if o.Limit == 0 {
			o.Limit = 50
		}
		return command(func(out io.Writer) error { return Deliveries(t.Context(), out, io.Discard, o) })
	}
	said, code := run(ListOptions{})
	lines := strings.Split(said, "\n")
	if code != ExitOK || len(lines) != 4 {
		t.Fatalf("code %d, says\n%s", code, said)
	}
	mustBeHarmless(t, said)
	for i, want := range []string{
		now.Add(-48*time.Hour).Format(time.DateTime) + " → chat 204 38 ms replay, try 1 delivered source.degraded press evt_1",
		"timeout 15.0 s try 1 again after 1m0s failed VI2",
		"→ ops 503 1.2 s try 2 again in ",
	} {
		mustContain(t, strings.Join(strings.Fields(lines[i]), " "), want)
	}
	said, _ = run(ListOptions{JSON: true, Limit: 2})
	mustBeHarmless(t, said)
	var list web.DeliveryList
	must(t, json.Unmarshal([]byte(said), &list))
	if len(list.Deliveries) != 2 || list.NextCursor != "5" || list.Deliveries[1].EventID != "evt_2"+hostile {
		t.Errorf("prints %s", said)
	}
	f.page = 1 // short pages are put together
	said, _ = run(ListOptions{JSON: true})
	must(t, json.Unmarshal([]byte(said), &list))
	if len(list.Deliveries) != 3 || list.NextCursor != "" {
		t.Errorf("prints %s", said)
	}
	_, code = run(ListOptions{
		Endpoint: "ops", Event: "evt_1", Video: "VI1", Source: "press", Type: "done", Class: "timeout", Since: "2h", Until: "2099-01-02", Failed: true,
	})
	since := f.query.Since
	want := webhook.AttemptQuery{
		Endpoint: "ops", EventID: "evt_1", VideoNo: "VI1", Source: "press", Type: "video.done", Class: "timeout", Failed: true, Since: since,
		Until: time.Date(2099, 1, 2, 0, 0, 0, 0, time.Local).UTC(), Before: f.query.Before, Limit: f.query.Limit,
	}
	if code != ExitOK || f.query != want || now.Add(-2*time.Hour).Sub(since).Abs() > time.Minute {
		t.Errorf("code %d, asks %+v", code, f.query)
	}
	f.attempts = nil
	said, _ = run(ListOptions{})
	mustSay(t, said, "no deliveries")
	said, code = run(ListOptions{Endpoint: "opps"})
	mustContain(t, said, `no endpoint is named "opps", there are none`)
	if code != ExitUsage {
		t.Errorf("code %d", code)
	}
}

// quietly lists without a word beside.
func quietly(ctx context.Context, out io.Writer, o ListOptions) error {
	return Deliveries(ctx, out, io.Discard, o)
}

func TestListOptionsThatCannotBe(t *testing.T) {
	setEnv(t, "VIDBELL_HTTP_LISTEN=127.0.0.1:1")
	for text, o := range map[string]ListOptions{
		`--since: "yesterday" is no time: write how long ago (2h30m)`: {Since: "yesterday", Limit: 1},
		`--until: "-5m" is no time`:                                   {Until: "-5m", Limit: 1},
		"--limit: use 1 to 100000":                                    {Limit: 100_001},
	} {
		for _, run := range []func(context.Context, io.Writer, ListOptions) error{quietly, DeadLetters} {
			said, code := command(func(out io.Writer) error { return run(t.Context(), out, o) })
			if code != ExitUsage || !strings.HasPrefix(said, text) {
				t.Errorf("code %d, says %q", code, said)
			}
		}
	}
}

func TestWhenPeopleMean(t *testing.T) {
	zone := time.FixedZone("here", 3600)
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, zone)
	for text, want := range map[string]string{
		"":                          "",
		"2h30m":                     "2026-11-23T10:30:00Z",
		"0s":                        "2026-11-23T13:00:00Z",
		"2026-11-23":                "2026-11-22T23:00:00Z",
		"2026-11-23 14:05":          "2026-11-23T13:05:00Z",
		"2026-11-23T14:05:06":       "2026-11-23T13:05:06Z",
		"2026-11-23T14:05:06.5Z":    "2026-11-23T14:05:06.5Z",
		"2026-11-23T14:05:06+02:00": "2026-11-23T12:05:06Z",
	} {
		if got, err := parseWhen(text, now); err != nil || got != want {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
}

// What comes while the log is followed is printed once, in its order, whatever the pages hold.
func TestDeliveriesFollow(t *testing.T) {
	now := time.Now()
	all := threeAttempts(now)
	f := &fakeDispatcher{attempts: all[2:], page: 1}
	serveDispatcher(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var said bytes.Buffer
	lines := 0
	out := writerFunc(func(b []byte) (int, error) {
		f.attempts = all // two more, on two pages
		if lines += bytes.Count(b, []byte("\n")); lines == 3 {
			cancel()
		}
		return said.Write(b)
	})
	must(t, Deliveries(ctx, out, io.Discard, ListOptions{Follow: true, JSON: true, Limit: 50}))
	var seqs []uint64
	for line := range strings.SplitSeq(strings.TrimSpace(said.String()), "\n") {
		var d web.Delivery
		must(t, json.Unmarshal([]byte(line), &d))
		seqs = append(seqs, d.Seq)
	}
	if !reflect.DeepEqual(seqs, []uint64{4, 5, 9}) {
		t.Errorf("prints %v", seqs)
	}
	mustBeHarmless(t, said.String())
}

func TestDeadLettersCommand(t *testing.T) {
	now := time.Now()
	f := &fakeDispatcher{letters: []webhook.DeadLetter{
		{
			Seq: 7, At: now, Endpoint: "ops", EventID: "evt_2", Type: "video.failed", VideoNo: "VI2", Attempts: 4, Reason: "refused", Class: "status",
			Status: 404, Queued: true,
		},
		{Seq: 3, At: now, Endpoint: "chat", EventID: "evt_1", Type: "video.done", VideoNo: "VI1" + hostile, Attempts: 10, Reason: "schedule_used_up", Class: "timeout"},
	}}
	serveDispatcher(t, f)
	said, code := command(func(out io.Writer) error {
		return DeadLetters(t.Context(), out, ListOptions{Endpoint: "ops", Reason: "refused", Limit: 10})
	})
	if code != ExitOK || f.dead.Reason != "refused" || f.dead.Endpoint != "ops" || f.dead.Limit != 10 {
		t.Errorf("code %d, asks %+v", code, f.dead)
	}
	at := now.Format(time.TimeOnly)
	mustSay(t, said,
		"GIVEN UP ENDPOINT TYPE VIDEO ATTEMPTS REASON ANSWER EVENT",
		at+" chat done VI1\uFFFD]0;x\uFFFD\uFFFDgnp\uFFFD\uFFFD 10 schedule used up timeout evt_1",
		at+" ops failed VI2 4 refused, replay under way 404 evt_2",
		"",
		"When the receiver is right again: vidbell replay --dead, with --endpoint or --event for some of them.")
	said, _ = command(func(out io.Writer) error { return DeadLetters(t.Context(), out, ListOptions{Limit: 10, JSON: true}) })
	mustBeHarmless(t, said)
	var list web.DeadLetterList
	must(t, json.Unmarshal([]byte(said), &list))
	if len(list.DeadLetters) != 2 || list.DeadLetters[0].Seq != 7 {
		t.Errorf("prints %s", said)
	}
	f.letters = nil
	said, _ = command(func(out io.Writer) error { return DeadLetters(t.Context(), out, ListOptions{Limit: 10}) })
	mustSay(t, said, "no dead letters")
}

func TestWhyCommand(t *testing.T) {
	now := time.Now()
	at := now.Format(time.TimeOnly)
	f := &fakeDispatcher{why: webhook.Explanation{Endpoint: "ops", Asked: "VI1", Events: []webhook.EventFate{
		{
			EventID: "evt_2", Type: "video.failed", VideoNo: "VI1", StoredAt: now, Fate: webhook.FateWaiting, Sentence: "It waits" + hostile + ".",
			Attempts: []webhook.Attempt{{
				At: now, Endpoint: "ops", EventID: "evt_2", Type: "video.failed", VideoNo: "VI1", Number: 1, Status: 500, Class: "status",
				Result: webhook.ResultDead, Excerpt: "database\nis away",
			}},
		},
		{EventID: "evt_1", Type: "video.done", VideoNo: "VI1", StoredAt: now, Fate: webhook.FateUnwanted, Sentence: "It is not wanted."},
	}}}
	serveDispatcher(t, f)
	said, code := command(func(out io.Writer) error { return Why(t.Context(), out, "ops", "VI1", false) })
	if code != ExitOK || strings.Join(f.asked, "") != "why ops: VI1" {
		t.Errorf("code %d, asked %q", code, f.asked)
	}
	mustSay(t, said,
		"video.done VI1 evt_1, stored "+at,
		"It is not wanted.",
		"",
		"video.failed VI1 evt_2, stored "+at,
		"It waits\uFFFD]0;x\uFFFD\uFFFDgnp\uFFFD\uFFFD.",
		at+" → ops 500 0 ms try 1 dead letter failed VI1 evt_2",
		"| database",
		"| is away")
	said, _ = command(func(out io.Writer) error { return Why(t.Context(), out, "ops", "VI1", true) })
	mustBeHarmless(t, said)
	mustContain(t, said, `"fate": "unwanted"`)
	said, code = command(func(out io.Writer) error { return Why(t.Context(), out, "opps", "VI1", true) })
	if code != ExitUsage || said != `no endpoint is named "opps", there are none` {
		t.Errorf("code %d, says %q", code, said)
	}
	f.err = webhook.ErrNoEvent
	f.endpoints = []webhook.EndpointState{{Name: "ops"}}
	said, code = command(func(out io.Writer) error { return Why(t.Context(), out, "ops", "VI9", false) })
	if code != ExitFailed || !strings.HasSuffix(said, "refuses: no such event or video in the log") {
		t.Errorf("code %d, says %q", code, said)
	}
}
