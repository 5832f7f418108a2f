package webhook

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

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
	own    chan struct{} // one exchange that needs no place under the global limit
	global chan struct{} // shared by all lanes

	mu         sync.Mutex
	unfinished map[string]struct{} // events with a record from an earlier run, by subject token

	holdMu sync.Mutex // the gate and what is kept of it change together

	failures repeats
	burials  repeats
	pauses   repeats
	troubles repeats // the engine's, not the receiver's
}

// deliver sees one delivery through: recall, attempt, settle. When shut is closed, what has not started goes back; ctx ends
// only with the grace period, and breaks off what has.
func (l *lane) deliver(ctx context.Context, shut <-chan struct{}, d *delivery) {
	if l.bundled(ctx, shut, d) {
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
	body, err := l.target.compose(d.body)
	if err != nil {
		l.unrenderable(d, past, err)
		return
	}
	release, ok := l.acquire(shut)
	if !ok {
		d.handBack()
		return
	}
	l.metrics.inFlight.Inc()
	out := l.sender.send(ctx, l.target, d.id, body)
	l.metrics.inFlight.Dec()
	next := l.decide(past, out)
	l.heed(next) // before the place comes free: who waits for it must not slip through
	release()
	l.settle(d, past, next)
}

// recall finds what is known of earlier attempts. The usual delivery has none and asks nobody. It reports false when the
// delivery is not due and has been sent away.
func (l *lane) recall(d *delivery) (record, bool) {
	if d.handed <= 1 && !l.wasUnfinished(d.id) {
		return record{}, true
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	past, err := l.records.load(ctx, l.target.Name, d.id)
	if err != nil {
		l.trouble(err)
		d.later(engineRetry)
		return record{}, false
	}
	if past.Dead != "" {
		return past, true
	}
	if rest := past.rest(l.now()); rest > 0 {
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

// acquire waits for a place in the lane and then for one under the global limit. Each lane has one exchange that the global
// limit does not count, so that hanging endpoints, however many, cannot stop the others altogether.
func (l *lane) acquire(shut <-chan struct{}) (release func(), ok bool) {
	select {
	case l.slots <- struct{}{}:
	case <-shut:
		return nil, false
	}
	if closed(shut) || !l.gate.open(l.now()) { // while this one waited
		<-l.slots
		return nil, false
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
		<-l.slots
		return nil, false
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
	verdict verdict
	record  record        // with this attempt in it, unless it was aborted or delivered
	wait    time.Duration // until the next attempt, for verdictRetry
	pause   time.Time     // the whole endpoint waits until then, when it asked for that
}

// decide looks at nothing but its arguments, the clock and the jitter.
func (l *lane) decide(past record, out outcome) decision {
	next := decision{outcome: out, record: past}
	if out.aborted {
		return next
	}
	verdict, reason := judge(out, past.Attempts+1, l.target.Schedule)
	next.verdict = verdict
	if verdict == verdictDelivered {
		return next
	}
	now := l.now()
	next.record = past.noted(out, now)
	next.record.Dead = reason
	if verdict == verdictRetry {
		next.wait, next.pause = l.wait(next.record, out.retryAfter)
		next.record.NextAt = now.Add(next.wait)
	}
	return next
}

// wait is how long a failed delivery waits. A Retry-After holds the whole endpoint, and is never undercut; it is capped by
// what is left of the delivery's window.
func (l *lane) wait(r record, retryAfter time.Duration) (wait time.Duration, pause time.Time) {
	wait, _ = l.target.Schedule.after(r.Attempts, l.jitter())
	if retryAfter <= 0 {
		return wait, time.Time{}
	}
	left := r.FirstAt.Add(l.target.Schedule.window()).Sub(r.LastAt)
	asked := min(retryAfter, max(left, wait))
	return max(wait, asked), r.LastAt.Add(asked)
}

// heed closes the gate when the receiver said so.
func (l *lane) heed(next decision) {
	switch {
	case next.verdict == verdictDisable:
		l.disable(next.status, next.record.LastAt)
	case !next.pause.IsZero():
		l.pause(next.pause, next.status, next.record.LastAt)
	}
}

// settle answers for a delivery after its attempt.
func (l *lane) settle(d *delivery, past record, next decision) {
	if next.aborted {
		d.handBack()
		return
	}
	l.metrics.attempt(next.verdict, next.took)
	r := next.record
	switch next.verdict {
	case verdictDelivered:
		l.succeed(d, past, next.outcome)
	case verdictDead:
		l.fail(d, r, "")
		l.save(d, &r)
		l.buryAndFinish(d, r)
	case verdictDisable:
		l.save(d, &r)
		d.handBack()
	case verdictRetry:
		l.fail(d, r, next.wait.String())
		l.save(d, &r)
		d.later(r.NextAt.Sub(l.now()))
	}
}

func (l *lane) succeed(d *delivery, past record, out outcome) {
	d.done()
	l.metrics.latency.Observe(time.Since(d.stored).Seconds())
	l.recovered()
	if c := l.log.Check(zap.DebugLevel, "webhook delivered"); c != nil {
		c.Write(zap.String("event_id", d.id), zap.Int("status", out.status), zap.Int("attempt", past.Attempts+1),
			zap.Duration("took", out.took))
	}
	l.forget(past)
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
	var err error
	for range recordTries {
		if err = l.records.save(ctx, l.target.Name, d.id, r); err == nil || ctx.Err() != nil {
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
	d.done()
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
