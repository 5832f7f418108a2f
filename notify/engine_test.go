package notify

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"vidbell/diff"
	"vidbell/internal/engine"
	"vidbell/notify/event"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 30 * time.Second // of a test that waits; far more than it ever takes
	source   = "default"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func startEngine(tb testing.TB, dir string) *engine.Engine {
	tb.Helper()
	e, err := engine.Start(engine.Config{
		DataDir: dir, Listen: "127.0.0.1:0", Subjects: []string{"video.>", "vidbell.ops.>", "other.>"},
	})
	must(tb, err)
	tb.Cleanup(e.Close)
	return e
}

// startPlain runs the server as somebody else would, who does not look at the store first.
func startPlain(tb testing.TB, storeDir string) jetstream.JetStream {
	tb.Helper()
	s, err := server.NewServer(&server.Options{JetStream: true, StoreDir: storeDir, DontListen: true, NoSigs: true, NoLog: true})
	must(tb, err)
	s.Start()
	nc, err := nats.Connect("", nats.InProcessServer(s))
	must(tb, err)
	tb.Cleanup(func() {
		nc.Close()
		s.Shutdown()
		s.WaitForShutdown()
	})
	js, err := jetstream.New(nc)
	must(tb, err)
	return js
}

func open(tb testing.TB, e *engine.Engine) *Log {
	tb.Helper()
	return openAs(tb, e, Names{})
}

func openAs(tb testing.TB, e *engine.Engine, names Names) *Log {
	tb.Helper()
	l, err := OpenLog(tb.Context(), LogConfig{JetStream: e.JetStream, Names: names})
	must(tb, err)
	return l
}

func newLog(tb testing.TB) *Log {
	tb.Helper()
	return open(tb, startEngine(tb, tb.TempDir()))
}

// asOurs is a message with the headers of one that this package wrote.
func asOurs(subject, body string) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Data = []byte(body)
	m.Header.Set(headerContentType, stateType)
	if !strings.Contains(subject, ".state.") {
		m.Header.Set(headerContentType, ContentType)
		m.Header.Set(nats.MsgIdHdr, event.IDPrefix+rand.Text())
	}
	return m
}

// at is a moment of a test: seconds after a fixed one.
func at(seconds int) diff.Time {
	return diff.TimeOf(time.Date(2026, 11, 23, 22, 4, 5, 123e6, time.UTC)) + diff.Time(seconds)*1000
}

func seen(videoNo, raw string, seconds int) diff.Observation {
	return diff.Observation{VideoNo: videoNo, Name: "film " + videoNo, Raw: raw, At: at(seconds), CreatedAt: at(-60)}
}

// world is one process's view of a source: its state, and the log.
type world struct {
	tb    testing.TB
	log   *Log
	state *diff.State
}

func load(tb testing.TB, l *Log) *world {
	tb.Helper()
	return loadSource(tb, l, source)
}

func loadSource(tb testing.TB, l *Log, name string) *world {
	tb.Helper()
	state, err := l.Load(tb.Context(), name, diff.DefaultWords())
	must(tb, err)
	return &world{tb: tb, log: l, state: state}
}

func (w *world) decide(in diff.Input) *diff.Result {
	return diff.Reconcile(w.state, in, diff.Policy{Confirm: 15 * time.Second, StallAfter: time.Hour})
}

// see decides, appends and moves the state.
func (w *world) see(obs ...diff.Observation) *diff.Result {
	w.tb.Helper()
	return w.store(w.decide(diff.Input{Observations: obs}))
}

// baseline is see for the sweep that ends the baseline.
func (w *world) baseline(obs ...diff.Observation) *diff.Result {
	w.tb.Helper()
	return w.store(w.decide(diff.Input{Observations: obs, SweepComplete: at(0)}))
}

// gone is what two sweeps tell that miss videos, at a time and five seconds before.
func (w *world) gone(seconds int, videos ...string) *diff.Result {
	w.tb.Helper()
	var in diff.Input
	for i, second := range []int{seconds - 5, seconds} {
		for _, no := range videos {
			in.Misses = append(in.Misses, diff.Miss{VideoNo: no, Sweep: uint32(1 + i), At: at(second)})
		}
	}
	in.Judged = 2
	return w.store(w.decide(in))
}

func (w *world) store(res *diff.Result) *diff.Result {
	w.tb.Helper()
	must(w.tb, w.log.Append(w.tb.Context(), w.state.Source, res))
	w.state.Apply(res)
	return res
}

// reload returns a view read back from the log.
func (w *world) reload() *world {
	w.tb.Helper()
	return loadSource(w.tb, w.log, w.state.Source)
}

// same compares a state with one read back from the log, in all that decides or is told.
func same(tb fataler, live, loaded *diff.State) {
	tb.Helper()
	if live.BaselineAt != loaded.BaselineAt || live.Evidence != loaded.Evidence || live.Filters != loaded.Filters ||
		live.MetaRevision != loaded.MetaRevision {
		tb.Fatalf("live %v %+v %+v %d\nread %v %+v %+v %d", live.BaselineAt, live.Evidence, live.Filters, live.MetaRevision,
			loaded.BaselineAt, loaded.Evidence, loaded.Filters, loaded.MetaRevision)
	}
	if live.Len() != loaded.Len() {
		tb.Fatalf("live has %d videos, read %d", live.Len(), loaded.Len())
	}
	for no, want := range live.All() {
		got, ok := loaded.Get(no)
		if !ok {
			tb.Fatalf("%q is not there", no)
		}
		want, got = stripped(want), stripped(got)
		if fmt.Sprintf("%+v", want) != fmt.Sprintf("%+v", got) {
			tb.Fatalf("%q\nlive %+v\nread %+v", no, want, got)
		}
		if live.Status(no) != loaded.Status(no) {
			tb.Fatalf("%q is %v, read %v", no, live.Status(no), loaded.Status(no))
		}
	}
	for s := diff.None; s <= diff.Deleted; s++ {
		if live.Count(s) != loaded.Count(s) {
			tb.Fatalf("live counts %d as %v, read %d", live.Count(s), s, loaded.Count(s))
		}
	}
}

// fataler is what *testing.T and *rapid.T share.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// stripped takes out of a record what is not kept because nothing depends on it: the sweep mark, the cause of a video that
// did not fail.
func stripped(r diff.Record) diff.Record {
	c := diff.Record{
		Name: r.Name, Raw: r.Raw, Cause: r.Cause, Duration: r.Duration, Size: r.Size, CreatedAt: r.CreatedAt,
		FirstSeen: r.FirstSeen, ChangedAt: r.ChangedAt, NotedAt: r.NotedAt, RunStart: r.RunStart, Revision: r.Revision,
		Version: r.Version, Status: r.Status, Stalled: r.Stalled,
	}
	if c.Version > 0 && c.Status != diff.Failed {
		c.Cause = ""
	}
	return c
}

// stored lists what the log holds under a filter, in its order.
func stored(tb testing.TB, l *Log, filter string) []*jetstream.RawStreamMsg {
	tb.Helper()
	return storedIn(tb, l.stream, filter)
}

func storedIn(tb testing.TB, s jetstream.Stream, filter string) []*jetstream.RawStreamMsg {
	tb.Helper()
	var all []*jetstream.RawStreamMsg
	for seq := uint64(1); ; {
		m, err := s.GetMsg(context.Background(), seq, jetstream.WithGetMsgSubject(filter))
		if err != nil {
			return all
		}
		all = append(all, m)
		seq = m.Sequence + 1
	}
}

// listener is another service with a plain subscription.
type listener struct {
	tb  testing.TB
	nc  *nats.Conn
	sub *nats.Subscription
}

func listen(tb testing.TB, e *engine.Engine, subject string) *listener {
	tb.Helper()
	nc, err := nats.Connect("nats://" + e.ListenAddr())
	must(tb, err)
	tb.Cleanup(nc.Close)
	sub, err := nc.SubscribeSync(subject)
	must(tb, err)
	must(tb, nc.Flush())
	return &listener{tb: tb, nc: nc, sub: sub}
}

// heard returns everything that came before a mark, which must be the only message in its subject.
func (l *listener) heard(mark string) []string {
	l.tb.Helper()
	var subjects []string
	for {
		m, err := l.sub.NextMsg(patience)
		must(l.tb, err)
		if m.Subject == mark {
			return subjects
		}
		subjects = append(subjects, m.Subject)
	}
}
