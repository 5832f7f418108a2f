package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"vidbell/diff"
	"vidbell/internal/config"
	"vidbell/internal/web"
	"vidbell/poller"
)

// fakeOverseer shows what it is given.
type fakeOverseer struct{ status web.Status }

func (f fakeOverseer) Status(context.Context) web.Status { return f.status }

func (f fakeOverseer) Accounts() ([]web.Account, error) { return f.status.Accounts, nil }

func someStatus() web.Status {
	now := time.Now()
	long, soon, left := now.Add(-time.Hour), now.Add(90*time.Second), 381.0
	return web.Status{
		Version: "v1.2.3", Instance: "b" + hostile, UptimeSeconds: 7445, Ready: true, Checks: []web.Check{{Name: "engine", OK: true}},
		Engine: web.Engine{Mode: "embedded", Connected: true, Listen: "127.0.0.1:4222", Version: "2.15.2"},
		Accounts: []web.Account{
			{Name: "eu", URL: "https://api.example", Sources: []string{"a", "b"}, RateLimit: 1, RequestsPerSecond: 1, RequestsLastMinute: 42},
			{Name: "us", URL: "https://api.example", RateLimit: 2, RequestsPerSecond: 0.5, ThrottledUntil: &soon},
			{Name: "old", RateLimit: 1, RequestsPerSecond: 1, Refused: "credits"},
		},
		Sources: []web.Source{
			{Name: "a", Videos: web.Videos{Known: 1234}, InFlight: 20, BaselineAt: &long, LastPollAt: &long, Sweep: web.Sweep{LastCompleteAt: &long}},
			{Name: "b", Baseline: &web.Baseline{Pages: 120, ExpectedPages: 500, Videos: 24000, SecondsLeft: &left}},
		},
		Endpoints: []web.Endpoint{{Name: "ops", Format: "standard", State: "disabled", Reason: "gone", DeadLetters: 2}},
		Streams: []web.Stream{
			{Name: "VIDEOS", Holds: "events", Messages: 5120, Bytes: 3 << 20, FirstAt: &long}, {Name: "VIDBELL_OPS", MaxBytes: 64 << 20, Bytes: 512},
		},
	}
}

func serveStatus(t *testing.T, s web.Status) {
	t.Helper()
	servePages(t, func(server *web.Server) { server.HandleStatus(fakeOverseer{s}) })
}

func TestStatusCommand(t *testing.T) {
	status := someStatus()
	status.Attention = []string{"look at ops" + hostile}
	serveStatus(t, status)
	said, code := command(func(out io.Writer) error { return Status(t.Context(), out, StatusOptions{}) })
	if code != ExitOK {
		t.Errorf("code %d", code)
	}
	mustSay(t, said,
		"vidbell v1.2.3, instance b\uFFFD]0;x\uFFFD\uFFFDgnp\uFFFD\uFFFD, ready, up 2h 4m",
		"engine embedded, NATS 2.15.2, listens at nats://127.0.0.1:4222",
		"",
		"ACCOUNT PLATFORM SOURCES LAST MINUTE REQUESTS/S STATE",
		"eu https://api.example 2 42 1 of 1 ok",
		"us https://api.example 0 0 0.5 of 2 throttled, next in 1m30s",
		"old 0 0 1 of 1 refused: credits",
		"",
		"SOURCE VIDEOS IN FLIGHT LAST POLL FULL SWEEP HEALTH",
		"a 1234 20 1h0m0s ago 1h0m0s ago ok",
		"b 0 0 never never baseline: page 120 of 500, 24000 videos, 6m21s left",
		"",
		"ENDPOINT FORMAT PENDING OLDEST IN FLIGHT LAST SUCCESS LAST FAILURE DEAD STATE",
		"ops standard 0 - 0 never never 2 disabled: gone",
		"",
		"STREAM MESSAGES SIZE OLDEST HOLDS",
		"VIDEOS 5120 3.0 MiB 1h0m0s events",
		"VIDBELL_OPS 0 512 B of 64.0 MiB -",
		"",
		"needs attention:",
		"look at ops\uFFFD]0;x\uFFFD\uFFFDgnp\uFFFD\uFFFD")
	if _, code := command(func(out io.Writer) error { return Status(t.Context(), out, StatusOptions{Check: true}) }); code != ExitCheck {
		t.Errorf("--check ends with %d", code)
	}
	said, code = command(func(out io.Writer) error { return Status(t.Context(), out, StatusOptions{JSON: true, Check: true}) })
	var read web.Status
	if err := json.Unmarshal([]byte(said), &read); err != nil || code != ExitCheck || len(read.Accounts) != 3 || read.Attention[0] != "look at ops"+hostile {
		t.Errorf("%d %v %s", code, err, said)
	}
	mustBeHarmless(t, said)
}

// Of a service that is starting there is little to see, and that is shown.
func TestStatusOfAServiceThatStarts(t *testing.T) {
	serveStatus(t, web.Status{
		Version: "v1", UptimeSeconds: 2, Checks: []web.Check{{Name: "engine", Detail: "not connected"}}, Engine: web.Engine{Mode: "external"},
	})
	said, code := command(func(out io.Writer) error { return Status(t.Context(), out, StatusOptions{Check: true}) })
	mustSay(t, said, "vidbell v1, not ready, up 2 s", "engine external, not connected", "", "nothing needs attention")
	if code != ExitOK {
		t.Errorf("code %d", code)
	}
}

func TestAttention(t *testing.T) {
	later := time.Now().Add(5 * time.Minute)
	hold := &web.Hold{Videos: 40, Reason: "mass_deletion"}
	for name, tc := range map[string]struct {
		status web.Status
		want   string // a part of the only sentence; empty: there is none
	}{
		"all is well":                      {web.Status{Checks: []web.Check{{Name: "engine", OK: true}}}, ""},
		"not ready":                        {web.Status{Checks: []web.Check{{Name: "state", Detail: "not loaded yet"}}}, "not ready: state: not loaded yet"},
		"a key is refused":                 {web.Status{Accounts: []web.Account{{Name: "eu", Refused: "credits"}}, Sources: []web.Source{{Name: "a", Degraded: "credits"}}}, "account eu: the platform refuses its key (credits)"},
		"throttled for long":               {web.Status{Accounts: []web.Account{{Name: "eu", ThrottledUntil: &later}}}, "account eu is throttled by the platform until"},
		"throttled to little":              {web.Status{Accounts: []web.Account{{Name: "eu", RateLimit: 1, RequestsPerSecond: 0.25}}}, "to 0.25 of 1 requests a second"},
		"throttled once":                   {web.Status{Accounts: []web.Account{{Name: "eu", RateLimit: 1, RequestsPerSecond: 0.5}}}, ""},
		"a source is degraded":             {web.Status{Sources: []web.Source{{Name: "a", Degraded: "timeout"}}}, "source a is degraded (timeout)"},
		"a source holds deletions back":    {web.Status{Sources: []web.Source{{Name: "a", Degraded: "mass_deletion", Hold: hold}}}, "source a holds back 40 changes: if they are right, vidbell sources release a"},
		"a poll failed":                    {web.Status{Sources: []web.Source{{Name: "a", LastError: "timeout"}}}, ""},
		"a baseline is walked":             {web.Status{Sources: []web.Source{{Name: "a", Baseline: &web.Baseline{Pages: 5}}}}, ""},
		"an endpoint is disabled":          {web.Status{Endpoints: []web.Endpoint{{Name: "ops", State: "disabled", Reason: "gone"}}}, "vidbell endpoints enable ops"},
		"an endpoint is away":              {web.Status{Endpoints: []web.Endpoint{{Name: "ops", State: "degraded", Reason: "failures"}}}, "endpoint ops is degraded (failures)"},
		"an endpoint asked for a pause":    {web.Status{Endpoints: []web.Endpoint{{Name: "ops", State: "paused"}}}, ""},
		"an endpoint has dead letters":     {web.Status{Endpoints: []web.Endpoint{{Name: "ops", State: "active", DeadLetters: 1}}}, "endpoint ops has 1 dead letter: vidbell dead-letters --endpoint ops"},
		"what is pending is no news to us": {web.Status{Endpoints: []web.Endpoint{{Name: "ops", State: "active", Pending: 9}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			list := attention(tc.status)
			if tc.want == "" && len(list) > 0 || tc.want != "" && (len(list) != 1 || !strings.Contains(list[0], tc.want)) {
				t.Errorf("%q", list)
			}
		})
	}
}

func TestOperatorShowsAccounts(t *testing.T) {
	cfg := newTwoPlatforms(t).cfg
	cfg.Accounts[0].URL += "/secret-path"
	list, _, err := sourcesWith(cfg, nil)
	must(t, err)
	cfg.Accounts = append(cfg.Accounts, config.Account{Name: "idle", URL: "https://user:hush@api.example/x", RateLimit: 3})
	o := &operator{}
	if _, err := o.Accounts(); err == nil {
		t.Error("accounts are shown before the state is loaded")
	}
	p := &fakePoller{status: []poller.Status{
		{Source: "press"}, {Source: "archive", Degraded: "timeout"}, {Source: "studio", Degraded: "credits", Counts: map[diff.Status]int{}},
	}}
	o.attach(p, cfg, list)
	must(t, list[0].Account.Wait(t.Context(), poller.UrgentHead))
	list[0].Account.Throttled(time.Minute)
	got, err := o.Accounts()
	must(t, err)
	if len(got) != 4 || strings.Contains(asText(t, got), "secret") || strings.Contains(asText(t, got), "hush") {
		t.Fatalf("accounts %s", asText(t, got))
	}
	eu, us, idle := got[0], got[2], got[3]
	if eu.RequestsLastMinute != 1 || eu.RequestsPerSecond != 25 || eu.RateLimit != 50 || eu.ThrottledUntil == nil || eu.Refused != "" || eu.Sources[0] != "press" {
		t.Errorf("eu %s", asText(t, eu))
	}
	if us.Refused != "credits" || us.ThrottledUntil != nil || idle.Refused != "" || len(idle.Sources) != 0 || idle.URL != "https://api.example" {
		t.Errorf("us %s, idle %s", asText(t, us), asText(t, idle))
	}
}

func TestSizeText(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 3 << 20: "3.0 MiB", 1<<64 - 1: "16.0 EiB"} {
		if got := sizeText(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestProgressIsShown(t *testing.T) {
	var out bytes.Buffer
	now := time.Now()
	list := []web.Source{
		{Name: "a", Baseline: shownProgress(&poller.Progress{Since: now, Pages: 5, TotalPages: 10, Videos: 1000, TotalVideos: 2000, Left: 65 * time.Second})},
		{Name: "b", Baseline: shownProgress(&poller.Progress{TotalVideos: -1})},
		{Name: "c", Baseline: shownProgress(&poller.Progress{Since: now, Pages: 5, Videos: 1000, TotalVideos: -1})},
	}
	must(t, printSources(&out, list, now))
	mustContain(t, out.String(), "baseline: page 5 of 10, 1000 videos, 1m5s left\n", "walking for the baseline\n", "baseline: page 5, 1000 videos\n")
	if list[0].Baseline.ExpectedVideos == nil || *list[0].Baseline.ExpectedVideos != 2000 || list[1].Baseline.ExpectedVideos != nil || shownProgress(nil) != nil {
		t.Errorf("%s", asText(t, list))
	}
}
