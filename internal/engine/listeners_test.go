package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ours is a durable consumer of this process, as a webhook endpoint has one.
const ours = "vidbell-hook"

// listening starts an engine with a log, a durable consumer of ours and a listener.
func listening(tb testing.TB, change func(*Config)) *Engine {
	tb.Helper()
	cfg := Config{
		DataDir: tb.TempDir(), Listen: "127.0.0.1:0", Subjects: []string{"video.>", "vidbell.ops.>"},
		Streams:   []string{"VIDEOS", "VIDBELL_OPS"},
		Consumers: map[string][]string{"VIDEOS": {ours}, "VIDBELL_OPS": {ours}},
	}
	if change != nil {
		change(&cfg)
	}
	e := start(tb, cfg)
	openLog(tb, e)
	_, err := e.JetStream.CreateConsumer(tb.Context(), "VIDEOS", jetstream.ConsumerConfig{
		Durable: ours, AckPolicy: jetstream.AckExplicitPolicy, FilterSubjects: []string{"video.>"},
	})
	must(tb, err)
	_, err = e.JetStream.CreateStream(tb.Context(), jetstream.StreamConfig{Name: "VIDBELL_DEAD", Subjects: []string{"vidbell.dead.>"}})
	must(tb, err)
	return e
}

// subscriber is another service. Whatever it may not do arrives on refused.
type subscriber struct {
	*nats.Conn
	js      jetstream.JetStream
	refused chan error
}

func subscribe(tb testing.TB, e *Engine, options ...nats.Option) *subscriber {
	tb.Helper()
	s := &subscriber{refused: make(chan error, 100)}
	options = append(options, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.refused <- err }))
	var err error
	s.Conn, err = nats.Connect("nats://"+e.ListenAddr(), options...)
	must(tb, err)
	tb.Cleanup(s.Close)
	s.js, err = jetstream.New(s.Conn, jetstream.WithDefaultTimeout(patience))
	must(tb, err)
	return s
}

// mayNotPublish checks that the server refuses messages, and names the subjects it does not refuse.
func (s *subscriber) mayNotPublish(tb testing.TB, subjects ...string) {
	tb.Helper()
	for _, subject := range subjects {
		must(tb, s.PublishRequest(subject, s.NewInbox(), []byte("{}")))
		must(tb, s.Flush())
		select {
		case err := <-s.refused:
			if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), subject) {
				tb.Errorf("%s: %v", subject, err)
			}
		case <-time.After(patience):
			tb.Errorf("may publish to %s", subject)
		}
	}
}

func (s *subscriber) mayNotSubscribe(tb testing.TB, subjects ...string) {
	tb.Helper()
	for _, subject := range subjects {
		sub, err := s.SubscribeSync(subject)
		must(tb, err)
		must(tb, s.Flush())
		select {
		case err := <-s.refused:
			if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), subject) {
				tb.Errorf("%s: %v", subject, err)
			}
		case <-time.After(patience):
			tb.Errorf("may subscribe to %s", subject)
		}
		_ = sub.Unsubscribe()
	}
}

func TestSubscriberHearsEventsAndOps(t *testing.T) {
	e := listening(t, nil)
	s := subscribe(t, e)
	heard := make(chan *nats.Msg, 10)
	for _, subject := range []string{"video.>", "video.done.>", "video.*.*.v1", "vidbell.ops.>"} {
		_, err := s.ChanSubscribe(subject, heard)
		must(t, err)
	}
	must(t, s.Flush())
	publish(t, e, "vidbell.append.done.s.v1", "event")
	publish(t, e, "vidbell.report.source.degraded.s", "report")
	got := map[string]int{}
	for range 4 {
		select {
		case m := <-heard:
			got[m.Subject+" "+string(m.Data)]++
		case <-time.After(patience):
			t.Fatalf("heard only %v", got)
		}
	}
	if got["video.done.s.v1 event"] != 3 || got["vidbell.ops.source.degraded.s report"] != 1 {
		t.Errorf("heard %v", got)
	}
}

func TestSubscriberHasItsOwnConsumers(t *testing.T) {
	e := listening(t, nil)
	s := subscribe(t, e)
	ctx := t.Context()
	publish(t, e, "vidbell.append.done.s.v1", "one")
	publish(t, e, "vidbell.append.failed.s.v2", "two")
	stream, err := s.js.Stream(ctx, "VIDEOS")
	must(t, err)
	for name, cfg := range map[string]jetstream.ConsumerConfig{
		"durable":           {Durable: "theirs", FilterSubject: "video.done.>"},
		"of several":        {Durable: "theirs2", FilterSubjects: []string{"video.done.>", "video.stalled.>"}},
		"named, on its own": {Name: "theirs3", FilterSubject: "video.done.>"},
		"ephemeral":         {FilterSubject: "video.done.>"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := stream.CreateOrUpdateConsumer(ctx, cfg)
			must(t, err)
			m, err := c.Next(jetstream.FetchMaxWait(patience))
			must(t, err)
			if m.Subject() != "video.done.s.v1" || string(m.Data()) != "one" {
				t.Errorf("got %s %s", m.Subject(), m.Data())
			}
			must(t, m.DoubleAck(ctx))
			info, err := c.Info(ctx)
			must(t, err)
			if info.AckFloor.Consumer != 1 {
				t.Errorf("the acknowledgement did not count: %+v", info.AckFloor)
			}
			must(t, s.js.DeleteConsumer(ctx, "VIDEOS", info.Name))
		})
	}
	t.Run("push", func(t *testing.T) {
		c, err := s.js.CreatePushConsumer(ctx, "VIDEOS", jetstream.ConsumerConfig{
			Durable: "theirs4", FilterSubject: "video.done.>", DeliverSubject: s.NewInbox(), AckPolicy: jetstream.AckExplicitPolicy,
		})
		must(t, err)
		got := make(chan string, 1)
		cc, err := c.Consume(func(m jetstream.Msg) { _ = m.Ack(); got <- string(m.Data()) })
		must(t, err)
		defer cc.Stop()
		select {
		case body := <-got:
			if body != "one" {
				t.Errorf("got %s", body)
			}
		case <-time.After(patience):
			t.Error("nothing was pushed")
		}
	})
	t.Run("reads by subject", func(t *testing.T) {
		m, err := stream.GetLastMsgForSubject(ctx, "video.*.s.v2")
		must(t, err)
		if string(m.Data) != "two" {
			t.Errorf("got %s", m.Data)
		}
	})
}

func TestSubscriberWritesNothing(t *testing.T) {
	e := listening(t, nil)
	s := subscribe(t, e)
	before := lastSeq(t, e, "VIDEOS")
	s.mayNotPublish(t,
		"vidbell.append.done.s.v", "video.done.s.v", "vidbell.state.s.meta", "vidbell.log.birth", "vidbell.report.source.degraded.s",
		"vidbell.ops.source.degraded.s", "vidbell.dead.e.i", "_INBOX.x", "anything",
		"$JS.API.STREAM.CREATE.MINE", "$JS.API.STREAM.UPDATE.VIDEOS", "$JS.API.STREAM.DELETE.VIDEOS", "$JS.API.STREAM.PURGE.VIDEOS",
		"$JS.API.STREAM.MSG.DELETE.VIDEOS", "$JS.API.STREAM.SNAPSHOT.VIDEOS", "$JS.API.STREAM.RESTORE.VIDEOS",
		"$JS.API.STREAM.PEER.REMOVE.VIDEOS", "$JS.API.STREAM.LEADER.STEPDOWN.VIDEOS", "$JS.API.CONSUMER.PAUSE.VIDEOS."+ours,
		"$JS.API.META.LEADER.STEPDOWN", "$SYS.REQ.SERVER.PING",
	)
	if after := lastSeq(t, e, "VIDEOS"); after != before {
		t.Errorf("the log went from %d to %d", before, after)
	}
}

func TestSubscriberReadsOnlyWhatIsShared(t *testing.T) {
	e := listening(t, nil)
	s := subscribe(t, e)
	s.mayNotSubscribe(t,
		">", "vidbell.state.>", "vidbell.append.>", "vidbell.report.>", "vidbell.>", "$JS.API.>", "$JS.ACK.>", "$SYS.>", privateInbox+".>",
	)
	s.mayNotPublish(t,
		"$JS.API.STREAM.INFO.VIDBELL_DEAD", "$JS.API.STREAM.MSG.GET.VIDBELL_DEAD", "$JS.API.DIRECT.GET.VIDBELL_DEAD",
		"$JS.API.CONSUMER.CREATE.VIDBELL_DEAD.x", "$JS.API.CONSUMER.DURABLE.CREATE.VIDBELL_DEAD.x",
	)
}

func TestSubscriberCannotTouchOurConsumers(t *testing.T) {
	e := listening(t, nil)
	s := subscribe(t, e)
	publish(t, e, "vidbell.append.done.s.v1", "one")
	for _, stream := range []string{"VIDEOS", "VIDBELL_OPS"} {
		at := stream + "." + ours
		s.mayNotPublish(t,
			"$JS.API.CONSUMER.CREATE."+stream, // the name would stand in the body
			"$JS.API.CONSUMER.CREATE."+at, "$JS.API.CONSUMER.CREATE."+at+".video.done.>", "$JS.API.CONSUMER.DURABLE.CREATE."+at,
			"$JS.API.CONSUMER.MSG.NEXT."+at, "$JS.API.CONSUMER.DELETE."+at,
			"$JS.ACK."+at+".1.2.1.1.0", "$JS.ACK._.hash."+at+".1.2.1.1.0",
		)
	}
	c, err := e.JetStream.Consumer(t.Context(), "VIDEOS", ours)
	must(t, err)
	info := c.CachedInfo()
	if info.Delivered.Consumer != 0 || info.NumPending != 1 || info.Config.Description != "" {
		t.Errorf("our consumer was touched: %+v", info)
	}
}

// A consumer that comes while the server runs is protected from those who connect then.
func TestProtectAppliesToNewConnections(t *testing.T) {
	e := listening(t, nil)
	const later = "vidbell-later"
	cfg := Config{Streams: []string{"VIDEOS"}, Consumers: map[string][]string{"VIDEOS": {ours, later}}}
	e.Protect(cfg)
	s := subscribe(t, e)
	s.mayNotPublish(t, "$JS.API.CONSUMER.DELETE.VIDEOS."+later, "$JS.API.CONSUMER.DELETE.VIDEOS."+ours)
	if _, err := s.js.CreateConsumer(t.Context(), "VIDEOS", jetstream.ConsumerConfig{Durable: "their-own"}); err != nil {
		t.Errorf("a consumer of their own: %v", err)
	}
}

// Answers to this process never pass where a subscriber may listen.
func TestSubscriberDoesNotSeeOurAnswers(t *testing.T) {
	e := listening(t, nil)
	s := subscribe(t, e)
	all, err := s.SubscribeSync("_INBOX.>")
	must(t, err)
	must(t, s.Flush())
	publish(t, e, "vidbell.append.done.s.v1", "one")
	c, err := e.JetStream.Consumer(t.Context(), "VIDEOS", ours)
	must(t, err)
	m, err := c.Next(jetstream.FetchMaxWait(patience))
	must(t, err)
	must(t, m.DoubleAck(t.Context()))
	_, err = s.js.AccountInfo(t.Context()) // an answer of its own marks the end
	must(t, err)
	for {
		m, err := all.NextMsg(patience)
		must(t, err)
		if strings.Contains(string(m.Data), "account_info_response") {
			return
		}
		t.Errorf("saw an answer to somebody else: %s %s", m.Subject, m.Data)
	}
}

func TestListenTokenIsDemanded(t *testing.T) {
	const token = "a-token-that-nobody-knows"
	e := listening(t, func(c *Config) { c.ListenToken = token })
	for name, options := range map[string][]nats.Option{
		"nothing": nil, "another token": {nats.Token("x")}, "another password": {nats.UserInfo("u", "x")}, "as user": {nats.UserInfo(token, "")},
		"our user": {nats.UserInfo("vidbell", "")},
	} {
		nc, err := nats.Connect("nats://"+e.ListenAddr(), options...)
		if err == nil {
			nc.Close()
			t.Errorf("%s: may connect", name)
		} else if !errors.Is(err, nats.ErrAuthorization) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v", name, err)
		}
	}
	subscribe(t, e, nats.Token(token)).mayNotPublish(t, "video.done.s.v")
	subscribe(t, e, nats.UserInfo("anybody", token)).mayNotPublish(t, "video.done.s.v")
}

func TestStreamsLeftOutMeansAll(t *testing.T) {
	p := permissions(Config{})
	if !strings.Contains(fmt.Sprint(p.Publish.Allow), " $JS.API.STREAM.INFO.* ") || len(p.Publish.Deny) != 0 {
		t.Errorf("got %+v", p.Publish)
	}
}
