package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vidbell/notify"
)

// begin turns a start into a place in the log that is there, and says whether that loses something of what is asked for.
func (r *Reader) begin(ctx context.Context, from Start, f Filter) (at Position, gap *Gap, err error) {
	at.Mark = r.mark()
	videos, err := r.edges(ctx, r.names.Stream(), r.names.AllEvents())
	if err != nil {
		return at, nil, err
	}
	ops, err := r.edges(ctx, r.names.OpsStream(), r.names.OpsAll())
	if err != nil {
		return at, nil, err
	}
	given, aged := from.After, r.aged()
	switch {
	case given == Position{} && from.Since.IsZero():
		at.Videos, at.VideosCheck, at.Ops, at.OpsCheck = videos.last.seq, videos.last.check(), ops.last.seq, ops.last.check()
		if aged > at.Videos { // the last event of all is gone
			at.Videos, at.VideosCheck = aged, ""
		}
		return at, nil, nil
	case given == Position{}:
		if at.Videos, err = videos.until(ctx, r, from.Since); err == nil {
			at.Ops, err = ops.until(ctx, r, from.Since)
		}
		at.Videos = videos.beyond(at.Videos, aged)
		return at, nil, err
	case given.Mark != at.Mark:
		return at, &Gap{Reason: GapReplaced, Oldest: videos.first.at}, nil
	}
	inVideos, err := videos.resume(ctx, given.Videos, given.VideosCheck, aged, len(f.videos(r.names)) > 0)
	if err != nil {
		return at, nil, err
	}
	inOps, err := ops.resume(ctx, given.Ops, given.OpsCheck, 0, len(f.ops(r.names)) > 0)
	if err != nil {
		return at, nil, err
	}
	if inVideos.reason == GapReplaced || inOps.reason == GapReplaced {
		return at, &Gap{Reason: GapReplaced, Oldest: videos.first.at}, nil
	}
	if inVideos.reason == "" && given.Videos < aged && len(f.videos(r.names)) > 0 { // some behind the place are gone, if not the one at it
		inVideos.reason = GapExpired
		if seq := videos.beyond(inVideos.seq, aged); seq > inVideos.seq { // told once
			inVideos.seq, inVideos.check = seq, ""
		}
	}
	at.Videos, at.VideosCheck, at.Ops, at.OpsCheck = inVideos.seq, inVideos.check, inOps.seq, inOps.check
	switch {
	case inVideos.reason != "":
		gap = &Gap{Reason: inVideos.reason, Oldest: videos.first.at}
	case inOps.reason != "":
		gap = &Gap{Reason: inOps.reason, Oldest: ops.first.at}
	}
	return at, gap, nil
}

// edge is a message; the zero one is none.
type edge struct {
	seq uint64
	at  time.Time
}

func (e edge) check() string {
	if e.seq == 0 {
		return ""
	}
	return checkOf(e.seq, e.at)
}

// edges are the first and the last event of a stream. What else is in it comes and goes, and is no place to begin.
type edges struct {
	stream      jetstream.Stream
	subject     string
	first, last edge
	end         uint64 // the last sequence given out, to whatever
}

func (r *Reader) edges(ctx context.Context, name, subject string) (e edges, err error) {
	e.subject = subject
	if e.stream, err = r.js.Stream(ctx, name); err != nil {
		return e, fmt.Errorf("open stream %s: %w", name, err)
	}
	e.end = e.stream.CachedInfo().State.LastSeq
	first, err := e.stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(subject))
	if e.first, err = edgeOf(first, err); err != nil {
		return e, fmt.Errorf("read stream %s: %w", name, err)
	}
	last, err := e.stream.GetLastMsgForSubject(ctx, subject)
	if e.last, err = edgeOf(last, err); err != nil {
		return e, fmt.Errorf("read stream %s: %w", name, err)
	}
	return e, nil
}

func edgeOf(m *jetstream.RawStreamMsg, err error) (edge, error) {
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return edge{}, nil
	case err != nil:
		return edge{}, err
	}
	return edge{m.Sequence, m.Time}, nil
}

// until is the place behind what was stored before a time.
func (e edges) until(ctx context.Context, r *Reader, since time.Time) (uint64, error) {
	switch {
	case e.first.seq == 0 || !e.first.at.Before(since):
		return 0, nil
	case e.last.at.Before(since):
		return e.last.seq, nil
	}
	return r.before(ctx, e.stream.CachedInfo().Config.Name, since)
}

// before is the last sequence that was stored before a time. The engine finds it by bisection, which a reader is made for.
func (r *Reader) before(ctx context.Context, stream string, at time.Time) (uint64, error) {
	consumer, err := r.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &at, HeadersOnly: true,
		InactiveThreshold: notify.ReaderQuiet, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		return 0, fmt.Errorf("read stream %s: %w", stream, err)
	}
	defer func() { _ = r.js.DeleteConsumer(context.WithoutCancel(ctx), stream, consumer.CachedInfo().Name) }() // else it ages out
	return consumer.CachedInfo().Delivered.Stream, nil
}

// beyond moves a place over what is gone, as far as no event that is there is passed over.
func (e edges) beyond(seq, aged uint64) uint64 {
	if e.first.seq != 0 {
		if e.last.seq > seq {
			return max(seq, e.first.seq-1)
		}
	}
	return max(seq, aged)
}

// resumption is where a place is taken up again, and what may be missing there: nothing, or the reason of a Gap.
type resumption struct {
	seq    uint64
	check  string
	reason string
}

// resume looks at a place that somebody comes back to. Events go from the front of a stream, the oldest first: as long as that
// of the place is there, so is all that follows.
func (e edges) resume(ctx context.Context, seq uint64, check string, aged uint64, wanted bool) (resumption, error) {
	same := resumption{seq: seq, check: check}
	switch {
	case seq > e.end:
		return resumption{reason: GapReplaced}, nil
	case seq == 0 || !wanted:
		return same, nil
	}
	m, err := e.stream.GetMsg(ctx, seq)
	at, err := edgeOf(m, err)
	switch {
	case err != nil:
		return same, fmt.Errorf("read stream %s: %w", e.stream.CachedInfo().Config.Name, err)
	case at.seq != 0 && check != "" && at.check() != check:
		return resumption{reason: GapReplaced}, nil
	case at.seq != 0, e.first.seq != 0 && e.first.seq <= seq+1, seq == e.end, seq == aged: // the last one that went is that of the place
		return same, nil
	}
	return resumption{seq: e.beyond(0, aged), reason: GapExpired}, nil // told once, and then not again
}
