package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"vidbell/internal/config"
)

// Bounds of a request. Whoever asks is an operator's probe, scraper or script: none needs more.
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 15 * time.Second
	writeTimeout   = 60 * time.Second
	idleTimeout    = 2 * time.Minute
	stopTimeout    = 5 * time.Second
	scrapeTimeout  = 20 * time.Second
	maxHeaderBytes = 16 << 10
	maxTarget      = 8 << 10 // path and query
	// hardHeaderBytes is where the standard library stops reading, before we see anything of the request.
	hardHeaderBytes = 64 << 10
	maxBodyBytes    = 1 << 20
	maxScrapes      = 4
)

// Check is one thing that must be good before work can be done.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // shown to anyone: no secret, no address of the inside
}

// Config is what a Server needs.
type Config struct {
	Listener net.Listener        // from Listen
	Gatherer prometheus.Gatherer // what /metrics shows
	Ready    func() []Check      // asked on every /readyz; must not block
	Alive    func() error        // asked on every /livez and /healthz, never about anything outside; nil is always alive
	Token    config.Secret       // asked for by everything but the health and hint pages, when set
	Version  string              // shown on the index and by /healthz
	Logger   *zap.Logger
}

// Server answers HTTP requests. Use New.
type Server struct {
	cfg    Config
	mux    *http.ServeMux
	http   *http.Server
	digest [sha256.Size]byte // of the token
	pages  []string

	stopping context.Context // ends when Run is told to stop, for answers that have no end
	stop     context.CancelFunc
}

// Listen opens the address of VIDBELL_HTTP_LISTEN. Its errors name that variable.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return listener, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s: the port is taken by another process: set VIDBELL_HTTP_LISTEN to another address, or to off: %w",
			address, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("listen on %s: this machine has no such address: correct VIDBELL_HTTP_LISTEN: %w", address, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen on %s: not allowed for this user, ports below 1024 often are not: set VIDBELL_HTTP_LISTEN to another one: %w",
			address, err)
	}
	return nil, fmt.Errorf("listen on %s: correct VIDBELL_HTTP_LISTEN: %w", address, err)
}

// New returns a server with the pages of this package. More may be added with Handle until Run is called.
func New(cfg Config) (*Server, error) {
	if cfg.Listener == nil || cfg.Gatherer == nil || cfg.Ready == nil || cfg.Logger == nil {
		return nil, errors.New("web: Listener, Gatherer, Ready and Logger are required")
	}
	s := &Server{cfg: cfg, mux: http.NewServeMux(), digest: sha256.Sum256([]byte(cfg.Token.Reveal()))}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.handleOpen("GET /{$}", s.index)
	s.handleOpen("GET /livez", s.health)
	s.handleOpen("GET /healthz", s.health) // the same, under the older name
	s.handleOpen("GET /readyz", s.ready)
	s.Handle("GET /metrics", promhttp.HandlerFor(cfg.Gatherer, promhttp.HandlerOpts{
		ErrorLog:            scrapeLog{cfg.Logger},
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTimeout,
	}))
	s.handleDescription()
	s.http = &http.Server{
		Handler:           s.guard(s.mux),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    hardHeaderBytes,
		ErrorLog:          zap.NewStdLog(cfg.Logger.WithOptions(zap.IncreaseLevel(zap.WarnLevel))),
	}
	return s, nil
}

// Handle adds a page behind the token: a pattern of http.ServeMux with its method, such as "GET /v1/videos".
func (s *Server) Handle(pattern string, handler http.Handler) {
	s.note(pattern)
	s.mux.Handle(pattern, ownPages(s.authorised(handler)))
}

func (s *Server) handleOpen(pattern string, handler http.HandlerFunc) {
	s.note(pattern)
	s.mux.Handle(pattern, handler)
}

func (s *Server) note(pattern string) {
	if method, page, ok := strings.Cut(pattern, " "); ok && !strings.HasSuffix(page, "{$}") {
		s.pages = append(s.pages, fmt.Sprintf("%-6s %s", method, page))
	}
}

// Addr is the address listened on, its port known.
func (s *Server) Addr() string { return s.cfg.Listener.Addr().String() }

// Run answers until the context ends, then lets requests under way finish for a bounded time. It closes the listener,
// and returns an error only when it could not go on serving.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(problemListener{s.cfg.Listener}) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve HTTP on %s: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	s.stop()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := s.http.Shutdown(stopping); err != nil {
		s.cfg.Logger.Warn("requests cut off at shutdown", zap.Error(err))
		_ = s.http.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP on %s: %w", s.Addr(), err)
	}
	return nil
}

// guard holds for every request: bounded bodies, security headers, problem documents.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(plain http.ResponseWriter, r *http.Request) {
		w := &answerWriter{ResponseWriter: plain}
		defer s.settle(w, r)
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if tooLong(w, r) {
			return
		}
		r.Body = http.MaxBytesReader(plain, r.Body, maxBodyBytes) // it closes the connection by what it is given
		if handler, pattern := s.mux.Handler(r); pattern == "" {
			s.refuse(w, r, handler)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// tooLong refuses what is longer than any request to us needs to be.
func tooLong(w http.ResponseWriter, r *http.Request) bool {
	if len(r.RequestURI) > maxTarget {
		Problem(w, http.StatusRequestURITooLong, fmt.Sprintf("path and query are longer than %d KiB", maxTarget>>10))
		return true
	}
	size := 0
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	if size > maxHeaderBytes {
		Problem(w, http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("the header is larger than %d KiB", maxHeaderBytes>>10))
		return true
	}
	return false
}

// settle ends an answer: also that of a page that panicked.
func (s *Server) settle(w *answerWriter, r *http.Request) {
	problem := recover()
	switch problem {
	case nil:
		w.finish()
		return
	case http.ErrAbortHandler: // the very value, by its contract
		panic(problem)
	}
	// The pattern, not the path: that of the hint page is secret.
	s.cfg.Logger.Error("a page panicked", zap.String("page", r.Pattern), zap.Any("panic", problem), zap.Stack("stack"))
	if w.begun {
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
	Problem(w, http.StatusInternalServerError, "this page failed, the service's log says why")
}

// refuse turns what the mux says to an unknown page, a wrong method or an unclean path into ours.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, handler http.Handler) {
	probe := statusProbe{header: http.Header{}}
	handler.ServeHTTP(&probe, r)
	switch probe.status {
	case http.StatusMethodNotAllowed:
		notAllowed(w, probe.header.Get("Allow"))
	default:
		notFound(w)
	}
}

// NoSuchPage is the detail of what is said to an address that no page has: a command tells an older service by it.
const NoSuchPage = "no such page, / lists them"

func notFound(w http.ResponseWriter) { Problem(w, http.StatusNotFound, NoSuchPage) }

func notAllowed(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	Problem(w, http.StatusMethodNotAllowed, "this page answers to "+allowed)
}

// statusProbe catches status and headers of an answer and drops its text.
type statusProbe struct {
	header http.Header
	status int
}

func (p *statusProbe) Header() http.Header { return p.header }

func (p *statusProbe) WriteHeader(status int) { p.status = status }

func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }

func onPlainHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !plainHost(r.Host) {
			Problem(w, http.StatusMisdirectedRequest, "ask by IP address or localhost, or set VIDBELL_HTTP_TOKEN")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownPages refuses what a browser sends for a page of another site: without a token, that page could change things here
// without being able to read the answer.
func ownPages(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if protection.Check(r) != nil {
			Problem(w, http.StatusForbidden, "pages of other sites may not do this")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// plainHost tells whether a Host header is one that a foreign web page could not have made a browser send: an IP
// address or localhost.
func plainHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "" || strings.EqualFold(host, "localhost")
}

// authorised lets those who hold the token through or, where there is none, those who ask by a plain host.
func (s *Server) authorised(next http.Handler) http.Handler {
	if !s.cfg.Token.IsSet() {
		return onPlainHost(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		given := sha256.Sum256([]byte(strings.TrimSpace(token))) // equal lengths, so that the time tells nothing
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(given[:], s.digest[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="vidbell"`)
			Problem(w, http.StatusUnauthorized, "send the value of VIDBELL_HTTP_TOKEN as Authorization: Bearer <token>")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, strings.TrimSpace("vidbell "+s.cfg.Version)+"\n\n"+strings.Join(s.pages, "\n")+"\n")
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	if s.cfg.Alive != nil {
		if err := s.cfg.Alive(); err != nil {
			s.cfg.Logger.Error("not alive", zap.Error(err))
			Problem(w, http.StatusServiceUnavailable, "a part of the service stands still, its log says which")
			return
		}
	}
	writeJSON(w, "application/json", http.StatusOK, struct {
		Status  string `json:"status"`
		Version string `json:"version,omitempty"`
	}{"ok", s.cfg.Version})
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	checks := s.cfg.Ready()
	body := struct {
		Ready  bool    `json:"ready"`
		Checks []Check `json:"checks"`
	}{true, append([]Check{}, checks...)}
	for _, c := range checks {
		body.Ready = body.Ready && c.OK
	}
	status := http.StatusOK
	if !body.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, "application/json", status, body)
}

// scrapeLog passes what promhttp has to say to zap.
type scrapeLog struct{ logger *zap.Logger }

func (l scrapeLog) Println(v ...any) {
	l.logger.Warn("gather metrics", zap.String("error", strings.TrimSpace(fmt.Sprintln(v...))))
}
