package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"vidbell/internal/config"
	"vidbell/internal/web"
)

// speak writes raw bytes to the server and reads one answer.
func speak(t *testing.T, base, request string) answer {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = io.WriteString(conn, request) }() // it may be cut off in the middle
	return readAnswer(t, conn)
}

func readAnswer(t *testing.T, conn net.Conn) answer {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// mustBeAProblem looks for a whole problem document.
func mustBeAProblem(t *testing.T, got answer, status int, detail string) {
	t.Helper()
	var p struct {
		Title, Detail string
		Status        int
	}
	if err := json.Unmarshal([]byte(got.body), &p); err != nil {
		t.Fatalf("%d %q: %v", got.status, got.body, err)
	}
	if got.status != status || p.Status != status || p.Title != http.StatusText(status) || !strings.Contains(p.Detail, detail) ||
		got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %s %s", got.status, got.header.Get("Content-Type"), got.body)
	}
}

// Whatever is wrong with a request, also before a page has seen it, the answer is a problem document.
func TestEveryErrorIsAProblem(t *testing.T) {
	base, _ := start(t, "", nil, func(s *web.Server) {
		s.Handle("GET /v1/plain", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "limit reached", http.StatusServiceUnavailable)
		}))
		s.Handle("GET /v1/silent", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	})
	const host = " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	for _, tc := range []struct {
		sentence, request string
		status            int
		detail            string
	}{
		{"no such page", "GET /nope" + host + "\r\n", 404, "no such page"},
		{"a wrong method", "DELETE /v1/plain" + host + "\r\n", 405, "this page answers to GET, HEAD"},
		{"a method of nobody", "BREW /v1/plain" + host + "\r\n", 405, "this page answers to GET, HEAD"},
		{"a long target", "GET /v1/plain?x=" + strings.Repeat("x", 9<<10) + host + "\r\n", 414, "longer than 8 KiB"},
		{"a large header", "GET /v1/plain" + host + "X: " + strings.Repeat("x", 17<<10) + "\r\n\r\n", 431, "larger than 16 KiB"},
		{"a header without an end", "GET /v1/plain" + host + "X: " + strings.Repeat("x", 200<<10) + "\r\n\r\n", 431, "larger than 16 KiB"},
		{"no HTTP", "hello\r\n\r\n", 400, "could not be read"},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400, "missing required Host header"},
		{"a header of no form", "GET /" + host + "X y\r\n\r\n", 400, ""},
		{"another version", "GET / HTTP/3.7\r\nHost: localhost\r\n\r\n", 505, ""},
		{"an unknown coding", "POST /v1/plain" + host + "Transfer-Encoding: magic\r\n\r\n", 501, ""},
		{"an error of somebody else's handler", "GET /v1/plain" + host + "\r\n", 503, "limit reached"},
		{"one without a word", "GET /v1/silent" + host + "\r\n", 502, ""},
		{"a foreign name", "GET /v1/plain HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421, "by IP address or localhost"},
	} {
		t.Run(tc.sentence, func(t *testing.T) { mustBeAProblem(t, speak(t, base, tc.request), tc.status, tc.detail) })
	}
}

// A page that panics is a problem for its caller, a line in the log, and nothing to the next one. Half an answer is cut off: it
// must not look whole.
func TestPanics(t *testing.T) {
	core, logged := observer.New(zap.InfoLevel)
	base, client := startLogged(t, zap.New(core), func(s *web.Server) {
		s.Handle("GET /v1/panic", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh") }))
		s.Handle("GET /v1/late", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic("oh")
		}))
		s.Handle("GET /v1/abort", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	})
	got := ask(t, client, "GET", base+"/v1/panic", nil)
	if got.status != 500 || got.header.Get("Content-Type") != "application/problem+json" || strings.Contains(got.body, "oh") {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, path := range []string{"/v1/late", "/v1/abort"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := client.Do(req); err == nil {
			if _, err = io.ReadAll(resp.Body); err == nil {
				t.Errorf("%s looks whole", path)
			}
			resp.Body.Close()
		}
	}
	if lines := logged.FilterMessage("a page panicked").All(); len(lines) != 2 || lines[0].ContextMap()["page"] != "GET /v1/panic" ||
		!strings.Contains(lines[0].ContextMap()["stack"].(string), "rules_test.go") {
		t.Errorf("logged %v", lines)
	}
	if got := ask(t, client, "GET", base+"/healthz", nil); got.status != 200 {
		t.Errorf("afterwards: %d", got.status)
	}
}

// startLogged is start with a logger of one's own.
func startLogged(t *testing.T, logger *zap.Logger, add func(*web.Server)) (base string, client *http.Client) {
	t.Helper()
	listener, err := web.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// Without idle connections a request that is cut off is not sent again.
	client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	t.Cleanup(serve(t, listener, logger, add))
	t.Cleanup(client.CloseIdleConnections)
	return "http://" + listener.Addr().String(), client
}

// serve runs a server without a token; what it returns stops it.
func serve(t *testing.T, listener net.Listener, logger *zap.Logger, add func(*web.Server)) (stop func()) {
	t.Helper()
	s, err := web.New(web.Config{
		Listener: listener, Gatherer: prometheus.NewRegistry(), Ready: func() []web.Check { return nil }, Logger: logger,
		Token: config.NewSecret(""),
	})
	if err != nil {
		t.Fatal(err)
	}
	add(s)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// pipes is a listener whose connections live in memory, so that time can be fake.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// dial returns the caller's end of a new connection.
func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

// Whoever sends a byte now and then is let go: 5 s for a header, 15 s for a request, whatever its page is allowed to take, and
// two minutes of nothing between two requests.
func TestSlowCallersAreLetGo(t *testing.T) {
	for name, tc := range map[string]struct {
		talk     func(t *testing.T, conn net.Conn)
		min, max time.Duration
	}{
		"by header": {func(t *testing.T, conn net.Conn) {
			go drip(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 100))
			mustBeAProblem(t, readAnswer(t, conn), http.StatusBadRequest, "could not be read")
		}, 5 * time.Second, 6 * time.Second},
		"by body": {func(t *testing.T, conn net.Conn) {
			go func() {
				_, _ = io.WriteString(conn, "POST /v1/replay HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
				drip(conn, `{"endpoint":"`+strings.Repeat("x", 100))
			}()
			mustBeAProblem(t, readAnswer(t, conn), http.StatusRequestTimeout, "the body did not arrive in time")
		}, 15 * time.Second, 16 * time.Second},
		"by doing nothing": {func(t *testing.T, conn net.Conn) {
			go func() { _, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") }()
			if text, _ := io.ReadAll(conn); !strings.HasPrefix(string(text), "HTTP/1.1 200") {
				t.Errorf("answered %q", text)
			}
		}, 2 * time.Minute, 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener, c := newPipes(), &courier{}
				stop := serve(t, listener, zap.NewNop(), func(s *web.Server) { s.HandleDeliveries(c) })
				defer time.Sleep(2 * time.Second) // until nobody writes any more
				defer stop()
				conn, began := listener.dial(), time.Now()
				defer conn.Close()
				tc.talk(t, conn)
				if took := time.Since(began); took < tc.min || took > tc.max {
					t.Errorf("it took %s", took)
				}
				if len(c.asked) > 0 {
					t.Errorf("asked %q", c.asked)
				}
			})
		})
	}
}

// drip writes a byte a second until nobody reads.
func drip(conn net.Conn, text string) {
	for i := range len(text) {
		if _, err := conn.Write([]byte(text[i : i+1])); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// A body that ends early is no order.
func TestBodyThatIsCutOff(t *testing.T) {
	c := &courier{}
	base, _ := startCourier(t, "", c)
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "POST /v1/endpoints/ops/enable HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{}")
	_ = conn.(*net.TCPConn).CloseWrite()
	mustBeAProblem(t, readAnswer(t, conn), http.StatusBadRequest, "the body did not arrive whole")
	if len(c.asked) > 0 {
		t.Errorf("asked %q", c.asked)
	}
}

// No page gives another site's scripts leave for anything, whatever they ask with.
func TestNoOtherOriginIsLetIn(t *testing.T) {
	base, client, routes := startAll(t)
	for _, route := range routes {
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer("{name}", "ops", "{secret}", hintSecret).Replace(path) // the other parts of a path may be anything
		for _, m := range []string{method, http.MethodOptions, http.MethodHead} {
			got := ask(t, client, m, base+path, func(r *http.Request) {
				r.Header.Set("Origin", "https://evil.example")
				r.Header.Set("Access-Control-Request-Method", method)
				r.Header.Set("Access-Control-Request-Headers", "authorization")
			})
			for name := range got.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s %s answers with %s", m, path, name)
				}
			}
			if m == http.MethodOptions && (got.status != http.StatusMethodNotAllowed || !strings.Contains(got.header.Get("Allow"), method)) {
				t.Errorf("OPTIONS %s: %d, Allow %q", path, got.status, got.header.Get("Allow"))
			}
			if m == http.MethodHead && (got.body != "" || method == http.MethodGet && got.status/100 == 5) {
				t.Errorf("HEAD %s: %d %q", path, got.status, got.body)
			}
		}
	}
}

// A misspelt parameter is never taken for none, on no page.
func TestUnknownParametersAreRefused(t *testing.T) {
	base, client, routes := startAll(t)
	for _, route := range routes {
		method, path, _ := strings.Cut(route, " ")
		if !strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/v1/hints/") {
			continue
		}
		path = strings.ReplaceAll(path, "{name}", "ops")
		got := ask(t, client, method, base+path+"?sourec=press", func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })
		if got.status != 400 || !strings.Contains(got.body, `\"sourec\": unknown parameter`) {
			t.Errorf("%s: %d %s", route, got.status, got.body)
		}
		if method == http.MethodPost {
			got := ask(t, client, method, base+path, order(`{"nonesuch":1}`))
			if got.status != 400 || !strings.Contains(got.body, `\"nonesuch\": unknown field`) {
				t.Errorf("%s: %d %s", route, got.status, got.body)
			}
		}
	}
	got := ask(t, client, "GET", base+"/v1/deliveries?sourec=press", nil)
	if !strings.Contains(got.body, "did you mean source? This page takes endpoint,") {
		t.Errorf("no word of what is right: %s", got.body)
	}
}
