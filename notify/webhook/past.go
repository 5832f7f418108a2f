package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"vidbell/notify"
)

const (
	windowFirst = 8 // messages' places looked through at once, more with each window that brings little
	windowMost  = 1 << 16
	windowBytes = 1 << 20  // from here on windows stop growing
	windowLimit = 16 << 20 // and what one holds at most
	windowFetch = 64       // messages asked for at once
	// lookBytes bounds what one answer reads of a log.
	lookBytes = 64 << 20
)

// backwards reads a stream of ours from its newest message, or from the one before a position, to its oldest. The engine reads
// only forwards: it is asked for one window after another.
type backwards struct {
	js      jetstream.JetStream
	stream  string
	subject string
	before  uint64 // the position to begin below; zero for the newest
	bytes   int    // read so far
}

// each calls visit for each message until it returns false. It reports whether it came to the end of the stream.
func (b *backwards) each(ctx context.Context, visit func(*jetstream.RawStreamMsg) bool) (end bool, err error) {
	stream, err := b.js.Stream(ctx, b.stream)
	if err != nil {
		return false, fmt.Errorf("open stream %s: %w", b.stream, err)
	}
	state := stream.CachedInfo().State
	if b.before == 0 || b.before > state.LastSeq+1 {
		b.before = state.LastSeq + 1
	}
	for size := uint64(windowFirst); b.before > state.FirstSeq && state.Msgs > 0; {
		from := max(state.FirstSeq, 1, b.before-min(size, b.before-1))
		found, bytes, err := b.window(ctx, from)
		if errors.Is(err, errWindow) && size > 1 {
			size = max(1, size/4)
			continue
		}
		if err != nil && !errors.Is(err, errWindow) {
			return false, fmt.Errorf("read stream %s: %w", b.stream, err)
		}
		if bytes < windowBytes {
			size = min(2*size, windowMost)
		}
		b.bytes += bytes
		for _, msg := range slices.Backward(found) {
			b.before = msg.Sequence
			if !visit(msg) {
				return false, nil
			}
		}
		b.before = from
	}
	return true, nil
}

// errWindow means that a window holds more than may be in memory at once.
var errWindow = errors.New("the window is too large")

func (b *backwards) window(ctx context.Context, from uint64) (found []*jetstream.RawStreamMsg, bytes int, err error) {
	for seq := from; seq < b.before; {
		batch := int(min(windowFetch, b.before-seq))
		got := 0
		msgs, err := jetstreamext.GetBatch(ctx, b.js, b.stream, batch, jetstreamext.GetBatchSeq(seq), jetstreamext.GetBatchSubject(b.subject))
		if err != nil {
			return nil, 0, err
		}
		for msg, err := range msgs {
			if errors.Is(err, jetstreamext.ErrNoMessages) {
				return found, bytes, nil
			}
			if err != nil {
				return nil, 0, err
			}
			got++
			if seq = msg.Sequence + 1; msg.Sequence >= b.before {
				continue // to the end, so that the rest of the answer meets a reader
			}
			found, bytes = append(found, msg), bytes+len(msg.Data)
		}
		if got == 0 {
			return found, bytes, nil
		}
		if bytes > windowLimit && seq < b.before {
			return found, bytes, errWindow
		}
	}
	return found, bytes, nil
}

// countOf is how many messages of a subject there are from a place on.
func countOf(ctx context.Context, js jetstream.JetStream, stream, subject string, from uint64) (count uint64, err error) {
	msgs, err := jetstreamext.GetBatch(ctx, js, stream, 1, jetstreamext.GetBatchSubject(subject), jetstreamext.GetBatchSeq(max(from, 1)))
	if err != nil {
		return 0, err
	}
	for msg, err := range msgs {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("read stream %s: %w", stream, err)
		}
		var behind uint64
		if _, err := fmt.Sscan(msg.Header.Get("Nats-Num-Pending"), &behind); err != nil {
			return 0, fmt.Errorf("count messages of stream %s: %w", stream, err)
		}
		count = behind + 1
	}
	return count, nil
}

// errForeign is a message that vidbell did not write: it is sent to nobody.
var errForeign = errors.New("not an event of ours")

// loggedEvent is an event as it is in the log, or in a dead letter.
type loggedEvent struct {
	stream      string
	seq         uint64
	id          string
	subject     string
	contentType string
	stored      time.Time
	body        []byte
}

// forwards reads events from a position on, or from a time on, in order, until visit returns false or there is no more. With
// bare set it reads no bodies.
type forwards struct {
	js      jetstream.JetStream
	stream  string
	filters []string
	from    uint64
	since   time.Time
	bare    bool
}

func (f forwards) each(ctx context.Context, visit func(loggedEvent) bool) error {
	config := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy, FilterSubjects: f.filters, HeadersOnly: f.bare}
	switch {
	case f.from > 1:
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, f.from
	case !f.since.IsZero():
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &f.since
	}
	return notify.Forward(ctx, f.js, f.stream, config, func(msg jetstream.Msg) bool {
		e, err := logged(msg)
		return err != nil || visit(e)
	})
}

func logged(msg jetstream.Msg) (loggedEvent, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return loggedEvent{}, err
	}
	h := msg.Headers()
	if !notify.IsEvent(h) {
		return loggedEvent{}, errForeign
	}
	return loggedEvent{
		stream: meta.Stream, seq: meta.Sequence.Stream, id: h.Get(jetstream.MsgIDHeader), subject: msg.Subject(),
		contentType: h.Get(contentTypeHeader), stored: meta.Timestamp, body: msg.Data(),
	}, nil
}
