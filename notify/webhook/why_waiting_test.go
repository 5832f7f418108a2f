package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// mustSay waits until why gives a reason, and looks at its sentence: it names the setting, and when it goes on.
func (r *running) mustSay(id, fate, waiting string, parts ...string) EventFate {
	r.tb.Helper()
	var got EventFate
	says := func(part string) bool { return strings.Contains(got.Sentence, part) }
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		got = r.why(id)
		if got.Fate == fate && got.WaitingFor == waiting && !slices.ContainsFunc(parts, func(part string) bool { return !says(part) }) {
			break
		}
		if time.Now().After(deadline) {
			r.tb.Fatalf("%s is explained as %+v, want %s, %s, and %q", id, got, fate, waiting, parts)
		}
	}
	if !strings.HasSuffix(got.Sentence, ".") || strings.Contains(got.Sentence, "  ") || strings.Contains(got.Sentence, "%!") {
		r.tb.Errorf("that is no sentence: %q", got.Sentence)
	}
	return got
}

// mustWait is mustSay for what has a time at which it goes on.
func (r *running) mustWait(id, waiting string, least, most time.Duration, parts ...string) {
	r.tb.Helper()
	got := r.mustSay(id, FateWaiting, waiting, parts...)
	if rest := time.Until(got.WaitingUntil); rest < least || rest > most {
		r.tb.Errorf("%s goes on in %s, want %s to %s", id, rest, least, most)
	}
	if !strings.Contains(got.Sentence, clock(got.WaitingUntil)) {
		r.tb.Errorf("%s is not in %q", clock(got.WaitingUntil), got.Sentence)
	}
}

func explained(t *testing.T, answer http.HandlerFunc, change func(*Endpoint)) (*engine, *receiver, *running) {
	t.Helper()
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, answer)
	endpoint := Endpoint{Name: "a", URL: in.URL}
	change(&endpoint)
	r := e.dispatch([]Endpoint{endpoint})
	return e, in, r
}

func TestWhyRetryAfter(t *testing.T) {
	e, _, r := explained(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusTooManyRequests)
	}, func(*Endpoint) {})
	first := e.append("done", 1)
	r.mustWait(first, WaitingPause, time.Minute, 3*time.Minute, "as the receiver asked with Retry-After", "so far there was 1 attempt, the last with: 429")
	r.mustWait(e.append("done", 2), WaitingPause, time.Minute, 3*time.Minute, "as the receiver asked with Retry-After")
}

func TestWhyRateLimit(t *testing.T) {
	e, in, r := explained(t, nil, func(e *Endpoint) { e.RateLimit = 0.05 })
	first := e.append("done", 1)
	eventually(t, "the first", func() bool { return in.count(first) == 1 })
	r.mustWait(e.append("done", 2), WaitingRate, 10*time.Second, 21*time.Second, "rate limit (rate_limit, 0.05 a second), at the latest until")
}

func TestWhyOrder(t *testing.T) {
	e, _, r := explained(t, status(http.StatusBadRequest), func(e *Endpoint) {
		e.Order, e.Schedule = OrderVideo, schedule(t, "0,1h")
	})
	first := e.append("done", 1)
	r.mustWait(first, WaitingSchedule, 40*time.Minute, 80*time.Minute, "number 2 of 2 of its schedule")
	r.mustSay(e.append("failed", 1), FateWaiting, WaitingOrder, "for "+first+", an earlier event of its video to be over", "order (video)")
}

func TestWhyGroupWait(t *testing.T) {
	e, _, r := explained(t, nil, func(e *Endpoint) { *e = grouping(e.URL, 40); e.GroupWait = time.Minute })
	r.mustWait(e.append("failed", 1), WaitingGroup, 30*time.Second, time.Minute, "(group_wait 1m0s)", "there are 40 (group_max)")
}

func TestWhyBreaker(t *testing.T) {
	e, _, r := explained(t, status(http.StatusServiceUnavailable), func(*Endpoint) {})
	var ids []string
	for i := range breakerAfter {
		ids = append(ids, e.append("done", i))
	}
	got := r.mustSay(ids[0], FateWaiting, WaitingBreaker, "for the receiver to be back: it failed ", " times in a row, and is asked", "the last with: 503")
	if !got.WaitingUntil.IsZero() && !strings.Contains(got.Sentence, clock(got.WaitingUntil)) {
		t.Errorf("it does not say when: %q", got.Sentence)
	}
}

func TestWhyDisabled(t *testing.T) {
	e, _, r := explained(t, nil, func(*Endpoint) {})
	must(t, r.Disable(t.Context(), "a", "it moves on Friday"))
	r.mustSay(e.append("done", 1), FateWaiting, WaitingDisabled,
		"until the endpoint is enabled (vidbell endpoints enable a)", "disabled since 20", "operator: it moves on Friday")
}

func TestWhyGone(t *testing.T) {
	e, _, r := explained(t, status(http.StatusGone), func(*Endpoint) {})
	r.mustSay(e.append("done", 1), FateWaiting, WaitingDisabled, "until the endpoint is enabled", "gone: 410 Gone")
}

func TestWhyUnwanted(t *testing.T) {
	e, _, r := explained(t, nil, func(e *Endpoint) {
		e.Events, e.Sources, e.Filter = []string{"video.d*"}, []string{"marketing", "default"}, `data.version > 7`
	})
	r.mustSay(e.append("done", 1), FateUnwanted, "", "a does not ask for it", "its filter says no (data.version > 7)")
	r.mustSay(e.append("failed", 1), FateUnwanted, "", "video.failed is not in its events (video.d*)")
}

func TestWhyUnwantedSource(t *testing.T) {
	e, _, r := explained(t, nil, func(e *Endpoint) { e.Sources = []string{"marketing", "sales"} })
	r.mustSay(e.append("done", 1), FateUnwanted, "", "default is not in its sources (marketing, sales)")
}

func TestWhyTurn(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	e, in, r := explained(t, hang(release), func(e *Endpoint) { e.InFlight = 2 })
	for i := range 20 {
		e.append("done", i)
	}
	eventually(t, "two hang", func() bool { return len(in.seen()) == 2 })
	r.mustSay("evt_done0", FateWaiting, WaitingRequest, "Its request is under way")
	r.mustSay("evt_done19", FateWaiting, WaitingTurn, "for its turn, behind 19 others", "2 requests may be under way at once (in_flight)")
}

func TestWhyDeadByClass(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer   http.HandlerFunc
		change   func(*Endpoint)
		sentence []string
	}{
		"final":   {status(http.StatusUnsupportedMediaType), nil, []string{"after 1 attempt: no other attempt could do better, class status, the last with: 415"}},
		"refused": {status(http.StatusForbidden), nil, []string{"after 4 attempts: the receiver kept refusing it, class status, the last with: 403"}},
		"used-up": {status(http.StatusInternalServerError), nil, []string{"after 5 attempts: every attempt of its schedule failed, class status, the last with: 500"}},
		"moved":   {movedTo("https://elsewhere.example.com/secret?token=1"), nil, []string{"class redirect, the last with: 302 Found, points to https://elsewhere.example.com; it is kept"}},
		"blocked": {nil, func(e *Endpoint) { e.PublicOnly, e.URL = true, "https://127.0.0.1:1/" }, []string{"the receiver's address is one that is never connected to, class blocked"}},
		"render": {nil, func(e *Endpoint) {
			e.Format, e.Template = FormatTemplate, `{{if eq .subject "VI77"}}{{.data.nope}}{{end}}""`
		}, []string{"after 0 attempts: it could not be rendered in the endpoint's format, class render"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, in := startEngine(t), startReceiver(t, c.answer)
			endpoint := Endpoint{Name: name, URL: in.URL, Schedule: schedule(t, "0,10ms,10ms,10ms,10ms")}
			if c.change != nil {
				c.change(&endpoint)
			}
			r := e.dispatch([]Endpoint{endpoint}, func(c *Config) { c.timing = timing{first: time.Hour, most: time.Hour, giveUp: giveUpAfter} })
			id := e.append("done", 77)
			eventually(t, "its letter", func() bool { return len(r.letters(DeadQuery{Endpoint: name})) == 1 })
			answer, err := r.Why(t.Context(), name, id)
			must(t, err)
			got := answer.Events[0]
			for _, part := range append(c.sentence, "It was given up at ", "it is kept for replay.") {
				if got.Fate != FateDead || !strings.Contains(got.Sentence, part) {
					t.Errorf("%q is not in %q", part, got.Sentence)
				}
			}
			if strings.Contains(got.Sentence, "secret") || strings.Contains(got.Sentence, "token") {
				t.Errorf("a secret is in %q", got.Sentence)
			}
		})
	}
}

func movedTo(url string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", url)
		w.WriteHeader(http.StatusFound)
	}
}

func TestWhyReplayQueued(t *testing.T) {
	e, in, r := explained(t, status(http.StatusUnsupportedMediaType), func(e *Endpoint) { e.InFlight = 1 })
	for i := range 10 { // letters in their order
		e.append("done", i)
		eventually(t, "its letter", func() bool { return len(r.letters(DeadQuery{})) == i+1 })
	}
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	in.answers(hang(release))
	r.replay(ReplayRequest{Endpoint: "a", Dead: true})
	eventually(t, "the replay hangs", func() bool { return len(in.seen()) == 11 })
	r.mustSay("evt_done9", FateDead, WaitingTurn, "given up at", "a replay is under way, and that is waiting for its turn, behind 9 others",
		"replays have 50 requests a second at most, and let live deliveries go first")
}

func TestWhyDelivered(t *testing.T) {
	e, in, r := explained(t, nil, func(*Endpoint) {})
	id := e.append("done", 1)
	eventually(t, "it", func() bool { return in.count(id) == 1 })
	got := r.mustSay(id, FateDelivered, "", "a took it at ", " after it was stored.")
	if got.Sentence != fmt.Sprintf("a took it at %s, %s after it was stored.", clock(got.DeliveredAt), short(got.DeliveredAt.Sub(got.StoredAt))) {
		t.Errorf("it says %q", got.Sentence)
	}
}
