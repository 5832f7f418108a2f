package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// forwardBatch messages are asked for at once.
	forwardBatch = 256
	// forwardWait is how long they may take.
	forwardWait = time.Second
)

// ReaderQuiet is after how long of silence the engine forgets a reader that went away.
const ReaderQuiet = 30 * time.Second

// Forward hands over the messages that a stream has now, in order, until visit returns false or there are no more. from says
// where to begin and which to pass. Messages that are removed meanwhile are not waited for. Errors are the engine's, or ctx's.
func Forward(ctx context.Context, js jetstream.JetStream, stream string, from jetstream.ConsumerConfig, visit func(jetstream.Msg) bool) error {
	fail := func(err error) error { return fmt.Errorf("read stream %s: %w", stream, err) }
	from.AckPolicy, from.InactiveThreshold, from.MemoryStorage, from.Replicas = jetstream.AckNonePolicy, ReaderQuiet, true, 1
	consumer, err := js.CreateConsumer(ctx, stream, from)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = js.DeleteConsumer(context.WithoutCancel(ctx), stream, consumer.CachedInfo().Name) }() // else it ages out
	for left := consumer.CachedInfo().NumPending; left > 0; {
		batch, err := consumer.Fetch(int(min(left, forwardBatch)), jetstream.FetchMaxWait(forwardWait))
		if err != nil {
			return fail(err)
		}
		got := uint64(0)
		for msg := range batch.Messages() {
			if got++; !visit(msg) {
				return nil
			}
		}
		if err := batch.Error(); err != nil {
			return fail(err)
		}
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		left -= min(got, left)
		if got == 0 { // what was counted may have been removed since
			info, err := consumer.Info(ctx)
			if err != nil {
				return fail(err)
			}
			left = info.NumPending
		}
	}
	return nil
}
