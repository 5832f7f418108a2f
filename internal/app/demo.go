package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"vidbell/internal/config"
	"vidbell/internal/logging"
	"vidbell/internal/simulator"
	"vidbell/notify"
)

// What the demo plays: a small library, then a video every two seconds that takes a few seconds, one in six of which fails.
const (
	demoKey       = "sk-mavi-demo"
	demoLibrary   = 12
	demoInterval  = 500 * time.Millisecond
	demoRate      = 5
	demoEvery     = 1500 * time.Millisecond
	demoShortest  = 2 * time.Second
	demoLongest   = 7 * time.Second
	demoFailures  = 0.17
	demoNATSPort  = "4222"
	demoHTTPPort  = "8080"
	demoNameWidth = 24
)

// DemoOptions are the flags of the demo command.
type DemoOptions struct {
	For     time.Duration // 0: until interrupted
	JSON    bool
	Verbose bool // the service's own log as well
}

// Demo is the demo command: the platform simulator, vidbell with its embedded engine, and a receiver that verifies
// signatures, in one process. Every event is shown as it arrives on NATS and at the webhook. It ends without an error when
// its time is over, and fails if events were missing or forged.
func Demo(ctx context.Context, out, info io.Writer, o DemoOptions) error {
	if o.For < 0 {
		return &ExitError{Code: ExitUsage, Err: fmt.Errorf("demo: --for %s is negative", o.For)}
	}
	if o.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	ctx, nobodyReads := context.WithCancel(ctx)
	defer nobodyReads()
	signal.Ignore(syscall.SIGPIPE) // it would end the process before it has cleaned up
	p := newPrinter(out)
	p.out = &audience{out: p.out, gone: nobodyReads}
	d := &demo{show: newShow(p, o.JSON), info: newPrinter(info), options: o}
	err := d.run(ctx)
	if err != nil && ctx.Err() == nil {
		return failed(err)
	}
	return d.summary()
}

// audience tells when nobody reads any more what is written: the other end of a pipe has gone.
type audience struct {
	out  io.Writer
	gone func()
}

// Write passes on.
func (a *audience) Write(p []byte) (int, error) {
	n, err := a.out.Write(p)
	if err != nil {
		a.gone()
	}
	return n, err
}

type demo struct {
	options  DemoOptions
	show     *show
	info     printer
	receiver *receiver
	sim      *simulator.Simulator
	address  string // of the embedded engine
}

func (d *demo) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "vidbell-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()

	g, ctx := errgroup.WithContext(ctx)
	cfg, err := d.stage(ctx, g, dir)
	if err != nil {
		return err
	}
	s, err := newService(ctx, cfg, d.logger())
	if err != nil {
		return err
	}
	defer s.close()
	d.address = s.engine.ListenAddr()
	d.welcome(s)
	sub, err := d.subscribe(cfg.Names)
	if err != nil {
		return err
	}
	defer sub.Close()
	g.Go(func() error { return s.run(ctx) })
	return g.Wait()
}

// stage starts the platform and the receiver, and configures a vidbell between them.
func (d *demo) stage(ctx context.Context, g *errgroup.Group, dir string) (*config.Config, error) {
	platform, err := d.startPlatform(ctx, g)
	if err != nil {
		return nil, err
	}
	secret, err := newSecret()
	if err != nil {
		return nil, err
	}
	if d.receiver, err = startReceiver(ctx, g, secret, d.show); err != nil {
		return nil, err
	}
	cfg := config.Defaults()
	account := &cfg.Accounts[0]
	account.URL, account.Key, account.RateLimit = "http://"+platform, config.NewSecret(demoKey), demoRate
	for i := range cfg.Sources {
		cfg.Sources[i].Poll.Interval, cfg.Sources[i].Poll.MaxInterval = demoInterval, 2*demoInterval
	}
	cfg.Endpoints = []config.Endpoint{{URL: config.NewSecret(d.receiver.url), Delivery: cfg.Webhook.Delivery}}
	cfg.Endpoints[0].Secrets = []config.Secret{config.NewSecret(secret)}
	cfg.Endpoints[0].Events = []string{"video.*"}
	cfg.NATS.Listen = freeAddress(ctx, demoNATSPort)
	cfg.HTTP.Listen = freeAddress(ctx, demoHTTPPort)
	cfg.DataDir = dir
	return cfg, nil
}

func (d *demo) startPlatform(ctx context.Context, g *errgroup.Group) (string, error) {
	sim, traffic, err := newSimulator(SimulateOptions{
		Key: demoKey, Form: string(simulator.FormV12), Words: "listed", Namespaces: []string{simulator.DefaultNamespace},
		Videos: demoLibrary, Every: demoEvery, Min: demoShortest, Max: demoLongest, FailRatio: demoFailures,
		Quota: simulator.DefaultQuota, Seed: uint64(time.Now().UnixNano()),
	})
	if err != nil {
		return "", err
	}
	d.sim = sim
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	g.Go(func() error { return serveSimulator(ctx, l, sim, sim, traffic) })
	return l.Addr().String(), nil
}

// freeAddress prefers the usual port, so that the printed lines are the ones from the README.
func freeAddress(ctx context.Context, port string) string {
	usual := net.JoinHostPort("127.0.0.1", port)
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", usual)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = l.Close()
	return usual
}

func (d *demo) logger() *zap.Logger {
	if !d.options.Verbose {
		return zap.NewNop()
	}
	log, _, err := logging.New(config.Log{Level: "info", Format: config.LogAuto})
	if err != nil {
		return zap.NewNop()
	}
	return log
}

func (d *demo) welcome(s *service) {
	p := d.info
	p.line("%s", p.paint(bold, "vidbell demo: a simulated platform, an embedded NATS, a webhook receiver"))
	p.line("A library of %d finished videos is the baseline: recorded, not announced. Then a new video about every %s.", demoLibrary, human(demoEvery))
	p.line("")
	p.line("  subscribe   nats sub -s nats://%s 'video.>'", d.address)
	p.line("  metrics     curl http://%s/metrics", s.listener.Addr())
	if d.options.For == 0 {
		p.line("  stop        Ctrl-C")
	}
	p.line("")
}

// subscribe is another service: it connects over the network and sees what any subscriber would.
func (d *demo) subscribe(names notify.Names) (*nats.Conn, error) {
	nc, err := nats.Connect("nats://"+d.address, nats.Name("demo subscriber"))
	if err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	_, err = nc.Subscribe(names.AllEvents(), func(m *nats.Msg) { d.show.onNATS(m.Subject, m.Data) })
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	return nc, nil
}

// summary says what was shown, and fails if the two ways did not agree.
func (d *demo) summary() error {
	onNATS, atWebhook := d.show.counts()
	p := d.info
	p.line("")
	p.line("%s on NATS, %s at the webhook, %s rejected by its signature check.",
		plural(onNATS, "event"), plural(atWebhook, "event"), plural(d.forged(), "request"))
	if d.sim != nil {
		c := d.sim.Counts()
		p.line("%s to the platform, which allows %d a second.", plural(c.Total, "request"), demoRate)
	}
	switch {
	case d.forged() > 0:
		return &ExitError{Code: ExitCheck, Err: errors.New("demo: the receiver rejected a signature")}
	case d.options.For >= 15*time.Second && (onNATS == 0 || atWebhook == 0):
		return &ExitError{Code: ExitCheck, Err: errors.New("demo: no event arrived")}
	}
	return nil
}

func (d *demo) forged() int {
	if d.receiver == nil {
		return 0
	}
	return d.receiver.rejected()
}

// show prints events as they arrive.
type show struct {
	p    printer
	json bool

	mu    sync.Mutex
	nats  map[string]bool
	hooks map[string]bool
}

func newShow(p printer, asJSON bool) *show {
	return &show{p: p, json: asJSON, nats: make(map[string]bool), hooks: make(map[string]bool)}
}

func (s *show) counts() (onNATS, atWebhook int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.nats), len(s.hooks)
}

// arrival is one line of demo --json.
type arrival struct {
	At      string          `json:"at"`
	Via     string          `json:"via"` // nats or webhook
	Subject string          `json:"subject,omitempty"`
	Event   json.RawMessage `json:"event"`
}

func (s *show) onNATS(subject string, body []byte) {
	ev, ok := s.take(s.nats, body)
	if !ok {
		return
	}
	if s.json {
		s.object(arrival{Via: "nats", Subject: subject, Event: body})
		return
	}
	s.p.line("%s  %s  nats     %s  %s", clock(), s.kind(ev.Type), safe(subject), s.p.paint(dim, describe(ev.Data)))
}

// describe is what a person wants to know of a video.
func describe(d notify.VideoData) string {
	text := fmt.Sprintf("%q", shorten(d.VideoName, demoNameWidth))
	if d.ProcessingSeconds != nil && d.Status != "processing" {
		text += " after " + human(time.Duration(*d.ProcessingSeconds*float64(time.Second)))
	}
	if d.Cause != nil {
		text += ": " + safe(*d.Cause)
	}
	return text
}

func (s *show) onWebhook(body []byte, took time.Duration) {
	ev, ok := s.take(s.hooks, body)
	if !ok {
		return
	}
	if s.json {
		s.object(arrival{Via: "webhook", Event: body})
		return
	}
	s.p.line("%s  %s  webhook  %s  %s", clock(), s.kind(ev.Type), ev.ID,
		s.p.paint(dim, "signature verified, "+human(took)+" after it was seen"))
}

// take counts an event once per way, and reads it.
func (s *show) take(seen map[string]bool, body []byte) (ev notify.VideoEvent, ok bool) {
	if err := json.Unmarshal(body, &ev); err != nil {
		return ev, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seen[ev.ID] = true
	return ev, true
}

func (s *show) object(a arrival) {
	a.At = time.Now().UTC().Format(time.RFC3339Nano)
	line, err := json.Marshal(a)
	if err == nil {
		s.p.line("%s", line)
	}
}

func (s *show) kind(eventType string) string {
	switch eventType {
	case "video.done":
		return s.p.paint(green, "DONE      ")
	case "video.failed":
		return s.p.paint(red, "FAILED    ")
	case "video.processing":
		return s.p.paint(cyan, "PROCESSING")
	default:
		return s.p.paint(yellow, fmt.Sprintf("%-10s", eventType))
	}
}

func clock() string { return time.Now().Format("15:04:05.0") }

// receiver is a webhook receiver that verifies what it gets, as the README tells receivers to.
type receiver struct {
	url    string
	verify func(http.Header, []byte) error
	show   *show

	mu  sync.Mutex
	bad int
}

func startReceiver(ctx context.Context, g *errgroup.Group, secret string, sh *show) (*receiver, error) {
	verify, err := verifier(secret)
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{url: "http://" + l.Addr().String() + "/hook", verify: verify, show: sh}
	server := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	context.AfterFunc(ctx, func() {
		// Deliveries drain after everything else has been told to stop.
		time.AfterFunc(time.Second, func() { _ = server.Close() })
	})
	return r, nil
}

// ServeHTTP verifies first and looks later.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err == nil {
		err = r.verify(req.Header, body)
	}
	if err != nil {
		r.mu.Lock()
		r.bad++
		r.mu.Unlock()
		http.Error(w, "signature", http.StatusUnauthorized)
		return
	}
	w.WriteHeader(http.StatusNoContent)
	r.show.onWebhook(body, sinceSeen(body))
}

func (r *receiver) rejected() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bad
}

func sinceSeen(body []byte) time.Duration {
	var ev notify.VideoEvent
	if json.Unmarshal(body, &ev) != nil {
		return 0
	}
	seen, err := time.Parse(time.RFC3339Nano, ev.Time)
	if err != nil {
		return 0
	}
	return max(0, time.Since(seen))
}
