package webhook

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// unit is an endpoint at work: the lane of what is live, that of its replays, and what feeds them.
type unit struct {
	lane  *lane
	queue *feed // of replays

	prepared chan struct{}                        // closed when the engine has what the endpoint needs
	halt     func(context.Context, time.Duration) // nil before it was started
}

// newUnit makes an endpoint ready for prepareUnit.
func (d *Dispatcher) newUnit(t *target, m *laneMetrics) *unit {
	c := d.config
	l := &lane{
		target: t, names: c.Names, js: c.JetStream, records: d.records, metrics: m,
		sender: newSender(d.exits.way(t.policy()), c.Version, c.Now, c.Tracer),
		log:    c.Logger.With(zap.String("endpoint", t.Name)), now: c.Now, jitter: c.Jitter,
		groups: newGroups(t, d.owner), gate: newGate(t.InFlight, c.timing),
		slots: make(chan struct{}, t.InFlight), own: make(chan struct{}, 1), global: d.global,
		strays: make(map[position]ticket), rate: t.limiter(),
		key: t.Name, journal: d.journal, latest: &latest{},
	}
	if t.Order == OrderVideo {
		l.line = newLine()
	}
	l.heedGrants()
	l.hold(health{})
	for stream, filters := range d.wanted(t) {
		if len(filters) > 0 {
			f := newFeed(l, c.JetStream, stream, c.Names.Consumer(t.Name), filters)
			f.alone = d.positions != nil
			l.feeds = append(l.feeds, f)
		}
	}
	return &unit{lane: l, queue: d.newQueue(l), prepared: make(chan struct{})}
}

// prepareUnit makes the endpoint's consumers and reads what an earlier run knew. It may be called again.
func (d *Dispatcher) prepareUnit(ctx context.Context, u *unit) error {
	if err := d.prepareLane(ctx, u.lane); err != nil {
		return err
	}
	if err := u.queue.prepareQueue(ctx); err != nil {
		return err
	}
	if !u.isPrepared() {
		close(u.prepared)
	}
	return nil
}

func (u *unit) isPrepared() bool { return closed(u.prepared) }

// stop takes nothing more, hands back what has not started, gives the requests under way the time they may take, less when ctx
// ends, and returns when every delivery is answered for.
func (u *unit) stop(ctx context.Context) {
	if u.halt != nil {
		u.halt(ctx, u.lane.target.Timeout+haltMargin)
	}
}

// run delivers until ctx ends. An endpoint that succeeds another waits for the engine first, as at a start.
func (d *Dispatcher) run(ctx, hard context.Context, u *unit) {
	for wait := backoffFirst; !u.isPrepared(); wait = min(2*wait, backoffMost) {
		ask, cancel := context.WithTimeout(ctx, engineTimeout)
		err := d.prepareUnit(ask, u)
		cancel()
		if err == nil {
			u.lane.calm()
			break
		}
		if ctx.Err() != nil {
			return
		}
		u.lane.trouble(err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
	var feeds sync.WaitGroup
	for _, f := range slices.Concat(u.lane.feeds, []*feed{u.queue}) {
		feeds.Go(func() { f.run(ctx, withScheme(hard, f.lane.target.url.Scheme)) })
	}
	feeds.Wait()
	last, cancel := context.WithTimeout(context.Background(), flushWait)
	defer cancel()
	if err := u.lane.signOff(last, u.lane.isClean()); err != nil {
		u.lane.trouble(err)
	}
}

// isClean reports whether the feeds have seen all that the engine sent them.
func (l *lane) isClean() bool {
	for _, f := range l.feeds {
		if f.gaveUp {
			return false
		}
	}
	return true
}

// shift is a Run: the endpoints at work, which come and go.
type shift struct {
	d     *Dispatcher
	ctx   context.Context
	hard  context.Context // ends with the grace period
	over  bool            // no more are started; guarded by the dispatcher's mutex
	units sync.WaitGroup
	end   func()
}

func newShift(ctx context.Context, d *Dispatcher) *shift {
	hard, cancel := context.WithCancel(context.Background())
	stopGrace := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(d.config.Grace, cancel)
		context.AfterFunc(hard, func() { timer.Stop() })
	})
	return &shift{d: d, ctx: ctx, hard: hard, end: func() { stopGrace(); cancel() }}
}

// wait returns when all endpoints have stopped.
func (w *shift) wait() {
	w.units.Wait()
	w.end()
}

// start sets an endpoint to work. The dispatcher's mutex is held.
func (w *shift) start(u *unit) {
	if w.over {
		return
	}
	ctx, stop := context.WithCancel(w.ctx)
	hard, breakOff := context.WithCancel(w.hard)
	ended := make(chan struct{})
	u.halt = func(hurry context.Context, grace time.Duration) {
		stop()
		end := time.AfterFunc(grace, breakOff)
		defer end.Stop()
		defer context.AfterFunc(hurry, func() { end.Reset(w.d.config.Grace / 2) })()
		<-ended
	}
	w.units.Go(func() {
		defer close(ended)
		defer breakOff()
		defer stop()
		w.d.run(ctx, hard, u)
	})
}

// all returns the endpoints as they are now; nobody changes what it returns.
func (d *Dispatcher) all() []*unit {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.units
}

// roster is what works for the endpoints, in their order.
type roster struct {
	lanes  []*lane
	feeds  []*feed // of what is live
	queues []*feed // of replays, one a lane
}

func (d *Dispatcher) roster() *roster {
	all := &roster{}
	for _, u := range d.all() {
		all.lanes, all.feeds, all.queues = append(all.lanes, u.lane), append(all.feeds, u.lane.feeds...), append(all.queues, u.queue)
	}
	return all
}
