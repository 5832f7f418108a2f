package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// underWay runs a service until a receiver holds its one delivery in hand. The receiver answers when released.
func underWay(t *testing.T) (p *process, to *receiver, release func()) {
	t.Helper()
	from, answer, in := newPlatform(t, newWords(seeded(t)), 20, 1), make(chan struct{}), make(chan struct{}, 10)
	to = newReceiver(t)
	to.answers(func(arrival) int {
		in <- struct{}{}
		<-answer
		return http.StatusNoContent
	})
	t.Cleanup(func() { release() }) // a handler that hangs must not outlive the test
	released := false
	release = func() {
		if !released {
			released = true
			close(answer)
		}
	}
	p = start(t, deliverTo(from.settings(), to).with("DATA_DIR", t.TempDir(), "NATS_LISTEN", "off", "HTTP_LISTEN", freeAddress(t)))
	p.mustHaveBaseline()
	from.finish(done)
	p.eventually("a delivery under way", func() bool { return len(in) > 0 })
	return p, to, release
}

func (p *process) mustSay(message string) {
	p.t.Helper()
	p.eventually(message, func() bool {
		_, ok := p.said(message, "msg")
		return ok
	})
}

// A service manager that asks for a reload must not end the service.
func TestHangupIsNoStop(t *testing.T) {
	t.Parallel()
	p, to, release := underWay(t)
	p.signal(syscall.SIGHUP)
	p.mustSay("configuration read again")
	release()
	p.eventually("the delivery", func() bool { return len(to.taken()) == 1 })
	p.mustBeReady()
	p.stop()
}

// What a receiver has in hand is waited for, and counts as delivered.
func TestStopFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": os.Interrupt} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, to, release := underWay(t)
			p.signal(signal)
			p.mustSay("stopping")
			release()
			if code := p.wait(); code != 0 {
				t.Errorf("exit code %d:\n%s", code, p.stderr.tail())
			}
			if n := len(to.taken()); n != 1 {
				t.Errorf("%d events were taken, want 1", n)
			}
			mustBeDone(t, openData(t, p.settings["DATA_DIR"]))
		})
	}
}

// mustBeDone: the one endpoint is behind all events and waits for none, so that the next start repeats nothing.
func mustBeDone(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	last := uint64(0)
	for _, m := range messages(t, js, logStream) {
		if strings.HasPrefix(m.Subject, "video.") {
			last = m.Sequence
		}
	}
	var all []struct {
		Stream, Open string
		Next         uint64
	}
	for _, m := range messages(t, js, "VIDBELL_POSITIONS") {
		must(t, json.Unmarshal(m.Data, &all))
	}
	if len(all) != 1 || all[0].Stream != logStream || all[0].Open != "" || last == 0 || all[0].Next != last+1 {
		t.Errorf("the last event is %d, the position %+v", last, all)
	}
}

// The second signal is for a person who does not want to wait for a receiver that hangs. What was under way is delivered by
// the next start.
func TestStopAtOnce(t *testing.T) {
	t.Parallel()
	p, to, release := underWay(t)
	p.signal(os.Interrupt)
	p.mustSay("stopping")
	if !p.running() {
		t.Fatal("did not wait for the delivery under way")
	}
	asked := time.Now()
	p.signal(os.Interrupt)
	p.wait()
	const grace = 10 * time.Second // what a single signal gives to deliveries
	if took := time.Since(asked); took > grace/2 {
		t.Errorf("took %s", took)
	}
	release()
	next := start(t, p.settings)
	next.eventually("the delivery", func() bool { return next.metric("vidbell_webhook_attempts_total", `="delivered"`) == 1 })
	if n := len(to.taken()); n != 1 {
		t.Errorf("%d ids for one event", n)
	}
}
