package webhook

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vidbell/notify"
)

const (
	// Positions are written as often as a small part of the processors and of the disk allows, for what a kill repeats is what was
	// over since the last write: after a pause of so many times what the text took, and what all of it took. With one endpoint
	// that is some milliseconds. positionMost bounds the pause on a slow disk.
	positionTextShare = 20
	positionDiskShare = 2
	positionMost      = 100 * time.Millisecond
	// sheetSize is how many cursors stand in one message, so that it stays far below the largest that the engine takes.
	sheetSize = 128
	// headerPage numbers the pages of a cursor.
	headerPage = "Vidbell-Page"
	headerNext = "Vidbell-Next"
)

// positionsStream keeps where each endpoint stands, for good: the newest sheets, and a page for each endpoint that has much open.
func positionsStream(names notify.Names, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              names.PositionsStream(),
		Description:       "vidbell: where webhook endpoints stand in the log",
		Subjects:          []string{names.PositionsAll()},
		Storage:           jetstream.FileStorage,
		Replicas:          replicas,
		MaxMsgsPerSubject: 1,
	}
}

// positions writes the cursors of a dispatcher down, and reads those of the one before. Many of them stand on one sheet, which is
// one message, so that a hundred busy endpoints cost a write where each would have cost its own.
type positions struct {
	js       jetstream.JetStream
	names    notify.Names
	replicas int

	writing sync.Mutex
	text    atomic.Int64 // nanoseconds that the last flush took to say what it wrote

	mu      sync.Mutex
	read    bool
	whole   bool // what was read has every cursor that there was
	cursors map[cursorKey]*cursor
	sheets  []*sheet
	dirty   chan struct{} // of capacity 1
}

// cursorKey says whose cursor it is, and in which stream.
type cursorKey struct{ endpoint, stream string }

// sheet is a message full of positions.
type sheet struct {
	number int
	dirty  chan<- struct{} // of all sheets
	text   []byte          // of the last writing, to be written over

	mu      sync.Mutex
	touched bool
	cursors []*cursor
}

// touch has the sheet written soon.
func (s *sheet) touch() {
	s.mu.Lock()
	was := s.touched
	s.touched = true
	s.mu.Unlock()
	if was {
		return
	}
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// positionEntry is a cursor as it is written down. What is open, unless it stands in the page of that number, is listed here, and
// so is what is over of that page.
type positionEntry struct {
	Endpoint string    `json:"endpoint"`
	Stream   string    `json:"stream"`
	Log      int64     `json:"log"`  // when the stream was made, in Unix nanoseconds
	Made     int64     `json:"made"` // when the cursor was
	Began    uint64    `json:"began,omitempty"`
	Next     uint64    `json:"next"`
	Open     waits     `json:"open,omitempty"`
	Gone     sequences `json:"gone,omitempty"`
	Page     uint64    `json:"page,omitempty"`
	At       int64     `json:"at"`              // when this was written, in Unix milliseconds
	Floor    uint64    `json:"floor,omitempty"` // all up to it is over, should the page be lost
	Left     bool      `json:"left,omitempty"`
	// Consumer means that a durable consumer has gone on from here: it knows better.
	Consumer bool `json:"consumer,omitempty"`
}

// openEvent is an event that is not over, and when it is due; zero for at once.
type openEvent struct {
	seq uint64
	due time.Time
}

// waits and sequences are written as differences, in the order of the log: a list of a hundred thousand fits into a message.
type (
	waits     []openEvent
	sequences []uint64
)

func (w waits) pack() []byte { return w.appendTo(make([]byte, 0, 8*len(w))) }

func (w waits) appendTo(packed []byte) []byte {
	seq, ms := uint64(0), int64(0)
	for _, v := range w {
		due := int64(0)
		if !v.due.IsZero() {
			due = v.due.UnixMilli()
		}
		packed = binary.AppendUvarint(packed, v.seq-seq)
		packed = binary.AppendVarint(packed, due-ms)
		seq, ms = v.seq, due
	}
	return packed
}

var errPacked = errors.New("not a list of positions")

func unpackWaits(packed []byte) (list waits, err error) {
	seq, ms := uint64(0), int64(0)
	for len(packed) > 0 {
		step, n := binary.Uvarint(packed)
		if n <= 0 || step == 0 {
			return nil, errPacked
		}
		change, m := binary.Varint(packed[n:])
		if m <= 0 {
			return nil, errPacked
		}
		packed = packed[n+m:]
		seq, ms = seq+step, ms+change
		w := openEvent{seq: seq}
		if ms != 0 {
			w.due = time.UnixMilli(ms)
		}
		list = append(list, w)
	}
	return list, nil
}

// appendTo is json.Marshal for what is written a hundred times a second. head names the endpoint and the stream.
func (e positionEntry) appendTo(text, head []byte) []byte {
	number := func(name string, n int64) {
		if n != 0 {
			text = append(text, name...)
			text = strconv.AppendInt(text, n, 10)
		}
	}
	list := func(name string, w waits) {
		if len(w) > 0 {
			var room [512]byte
			text = append(text, name...)
			text = base64.RawStdEncoding.AppendEncode(text, w.appendTo(room[:0]))
			text = append(text, '"')
		}
	}
	flag := func(name string, on bool) {
		if on {
			text = append(text, name...)
		}
	}
	text = append(text, head...)
	number(`,"log":`, e.Log)
	number(`,"made":`, e.Made)
	number(`,"at":`, e.At)
	number(`,"began":`, int64(e.Began))
	number(`,"next":`, int64(e.Next))
	number(`,"page":`, int64(e.Page))
	number(`,"floor":`, int64(e.Floor))
	list(`,"open":"`, e.Open)
	list(`,"gone":"`, e.Gone.waits())
	flag(`,"left":true`, e.Left)
	flag(`,"consumer":true`, e.Consumer)
	return append(text, '}')
}

func (w waits) MarshalText() ([]byte, error) {
	return base64.RawStdEncoding.AppendEncode(nil, w.pack()), nil
}

func (w *waits) UnmarshalText(text []byte) error {
	packed, err := base64.RawStdEncoding.AppendDecode(nil, text)
	if err != nil {
		return errPacked
	}
	*w, err = unpackWaits(packed)
	return err
}

func (s sequences) waits() waits {
	list := make(waits, len(s))
	for i, seq := range slices.Sorted(slices.Values(s)) {
		list[i].seq = seq
	}
	return list
}

func (s sequences) MarshalText() ([]byte, error) { return s.waits().MarshalText() }

func (s *sequences) UnmarshalText(text []byte) error {
	var list waits
	err := list.UnmarshalText(text)
	for _, w := range list {
		*s = append(*s, w.seq)
	}
	return err
}

func newPositions(c Config) *positions {
	return &positions{
		js: c.JetStream, names: c.Names, replicas: c.Replicas, cursors: make(map[cursorKey]*cursor), dirty: make(chan struct{}, 1),
	}
}

// load reads what the process before has written, once.
func (p *positions) load(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.read {
		return nil
	}
	stream, err := ensureStream(ctx, p.js, positionsStream(p.names, p.replicas))
	if err != nil {
		return err
	}
	stored, err := readSheets(ctx, stream, p.names)
	if err != nil {
		return err
	}
	cursors := make(map[cursorKey]*cursor)
	var sheets []*sheet
	now := time.Now()
	for number, one := range stored.sheets {
		on := &sheet{number: number, dirty: p.dirty}
		sheets = append(sheets, on)
		for _, e := range one.entries {
			page, suspects, err := e.readPage(ctx, stream, p.names)
			if err != nil {
				return err
			}
			c := newCursor(e.Endpoint, e.Stream, on)
			c.restore(e, page, suspects, now)
			on.cursors = append(on.cursors, c)
			cursors[cursorKey{e.Endpoint, e.Stream}] = c
		}
	}
	p.read, p.whole, p.cursors, p.sheets = true, stored.whole, cursors, sheets
	return nil
}

// storedSheets are the sheets in the engine, by their numbers.
type storedSheets struct {
	sheets []storedSheet
	whole  bool // none is missing or unreadable
}

type storedSheet struct {
	entries []positionEntry
	seq     uint64
}

func readSheets(ctx context.Context, stream jetstream.Stream, names notify.Names) (storedSheets, error) {
	var all storedSheets
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(names.PositionSheetSubject("*")))
	if err != nil {
		return all, fmt.Errorf("read positions: %w", err)
	}
	all.whole = len(info.State.Subjects) > 0
	for left := len(info.State.Subjects); left > 0; {
		msg, err := lastOf(ctx, stream, names.PositionSheetSubject(strconv.Itoa(len(all.sheets))))
		if err != nil {
			return all, fmt.Errorf("read positions: %w", err)
		}
		var one storedSheet
		if msg != nil {
			left--
			one.seq = msg.Sequence
		}
		if msg == nil || json.Unmarshal(msg.Data, &one.entries) != nil {
			one.entries, all.whole = nil, false
		}
		if all.sheets = append(all.sheets, one); len(all.sheets) > maxSheets {
			break
		}
	}
	return all, nil
}

// maxSheets bounds what is looked for when a sheet is missing.
const maxSheets = 1000

// readPage reads what is open besides what an entry lists. A page that is newer than the entry knows better; without the page all
// behind the floor is given again, up to what is returned.
func (e *positionEntry) readPage(ctx context.Context, stream jetstream.Stream, names notify.Names) (page waits, suspects uint64, err error) {
	if e.Page == 0 {
		return nil, 0, nil
	}
	msg, err := lastOf(ctx, stream, names.PositionPageSubject(e.Endpoint, e.Stream))
	if err != nil {
		return nil, 0, fmt.Errorf("read position of endpoint %q: %w", e.Endpoint, err)
	}
	var number, next uint64
	readable := msg != nil
	if readable {
		number, _ = strconv.ParseUint(msg.Header.Get(headerPage), 10, 64)
		next, _ = strconv.ParseUint(msg.Header.Get(headerNext), 10, 64)
		var broken error
		page, broken = unpackWaits(msg.Data)
		readable = broken == nil
	}
	switch {
	case !readable || number < e.Page:
		suspects = e.Next - 1
		e.Next, e.Open, e.Gone, e.Page = e.Floor+1, nil, nil, 0
		return nil, suspects, nil
	case number > e.Page:
		e.Next, e.Open, e.Gone, e.Page, e.At = next, nil, nil, number, msg.Time.UnixMilli()
	}
	return page, 0, nil
}

// settle is called when all endpoints that there are have their cursors: whoever comes without one from now on is new.
func (p *positions) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.whole = true
}

// find returns a cursor that is known; nil for none.
func (p *positions) find(endpoint, stream string) *cursor {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cursors[cursorKey{endpoint, stream}]
}

// isWhole reports whether an endpoint that has no cursor never had one.
func (p *positions) isWhole() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.whole
}

// add makes a cursor, or returns the one there is.
func (p *positions) add(endpoint, stream string) *cursor {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := cursorKey{endpoint, stream}
	if c := p.cursors[key]; c != nil {
		return c
	}
	i := slices.IndexFunc(p.sheets, (*sheet).hasRoom)
	if i < 0 {
		i = len(p.sheets)
		p.sheets = append(slices.Clone(p.sheets), &sheet{number: i, dirty: p.dirty})
	}
	c := newCursor(endpoint, stream, p.sheets[i])
	p.sheets[i].put(c)
	p.cursors[key] = c
	return c
}

func (s *sheet) hasRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.cursors) < sheetSize
}

func (s *sheet) put(c *cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursors = append(s.cursors, c)
}

// take returns what to write, if something is.
func (s *sheet) take() (cursors []*cursor, some bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	some, s.touched = s.touched, false
	return slices.Clone(s.cursors), some
}

// run writes positions down soon after they change, until ctx ends. What changes last is the caller's to flush.
func (p *positions) run(ctx context.Context, trouble func(error)) {
	backoff := backoffFirst
	for {
		select {
		case <-p.dirty:
		case <-ctx.Done():
			return
		}
		var wait time.Duration
		began := time.Now()
		if err := p.flush(ctx); err != nil && ctx.Err() == nil {
			trouble(err)
			wait, backoff = backoff, min(2*backoff, backoffMost)
		} else {
			backoff = backoffFirst
			wait = min(max(positionTextShare*time.Duration(p.text.Load()), positionDiskShare*time.Since(began)), positionMost)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// flush writes down what has changed.
func (p *positions) flush(ctx context.Context) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	p.mu.Lock()
	sheets := p.sheets
	p.mu.Unlock()
	var problems []error
	p.text.Store(0)
	for _, s := range sheets {
		err := p.write(ctx, s)
		if isGone(err) {
			if err = p.remake(ctx); err == nil {
				err = p.write(ctx, s)
			}
		}
		if err != nil {
			s.touch()
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// isGone reports whether nobody took a message, which is how a stream that was deleted answers.
func isGone(err error) bool {
	return errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrStreamNotFound)
}

// remake makes the stream again. All there was in it is written anew.
func (p *positions) remake(ctx context.Context) error {
	if _, err := ensureStream(ctx, p.js, positionsStream(p.names, p.replicas)); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.cursors {
		c.unpage()
		c.sheet.touch()
	}
	return nil
}

func (p *positions) write(ctx context.Context, s *sheet) error {
	cursors, some := s.take()
	if !some {
		return nil
	}
	began := time.Now()
	text := s.text[:0]
	text = append(text, '[')
	for i, c := range cursors {
		e, err := p.entryOf(ctx, c)
		if err != nil {
			return err
		}
		if i > 0 {
			text = append(text, ',', '\n')
		}
		text = e.appendTo(text, c.head)
	}
	text = append(text, ']')
	s.text = text
	p.text.Add(int64(time.Since(began)))
	if err := p.publish(ctx, &nats.Msg{Subject: p.names.PositionSheetSubject(strconv.Itoa(s.number)), Data: s.text}); err != nil {
		return fmt.Errorf("write positions: %w", err)
	}
	return nil
}

// entryOf writes a page first when too much has changed for the sheet. The page is complete by itself: a crash behind it costs
// nothing.
func (p *positions) entryOf(ctx context.Context, c *cursor) (positionEntry, error) {
	for {
		e, page := c.entry(time.Now())
		if page == nil {
			return e, nil
		}
		number := e.Page + 1
		err := p.publish(ctx, &nats.Msg{
			Subject: p.names.PositionPageSubject(c.endpoint, c.stream), Data: page.pack(),
			Header: nats.Header{headerPage: {strconv.FormatUint(number, 10)}, headerNext: {strconv.FormatUint(e.Next, 10)}},
		})
		if err != nil {
			return e, fmt.Errorf("write position of endpoint %q: %w", c.endpoint, err)
		}
		c.paged(number, page)
	}
}

func (p *positions) publish(ctx context.Context, msg *nats.Msg) error {
	_, err := p.js.PublishMsg(ctx, msg, jetstream.WithExpectStream(p.names.PositionsStream()))
	return err
}
