package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"vidbell/internal/web"
)

var stored = time.Date(2026, 11, 23, 22, 4, 5, 123e6, time.UTC)

// courier plays what a person can learn and do about endpoints and deliveries, and remembers what it was asked.
type courier struct {
	err    error
	asked  []string
	filter web.DeliveryFilter
	dead   web.DeadLetterFilter
	replay web.Replay
}

func (c *courier) note(format string, args ...any) error {
	c.asked = append(c.asked, fmt.Sprintf(format, args...))
	return c.err
}

func (c *courier) Endpoints(context.Context) ([]web.Endpoint, error) {
	return []web.Endpoint{
		{
			Name: "ops", URL: "https://example.com/…", Format: "standard", State: "disabled", Since: &stored, Reason: "gone", Detail: "it answered 410",
			Pending: 7, Queued: 3, OldestPendingAt: &stored, InFlight: 1, LastSuccessAt: &stored,
			LastFailure: &web.Failure{At: &stored, Class: "status", Status: 410, Detail: "410 Gone"}, NextAttemptAt: &stored, DeadLetters: 2,
		},
		{Name: "new", URL: "https://example.net/…", Format: "slack", State: "active"},
	}, c.err
}

func (c *courier) Enable(_ context.Context, name, reason string) error {
	return c.note("enable %s: %s", name, reason)
}

func (c *courier) Disable(_ context.Context, name, reason string) error {
	return c.note("disable %s: %s", name, reason)
}

func attempt() web.Delivery {
	return web.Delivery{
		Seq: 12, At: &stored, Endpoint: "ops", EventID: "evt_1", Type: "video.failed", Source: "press", VideoNo: "VI1", Attempt: 2,
		DurationSeconds: 1.25, Status: 503, Class: "status", Detail: "503 Service Unavailable", Result: "retry", NextAt: &stored,
		Excerpt: "<busy>\x1b[31m", Replay: true, Group: "evt_g", GroupSize: 5,
	}
}

func (c *courier) SendTest(_ context.Context, name, eventType string) (web.Test, error) {
	return web.Test{Delivery: attempt(), RequestHeaders: map[string]string{"webhook-id": "evt_test_1"}, RequestBody: "{}"}, c.note("test %s: %s", name, eventType)
}

func (c *courier) Deliveries(_ context.Context, f web.DeliveryFilter) (web.DeliveryList, error) {
	c.filter = f
	return web.DeliveryList{Deliveries: []web.Delivery{attempt()}, NextCursor: web.Cursor(12)}, c.note("deliveries")
}

func letter() web.DeadLetter {
	return web.DeadLetter{
		Seq: 3, At: &stored, Endpoint: "ops", EventID: "evt_1", Type: "video.failed", Source: "press", VideoNo: "VI1", StoredAt: &stored,
		FirstAt: &stored, Attempts: 10, Reason: "schedule_used_up", Class: "status", Status: 503, Detail: "503 Service Unavailable",
		Excerpt: "busy", Group: "evt_g", Queued: true,
	}
}

func (c *courier) DeadLetters(_ context.Context, f web.DeadLetterFilter) (web.DeadLetterList, error) {
	c.dead = f
	return web.DeadLetterList{DeadLetters: []web.DeadLetter{letter()}}, c.note("dead letters")
}

func (c *courier) Replay(_ context.Context, r web.Replay) (web.Replayed, error) {
	c.replay = r
	return web.Replayed{DryRun: r.DryRun, Matched: 3, Queued: 2, FirstAt: &stored, LastAt: &stored}, c.note("replay")
}

func (c *courier) Why(_ context.Context, endpoint, about string) (web.Explanation, error) {
	dead := letter()
	return web.Explanation{Endpoint: endpoint, About: about, Events: []web.Explained{{
		EventID: "evt_1", Type: "video.failed", Source: "press", VideoNo: "VI1", Answer: "It waits.", Fate: "waiting", StoredAt: &stored,
		Wanted: true, Unwanted: "types", DeliveredAt: &stored, AttemptsMade: 2, WaitingUntil: &stored, WaitingFor: "turn", Ahead: 9,
		Replay: true, DeadLetter: &dead, Attempts: []web.Delivery{attempt()},
	}}}, c.note("why %s: %s", endpoint, about)
}

func startCourier(t *testing.T, token string, c *courier) (base string, client *http.Client) {
	t.Helper()
	return start(t, token, nil, func(s *web.Server) {
		s.HandleEndpoints(c)
		s.HandleDeliveries(c)
	})
}

func order(text string) func(*http.Request) { return body("application/json", text) }

const attemptText = `"seq":12,"at":"2026-11-23T22:04:05.123Z","endpoint":"ops","event_id":"evt_1","type":"video.failed","source":"press",` +
	`"video_no":"VI1","attempt":2,"duration_seconds":1.25,"status":503,"class":"status","detail":"503 Service Unavailable",` +
	`"result":"retry",` +
	`"next_at":"2026-11-23T22:04:05.123Z","excerpt":"\u003cbusy\u003e\u001b[31m","replay":true,"group":"evt_g",` +
	`"group_size":5`

const letterText = `"seq":3,"at":"2026-11-23T22:04:05.123Z","endpoint":"ops","event_id":"evt_1","type":"video.failed","source":"press",` +
	`"video_no":"VI1","stored_at":"2026-11-23T22:04:05.123Z","first_at":"2026-11-23T22:04:05.123Z","attempts":10,` +
	`"reason":"schedule_used_up","class":"status","status":503,"detail":"503 Service Unavailable","excerpt":"busy","group":"evt_g",` +
	`"queued":true`

// The names are a promise: a change here breaks scripts.
func TestDeliveryPages(t *testing.T) {
	c := &courier{}
	base, client := startCourier(t, "", c)
	for _, tc := range []struct {
		sentence, method, path string
		edit                   func(*http.Request)
		status                 int
		want                   string
	}{
		{
			"endpoints", "GET", "/v1/endpoints", nil, 200,
			`{"endpoints":[{"name":"ops","url":"https://example.com/…","format":"standard","state":"disabled","since":"2026-11-23T22:04:05.123Z",` +
				`"reason":"gone","detail":"it answered 410","pending":7,"queued":3,"oldest_pending_at":"2026-11-23T22:04:05.123Z","in_flight":1,` +
				`"last_success_at":"2026-11-23T22:04:05.123Z","last_failure":{"at":"2026-11-23T22:04:05.123Z","class":"status","status":410,"detail":"410 Gone"},` +
				`"next_attempt_at":"2026-11-23T22:04:05.123Z","dead_letters":2},` +
				`{"name":"new","url":"https://example.net/…","format":"slack","state":"active","since":null,"reason":"","detail":"","pending":0,` +
				`"queued":0,"oldest_pending_at":null,"in_flight":0,"last_success_at":null,"last_failure":null,"next_attempt_at":null,"dead_letters":0}]}`,
		},
		{"enable", "POST", "/v1/endpoints/ops/enable", nil, 200, `{"endpoint":"ops","enabled":true}`},
		{"disable", "POST", "/v1/endpoints/ops/disable", order(`{"reason":"it moves"}`), 200, `{"endpoint":"ops","enabled":false}`},
		{
			"a test", "POST", "/v1/endpoints/ops/test", order(`{"type":"video.failed"}`), 200,
			`{` + attemptText + `,"request_headers":{"webhook-id":"evt_test_1"},"request_body":"{}"}`,
		},
		{"deliveries", "GET", "/v1/deliveries", nil, 200, `{"deliveries":[{` + attemptText + `}],"next_cursor":"12"}`},
		{
			"dead letters", "GET", "/v1/dead-letters", nil, 200,
			`{"dead_letters":[{` + letterText + `}],"next_cursor":""}`,
		},
		{
			"a replay", "POST", "/v1/replay", order(`{"endpoint":"ops","dead":true}`), 202,
			`{"dry_run":false,"matched":3,"queued":2,"first_at":"2026-11-23T22:04:05.123Z","last_at":"2026-11-23T22:04:05.123Z"}`,
		},
		{
			"a dry run", "POST", "/v1/replay", order(`{"endpoint":"ops","dead":true,"dry_run":true}`), 200,
			`{"dry_run":true,"matched":3,"queued":2,"first_at":"2026-11-23T22:04:05.123Z","last_at":"2026-11-23T22:04:05.123Z"}`,
		},
		{
			"why", "GET", "/v1/why?endpoint=ops&about=VI1", nil, 200,
			`{"endpoint":"ops","about":"VI1","events":[{"event_id":"evt_1","type":"video.failed","source":"press","video_no":"VI1",` +
				`"answer":"It waits.","fate":"waiting","stored_at":"2026-11-23T22:04:05.123Z","wanted":true,"unwanted":"types",` +
				`"delivered_at":"2026-11-23T22:04:05.123Z","attempts_made":2,"waiting_until":"2026-11-23T22:04:05.123Z",` +
				`"waiting_for":"turn","ahead":9,"replay":true,"dead_letter":{` + letterText + `},"attempts":[{` + attemptText + `}]}]}`,
		},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			got := ask(t, client, tc.method, base+tc.path, tc.edit)
			if got.status != tc.status || got.header.Get("Content-Type") != "application/json" || strings.TrimSpace(got.body) != tc.want {
				t.Errorf("%d %s\n got %s\nwant %s", got.status, got.header.Get("Content-Type"), got.body, tc.want)
			}
		})
	}
	want := []string{
		"enable ops: ", "disable ops: it moves", "test ops: video.failed", "deliveries", "dead letters", "replay", "replay", "why ops: VI1",
	}
	if !reflect.DeepEqual(c.asked, want) {
		t.Errorf("asked %q", c.asked)
	}
}

func TestDeliveryFilters(t *testing.T) {
	c := &courier{}
	base, client := startCourier(t, "", c)
	const all = "endpoint=ops&event_id=evt_1&video_no=VI1&source=press&type=video.done&class=timeout" +
		"&since=2026-11-23T22:04:05.123Z&until=2026-11-24T00:00:00Z&cursor=18446744073709551615&limit=500"
	span := web.Span{
		Endpoint: "ops", EventID: "evt_1", VideoNo: "VI1", Source: "press", Type: "video.done", Class: "timeout",
		Since: stored, Until: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), Before: 1<<64 - 1, Limit: 500,
	}
	for path, want := range map[string]courier{
		"/v1/deliveries":                       {filter: web.DeliveryFilter{Span: web.Span{Limit: 50}}},
		"/v1/deliveries?failed=true&" + all:    {filter: web.DeliveryFilter{Span: span, Failed: true}},
		"/v1/dead-letters":                     {dead: web.DeadLetterFilter{Span: web.Span{Limit: 50}}},
		"/v1/dead-letters?reason=final&" + all: {dead: web.DeadLetterFilter{Span: span, Reason: "final"}},
	} {
		c.filter, c.dead = web.DeliveryFilter{}, web.DeadLetterFilter{}
		if got := ask(t, client, "GET", base+path, nil); got.status != 200 || c.filter != want.filter || c.dead != want.dead {
			t.Errorf("%s: %d %s, %+v %+v", path, got.status, got.body, c.filter, c.dead)
		}
	}
	got := ask(t, client, "POST", base+"/v1/replay", order(`{"endpoint":"ops","event_ids":["evt_1","evt_2"],"types":["video.*"],"sources":["press"],`+
		`"since":"2026-11-23T22:04:05.123Z","until":"2026-11-24T00:00:00Z","filter":"data.version > 1","dead":true,"missing":true,"dry_run":true}`))
	want := web.Replay{
		Endpoint: "ops", EventIDs: []string{"evt_1", "evt_2"}, Types: []string{"video.*"}, Sources: []string{"press"}, Since: stored,
		Until: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), Filter: "data.version > 1", Dead: true, Missing: true, DryRun: true,
	}
	if got.status != 200 || !reflect.DeepEqual(c.replay, want) {
		t.Errorf("a replay of everything: %d %s, %+v", got.status, got.body, c.replay)
	}
}

// What cannot be meant is refused by its name, before anybody is asked.
func TestDeliveryPagesRefuse(t *testing.T) {
	long := strings.Repeat("x", 257)
	for _, tc := range []struct {
		sentence, method, path string
		edit                   func(*http.Request)
		status                 int
		contains               string
	}{
		{"an unknown parameter", "GET", "/v1/deliveries?endpont=ops", nil, 400, `\"endpont\": unknown parameter, did you mean endpoint? This page takes endpoint, event_id, video_no, source, type, class, since, until, cursor, limit, failed`},
		{"a parameter where there is none", "GET", "/v1/endpoints?limit=5", nil, 400, `\"limit\": unknown parameter, this page takes none`},
		{"a parameter of an order", "POST", "/v1/replay?dry_run=true", order(`{"endpoint":"ops"}`), 400, `\"dry_run\": unknown parameter`},
		{"a long unknown parameter", "GET", "/v1/why?" + long + "=1", nil, 400, "xxx"},
		{"a parameter twice", "GET", "/v1/dead-letters?type=a&type=b", nil, 400, "type: give it once"},
		{"what the other list has", "GET", "/v1/dead-letters?failed=true", nil, 400, `\"failed\": unknown parameter`},
		{"a query of no form", "GET", "/v1/deliveries?endpoint=%zz", nil, 400, "query: it is not encoded"},
		{"a time without a zone", "GET", "/v1/deliveries?since=2026-11-23", nil, 400, "since: write a time of RFC 3339, such as 2026-11-23T22:04:05Z"},
		{"times that are swapped", "GET", "/v1/deliveries?since=2026-11-23T22:04:05Z&until=2026-11-23T22:04:05Z", nil, 400, "until: it must be later than since"},
		{"a limit of none", "GET", "/v1/deliveries?limit=0", nil, 400, "limit: write a number from 1 to 500"},
		{"a limit of all", "GET", "/v1/deliveries?limit=501", nil, 400, "limit: write a number from 1 to 500"},
		{"a cursor of one's own", "GET", "/v1/deliveries?cursor=first", nil, 400, "cursor: write next_cursor of the page before"},
		{"a flag that is none", "GET", "/v1/deliveries?failed=1", nil, 400, "failed: write true or false"},
		{"a long text", "GET", "/v1/deliveries?endpoint=" + long, nil, 400, "endpoint: it is longer than 256 bytes"},
		{"control characters", "GET", "/v1/deliveries?video_no=a%1bb", nil, 400, "video_no: it holds control characters"},
		{"why of nothing", "GET", "/v1/why?endpoint=ops", nil, 400, "about: it is required"},
		{"why of nowhere", "GET", "/v1/why?about=VI1", nil, 400, "endpoint: it is required"},
		{"an unknown field", "POST", "/v1/replay", order(`{"endpoint":"ops","dryrun":true}`), 400, `\"dryrun\": unknown field, did you mean dry_run? This page takes endpoint, event_ids, types, sources, since, until, filter, dead, missing, dry_run`},
		{"a field of another kind", "POST", "/v1/replay", order(`{"endpoint":"ops","dead":"yes"}`), 400, "dead: it must be true or false"},
		{"a text for a list", "POST", "/v1/replay", order(`{"endpoint":"ops","event_ids":"evt_1"}`), 400, "event_ids: it must be a list of texts"},
		{"a number for a reason", "POST", "/v1/endpoints/ops/disable", order(`{"reason":5}`), 400, "reason: it must be a text"},
		{"a replay to nowhere", "POST", "/v1/replay", order(`{"dead":true}`), 400, "endpoint: it is required"},
		{"a replay of no time", "POST", "/v1/replay", order(`{"endpoint":"ops","until":"yesterday"}`), 400, "until: write a time of RFC 3339"},
		{"a replay of swapped times", "POST", "/v1/replay", order(`{"endpoint":"ops","since":"2026-11-23T22:04:05Z","until":"2026-11-22T22:04:05Z"}`), 400, "until: it must be later than since"},
		{"a replay of too many ids", "POST", "/v1/replay", order(`{"endpoint":"ops","event_ids":["` + strings.Repeat(`e","`, 1000) + `e"]}`), 400, "event_ids: give at most 1000"},
		{"a replay of a strange id", "POST", "/v1/replay", order(`{"endpoint":"ops","event_ids":["\u0007"]}`), 400, "event_ids: it holds control characters"},
		{"a long expression", "POST", "/v1/replay", order(`{"endpoint":"ops","filter":"` + strings.Repeat("x", 4097) + `"}`), 400, "filter: it is longer than 4096 bytes"},
		{"a long reason", "POST", "/v1/endpoints/ops/disable", order(`{"reason":"` + strings.Repeat("x", 501) + `"}`), 400, "reason: it is longer than 500 bytes"},
		{"a strange type", "POST", "/v1/endpoints/ops/test", order(`{"type":"\u0000"}`), 400, "type: it holds control characters"},
		{"a list", "POST", "/v1/endpoints/ops/enable", order(`[]`), 400, "body: it is not a JSON object"},
		{"null", "POST", "/v1/endpoints/ops/enable", order(`null`), 400, "body: it is not a JSON object"},
		{"half an object", "POST", "/v1/endpoints/ops/enable", order(`{"reason"`), 400, "body: it is not a JSON object"},
		{"two objects", "POST", "/v1/endpoints/ops/enable", order(`{}{}`), 400, "body: there is more behind the JSON object"},
		{"a large body", "POST", "/v1/replay", order(`{"filter":"` + strings.Repeat("x", 128<<10) + `"}`), 413, "the body is larger than 128 KiB"},
		{"a form", "POST", "/v1/endpoints/ops/disable", body("application/x-www-form-urlencoded", "reason=x"), 415, "send the body as application/json"},
		{"plain text", "POST", "/v1/endpoints/ops/disable", body("text/plain", `{"reason":"x"}`), 415, "send the body as application/json"},
		{"to look is not to change", "GET", "/v1/endpoints/ops/enable", nil, 405, "this page answers to POST"},
		{"another site", "POST", "/v1/endpoints/ops/disable", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "pages of other sites"},
		{"another site in an old browser", "POST", "/v1/replay", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403, "pages of other sites"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			c := &courier{}
			base, client := startCourier(t, "", c)
			got := ask(t, client, tc.method, base+tc.path, tc.edit)
			if got.status != tc.status || !strings.Contains(got.body, tc.contains) || len(got.body) > 400 {
				t.Errorf("%d %s", got.status, got.body)
			}
			if got.header.Get("Content-Type") != "application/problem+json" || len(c.asked) > 0 {
				t.Errorf("%s, asked %q", got.header.Get("Content-Type"), c.asked)
			}
		})
	}
}

// Every page says the same about the same trouble.
func TestDeliveryTrouble(t *testing.T) {
	for _, tc := range []struct {
		err      error
		status   int
		contains string
	}{
		{web.ErrStarting, 503, "the state is not loaded yet, /readyz says what is waited for"},
		{fmt.Errorf("why: %w", web.ErrNoEndpoint), 404, "no such endpoint, /v1/endpoints lists them"},
		{web.ErrNoEvent, 404, "no such event or video in the log"},
		{web.ErrReplayFull, 409, "the replay queue is full, repeat it when there is room"},
		{fmt.Errorf("%w: hush", web.ErrAway), 503, "the engine does not answer"},
		{context.DeadlineExceeded, 503, "the engine does not answer"},
		{&web.InvalidError{Field: "filter", Problem: "line 1: unknown name dat"}, 400, "filter: line 1: unknown name dat"},
		{errors.New("hush"), 500, "this cannot be told"},
	} {
		c := &courier{err: tc.err}
		base, client := startCourier(t, "", c)
		for _, page := range []string{
			"GET /v1/endpoints", "POST /v1/endpoints/x/enable", "POST /v1/endpoints/x/disable", "POST /v1/endpoints/x/test",
			"GET /v1/deliveries", "GET /v1/dead-letters", "POST /v1/replay", "GET /v1/why?endpoint=x&about=y",
		} {
			method, path, _ := strings.Cut(page, " ")
			var edit func(*http.Request)
			if path == "/v1/replay" {
				edit = order(`{"endpoint":"x"}`)
			}
			got := ask(t, client, method, base+path, edit)
			if got.status != tc.status || !strings.Contains(got.body, tc.contains) || strings.Contains(got.body, "hush") {
				t.Errorf("%s with %v: %d %s", page, tc.err, got.status, got.body)
			}
		}
	}
}

func TestDeliveriesAreBehindTheToken(t *testing.T) {
	c := &courier{}
	base, client := startCourier(t, "hush", c)
	index := ask(t, client, "GET", base+"/", nil).body
	for _, page := range []string{
		"GET    /v1/endpoints", "POST   /v1/endpoints/{name}/enable", "POST   /v1/endpoints/{name}/disable", "POST   /v1/endpoints/{name}/test",
		"GET    /v1/deliveries", "GET    /v1/dead-letters", "POST   /v1/replay", "GET    /v1/why",
	} {
		method, path, _ := strings.Cut(page, " ")
		if got := ask(t, client, method, base+strings.TrimSpace(path), nil); got.status != 401 {
			t.Errorf("%s without the token: %d", page, got.status)
		}
		if !strings.Contains(index, page) {
			t.Errorf("the index lacks %q", page)
		}
	}
	if len(c.asked) > 0 {
		t.Errorf("asked %q", c.asked)
	}
}
