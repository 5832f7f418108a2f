package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vidbell/notify"
)

func (r *running) replay(q ReplayRequest) ReplayResult {
	r.tb.Helper()
	result, err := r.Replay(r.tb.Context(), q)
	must(r.tb, err)
	return result
}

func (r *running) letters(q DeadQuery) []DeadLetter {
	r.tb.Helper()
	list, _, err := r.DeadLetters(r.tb.Context(), q)
	must(r.tb, err)
	return list
}

func (r *running) endpoint(name string) EndpointState {
	r.tb.Helper()
	all, err := r.Endpoints(r.tb.Context())
	must(r.tb, err)
	i := slices.IndexFunc(all, func(s EndpointState) bool { return s.Name == name })
	return all[i]
}

// A dead letter is listed with its last answer, replayed with the same id and bytes, and gone when the replay was taken.
func TestADeadLetterIsListedReplayedAndGone(t *testing.T) {
	t.Parallel()
	var healthy atomic.Bool
	in := startReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if !healthy.Load() {
			w.WriteHeader(http.StatusUnsupportedMediaType)
			fmt.Fprint(w, "no such thing")
		}
	})
	e := startEngine(t)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}})
	id := e.append("done", 1)
	e.append("failed", 2)
	eventually(t, "both letters", func() bool { return len(r.letters(DeadQuery{})) == 2 })
	letter := r.letters(DeadQuery{EventID: id})[0]
	if letter.Endpoint != "a" || letter.VideoNo != "VI1" || letter.Type != "video.done" || letter.Reason != string(ReasonFinal) ||
		letter.Status != 415 || letter.Excerpt != "no such thing" || letter.Attempts != 1 || letter.Queued {
		t.Fatalf("not the letter: %+v", letter)
	}
	if n := r.endpoint("a").DeadLetters; n != 2 {
		t.Errorf("the endpoint counts %d dead letters", n)
	}

	healthy.Store(true)
	if got := r.replay(ReplayRequest{Endpoint: "a", Dead: true, Types: []string{"video.done"}, DryRun: true}); got.Matched != 1 || got.Queued != 1 {
		t.Fatalf("the dry run says %+v", got)
	}
	if len(in.seen()) != 2 {
		t.Fatal("the dry run sent something")
	}
	r.replay(ReplayRequest{Endpoint: "a", Dead: true, Types: []string{"video.done"}})
	eventually(t, "the letter is gone", func() bool { return len(r.letters(DeadQuery{})) == 1 })
	var bodies []string
	for _, q := range in.seen() {
		if q.id == id {
			bodies = append(bodies, string(q.body))
		}
	}
	if len(bodies) != 2 || bodies[0] != bodies[1] {
		t.Errorf("not the same bytes twice: %q", bodies)
	}
	eventually(t, "the replay is in the log", func() bool {
		list := r.attempts(AttemptQuery{EventID: id})
		return len(list) == 2 && list[0].Replay && list[0].Number == 1 && !list[1].Replay
	})
}

// A replay that fails becomes a dead letter again, by its own schedule.
func TestAReplayThatFailsIsADeadLetterAgain(t *testing.T) {
	t.Parallel()
	in := startReceiver(t, status(http.StatusBadRequest))
	e := startEngine(t)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0,10ms,10ms")}})
	id := e.append("done", 1)
	eventually(t, "the letter", func() bool { return len(r.letters(DeadQuery{})) == 1 })
	first := r.letters(DeadQuery{})[0]
	r.replay(ReplayRequest{Endpoint: "a", EventIDs: []string{id}})
	eventually(t, "another letter", func() bool {
		list := r.letters(DeadQuery{})
		return len(list) == 1 && list[0].Seq > first.Seq && list[0].Attempts == 3 && !list[0].Queued
	})
	if n := in.count(id); n != 6 {
		t.Errorf("%d requests, want 3 and 3", n)
	}
}

func TestReplayChoosesWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	in := startReceiver(t, nil)
	e := startEngine(t)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Events: []string{"video.done", "video.failed", "source.*"}}})
	for i := range 6 {
		e.append([]string{"done", "failed", "processing"}[i%3], i)
	}
	e.appendOps("source.degraded", "default")
	eventually(t, "all wanted are delivered", func() bool { return len(in.seen()) == 5 })
	stream, err := e.js.Stream(t.Context(), e.names.Stream())
	must(t, err)
	third, err := stream.GetMsg(t.Context(), 4)
	must(t, err)
	for name, c := range map[string]struct {
		request ReplayRequest
		want    int
	}{
		"by id":                   {ReplayRequest{EventIDs: []string{"evt_done0", "evt_failed4"}}, 2},
		"by id and type":          {ReplayRequest{EventIDs: []string{"evt_done0", "evt_failed4"}, Types: []string{"video.done"}}, 1},
		"by an ops event's id":    {ReplayRequest{EventIDs: []string{"evt_source-degradeddefault"}}, 1},
		"by type":                 {ReplayRequest{Types: []string{"video.failed"}}, 2},
		"by a type it never asks": {ReplayRequest{Types: []string{"video.processing"}}, 0},
		"by source":               {ReplayRequest{Sources: []string{"default"}}, 5},
		"by another source":       {ReplayRequest{Sources: []string{"marketing"}}, 0},
		"since":                   {ReplayRequest{Since: third.Time}, 3},
		"until":                   {ReplayRequest{Until: third.Time}, 2},
		"by filter":               {ReplayRequest{Filter: `subject == "VI3"`}, 1},
		"what is dead":            {ReplayRequest{Dead: true}, 0},
		"what is missing":         {ReplayRequest{Missing: true}, 0},
	} {
		c.request.Endpoint, c.request.DryRun = "a", true
		if got := r.replay(c.request); got.Matched != c.want {
			t.Errorf("%s: matched %d, want %d", name, got.Matched, c.want)
		}
	}
}

func TestReplaysThatCannotBeAreNamed(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	r := e.prepare([]Endpoint{{Name: "a", URL: "http://127.0.0.1:1"}})
	now := time.Now()
	for field, q := range map[string]ReplayRequest{
		"request":   {},
		"event_ids": {EventIDs: make([]string, 1001)},
		"types":     {Types: []string{"video.donne"}},
		"sources":   {Sources: []string{"no such name"}},
		"until":     {Since: now, Until: now},
		"filter":    {Filter: "subjekt == 1"},
	} {
		q.Endpoint = "a"
		_, err := r.Replay(t.Context(), q)
		var mistake *FieldError
		if !errors.As(err, &mistake) || mistake.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := r.Replay(t.Context(), ReplayRequest{Endpoint: "b", Dead: true}); !errors.Is(err, ErrNoEndpoint) {
		t.Errorf("an unknown endpoint: %v", err)
	}
	if _, err := r.Replay(t.Context(), ReplayRequest{Endpoint: "a", EventIDs: []string{"evt_none"}}); !errors.Is(err, ErrNoEvent) {
		t.Errorf("an unknown event: %v", err)
	}
}

// A new endpoint begins with events from now; a replay of what is missing brings the rest, once.
func TestWhatIsMissingIsBroughtOnce(t *testing.T) {
	t.Parallel()
	in := startReceiver(t, nil)
	e := startEngine(t)
	for i := range 700 {
		e.append("done", i)
	}
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}}, func(c *Config) { c.ReplayRate = 5000 })
	e.append("done", 1000)
	eventually(t, "the new one", func() bool { return len(in.seen()) == 1 })
	missing := ReplayRequest{Endpoint: "a", Missing: true}
	if got := r.replay(missing); got.Matched != 700 || got.Queued != 700 || got.First.IsZero() || got.Last.Before(got.First) {
		t.Fatalf("the replay says %+v", got)
	}
	if got := r.replay(missing); got.Queued != 0 {
		t.Fatalf("the same request again queues %d", got.Queued)
	}
	eventually(t, "all of them", func() bool { return len(in.seen()) == 701 && r.endpoint("a").Queued == 0 })
	if got := r.replay(missing); got.Matched != 0 {
		t.Fatalf("then %d are missing", got.Matched)
	}
	for i := range 700 {
		if n := in.count(fmt.Sprint("evt_done", i)); n != 1 {
			t.Fatalf("event %d was delivered %d times", i, n)
		}
	}
	// What proves it does not age out with the delivery log.
	stream, err := e.js.Stream(t.Context(), e.names.DeliveriesStream())
	must(t, err)
	must(t, stream.Purge(t.Context()))
	if got := r.replay(missing); got.Matched != 0 {
		t.Errorf("without the delivery log %d are missing", got.Matched)
	}
}

// What an endpoint did not ask for by its settings of the time is missing when it does.
func TestOtherSettingsMissOtherEvents(t *testing.T) {
	t.Parallel()
	in := startReceiver(t, nil)
	e := startEngine(t)
	run := func(change func(*Endpoint)) *running {
		endpoint := Endpoint{Name: "a", URL: in.URL, Events: []string{"video.done"}}
		change(&endpoint)
		return e.dispatch([]Endpoint{endpoint})
	}
	r := run(func(e *Endpoint) { e.Filter = `subject != "VI1"` })
	e.append("failed", 3)
	e.append("done", 1)
	e.append("done", 2)
	eventually(t, "the one it wants", func() bool { return in.count("evt_done2") == 1 && r.endpoint("a").Pending == 0 })
	r.stop()
	r = run(func(e *Endpoint) { e.Events = []string{"video.done", "video.failed"} })
	e.append("failed", 4)
	eventually(t, "the one it wants now", func() bool { return in.count("evt_failed4") == 1 && r.endpoint("a").Pending == 0 })
	got := r.replay(ReplayRequest{Endpoint: "a", Missing: true})
	if got.Matched != 2 {
		t.Errorf("%d are missing, want the one that the filter and the one that the types left out", got.Matched)
	}
	eventually(t, "they come", func() bool { return in.count("evt_done1") == 1 && in.count("evt_failed3") == 1 })
	if len(in.seen()) != 4 {
		t.Errorf("%d requests for 4 events", len(in.seen()))
	}
}

// A consumer that was deleted while nobody was there begins anew, and what came meanwhile is missing.
func TestWhatALostConsumerMissedIsMissing(t *testing.T) {
	t.Parallel()
	in := startReceiver(t, nil)
	e := startEngine(t)
	e.shared = true
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}})
	e.append("done", 1)
	eventually(t, "the first", func() bool { return in.count("evt_done1") == 1 && r.endpoint("a").Pending == 0 })
	r.tendServed(t.Context())
	r.stop()
	must(t, e.js.DeleteConsumer(t.Context(), e.names.Stream(), e.names.Consumer("a")))
	e.append("done", 2)
	r = e.dispatch([]Endpoint{{Name: "a", URL: in.URL}})
	e.append("done", 3)
	eventually(t, "the third", func() bool { return in.count("evt_done3") == 1 })
	if got := r.replay(ReplayRequest{Endpoint: "a", Missing: true}); got.Matched != 1 {
		t.Errorf("%d are missing, want 1", got.Matched)
	}
	eventually(t, "the second", func() bool { return in.count("evt_done2") == 1 })
}

// A replay survives a restart, and stands behind live deliveries.
func TestAReplayGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	in := startReceiver(t, nil)
	e := startEngine(t)
	for i := range 40 {
		e.append("done", i)
	}
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}}, func(c *Config) { c.ReplayRate = 20 })
	r.replay(ReplayRequest{Endpoint: "a", Missing: true})
	eventually(t, "some", func() bool { return len(in.seen()) >= 5 })
	if n := len(in.seen()); n > 30 {
		t.Errorf("%d at once are no pace", n)
	}
	r.stop()
	e.stop()
	e.start()
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL}}, func(c *Config) { c.ReplayRate = 1000 })
	eventually(t, "all", func() bool { return len(in.seen()) >= 40 })
	for i := range 40 {
		if in.count(fmt.Sprint("evt_done", i)) == 0 {
			t.Errorf("event %d is lost", i)
		}
	}
}

func TestAReplayLeavesSlotsToLiveDeliveries(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	in := startReceiver(t, nil)
	e := startEngine(t)
	for i := range 50 {
		e.append("done", i)
	}
	in.answers(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Webhook-Id"), "evt_failed") {
			hang(release)(w, r)
		}
	})
	defer close(release)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, InFlight: 4}}, func(c *Config) { c.ReplayRate = 1000 })
	r.replay(ReplayRequest{Endpoint: "a", Missing: true})
	eventually(t, "the replay hangs", func() bool { return len(in.seen()) == 1 })
	for i := range 20 {
		e.append("failed", i)
	}
	eventually(t, "live events pass", func() bool { return len(in.seen()) == 21 })
}

// Replays for people are told in groups of their own.
func TestReplaysAreGrouped(t *testing.T) {
	t.Parallel()
	in := startReceiver(t, nil)
	e := startEngine(t)
	for i := range 30 {
		e.append("failed", i)
	}
	r := e.dispatch([]Endpoint{grouping(in.URL, 30)})
	r.replay(ReplayRequest{Endpoint: "a", Missing: true})
	eventually(t, "one message", func() bool { return len(in.seen()) == 1 && r.endpoint("a").Queued == 0 })
	if n := strings.Count(string(in.seen()[0].body), "evt_failed"); n != 30 {
		t.Errorf("the message tells %d events", n)
	}
	if got := r.replay(ReplayRequest{Endpoint: "a", Missing: true}); got.Matched != 0 {
		t.Errorf("%d are still missing", got.Matched)
	}
}

// Nothing that was queued is dropped for want of room: what does not fit is refused.
func TestAFullReplayQueueSaysSo(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	for i := range 600 {
		e.append("done", i)
	}
	r := e.prepare([]Endpoint{{Name: "a", URL: "http://127.0.0.1:1"}})
	config := replayStream(notify.Names{}, 1)
	config.MaxBytes = 100 << 10
	_, err := e.js.UpdateStream(t.Context(), config)
	must(t, err)
	got, err := r.Replay(t.Context(), ReplayRequest{Endpoint: "a", Missing: true})
	if !errors.Is(err, ErrReplayFull) {
		t.Fatalf("%+v, %v", got, err)
	}
	stream, err := e.js.Stream(t.Context(), e.names.ReplayStream())
	must(t, err)
	if n := int(stream.CachedInfo().State.Msgs); n != got.Queued || n == 0 {
		t.Errorf("%d are queued, the result says %d", n, got.Queued)
	}
	config.MaxBytes = replayMaxBytes
	_, err = e.js.UpdateStream(t.Context(), config)
	must(t, err)
	if again := r.replay(ReplayRequest{Endpoint: "a", Missing: true}); again.Queued != 600-got.Queued {
		t.Errorf("the same request adds %d to %d", again.Queued, got.Queued)
	}
}
