package web_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"vidbell/internal/web"
)

// operator plays what a person can do.
type operator struct {
	list     []web.Source
	err      error
	released []string
}

func (o *operator) Sources() ([]web.Source, error) { return o.list, o.err }

func (o *operator) Release(name string) (web.Hold, error) {
	if o.err != nil {
		return web.Hold{}, o.err
	}
	for _, s := range o.list {
		if s.Name != name {
			continue
		}
		if s.Hold == nil {
			return web.Hold{}, web.ErrNothingHeld
		}
		o.released = append(o.released, name)
		return *s.Hold, nil
	}
	return web.Hold{}, web.ErrNoSource
}

// The names are a promise: a change here breaks scripts.
func TestSources(t *testing.T) {
	at := time.Date(2026, 11, 23, 22, 4, 5, 123e6, time.UTC)
	newest := true
	o := &operator{list: []web.Source{
		{
			Name: "press", Account: "eu", UniqueID: "press/2026", VideoName: "cam_*", BaselineAt: &at,
			Videos: web.Videos{Known: 15, Processing: 1, Done: 2, Failed: 3, Unknown: 4, Deleted: 5}, InFlight: 5,
			Parse: web.Parse{Means: "done", Because: "UNPARSE was seen"}, LastPollAt: &at, NextPollAt: &at,
			LastError: "list page 1: timeout", Degraded: "timeout", RequestsPerSecond: 0.5,
			Requests: map[string]int{"head": 7}, Sweep: web.Sweep{LastCompleteAt: &at, UnderWay: true, Pages: 3, ExpectedPages: 5, Suspects: 2},
			CountMismatch: &web.CountMismatch{Seen: 10, Counted: 12}, Hold: &web.Hold{Videos: 40, Agreed: 1, Reason: "bulk"},
			Filters:     &web.Filters{VideoNos: web.FilterHonoured, Status: web.FilterIgnored, VideoNo: web.FilterUntried},
			NewestFirst: &newest,
		},
		{Name: "new", Account: "eu", UniqueID: "new"},
	}}
	base, client := start(t, "hush", nil, func(s *web.Server) { s.HandleSources(o) })
	got := ask(t, client, "GET", base+"/v1/sources", bearer("Bearer hush"))
	want := `{"sources":[{"name":"press","account":"eu","unique_id":"press/2026","video_name":"cam_*",` +
		`"baseline_at":"2026-11-23T22:04:05.123Z","baseline":null,"videos":{"known":15,"processing":1,"done":2,"failed":3,"unknown":4,"deleted":5},` +
		`"in_flight":5,"parse":{"means":"done","because":"UNPARSE was seen"},"last_poll_at":"2026-11-23T22:04:05.123Z",` +
		`"next_poll_at":"2026-11-23T22:04:05.123Z","last_error":"list page 1: timeout","degraded":"timeout",` +
		`"requests_per_second":0.5,"requests":{"head":7},"sweep":{"last_complete_at":"2026-11-23T22:04:05.123Z","under_way":true,` +
		`"pages":3,"expected_pages":5,"suspects":2},"count_mismatch":{"seen":10,"counted":12},"hold":{"videos":40,"agreed":1,"reason":"bulk"},` +
		`"filters":{"video_nos":"honoured","status":"ignored","video_no":"untried"},"newest_first":true},` +
		`{"name":"new","account":"eu","unique_id":"new","video_name":"","baseline_at":null,"baseline":null,"videos":{"known":0,"processing":0,` +
		`"done":0,"failed":0,"unknown":0,"deleted":0},"in_flight":0,"parse":{"means":"","because":""},"last_poll_at":null,` +
		`"next_poll_at":null,"last_error":"","degraded":"","requests_per_second":0,"requests":null,"sweep":{"last_complete_at":null,` +
		`"under_way":false,"pages":0,"expected_pages":0,"suspects":0},"count_mismatch":null,"hold":null,"filters":null,"newest_first":null}]}`
	if got.status != 200 || got.header.Get("Content-Type") != "application/json" || strings.TrimSpace(got.body) != want {
		t.Errorf("%d %s\n got %s\nwant %s", got.status, got.header.Get("Content-Type"), got.body, want)
	}
}

func TestRelease(t *testing.T) {
	held := []web.Source{{Name: "held", Hold: &web.Hold{Videos: 40, Agreed: 1, Reason: "bulk"}}, {Name: "calm"}}
	for _, tc := range []struct {
		sentence, method, path string
		edit                   func(*http.Request)
		err                    error
		status                 int
		contains               string
	}{
		{"what is held is released", "POST", "/v1/sources/held/release", nil, nil, 202, `{"source":"held","hold":{"videos":40,"agreed":1,"reason":"bulk"}}`},
		{"nothing is held", "POST", "/v1/sources/calm/release", nil, nil, 409, "this source holds nothing back"},
		{"an unknown source", "POST", "/v1/sources/else/release", nil, nil, 404, "no such source, /v1/sources lists them"},
		{"a name that is none", "POST", "/v1/sources/%2e%2e%2f/release", nil, nil, 404, "no such source"},
		{"too early", "POST", "/v1/sources/held/release", nil, web.ErrStarting, 503, "the state is not loaded yet"},
		{"too early to list", "GET", "/v1/sources", nil, web.ErrStarting, 503, "the state is not loaded yet"},
		{"what went wrong inside stays there", "GET", "/v1/sources", nil, errors.New("hush"), 500, "this cannot be told"},
		{"it takes more than to look", "GET", "/v1/sources/held/release", nil, nil, 405, "this page answers to POST"},
		{
			"a page of another site, in a browser of today", "POST", "/v1/sources/held/release",
			func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, nil, 403, "pages of other sites",
		},
		{
			"a page of another site, in an old browser", "POST", "/v1/sources/held/release",
			func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, nil, 403, "pages of other sites",
		},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			o := &operator{list: held, err: tc.err}
			base, client := start(t, "", nil, func(s *web.Server) { s.HandleSources(o) })
			got := ask(t, client, tc.method, base+tc.path, tc.edit)
			if got.status != tc.status || !strings.Contains(got.body, tc.contains) || strings.Contains(got.body, "hush") {
				t.Errorf("%d %s", got.status, got.body)
			}
			if done := len(o.released) > 0; done != (tc.status == 202) {
				t.Errorf("released %q with status %d", o.released, got.status)
			}
		})
	}
}

func TestSourcesAreBehindTheToken(t *testing.T) {
	o := &operator{list: []web.Source{{Name: "held", Hold: &web.Hold{Videos: 40}}}}
	base, client := start(t, "hush", nil, func(s *web.Server) { s.HandleSources(o) })
	for method, path := range map[string]string{"GET": "/v1/sources", "POST": "/v1/sources/held/release"} {
		if got := ask(t, client, method, base+path, nil); got.status != 401 {
			t.Errorf("%s %s without the token: %d", method, path, got.status)
		}
	}
	if got := ask(t, client, "POST", base+"/v1/sources/held/release", bearer("Bearer hush")); got.status != 202 || len(o.released) != 1 {
		t.Errorf("with the token: %d, released %q", got.status, o.released)
	}
	index := ask(t, client, "GET", base+"/", nil).body
	for _, line := range []string{"GET    /v1/sources", "POST   /v1/sources/{name}/release"} {
		if !strings.Contains(index, line) {
			t.Errorf("the index lacks %q: %s", line, index)
		}
	}
}
