package webhook

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"vidbell/notify"
)

const (
	drainWait    = 2 * time.Second // for what is on its way to us when we stop
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 5 * time.Second
)

// feed brings a lane the deliveries of one stream. It speaks the pull protocol itself, because an iterator of the client
// library buffers messages where nobody sees them: their ack clock runs out behind a slow receiver, and on a stop they are
// dropped instead of handed back. Here every message that the engine has handed out is in held, is kept alive, and is
// answered for; and no more are asked for than the lane can start soon.
//
// Where the process has the engine to itself there is no such consumer: see own.go.
//
// All fields but floor, first, counted, place and turned belong to the goroutine in run.
type feed struct {
	lane     *lane
	js       jetstream.JetStream
	conn     *nats.Conn
	log      *zap.Logger
	stream   string
	consumer string
	filters  []string
	next     string                 // subject of pull requests
	turned   atomic.Int64           // when run last turned, as the time since born; 0 while it does not run
	born     time.Time              // what turned counts from: no clock that is set matters
	first    firstStored            // behind the floor
	floor    atomic.Uint64          // every event up to it is acknowledged
	counted  counted                // behind the cursor
	queue    bool                   // it brings replays
	alone    bool                   // its position is a cursor
	place    atomic.Pointer[cursor] // that one, once it is known
	own      ownFeed                // with a cursor
	limit    int                    // of held and asked for together
	room     int                    // limit, or less while the gate is not all open

	sub       *nats.Subscription // nil while the lane is closed or the engine away
	inbox     string
	shut      chan struct{} // closed when sub is given up
	asked     int           // messages that the engine still owes us
	heard     time.Time
	held      map[uint64]*delivery
	past      pastOpen // what a cursor knew that the consumer does not
	suspects  uint64   // up to this sequence the engine's count of deliveries starts over
	arrivals  chan *nats.Msg
	finished  chan *delivery
	drained   chan struct{}
	draining  int
	gaveUp    bool // on what the engine may have sent us
	stopping  bool
	repaired  chan error
	repairing bool
	broken    bool // the consumer has to be looked at before it is asked again
	backoff   time.Duration
	retryAt   time.Time
}

// cursor is the feed's position where it has one of its own; nil before it is known.
func (f *feed) cursor() *cursor { return f.place.Load() }

func newFeed(l *lane, js jetstream.JetStream, stream, consumer string, filters []string) *feed {
	// A few more than there are slots, so that the next delivery is here when a slot comes free.
	limit := l.target.InFlight + max(1, l.target.InFlight/2)
	if l.groups.wait > 0 {
		limit = max(limit, 2*l.groups.most) // one group under way, the next one collecting
	}
	return &feed{
		lane: l, born: time.Now(), js: js, conn: js.Conn(), stream: stream, consumer: consumer, filters: filters, limit: limit,
		next:     nextSubject(js, stream, consumer),
		log:      l.log.With(zap.String("stream", stream)),
		held:     make(map[uint64]*delivery, limit),
		arrivals: make(chan *nats.Msg, 4*limit+64), // a reset may have two requests answered at once, and there are heartbeats
		finished: make(chan *delivery, limit),
		drained:  make(chan struct{}, 16),
		repaired: make(chan error, 1),
		own:      newOwnFeed(limit),
	}
}

// run feeds the lane until ctx ends, and then stays until every delivery it took is answered for.
func (f *feed) run(ctx, hard context.Context) {
	if f.alone {
		f.runOwn(ctx, hard)
		return
	}
	tick := time.NewTicker(keepAliveEvery)
	defer tick.Stop()
	wake := time.NewTimer(0)
	defer wake.Stop()
	status := f.conn.StatusChanged(nats.CONNECTED)
	defer f.conn.RemoveStatusListener(status)
	stop := ctx.Done()
	var giveUp <-chan time.Time
	defer f.turned.Store(0)
	for {
		f.turned.Store(max(1, int64(time.Since(f.born))))
		changed := f.steer(ctx, wake)
		if ctx.Err() != nil && f.sub == nil && f.empty() {
			return
		}
		select {
		case msg := <-f.arrivals:
			f.take(hard, msg)
		case d := <-f.finished:
			f.release(d)
		case <-tick.C:
			f.keepAlive()
		case <-changed:
		case <-wake.C:
		case <-status:
			f.reset() // whatever was asked for was asked of the connection before
		case err := <-f.repaired:
			f.afterRepair(err)
		case <-f.drained:
			f.draining = max(0, f.draining-1)
		case <-stop:
			stop, giveUp = nil, time.After(drainWait)
		case <-giveUp:
			f.gaveUp = f.gaveUp || f.draining > 0
			f.draining = 0
		}
	}
}

func (f *feed) empty() bool {
	return len(f.held) == 0 && f.draining == 0 && !f.repairing && len(f.arrivals) == 0
}

// steer brings the subscription in line with what is wanted, and asks for messages when there is room.
func (f *feed) steer(ctx context.Context, wake *time.Timer) (changed <-chan struct{}) {
	now := time.Now()
	open, changed := f.admits(ctx, now, wake)
	if !open {
		f.close()
		return changed
	}
	if f.broken {
		f.repair()
		return changed
	}
	if f.sub == nil {
		f.begin(now)
	}
	f.ask(now)
	return changed
}

// admits reports whether anything may be handed to the lane now, and sets how much. If nothing may, and it is known until when, the
// feed is woken then; changed tells of what is not known.
func (f *feed) admits(ctx context.Context, now time.Time, wake *time.Timer) (open bool, changed <-chan struct{}) {
	room, wait, changed := f.lane.gate.state(f.lane.now())
	if rest := f.retryAt.Sub(now); room > 0 && rest > 0 {
		room, wait = 0, rest
	}
	f.room, f.stopping = f.allowed(room), ctx.Err() != nil
	open = room > 0 && !f.stopping
	if !open && wait > 0 {
		wake.Reset(wait)
	}
	return open, changed
}

// allowed is how many deliveries to hold: a few more than may be under way, unless the gate counts them one by one.
func (f *feed) allowed(room int) int {
	if room > 0 && f.lane.groups.wait > 0 { // the gate counts messages, and one of them has many events
		return f.limit
	}
	if room < f.lane.target.InFlight {
		return min(room, f.limit)
	}
	return f.limit
}

func (f *feed) reset() {
	f.close()
	f.retryAt = time.Time{}
}

// fail closes the feed for a while after something went wrong between us and the engine.
func (f *feed) fail(err error) {
	f.close()
	f.broken = true
	f.holdOff(err)
}

// holdOff lets nothing more be handed out for a while, longer each time until the engine does what it should.
func (f *feed) holdOff(err error) {
	f.backoff = min(max(2*f.backoff, backoffFirst), backoffMost)
	f.retryAt = time.Now().Add(f.backoff)
	f.lane.trouble(err)
}

// take starts a delivery, or reads what the engine has to say about a request.
func (f *feed) take(hard context.Context, msg *nats.Msg) {
	if code := statusOf(msg); code != "" {
		f.status(code, msg)
		return
	}
	meta, err := msg.Metadata()
	if err != nil {
		f.lane.trouble(err)
		return
	}
	now := time.Now()
	f.alive(now)
	f.asked = max(0, f.asked-1)
	seq := meta.Sequence.Stream
	if known := f.held[seq]; known != nil && !known.answered.Load() { // our sign of life was lost; the attempt under way answers for this one as well
		known.reply.Store(&msg.Reply)
		return
	}
	d := newDelivery(f.conn, msg, meta, now)
	if f.past.isOver(seq) { // a process that kept the position itself has seen to it
		d.done()
		return
	}
	if !f.ours(msg.Header) {
		f.skip(d)
		return
	}
	f.lane.lineUp(d)
	if f.queue {
		d.requeued(msg)
	}
	if f.sub == nil {
		if !f.stopping || !f.lane.park(d) {
			d.handBack()
		}
		f.lane.sentBack(d)
		return
	}
	if seq <= f.suspects {
		d.handed++
	}
	f.held[seq] = d
	go f.deliver(hard, f.shut, d)
}

// ours reports whether vidbell wrote a message. What is queued for a replay carries the event's id in a header of its own.
func (f *feed) ours(h nats.Header) bool {
	if !f.queue {
		return notify.IsEvent(h)
	}
	return isQueueable(h.Get(HeaderEventID), h.Get(contentTypeHeader))
}

// skip acknowledges a message that vidbell did not write: it is neither signed nor sent.
func (f *feed) skip(d *delivery) {
	d.done()
	f.lane.metrics.foreign.Inc()
	f.log.Warn("a message that is none of ours is in the log and is not delivered", zap.Uint64("sequence", d.seq), zap.String("subject", d.subject))
}

// alive notes that the engine does what it should.
func (f *feed) alive(now time.Time) {
	f.heard = now
	if f.backoff > 0 {
		f.backoff = 0
		f.lane.calm()
	}
}

func (f *feed) deliver(ctx context.Context, shut <-chan struct{}, d *delivery) {
	f.lane.deliver(ctx, shut, d)
	f.finished <- d
}

// release lets go of a delivery that was answered for, unless the engine has been quick to hand it out again.
func (f *feed) release(d *delivery) {
	if f.held[d.seq] != d {
		return
	}
	delete(f.held, d.seq)
	if !d.over {
		f.lane.sentBack(d)
	}
}

// keepAlive tells the engine that what is held is being worked on, and notices when the engine has gone silent.
func (f *feed) keepAlive() {
	now := time.Now()
	for _, d := range f.held {
		if now.Sub(d.taken) > keepAliveEvery/2 {
			d.working()
		}
	}
	if f.sub != nil && f.asked > 0 && now.Sub(f.heard) > pullSilence {
		f.fail(errNoAnswer)
	}
}

// repair looks after the consumer, away from the loop: it waits for the engine.
func (f *feed) repair() {
	if f.repairing {
		return
	}
	f.repairing = true
	floor := f.floor.Load()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
		defer cancel()
		f.repaired <- f.revive(ctx, floor)
	}()
}

type revivedError struct{ last uint64 }

func (revivedError) Error() string { return errConsumerGone.Error() }

func (f *feed) revive(ctx context.Context, floor uint64) error {
	if f.queue { // what was not acknowledged is still in the queue
		return ensureQueueConsumer(ctx, f.js, f.stream, f.consumer, f.filters, f.lane.target.Order)
	}
	revived, last, err := reviveConsumer(ctx, f.js, f.stream, f.consumer, f.filters, floor)
	if err == nil && revived {
		return revivedError{last}
	}
	return err
}

func (f *feed) afterRepair(err error) {
	f.repairing = false
	var revived revivedError
	switch {
	case errors.As(err, &revived):
		f.suspects = revived.last
		f.log.Error("webhook consumer was deleted and is created again, some deliveries may be repeated",
			zap.String("consumer", f.consumer), zap.Uint64("from_sequence", f.floor.Load()+1))
	case err != nil:
		f.fail(err)
		return
	}
	f.broken = false
}

// standing is where the endpoint stands in the stream.
func (f *feed) standing(ctx context.Context) (standing, error) {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	var at standing
	if f.alone {
		place := f.cursor()
		if place == nil {
			return at, errNotPrepared
		}
		n, err := f.countUnread(ctx) // first: what is given meanwhile counts twice, and not never
		if err != nil {
			return at, err
		}
		at = place.standing()
		at.unread = n
	} else {
		consumer, err := f.js.Consumer(ctx, f.stream, f.consumer)
		if err != nil {
			return at, err
		}
		at = standingOf(consumer.CachedInfo())
	}
	f.floor.Store(at.floor)
	return at, nil
}
