package webhook

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestADeliveryThatIsGivenUpIsKeptOnceWithAllThereIsToKnow(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, status(http.StatusBadGateway))
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL + "/x?token=hidden", Schedule: schedule(t, "0,20ms,20ms")}})
	began := time.Now()
	id := e.append("done", 1)
	eventually(t, "the dead letter", func() bool { return len(e.messages(e.names.DeadStream(), ">")) == 1 })
	letter := e.messages(e.names.DeadStream(), e.names.DeadSubject("a", id))[0]
	for key, want := range map[string]string{
		jetstream.MsgIDHeader: "a." + id, contentTypeHeader: "application/cloudevents+json",
		HeaderEndpoint: "a", HeaderEventID: id, HeaderEventSubject: e.names.EventSubject("done", "default", "VI1"),
		HeaderReason: string(ReasonUsedUp), HeaderClass: string(ClassStatus), HeaderStatus: "502",
		HeaderDetail: "502 Bad Gateway", HeaderAttempts: "3",
	} {
		if got := letter.Header.Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	first, last := headerTime(t, letter.Header, HeaderFirstAttempt), headerTime(t, letter.Header, HeaderLastAttempt)
	stored := headerTime(t, letter.Header, HeaderEventStored)
	if first.Before(began) || stored.After(first) || last.Sub(first) < 30*time.Millisecond {
		t.Errorf("stored %s, first attempt %s, last %s", stored, first, last)
	}
	if !bytes.Equal(letter.Data, eventBody(id, "video.done", "VI1")) {
		t.Errorf("the body is %s", letter.Data)
	}
	eventually(t, "nothing left to do", func() bool {
		return e.unanswered("a") == 0 && len(e.messages(e.names.RetryStream(), ">")) == 0
	})
	if in.count(id) != 3 {
		t.Errorf("%d attempts", in.count(id))
	}
	if got := r.value(t, "vidbell_webhook_dead_letters_total", "a"); got != 1 {
		t.Errorf("the counter says %v", got)
	}
	r.showsNothingOf(t, "hidden")
}

func headerTime(t *testing.T, h nats.Header, key string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, h.Get(key))
	must(t, err)
	return at
}

func TestWhatEndsADelivery(t *testing.T) {
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/elsewhere?token=hidden", http.StatusFound)
	}
	for name, c := range map[string]struct {
		answer   http.HandlerFunc
		url      string
		attempts int
		reason   Reason
		class    Class
		detail   string
	}{
		"a refusal that does not end":  {answer: status(404), attempts: 4, reason: ReasonRefused, class: ClassStatus, detail: "404 Not Found"},
		"the wrong media type":         {answer: status(415), attempts: 1, reason: ReasonFinal, class: ClassStatus, detail: "415 Unsupported"},
		"a method not implemented":     {answer: status(501), attempts: 1, reason: ReasonFinal, class: ClassStatus, detail: "501 Not Implemented"},
		"a redirect":                   {answer: redirect, attempts: 6, reason: ReasonUsedUp, class: ClassRedirect, detail: "302 Found, points to http://"},
		"an address that is forbidden": {url: "http://169.254.169.254/", reason: ReasonBlocked, class: ClassBlocked, detail: "link-local"},
		"plain http to the public":     {url: "http://203.0.113.1/", reason: ReasonBlocked, class: ClassBlocked, detail: "use https"},
	} {
		t.Run(name, func(t *testing.T) {
			e, in := startEngine(t), startReceiver(t, c.answer)
			url := c.url
			if url == "" {
				url = in.URL + "/hook"
			}
			r := e.dispatch([]Endpoint{{Name: "a", URL: url, Schedule: schedule(t, "0,10ms,10ms,10ms,10ms,10ms")}})
			e.append("done", 1)
			eventually(t, "the dead letter", func() bool { return len(e.messages(e.names.DeadStream(), ">")) == 1 })
			h := e.messages(e.names.DeadStream(), ">")[0].Header
			if h.Get(HeaderReason) != string(c.reason) || h.Get(HeaderClass) != string(c.class) || !strings.Contains(h.Get(HeaderDetail), c.detail) {
				t.Errorf("%v", h)
			}
			if len(in.seen()) != c.attempts {
				t.Errorf("%d requests, want %d: %v", len(in.seen()), c.attempts, in.seen())
			}
			if strings.Contains(h.Get(HeaderDetail), "169.254") || strings.Contains(h.Get(HeaderDetail), "hidden") {
				t.Errorf("the detail says too much: %s", h.Get(HeaderDetail))
			}
			r.showsNothingOf(t, "hidden")
		})
	}
}

func TestALetterThatACrashLeftUnwrittenIsWrittenWithoutAnotherAttempt(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	r := e.prepare([]Endpoint{{Name: "a", URL: in.URL}})
	id := e.append("done", 1)
	decided := record{Attempts: 10, FirstAt: time.Now(), LastAt: time.Now(), NextAt: time.Now(), LastStatus: 500, LastClass: ClassStatus, Dead: ReasonUsedUp}
	must(t, r.records.save(t.Context(), "a", id, &decided))
	must(t, r.Prepare(t.Context())) // what a start after the crash reads
	r.start()
	eventually(t, "the dead letter", func() bool { return len(e.messages(e.names.DeadStream(), ">")) == 1 })
	eventually(t, "no record left", func() bool { return len(e.messages(e.names.RetryStream(), ">")) == 0 })
	if len(in.seen()) != 0 {
		t.Errorf("%d requests", len(in.seen()))
	}
}

func TestADeadLetterWrittenTwiceIsOne(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	r := e.prepare([]Endpoint{{Name: "a", URL: in.URL}})
	d := &delivery{id: "evt_1", subject: "video.done.default.VI1", body: []byte(`{}`)}
	for range 2 {
		must(t, bury(t.Context(), e.js, r.config.Names, "a", d, record{Dead: ReasonFinal}))
	}
	s, err := e.js.Stream(t.Context(), e.names.DeadStream())
	must(t, err)
	if n := s.CachedInfo().State.Msgs; n != 1 {
		t.Errorf("%d letters", n)
	}
}
