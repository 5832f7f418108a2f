package e2e

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vidbell/internal/simulator"
)

const natsPassword = "e2e-Zk3Vw8Yq1Lp6"

// broker is a NATS server of somebody else: it can be shut down, and comes back with the same address and store.
type broker struct {
	t       *testing.T
	options server.Options
	server  *server.Server
}

// newBroker picks an address and a store, and starts nothing.
func newBroker(t *testing.T) *broker {
	t.Helper()
	host, port, err := net.SplitHostPort(freeAddress(t))
	must(t, err)
	n, err := strconv.Atoi(port)
	must(t, err)
	b := &broker{t: t, options: server.Options{
		Host: host, Port: n, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(), Username: "vidbell", Password: natsPassword,
	}}
	t.Cleanup(b.stop)
	return b
}

func (b *broker) url() string {
	return "nats://vidbell:" + natsPassword + "@" + net.JoinHostPort(b.options.Host, strconv.Itoa(b.options.Port))
}

func (b *broker) start() {
	b.t.Helper()
	options := b.options // the server writes to its own
	s, err := server.NewServer(&options)
	must(b.t, err)
	b.server = s
	s.Start()
	if !s.ReadyForConnections(patience) {
		b.t.Fatal("the external server did not start")
	}
}

func (b *broker) stop() {
	if b.server != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
		b.server = nil
	}
}

func connect(t *testing.T, url string, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, options...)
	must(t, err)
	t.Cleanup(nc.Close)
	return nc
}

func streams(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	must(t, err)
	return js
}

// external makes settings for a process on a broker, with an HTTP address of its own.
func (s settings) external(t *testing.T, b *broker) settings {
	t.Helper()
	return s.with("NATS_URL", b.url(), "HTTP_LISTEN", freeAddress(t))
}

// The engine goes away under a polling process, twice, while videos finish. The process waits for it, also at its own start,
// says that it is not ready, and misses nothing.
func TestExternalEngineRestart(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	from, to, b := newPlatform(t, simulator.WordsPlain(), 120, 12), newReceiver(t), newBroker(t)
	p := start(t, deliverTo(from.settings(), to).external(t, b))
	p.eventually("an answer", func() bool { status, _ := p.get("/healthz"); return status == http.StatusOK })
	if status, _ := p.get("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz is %d without an engine", status)
	}
	b.start()
	p.mustBeReady()
	p.mustHaveBaseline()

	outages := 2
	if testing.Short() {
		outages = 1
	}
	end := traffic{platform: from, rng: rng, told: to.told}.begin()
	defer end()
	for n := range outages {
		told := len(to.taken())
		p.eventually("some deliveries", func() bool { return len(to.taken()) > told+3 })
		b.stop()
		p.eventually("not ready", func() bool { status, _ := p.get("/readyz"); return status == http.StatusServiceUnavailable })
		moved := len(from.truth())
		p.eventually("videos that finish meanwhile", func() bool { return len(from.truth()) > moved+3 })
		b.start()
		p.mustBeReady()
		t.Logf("outage %d: %d videos had moved when the engine went, %d when it was back", n+1, moved, len(from.truth()))
	}
	end()
	for from.finish(ending(rng)) {
	}
	settle(t, from, to, p)
	p.stop()
	js := streams(t, connect(t, b.url()))
	ledger{from.truth(), readLog(t, js), to.all(), readDead(t, js)}.check(t)
}

// Somebody deletes every stream under a running process, or empties the log. It makes the log again from what it remembers: what
// was told is not told again, and what moves meanwhile and afterwards is told.
func TestExternalLogIsLost(t *testing.T) {
	t.Parallel()
	for what, lose := range map[string]func(t *testing.T, js jetstream.JetStream){
		"deleted": func(t *testing.T, js jetstream.JetStream) {
			for name := range js.StreamNames(t.Context()).Name() {
				must(t, js.DeleteStream(t.Context(), name))
			}
		},
		"emptied": func(t *testing.T, js jetstream.JetStream) {
			s, err := js.Stream(t.Context(), logStream)
			must(t, err)
			must(t, s.Purge(t.Context()))
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			rng := seeded(t)
			from, to, b := newPlatform(t, simulator.WordsPlain(), 60, 12), newReceiver(t), newBroker(t)
			b.start()
			p := start(t, deliverTo(from.settings(), to).external(t, b))
			p.mustBeReady()
			p.mustHaveBaseline()
			for range 4 {
				from.finish(ending(rng))
			}
			p.eventually("what moved before", func() bool { return to.missing(from.truth()) == 0 })
			lose(t, streams(t, connect(t, b.url())))
			for from.finish(ending(rng)) {
			}
			p.eventually("what moved since", func() bool { return to.missing(from.truth()) == 0 })
			p.mustBeReady()
			p.eventually("a word about the events that are lost", func() bool {
				return strings.Contains(p.stderr.String(), "cannot be had back")
			})
			p.stop()
			seen := map[string]int{}
			for _, a := range to.all() {
				if a.taken() {
					seen[a.Type+" of "+a.Data.VideoNo]++
				}
			}
			for what, n := range seen {
				if n > 1 {
					t.Errorf("%s was told %d times", what, n)
				}
			}
		})
	}
}

// conflicts counts the appends of a process that came too late.
func conflicts(p *process) float64 {
	p.t.Helper()
	return p.metric("vidbell_log_append_failures_total", `reason="conflict"`)
}

// Two processes start at once on an empty log and poll the same source. One is killed in the middle and comes back. Nobody
// sees a second event for one change.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	from, to, b := newPlatform(t, simulator.WordsListed(), 300, 20), newReceiver(t), newBroker(t)
	b.start()
	plain := listen(t, connect(t, b.url()), allEvents)
	both := deliverTo(from.settings(), to)
	first, second := start(t, both.external(t, b)), start(t, both.external(t, b))
	// As soon as one of them has the baseline, news is news: the other must not take it for old.
	eventually(t, "a complete baseline", func() bool {
		const last = "vidbell_sweep_last_complete_timestamp_seconds"
		return first.metric(last) > 0 || second.metric(last) > 0
	})
	end := traffic{platform: from, rng: rng}.begin()
	defer end()
	mark := func(more int) func() bool {
		enough := len(to.taken()) + more
		return func() bool { return len(to.taken()) >= enough }
	}
	second.eventually("deliveries by both", mark(10))
	second.mustBeReady()
	met := conflicts(first)
	first.kill()
	first.wait()
	second.eventually("deliveries by the other", mark(10))
	third := start(t, both.external(t, b))
	third.mustBeReady()
	second.eventually("deliveries by both again", mark(10))
	end()
	for from.finish(ending(rng)) {
	}
	settle(t, from, to, second)
	if met += conflicts(second) + conflicts(third); met == 0 {
		t.Error("the processes never met: this test shows nothing")
	}
	t.Logf("%v appends were refused because the other was first", met)
	third.stop()
	second.stop()
	js := streams(t, connect(t, b.url()))
	events := readLog(t, js)
	ledger{from.truth(), events, to.all(), readDead(t, js)}.check(t)
	plain.mustHave(events)
}
