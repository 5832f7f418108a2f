package e2e

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// subscriber is a plain NATS subscription: no stream, no consumer, only what passes by.
type subscriber struct {
	t    *testing.T
	mu   sync.Mutex
	msgs []*nats.Msg
}

func listen(t *testing.T, nc *nats.Conn, subject string) *subscriber {
	t.Helper()
	s := &subscriber{t: t}
	_, err := nc.Subscribe(subject, func(m *nats.Msg) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.msgs = append(s.msgs, m)
	})
	must(t, err)
	must(t, nc.Flush())
	return s
}

func (s *subscriber) seen() []*nats.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.msgs)
}

// mustHave: exactly the stored events, in the log's order, under the same subject and id, byte for byte.
func (s *subscriber) mustHave(events []stored) {
	s.t.Helper()
	eventually(s.t, "the last event at the subscriber", func() bool { return len(s.seen()) >= len(events) })
	seen := s.seen()
	if len(seen) != len(events) {
		s.t.Fatalf("a subscriber saw %d events, %d are stored", len(seen), len(events))
	}
	for i, e := range events {
		m := seen[i]
		if m.Subject != e.subject || string(m.Data) != e.body || m.Header.Get(jetstream.MsgIDHeader) != e.ID ||
			m.Header.Get("Content-Type") != "application/cloudevents+json" {
			s.t.Errorf("a subscriber saw %s %v %s, stored is %s", m.Subject, m.Header, m.Data, e.body)
		}
	}
}

// Who subscribes on the embedded server's listener sees what is stored, and cannot put anything there.
func TestPlainSubscribers(t *testing.T) {
	t.Parallel()
	const token = "e2e-listen-5Hn8Tq"
	rng := seeded(t)
	from, to := newPlatform(t, newWords(rng), 60, 12), newReceiver(t)
	s := deliverTo(from.settings(), to).with("DATA_DIR", t.TempDir(), "NATS_LISTEN", "127.0.0.1:0", "NATS_LISTEN_TOKEN", token,
		"HTTP_LISTEN", freeAddress(t), "LOG_LEVEL", "debug") // no secret is in those lines either
	p := start(t, s)
	address := p.subscribeURL()
	if _, err := nats.Connect(address); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("without the token: %v", err)
	}
	refusals := make(chan error, 100)
	nc := connect(t, address, nats.Token(token), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refusals <- err }))
	plain := listen(t, nc, allEvents)
	p.mustHaveBaseline()
	end := traffic{platform: from, rng: rng, told: to.told}.begin()
	defer end()
	p.eventually("some events", func() bool { return len(plain.seen()) > 5 })
	for _, subject := range []string{
		"video.done.default.VI1", "vidbell.append.done.default.VI1", "vidbell.state.default.meta", "vidbell.log.birth",
		"vidbell.dead.x.y", "vidbell.retry.x.y", "vidbell.report.source.degraded.default", "vidbell.ops.source.degraded.default",
		"$JS.API.STREAM.PURGE.VIDEOS", "$JS.API.STREAM.DELETE.VIDEOS", "$JS.API.STREAM.UPDATE.VIDEOS", "$JS.API.STREAM.MSG.DELETE.VIDEOS",
	} {
		mustBeRefused(t, nc, refusals, subject)
	}
	p.eventually("some more events", func() bool { return len(plain.seen()) > 10 })
	end()
	for from.finish(ending(rng)) {
	}
	settle(t, from, to, p)
	events := readLog(t, streams(t, nc)) // as any subscriber may
	p.stop()
	js := openData(t, s["DATA_DIR"])
	onDisk := readLog(t, js)
	if len(onDisk) != len(events) {
		t.Errorf("%d events over the listener, %d on disk", len(events), len(onDisk))
	}
	plain.mustHave(onDisk)
	ledger{from.truth(), onDisk, to.all(), readDead(t, js)}.check(t)
}

func mustBeRefused(t *testing.T, nc *nats.Conn, refusals <-chan error, subject string) {
	t.Helper()
	must(t, nc.Publish(subject, []byte(`{"id":"evt_forged","type":"video.done"}`)))
	must(t, nc.Flush())
	select {
	case err := <-refusals:
		if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), subject) {
			t.Errorf("publish to %s: %v", subject, err)
		}
	case <-time.After(patience):
		t.Errorf("a subscriber may publish to %s", subject)
	}
}

// The log takes nothing for a while, with NATS itself up: the process sees videos finish, and nobody hears of it until the
// log has it.
func TestNothingIsHeardThatIsNotStored(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	from, to, b := newPlatform(t, newWords(rng), 60, 12), newReceiver(t), newBroker(t)
	b.start()
	nc := connect(t, b.url())
	js := streams(t, nc)
	plain := listen(t, nc, allEvents)
	appends := listen(t, nc, "vidbell.append.>") // on somebody else's server everything is to be seen
	p := start(t, deliverTo(from.settings(), to).external(t, b))
	p.mustHaveBaseline()
	for range 3 {
		from.finish(ending(rng))
	}
	p.eventually("the first events", func() bool { return to.missing(from.truth()) == 0 })
	heard := len(plain.seen())

	open := limit(t, js)
	for range 6 {
		from.finish(ending(rng))
	}
	tried := len(appends.seen())
	p.eventually("tries to store", func() bool { return len(appends.seen()) > tried && p.metric("vidbell_log_append_failures_total") > 0 })
	tried = len(appends.seen())
	p.eventually("another try", func() bool { return len(appends.seen()) > tried })
	if n := len(plain.seen()); n != heard {
		t.Errorf("%d events were heard and not stored", n-heard)
	}
	open()
	settle(t, from, to, p)
	p.stop()
	events := readLog(t, js)
	plain.mustHave(events)
	ledger{from.truth(), events, to.all(), readDead(t, js)}.check(t)
}

// limit makes the log full, as an operator's bound or a full disk would, until it is opened again.
func limit(t *testing.T, js jetstream.JetStream) (open func()) {
	t.Helper()
	set := func(change func(*jetstream.StreamConfig)) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		stream, err := js.Stream(ctx, logStream)
		must(t, err)
		c := stream.CachedInfo().Config
		change(&c)
		_, err = js.UpdateStream(ctx, c)
		must(t, err)
	}
	var before jetstream.StreamConfig
	set(func(c *jetstream.StreamConfig) {
		before = *c
		c.MaxMsgs, c.Discard = 1, jetstream.DiscardNew
	})
	return func() { set(func(c *jetstream.StreamConfig) { c.MaxMsgs, c.Discard = before.MaxMsgs, before.Discard }) }
}
