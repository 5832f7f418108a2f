package app

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap/zaptest"

	"vidbell/internal/config"
	"vidbell/internal/simulator"
	"vidbell/internal/web"
	"vidbell/notify"
)

// patience bounds every wait for something that should come soon.
const patience = 30 * time.Second

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// newPlatform is a platform of its own: its key, its vocabulary.
func newPlatform(t *testing.T, key string, words simulator.Words) (*simulator.Simulator, string) {
	t.Helper()
	sim, err := simulator.New(simulator.Options{Keys: []string{key}, Words: words})
	must(t, err)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, server.URL
}

// quickly polls as often as can be told.
func quickly() config.Poll {
	return config.Poll{
		Interval: 100 * time.Millisecond, MaxInterval: 100 * time.Millisecond, Sweep: time.Second, Baseline: config.BaselineSilent,
	}
}

// twoPlatforms are the platforms of a vidbell with three sources: press and archive share a key of the first, under two
// names; studio has the second, where PARSE means the opposite.
type twoPlatforms struct {
	first, second *simulator.Simulator
	cfg           *config.Config
}

func newTwoPlatforms(t *testing.T) twoPlatforms {
	t.Helper()
	first, firstURL := newPlatform(t, "sk-first", simulator.WordsListed())
	second, secondURL := newPlatform(t, "sk-second", simulator.WordsPlain())
	cfg := config.Defaults()
	cfg.Accounts = []config.Account{
		{Name: "eu", URL: firstURL, Key: config.NewSecret("sk-first"), RateLimit: 50},
		{Name: "eu-too", URL: firstURL + "/", Key: config.NewSecret("sk-first"), RateLimit: 50},
		{Name: "us", URL: secondURL, Key: config.NewSecret("sk-second"), RateLimit: 50},
	}
	auto := config.Words{Parse: config.ParseAuto}
	cfg.Sources = []config.Source{
		{Name: "press", Account: "eu", UniqueID: "press/2026", Poll: quickly(), Words: auto},
		{Name: "archive", Account: "eu-too", UniqueID: "old", Poll: quickly(), Words: auto},
		// It has one word of its own for failure, as an account of another era might.
		{Name: "studio", Account: "us", UniqueID: "press/2026", Poll: quickly(), Words: config.Words{
			Parse: config.ParseAuto, Failed: []string{"FAILED", "BROKEN"},
		}},
	}
	cfg.NATS.Listen, cfg.HTTP.Listen, cfg.DataDir = "", "", t.TempDir()
	return twoPlatforms{first, second, cfg}
}

// vidbell is a whole service in this process, and what it announced.
type vidbell struct {
	*service
	mu     sync.Mutex
	events []notify.VideoEvent
}

func startVidbell(t *testing.T, cfg *config.Config) *vidbell {
	t.Helper()
	return startVidbellWith(t, cfg, func(*service) {})
}

func startVidbellWith(t *testing.T, cfg *config.Config, change func(*service)) *vidbell {
	t.Helper()
	s, err := newService(t.Context(), cfg, zaptest.NewLogger(t))
	must(t, err)
	change(s)
	v := &vidbell{service: s}
	_, err = s.engine.Conn.Subscribe("video.>", func(m *nats.Msg) {
		var e notify.VideoEvent
		if err := json.Unmarshal(m.Data, &e); err != nil {
			t.Errorf("%s: %v", m.Subject, err)
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.events = append(v.events, e)
	})
	must(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		s.close()
	})
	return v
}

func (v *vidbell) source(t *testing.T, name string) web.Source {
	t.Helper()
	list, err := v.operator.Sources()
	must(t, err)
	for _, s := range list {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no source %s", name)
	return web.Source{}
}

// mustHaveBaselines waits until what is there has been recorded everywhere.
func (v *vidbell) mustHaveBaselines(t *testing.T) {
	t.Helper()
	eventually(t, "baselines", func() bool {
		list, err := v.operator.Sources()
		return err == nil && !slices.ContainsFunc(list, func(s web.Source) bool { return s.BaselineAt == nil })
	})
}

// told is what was announced so far, like "press done VI1 PARSE", sorted.
func (v *vidbell) told() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var list []string
	for _, e := range v.events {
		list = append(list, strings.Join([]string{e.Data.Source, e.Data.Status, e.Data.VideoNo, e.Data.RawStatus}, " "))
	}
	slices.Sort(list)
	return list
}

func (v *vidbell) mustTell(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	deadline := time.Now().Add(patience)
	for !slices.Equal(v.told(), want) {
		if time.Now().After(deadline) {
			t.Fatalf("announced\n got %q\nwant %q", v.told(), want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Each source has its account, its namespace and its words: the same raw word is news at one and none at the other.
func TestSourcesOfTwoAccounts(t *testing.T) {
	p := newTwoPlatforms(t)
	press := p.first.Add("press/2026", simulator.Video{})
	old := p.first.Add("old", simulator.Video{})
	studio := p.second.AddAll("press/2026", []simulator.Video{{}, {}, {Raw: "DONE"}}) // which shows what PARSE means there
	v := startVidbell(t, p.cfg)
	v.mustHaveBaselines(t)

	p.first.Set("press/2026", press, "PARSE", "")
	p.first.Set("old", old, "FAIL", "no frames")
	p.second.Set("press/2026", studio[0], "DONE", "")
	p.second.Set("press/2026", studio[1], "BROKEN", "")
	v.mustTell(t,
		"press done "+press+" PARSE", "archive failed "+old+" FAIL", "studio done "+studio[0]+" DONE", "studio failed "+studio[1]+" BROKEN")

	for name, want := range map[string]web.Source{
		"press":   {Account: "eu", UniqueID: "press/2026", Videos: web.Videos{Known: 1, Done: 1}, Parse: web.Parse{Means: "done"}},
		"archive": {Account: "eu-too", UniqueID: "old", Videos: web.Videos{Known: 1, Failed: 1}, Parse: web.Parse{Means: "done"}},
		"studio":  {Account: "us", UniqueID: "press/2026", Videos: web.Videos{Known: 3, Done: 2, Failed: 1}, Parse: web.Parse{Means: "processing"}},
	} {
		eventually(t, name+" as the operator sees it", func() bool {
			got := v.source(t, name)
			return got.Account == want.Account && got.UniqueID == want.UniqueID && got.Videos == want.Videos &&
				got.Parse.Means == want.Parse.Means && got.Parse.Because != "" && got.Degraded == "" && got.LastError == ""
		})
	}
}

// Whatever one account meets, the other goes on, at its full rate.
func TestTroubleOfOneAccountLeavesTheOtherAlone(t *testing.T) {
	for _, tc := range []struct {
		sentence string
		fault    simulator.Fault
		hit      func(s web.Source) bool
	}{
		{"throttled", simulator.Fault{Kind: simulator.FaultCode, Code: "0429", Times: -1, RetryAfter: time.Hour}, func(s web.Source) bool {
			return s.RequestsPerSecond < 50
		}},
		{"refused", simulator.Fault{Kind: simulator.FaultCode, Code: "0401", Times: -1}, func(s web.Source) bool {
			return s.Degraded == "unauthorized"
		}},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			p := newTwoPlatforms(t)
			press := p.first.Add("press/2026", simulator.Video{})
			studio := p.second.AddAll("press/2026", []simulator.Video{{}, {Raw: "DONE"}})
			v := startVidbell(t, p.cfg)
			v.mustHaveBaselines(t)
			must(t, p.first.Fail(tc.fault))
			before := p.first.Counts().Total
			eventually(t, "the fault is met", func() bool { return p.first.Counts().Total > before })

			p.first.Set("press/2026", press, "PARSE", "") // which cannot be seen now
			p.second.Set("press/2026", studio[0], "DONE", "")
			v.mustTell(t, "studio done "+studio[0]+" DONE")
			eventually(t, "the operator sees which it is", func() bool { return tc.hit(v.source(t, "press")) })
			if s := v.source(t, "studio"); s.Degraded != "" || s.LastError != "" || s.RequestsPerSecond != 50 {
				t.Errorf("studio is disturbed: %+v", s)
			}
		})
	}
}

func TestAccountsOfOneKeyShareTheirQuota(t *testing.T) {
	list, err := sources(newTwoPlatforms(t).cfg)
	must(t, err)
	press, archive, studio := list[0], list[1], list[2]
	if press.Account != archive.Account {
		t.Error("two names for one key, two quotas: together they may ask for twice the rate")
	}
	if press.Account == studio.Account || press.Lister == studio.Lister {
		t.Error("two keys share a quota or a client")
	}
}

func TestSourcesAreValidated(t *testing.T) {
	cfg := newTwoPlatforms(t).cfg
	cfg.Sources[1].Account = "nowhere"
	_, err := sources(cfg)
	if ExitCode(failed(err)) != ExitConfig || !strings.Contains(err.Error(), `sources[1].account: no account is named "nowhere"`) {
		t.Errorf("sources: %v", err)
	}
}

// check asks for each source with its own account, and says which account to look at.
func TestCheckAsksEverySourceWithItsAccount(t *testing.T) {
	p := newTwoPlatforms(t)
	p.first.Fill("press/2026", 3)
	p.first.Fill("old", 5)
	p.second.Fill("press/2026", 7)
	r := &report{}
	if !r.platform(t.Context(), p.cfg) {
		t.Errorf("findings %+v", r.Findings)
	}
	for i, want := range []string{"3 videos", "5 videos", "7 videos"} {
		if f := r.Findings[i]; f.Name != p.cfg.Sources[i].Name || f.Verdict != verdictOK || !strings.Contains(f.Detail, want) {
			t.Errorf("finding %+v, want %s", f, want)
		}
	}
	p.cfg.Accounts[2].Key = config.NewSecret("sk-another")
	r = &report{}
	if r.platform(t.Context(), p.cfg) {
		t.Error("a refused key passes")
	}
	var out bytes.Buffer
	must(t, r.write(&out, false))
	if f := r.Findings[2]; f.Verdict != verdictFail || !strings.HasSuffix(f.Detail, "; check the key of account us") {
		t.Errorf("finding %+v", f)
	}
	if r.Findings[0].Verdict != verdictOK || strings.Contains(out.String(), "sk-") {
		t.Errorf("prints %s", &out)
	}
}
