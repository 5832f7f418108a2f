package webhook

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestLine(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	later := now.Add(10 * overdue)
	parked := false
	turn := func(l *line, seq uint64, at time.Time) bool {
		return l.first("v", seq, at, ticket{reply: fmt.Sprintf("reply.%d", seq)}, func() { parked = true })
	}
	for name, holds := range map[string]func(l *line) bool{
		"the first of a video goes first": func(l *line) bool { l.join("v", 5); l.join("v", 7); return turn(l, 5, now) && !parked },
		"the second is parked":            func(l *line) bool { l.join("v", 5); l.join("v", 7); return !turn(l, 7, now) && parked },
		"and called back": func(l *line) bool {
			l.join("v", 5)
			l.join("v", 7)
			turn(l, 7, now)
			return l.leave("v", 5, now).reply == "reply.7" && turn(l, 7, now)
		},
		"once": func(l *line) bool {
			l.join("v", 5)
			l.join("v", 7)
			turn(l, 7, now)
			return l.leave("v", 5, now) != (ticket{}) && l.leave("v", 7, now) == (ticket{}) && len(l.videos) == 0
		},
		"an earlier one that comes later goes first": func(l *line) bool { l.join("v", 7); l.join("v", 5); return !turn(l, 7, now) && turn(l, 5, now) },
		"other videos do not matter":                 func(l *line) bool { l.join("w", 5); l.join("v", 7); return turn(l, 7, now) },
		"one that waits for its retry is waited for": func(l *line) bool {
			l.join("v", 5)
			l.away("v", 5, later)
			l.join("v", 7)
			return !turn(l, 7, now)
		},
		"one that never came back is not": func(l *line) bool {
			l.join("v", 5)
			l.away("v", 5, now)
			l.join("v", 7)
			return turn(l, 7, later) && l.leave("v", 7, later) == (ticket{}) && len(l.videos) == 0
		},
		"unless the endpoint was closed meanwhile": func(l *line) bool {
			l.join("v", 5)
			l.away("v", 5, now)
			l.join("v", 7)
			l.open(later)
			return !turn(l, 7, later)
		},
		"one that is back is waited for again": func(l *line) bool {
			l.join("v", 5)
			l.away("v", 5, now)
			l.join("v", 5)
			l.join("v", 7)
			return !turn(l, 7, later)
		},
		"a suspect is waited for, for a while": func(l *line) bool {
			l.suspect("v", 5, now.Add(time.Second))
			l.join("v", 7)
			return !turn(l, 7, now) && turn(l, 7, later)
		},
		"what has ended is not suspected again": func(l *line) bool {
			l.handed, l.inherited = 5, true
			l.open(now)
			l.join("v", 5)
			l.leave("v", 5, now)
			l.suspect("v", 5, later)
			l.join("v", 7)
			return turn(l, 7, now)
		},
		"a suspicion changes nothing about what is known": func(l *line) bool {
			l.join("v", 5)
			l.suspect("v", 5, now)
			l.join("v", 7)
			return !turn(l, 7, later)
		},
		"one that ends out of turn takes nobody's place": func(l *line) bool {
			l.join("v", 5)
			l.join("v", 7)
			l.join("v", 9)
			turn(l, 9, now)
			return l.leave("v", 7, now) == (ticket{}) && !turn(l, 9, now)
		},
		"leaving twice is leaving once": func(l *line) bool { return l.leave("v", 5, now) == (ticket{}) },
	} {
		parked = false
		if !holds(newLine()) {
			t.Errorf("%s: it does not hold", name)
		}
	}
	for subject, want := range map[string]string{"video.done.default.VI1": "default.VI1", "media.video.failed.a.b": "a.b", "x": "x", "a.b": "a.b"} {
		if got := videoOf(subject); got != want {
			t.Errorf("%s is of %s", subject, got)
		}
	}
}

// ordered is a receiver that remembers, of each video, what it answered, and notices when something is out of turn.
type ordered struct {
	mu     sync.Mutex
	over   map[string]int // events of a video that are over
	wrong  []string
	done   int
	answer func(video string, n, attempt int) int
	tries  map[string]int
}

func (o *ordered) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("Webhook-Id")
	video, number, _ := strings.Cut(strings.TrimPrefix(id, "evt_"), "x")
	var n int
	_, _ = fmt.Sscan(number, &n)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tries[id]++
	if n > o.over[video] {
		o.wrong = append(o.wrong, fmt.Sprintf("%s while %d of %s are over", id, o.over[video], video))
	}
	code := o.answer(video, n, o.tries[id])
	if n == o.over[video] && code < 300 || code == http.StatusUnsupportedMediaType {
		o.over[video]++
		o.done++
	}
	w.WriteHeader(code)
}

func (o *ordered) finished() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.done
}

func (o *ordered) check(t *testing.T) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range o.wrong {
		t.Error(w)
	}
}

func newOrdered(answer func(video string, n, attempt int) int) *ordered {
	return &ordered{over: make(map[string]int), tries: make(map[string]int), answer: answer}
}

// appendOf writes the n-th event of a video.
func (e *engine) appendOf(video string, n int) {
	e.tb.Helper()
	kind := videoKinds[n%2]
	_, msg := e.event(kind, 0)
	id := fmt.Sprintf("evt_%sx%d", video, n)
	msg.Subject = e.names.AppendSubject(kind, "default", video)
	msg.Header.Set(jetstream.MsgIDHeader, id)
	msg.Data = eventBody(id, "video."+kind, video)
	_, err := e.js.PublishMsg(e.tb.Context(), msg)
	must(e.tb, err)
}

func TestEventsOfAVideoKeepTheirOrderThroughFailures(t *testing.T) {
	const videos, events = 12, 8
	random := rand.New(rand.NewPCG(1, 2))
	o := newOrdered(func(_ string, _, attempt int) int {
		switch n := random.IntN(10); {
		case attempt > 3 || n > 4:
			return http.StatusNoContent
		case n == 0:
			return http.StatusUnsupportedMediaType // a dead letter makes way as well
		default:
			return http.StatusInternalServerError
		}
	})
	e, in := startEngine(t), startReceiver(t, o.ServeHTTP)
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Order: OrderVideo, InFlight: 8, Schedule: schedule(t, "0"+strings.Repeat(",20ms", 20))}})
	for n := range events {
		for v := range videos {
			e.appendOf(fmt.Sprintf("v%d", v), n)
		}
	}
	eventually(t, "all of them", func() bool { return o.finished() == videos*events })
	o.check(t)
	eventually(t, "nothing is left", func() bool { return len(e.messages(e.names.RetryStream(), ">")) == 0 })
}

func TestEventsThatWaitForEarlierOnesHoldNoSlot(t *testing.T) {
	o := newOrdered(func(video string, _, _ int) int {
		if video == "stuck" {
			return http.StatusNotFound // no outage: the breaker stays out of it
		}
		return http.StatusNoContent
	})
	e, in := startEngine(t), startReceiver(t, o.ServeHTTP)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Order: OrderVideo, InFlight: 1, Schedule: schedule(t, "0,1h")}})
	for n := range 50 {
		e.appendOf("stuck", n)
	}
	for n := range 20 {
		e.appendOf("free", n)
	}
	eventually(t, "the free ones", func() bool { return o.finished() == 20 })
	o.check(t)
	if n := len(in.seen()); n != 21 {
		t.Errorf("%d requests", n)
	}
	if h := r.state(t, "a"); h.State != StateActive {
		t.Errorf("%+v", h)
	}
}

func TestTheOrderSurvivesARestart(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]func(*engine){
		"of the process": func(*engine) {},
		"of the engine":  func(e *engine) { e.stop(); e.start() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := startEngine(t)
			o := newOrdered(func(string, int, int) int { return http.StatusBadRequest })
			in := startReceiver(t, o.ServeHTTP)
			endpoints := []Endpoint{{Name: "a", URL: in.URL, Order: OrderVideo, Schedule: schedule(t, "0,1s,1s,1s,1s,1s")}}
			first := e.dispatch(endpoints)
			for n := range 5 {
				e.appendOf("v", n)
			}
			eventually(t, "the first has failed", func() bool { return len(e.messages(e.names.RetryStream(), ">")) == 1 })
			first.stop()
			restart(e)
			o.mu.Lock()
			o.answer = func(string, int, int) int { return http.StatusNoContent }
			o.mu.Unlock()
			e.dispatch(endpoints)
			e.appendOf("v", 5)
			e.appendOf("w", 0)
			eventually(t, "all of them", func() bool { return o.finished() == 7 })
			o.check(t)
		})
	}
}

func TestTheOrderSurvivesAnOutage(t *testing.T) {
	e := startEngine(t)
	o := newOrdered(func(string, int, int) int { return http.StatusBadGateway })
	in := startReceiver(t, o.ServeHTTP)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Order: OrderVideo}})
	for n := range 6 {
		for v := range 10 {
			e.appendOf(fmt.Sprintf("v%d", v), n)
		}
	}
	eventually(t, "degraded", func() bool { return r.state(t, "a").State == StateDegraded })
	o.mu.Lock()
	o.answer = func(string, int, int) int { return http.StatusNoContent }
	o.mu.Unlock()
	eventually(t, "all of them", func() bool { return o.finished() == 60 })
	o.check(t)
}

func TestARateLimitSpreadsRequests(t *testing.T) {
	t.Parallel()
	e, in, other := startEngine(t), startReceiver(t, nil), startReceiver(t, nil)
	r := e.prepare([]Endpoint{{Name: "a", URL: in.URL, RateLimit: 50}, {Name: "other", URL: other.URL}})
	for i := range 40 {
		e.append("done", i)
	}
	r.start()
	eventually(t, "the other one has everything", func() bool { return len(other.seen()) == 40 })
	if n := len(in.seen()); n > 30 {
		t.Errorf("%d requests already", n)
	}
	eventually(t, "everything", func() bool { return len(in.seen()) == 40 })
	seen := in.seen()
	if took := seen[39].at.Sub(seen[0].at); took < 39*20*time.Millisecond-50*time.Millisecond {
		t.Errorf("it took %s", took)
	}
}

func TestAStopDoesNotWaitForTheRate(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, RateLimit: minRate}})
	for i := range 5 {
		e.append("done", i)
	}
	eventually(t, "the first", func() bool { return len(in.seen()) == 1 })
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > patience/4 {
		t.Errorf("it took %s", took)
	}
	if len(in.seen()) != 1 {
		t.Errorf("%d requests", len(in.seen()))
	}
}

func TestLimitsThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		endpoint Endpoint
		want     string
	}{
		"a negative rate":   {Endpoint{RateLimit: -1}, "rate_limit: -1 is out of range, use 0.001 to 10000 a second"},
		"an enormous rate":  {Endpoint{RateLimit: 1e9}, "rate_limit: 1e+09 is out of range"},
		"an order of shoes": {Endpoint{Order: "shoes"}, "order: there is none by that name, use video"},
	} {
		c.endpoint.Name, c.endpoint.URL = "a", "https://host/"
		if err := ValidateEndpoint(c.endpoint); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, errors.Unwrap(err))
		}
	}
}

// A killed process leaves an event under way that nobody has a record of, and one parked behind it.
func TestTheOrderSurvivesAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the ack wait")
	}
	t.Parallel()
	e, release := startEngine(t), make(chan struct{})
	in := startReceiver(t, hang(release))
	endpoints := []Endpoint{{Name: "a", URL: in.URL, Order: OrderVideo, Timeout: 30 * time.Second}}
	r := e.dispatch(endpoints, func(c *Config) { c.Grace = time.Millisecond })
	for n := range 2 {
		e.appendOf("v", n)
	}
	eventually(t, "the first is under way, the second parked", func() bool {
		r.roster().lanes[0].line.mu.Lock()
		defer r.roster().lanes[0].line.mu.Unlock()
		turns := r.roster().lanes[0].line.videos["default.v"]
		return len(in.seen()) == 1 && len(turns) == 2 && turns[1].back.valid()
	})
	e.stop() // without a word from the dispatcher
	e.start()
	in.answers(nil)
	e.dispatch(endpoints)
	e.appendOf("v", 2)
	eventually(t, "all of them", func() bool { return len(in.seen()) == 4 })
	for i, id := range []string{"evt_vx0", "evt_vx0", "evt_vx1", "evt_vx2"} {
		if got := in.seen()[i].id; got != id {
			t.Errorf("number %d is %s, want %s", i, got, id)
		}
	}
	close(release)
}

// What a cursor has not given up comes again, however long others come first. What is over is not waited for, and neither is what
// has left the log.
func TestALineWaitsForWhatItsCursorHasOpen(t *testing.T) {
	t.Parallel()
	c, l := newPositions(Config{}).add("a", "S"), newLine()
	c.begin(time.Unix(0, 0), 1, 0)
	l.by(c)
	now := time.Now()
	for seq := uint64(1); seq <= 2; seq++ {
		c.give(seq)
		l.join("v", seq)
	}
	c.later(1, c.epoch, time.Second)
	l.away("v", 1, now.Add(time.Second+overdue))
	passes := func(at time.Time) bool { return l.first("v", 2, at, ticket{}, func() {}) }
	if passes(now.Add(24 * time.Hour)) {
		t.Error("the second passed the first, which waits to be given again")
	}
	c.done(1, c.epoch)
	if passes(now) || !passes(now.Add(24*time.Hour)) {
		t.Error("what is over is waited for as long as what another process may have, and no longer")
	}
}
