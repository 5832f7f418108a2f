package e2e

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// The folder of a service that was stopped can be served by a plain NATS server, which is how it is moved to a NATS of one's own:
// the log is there, and the position of the endpoint.
func TestAPlainServerCanServeTheFolder(t *testing.T) {
	t.Parallel()
	from, to, dir := newPlatform(t, newWords(seeded(t)), 20, 3), newReceiver(t), t.TempDir()
	p := start(t, deliverTo(from.settings(), to).with("DATA_DIR", dir, "NATS_LISTEN", "off", "HTTP_LISTEN", freeAddress(t)))
	p.mustHaveBaseline()
	for from.finish(done) {
	}
	p.eventually("deliveries", func() bool { return to.missing(from.truth()) == 0 })
	p.stop()

	b := newBroker(t)
	b.options = server.Options{Host: b.options.Host, Port: b.options.Port, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir + "/jetstream"}
	b.start()
	js := streams(t, connect(t, b.server.ClientURL()))
	if events := readLog(t, js); len(events) != 3 {
		t.Errorf("%d events in the log, want 3", len(events))
	}
	log, err := js.Stream(t.Context(), logStream)
	must(t, err)
	consumers := 0
	for range log.ListConsumers(t.Context()).Info() {
		consumers++
	}
	if consumers != 1 {
		t.Errorf("%d consumers, want the endpoint's", consumers)
	}
}
