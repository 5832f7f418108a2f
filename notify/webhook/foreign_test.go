package webhook

import (
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
			eventually(t, "it is acknowledged", func() bool {
				c, err := e.js.Consumer(t.Context(), e.names.Stream(), e.names.Consumer("a"))
				return err == nil && c.CachedInfo().NumAckPending == 0 && c.CachedInfo().NumPending == 0
			})
		})
	}
}
