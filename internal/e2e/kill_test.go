package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"vidbell/internal/simulator"
)

// The moments at which a process is killed. A kill by the clock may come at any time, the start included. The other two
// wait for something to happen and kill in the middle of what follows: the append of what a page showed, or the
// acknowledgement of what a receiver took.
const (
	byClock    = "clock"
	byAnswer   = "answer of the platform"
	byDelivery = "delivery"
)

// moment says when to kill: so long after the so-manieth such thing since the start.
type moment struct {
	kind  string
	count int
	after time.Duration
	// held: the receiver has the event in hand all that time, and never answers.
	held bool
}

func (m moment) String() string {
	switch {
	case m.kind == byClock:
		return fmt.Sprintf("%s after the start", m.after)
	case m.held:
		return fmt.Sprintf("%s into %s %d", m.after, m.kind, m.count)
	default:
		return fmt.Sprintf("%s after %s %d", m.after, m.kind, m.count)
	}
}

func randomMoment(rng *rand.Rand) moment {
	upTo := func(most time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(most))) }
	switch rng.IntN(4) {
	case 0:
		return moment{kind: byClock, after: upTo(1500 * time.Millisecond)}
	case 1:
		return moment{kind: byAnswer, count: 1 + rng.IntN(40), after: upTo(15 * time.Millisecond)}
	case 2:
		return moment{kind: byDelivery, count: 1 + rng.IntN(5), after: upTo(8 * time.Millisecond)}
	default:
		// Long enough for the engine to write down, ten times a second, what it takes for delivered.
		return moment{kind: byDelivery, count: 1 + rng.IntN(5), after: upTo(400 * time.Millisecond), held: true}
	}
}

// fuse kills a process at a moment.
type fuse struct {
	moment
	process *process
	seen    atomic.Int32
}

func (f *fuse) light() {
	if f.kind == byClock {
		time.AfterFunc(f.after, f.process.kill)
	}
}

// saw counts what happens, on the way of a request. It reports whether the process was killed before the answer.
func (f *fuse) saw(kind string) (killed bool) {
	if f == nil || f.kind != kind || int(f.seen.Add(1)) != f.count {
		return false
	}
	if f.held {
		time.Sleep(f.after)
		f.process.kill()
		return true
	}
	time.AfterFunc(f.after, f.process.kill)
	return false
}

// A process is killed again and again while videos finish, are uploaded and are processed anew. In the end each change has
// one event, one id, one stored copy, and has been delivered.
func TestKill9(t *testing.T) {
	t.Parallel()
	kills := 8
	if testing.Short() {
		kills = 3
	}
	kills = number(t, envKills, kills)
	rng := seeded(t)
	words := newWords(rng)
	t.Logf("%d kills, status words %s", kills, words)
	c := newCampaign(t, words)

	// Nothing has moved yet: a baseline that begins anew is still silent.
	c.killAt(moment{kind: byAnswer, count: 1 + rng.IntN(7), after: time.Duration(rng.IntN(5000)) * time.Microsecond})
	first := start(t, c.settings)
	first.mustHaveBaseline()
	endTraffic := traffic{c.platform, rand.New(rand.NewPCG(rng.Uint64(), 1)), c.receiver.told}.begin()
	defer endTraffic()
	first.kill()
	first.wait()
	for range kills {
		c.platform.upload(ending(rng), 0) // came and ended while nobody looked
		c.platform.finish(ending(rng))
		c.killAt(randomMoment(rng))
	}
	endTraffic()
	c.finish(rng)
}

type campaign struct {
	t        *testing.T
	platform *platform
	receiver *receiver
	settings settings
	fuse     atomic.Pointer[fuse]
}

func newCampaign(t *testing.T, words simulator.Words) *campaign {
	t.Helper()
	c := &campaign{t: t, platform: newPlatform(t, words, 250, 30), receiver: newReceiver(t)}
	c.platform.sim.OnServe(func(simulator.Request) { c.fuse.Load().saw(byAnswer) })
	c.receiver.answers(func(arrival) int {
		if c.fuse.Load().saw(byDelivery) {
			return cut
		}
		return http.StatusNoContent
	})
	c.settings = deliverTo(c.platform.settings(), c.receiver).with(
		"DATA_DIR", t.TempDir(), "NATS_LISTEN", "127.0.0.1:0", "HTTP_LISTEN", freeAddress(t))
	return c
}

// killAt runs the service until a moment. The moment comes at last when nothing happened for long.
func (c *campaign) killAt(m moment) {
	c.t.Helper()
	const atLast = 3 * time.Second
	p := start(c.t, c.settings)
	f := &fuse{moment: m, process: p}
	c.fuse.Store(f)
	f.light()
	late := time.AfterFunc(atLast, p.kill)
	defer late.Stop()
	if code := p.wait(); code >= 0 {
		c.t.Fatalf("ended by itself with %d:\n%s", code, p.stderr.tail())
	}
	c.fuse.Store(nil)
	c.t.Logf("killed %s; %d events have arrived", m, len(c.receiver.taken()))
}

// finish lets everything come to its end, and holds what was stored and delivered against the truth.
func (c *campaign) finish(rng *rand.Rand) {
	c.t.Helper()
	for c.platform.finish(ending(rng)) {
	}
	p := start(c.t, c.settings)
	settle(c.t, c.platform, c.receiver, p)
	p.stop()
	js := openData(c.t, c.settings["DATA_DIR"])
	ledger{c.platform.truth(), readLog(c.t, js), c.receiver.all(), readDead(c.t, js)}.check(c.t)
}

// settle waits until everything was told, and then on for some walks through everything: what is told twice would be told
// by then.
func settle(t *testing.T, from *platform, to *receiver, p *process) {
	t.Helper()
	const walks = 3
	truth := from.truth()
	if err := wait(patience, func() bool { return !p.running() || to.missing(truth) == 0 }); err != nil {
		t.Errorf("%d of %d stories are not told in full", to.missing(truth), len(truth))
	}
	p.mustBeReady()
	before := p.metric("vidbell_sweeps_total", `="complete"`)
	p.eventually("more walks", func() bool { return p.metric("vidbell_sweeps_total", `="complete"`) >= before+walks })
	p.eventually("nothing waits", func() bool { return p.metric("vidbell_webhook_pending") == 0 })
}
