package webhook

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"vidbell/notify"
)

const (
	engineTimeout = 5 * time.Second  // one request to the engine about a record, a hold or a dead letter
	engineRetry   = 5 * time.Second  // a delivery that the engine could not help with comes back after this
	recordTries   = 3                // of writing an attempt record before the attempt goes uncounted
	buryRetry     = 30 * time.Second // a dead letter that could not be stored is stored later
)

// lane is one endpoint at work: its limits, its gate and what is remembered of it. Its feeds bring the deliveries.
type lane struct {
	target  *target
	names   notify.Names
	js      jetstream.JetStream
	records *records
	sender  *sender
	metrics *laneMetrics
	log     *zap.Logger
	now     func() time.Time
	jitter  func() float64

	groups *groups
	gate   *gate
	slots  chan struct{} // InFlight of them
	rate   *rate.Limiter // rate.Inf for none
	own    chan struct{} // one exchange that needs no place under the global limit
	global chan struct{} // shared by all lanes

	line      *line  // nil without order
	lineKnown bool   // from a lane before
	linedUp   uint64 // what was unfinished at the start is in line up to here

	key     string // the endpoint's name in attempt records; the lane of replays has one of its own
	live    *lane  // set in a lane of replays: the endpoint's other one, which looks after its health
	replays *lane  // set in the other one
	journal *journal
	latest  *latest       // of both
	waiting atomic.Int64  // deliveries without a slot
	gentle  *rate.Limiter // of replays
	feeds   []*feed       // of what is live; none in a lane of replays
	arrived idSet         // replays that were taken, and whose letters are not removed yet
	buried  idSet         // given up in the last moment of the run before

	mu         sync.Mutex
	unfinished map[string]struct{} // events with a record from an earlier run, by subject token
	strays     map[position]ticket // of what failed since the last success and is not back yet

	healthMu   sync.Mutex // the gate and what is kept of it change together
	health     health
	dirty      bool                   // health has not been written down
	inherited  bool                   // health is that of the lane before
	retired    bool                   // another lane has inherited it, or the endpoint is gone
	remarkable atomic.Bool            // a success has something to change in health
	shown      atomic.Pointer[health] // health, for those who must not wait for the engine
	underWay   atomic.Int64

	failures repeats
	burials  repeats
	pauses   repeats
	misfits  repeats // events that the filter could not be asked about
	troubles repeats // the engine's, not the receiver's
}

// deliver sees one delivery through: recall, attempt, settle. When shut is closed, what has not started goes back; ctx ends
// only with the grace period, and breaks off what has.
func (l *lane) deliver(ctx context.Context, shut <-chan struct{}, d *delivery) {
	if l.settled(d) || l.bundled(ctx, shut, d) {
		return
	}
	past, ok := l.recall(d)
	if !ok {
		return
	}
	if past.Dead != "" {
		l.buryAndFinish(d, past)
		return
	}
	if past.Attempts == 0 && !l.wants(d) { // one that was tried goes on, whatever the filter says since
		l.finish(d)
		return
	}
	if !l.inTurn(d) {
		return
	}
	body, err := l.target.compose(d.body)
	if err != nil {
		l.unrenderable(d, past, err)
		return
	}
	pass, ok := l.acquire(shut)
	if !ok {
		d.handBack()
		return
	}
	next := l.decide(past, l.attempt(ctx, d.mission(past), body), pass.probe)
	l.heed(next) // before the place comes free: who waits for it must not slip through
	pass.release()
	l.settle(d, past, next)
}

func (l *lane) attempt(ctx context.Context, m mission, body []byte) outcome {
	l.front().underWay.Add(1)
	l.metrics.inFlight.Inc()
	defer func() {
		l.front().underWay.Add(-1)
		l.metrics.inFlight.Dec()
	}()
	ctx, end := l.sender.trace(ctx, l.target.Name, m)
	out := l.sender.send(ctx, l.target, m.id, body)
	end(out)
	return out
}

// recall finds what is known of earlier attempts. The usual delivery has none and asks nobody. It reports false when the
// delivery is not due and has been sent away.
func (l *lane) recall(d *delivery) (record, bool) {
	if d.handed <= 1 && !l.wasUnfinished(d.id) {
		return record{}, true
	}
	l.seenAgain(d)
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	past, err := l.records.load(ctx, l.key, d.id)
	if err != nil {
		l.trouble(err)
		d.later(engineRetry)
		return record{}, false
	}
	if past.Dead != "" {
		return past, true
	}
	if rest := past.rest(l.now()); rest > 0 && !l.early(past) {
		d.later(rest)
		return record{}, false
	}
	return past, true
}

func (l *lane) wasUnfinished(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.unfinished) == 0 {
		return false
	}
	_, ok := l.unfinished[notify.Token(id)]
	return ok
}

// early reports whether a delivery may be tried before it is due: it failed because the receiver was away, and waits for
// the receiver's return and not for its schedule.
func (l *lane) early(r record) bool {
	return isOutage(r.LastClass, r.LastStatus) && l.gate.early(r.LastAt)
}

// pass is the permission to make one attempt.
type pass struct {
	probe   bool // through an open breaker
	release func()
}

// acquire waits for a place in the lane, for its rate, and then for a place under the global limit. The gate has the last
// word: it may have closed meanwhile.
func (l *lane) acquire(shut <-chan struct{}) (pass, bool) {
	if !l.slot(shut) {
		return pass{}, false
	}
	release, ok := l.place(shut)
	if !ok {
		<-l.slots
		return pass{}, false
	}
	if closed(shut) {
		release()
		return pass{}, false
	}
	probe, ok := l.gate.admit(l.now())
	if !ok {
		release()
		return pass{}, false
	}
	return pass{probe, release}, true
}

func (l *lane) slot(shut <-chan struct{}) bool {
	if l.live != nil && !l.giveWay(shut) {
		return false
	}
	l.waiting.Add(1)
	defer l.waiting.Add(-1)
	select {
	case l.slots <- struct{}{}:
		return true
	case <-shut:
		return false
	}
}

// place waits for a place under the global limit. Each lane has one exchange that the limit does not count, so that hanging
// endpoints, however many, cannot stop the others altogether.
func (l *lane) place(shut <-chan struct{}) (release func(), ok bool) {
	if closed(shut) || !l.pace(shut) {
		return nil, false
	}
	if l.live != nil { // the free place is for live deliveries
		return l.globalPlace(shut)
	}
	select {
	case l.own <- struct{}{}: // the free place first
		return l.releaseOwn, true
	default:
	}
	select {
	case l.own <- struct{}{}:
		return l.releaseOwn, true
	case l.global <- struct{}{}:
		return l.releaseGlobal, true
	case <-shut:
		return nil, false
	}
}

// pace waits as long as the endpoint's rate asks for.
func (l *lane) pace(shut <-chan struct{}) bool {
	if l.rate.Limit() == rate.Inf {
		return true
	}
	turn := l.rate.Reserve()
	wait := time.NewTimer(turn.Delay())
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-shut:
		turn.Cancel()
		return false
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (l *lane) releaseOwn()    { <-l.own; <-l.slots }
func (l *lane) releaseGlobal() { <-l.global; <-l.slots }

// decision is what follows from an attempt.
type decision struct {
	outcome
	probe   bool
	verdict verdict
	record  record        // with this attempt in it, unless it was aborted or delivered
	wait    time.Duration // until the next attempt, for verdictRetry
	pause   time.Time     // the whole endpoint waits until then, when it asked for that
}

func (d decision) outage() bool { return isOutage(d.class, d.status) }

// decide looks at nothing but its arguments, the clock and the jitter.
func (l *lane) decide(past record, out outcome, probe bool) decision {
	next := decision{outcome: out, record: past, probe: probe}
	if out.aborted {
		return next
	}
	now := l.now()
	next.record = past.noted(out, now)
	// What only found that the receiver is still away has cost the delivery nothing: its schedule is for a receiver that is
	// there. So nothing is given up in an outage.
	free := next.outage() && (probe || past.rest(now) > 0)
	if free {
		next.record.Free++
	}
	next.verdict, next.record.Dead = judge(out, next.record.steps(), l.target.Schedule)
	if free && next.record.Dead == ReasonUsedUp {
		next.verdict, next.record.Dead = verdictRetry, ""
	}
	switch {
	case next.verdict == verdictDelivered:
		next.record = past
	case next.verdict == verdictDisable:
		next.record.Free++ // the endpoint is at fault, and whoever enables it has mended that
	case next.verdict == verdictDead && out.retryAfter > 0: // the others wait, each at most for as long as it has
		next.pause = now.Add(min(out.retryAfter, l.target.Schedule.window()))
	case next.verdict == verdictRetry && free:
		_, next.pause = l.wait(next.record, out.retryAfter)
		if past.Attempts > 0 {
			next.record.NextAt = past.NextAt
		}
		next.wait = max(0, next.record.rest(now))
	case next.verdict == verdictRetry:
		next.wait, next.pause = l.wait(next.record, out.retryAfter)
		next.record.NextAt = now.Add(next.wait)
	}
	return next
}

// wait is how long a failed delivery waits. A Retry-After holds the whole endpoint, and is never undercut; it is capped by
// what is left of the delivery's window.
func (l *lane) wait(r record, retryAfter time.Duration) (wait time.Duration, pause time.Time) {
	wait, _ = l.target.Schedule.after(r.steps(), l.jitter())
	if retryAfter <= 0 {
		return wait, time.Time{}
	}
	left := r.FirstAt.Add(l.target.Schedule.window() + r.Held).Sub(r.LastAt)
	asked := min(retryAfter, max(left, wait))
	return max(wait, asked), r.LastAt.Add(asked)
}

// heed draws the conclusions for the whole endpoint.
func (l *lane) heed(next decision) {
	l = l.front()
	old := !next.probe && l.gate.isOld(next.record.LastAt.Add(-next.took))
	switch {
	case next.aborted && next.probe:
		l.gate.abandon()
	case next.aborted:
	case next.verdict == verdictDelivered:
		l.noteSuccess(l.now())
	case next.verdict == verdictDisable:
		l.gone(next)
	default:
		if !next.pause.IsZero() {
			l.pause(next.pause, next.status, next.record.LastAt)
		}
		if !old {
			l.noteFailure(next)
		}
	}
}

// settle answers for a delivery after its attempt.
func (l *lane) settle(d *delivery, past record, next decision) {
	if next.aborted {
		d.handBack()
		return
	}
	l.metrics.attempt(next.verdict, next.took)
	l.noteAttempt(d, past, next)
	r := next.record
	switch next.verdict {
	case verdictDelivered:
		l.succeed(d, past, next.outcome)
	case verdictDead:
		l.fail(d, r, "")
		r.Excerpt = next.excerpt
		l.save(d, &r)
		l.buryAndFinish(d, r)
	case verdictDisable:
		l.save(d, &r)
		d.handBack()
	case verdictRetry:
		l.fail(d, r, next.wait.String())
		l.save(d, &r)
		l.comeAgain(d, r)
	}
}

// position is where a delivery stands.
type position struct {
	stream string
	seq    uint64
}

// comeAgain sends a delivery that failed back to the engine. In an outage it waits for nothing but the next probe; before
// that it waits for its next step, and is called back when the breaker opens meanwhile.
func (l *lane) comeAgain(d *delivery, r record) {
	l.mu.Lock() // the gate may open until this is answered: then callBack comes after
	defer l.mu.Unlock()
	outage := isOutage(r.LastClass, r.LastStatus)
	if outage && l.gate.isOpen() {
		d.handBack()
		return
	}
	if outage {
		l.strays[d.position()] = d.ticket()
	}
	d.later(r.NextAt.Sub(l.now()))
}

// callBack has the engine hand out again what waits for a step of its schedule since the receiver's outage began.
func (l *lane) callBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.strays {
		t.hurry(l.js.Conn())
	}
	clear(l.strays)
	if l.replays != nil {
		l.replays.callBack()
	}
}

// clearStrays leaves the failures before a success to their schedules: they were no outage.
func (l *lane) clearStrays() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.strays)
	if l.replays != nil {
		l.replays.clearStrays()
	}
}

// seenAgain notes that a delivery came back, so that an old ticket does not disturb it.
func (l *lane) seenAgain(d *delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.strays, d.position())
}

// finish lets go of a delivery that is over.
func (l *lane) finish(d *delivery) {
	d.done()
	l.stepOut(d)
}

func (l *lane) succeed(d *delivery, past record, out outcome) {
	l.recovered()
	if c := l.log.Check(zap.DebugLevel, "webhook delivered"); c != nil {
		c.Write(zap.String("event_id", d.id), zap.Int("status", out.status), zap.Int("attempt", past.Attempts+1),
			zap.Duration("took", out.took))
	}
	if l.taken(d) {
		l.forget(past)
	}
}

func (l *lane) recovered() {
	if total, since := l.failures.clear(); total > 0 {
		l.log.Info("webhook endpoint answers again", zap.Int("failed_attempts", total), zap.Time("failing_since", since))
	}
}

// save writes the attempt record. When the engine will not have it, the attempt goes uncounted: the delivery is then tried
// more often than its schedule says, never less.
func (l *lane) save(d *delivery, r *record) {
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	if d.video != "" {
		r.Event, r.Video = d.seq, d.video
	}
	var err error
	for range recordTries {
		if err = l.records.save(ctx, l.key, d.id, r); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		l.trouble(err)
	}
}

// buryAndFinish stores the dead letter, and only then lets go of the event. It reports whether that was done; else the event
// comes again.
func (l *lane) buryAndFinish(d *delivery, r record) bool {
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	if err := bury(ctx, l.js, l.names, l.target.Name, d, r); err != nil {
		l.trouble(err)
		d.later(buryRetry)
		return false
	}
	l.finish(d)
	l.metrics.dead.Inc()
	if n, ok := l.burials.hit(string(r.Dead), l.now()); ok {
		l.log.Error("webhook delivery given up, kept as dead letter", zap.String("event_id", d.id), zap.String("reason", string(r.Dead)),
			zap.Int("attempts", r.Attempts), zap.Int("status", r.LastStatus), zap.Int("count", n))
	}
	l.forget(r)
	return true
}

func (l *lane) forget(r record) {
	if r.seq == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	if err := l.records.drop(ctx, r); err != nil {
		l.trouble(err)
	}
}
