package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"vidbell/internal/config"
	"vidbell/internal/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a server on a port of the system's choice until the test ends.
func start(t *testing.T, token string, ready func() []web.Check, add func(*web.Server)) (base string, client *http.Client) {
	t.Helper()
	return startWith(t, web.Config{Token: config.NewSecret(token), Ready: ready}, add)
}

// startWith is start for what else can be set.
func startWith(t *testing.T, cfg web.Config, add func(*web.Server)) (base string, client *http.Client) {
	t.Helper()
	listener, err := web.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "vidbell_test_total", Help: "A counter."}))
	if cfg.Ready == nil {
		cfg.Ready = func() []web.Check { return nil }
	}
	cfg.Listener, cfg.Gatherer, cfg.Version, cfg.Logger = listener, registry, "v1", zaptest.NewLogger(t)
	s, err := web.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if add != nil {
		add(s)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	client = &http.Client{Transport: described(t).Transport(&http.Transport{}, func(problem string) { t.Error(problem) }), Timeout: 10 * time.Second}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return "http://" + s.Addr(), client
}

type answer struct {
	status int
	header http.Header
	body   string
}

func ask(t *testing.T, client *http.Client, method, url string, edit func(*http.Request)) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(req)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func bearer(value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", value) }
}

func TestPages(t *testing.T) {
	base, client := start(t, "", nil, nil)
	for _, tc := range []struct {
		sentence, method, path string
		status                 int
		contentType, contains  string
	}{
		{"the index lists the pages", "GET", "/", 200, "text/plain", "GET    /readyz"},
		{"the process is alive", "GET", "/healthz", 200, "application/json", `{"status":"ok","version":"v1"}`},
		{"the same, as Kubernetes calls it", "GET", "/livez", 200, "application/json", `{"status":"ok","version":"v1"}`},
		{"a HEAD of a page is answered", "HEAD", "/healthz", 200, "application/json", ""},
		{"nothing to check is ready", "GET", "/readyz", 200, "application/json", `{"ready":true,"checks":[]}`},
		{"metrics are there", "GET", "/metrics", 200, "text/plain", "vidbell_test_total 0"},
		{"an unknown page", "GET", "/nope", 404, "application/problem+json", `{"title":"Not Found","status":404`},
		{"a page below a page", "GET", "/metrics/x", 404, "application/problem+json", "no such page"},
		{"an unclean path leads to the clean one", "GET", "//metrics", 200, "text/plain", "vidbell_test_total 0"},
		{"a wrong method", "POST", "/metrics", 405, "application/problem+json", "this page answers to GET, HEAD"},
		{"a preflight of a browser gets no permission", "OPTIONS", "/metrics", 405, "application/problem+json", ""},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			got := ask(t, client, tc.method, base+tc.path, nil)
			if got.status != tc.status || !strings.HasPrefix(got.header.Get("Content-Type"), tc.contentType) || !strings.Contains(got.body, tc.contains) {
				t.Errorf("%d %s %q", got.status, got.header.Get("Content-Type"), got.body)
			}
			for _, name := range []string{"X-Content-Type-Options", "X-Frame-Options", "Content-Security-Policy", "Referrer-Policy"} {
				if got.header.Get(name) == "" {
					t.Errorf("no %s", name)
				}
			}
			if got.header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("other origins may read this")
			}
			if tc.status == 405 && got.header.Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow = %q", got.header.Get("Allow"))
			}
		})
	}
}

func TestReady(t *testing.T) {
	base, client := start(t, "", func() []web.Check {
		return []web.Check{{Name: "engine", OK: true}, {Name: "state", Detail: "loading"}}
	}, nil)
	got := ask(t, client, "GET", base+"/readyz", nil)
	var body struct {
		Ready  bool
		Checks []web.Check
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatal(err)
	}
	if got.status != 503 || body.Ready || len(body.Checks) != 2 || body.Checks[1].Detail != "loading" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := ask(t, client, "GET", base+"/healthz", nil); got.status != 200 {
		t.Errorf("alive but not ready answers %d", got.status)
	}
}

func TestAlive(t *testing.T) {
	var stuck atomic.Bool
	base, client := startWith(t, web.Config{Alive: func() error {
		if stuck.Load() {
			return errors.New("source default has stood still for 6m0s")
		}
		return nil
	}}, nil)
	for _, page := range []string{"/livez", "/healthz"} {
		stuck.Store(false)
		if got := ask(t, client, "GET", base+page, nil); got.status != 200 {
			t.Errorf("%s: %d %s", page, got.status, got.body)
		}
		stuck.Store(true)
		got := ask(t, client, "GET", base+page, nil)
		if got.status != 503 || strings.Contains(got.body, "default") {
			t.Errorf("%s: %d %s, want 503 and no name", page, got.status, got.body)
		}
	}
}

func TestToken(t *testing.T) {
	base, client := start(t, "hush", nil, func(s *web.Server) {
		s.Handle("GET /v1/extra", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	})
	for _, tc := range []struct {
		sentence, path, authorization string
		status                        int
	}{
		{"health is open", "/healthz", "", 200},
		{"readiness is open", "/readyz", "", 200},
		{"metrics ask for the token", "/metrics", "", 401},
		{"another token", "/metrics", "Bearer hush2", 401},
		{"an empty token", "/metrics", "Bearer ", 401},
		{"another scheme", "/metrics", "Basic hush", 401},
		{"the token alone", "/metrics", "hush", 401},
		{"the token", "/metrics", "Bearer hush", 200},
		{"the scheme in lower case", "/metrics", "bearer hush", 200},
		{"an added page is behind the token", "/v1/extra", "", 401},
		{"an added page with the token", "/v1/extra", "Bearer hush", 204},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			got := ask(t, client, "GET", base+tc.path, bearer(tc.authorization))
			if got.status != tc.status || strings.Contains(got.body, "hush") {
				t.Errorf("%d %s", got.status, got.body)
			}
			if tc.status == 401 && got.header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
		})
	}
}

func TestForeignHosts(t *testing.T) {
	open, client := start(t, "", nil, nil)
	guarded, guardedClient := start(t, "hush", nil, nil)
	for _, tc := range []struct {
		host string
		want int
	}{
		{"localhost:8080", 200},
		{"[::1]:8080", 200},
		{"10.1.2.3", 200},
		{"evil.example", 421},
	} {
		host := func(r *http.Request) { r.Host = tc.host }
		if got := ask(t, client, "GET", open+"/metrics", host); got.status != tc.want {
			t.Errorf("host %s without a token: %d, want %d", tc.host, got.status, tc.want)
		}
		if got := ask(t, client, "GET", open+"/healthz", host); got.status != 200 {
			t.Errorf("host %s: the health page answers %d", tc.host, got.status)
		}
		withToken := func(r *http.Request) { host(r); bearer("Bearer hush")(r) }
		if got := ask(t, guardedClient, "GET", guarded+"/metrics", withToken); got.status != 200 {
			t.Errorf("host %s with a token: %d, want 200", tc.host, got.status)
		}
	}
}

func TestBounds(t *testing.T) {
	base, client := start(t, "", nil, func(s *web.Server) {
		s.Handle("POST /v1/echo", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				web.Problem(w, http.StatusRequestEntityTooLarge, "too large")
			}
		}))
	})
	long := func(r *http.Request) { r.Header.Set("X-Long", strings.Repeat("x", 64<<10)) }
	if got := ask(t, client, "GET", base+"/healthz", long); got.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a long header: %d", got.status)
	}
	large := func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", 2<<20))) }
	if got := ask(t, client, "POST", base+"/v1/echo", large); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d", got.status)
	}
}

// A request under way when the context ends is answered; one that comes later is not.
func TestGracefulStop(t *testing.T) {
	listener, err := web.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := web.New(web.Config{
		Listener: listener, Gatherer: prometheus.NewRegistry(), Ready: func() []web.Check { return nil }, Logger: zaptest.NewLogger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	s.Handle("GET /slow", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		w.WriteHeader(http.StatusNoContent)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	status := make(chan int, 1)
	go func() { status <- ask(t, client, "GET", "http://"+s.Addr()+"/slow", nil).status }()
	<-entered
	cancel()
	waitClosed(t, s.Addr())
	close(release)
	if got := <-status; got != http.StatusNoContent {
		t.Errorf("the request under way got %d", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func waitClosed(t *testing.T, address string) {
	t.Helper()
	var d net.Dialer
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		conn, err := d.DialContext(t.Context(), "tcp", address)
		if err != nil {
			return
		}
		_ = conn.Close()
	}
	t.Fatal("the listener stays open")
}

func TestListen(t *testing.T) {
	taken, err := web.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tc := range []struct{ sentence, address, want string }{
		{"a port in use", taken.Addr().String(), "the port is taken by another process: set VIDBELL_HTTP_LISTEN to another address, or to off"},
		{"an address of another machine", "192.0.2.1:0", "this machine has no such address: correct VIDBELL_HTTP_LISTEN"},
		{"an unknown name", "nowhere.invalid:0", "correct VIDBELL_HTTP_LISTEN"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			_, err := web.Listen(t.Context(), tc.address)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Listen = %v, want %q", err, tc.want)
			}
		})
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := web.New(web.Config{}); err == nil {
		t.Error("New takes an empty Config")
	}
}

// A listener that dies is an error of Run, not silence.
func TestRunReportsALostListener(t *testing.T) {
	listener, err := web.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := web.New(web.Config{
		Listener: listener, Gatherer: prometheus.NewRegistry(), Ready: func() []web.Check { return nil }, Logger: zaptest.NewLogger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "serve HTTP") {
		t.Errorf("Run = %v", err)
	}
}
