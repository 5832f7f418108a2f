package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func (r *running) why(asked string) EventFate {
	r.tb.Helper()
	answer, err := r.Why(r.tb.Context(), "a", asked)
	must(r.tb, err)
	if len(answer.Events) == 0 {
		r.tb.Fatalf("nothing is said about %s", asked)
	}
	return answer.Events[0]
}

func TestWhyItHasNotArrived(t *testing.T) {
	t.Parallel()
	in := startReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		switch id := r.Header.Get("Webhook-Id"); id {
		case "evt_done2":
			w.WriteHeader(http.StatusBadRequest)
		case "evt_done3":
			w.WriteHeader(http.StatusUnsupportedMediaType)
		}
	})
	e := startEngine(t)
	e.append("done", 0)
	r := e.dispatch([]Endpoint{{
		Name: "a", URL: in.URL, Schedule: schedule(t, "0,1h,1h"), Events: []string{"video.done"}, Filter: `subject != "VI4"`,
	}})
	e.append("done", 1)
	e.append("done", 2)
	e.append("done", 3)
	e.append("done", 4)
	e.append("failed", 5)
	eventually(t, "the third attempt", func() bool { return len(in.seen()) == 3 && len(r.letters(DeadQuery{})) == 1 })
	eventually(t, "the record of the second", func() bool { return r.why("evt_done2").WaitingFor == WaitingSchedule })

	for id, want := range map[string]struct {
		fate, waiting, unwanted, sentence string
	}{
		"evt_done0":   {FateMissed, "", "", "did not yet ask"},
		"evt_done1":   {FateDelivered, "", "", "took it at"},
		"evt_done2":   {FateWaiting, WaitingSchedule, "", "for its next attempt, number 2 of 3 of its schedule; so far there was 1 attempt, the last with: 400"},
		"evt_done3":   {FateDead, "", "", "given up at"},
		"evt_done4":   {FateUnwanted, "", "filter", "its filter says no (subject != \"VI4\")"},
		"evt_failed5": {FateUnwanted, "", "types", "video.failed is not in its events (video.done)"},
	} {
		got := r.why(id)
		if got.Fate != want.fate || got.WaitingFor != want.waiting || got.Unwanted != want.unwanted || !strings.Contains(got.Sentence, want.sentence) {
			t.Errorf("%s: %+v", id, got)
		}
		if got.StoredAt.IsZero() || got.VideoNo == "" {
			t.Errorf("%s: it does not say what it is about: %+v", id, got)
		}
	}
	if got := r.why("VI2"); got.EventID != "evt_done2" || got.AttemptsMade != 1 || len(got.Attempts) != 1 {
		t.Errorf("by video: %+v", got)
	}
	if until := time.Until(r.why("evt_done2").WaitingUntil); until < 40*time.Minute || until > 80*time.Minute {
		t.Errorf("it waits for %s", until)
	}
	if _, err := r.Why(t.Context(), "a", "evt_none"); !errors.Is(err, ErrNoEvent) {
		t.Errorf("no such event: %v", err)
	}
	if _, err := r.Why(t.Context(), "b", "evt_done1"); !errors.Is(err, ErrNoEndpoint) {
		t.Errorf("no such endpoint: %v", err)
	}

	must(t, r.Disable(t.Context(), "a", "for a test"))
	e.append("done", 6)
	if got := r.why("evt_done6"); got.WaitingFor != WaitingDisabled {
		t.Errorf("disabled: %+v", got)
	}
}

// An event that has left the log is known from what the delivery log has of it, by its id and by its video.
func TestWhyOfWhatHasLeftTheLog(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	in := startReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Webhook-Id") == "evt_done2" {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0,1s,1h")}})
	taken, refused := e.append("done", 1), e.append("done", 2)
	eventually(t, "both", func() bool { return in.count(taken) == 1 && in.count(refused) == 1 })
	log, err := e.js.Stream(t.Context(), e.names.Stream())
	must(t, err)
	must(t, log.Purge(t.Context()))
	eventually(t, "nothing is left", func() bool { return e.unanswered("a") == 0 })
	for asked, want := range map[string]struct{ id, fate, says string }{
		taken:   {taken, FateDelivered, "a took it at "},
		"VI1":   {taken, FateDelivered, "older than the log goes back"},
		refused: {refused, FateOver, "has 1 attempt, the last with: 400 Bad Request, at "},
		"VI2":   {refused, FateOver, "a is past it"},
	} {
		answer, err := r.Why(t.Context(), "a", asked)
		must(t, err)
		if len(answer.Events) != 1 {
			t.Fatalf("%s: %+v", asked, answer)
		}
		f := answer.Events[0]
		if f.EventID != want.id || f.Fate != want.fate || !strings.Contains(f.Sentence, want.says) || f.AttemptsMade != 1 || len(f.Attempts) != 1 ||
			f.Type != "video.done" || !f.StoredAt.IsZero() {
			t.Errorf("%s: %+v", asked, f)
		}
	}
	if _, err := r.Why(t.Context(), "a", "VI3"); !errors.Is(err, ErrNoEvent) {
		t.Errorf("of a video that nobody knows: %v", err)
	}
}

func TestWhyItIsHeldUp(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	in := startReceiver(t, hang(release))
	e := startEngine(t)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, InFlight: 1, Order: OrderVideo}})
	for i := range 20 {
		e.append("done", i)
	}
	e.append("failed", 0)
	eventually(t, "it hangs", func() bool { return len(in.seen()) == 1 })
	if got := r.why("evt_done0"); got.Fate != FateWaiting || got.WaitingFor != WaitingRequest {
		t.Errorf("under way: %+v", got)
	}
	eventually(t, "the last waits for its turn", func() bool { f := r.why("evt_done19"); return f.WaitingFor == WaitingTurn && f.Ahead >= 18 })
}

func TestWhyAnEndpointThatIsAwayHasNothing(t *testing.T) {
	t.Parallel()
	in := startReceiver(t, status(http.StatusServiceUnavailable))
	e := startEngine(t)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}})
	for i := range breakerAfter {
		e.append("done", i)
	}
	eventually(t, "the breaker opens", func() bool { return r.endpoint("a").State == EndpointDegraded })
	if got := r.why("evt_done0"); got.WaitingFor != WaitingBreaker {
		t.Errorf("open breaker: %+v", got)
	}
	s := r.endpoint("a")
	if s.LastStatus != 503 || s.LastClass != string(ClassStatus) || s.LastFailure.IsZero() || s.Pending != breakerAfter || s.OldestPending.IsZero() || s.Reason != string(CauseFailing) {
		t.Errorf("not what there is to say: %+v", s)
	}
	in.answers(nil)
	eventually(t, "it is back", func() bool {
		s := r.endpoint("a")
		return s.State == EndpointHealthy && s.Pending == 0 && !s.LastSuccess.IsZero() && s.OldestPending.IsZero()
	})
	r.stop()
	after := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}}).endpoint("a")
	if after.LastSuccess.IsZero() || after.LastStatus != 503 {
		t.Errorf("a restart forgets the last attempts: %+v", after)
	}
}

func TestSendTest(t *testing.T) {
	t.Parallel()
	in := startReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "short and stout")
	})
	e := startEngine(t)
	endpoint := Endpoint{Name: "a", URL: in.URL, Secrets: []string{secretText(0)}, Headers: map[string]string{"X-Token": "topsecret"}}
	r := e.dispatch([]Endpoint{endpoint, {Name: "chat", URL: in.URL, Format: FormatSlack}, {Name: "pager", URL: in.URL, Format: FormatPagerDuty, RoutingKey: strings.Repeat("a", 32)}})
	must(t, r.Disable(t.Context(), "a", "a test goes out all the same"))
	for _, kind := range knownTypes() {
		got, err := r.SendTest(t.Context(), "a", kind)
		must(t, err)
		if got.ResponseStatus != http.StatusTeapot || got.Result != ResultFailed || got.Excerpt != "short and stout" || got.Duration == 0 {
			t.Errorf("%s: %+v", kind, got)
		}
		if got.RequestHeaders["X-Token"] != "***" || got.RequestHeaders["Webhook-Signature"] == "" {
			t.Errorf("%s: headers %v", kind, got.RequestHeaders)
		}
		seen := in.seen()
		var event struct {
			ID, Type string
			Data     struct{ Test bool }
		}
		must(t, json.Unmarshal(seen[len(seen)-1].body, &event))
		if !strings.HasPrefix(event.ID, testPrefix) || event.Type != kind || !event.Data.Test || seen[len(seen)-1].id != event.ID {
			t.Errorf("%s: sent %s", kind, seen[len(seen)-1].body)
		}
	}
	for _, name := range []string{"chat", "pager"} {
		_, err := r.SendTest(t.Context(), name, "")
		must(t, err)
	}
	if n := len(r.attempts(AttemptQuery{})); n != 0 {
		t.Errorf("%d tests are in the delivery log", n)
	}
	var mistake *FieldError
	if _, err := r.SendTest(t.Context(), "pager", "video.processing"); !errors.As(err, &mistake) {
		t.Errorf("a type without words: %v", err)
	}
	if _, err := r.SendTest(t.Context(), "a", "video.donne"); !errors.As(err, &mistake) {
		t.Errorf("no type: %v", err)
	}
}

func TestWhatMayBeSecretInAURLIsNotShown(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://user:secret@example.com":                        "https://example.com",
		"https://example.com/":                                   "https://example.com/",
		"https://example.com/hooks?token=secret":                 "https://example.com/ho...?...",
		"https://hooks.slack.com/services/T000/B000/XXXXXXXXXXX": "https://hooks.slack.com/service...",
	} {
		target, err := compile(Endpoint{Name: "a", URL: url})
		must(t, err)
		if got := target.masked(); got != want {
			t.Errorf("%s is shown as %s, want %s", url, got, want)
		}
	}
}
