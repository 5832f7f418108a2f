package notify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/synadia-io/orbit.go/jetstreamext"
	"go.uber.org/zap"

	"vidbell/diff"
)

const (
	// maxBatch is what nats-server takes in one atomic batch.
	maxBatch = 1000
	// maxPageBytes bounds one baseline page; a message may have 1 MiB.
	maxPageBytes = 256 << 10
	// maxBatchBytes bounds a batch: the server holds it in memory until it is committed.
	maxBatchBytes = 8 << 20
	// opsAge and opsBytes bound the stream of events about sources and endpoints.
	opsAge   = 30 * 24 * time.Hour
	opsBytes = 64 << 20
	// dedupWindow only catches a repeated publish that compare-and-set would refuse too.
	dedupWindow = 2 * time.Minute
)

const (
	headerContentType = "Content-Type"
	headerRollup      = "Nats-Rollup"
	headerExpected    = "Nats-Expected-Last-Subject-Sequence"
	headerExpectedOf  = "Nats-Expected-Last-Subject-Sequence-Subject"
)

// Codes with which JetStream refuses an append that somebody else, or an earlier try of ours, has already made.
const (
	codeWrongLastSequence         = 10071
	codeWrongLastSequenceConstant = 10164
	codeDuplicateInBatch          = 10201
)

// ErrConflict means that the log holds something newer than the state a result was made from. Bring the state up to date
// and decide again.
var ErrConflict = errors.New("the log has moved on")

// LogConfig says how to open the log.
type LogConfig struct {
	JetStream  jetstream.JetStream
	Names      Names
	Replicas   int // of the streams on a cluster; 0 means 1
	Logger     *zap.Logger
	Registerer prometheus.Registerer
}

// Log is the stream of all events, and of the state that is no news. It is safe for concurrent use by different sources.
type Log struct {
	js      jetstream.JetStream
	names   Names
	log     *zap.Logger
	stream  jetstream.Stream
	birth   string
	metrics *logMetrics

	mu    sync.Mutex
	pages map[string]int // baseline pages stored, by source
}

// OpenLog makes the streams where they are missing, checks them where they exist, and reads the log's birth mark. It changes
// nothing in a log that belongs to other settings or to a newer vidbell: it says so.
func OpenLog(ctx context.Context, cfg LogConfig) (*Log, error) {
	if err := cfg.Names.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	l := &Log{
		js: cfg.JetStream, names: cfg.Names, log: cfg.Logger, pages: make(map[string]int),
	}
	replicas := max(1, cfg.Replicas)
	var err error
	if l.stream, err = openStream(ctx, l.js, l.streamConfig(replicas)); err != nil {
		return nil, err
	}
	if _, err = openStream(ctx, l.js, l.opsConfig(replicas)); err != nil {
		return nil, err
	}
	if l.birth, err = l.readBirth(ctx); err != nil {
		return nil, err
	}
	l.metrics = newLogMetrics(cfg.Registerer) // last: who could not open the log may try again
	return l, nil
}

func (l *Log) streamConfig(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: l.names.Stream(), Description: "vidbell: video events, and the state of sources",
		Subjects:           []string{l.names.AppendAll(), l.names.StateAll(), l.names.BirthSubject()},
		SubjectTransform:   &jetstream.SubjectTransformConfig{Source: l.names.AppendAll(), Destination: l.names.AllEvents()},
		RePublish:          &jetstream.RePublish{Source: l.names.AllEvents(), Destination: l.names.AllEvents()},
		Storage:            jetstream.FileStorage,
		Replicas:           replicas,
		Duplicates:         dedupWindow,
		AllowAtomicPublish: true, AllowDirect: true, AllowRollup: true,
	}
}

func (l *Log) opsConfig(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: l.names.OpsStream(), Description: "vidbell: health of sources and endpoints",
		Subjects:         []string{l.names.reportAll()},
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: l.names.reportAll(), Destination: l.names.OpsAll()},
		RePublish:        &jetstream.RePublish{Source: l.names.OpsAll(), Destination: l.names.OpsAll()},
		Storage:          jetstream.FileStorage, Replicas: replicas, Duplicates: dedupWindow,
		MaxAge: opsAge, MaxBytes: opsBytes, Discard: jetstream.DiscardOld, AllowDirect: true,
	}
}

// openStream makes a stream, or checks that the one that is there is meant for the same subjects.
func openStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := js.CreateStream(ctx, want)
	if err == nil {
		return s, nil
	}
	if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return nil, fmt.Errorf("make stream %s: %w", want.Name, err)
	}
	s, err = js.Stream(ctx, want.Name)
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", want.Name, err)
	}
	have := s.CachedInfo().Config
	if have.SubjectTransform == nil || have.RePublish == nil || strings.Join(have.Subjects, " ") != strings.Join(want.Subjects, " ") {
		return nil, fmt.Errorf("stream %s exists and is not ours: it listens to %v; set VIDBELL_INSTANCE to use another name", want.Name, have.Subjects)
	}
	if got := have.SubjectTransform.Destination; got != want.SubjectTransform.Destination {
		return nil, fmt.Errorf("stream %s holds events under %s, not %s: set VIDBELL_SUBJECT_PREFIX back, or use another VIDBELL_INSTANCE",
			want.Name, got, want.SubjectTransform.Destination)
	}
	if have.Replicas == want.Replicas {
		return s, nil
	}
	have.Replicas = want.Replicas
	if s, err = js.UpdateStream(ctx, have); err != nil {
		return nil, fmt.Errorf("set stream %s to %d replicas: %w", want.Name, want.Replicas, err)
	}
	return s, nil
}

// readBirth returns the log's birth mark, and makes it in a new log. Of two processes that try, one wins.
func (l *Log) readBirth(ctx context.Context) (string, error) {
	for range 2 {
		m, err := l.stream.GetLastMsgForSubject(ctx, l.names.BirthSubject())
		if err == nil {
			return string(m.Data), nil
		}
		if !errors.Is(err, jetstream.ErrMsgNotFound) {
			return "", fmt.Errorf("read the birth mark of %s: %w", l.names.Stream(), err)
		}
		msg := nats.NewMsg(l.names.BirthSubject())
		msg.Data = []byte(rand.Text())
		msg.Header.Set(headerExpected, "0")
		if _, err = l.js.PublishMsg(ctx, msg); err != nil && !isConflict(err) {
			return "", fmt.Errorf("write the birth mark of %s: %w", l.names.Stream(), err)
		}
	}
	return "", fmt.Errorf("read the birth mark of %s: it was written and is not there", l.names.Stream())
}

// Append stores a result of source: its changes as events, its notes, its baseline page and its meta record, all or nothing
// in one atomic batch, each under compare-and-set. What one batch cannot hold is split so that a crash in between is safe:
// the meta record, which ends a baseline, comes last. On success the changes and the meta record carry their revisions.
//
// ErrConflict means that the log holds newer facts about one of the videos or the source. After any other error the batch may
// or may not be in the log: load again before the next try.
func (l *Log) Append(ctx context.Context, source string, res *diff.Result) error {
	entries, pages, err := l.entries(source, res)
	if err != nil {
		return err
	}
	revisions := make(map[string]uint64) // of videos that an earlier batch of this result changed
	for len(entries) > 0 {
		n := batchLen(entries)
		if err := l.commit(ctx, entries[:n], revisions); err != nil {
			l.metrics.failed(err)
			return fmt.Errorf("append %d messages of %s: %w", n, source, err)
		}
		entries = entries[n:]
	}
	l.mu.Lock()
	l.pages[source] += pages
	l.mu.Unlock()
	for _, c := range res.Changes {
		l.metrics.event(source, string(c.Kind))
	}
	return nil
}

// entry is one message of an append.
type entry struct {
	msg      *nats.Msg
	video    string // the video whose subject is guarded, if any
	expected *uint64
	revision *uint64 // where to put the sequence
}

// entries lists the messages of a result in the order they are stored, and says how many are baseline pages.
func (l *Log) entries(source string, res *diff.Result) ([]entry, int, error) {
	entries := make([]entry, 0, len(res.Changes)+len(res.Notes)+2)
	for i := range res.Changes {
		e, err := l.event(source, &res.Changes[i])
		if err != nil {
			return nil, 0, err
		}
		entries = append(entries, e)
	}
	for _, n := range res.Notes {
		e, err := l.note(source, n)
		if err != nil {
			return nil, 0, err
		}
		entries = append(entries, e)
	}
	pages, err := l.pageEntries(source, res.Learned)
	if err != nil {
		return nil, 0, err
	}
	entries = append(entries, pages...)
	if res.Meta != nil {
		e, err := l.meta(source, res.Meta)
		if err != nil {
			return nil, 0, err
		}
		entries = append(entries, e)
	}
	return entries, len(pages), nil
}

func (l *Log) event(source string, c *diff.Change) (entry, error) {
	ev := newVideoEvent(l.birth, source, *c)
	body, err := encode(ev)
	if err != nil {
		return entry{}, fmt.Errorf("encode the event of %s: %w", c.VideoNo, err)
	}
	m := nats.NewMsg(l.names.AppendSubject(string(c.Kind), source, c.VideoNo))
	m.Data = body
	m.Header.Set(headerContentType, ContentType)
	m.Header.Set(nats.MsgIdHdr, ev.ID)
	m.Header.Set(headerExpectedOf, l.names.VideoEvents(source, c.VideoNo))
	expected := c.Record.Revision
	return entry{msg: m, video: c.VideoNo, expected: &expected, revision: &c.Record.Revision}, nil
}

// note replaces the video's earlier note. It is a hint about a word, so the newest simply wins.
func (l *Log) note(source string, n diff.Note) (entry, error) {
	v := store(n.VideoNo, n.Record)
	v.Version, v.At = n.Record.Version, n.At
	e, err := l.stateEntry(storedNote{Schema: schema, Video: v}, source, "note", Token(n.VideoNo))
	e.msg.Header.Set(headerRollup, "sub")
	return e, err
}

func (l *Log) meta(source string, m *diff.Meta) (entry, error) {
	e, err := l.stateEntry(storedMeta{Schema: schema, BaselineAt: m.BaselineAt, Evidence: m.Evidence}, source, "meta")
	expected := m.Revision
	e.expected, e.revision = &expected, &m.Revision
	e.msg.Header.Set(headerRollup, "sub")
	return e, err
}

func (l *Log) stateEntry(v any, source string, parts ...string) (entry, error) {
	m := nats.NewMsg(l.names.StateSubject(source, parts...))
	body, err := encode(v)
	m.Data = body
	return entry{msg: m}, err
}

// pageEntries writes what the baseline learnt as new pages; a page is never written again, so a video stands in one page.
func (l *Log) pageEntries(source string, learned []diff.Learned) ([]entry, error) {
	l.mu.Lock()
	next := l.pages[source]
	l.mu.Unlock()
	var entries []entry
	page := storedPage{Schema: schema}
	size := 0
	flush := func() error {
		if len(page.Videos) == 0 {
			return nil
		}
		next++
		e, err := l.stateEntry(page, source, "baseline", strconv.Itoa(next))
		e.expected = new(uint64)
		entries = append(entries, e)
		page.Videos, size = nil, 0
		return err
	}
	for _, v := range learned {
		sv := store(v.VideoNo, v.Record)
		size += len(sv.VideoNo) + len(sv.Name) + len(sv.Cause) + len(sv.Raw) + 200
		if size > maxPageBytes {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		page.Videos = append(page.Videos, sv)
	}
	return entries, errors.Join(flush())
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
func (l *Log) commit(ctx context.Context, batch []entry, revisions map[string]uint64) error {
	msgs := make([]*nats.Msg, len(batch))
	for i, e := range batch {
		if e.expected != nil {
			want := *e.expected
			if moved, ok := revisions[e.video]; ok && e.video != "" {
				want = moved
			}
			e.msg.Header.Set(headerExpected, strconv.FormatUint(want, 10))
		}
		msgs[i] = e.msg
	}
	start := time.Now()
	ack, err := jetstreamext.PublishMsgBatch(ctx, l.js, msgs)
	if err != nil {
		if isConflict(err) {
			return fmt.Errorf("%w: %w", ErrConflict, err)
		}
		return err
	}
	l.metrics.batch.Observe(time.Since(start).Seconds())
	first := ack.Sequence - uint64(len(batch)) + 1
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

func isConflict(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case codeWrongLastSequence, codeWrongLastSequenceConstant, codeDuplicateInBatch:
		return true
	}
	return false
}
