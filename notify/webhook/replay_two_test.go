package webhook

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// beside has another process deliver to the same endpoints: it has a connection of its own, and nothing else in common.
func (e *engine) beside(endpoints []Endpoint, options ...option) *running {
	e.tb.Helper()
	conn, err := nats.Connect(e.server.ClientURL())
	must(e.tb, err)
	e.tb.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	must(e.tb, err)
	return e.dispatch(endpoints, append(options, func(c *Config) { c.JetStream = js })...)
}

func startShared(t *testing.T) *engine {
	t.Helper()
	e := &engine{tb: t, dir: t.TempDir(), port: -1, shared: true}
	e.start()
	t.Cleanup(e.stop)
	must(t, e.createLog(t.Context()))
	return e
}

// Two processes on one engine are told to replay at the same time, the same and what overlaps. Each event is delivered once
// more, and their answers add up.
func TestTwoProcessesReplayAtOnce(t *testing.T) {
	t.Parallel()
	const events = 400
	for name, ask := range map[string][2]ReplayRequest{
		"the same dead letters":        {{Dead: true}, {Dead: true}},
		"the same missing":             {{Missing: true}, {Missing: true}},
		"dead letters that overlap":    {{Dead: true, Types: []string{"video.done"}}, {Dead: true, Since: time.Unix(1, 0)}},
		"dead letters, and all missed": {{Dead: true}, {Missing: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, in := startShared(t), startReceiver(t, status(http.StatusUnsupportedMediaType))
			endpoints := []Endpoint{{Name: "a", URL: in.URL}}
			fast := func(c *Config) { c.ReplayRate = 2000 }
			if ask[0].Dead {
				e.prepare(endpoints)
			}
			for i := range events {
				e.append([]string{"done", "failed"}[i%2], i)
			}
			both := []*running{e.beside(endpoints, fast), e.beside(endpoints, fast)}
			if ask[0].Dead {
				eventually(t, "all letters", func() bool { return both[0].endpoint("a").DeadLetters == events })
			}
			before := len(in.seen())
			in.answers(nil)
			for i, r := range both {
				dry := ask[i]
				dry.Endpoint, dry.DryRun = "a", true
				if got := r.replay(dry); i == 1 && (got.Matched != events || got.Queued != events) {
					t.Errorf("the dry run says %+v", got)
				}
			}
			queued := replayAtOnce(t, both, ask)
			if queued != events {
				t.Errorf("both together queued %d of %d", queued, events)
			}
			eventually(t, "the queue is empty", func() bool { return both[0].endpoint("a").Queued == 0 })
			if n := len(in.seen()) - before; n != events {
				t.Errorf("%d requests for %d events", n, events)
			}
			if s := both[1].endpoint("a"); s.DeadLetters != 0 {
				t.Errorf("%d letters are left", s.DeadLetters)
			}
			for i, r := range both {
				dry := ask[i]
				dry.Endpoint, dry.DryRun = "a", true
				if got := r.replay(dry); got.Matched != 0 {
					t.Errorf("then the dry run says %+v", got)
				}
			}
		})
	}
}

func replayAtOnce(t *testing.T, both []*running, ask [2]ReplayRequest) (queued int) {
	t.Helper()
	var all sync.WaitGroup
	var results [2]ReplayResult
	var errs [2]error
	for i, r := range both {
		request := ask[i]
		request.Endpoint = "a"
		all.Go(func() { results[i], errs[i] = r.Replay(t.Context(), request) })
	}
	all.Wait()
	must(t, errors.Join(errs[:]...))
	return results[0].Queued + results[1].Queued
}

// A process that is gone in the middle of a request has the turn no longer than it is silent.
func TestTheTurnOfAProcessThatIsGone(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	for i := range 3 {
		e.append("done", i)
	}
	r := e.prepare([]Endpoint{{Name: "a", URL: "http://127.0.0.1:1"}})
	_, err := e.js.Publish(t.Context(), e.names.ReplayTurnSubject("a"), []byte("somebody else"))
	must(t, err)
	began := time.Now()
	if got := r.replay(ReplayRequest{Endpoint: "a", Missing: true, DryRun: true}); got.Queued != 3 || time.Since(began) > turnLost/2 {
		t.Errorf("a dry run waits, or says %+v", got)
	}
	if got := r.replay(ReplayRequest{Endpoint: "a", Missing: true}); got.Queued != 3 {
		t.Errorf("queued %+v", got)
	}
	if took := time.Since(began); took < turnLost {
		t.Errorf("the turn was taken after %s", took)
	}
	if msg, err := lastOf(t.Context(), r.records.health, e.names.ReplayTurnSubject("a")); err != nil || msg != nil {
		t.Errorf("the turn was not given back: %v %v", msg, err)
	}
	held, over, err := r.replayTurn(t.Context(), "a")
	must(t, err)
	defer over()
	_, err = e.js.Publish(t.Context(), e.names.ReplayTurnSubject("a"), []byte("somebody else"))
	must(t, err)
	select {
	case <-held.Done():
	case <-time.After(patience):
		t.Error("a turn that is lost goes on")
	}
}
