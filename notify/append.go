package notify

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"vidbell/diff"
)

const (
	// maxBatch is what nats-server takes in one atomic batch.
	maxBatch = 1000
	// maxBatchBytes bounds a batch: the server holds it in memory until it is committed.
	maxBatchBytes = 8 << 20
	// maxPageBytes bounds one baseline page; a message may have 1 MiB.
	maxPageBytes = 256 << 10
	// maxFlights bounds the batches under way from one process: nats-server refuses more than 50 to one stream, from all.
	maxFlights = 10
)

// Codes with which JetStream refuses an append that somebody else, or an earlier try of ours, has already made or is just
// making.
const (
	codeWrongLastSequence         = 10071
	codeDuplicateUnderWay         = 10158
	codeWrongLastSequenceConstant = 10164
	codeDuplicateInBatch          = 10201
)

// Append stores a result of source: its changes as events, its notes, its baseline pages and its meta record, all or nothing
// in one atomic batch; all but the notes under compare-and-set. What one batch cannot hold is split so that a crash in
// between is safe: the meta record, which ends a baseline, comes last. On success the changes and the meta record carry their
// revisions.
//
// ErrConflict means that the log holds newer facts about one of the videos or the source: Refresh the state, and decide
// again. After any other error the batch may or may not be in the log. The same result again is safe, since it meets
// ErrConflict if it is.
func (l *Log) Append(ctx context.Context, source string, res *diff.Result) (err error) {
	ctx, span := l.startAppend(ctx, source, res)
	defer func() { endAppend(span, err) }()
	entries, pages, err := l.entries(source, res)
	if err != nil {
		return err
	}
	revisions := make(map[string]uint64) // of videos that an earlier batch of this result changed
	for len(entries) > 0 {
		n := batchLen(entries)
		if err := l.commit(ctx, source, entries[:n], revisions); err != nil {
			l.metrics.failed(err)
			return fmt.Errorf("append %d messages of %s: %w", n, source, err)
		}
		for _, e := range entries[:n] {
			if e.kind != "" {
				l.metrics.event(source, e.kind)
			}
		}
		entries = entries[n:]
	}
	l.mu.Lock()
	l.pages[source] += pages
	l.mu.Unlock()
	return nil
}

// entry is one message of an append.
type entry struct {
	msg      *nats.Msg
	kind     string // of an event
	id       string // of the same
	video    string // the video whose subject is guarded, if any
	expected *uint64
	revision *uint64 // where to put the sequence
}

// entries lists the messages of a result in the order they are stored, and says how many are baseline pages.
func (l *Log) entries(source string, res *diff.Result) ([]entry, int, error) {
	entries := make([]entry, 0, len(res.Changes)+len(res.Notes)+2)
	add := func(e entry, err error) error {
		entries = append(entries, e)
		return err
	}
	for i := range res.Changes {
		if err := add(l.event(source, &res.Changes[i])); err != nil {
			return nil, 0, fmt.Errorf("encode the event of %s: %w", res.Changes[i].VideoNo, err)
		}
	}
	for _, n := range res.Notes {
		if err := add(l.note(source, n)); err != nil {
			return nil, 0, fmt.Errorf("encode the note of %s: %w", n.VideoNo, err)
		}
	}
	pages, err := encodePages(res.Learned)
	if err != nil {
		return nil, 0, fmt.Errorf("encode a baseline page of %s: %w", source, err)
	}
	first := l.nextPage(source)
	for i, body := range pages {
		entries = append(entries, l.page(source, first+i, body))
	}
	if res.Meta != nil {
		if err := add(l.meta(source, res.Meta)); err != nil {
			return nil, 0, fmt.Errorf("encode the meta record of %s: %w", source, err)
		}
	}
	return entries, len(pages), nil
}

func (l *Log) event(source string, c *diff.Change) (entry, error) {
	ev := newVideoEvent(l.identity(), source, *c)
	body, err := encode(ev)
	m := nats.NewMsg(l.names.AppendSubject(string(c.Kind), source, c.VideoNo))
	m.Data = body
	m.Header.Set(headerContentType, ContentType)
	m.Header.Set(nats.MsgIdHdr, ev.ID)
	m.Header.Set(headerExpectedOf, l.names.VideoEvents(source, c.VideoNo))
	expected := c.Record.Revision
	return entry{msg: m, kind: string(c.Kind), id: ev.ID, video: c.VideoNo, expected: &expected, revision: &c.Record.Revision}, err
}

// note replaces the video's earlier note. It is a hint about a word, so the newest simply wins.
func (l *Log) note(source string, n diff.Note) (entry, error) {
	body, err := encode(storedNote{Schema: schema, Video: store(n.VideoNo, n.Record)})
	e := l.stateEntry(body, source, "note", Token(n.VideoNo))
	e.msg.Header.Set(headerRollup, "sub")
	return e, err
}

func (l *Log) meta(source string, m *diff.Meta) (entry, error) {
	body, err := encode(storedMeta{
		Schema: schema, BaselineAt: m.BaselineAt, EmptyAtFirst: m.EmptyAtFirst, Evidence: m.Evidence, Filters: m.Filters,
	})
	e := l.stateEntry(body, source, "meta")
	expected := m.Revision
	e.expected, e.revision = &expected, &m.Revision
	e.msg.Header.Set(headerRollup, "sub")
	return e, err
}

// page is written once: a video stands in one page, and a second writer of the same page meets a conflict.
func (l *Log) page(source string, number int, body []byte) entry {
	e := l.stateEntry(body, source, "baseline", strconv.Itoa(number))
	e.expected = new(uint64)
	return e
}

func (l *Log) stateEntry(body []byte, source string, parts ...string) entry {
	m := nats.NewMsg(l.names.StateSubject(source, parts...))
	m.Data = body
	m.Header.Set(headerContentType, stateType)
	return entry{msg: m}
}

func (l *Log) nextPage(source string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pages[source] + 1
}

// batchLen is how many entries go into the next batch.
func batchLen(entries []entry) int {
	size := 0
	for i, e := range entries {
		size += len(e.msg.Data)
		if i == maxBatch || i > 0 && size > maxBatchBytes {
			return i
		}
	}
	return len(entries)
}

// commit stores one batch and hands out the revisions.
func (l *Log) commit(ctx context.Context, source string, batch []entry, revisions map[string]uint64) error {
	msgs := make([]*nats.Msg, len(batch))
	for i, e := range batch {
		if e.expected != nil {
			// All changes of a video in one batch expect what was there before the batch.
			want := *e.expected
			if moved, ok := revisions[e.video]; ok && e.video != "" {
				want = moved
			}
			want = l.beyond(guardOf(e.msg), want)
			e.msg.Header.Set(headerExpected, strconv.FormatUint(want, 10))
		}
		msgs[i] = e.msg
	}
	spans := l.startEvents(ctx, batch)
	last, err := l.publish(ctx, msgs)
	if err != nil {
		return err
	}
	endEvents(spans)
	first := last - uint64(len(batch)) + 1
	l.wrote(source, first, last)
	for i, e := range batch {
		seq := first + uint64(i)
		if e.revision != nil {
			*e.revision = seq
		}
		if e.video != "" {
			revisions[e.video] = seq
		}
	}
	return nil
}

// guardOf is the subject whose last sequence a message names.
func guardOf(m *nats.Msg) string {
	if of := m.Header.Get(headerExpectedOf); of != "" {
		return of
	}
	return m.Subject
}

// publish stores messages all or nothing, and returns the sequence of the last.
func (l *Log) publish(ctx context.Context, msgs []*nats.Msg) (uint64, error) {
	select {
	case l.flights <- struct{}{}:
		defer func() { <-l.flights }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	start := time.Now()
	last, err := l.send(ctx, msgs)
	if isConflict(err) {
		return 0, fmt.Errorf("%w: %w", ErrConflict, err)
	}
	if err != nil {
		return 0, err
	}
	l.metrics.batch.Observe(time.Since(start).Seconds())
	return last, nil
}

// send makes no batch of a single message: the server stages a batch in files of its own, which takes it some 4 ms.
func (l *Log) send(ctx context.Context, msgs []*nats.Msg) (uint64, error) {
	if len(msgs) > 1 {
		ack, err := jetstreamext.PublishMsgBatch(ctx, l.js, msgs)
		if err != nil {
			return 0, err
		}
		return ack.Sequence, nil
	}
	ack, err := l.js.PublishMsg(ctx, msgs[0])
	if err != nil {
		return 0, err
	}
	if ack.Duplicate { // a batch is refused for it, a single message is not
		return 0, fmt.Errorf("%w: message %d is the same", ErrConflict, ack.Sequence)
	}
	return ack.Sequence, nil
}

func isConflict(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case codeWrongLastSequence, codeDuplicateUnderWay, codeWrongLastSequenceConstant, codeDuplicateInBatch:
		return true
	}
	return false
}
