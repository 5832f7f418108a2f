package webhook

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestWhatIsNotOursIsNeitherSignedNorSent(t *testing.T) {
	for what, header := range map[string]nats.Header{
		"an answer of the server": nil,
		"an id of somebody else":  {"Nats-Msg-Id": {"mine"}, "Content-Type": {"application/cloudevents+json"}},
		"another type of content": {"Nats-Msg-Id": {"evt_1"}, "Content-Type": {"application/json"}},
	} {
		t.Run(what, func(t *testing.T) {
			e, in := startEngine(t), startReceiver(t, nil)
			run := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Secrets: []string{secretText(1)}}})
			_, err := e.js.PublishMsg(t.Context(), &nats.Msg{
				Subject: e.names.AppendSubject("done", "default", "VIz"), Header: header, Data: []byte(`{"type":"io.nats.jetstream.api.v1"}`),
			})
			must(t, err)
			id := e.append("done", 1)
			eventually(t, "the delivery behind it", func() bool { return in.count(id) == 1 })
			if got := len(in.seen()); got != 1 {
				t.Errorf("%d requests", got)
			}
			if got := run.value(t, "vidbell_webhook_foreign_messages_total", "a"); got != 1 {
				t.Errorf("%v counted", got)
			}
			eventually(t, "it is over", func() bool { return e.unanswered("a") == 0 })
		})
	}
}

// A subscriber can have the engine send an answer to any subject. What comes to lie among the dead letters that way is none.
func TestWhatIsNotOursIsNoDeadLetter(t *testing.T) {
	t.Parallel()
	e, in := startShared(t), startReceiver(t, status(http.StatusUnsupportedMediaType))
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}, {Name: "b", URL: in.URL, Events: []string{"video.deleted"}}})
	dead := e.append("done", 1)
	eventually(t, "a letter", func() bool { return len(r.letters(DeadQuery{})) == 1 })
	in.answers(nil)
	taken := e.append("done", 2)
	eventually(t, "a delivery", func() bool { return in.count(taken) == 1 && r.endpoint("a").Pending == 0 })

	subscriber, err := nats.Connect(e.server.ClientURL())
	must(t, err)
	defer subscriber.Close()
	forge := func(request, at string, data string) {
		must(t, subscriber.PublishRequest(request, at, []byte(data)))
	}
	forge("$JS.API.STREAM.INFO."+e.names.Stream(), e.names.DeadSubject("a", "evt_forged"), "")
	forge("$JS.API.STREAM.INFO."+e.names.Stream(), e.names.DeadSubject("a", taken), "")
	forge("$JS.API.STREAM.MSG.GET."+e.names.Stream(), e.names.DeadSubject("a", "evt_an_event"), `{"last_by_subj":"video.>"}`)
	_, event := e.event("done", 1) // on somebody else's server a client may publish what it likes
	must(t, subscriber.PublishMsg(&nats.Msg{Subject: e.names.DeadSubject("b", dead), Header: event.Header, Data: event.Data}))
	must(t, subscriber.Flush())
	eventually(t, "all are stored", func() bool { return len(e.messages(e.names.DeadStream(), ">")) == 5 })

	if list := r.letters(DeadQuery{}); len(list) != 1 || list[0].EventID != dead {
		t.Errorf("listed are %+v", list)
	}
	for name, want := range map[string]int{"a": 1, "b": 0} {
		if got := r.replay(ReplayRequest{Endpoint: name, Dead: true, DryRun: true}); got.Matched != want || got.Queued != want {
			t.Errorf("a replay of what is dead for %s counts %+v", name, got)
		}
	}
	if got := r.replay(ReplayRequest{Endpoint: "a", Missing: true, DryRun: true}); got.Matched != 1 {
		t.Errorf("a replay of what is missing counts %+v", got)
	}
	if got := r.why(taken); got.Fate != FateDelivered || got.Dead != nil {
		t.Errorf("what was delivered is explained as %+v", got)
	}
	if _, err := r.Why(t.Context(), "a", "evt_forged"); !errors.Is(err, ErrNoEvent) {
		t.Errorf("what was forged is explained: %v", err)
	}
	r.replay(ReplayRequest{Endpoint: "a", Dead: true})
	eventually(t, "the real one", func() bool { return in.count(dead) == 2 && r.endpoint("a").Queued == 0 })
	for _, q := range in.seen() {
		if strings.Contains(string(q.body), "io.nats") {
			t.Errorf("sent: %s", q.body)
		}
	}
}
