package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"vidbell/diff"
)

const (
	// foldBatch is how many videos are folded together: one page of some 200 bytes each.
	foldBatch = 500
	// foldPause lets the appends of others through between two batches.
	foldPause = 10 * time.Millisecond
)

// Fold says what to make room of.
type Fold struct {
	// Before is the age: events stored before it are folded and purged.
	Before time.Time
	// Owed is the lowest sequence of an event that somebody still has to get; what is not below it is left alone.
	Owed uint64
}

// Folded says what a fold came to.
type Folded struct {
	Videos int    // whose last status is in a page now, and no event of them in the log
	Events int    // purged
	To     uint64 // the highest sequence among them; zero for none
}

// storedFold is the mark of a source's newest fold. It tells other processes that what they know of a video's last event may be
// gone, and readers from where on events may be missing.
type storedFold struct {
	Schema int    `json:"schema"`
	To     uint64 `json:"to"` // no event above it was ever purged
}

// Fold makes room in the log: what the old events of a source say last of each video is written into pages, and only then are
// they purged. Events that a later one of their video has overtaken are purged alone.
//
// Every step may be the last one, of a crash or of ctx, and may be taken again:
//
//   - before the pages are there, nothing has changed;
//   - the pages, and the mark that says so, come in one atomic batch, under compare-and-set: of two processes one folds;
//   - with both pages and events there, an event says no less than the page, and counts;
//   - with some of a video's events purged, the page says more than the others, and counts; who writes to the video next still names
//     the last event that is there.
//
// The state that Load gives is the same before, in between and after, and so are the ids and versions of what comes next. This
// process learns of its own folds, and of others', with Follow.
func (l *Log) Fold(ctx context.Context, source string, f Fold) (done Folded, err error) {
	fail := func(err error) (Folded, error) { return done, fmt.Errorf("fold old events of %s: %w", source, err) }
	over, err := l.baselineOver(ctx, source)
	switch {
	case err != nil:
		return fail(err)
	case !over:
		return done, nil // everything is still to be learnt
	}
	for from := uint64(1); ; {
		b := &foldBatchOf{log: l, source: source, fold: f, seen: make(map[string]bool)}
		more, err := b.gather(ctx, from)
		if err != nil {
			return fail(err)
		}
		if err := l.hook("gathered"); err != nil {
			return fail(err)
		}
		if err := b.write(ctx); err != nil {
			return fail(err)
		}
		if err := l.hook("written"); err != nil {
			return fail(err)
		}
		purged, err := b.purge(ctx)
		done.Events += purged
		done.Videos += len(b.learned)
		done.To = max(done.To, b.to)
		if err != nil {
			return fail(err)
		}
		if from = b.next; !more {
			return done, nil
		}
		select {
		case <-ctx.Done():
			return fail(ctx.Err())
		case <-time.After(foldPause):
		}
	}
}

// hook is where tests end a fold.
func (l *Log) hook(step string) error {
	if l.atStep == nil {
		return nil
	}
	return l.atStep(step)
}

func (l *Log) baselineOver(ctx context.Context, source string) (bool, error) {
	m, ok, err := l.lastOf(ctx, l.names.StateSubject(source, "meta"))
	if err != nil || !ok {
		return false, err
	}
	var meta storedMeta
	if err := json.Unmarshal(m.body, &meta); err != nil {
		return false, &LoadError{Stream: l.names.Stream(), Subject: m.subject, Seq: m.seq, Err: err}
	}
	return meta.BaselineAt != 0, nil
}

// foldBatchOf is one batch at work.
type foldBatchOf struct {
	log    *Log
	source string
	fold   Fold
	seen   map[string]bool // videos

	learned []diff.Learned
	purges  []purge
	to      uint64 // the highest sequence to be purged
	next    uint64 // where the next batch begins
}

// purge is events of one video, up to a sequence.
type purge struct {
	video  string
	last   uint64
	note   uint64 // the sequence of its note, which the page has; zero for none
	folded bool   // the last one is among them
}

// gather looks at old events from a sequence on until the batch is full. It reports whether there are more.
func (b *foldBatchOf) gather(ctx context.Context, from uint64) (more bool, err error) {
	l := b.log
	for b.next = from; ; b.next++ {
		m, err := l.stream.GetMsg(ctx, b.next, jetstream.WithGetMsgSubject(l.names.SourceEvents(b.source)))
		if isMissing(err) {
			return false, nil
		}
		if err != nil {
			return false, missed(err)
		}
		b.next = m.Sequence
		if !m.Time.Before(b.fold.Before) || m.Sequence >= b.fold.Owed {
			return false, nil
		}
		if len(b.purges) >= foldBatch {
			return true, nil
		}
		if !l.ours(raw(m)) {
			continue
		}
		if err := b.take(ctx, m); err != nil {
			return false, err
		}
	}
}

// take looks at one old event.
func (b *foldBatchOf) take(ctx context.Context, m *jetstream.RawStreamMsg) error {
	l := b.log
	no, _, err := decodeEvent(m.Data)
	if err != nil {
		return &LoadError{Stream: l.names.Stream(), Subject: m.Subject, Seq: m.Sequence, Err: err}
	}
	if b.seen[no] {
		return nil
	}
	last, ok, err := l.lastWithTime(ctx, l.names.VideoEvents(b.source, no))
	if err != nil || !ok {
		return err
	}
	if !last.Time.Before(b.fold.Before) || last.Sequence >= b.fold.Owed {
		b.add(purge{video: no, last: m.Sequence})
		return nil
	}
	b.seen[no] = true
	_, r, err := decodeEvent(last.Data)
	if err != nil {
		return &LoadError{Stream: l.names.Stream(), Subject: last.Subject, Seq: last.Sequence, Err: err}
	}
	note, err := l.layNote(ctx, b.source, no, &r)
	if err != nil {
		return err
	}
	b.learned = append(b.learned, diff.Learned{VideoNo: no, Record: r})
	b.add(purge{video: no, last: last.Sequence, note: note, folded: true})
	return nil
}

func (b *foldBatchOf) add(p purge) {
	b.purges = append(b.purges, p)
	b.to = max(b.to, p.last)
}

// lastWithTime is our own last message of a subject. Where a foreign one is the last, the video is left alone.
func (l *Log) lastWithTime(ctx context.Context, subject string) (*jetstream.RawStreamMsg, bool, error) {
	m, err := l.stream.GetLastMsgForSubject(ctx, subject)
	if isMissing(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return m, l.ours(raw(m)), nil
}

// write stores the pages and the mark. What is purged without a page needs the mark all the same: readers ask it.
func (b *foldBatchOf) write(ctx context.Context) error {
	if len(b.purges) == 0 {
		return nil
	}
	l := b.log
	mark, err := l.foldMark(ctx, b.source)
	if err != nil {
		return err
	}
	bodies, err := encodePages(b.learned)
	if err != nil {
		return err
	}
	number, err := l.highestPage(ctx, b.source)
	if err != nil {
		return err
	}
	var batch []entry
	for i, body := range bodies {
		batch = append(batch, l.page(b.source, number+1+i, body))
	}
	body, err := encode(storedFold{Schema: schema, To: max(b.to, mark.To)})
	if err != nil {
		return err
	}
	e := l.stateEntry(body, b.source, "fold")
	e.msg.Header.Set(headerRollup, nats.MsgRollupSubject)
	stored := uint64(0)
	e.expected, e.revision = &mark.seq, &stored
	if err := l.commit(ctx, b.source, append(batch, e), map[string]uint64{}); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pages[b.source] = max(l.pages[b.source], number+len(bodies))
	l.foldMarks[b.source] = stored
	l.foldedTo = max(l.foldedTo, b.to, mark.To)
	for _, p := range b.purges {
		if p.folded {
			l.refolds[b.source] = append(l.refolds[b.source], p)
		}
	}
	return nil
}

// purge removes the events. What is left after an error goes with the next fold.
func (b *foldBatchOf) purge(ctx context.Context) (events int, err error) {
	l := b.log
	before, err := l.content(ctx)
	if err != nil {
		return 0, missed(err)
	}
	defer func() {
		if after, err := l.content(ctx); err == nil && after.messages < before.messages {
			events = int(before.messages - after.messages)
		}
	}()
	for _, p := range b.purges {
		err := l.stream.Purge(ctx, jetstream.WithPurgeSubject(l.names.VideoEvents(b.source, p.video)), jetstream.WithPurgeSequence(p.last+1))
		if err != nil {
			return 0, missed(err)
		}
		if err := l.hook("purged"); err != nil {
			return 0, err
		}
		if p.note == 0 {
			continue
		}
		// One that was made since is a later message.
		if err := l.stream.Purge(ctx, jetstream.WithPurgeSubject(l.names.StateSubject(b.source, "note", Token(p.video))), jetstream.WithPurgeSequence(p.note+1)); err != nil {
			return 0, missed(err)
		}
	}
	return 0, nil
}

type foldMark struct {
	storedFold

	seq uint64
}

func (l *Log) foldMark(ctx context.Context, source string) (foldMark, error) {
	m, ok, err := l.lastOf(ctx, l.names.StateSubject(source, "fold"))
	if err != nil || !ok {
		return foldMark{}, missed(err)
	}
	mark := foldMark{seq: m.seq}
	if err := json.Unmarshal(m.body, &mark.storedFold); err != nil {
		return mark, &LoadError{Stream: l.names.Stream(), Subject: m.subject, Seq: m.seq, Err: err}
	}
	return mark, checkSchema(mark.Schema)
}

// highestPage is the number of the newest page of a source, zero for none.
func (l *Log) highestPage(ctx context.Context, source string) (int, error) {
	m, ok, err := l.lastOf(ctx, l.names.StateSubject(source, "baseline", "*"))
	if err != nil || !ok {
		return 0, err
	}
	n, err := strconv.Atoi(m.subject[strings.LastIndexByte(m.subject, '.')+1:])
	if err != nil {
		return 0, &LoadError{Stream: l.names.Stream(), Subject: m.subject, Seq: m.seq, Err: errors.New("a page has no number")}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(n, l.pages[source]), nil
}

// refold brings a state in line with the folds that this process made, and finds out about those of others. It reports false when
// all has to be read again.
func (l *Log) refold(ctx context.Context, state *diff.State) (bool, error) {
	source := state.Source
	l.mu.Lock()
	folded := l.refolds[source]
	delete(l.refolds, source)
	known := l.foldMarks[source]
	due := time.Since(l.foldLooked[source]) >= birthEvery
	if due {
		l.foldLooked[source] = time.Now()
	}
	l.mu.Unlock()
	for _, p := range folded {
		state.Folded(p.video, p.last)
	}
	if !due {
		return true, nil
	}
	mark, err := l.foldMark(ctx, source)
	if err != nil {
		return true, err
	}
	return mark.seq <= known, nil
}

// FoldedTo is the highest sequence of an event that was purged because of its age, as far as this process knows: readers that are
// not beyond it may have missed some.
func (l *Log) FoldedTo() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.foldedTo
}

// KeepFor folds old events of sources now and then, until ctx ends. sources and owed are asked each time; an error of owed leaves
// everything for the next time. report is told what came of it.
func (l *Log) KeepFor(ctx context.Context, age, every time.Duration, sources func() []string, owed func(context.Context) (uint64, error), report func(Folded, error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due, err := owed(ctx)
		if err != nil {
			report(Folded{}, fmt.Errorf("ask what is owed: %w", err))
			continue
		}
		var sum Folded
		for _, source := range sources() {
			done, err := l.Fold(ctx, source, Fold{Before: time.Now().Add(-age), Owed: due})
			sum.Videos, sum.Events, sum.To = sum.Videos+done.Videos, sum.Events+done.Events, max(sum.To, done.To)
			if err != nil {
				report(sum, err)
				sum = Folded{}
			}
		}
		if ctx.Err() != nil {
			return
		}
		report(sum, nil)
		if sum.Events > 0 {
			l.log.Info("old events folded into pages", zap.Int("videos", sum.Videos), zap.Int("events", sum.Events))
		}
	}
}
