package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/synadia-io/orbit.go/jetstreamext"
	"go.uber.org/zap"

	"vidbell/notify"
)

const (
	journalEvery = 200 * time.Millisecond // how long a record may wait for others
	journalRetry = time.Second
	// journalBytes bounds what waits while the engine is away: some 50,000 attempts.
	journalBytes = 16 << 20
	pageBytes    = 192 << 10 // of one message of the delivery log; a message may have 1 MiB
	maxPageLines = 1 << lineBits
	lineBits     = 12
	// pagesOneByOne is up to how many pages are not worth an atomic batch, which the engine stages in files of its own.
	pagesOneByOne = 4
	maxBatchPages = 500

	deliveriesMaxBytes = 512 << 20 // one to three million attempts
	deliveriesMaxAge   = 30 * 24 * time.Hour

	failureExcerpt = 4 << 10
	successExcerpt = 512
	groupExcerpt   = 256 // each event of a group has it
)

func excerptBytes(c Class) int {
	if c == "" {
		return successExcerpt
	}
	return failureExcerpt
}

// deliveriesStream is the delivery log: pages of records, one record a line.
func deliveriesStream(names notify.Names, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:               names.DeliveriesStream(),
		Description:        "vidbell: attempts of webhook deliveries",
		Subjects:           []string{names.DeliveriesAll()},
		Storage:            jetstream.FileStorage,
		Replicas:           replicas,
		MaxBytes:           deliveriesMaxBytes,
		MaxAge:             deliveriesMaxAge,
		Discard:            jetstream.DiscardOld,
		AllowDirect:        true,
		AllowAtomicPublish: true,
	}
}

// storedAttempt is an Attempt as a line of the delivery log. The endpoint is in the subject, the place in the position.
type storedAttempt struct {
	EventID string        `json:"id"` // first: a reader looks for it before it parses a line
	At      time.Time     `json:"at"`
	Type    string        `json:"type,omitempty"`
	Source  string        `json:"source,omitempty"`
	VideoNo string        `json:"video,omitempty"`
	Number  int           `json:"n"`
	Took    time.Duration `json:"took_ns"`
	Status  int           `json:"status,omitempty"`
	Class   Class         `json:"class,omitempty"`
	Detail  string        `json:"detail,omitempty"`
	Result  string        `json:"result"`
	NextAt  time.Time     `json:"next,omitzero"`
	Excerpt string        `json:"excerpt,omitempty"`
	Replay  bool          `json:"replay,omitempty"`
	Group   string        `json:"group,omitempty"`
	Size    int           `json:"group_size,omitempty"`
}

var lineBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// appendTo writes the JSON that the tags say. It is written out because it is part of every delivery: encoding/json takes four
// times as long.
func (s *storedAttempt) appendTo(b []byte) []byte {
	text := func(key, value string) {
		if value != "" {
			b = appendString(append(append(append(b, `,"`...), key...), `":`...), value)
		}
	}
	number := func(key string, value int64) {
		b = strconv.AppendInt(append(append(append(b, `,"`...), key...), `":`...), value, 10)
	}
	b = appendString(append(b, `{"id":`...), s.EventID)
	b = append(s.At.AppendFormat(append(b, `,"at":"`...), time.RFC3339Nano), '"')
	text("type", s.Type)
	text("source", s.Source)
	text("video", s.VideoNo)
	number("n", int64(s.Number))
	number("took_ns", int64(s.Took))
	if s.Status != 0 {
		number("status", int64(s.Status))
	}
	text("class", string(s.Class))
	text("detail", s.Detail)
	b = appendString(append(b, `,"result":`...), s.Result)
	if !s.NextAt.IsZero() {
		b = append(s.NextAt.AppendFormat(append(b, `,"next":"`...), time.RFC3339Nano), '"')
	}
	text("excerpt", s.Excerpt)
	if s.Replay {
		b = append(b, `,"replay":true`...)
	}
	if text("group", s.Group); s.Size != 0 {
		number("group_size", int64(s.Size))
	}
	return append(b, '}')
}

// appendString writes a JSON string; what needs escapes is left to encoding/json.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil { // a string has JSON, whatever is in it
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func (s storedAttempt) attempt(endpoint string, seq uint64) Attempt {
	return Attempt{
		Seq: seq, At: s.At, Endpoint: endpoint, EventID: s.EventID, Type: s.Type, Source: s.Source, VideoNo: s.VideoNo,
		Number: s.Number, Duration: s.Took, Status: s.Status, Class: string(s.Class), Detail: s.Detail, Result: s.Result,
		NextAt: s.NextAt, Excerpt: s.Excerpt, Replay: s.Replay, Group: s.Group, GroupSize: s.Size,
	}
}

// journal writes the delivery log: deliveries leave lines with it and go on, it stores them a little later. What cannot be
// stored waits, up to a bound; beyond it new lines are dropped and counted, never a delivery.
type journal struct {
	js    jetstream.JetStream
	names notify.Names
	log   *zap.Logger
	lost  prometheus.Counter

	mu     sync.Mutex
	open   map[string]*page // by endpoint
	full   []*page
	size   int
	missed int
	wake   chan struct{} // one waits there when there is something to write

	flushing sync.Mutex // one writes at a time, so that pages keep their order
}

type page struct {
	endpoint string
	lines    int
	text     bytes.Buffer
}

func newJournal(c Config, lost prometheus.Counter) *journal {
	return &journal{
		js: c.JetStream, names: c.Names, log: c.Logger, lost: lost,
		open: make(map[string]*page), wake: make(chan struct{}, 1),
	}
}

// add takes a record without waiting for anything but other records.
func (j *journal) add(endpoint string, records ...storedAttempt) {
	buffer := lineBuffers.Get().(*[]byte)
	defer lineBuffers.Put(buffer)
	for i := range records {
		*buffer = records[i].appendTo((*buffer)[:0])
		j.line(endpoint, *buffer)
	}
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

func (j *journal) line(endpoint string, line []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.size+len(line) >= journalBytes {
		j.missed++
		j.lost.Inc()
		return
	}
	p := j.open[endpoint]
	if p == nil {
		p = &page{endpoint: endpoint}
		j.open[endpoint] = p
	}
	p.text.Write(line)
	p.text.WriteByte('\n')
	j.size += len(line) + 1
	if p.lines++; p.text.Len() >= pageBytes || p.lines >= maxPageLines {
		j.full = append(j.full, p)
		delete(j.open, endpoint)
	}
}

// run writes until ctx ends, and once more then.
func (j *journal) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-j.wake:
			j.pauseThenFlush(ctx)
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.Background(), flushWait)
	defer cancel()
	if err := j.flush(last); err != nil {
		j.log.Warn("last records of the delivery log are lost, no event is", zap.Error(err))
	}
}

func (j *journal) pauseThenFlush(ctx context.Context) {
	wait := journalEvery
	for {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		attempt, cancel := context.WithTimeout(ctx, engineTimeout)
		err := j.flush(attempt)
		cancel()
		if err == nil {
			return
		}
		wait = journalRetry
	}
}

// flush stores what has been added so far. After an error it is all still there, and some of it may be stored as well: the log
// may then show an attempt twice.
func (j *journal) flush(ctx context.Context) error {
	j.flushing.Lock()
	defer j.flushing.Unlock()
	pages, missed := j.take()
	for len(pages) > 0 {
		n := min(len(pages), maxBatchPages)
		if err := j.store(ctx, pages[:n]); err != nil {
			j.putBack(pages)
			return fmt.Errorf("write delivery log: %w", err)
		}
		pages = pages[n:]
	}
	if missed > 0 {
		j.log.Warn("the delivery log has gaps, the engine did not take its records; no event is lost", zap.Int("records", missed))
	}
	return nil
}

func (j *journal) take() (pages []*page, missed int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	pages, missed = j.full, j.missed
	for endpoint, p := range j.open {
		pages = append(pages, p)
		delete(j.open, endpoint)
	}
	j.full, j.missed, j.size = nil, 0, 0
	return pages, missed
}

// putBack puts pages before what was added since.
func (j *journal) putBack(pages []*page) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, p := range pages {
		j.size += p.text.Len()
	}
	j.full = append(pages, j.full...)
}

// store writes pages under one fsync, or under one each when they are few. Its errors all mean that it is tried again.
func (j *journal) store(ctx context.Context, pages []*page) error {
	if len(pages) > pagesOneByOne {
		msgs := make([]*nats.Msg, len(pages))
		for i, p := range pages {
			msgs[i] = &nats.Msg{Subject: j.names.DeliverySubject(p.endpoint), Header: nats.Header{}, Data: p.text.Bytes()}
		}
		_, err := jetstreamext.PublishMsgBatch(ctx, j.js, msgs)
		return err
	}
	var errs []error
	for _, p := range pages {
		_, err := j.js.Publish(ctx, j.names.DeliverySubject(p.endpoint), p.text.Bytes(), jetstream.WithExpectStream(j.names.DeliveriesStream()))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// noteAttempt leaves an attempt with the delivery log.
func (l *lane) noteAttempt(d *delivery, past record, next decision) {
	r := l.storedAttempt(past, next)
	r.EventID = d.id
	r.Type, r.Source, r.VideoNo = l.aboutOf(d)
	r.Excerpt = string(next.excerpt)
	l.journal.add(l.target.Name, r)
	l.latest.note(r)
}

// noteGroupAttempt leaves one record for each event that a message told.
func (l *lane) noteGroupAttempt(g groupRecord, present []*delivery, next decision) {
	r := l.storedAttempt(g.record, next)
	r.Excerpt = string(next.excerpt[:min(len(next.excerpt), groupExcerpt)])
	if len(g.Events) > 1 {
		r.Group, r.Size = g.ID, len(g.Events)
	}
	here := make(map[string]*delivery, len(present))
	for _, d := range present {
		here[d.id] = d
	}
	all := make([]storedAttempt, len(g.Events))
	for i, id := range g.Events {
		r.EventID, r.Type, r.Source, r.VideoNo = id, "", "", ""
		if d := here[id]; d != nil { // others are in the hands of another process
			r.Type, r.Source, r.VideoNo = l.aboutOf(d)
		}
		all[i] = r
	}
	l.journal.add(l.target.Name, all...)
	l.latest.note(r)
}

func (l *lane) storedAttempt(past record, next decision) storedAttempt {
	r := storedAttempt{
		At: l.now().Add(-next.took).UTC(), Number: past.Attempts + 1, Took: next.took, Status: next.status, Class: next.class,
		Detail: next.detail, Result: string(next.verdict), Replay: l.live != nil,
	}
	if next.verdict == verdictRetry {
		r.NextAt = next.record.NextAt.UTC()
	}
	return r
}

// latest is the newest attempt of each kind.
type latest struct {
	mu      sync.Mutex
	success time.Time
	failure storedAttempt
	past    bool // the delivery log was asked for those of earlier runs
}

func (n *latest) note(r storedAttempt) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case r.Class == "" && r.At.After(n.success):
		n.success = r.At
	case r.Class != "" && r.At.After(n.failure.At):
		r.Excerpt = ""
		n.failure = r
	}
}

// looked reports whether the delivery log was asked before; lookedNow says that it was.
func (n *latest) looked() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.past
}

func (n *latest) lookedNow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.past = true
}

func (n *latest) read() (success time.Time, failure storedAttempt) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.success, n.failure
}
