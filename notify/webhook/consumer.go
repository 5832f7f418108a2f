package webhook

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vidbell/notify"
)

const (
	// ackWait is how soon after a kill the deliveries that were held are handed out again. keepAliveEvery renews it three
	// times over, so that a slow receiver never causes a second attempt beside the first.
	ackWait        = 10 * time.Second
	keepAliveEvery = 3 * time.Second
	// Deliveries waiting for a retry count as pending with the engine. When there are so many, new events wait as well.
	maxAckPending = 100_000

	deadMaxBytes  = 1 << 30
	deadMaxAge    = 30 * 24 * time.Hour
	retryMaxBytes = 256 << 20 // some 500,000 unfinished deliveries
	retryMaxAge   = 30 * 24 * time.Hour
)

// deadStream keeps one dead letter per endpoint and event, the newest gigabyte of the last thirty days.
func deadStream(names notify.Names, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              names.DeadStream(),
		Description:       "vidbell: webhook deliveries given up, kept for replay",
		Subjects:          []string{names.DeadAll()},
		Storage:           jetstream.FileStorage,
		Replicas:          replicas,
		MaxMsgsPerSubject: 1,
		MaxBytes:          deadMaxBytes,
		MaxAge:            deadMaxAge,
		Discard:           jetstream.DiscardOld,
		AllowDirect:       true,
	}
}

// healthStream keeps one message per endpoint, for good: an endpoint that is disabled stays so until somebody changes that.
func healthStream(names notify.Names, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              names.HealthStream(),
		Description:       "vidbell: health of webhook endpoints",
		Subjects:          []string{names.HealthAll()},
		Storage:           jetstream.FileStorage,
		Replicas:          replicas,
		MaxMsgsPerSubject: 1,
	}
}

// retryStream keeps one attempt record per unfinished delivery that failed before.
func retryStream(names notify.Names, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              names.RetryStream(),
		Description:       "vidbell: attempts made of unfinished webhook deliveries",
		Subjects:          []string{names.RetryAll()},
		Storage:           jetstream.FileStorage,
		Replicas:          replicas,
		MaxMsgsPerSubject: 1,
		MaxBytes:          retryMaxBytes,
		MaxAge:            retryMaxAge,
		Discard:           jetstream.DiscardOld,
		AllowDirect:       true,
	}
}

// ensureStream creates a stream. One that exists keeps its limits, which its operator may have tuned.
func ensureStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, want)
	}
	if err != nil {
		return nil, fmt.Errorf("prepare stream %s: %w", want.Name, err)
	}
	have := stream.CachedInfo().Config
	if slices.Equal(have.Subjects, want.Subjects) && have.MaxMsgsPerSubject == want.MaxMsgsPerSubject &&
		have.Replicas == want.Replicas && have.AllowDirect == want.AllowDirect {
		return stream, nil
	}
	have.Subjects, have.MaxMsgsPerSubject = want.Subjects, want.MaxMsgsPerSubject
	have.Replicas, have.AllowDirect = want.Replicas, want.AllowDirect
	if stream, err = js.UpdateStream(ctx, have); err != nil {
		return nil, fmt.Errorf("update stream %s: %w", want.Name, err)
	}
	return stream, nil
}

func consumerConfig(name string, filters []string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:        name,
		Description:    "vidbell: webhook endpoint",
		DeliverPolicy:  jetstream.DeliverNewPolicy,
		AckPolicy:      jetstream.AckExplicitPolicy,
		AckWait:        ackWait,
		MaxDeliver:     -1,
		MaxAckPending:  maxAckPending,
		FilterSubjects: filters,
	}
}

// ensureConsumer creates the durable consumer of an endpoint, which begins with the events to come, or where start says, or brings
// an existing one up to date in place, which keeps its position.
func ensureConsumer(
	ctx context.Context, js jetstream.JetStream, stream, name string, filters []string, start uint64,
) (jetstream.Consumer, error) {
	want := consumerConfig(name, filters)
	if start > 0 {
		want.DeliverPolicy, want.OptStartSeq = jetstream.DeliverByStartSequencePolicy, start
	}
	consumer, err := js.Consumer(ctx, stream, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = js.CreateConsumer(ctx, stream, want)
	}
	if err != nil {
		return nil, fmt.Errorf("prepare consumer %s of stream %s: %w", name, stream, err)
	}
	have := consumer.CachedInfo().Config
	updated := have
	updated.AckWait, updated.MaxDeliver, updated.MaxAckPending = want.AckWait, want.MaxDeliver, want.MaxAckPending
	updated.FilterSubject, updated.FilterSubjects = "", filters
	if reflect.DeepEqual(have, updated) {
		return consumer, nil
	}
	if consumer, err = js.UpdateConsumer(ctx, stream, updated); err != nil {
		return nil, fmt.Errorf("update consumer %s of stream %s: %w", name, stream, err)
	}
	return consumer, nil
}

// takeUp makes sure that the endpoint has a place in the feed's stream, which for a new one is behind its last event, and returns
// it.
func (d *Dispatcher) takeUp(ctx context.Context, f *feed) (standing, error) {
	if d.positions == nil {
		return f.takeUpConsumer(ctx, d.config.Names)
	}
	return d.positions.takeUp(ctx, f)
}

// takeUpConsumer takes over what a cursor knows, when the endpoint had one and has no consumer yet.
func (f *feed) takeUpConsumer(ctx context.Context, names notify.Names) (at standing, err error) {
	var start uint64
	if f.past, start, err = findPast(ctx, f.js, names, f.lane.target.Name, f.stream); err != nil {
		return at, err
	}
	c, err := ensureConsumer(ctx, f.js, f.stream, f.consumer, f.filters, start)
	if err != nil {
		return at, err
	}
	return standingOf(c.CachedInfo()), nil
}

func standingOf(info *jetstream.ConsumerInfo) standing {
	at := standing{
		made: info.Created, floor: info.AckFloor.Stream, given: info.Delivered.Stream, open: info.NumAckPending, unread: info.NumPending,
	}
	switch {
	case info.Config.DeliverPolicy == jetstream.DeliverByStartSequencePolicy:
		at.began = info.Config.OptStartSeq
	case info.Delivered.Consumer == 0:
		at.began = info.Delivered.Stream + 1
	}
	return at
}

// abandon gives up the place of an endpoint that wants nothing of a stream any more. Left there, it would bring everything it missed
// on the day the endpoint wants the stream again.
func (d *Dispatcher) abandon(ctx context.Context, endpoint, stream, consumer string) error {
	if d.positions != nil {
		if err := d.positions.leave(ctx, endpoint, stream); err != nil {
			return err
		}
	} else if err := leavePast(ctx, d.config.JetStream, d.config.Names, endpoint, stream); err != nil {
		return err
	}
	return dropConsumer(ctx, d.config.JetStream, stream, consumer)
}

// dropConsumer removes an endpoint's consumer, if it has one.
func dropConsumer(ctx context.Context, js jetstream.JetStream, stream, name string) error {
	err := js.DeleteConsumer(ctx, stream, name)
	if err == nil || errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return fmt.Errorf("delete consumer %s of stream %s: %w", name, stream, err)
}

// reviveConsumer makes sure that a consumer exists. A lost one is created again behind the last position known, which may
// repeat some deliveries and skips none. It reports whether it had to, and the stream's last sequence then.
func reviveConsumer(ctx context.Context, js jetstream.JetStream, stream, name string, filters []string, floor uint64) (bool, uint64, error) {
	_, err := js.Consumer(ctx, stream, name)
	if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return false, 0, err
	}
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return false, 0, err
	}
	config := consumerConfig(name, filters)
	last := s.CachedInfo().State.LastSeq
	if floor > last { // another stream by the same name: all of it is new
		floor = 0
	}
	config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, floor+1
	if _, err := js.CreateConsumer(ctx, stream, config); err != nil {
		return false, 0, err
	}
	return true, last, nil
}
