package webhook

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"vidbell/notify"
)

func TestMain(m *testing.M) {
	if engine := os.Getenv(childEngine); engine != "" {
		runGuest(engine, os.Getenv(childURL))
	}
	if dir := os.Getenv(childDir); dir != "" {
		runChild(dir, os.Getenv(childURL))
	}
	goleak.VerifyTestMain(m)
}

// sharedEngine, when it is set, has tests run as with an engine that several processes share, where either will do.
const sharedEngine = "VIDBELL_TEST_SHARED"

const patience = 20 * time.Second // of a test that waits for something; far more than it ever takes

// engine is a real embedded server with the log's streams, as the product runs it.
type engine struct {
	tb     testing.TB
	dir    string
	server *server.Server
	pipe   *pipe
	conn   *nats.Conn
	js     jetstream.JetStream
	names  notify.Names
	port   int  // of a listener, -1 for any; zero for none
	shared bool // several processes deliver what it holds
	last   *running
}

// keepers run a test with positions kept by the dispatcher, and by the engine in durable consumers.
func keepers(t *testing.T, test func(*testing.T, *engine)) {
	t.Helper()
	for name, shared := range map[string]bool{"alone": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := startEngine(t)
			e.shared = shared
			test(t, e)
		})
	}
}

// standing is where the last dispatcher's endpoint stands in the log.
func (e *engine) standing(endpoint string) standing {
	e.tb.Helper()
	for _, f := range e.last.roster().feeds {
		if f.lane.target.Name == endpoint && f.stream == e.names.Stream() {
			at, err := f.standing(context.Background())
			must(e.tb, err)
			return at
		}
	}
	e.tb.Fatalf("endpoint %s reads nothing of the log", endpoint)
	return standing{}
}

// unanswered is how many events the endpoint still has to get.
func (e *engine) unanswered(endpoint string) int { return int(e.standing(endpoint).pending()) }

// rewind takes an endpoint, which nobody delivers to, back to the beginning of the log, as if all that was given were forgotten.
func (e *engine) rewind(endpoint string) {
	e.tb.Helper()
	ctx := e.tb.Context()
	if e.last.positions != nil {
		must(e.tb, changeEntry(ctx, e.js, e.names, endpoint, e.names.Stream(), func(p *positionEntry) bool {
			p.Next, p.Open, p.Gone, p.Page = 1, nil, nil, 0
			return true
		}))
		return
	}
	name := e.names.Consumer(endpoint)
	must(e.tb, e.js.DeleteConsumer(ctx, e.names.Stream(), name))
	config := consumerConfig(name, videoFilters(e.names, []string{"video.done", "video.failed"}, nil))
	config.DeliverPolicy = jetstream.DeliverAllPolicy
	_, err := e.js.CreateConsumer(ctx, e.names.Stream(), config)
	must(e.tb, err)
}

func startEngine(tb testing.TB) *engine {
	tb.Helper()
	e := &engine{tb: tb, dir: tb.TempDir()}
	e.start()
	tb.Cleanup(e.stop)
	must(tb, e.createLog(tb.Context()))
	return e
}

func (e *engine) createLog(ctx context.Context) error {
	_, err := e.js.CreateStream(ctx, jetstream.StreamConfig{
		Name:             e.names.Stream(),
		Subjects:         []string{e.names.AppendAll()},
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: e.names.AppendAll(), Destination: e.names.AllEvents()},
		Storage:          jetstream.FileStorage,
		// As in the product: what batches of events are appended with.
		AllowAtomicPublish: true,
	})
	if err != nil {
		return err
	}
	_, err = e.js.CreateStream(ctx, opsStream(e.names))
	return err
}

func opsStream(names notify.Names) jetstream.StreamConfig {
	const reports = "vidbell.report.>"
	return jetstream.StreamConfig{
		Name: names.OpsStream(), Subjects: []string{reports}, Storage: jetstream.FileStorage,
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: reports, Destination: names.OpsAll()},
	}
}

func (e *engine) start() {
	e.tb.Helper()
	must(e.tb, e.open())
}

func (e *engine) open() error {
	e.pipe = &pipe{}
	if err := e.boot(); err != nil {
		return err
	}
	conn, err := nats.Connect("", nats.InProcessServer(e.pipe), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		return err
	}
	js, err := jetstream.New(conn)
	e.conn, e.js = conn, js
	return err
}

// boot starts a server on the engine's directory; a connection that lost the one before finds it.
func (e *engine) boot() error {
	s, err := server.NewServer(&server.Options{
		ServerName: "test", DontListen: e.port == 0, Host: "127.0.0.1", Port: e.port, JetStream: true, StoreDir: e.dir, SyncAlways: true, NoSigs: true, NoLog: true,
	})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		return errors.New("the engine did not start")
	}
	e.server = s
	e.pipe.lead(s)
	return nil
}

// halt stops the server and leaves the connection to it broken, as when an external engine goes away.
func (e *engine) halt() {
	e.pipe.lead(nil)
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

// pipe connects to whichever server there is.
type pipe struct {
	mu     sync.Mutex
	server *server.Server
}

func (p *pipe) lead(s *server.Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = s
}

func (p *pipe) InProcessConn() (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == nil {
		return nil, errors.New("the engine is away")
	}
	return p.server.InProcessConn()
}

func (e *engine) stop() {
	if e.server == nil {
		return
	}
	e.conn.Close()
	e.server.Shutdown()
	e.server.WaitForShutdown()
	e.server = nil
}

// append writes one event as the poller's side does, and returns its id.
func (e *engine) append(kind string, n int) string {
	e.tb.Helper()
	id, msg := e.event(kind, n)
	_, err := e.js.PublishMsg(e.tb.Context(), msg)
	must(e.tb, err)
	return id
}

func (e *engine) event(kind string, n int) (string, *nats.Msg) {
	id := fmt.Sprintf("evt_%s%d", kind, n)
	video := fmt.Sprintf("VI%d", n)
	return id, &nats.Msg{
		Subject: e.names.AppendSubject(kind, "default", video),
		Header:  nats.Header{jetstream.MsgIDHeader: {id}, contentTypeHeader: {"application/cloudevents+json"}},
		Data:    eventBody(id, "video."+kind, video),
	}
}

func (e *engine) appendOps(kind, name string) string {
	e.tb.Helper()
	id := "evt_" + strings.ReplaceAll(kind, ".", "-") + name
	_, err := e.js.PublishMsg(e.tb.Context(), &nats.Msg{
		Subject: "vidbell.report." + kind + "." + name, Header: nats.Header{jetstream.MsgIDHeader: {id}, contentTypeHeader: {"application/cloudevents+json"}},
		Data: eventBody(id, kind, name),
	})
	must(e.tb, err)
	return id
}

func eventBody(id, kind, video string) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":"urn:vidbell:default","type":%q,"subject":%q,`+
		`"time":"2026-11-23T22:04:05.123Z","timestamp":"2026-11-23T22:04:05.123Z","datacontenttype":"application/json",`+
		`"data":{"source":"default","video_no":%q,"video_name":"ein Film – 182082-867762198_tiny","status":"done",`+
		`"raw_status":"DONE","previous_status":"processing","previous_raw_status":"PARSE","cause":null,"duration_seconds":12,`+
		`"size_bytes":3284512,"created_at":"2025-08-01T08:33:37.992Z","processing_seconds":83,"version":2}}`, id, kind, video, video)
}

// messages returns what a stream holds under a filter.
func (e *engine) messages(stream, filter string) []*jetstream.RawStreamMsg {
	e.tb.Helper()
	ctx := context.Background()
	s, err := e.js.Stream(ctx, stream)
	must(e.tb, err)
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(filter))
	must(e.tb, err)
	var all []*jetstream.RawStreamMsg
	for subject := range info.State.Subjects {
		msg, err := s.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // gone since
		}
		must(e.tb, err)
		all = append(all, msg)
	}
	return all
}

// running is a dispatcher at work.
type running struct {
	*Dispatcher
	tb       testing.TB
	logs     *observer.ObservedLogs
	registry *prometheus.Registry
	cancel   context.CancelFunc
	ended    chan error
}

type option func(*Config)

func (e *engine) prepare(endpoints []Endpoint, options ...option) *running {
	e.tb.Helper()
	core, logs := observer.New(zap.DebugLevel)
	r := &running{tb: e.tb, logs: logs, registry: prometheus.NewRegistry(), ended: make(chan error, 1)}
	c := Config{
		JetStream: e.js, Names: e.names, Endpoints: endpoints, Logger: zap.New(core), Registerer: r.registry, Version: "1.2.3",
		Exclusive: !e.shared && os.Getenv(sharedEngine) == "",
	}
	c.timing = timing{first: 50 * time.Millisecond, most: 200 * time.Millisecond, giveUp: giveUpAfter}
	for _, o := range options {
		o(&c)
	}
	d, err := New(c)
	must(e.tb, err)
	must(e.tb, d.Prepare(e.tb.Context()))
	r.Dispatcher, e.last = d, r
	return r
}

func (r *running) start() *running {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.ended <- r.Run(ctx) }()
	r.tb.Cleanup(r.stop)
	return r
}

func (e *engine) dispatch(endpoints []Endpoint, options ...option) *running {
	e.tb.Helper()
	return e.prepare(endpoints, options...).start()
}

func (r *running) stop() {
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.cancel = nil
	select {
	case err := <-r.ended:
		must(r.tb, err)
	case <-time.After(patience):
		r.tb.Error("the dispatcher did not stop")
	}
}

// request is what a receiver saw.
type request struct {
	id     string
	path   string
	header http.Header
	body   []byte
	at     time.Time
}

// receiver is a real HTTP server. answer may be replaced at any time; the zero one answers 204.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	requests []request
	answer   http.HandlerFunc
}

func startReceiver(tb testing.TB, answer http.HandlerFunc) *receiver {
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(r)
	tb.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	body, _ := io.ReadAll(in.Body)
	r.mu.Lock()
	r.requests = append(r.requests, request{id: in.Header.Get("Webhook-Id"), path: in.URL.Path, header: in.Header, body: body, at: time.Now()})
	answer := r.answer
	r.mu.Unlock()
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer(w, in)
}

func (r *receiver) answers(answer http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) seen() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.requests...)
}

func (r *receiver) count(id string) int {
	n := 0
	for _, q := range r.seen() {
		if q.id == id {
			n++
		}
	}
	return n
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// hang answers when release is closed, or the request was given up: nobody waits for a test that failed.
func hang(release <-chan struct{}) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
}

func secretText(seed byte) string {
	return secretPrefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string('a'+seed), 24)))
}

func schedule(tb testing.TB, text string) Schedule {
	tb.Helper()
	s, err := ParseSchedule(text)
	must(tb, err)
	return s
}

// eventually polls until a condition holds.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	tb.Fatalf("never came true: %s", what)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// quietTLS is a server whose certificate nobody trusts, and that does not mind.
func quietTLS(handler http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	s.StartTLS()
	return s
}
