package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vidbell/diff"
)

const (
	loadBatch   = 2000             // messages on their way at once
	loadTimeout = 30 * time.Second // without a message
	loadIdle    = time.Minute      // after which the server forgets a reader that died
	// loadQuiet is how long no message comes before it is asked why.
	loadQuiet = time.Second
	// maxAnew bounds how often a state is read from the beginning.
	maxAnew = 5
	// maxRefresh is how many videos are brought up to date one by one; beyond it all are read at once.
	maxRefresh = 100
)

// LoadError means that the log holds something that cannot be read. Nothing was changed.
type LoadError struct {
	Stream  string
	Subject string
	Seq     uint64
	Err     error
}

// Error names the message.
func (e *LoadError) Error() string {
	return fmt.Sprintf("stream %s, message %d (%s): %v", e.Stream, e.Seq, e.Subject, e.Err)
}

// Unwrap returns the cause.
func (e *LoadError) Unwrap() error { return e.Err }

// Load rebuilds the state of a source from the log: the last message of each of its subjects. A source that never ran gives
// an empty state. It returns a *LoadError for what cannot be read, ErrLost for a source that did run and has nothing there any
// more, and changes nothing.
func (l *Log) Load(ctx context.Context, source string, words diff.Words) (*diff.State, error) {
	birth, err := l.confirmBirth(ctx)
	if err != nil {
		return nil, err
	}
	ld, err := l.readAnew(ctx, source, words)
	if err != nil {
		return nil, fmt.Errorf("load the state of %s: %w", source, missed(err))
	}
	ld.finish()
	if before := l.bornOf(source); before != "" && before != birth && ld.state.Len() == 0 && ld.state.BaselineAt == 0 {
		return nil, fmt.Errorf("load the state of %s: %w", source, ErrLost)
	}
	l.bear(source, birth)
	l.mu.Lock()
	l.seen = max(l.seen, ld.last)
	l.pages[source] = ld.pages
	l.tails[source] = &tail{known: ld.last}
	l.foldMarks[source], l.foldLooked[source] = ld.foldSeq, time.Now()
	l.foldedTo = max(l.foldedTo, ld.foldedTo)
	delete(l.refolds, source)
	l.mu.Unlock()
	return ld.state, nil
}

func (l *Log) newLoading(source string, words diff.Words) *loading {
	return &loading{source: source, names: l.names, state: diff.NewState(source, words), notes: make(map[string]storedVideo)}
}

// readAnew is readInto from the beginning, and again when messages that were counted were removed before they were read: by a fold, or by
// whoever replaced a note.
func (l *Log) readAnew(ctx context.Context, source string, words diff.Words) (*loading, error) {
	for tries := 1; ; tries++ {
		ld := l.newLoading(source, words)
		err := l.readInto(ctx, ld)
		if !errors.Is(err, errRemoved) || tries == maxAnew {
			return ld, err
		}
	}
}

// readInto reads the last message of each subject of a source, and where that is a foreign one all of our own before it.
func (l *Log) readInto(ctx context.Context, ld *loading) error {
	filters := []string{l.names.SourceState(ld.source), l.names.SourceEvents(ld.source)}
	var hidden []string
	err := l.read(ctx, jetstream.DeliverLastPerSubjectPolicy, filters, func(m message) error {
		if l.ours(m) {
			return ld.message(m)
		}
		l.ignore(m)
		ld.last = max(ld.last, m.seq)
		hidden = append(hidden, m.subject)
		return nil
	})
	if err != nil {
		return err
	}
	return l.readHidden(ctx, hidden, ld.message)
}

// Refresh brings the videos of a result that met a conflict up to date. It is Load for what matters now: when the conflict may
// be about the source itself, or about many videos, it loads everything. It returns the state to go on with.
func (l *Log) Refresh(ctx context.Context, state *diff.State, res *diff.Result) (*diff.State, error) {
	l.metrics.reloads.Inc()
	if len(res.Learned) > 0 || res.Meta != nil || len(res.Changes) > maxRefresh {
		return l.Load(ctx, state.Source, state.Words())
	}
	for _, c := range res.Changes {
		known, err := l.refresh(ctx, state, c.VideoNo)
		if err != nil {
			return nil, fmt.Errorf("bring %s up to date: %w", c.VideoNo, err)
		}
		if !known {
			return l.Load(ctx, state.Source, state.Words())
		}
	}
	return state, nil
}

// refresh brings one video up to date. It reports false if the log has lost what it held of it.
func (l *Log) refresh(ctx context.Context, state *diff.State, videoNo string) (bool, error) {
	have, _ := state.Get(videoNo)
	m, ok, err := l.lastOf(ctx, l.names.VideoEvents(state.Source, videoNo))
	if err != nil {
		return false, err
	}
	if !ok {
		return have.Revision == 0, nil
	}
	if have.Revision == m.seq {
		return true, nil
	}
	no, r, err := decodeEvent(m.body)
	if err != nil {
		return false, &LoadError{Stream: l.names.Stream(), Subject: m.subject, Seq: m.seq, Err: err}
	}
	r.Revision = m.seq
	if _, err := l.layNote(ctx, state.Source, no, &r); err != nil {
		return false, err
	}
	state.Put(no, r)
	return true, nil
}

// layNote lays a video's note over its record, if there is one, and returns the note's sequence, zero for none.
func (l *Log) layNote(ctx context.Context, source, videoNo string, r *diff.Record) (seq uint64, err error) {
	m, ok, err := l.lastOf(ctx, l.names.StateSubject(source, "note", Token(videoNo)))
	if err != nil || !ok {
		return 0, err
	}
	v, err := decodeNote(m.body)
	if err != nil {
		return 0, &LoadError{Stream: l.names.Stream(), Subject: m.subject, Seq: m.seq, Err: err}
	}
	v.lay(r)
	return m.seq, nil
}

// read hands over messages that a filter matches, all or the last one of every subject, in the order of the log.
func (l *Log) read(ctx context.Context, which jetstream.DeliverPolicy, filters []string, take func(message) error) error {
	c, err := l.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy: which, AckPolicy: jetstream.AckNonePolicy, FilterSubjects: filters,
		InactiveThreshold: loadIdle, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		return fmt.Errorf("make a reader: %w", err)
	}
	defer func() {
		_ = l.stream.DeleteConsumer(context.WithoutCancel(ctx), c.CachedInfo().Name) // forgotten after loadIdle anyway
	}()
	pending := c.CachedInfo().NumPending
	if pending == 0 {
		return nil
	}
	before, err := l.content(ctx)
	if err != nil {
		return err
	}
	if err := l.hook("counted"); err != nil {
		return err
	}
	messages, err := c.Messages(jetstream.PullMaxMessages(loadBatch))
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer messages.Stop()
	return l.readAll(ctx, messages, pending, before, take)
}

// readAll hands over the messages that were there at the beginning, and those that came meanwhile.
func (l *Log) readAll(ctx context.Context, messages jetstream.MessagesContext, want uint64, before content, take func(message) error) error {
	left := want
	for got := uint64(0); got < want || left > 0; got++ {
		m, err := l.next(ctx, messages, before)
		if errors.Is(err, errRemoved) {
			return err
		}
		if err != nil {
			return fmt.Errorf("read: %d of %d messages came: %w", got, want, err)
		}
		md, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if err := take(message{md.Sequence.Stream, m.Subject(), m.Headers(), m.Data()}); err != nil {
			return &LoadError{Stream: l.names.Stream(), Subject: m.Subject(), Seq: md.Sequence.Stream, Err: err}
		}
		left = md.NumPending
	}
	return nil
}

// errRemoved means that messages that were counted are gone: what was read is of two times.
var errRemoved = errors.New("messages were removed while they were read")

// next waits for a message for a bounded time. A message that the server skips because it is damaged keeps it waiting to the end; one
// that was removed meanwhile does not.
func (l *Log) next(ctx context.Context, messages jetstream.MessagesContext, before content) (jetstream.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	for {
		quiet, stop := context.WithTimeout(ctx, loadQuiet)
		m, err := messages.Next(jetstream.NextContext(quiet))
		stop()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return m, err
		}
		now, err := l.content(ctx)
		if err != nil {
			return nil, err
		}
		if now.removedSince(before) {
			return nil, errRemoved
		}
	}
}

// content is how much a stream holds, and held.
type content struct{ messages, last uint64 }

func (c content) removedSince(before content) bool {
	return before.messages+(c.last-before.last) > c.messages
}

func (l *Log) content(ctx context.Context) (content, error) {
	info, err := l.stream.Info(ctx)
	if err != nil {
		return content{}, err
	}
	return content{info.State.Msgs, info.State.LastSeq}, nil
}

// loading is a state being rebuilt.
type loading struct {
	source string
	names  Names
	state  *diff.State
	notes  map[string]storedVideo
	pages  int
	last   uint64 // sequence of the newest message read

	foldSeq, foldedTo uint64 // of the fold mark
}

func (ld *loading) message(m message) error {
	ld.last = max(ld.last, m.seq)
	rest, isState := strings.CutPrefix(m.subject, ld.names.StateSubject(ld.source, ""))
	if !isState {
		return ld.event(m.seq, m.body)
	}
	kind, tail, _ := strings.Cut(rest, ".")
	switch kind {
	case "meta":
		return ld.meta(m.seq, m.body)
	case "baseline":
		return ld.page(tail, m.body)
	case "fold":
		return ld.fold(m.seq, m.body)
	case "note":
		v, err := decodeNote(m.body)
		ld.notes[v.VideoNo] = v
		return err
	default:
		return fmt.Errorf("%w: unknown kind of state %q", errNewer, kind)
	}
}

// event keeps the newest of a video's events: the last of each subject is read, and a video has one subject a kind.
func (ld *loading) event(seq uint64, body []byte) error {
	no, r, err := decodeEvent(body)
	if err != nil {
		return err
	}
	have, known := ld.state.Get(no)
	if known && have.Version > r.Version { // a page says more; but this is the last event that is there
		have.Revision = max(have.Revision, seq)
		ld.state.Put(no, have)
		return nil
	}
	r.Revision = seq
	ld.state.Put(no, r)
	return nil
}

func (ld *loading) fold(seq uint64, body []byte) error {
	var f storedFold
	if err := json.Unmarshal(body, &f); err != nil {
		return err
	}
	ld.foldSeq, ld.foldedTo = seq, f.To
	return checkSchema(f.Schema)
}

func (ld *loading) meta(seq uint64, body []byte) error {
	var m storedMeta
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	ld.state.SetMeta(diff.Meta{
		BaselineAt: m.BaselineAt, EmptyAtFirst: m.EmptyAtFirst, Evidence: m.Evidence, Filters: m.Filters, Revision: seq,
	})
	return checkSchema(m.Schema)
}

func (ld *loading) page(number string, body []byte) error {
	var p storedPage
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	if err := checkSchema(p.Schema); err != nil {
		return err
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("page number: %w", err)
	}
	ld.pages = max(ld.pages, n)
	for _, v := range p.Videos {
		have, known := ld.state.Get(v.VideoNo)
		if known && (have.Version >= v.Version || v.Version == 0) {
			continue // an event, or a later page, says no less
		}
		r, err := v.record()
		if err != nil {
			return err
		}
		r.Revision = have.Revision // of an event that a fold has not purged yet
		ld.state.Put(v.VideoNo, r)
	}
	return nil
}

// finish lays the notes over the records they were made beside.
func (ld *loading) finish() {
	for no, v := range ld.notes {
		if r, ok := ld.state.Get(no); ok && v.lay(&r) {
			ld.state.Put(no, r)
		}
	}
}
