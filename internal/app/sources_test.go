package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"

	"vidbell/diff"
	"vidbell/internal/config"
	"vidbell/internal/web"
	"vidbell/poller"
)

const token = "hush-token"

// fakePoller is the poller as the pages reach it.
type fakePoller struct {
	status   []poller.Status
	hints    []string
	released []string
}

func (f *fakePoller) Status() []poller.Status { return f.status }

func (f *fakePoller) Hint(videoNo string) int {
	f.hints = append(f.hints, videoNo)
	return len(f.status)
}

func (f *fakePoller) Release(source string) error {
	f.released = append(f.released, source)
	return nil
}

func TestOperator(t *testing.T) {
	cfg := newTwoPlatforms(t).cfg
	list, err := sources(cfg)
	must(t, err)
	o := &operator{}
	if _, err := o.Sources(); !errors.Is(err, web.ErrStarting) {
		t.Errorf("before the state is loaded the sources are %v", err)
	}
	if _, err := o.Release("press"); !errors.Is(err, web.ErrStarting) || o.Hint("VI1") != 0 {
		t.Errorf("before the state is loaded a release is %v", err)
	}
	at := time.Date(2026, 11, 23, 22, 4, 5, 0, time.FixedZone("", 3600))
	p := &fakePoller{status: []poller.Status{
		{
			Source: "studio", Videos: 15, InFlight: 3, BaselineAt: at, Parse: "done", ParseWhy: "it was told", LastPoll: at, NextPoll: at,
			LastError: "list page 1: timeout", Degraded: "timeout",
			Counts:   map[diff.Status]int{diff.Processing: 1, diff.Unknown: 2, diff.Done: 3, diff.Failed: 4, diff.Deleted: 5},
			Requests: map[string]int{"head": 7, "sweep": 2}, SweepPage: 3, SweepPages: 9, LastSweep: at, Suspects: 6,
			Mismatch: &poller.Mismatch{Seen: 15, Counted: 17}, Held: diff.Hold{Videos: 12, Agreed: 1}, NewestFirst: true,
			Filters: map[string]poller.FilterState{
				"video_nos": poller.FilterIgnored, "status": poller.FilterHonoured, "video_no": poller.FilterUntried,
			},
		},
		{Source: "press"},
	}}
	o.attach(p, cfg, list)
	got, err := o.Sources()
	must(t, err)
	utc, newest := at.UTC(), true
	want := web.Source{
		Name: "studio", Account: "us", UniqueID: "press/2026", BaselineAt: &utc,
		Videos: web.Videos{Known: 15, Processing: 1, Unknown: 2, Done: 3, Failed: 4, Deleted: 5}, InFlight: 3,
		Parse: web.Parse{Means: "done", Because: "it was told"}, LastPollAt: &utc, NextPollAt: &utc,
		LastError: "list page 1: timeout", Degraded: "timeout", RequestsPerSecond: 50,
		Requests: map[string]int{"head": 7, "sweep": 2}, NewestFirst: &newest,
		Sweep:         web.Sweep{LastCompleteAt: &utc, UnderWay: true, Pages: 3, ExpectedPages: 9, Suspects: 6},
		CountMismatch: &web.CountMismatch{Seen: 15, Counted: 17}, Hold: &web.Hold{Videos: 12, Agreed: 1, Reason: "timeout"},
		Filters: &web.Filters{VideoNos: web.FilterIgnored, Status: web.FilterHonoured, VideoNo: web.FilterUntried},
	}
	if len(got) != 2 || asText(t, got[0]) != asText(t, want) {
		t.Errorf("sources\n got %s\nwant %s", asText(t, got), asText(t, want))
	}
	if got[1].BaselineAt != nil || got[1].NextPollAt != nil || got[1].Account != "eu" {
		t.Errorf("a source without a poll is %+v", got[1])
	}
	if o.Hint("VI1") != 2 || o.Hint("") != 2 || !slices.Equal(p.hints, []string{"VI1", ""}) {
		t.Errorf("hints %q", p.hints)
	}
	if _, err := o.Release("press"); !errors.Is(err, web.ErrNothingHeld) {
		t.Errorf("nothing is held, a release is %v", err)
	}
	if _, err := o.Release("else"); !errors.Is(err, web.ErrNoSource) || p.released != nil {
		t.Errorf("no such source, a release is %v", err)
	}
	if held, err := o.Release("studio"); err != nil || held.Videos != 12 || !slices.Equal(p.released, []string{"studio"}) {
		t.Errorf("a release of %+v is %v", held, err)
	}
}

func asText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	must(t, err)
	return string(text)
}

// fakeOperator is what the running service shows and does.
type fakeOperator struct {
	list     []web.Source
	released []string
}

func (o *fakeOperator) Sources() ([]web.Source, error) {
	if o.list == nil {
		return nil, web.ErrStarting
	}
	return o.list, nil
}

func (o *fakeOperator) Release(name string) (web.Hold, error) {
	o.released = append(o.released, name)
	return web.Hold{}, nil
}

// setEnv makes the environment hold these VIDBELL_ variables and no others.
func setEnv(t *testing.T, pairs ...string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "VIDBELL_") {
			t.Setenv(name, "")
		}
	}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}

// serve runs the HTTP server of a service with the token, and points the commands to it.
func serve(t *testing.T, o web.Operator) {
	t.Helper()
	servePages(t, func(s *web.Server) { s.HandleSources(o) })
}

func servePages(t *testing.T, add func(*web.Server)) {
	t.Helper()
	listener, err := web.Listen(t.Context(), "127.0.0.1:0")
	must(t, err)
	server, err := web.New(web.Config{
		Listener: listener, Gatherer: prometheus.NewRegistry(), Ready: func() []web.Check { return nil },
		Token: config.NewSecret(token), Logger: zaptest.NewLogger(t),
	})
	must(t, err)
	add(server)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-done)
	})
	setEnv(t, "VIDBELL_HTTP_LISTEN="+server.Addr(), "VIDBELL_HTTP_TOKEN="+token)
}

func threeSources() []web.Source {
	now := time.Now()
	poll, next, sweep := now.Add(-3*time.Second), now.Add(time.Minute), now.Add(-4*time.Minute)
	well := web.Source{
		Account: "eu", Videos: web.Videos{Known: 1234}, InFlight: 20, Parse: web.Parse{Means: "done", Because: "it was told"},
		BaselineAt: &sweep, LastPollAt: &poll, NextPollAt: &next, RequestsPerSecond: 0.5, Sweep: web.Sweep{LastCompleteAt: &sweep},
	}
	press, held, sick := well, well, well
	press.Name, held.Name, sick.Name = "press", "held", "sick"
	held.Hold = &web.Hold{Videos: 40, Agreed: 1, Reason: "many at once\x1b[31m"}
	sick.Degraded, sick.LastPollAt, sick.NextPollAt = "unauthorized", nil, nil
	return []web.Source{press, held, sick}
}

func TestSourcesCommand(t *testing.T) {
	serve(t, &fakeOperator{list: threeSources()})
	var out bytes.Buffer
	must(t, Sources(t.Context(), &out, false))
	lines := strings.Split(out.String(), "\n")
	for i, want := range [][]string{
		{"SOURCE", "ACCOUNT", "VIDEOS", "IN FLIGHT", "PARSE", "LAST POLL", "NEXT", "FULL SWEEP", "REQUESTS/S", "HEALTH"},
		{"press", "eu", "1234", "20", "done", "3.", "s ago", "in ", "4m0s ago", "0.5", "ok"},
		{"held", "holds back 40 changes"},
		{"sick", "never", "-", "degraded: unauthorized"},
		{""},
		{"held holds back 40 changes: many at once\uFFFD[31m. If they are right: vidbell sources release held"},
	} {
		for _, text := range want {
			if !strings.Contains(lines[i], text) {
				t.Errorf("line %d lacks %q: %q", i, text, lines[i])
			}
		}
	}
	if strings.ContainsRune(out.String(), '\x1b') {
		t.Errorf("what comes from outside reaches the terminal: %q", out.String())
	}
	out.Reset()
	must(t, Sources(t.Context(), &out, true))
	var list web.SourceList
	must(t, json.Unmarshal(out.Bytes(), &list))
	if len(list.Sources) != 3 || list.Sources[1].Hold.Videos != 40 || !strings.HasPrefix(out.String(), "{\n  \"sources\": [") {
		t.Errorf("prints %s", &out)
	}
}

func TestReleaseCommand(t *testing.T) {
	const question = "Announce 40 changes of source held, held back (many at once\uFFFD[31m)? [y/N] "
	for _, tc := range []struct {
		sentence string
		options  ReleaseOptions
		typed    string
		code     int
		asked    string
		says     string // on stdout, or as the error
	}{
		{
			"with --yes nobody is asked",
			ReleaseOptions{Name: "held", Yes: true},
			"", ExitOK, "",
			"released: 40 changes of source held, to be announced now\n",
		},
		{
			"a person says yes",
			ReleaseOptions{Name: "held", Terminal: true},
			"Yes\n", ExitOK, question,
			"released: 40 changes of source held, to be announced now\n",
		},
		{"a person says nothing", ReleaseOptions{Name: "held", Terminal: true}, "\n", ExitFailed, question, "not released"},
		{"a person goes away", ReleaseOptions{Name: "held", Terminal: true}, "", ExitFailed, question, "not released"},
		{
			"there is nobody to ask",
			ReleaseOptions{Name: "held"},
			"y\n", ExitUsage, "",
			"this would announce 40 changes of source held, held back (many at once\uFFFD[31m): repeat it with --yes",
		},
		{
			"nothing is held",
			ReleaseOptions{Name: "press", Yes: true},
			"", ExitFailed, "",
			"source press holds nothing back, so there is nothing to release",
		},
		{
			"no such source",
			ReleaseOptions{Name: "hold", Yes: true},
			"", ExitFailed, "",
			`no source is named "hold"; there is press, held, sick`,
		},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			o := &fakeOperator{list: threeSources()}
			serve(t, o)
			tc.options.In = strings.NewReader(tc.typed)
			var out, ask bytes.Buffer
			err := ReleaseSource(t.Context(), &out, &ask, tc.options)
			said := out.String()
			if err != nil {
				said += err.Error()
			}
			if ExitCode(err) != tc.code || said != tc.says || ask.String() != tc.asked {
				t.Errorf("code %d, says %q, asks %q", ExitCode(err), said, ask.String())
			}
			if done := slices.Equal(o.released, []string{"held"}); done != (tc.code == ExitOK) {
				t.Errorf("released %q", o.released)
			}
		})
	}
}

// A person who leaves the question with Ctrl-C has not answered it.
func TestReleaseCommandIsInterrupted(t *testing.T) {
	o := &fakeOperator{list: threeSources()}
	serve(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	in, typing := io.Pipe()
	t.Cleanup(func() { typing.Close() })
	asked := writerFunc(func(b []byte) (int, error) {
		cancel()
		return len(b), nil
	})
	err := ReleaseSource(ctx, io.Discard, asked, ReleaseOptions{Name: "held", Terminal: true, In: in})
	if ExitCode(err) != ExitInterrupted || o.released != nil {
		t.Errorf("code %d, released %q: %v", ExitCode(err), o.released, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Each way in which the service cannot be asked is told with what to do about it.
func TestServiceThatCannotBeAsked(t *testing.T) {
	other := func(status int, text string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("the token was carried elsewhere")
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}))
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	serve(t, &fakeOperator{})
	starting := os.Getenv("VIDBELL_HTTP_LISTEN")
	for _, tc := range []struct {
		sentence string
		env      []string
		code     int
		says     string
	}{
		{
			"nobody is there",
			[]string{"VIDBELL_HTTP_LISTEN=" + gone.Listener.Addr().String()},
			ExitFailed,
			"start it with vidbell run, or set VIDBELL_HTTP_LISTEN to the address it listens on",
		},
		{"it has no address", []string{"VIDBELL_HTTP_LISTEN=off"}, ExitFailed, "VIDBELL_HTTP_LISTEN is off, there is nothing to ask: set it"},
		{"its address is misspelt", []string{"VIDBELL_HTTP_LISTEN=8080"}, ExitConfig, "VIDBELL_HTTP_LISTEN: "},
		{"it wants its token", []string{"VIDBELL_HTTP_LISTEN=" + starting}, ExitConfig, "the service asks for its token: set VIDBELL_HTTP_TOKEN"},
		{
			"it has another token",
			[]string{"VIDBELL_HTTP_LISTEN=" + starting, "VIDBELL_HTTP_TOKEN=hush"},
			ExitConfig,
			"as it is set for the service",
		},
		{
			"it is not ready yet",
			[]string{"VIDBELL_HTTP_LISTEN=" + starting, "VIDBELL_HTTP_TOKEN=" + token},
			ExitFailed,
			"refuses: the state is not loaded yet, /readyz says what is waited for",
		},
		{"something else is there", []string{"VIDBELL_HTTP_LISTEN=" + other(404, "404 page not found")}, ExitFailed, "with status 404, and is no vidbell"},
		{"it leads elsewhere", []string{"VIDBELL_HTTP_LISTEN=" + other(302, "")}, ExitFailed, "with status 302, and is no vidbell"},
		{"it answers with something else", []string{"VIDBELL_HTTP_LISTEN=" + other(200, "<html>")}, ExitFailed, "answers with something else, and is no vidbell"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			setEnv(t, tc.env...)
			var out bytes.Buffer
			for _, err := range []error{
				Sources(t.Context(), &out, true), ReleaseSource(t.Context(), &out, &out, ReleaseOptions{Name: "held", Yes: true}),
			} {
				if err == nil || ExitCode(err) != tc.code || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "hush") {
					t.Errorf("code %d: %v", ExitCode(err), err)
				}
			}
			if out.Len() > 0 {
				t.Errorf("prints %s", &out)
			}
		})
	}
}
