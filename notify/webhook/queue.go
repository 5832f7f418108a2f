package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"vidbell/notify"
)

const (
	defaultReplayRate = 50.0
	// replayShare is the part of an endpoint's requests under way that replays may have.
	replayShare = 4
	// giveWayMost is how long a replay lets live deliveries go first, so that an endpoint that never catches up still gets one
	// now and then; giveWayEvery is how often it looks.
	giveWayMost  = 5 * time.Second
	giveWayEvery = 20 * time.Millisecond

	replayMaxBytes = 1 << 30 // some 800,000 events
	// replayKey cannot be part of an endpoint's name.
	replayKey = ".replay"
)

// replayStream queues events for one more delivery: each is there once per endpoint, and gone when it is delivered or dead.
// It refuses what is too much, so that nothing that was queued is ever dropped.
func replayStream(names notify.Names, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:                 names.ReplayStream(),
		Description:          "vidbell: webhook deliveries to be made once more",
		Subjects:             []string{names.ReplayAll()},
		Storage:              jetstream.FileStorage,
		Retention:            jetstream.WorkQueuePolicy,
		Replicas:             replicas,
		MaxMsgsPerSubject:    1,
		MaxBytes:             replayMaxBytes,
		Discard:              jetstream.DiscardNew,
		DiscardNewPerSubject: true,
		AllowDirect:          true,
		AllowAtomicPublish:   true,
	}
}

// newQueue makes the lane of an endpoint's replays. It shares the endpoint's limits, gate and health with the lane of live
// deliveries, has attempt records and groups of its own, and stands behind it in everything.
func (d *Dispatcher) newQueue(live *lane) *feed {
	t, c := live.target, d.config
	l := &lane{
		target: t, names: live.names, js: live.js, records: live.records, sender: live.sender, metrics: live.metrics,
		log: live.log.With(zap.Bool("replay", true)), now: live.now, jitter: live.jitter,
		groups: newGroups(t, d.owner), gate: live.gate, slots: live.slots, own: live.own, global: live.global,
		strays: make(map[position]ticket), rate: live.rate,
		key: t.Name + replayKey, live: live, journal: live.journal, latest: live.latest,
		gentle: rate.NewLimiter(rate.Limit(c.ReplayRate), 1),
	}
	live.replays = l
	f := newFeed(l, c.JetStream, c.Names.ReplayStream(), c.Names.Consumer(t.Name), []string{replaysOf(c.Names, t.Name)})
	f.queue = true
	switch {
	case t.Order == OrderVideo:
		f.limit = 1
	case l.groups.wait == 0:
		f.limit = max(1, t.InFlight/replayShare)
	}
	return f
}

func replaysOf(names notify.Names, endpoint string) string {
	return below(names.ReplaySubject(endpoint, "x"))
}

// front is the lane that looks after the endpoint's health.
func (l *lane) front() *lane {
	if l.live != nil {
		return l.live
	}
	return l
}

// giveWay has a replay wait for its pace, and until no live delivery of the endpoint waits for a slot.
func (l *lane) giveWay(shut <-chan struct{}) bool {
	if limit := l.rate.Limit() / 2; limit < l.gentle.Limit() {
		l.gentle.SetLimit(limit)
	}
	turn := l.gentle.Reserve()
	wait := time.NewTimer(turn.Delay())
	defer wait.Stop()
	for end := time.Now().Add(turn.Delay() + giveWayMost); ; wait.Reset(giveWayEvery) {
		select {
		case <-shut:
			turn.Cancel()
			return false
		case <-wait.C:
		}
		if l.live.waiting.Load() == 0 || time.Now().After(end) {
			return true
		}
	}
}

func (l *lane) globalPlace(shut <-chan struct{}) (release func(), ok bool) {
	select {
	case l.global <- struct{}{}:
		return l.releaseGlobal, true
	case <-shut:
		return nil, false
	}
}

// queued is what is published to have an event delivered once more. It has no Nats-Msg-Id: the same event may be queued for
// several endpoints, and again tomorrow.
func queued(names notify.Names, endpoint string, e loggedEvent) *nats.Msg {
	header := nats.Header{
		HeaderEventID:      {e.id},
		HeaderEventSubject: {e.subject},
		HeaderEventStored:  {stamp(e.stored)},
	}
	if e.contentType != "" {
		header[contentTypeHeader] = []string{e.contentType}
	}
	return &nats.Msg{Subject: names.ReplaySubject(endpoint, e.id), Header: header, Data: e.body}
}

// requeued makes the delivery of a queued event one of the event.
func (d *delivery) requeued(msg *nats.Msg) {
	d.replay = true
	d.id, d.subject = msg.Header.Get(HeaderEventID), msg.Header.Get(HeaderEventSubject)
	if at, err := time.Parse(time.RFC3339Nano, msg.Header.Get(HeaderEventStored)); err == nil {
		d.stored = at
	}
}

// prepareQueue makes the consumer of the queue, and reads what an earlier run knew.
func (f *feed) prepareQueue(ctx context.Context) error {
	if err := ensureQueueConsumer(ctx, f.js, f.stream, f.consumer, f.filters, f.lane.target.Order); err != nil {
		return err
	}
	if err := f.lane.readGroups(ctx, time.Now()); err != nil {
		return err
	}
	return f.lane.restoreRecords(ctx)
}

// ensureQueueConsumer makes or updates the consumer of an endpoint's replays. With an order it has one event handed out at a
// time, and none while that one waits for its next attempt.
func ensureQueueConsumer(ctx context.Context, js jetstream.JetStream, stream, name string, filters []string, order Order) error {
	config := consumerConfig(name, filters)
	config.Description, config.DeliverPolicy = "vidbell: replays of a webhook endpoint", jetstream.DeliverAllPolicy
	if order == OrderVideo {
		config.MaxAckPending = 1
	}
	consumer, err := js.Consumer(ctx, stream, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || err == nil && consumer.CachedInfo().Config.MaxAckPending != config.MaxAckPending {
		_, err = js.CreateOrUpdateConsumer(ctx, stream, config)
	}
	if err != nil {
		return fmt.Errorf("prepare consumer %s of stream %s: %w", name, stream, err)
	}
	return nil
}
