package e2e

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// The folder of a service that was stopped can be served by a plain NATS server, which is how it is moved to a NATS of one's own:
// the log is there, and the service goes on where it stopped. So it does when it is moved back.
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
	event := func(p *process, what string) {
		t.Helper()
		p.mustHaveBaseline()
		from.upload(done, 0)
		p.eventually(what, func() bool { return to.missing(from.truth()) == 0 })
		p.stop()
		if n := len(to.all()); n != len(to.taken()) {
			t.Errorf("%s: %d requests for %d events", what, n, len(to.taken()))
		}
	}
	outside := deliverTo(from.settings(), to).with("NATS_URL", b.server.ClientURL(), "HTTP_LISTEN", freeAddress(t), "DATA_DIR", t.TempDir())
	event(start(t, outside), "another server")
	b.stop()
	event(start(t, p.settings), "moved back")
}
