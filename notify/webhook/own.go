package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"vidbell/notify"
)

// ownFeed is what a feed with a cursor needs. The engine hands nothing out there: a reader brings what comes next, ahead of need,
// and all that is in hand is known to the cursor alone. So there is nothing to keep alive, nor to give back.
type ownFeed struct {
	reader   atomic.Pointer[reader] // nil while nothing is read; set by the loop, looked at by others
	opening  bool
	opened   chan opening
	loading  int // events that are due and looked up
	loaded   chan loadedEvent
	open     bool // deliveries are handed to the lane
	closedAt time.Time
	idle     atomic.Bool // all that the reader brought is taken, and it waits for more
	behind   atomic.Uint64
	missed   atomic.Bool // there is more, and the reader has not brought it
}

// readerIdle is for how long a feed that may send nothing keeps its reader.
const readerIdle = notify.ReaderQuiet / 2

// reader reads a stream on from a cursor, by a consumer that the engine keeps in memory and acknowledges nothing to.
type reader struct {
	name     string // of its consumer
	next     string // subject of pull requests
	sub      *nats.Subscription
	arrivals chan *nats.Msg
	asked    int
	heard    time.Time
	last     uint64 // the consumer's number of what came last
	taken    atomic.Uint64
	ahead    []arrival
}

// arrival is a message that the reader brought.
type arrival struct {
	msg  *nats.Msg
	meta *nats.MsgMetadata
}

// opening is what became of the attempt to make a reader's consumer.
type opening struct {
	name string
	err  error
}

// loadedEvent is an event that was given before, read again; nil when it is not in the log any more.
type loadedEvent struct {
	seq, epoch uint64
	msg        *jetstream.RawStreamMsg
	err        error
}

func newOwnFeed(limit int) ownFeed {
	return ownFeed{opened: make(chan opening, 1), loaded: make(chan loadedEvent, limit)}
}

// runOwn is run for a feed that has a cursor.
func (f *feed) runOwn(ctx, hard context.Context) {
	tick := time.NewTicker(keepAliveEvery)
	defer tick.Stop()
	wake := time.NewTimer(0)
	defer wake.Stop()
	status := f.conn.StatusChanged(nats.CONNECTED)
	defer f.conn.RemoveStatusListener(status)
	stop := ctx.Done()
	defer f.turned.Store(0)
	defer f.dropReader()
	for {
		f.turned.Store(max(1, int64(time.Since(f.born))))
		changed := f.steerOwn(ctx, hard, wake)
		if ctx.Err() != nil && !f.own.open && len(f.held) == 0 && f.own.loading == 0 && !f.own.opening {
			return
		}
		var arrivals <-chan *nats.Msg
		if r := f.own.reader.Load(); r != nil {
			arrivals = r.arrivals
		}
		select {
		case msg := <-arrivals:
			f.arrive(msg)
			for range len(arrivals) { // all there is costs one look around
				f.arrive(<-arrivals)
			}
		case l := <-f.own.loaded:
			f.takeLoaded(hard, l)
		case d := <-f.finished:
			f.release(d)
			for range len(f.finished) {
				f.release(<-f.finished)
			}
		case o := <-f.own.opened:
			f.afterOpening(o)
		case <-f.cursor().due:
		case <-tick.C:
			f.watchReader()
		case <-changed:
		case <-wake.C:
		case <-status:
			f.dropReader() // it was asked of the connection before
			f.retryAt = time.Time{}
		case <-stop:
			stop = nil
		}
	}
}

// steerOwn hands out what the gate has room for: first what is due again, then what is new.
func (f *feed) steerOwn(ctx, hard context.Context, wake *time.Timer) (changed <-chan struct{}) {
	now := time.Now()
	open, changed := f.admits(ctx, now, wake)
	if !open {
		f.closeOwn(now)
		return changed
	}
	f.openOwn()
	f.handOut(hard, now)
	if at, some := f.cursor().nextDue(); some && f.free() > 0 && f.own.loading == 0 {
		wake.Reset(max(0, at.Sub(now)))
	}
	if r := f.own.reader.Load(); r != nil {
		f.askAhead(r, now)
	} else if f.free() > 0 {
		f.openReader()
	}
	return changed
}

// free is for how many more deliveries there is room.
func (f *feed) free() int { return f.room - len(f.held) - f.own.loading }

func (f *feed) openOwn() {
	if f.own.open {
		return
	}
	f.own.open, f.shut = true, make(chan struct{})
	if l := f.lane.line; l != nil {
		l.open(f.lane.now())
	}
	f.lane.showState()
}

func (f *feed) closeOwn(now time.Time) {
	if f.own.open {
		f.own.open, f.own.closedAt = false, now
		close(f.shut)
	}
}

func (f *feed) handOut(hard context.Context, now time.Time) {
	if f.own.loading == 0 && f.free() > 0 {
		if seqs, epoch := f.cursor().giveDue(now, min(f.free(), cap(f.own.loaded))); len(seqs) > 0 {
			f.own.loading = len(seqs)
			go func() { f.own.load(f.js, f.stream, seqs, epoch) }()
		}
	}
	r := f.own.reader.Load()
	if r == nil {
		return
	}
	for len(r.ahead) > 0 && f.free() > 0 && f.cursor().opened() < maxAckPending {
		next := r.ahead[0]
		r.ahead[0], r.ahead = arrival{}, r.ahead[1:]
		f.takeNew(hard, next, now)
		r.taken.Add(1)
	}
	f.own.idle.Store(len(r.ahead) == 0 && r.asked > 0 && f.free() > 0)
}

// load reads events again that were given before, in the order in which they are due.
func (o *ownFeed) load(js jetstream.JetStream, from string, seqs []uint64, epoch uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	stream, err := js.Stream(ctx, from)
	for _, seq := range seqs {
		l := loadedEvent{seq: seq, epoch: epoch, err: err}
		if err == nil {
			l.msg, l.err = stream.GetMsg(ctx, seq)
		}
		if errors.Is(l.err, jetstream.ErrMsgNotFound) {
			l.msg, l.err = nil, nil
		}
		o.loaded <- l
	}
}

func (f *feed) takeLoaded(hard context.Context, l loadedEvent) {
	f.own.loading--
	handed, open := f.cursor().handedOut(l.seq, l.epoch)
	switch {
	case !open: // with all of its log
		return
	case l.err != nil:
		f.cursor().later(l.seq, l.epoch, engineRetry)
		if f.retryAt.Before(time.Now()) { // one failure has them all
			f.failOwn(l.err)
		}
		return
	case l.msg == nil:
		f.cursor().done(l.seq, l.epoch)
		f.log.Warn("an event that was to be delivered has left the log", zap.Uint64("sequence", l.seq))
		return
	}
	msg := &nats.Msg{Subject: l.msg.Subject, Header: l.msg.Header, Data: l.msg.Data}
	d := newDelivery(f.conn, msg, &nats.MsgMetadata{
		Stream: f.stream, Sequence: nats.SequencePair{Stream: l.seq}, NumDelivered: handed, Timestamp: l.msg.Time,
	}, time.Now())
	d.cursor, d.epoch = f.cursor(), l.epoch
	f.hand(hard, d)
}

func (f *feed) takeNew(hard context.Context, next arrival, now time.Time) {
	if !f.cursor().isNew(next.meta.Sequence.Stream) {
		return
	}
	d := newDelivery(f.conn, next.msg, next.meta, now)
	d.cursor = f.cursor()
	if !f.ours(next.msg.Header) {
		f.cursor().pass(d.seq)
		f.skip(d)
		return
	}
	d.handed, d.epoch = f.cursor().give(d.seq)
	f.hand(hard, d)
}

func (f *feed) hand(hard context.Context, d *delivery) {
	f.lane.lineUp(d)
	if !f.own.open {
		d.handBack()
		f.lane.sentBack(d)
		return
	}
	f.held[d.seq] = d
	go f.deliver(hard, f.shut, d)
}

// openReader makes a consumer behind the cursor, away from the loop: it waits for the engine.
func (f *feed) openReader() {
	if f.own.opening {
		return
	}
	f.own.opening = true
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
		defer cancel()
		name, err := f.createReader(ctx)
		f.own.opened <- opening{name, err}
	}()
}

func (f *feed) createReader(ctx context.Context) (name string, err error) {
	stream, err := f.js.Stream(ctx, f.stream)
	if err != nil {
		return "", err
	}
	if f.cursor().follow(stream.CachedInfo()) {
		f.cursor().sheet.touch()
	}
	consumer, err := stream.CreateConsumer(ctx, readerConfig(f.cursor().unread(), f.filters))
	if err != nil {
		return "", err
	}
	return consumer.CachedInfo().Name, nil
}

func readerConfig(from uint64, filters []string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Description: "vidbell: webhook endpoint", DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1),
		AckPolicy: jetstream.AckNonePolicy, FilterSubjects: filters, MemoryStorage: true, Replicas: 1, InactiveThreshold: notify.ReaderQuiet,
	}
}

func (f *feed) afterOpening(o opening) {
	f.own.opening = false
	if o.err != nil {
		f.failOwn(o.err)
		return
	}
	r := &reader{
		name: o.name, next: nextSubject(f.js, f.stream, o.name), heard: time.Now(),
		arrivals: make(chan *nats.Msg, 2*f.limit+64), // there are heartbeats
	}
	var err error
	if r.sub, err = f.conn.ChanSubscribe(f.conn.NewInbox(), r.arrivals); err != nil {
		f.failOwn(err)
		return
	}
	f.own.reader.Store(r)
	f.own.missed.Store(false)
}

// dropReader forgets the reader, and what it brought that was not taken: that is still behind the cursor.
func (f *feed) dropReader() {
	r := f.own.reader.Swap(nil)
	if r == nil {
		return
	}
	f.own.idle.Store(false)
	_ = r.sub.Unsubscribe() // fails with the connection, which takes it along
	_ = f.conn.Publish(deleteSubject(f.js, f.stream, r.name), nil)
}

// failOwn closes the feed for a while after something went wrong between us and the engine.
func (f *feed) failOwn(err error) {
	f.dropReader()
	f.holdOff(err)
}

// askAhead requests what is to come, a few at a time: each request costs the engine as much as a message.
func (f *feed) askAhead(r *reader, now time.Time) {
	room := f.limit - len(r.ahead) - r.asked
	if room < max(1, f.limit/4) {
		return
	}
	if err := pull(f.conn, r.next, r.sub.Subject, room); err != nil {
		f.failOwn(err)
		return
	}
	if r.asked == 0 {
		r.heard = now
	}
	r.asked += room
}

// arrive keeps what the reader brings, or reads what the engine has to say about a request.
func (f *feed) arrive(msg *nats.Msg) {
	r := f.own.reader.Load()
	if r == nil { // given up over what came before
		return
	}
	r.heard = time.Now()
	if code := statusOf(msg); code != "" {
		left, err := readStatus(code, msg)
		switch r.asked = max(0, r.asked-left); {
		case err != nil:
			f.failOwn(err)
		case left == 0:
			f.alive(r.heard)
		}
		return
	}
	meta, err := msg.Metadata()
	if err == nil && meta.Sequence.Consumer != r.last+1 {
		err = errGap
	}
	if err != nil {
		f.failOwn(err)
		return
	}
	f.alive(r.heard)
	r.last = meta.Sequence.Consumer
	r.asked = max(0, r.asked-1)
	r.ahead = append(r.ahead, arrival{msg, meta})
}

var errGap = errors.New("the engine's messages have a gap")

// watchReader notices when the engine has gone silent, and lets go of a reader that is not needed for a while.
func (f *feed) watchReader() {
	r, now := f.own.reader.Load(), time.Now()
	switch {
	case r == nil:
	case r.asked > 0 && now.Sub(r.heard) > pullSilence:
		f.failOwn(errNoAnswer)
	case !f.own.open && now.Sub(f.own.closedAt) > readerIdle, f.own.missed.Load():
		f.dropReader()
	}
}

// counted is how many events are behind a cursor that has no reader, as of its place and the end of the stream.
type counted struct {
	mu         sync.Mutex
	next, last uint64
	made       time.Time
	n          uint64
}

// countUnread counts the events that were never given.
func (f *feed) countUnread(ctx context.Context) (uint64, error) {
	if r := f.own.reader.Load(); r != nil {
		consumer, err := f.js.Consumer(ctx, f.stream, r.name)
		if err == nil {
			info := consumer.CachedInfo()
			n := info.NumPending + info.Delivered.Consumer - min(r.taken.Load(), info.Delivered.Consumer)
			// The reader has brought it all, it says, and there is more: somebody else has read from its consumer.
			f.own.missed.Store(n > 0 && f.own.idle.Load() && f.own.behind.Swap(n) == n)
			return n, nil
		}
		if !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return 0, err
		}
	}
	stream, err := f.js.Stream(ctx, f.stream)
	if err != nil {
		return 0, err
	}
	next, info, c := f.cursor().unread(), stream.CachedInfo(), &f.counted
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == next && c.made.Equal(info.Created) && c.last == info.State.LastSeq {
		return c.n, nil
	}
	n, err := countFrom(ctx, f.js, f.stream, next, f.filters)
	if err != nil {
		return 0, err
	}
	c.next, c.last, c.made, c.n = next, info.State.LastSeq, info.Created, n
	return n, nil
}

// countFrom counts a stream's messages that match filters, from a place on.
func countFrom(ctx context.Context, js jetstream.JetStream, stream string, from uint64, filters []string) (uint64, error) {
	reader, err := js.CreateConsumer(ctx, stream, readerConfig(from, filters))
	if err != nil {
		return 0, fmt.Errorf("count messages of stream %s: %w", stream, err)
	}
	_ = js.Conn().Publish(deleteSubject(js, stream, reader.CachedInfo().Name), nil) // else it ages out
	return reader.CachedInfo().NumPending, nil
}
