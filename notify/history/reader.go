package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vidbell/notify"
)

const (
	// window is how many messages' places are looked at together, and windowMost what that grows to where few of them match.
	window     = 64
	windowMost = 1 << 16
	// maxLooked bounds the messages that one list reads.
	maxLooked = 20_000
	// maxLimit bounds how many events one list returns.
	maxLimit = 500
	// recent events are looked through first for one by its id: most questions are about what happened just now.
	recent = 20_000
)

// ErrNoEvent means that there is no such event, or none any more.
var ErrNoEvent = errors.New("there is no such event")

// Config says what to read.
type Config struct {
	JetStream jetstream.JetStream
	Names     notify.Names
	// Mark tells the log from any other: see [notify.Log.Mark].
	Mark func() string
	// Expired is the highest sequence of an event that was removed because of its age: see [notify.Log.FoldedTo]. Nil for none.
	Expired func() uint64
}

// Reader reads stored events. It is safe for concurrent use.
type Reader struct {
	js    jetstream.JetStream
	names notify.Names
	mark  func() string
	aged  func() uint64
}

// New checks the configuration. Nothing is read yet.
func New(cfg Config) (*Reader, error) {
	if cfg.JetStream == nil || cfg.Mark == nil {
		return nil, errors.New("history: JetStream and Mark are required")
	}
	if cfg.Expired == nil {
		cfg.Expired = func() uint64 { return 0 }
	}
	return &Reader{js: cfg.JetStream, names: cfg.Names, mark: cfg.Mark, aged: cfg.Expired}, nil
}

// Query chooses events of a list.
type Query struct {
	Filter

	Since time.Time // stored at or after
	Until time.Time // stored before
	// Before leads on from an earlier answer: its next. The zero Position begins with the newest.
	Before Position
	Limit  int // 1 to 500
}

// Passes reports whether an event is one that is asked for.
func (q Query) Passes(e Event) bool {
	return q.passes(e) && !e.StoredAt.Before(q.Since) && (q.Until.IsZero() || e.StoredAt.Before(q.Until))
}

// stored is a message of either stream.
type stored struct {
	seq     uint64
	subject string
	header  nats.Header
	at      time.Time
	body    []byte
}

// List returns events from the newest on. more is false when there are no others; else next goes into Before. An answer may be
// short, or empty, and still have more.
func (r *Reader) List(ctx context.Context, q Query) (events []Event, next Position, more bool, err error) {
	q.Limit = min(max(q.Limit, 1), maxLimit)
	next = Position{Mark: r.mark()}
	if q.Before.Mark != "" && q.Before.Mark != next.Mark {
		return nil, Position{}, false, nil // of a log that is gone
	}
	videos := back{reader: r, stream: r.names.Stream(), subjects: q.videos(r.names), before: q.Before.Videos}
	ops := back{reader: r, stream: r.names.OpsStream(), subjects: q.ops(r.names), before: q.Before.Ops}
	for _, b := range []*back{&videos, &ops} {
		if err := b.gather(ctx, q); err != nil {
			return nil, Position{}, false, err
		}
	}
	events = slices.Concat(videos.found, ops.found)
	slices.SortStableFunc(events, func(a, b Event) int { return b.StoredAt.Compare(a.StoredAt) })
	events = events[:min(len(events), q.Limit)]
	next.Videos, next.Ops = videos.next(events, false), ops.next(events, true)
	return events, next, !videos.over(events, false) || !ops.over(events, true), nil
}

// back reads one stream from its newest message to its oldest. The engine reads only forwards: it is asked for one window after
// another.
type back struct {
	reader   *Reader
	stream   string
	subjects []string
	before   uint64 // the sequence to begin below; zero for the newest
	end      bool   // the oldest was read
	looked   int
	found    []Event
}

func (b *back) gather(ctx context.Context, q Query) error {
	if len(b.subjects) == 0 {
		b.end = true
		return nil
	}
	stream, err := b.reader.js.Stream(ctx, b.stream)
	if err != nil {
		return fmt.Errorf("open stream %s: %w", b.stream, err)
	}
	state := stream.CachedInfo().State
	if b.before == 0 || b.before > state.LastSeq+1 {
		b.before = state.LastSeq + 1
	}
	if !q.Until.IsZero() && state.Msgs > 0 && q.Until.Before(state.LastTime) {
		last, err := b.reader.before(ctx, b.stream, q.Until)
		if err != nil {
			return err
		}
		b.before = min(b.before, last+1)
	}
	for size := uint64(window); len(b.found) < q.Limit && b.looked < maxLooked; {
		if state.Msgs == 0 || b.before <= max(state.FirstSeq, 1) {
			b.end = true
			return nil
		}
		from := max(state.FirstSeq, 1, b.before-min(size, b.before-1))
		msgs, err := b.reader.between(ctx, b.stream, b.subjects, from, b.before)
		if err != nil {
			return err
		}
		if len(msgs) < window {
			size = min(2*size, windowMost)
		} else {
			size = max(size/2, window)
		}
		b.looked += len(msgs) + 1
		for _, m := range slices.Backward(msgs) {
			if !q.Since.IsZero() && m.at.Before(q.Since) {
				b.end = true // what is older was stored earlier
				return nil
			}
			b.before = m.seq
			if e, ok := read(b.reader.names, m); ok && q.Passes(e) {
				if b.found = append(b.found, e); len(b.found) == q.Limit {
					return nil
				}
			}
		}
		b.before = from
	}
	return nil
}

// next is where the stream is to be read on, when only these events were handed out.
func (b *back) next(out []Event, ops bool) uint64 {
	kept, oldest := 0, uint64(0)
	for _, e := range out {
		if e.ops == ops {
			kept, oldest = kept+1, e.Seq
		}
	}
	switch {
	case kept == len(b.found):
		return b.before
	case kept == 0:
		return b.found[0].Seq + 1
	default:
		return oldest
	}
}

func (b *back) over(out []Event, ops bool) bool {
	kept := 0
	for _, e := range out {
		if e.ops == ops {
			kept++
		}
	}
	return b.end && kept == len(b.found)
}

// between reads the messages of subjects from one sequence to below another.
func (r *Reader) between(ctx context.Context, stream string, subjects []string, from, before uint64) (found []stored, err error) {
	err = r.each(ctx, stream, jetstream.ConsumerConfig{OptStartSeq: from, FilterSubjects: subjects}, func(m stored) bool {
		if m.seq < before {
			found = append(found, m)
		}
		return m.seq+1 < before
	})
	return found, err
}

// each hands over the messages of a stream from a sequence on, until visit returns false or there are no more.
func (r *Reader) each(ctx context.Context, stream string, from jetstream.ConsumerConfig, visit func(stored) bool) error {
	from.DeliverPolicy = jetstream.DeliverByStartSequencePolicy
	return notify.Forward(ctx, r.js, stream, from, func(msg jetstream.Msg) bool {
		meta, err := msg.Metadata()
		return err != nil || visit(stored{
			seq: meta.Sequence.Stream, subject: msg.Subject(), header: msg.Headers(), at: meta.Timestamp, body: msg.Data(),
		})
	})
}

// Find returns the event of an id, or ErrNoEvent. The log has no index by id: the newest are looked through first, then, by their
// headers alone, all.
func (r *Reader) Find(ctx context.Context, id string) (Event, error) {
	for _, stream := range []string{r.names.OpsStream(), r.names.Stream()} {
		s, err := r.js.Stream(ctx, stream)
		if err != nil {
			return Event{}, fmt.Errorf("open stream %s: %w", stream, err)
		}
		last := s.CachedInfo().State.LastSeq
		from := []uint64{1}
		if last > 2*recent {
			from = []uint64{last - recent, 1}
		}
		for _, begin := range from {
			seq, err := r.scan(ctx, stream, begin, id)
			if err != nil {
				return Event{}, err
			}
			if seq == 0 {
				continue
			}
			m, err := s.GetMsg(ctx, seq)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				return Event{}, ErrNoEvent
			}
			if err != nil {
				return Event{}, fmt.Errorf("read stream %s: %w", stream, err)
			}
			if e, ok := read(r.names, stored{seq: m.Sequence, subject: m.Subject, header: m.Header, at: m.Time, body: m.Data}); ok {
				return e, nil
			}
		}
	}
	return Event{}, ErrNoEvent
}

// scan looks for an id without reading bodies. It returns zero when it is not there.
func (r *Reader) scan(ctx context.Context, stream string, from uint64, id string) (seq uint64, err error) {
	subject := r.names.AllEvents()
	if stream == r.names.OpsStream() {
		subject = r.names.OpsAll()
	}
	err = r.each(ctx, stream, jetstream.ConsumerConfig{OptStartSeq: from, FilterSubject: subject, HeadersOnly: true}, func(m stored) bool {
		if notify.IsEvent(m.header) && m.header.Get(nats.MsgIdHdr) == id {
			seq = m.seq
		}
		return seq == 0
	})
	return seq, err
}

// Looks tells whether a text can be the id of an event.
func Looks(id string) bool { return strings.HasPrefix(id, "evt_") && len(id) <= maxPosition }
