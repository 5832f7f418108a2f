package webhook

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// startAlone is startEngine for tests of what only a dispatcher does that has the engine to itself.
func startAlone(t *testing.T) *engine {
	t.Helper()
	if os.Getenv(sharedEngine) != "" {
		t.Skip(sharedEngine + " is set")
	}
	return startEngine(t)
}

// A dispatcher that has the engine to itself leaves no consumer of an endpoint in the log, and a stop repeats nothing.
func TestAStopRepeatsNothing(t *testing.T) {
	t.Parallel()
	e, in := startAlone(t), startReceiver(t, nil)
	endpoints := []Endpoint{{Name: "a", URL: in.URL}, {Name: "b", URL: in.URL + "/b", Order: OrderVideo}}
	r := e.dispatch(endpoints)
	const events = 300
	for i := range events {
		e.append("done", i)
		if i%60 == 59 {
			r.stop()
			r = e.dispatch(endpoints)
		}
	}
	eventually(t, "every event", func() bool { return e.unanswered("a") == 0 && e.unanswered("b") == 0 })
	if n := len(in.seen()); n != 2*events {
		t.Errorf("%d requests for %d events and two endpoints", n, events)
	}
	r.stop()
	log, err := e.js.Stream(t.Context(), e.names.Stream())
	must(t, err)
	eventually(t, "no consumer is left", func() bool {
		info, err := log.Info(t.Context())
		return err == nil && info.State.Consumers == 0
	})
}

// What waits for its schedule waits through a restart, however much it is, and is looked up again when it is due.
func TestManyThatWaitKeepTheirTimesThroughARestart(t *testing.T) {
	t.Parallel()
	e := startAlone(t)
	in := startReceiver(t, status(http.StatusBadRequest))
	endpoints := []Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0,4s,1h")}}
	noJitter := func(c *Config) { c.Jitter = func() float64 { return .5 } }
	r := e.dispatch(endpoints, noJitter)
	const events = 4 * maxFresh
	began := time.Now()
	for i := range events {
		e.append("done", i)
	}
	eventually(t, "one attempt each", func() bool { return len(in.seen()) == events })
	r.stop()
	if len(e.messages(e.names.PositionsStream(), e.names.PositionPageSubject("a", e.names.Stream()))) != 1 {
		t.Error("so many have no page")
	}
	early := time.Since(began) < 4*time.Second
	in.answers(nil)
	r = e.dispatch(endpoints, noJitter)
	if at := e.standing("a"); early && at.open != events {
		t.Errorf("%+v, want %d open", at, events)
	}
	eventually(t, "each is taken", func() bool { return e.unanswered("a") == 0 })
	seen := make(map[string]time.Time)
	for _, q := range in.seen() {
		if first, again := seen[q.id]; again && q.at.Sub(first) < 4*time.Second {
			t.Fatalf("%s came again after %s, want 4s", q.id, q.at.Sub(first))
		}
		seen[q.id] = q.at
	}
	if n := len(in.seen()); n != 2*events {
		t.Errorf("%d requests, want two for each of %d", n, events)
	}
	r.stop()
}

// While positions cannot be written events are delivered, and when they can be again nothing was lost of where the endpoint stands.
func TestPositionsThatCannotBeWrittenAreWrittenLater(t *testing.T) {
	t.Parallel()
	e, in := startAlone(t), startReceiver(t, nil)
	endpoints := []Endpoint{{Name: "a", URL: in.URL}}
	r := e.dispatch(endpoints)
	s, err := e.js.Stream(t.Context(), e.names.PositionsStream())
	must(t, err)
	config := s.CachedInfo().Config
	config.MaxMsgSize = 1
	_, err = e.js.UpdateStream(t.Context(), config)
	must(t, err)
	first := e.append("done", 1)
	eventually(t, "a delivery", func() bool { return in.count(first) == 1 })
	eventually(t, "somebody is told", func() bool {
		return r.logs.FilterMessage("positions of webhook endpoints cannot be written, trying on").Len() > 0
	})
	config.MaxMsgSize = -1
	_, err = e.js.UpdateStream(t.Context(), config)
	must(t, err)
	second := e.append("done", 2)
	eventually(t, "another", func() bool { return in.count(second) == 1 })
	r.stop()
	e.dispatch(endpoints)
	third := e.append("done", 3)
	eventually(t, "the third", func() bool { return in.count(third) == 1 })
	if n := len(in.seen()); n != 3 {
		t.Errorf("%d requests for 3 events", n)
	}
}

// Positions that are lost altogether are taken from what was noted of each endpoint a minute ago: repeats, and nothing missed.
func TestWithoutPositionsNothingIsMissed(t *testing.T) {
	t.Parallel()
	e, in := startAlone(t), startReceiver(t, nil)
	endpoints := []Endpoint{{Name: "a", URL: in.URL}}
	r := e.dispatch(endpoints)
	for i := range 10 {
		e.append("done", i)
	}
	eventually(t, "ten", func() bool { return e.unanswered("a") == 0 })
	r.tendServed(t.Context())
	late := e.append("done", 10)
	eventually(t, "one more", func() bool { return in.count(late) == 1 })
	r.stop()
	missed := e.append("done", 11)
	must(t, e.js.DeleteStream(t.Context(), e.names.PositionsStream()))
	r = e.dispatch(append(endpoints, Endpoint{Name: "new", URL: in.URL + "/new"}))
	after := e.append("done", 12)
	eventually(t, "all that is missing", func() bool { return in.count(missed) == 1 && in.count(after) == 2 && in.count(late) == 2 })
	if n := len(in.seen()); n != 15 {
		t.Errorf("%d requests, want 13 events, one of them again, and one at the new endpoint", n)
	}
	if r.logs.FilterMessage("position of a webhook endpoint was lost, some deliveries may be repeated").Len() != 1 {
		t.Error("nobody was told")
	}
}

// Another log by the same name is new from its first event on, whether it is made while the endpoint is at work or not.
func TestAnotherLogIsNew(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprintf("running=%t", running), func(t *testing.T) {
			t.Parallel()
			e, in := startAlone(t), startReceiver(t, nil)
			endpoints := []Endpoint{{Name: "a", URL: in.URL}}
			r := e.dispatch(endpoints)
			for i := range 5 {
				e.append("done", i)
			}
			eventually(t, "five", func() bool { return e.unanswered("a") == 0 })
			if !running {
				r.stop()
			}
			must(t, e.js.DeleteStream(t.Context(), e.names.Stream()))
			must(t, e.js.DeleteStream(t.Context(), e.names.OpsStream()))
			must(t, e.createLog(t.Context()))
			for i := range 9 {
				e.append("failed", i)
			}
			if !running {
				e.dispatch(endpoints)
			}
			for i := range 9 {
				id := fmt.Sprint("evt_failed", i)
				eventually(t, id, func() bool { return in.count(id) == 1 })
			}
		})
	}
}

// A subscriber on the engine's listener can read from any consumer whose name it finds out. What it takes from an endpoint's reader
// is read again.
func TestWhatSomebodyTakesFromTheReaderIsReadAgain(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"in the middle", "the last", "all of it"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			e, in := startAlone(t), startReceiver(t, nil)
			r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}})
			first := e.append("done", 1)
			eventually(t, "a delivery", func() bool { return in.count(first) == 1 })
			must(t, r.Disable(t.Context(), "a", "")) // so that the reader waits
			f := r.roster().feeds[0]
			name := f.own.reader.Load().name
			log, err := e.js.Stream(t.Context(), e.names.Stream())
			must(t, err)
			if what == "all of it" {
				must(t, log.DeleteConsumer(t.Context(), name))
			} else {
				thief, err := log.Consumer(t.Context(), name)
				must(t, err)
				for i := range 40 { // more than the reader has asked for
					e.append("failed", i)
				}
				batch, err := thief.Fetch(1)
				must(t, err)
				if msg := <-batch.Messages(); msg == nil {
					t.Fatal("nothing was taken")
				}
			}
			if what != "the last" {
				e.append("failed", 40)
			}
			must(t, r.Enable(t.Context(), "a"))
			eventually(t, "every event", func() bool {
				r.readPending(t.Context())
				return len(in.seen()) >= 2 && e.unanswered("a") == 0
			})
			distinct := make(map[string]bool)
			for _, q := range in.seen() {
				distinct[q.id] = true
			}
			want := map[string]int{"in the middle": 42, "the last": 41, "all of it": 2}[what]
			if len(distinct) != want || len(in.seen()) != want {
				t.Errorf("%d events in %d requests, want %d", len(distinct), len(in.seen()), want)
			}
		})
	}
}

// Nothing comes behind what was taken: then it is missed when the events are counted.
func TestTheLastEventThatSomebodyTakesIsReadAgain(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	e, in := startAlone(t), startReceiver(t, hang(release))
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, InFlight: 1}})
	f := r.roster().feeds[0]
	const events = 5 // one under way, one held ready, two ahead of need, and one more
	for i := range events {
		e.append("done", i)
	}
	log, err := e.js.Stream(t.Context(), e.names.Stream())
	must(t, err)
	var thief jetstream.Consumer
	eventually(t, "the reader has all it asked for", func() bool {
		reader := f.own.reader.Load()
		if reader == nil {
			return false
		}
		thief, err = log.Consumer(t.Context(), reader.name)
		return err == nil && thief.CachedInfo().NumPending == 1
	})
	batch, err := thief.Fetch(1)
	must(t, err)
	if msg := <-batch.Messages(); msg == nil {
		t.Fatal("nothing was taken")
	}
	in.answers(nil)
	close(release)
	eventually(t, "what was not taken", func() bool { return len(in.seen()) == events-1 })
	eventually(t, "what was taken", func() bool { r.readPending(t.Context()); return len(in.seen()) == events })
}

// An event that is taken out of the log while it waits for its next attempt is over.
func TestWhatLeavesTheLogIsOver(t *testing.T) {
	t.Parallel()
	e := startAlone(t)
	in := startReceiver(t, status(http.StatusBadRequest))
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0,1s,1h")}})
	id := e.append("done", 1)
	eventually(t, "an attempt", func() bool { return in.count(id) == 1 })
	log, err := e.js.Stream(t.Context(), e.names.Stream())
	must(t, err)
	must(t, log.DeleteMsg(t.Context(), 1))
	eventually(t, "nothing is left", func() bool { return e.unanswered("a") == 0 })
	if in.count(id) != 1 || r.logs.FilterMessage("an event that was to be delivered has left the log").Len() != 1 {
		t.Errorf("%d requests", in.count(id))
	}
}

// A process that keeps positions itself, one that leaves them to the engine, and the first again, on one log: each goes on where the
// one before stopped, and what waits for its schedule goes on waiting.
func TestAnEndpointMovesBetweenKeepers(t *testing.T) {
	t.Parallel()
	e := startAlone(t)
	var mended atomic.Bool
	in := startReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		if !mended.Load() && strings.HasSuffix(r.Header.Get("Webhook-Id"), "7") {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	endpoints := []Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0,3s,1h")}}
	noJitter := func(c *Config) { c.Jitter = func() float64 { return .5 } }
	for stay, shared := range []bool{false, true, false, true} {
		e.shared = shared
		mended.Store(stay > 0)
		r := e.dispatch(endpoints, noJitter)
		for i := range 50 {
			e.append("done", 100*stay+i)
		}
		last, left := e.append("done", 100*stay+90), 0
		if stay == 0 {
			left = 5
		}
		eventually(t, "each is tried", func() bool { return in.count(last) == 1 && e.unanswered("a") == left })
		r.stop()
		e.append("done", 100*stay+91) // while nobody delivers
	}
	e.dispatch(endpoints, noJitter)
	eventually(t, "the last", func() bool { return in.count("evt_done391") == 1 })
	for stay := range 4 {
		for _, i := range []int{0, 7, 17, 49, 90, 91} {
			id, want := fmt.Sprint("evt_done", 100*stay+i), 1
			if stay == 0 && i%10 == 7 {
				want = 2
			}
			if n := in.count(id); n != want {
				t.Errorf("%s: %d requests, want %d", id, n, want)
			}
		}
	}
	for _, q := range in.seen()[:51] {
		for _, again := range in.seen()[51:] {
			if q.id == again.id && again.at.Sub(q.at) < 3*time.Second {
				t.Errorf("%s came again after %s, want 3s", q.id, again.at.Sub(q.at))
			}
		}
	}
}

// Two that share the engine both find what the one before them left: neither repeats what was over.
func TestTwoTakeOverFromOne(t *testing.T) {
	t.Parallel()
	e, in := startAlone(t), startReceiver(t, nil)
	endpoints := []Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0,1h")}}
	in.answers(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Webhook-Id") == "evt_done0" { // so that the floor stays behind
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	r := e.dispatch(endpoints)
	for i := range 100 {
		e.append("done", i)
	}
	eventually(t, "all but one", func() bool { return e.unanswered("a") == 1 })
	r.stop()
	e.shared = true
	e.dispatch(endpoints)
	e.dispatch(endpoints)
	last := e.append("done", 100)
	eventually(t, "the last", func() bool { return in.count(last) == 1 && e.unanswered("a") == 1 })
	if n := len(in.seen()); n != 101 {
		t.Errorf("%d requests for 101 events", n)
	}
	info, err := e.js.Consumer(t.Context(), e.names.Stream(), e.names.Consumer("a"))
	must(t, err)
	if got := info.CachedInfo(); got.NumAckPending != 1 || got.Config.DeliverPolicy != jetstream.DeliverByStartSequencePolicy {
		t.Errorf("%+v", got)
	}
}
