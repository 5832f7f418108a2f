package webhook

import (
	"context"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/nats-io/nats.go/jetstream"

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

// deliver sees one delivery through: recall, attempt, settle. open ends when the lane closes, and what has not started by then
// goes back; hard ends only with the grace period.
func (l *lane) deliver(open, hard context.Context, d *delivery) {
	past, ok := l.recall(d)
	if !ok {
		return
	}
	if past.Dead != "" {
		l.buryAndFinish(d, past)
		return
	}
	release, ok := l.acquire(open)
	if !ok {
		d.handBack()
		return
	}
	l.metrics.inFlight.Inc()
	out := l.sender.send(hard, l.target, d.id, d.body)
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
func (l *lane) acquire(open context.Context) (release func(), ok bool) {
	select {
	case l.slots <- struct{}{}:
	case <-open.Done():
		return nil, false
	}
	if open.Err() != nil || !l.gate.open(l.now()) { // the lane closed while this one waited
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
	case <-open.Done():
		<-l.slots
		return nil, false
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
	if total, since := l.failures.clear(); total > 0 {
		l.log.Info("webhook endpoint answers again", zap.Int("failed_attempts", total), zap.Time("failing_since", since))
	}
	if c := l.log.Check(zap.DebugLevel, "webhook delivered"); c != nil {
		c.Write(zap.String("event_id", d.id), zap.Int("status", out.status), zap.Int("attempt", past.Attempts+1),
			zap.Duration("took", out.took))
	}
	l.forget(past)
}

// pauseKept is the least change of a pause worth a write: sixteen answers in a row ask for about the same moment.
const pauseKept = time.Second

func (l *lane) pause(until time.Time, status int, now time.Time) {
	l.holdMu.Lock()
	defer l.holdMu.Unlock()
	if later := l.gate.pause(until); later < pauseKept {
		return
	}
	l.showState()
	if n, ok := l.pauses.hit(strconv.Itoa(status), now); ok {
		l.log.Info("webhook endpoint asked for a pause", zap.Int("status", status), zap.Time("until", until), zap.Int("count", n))
	}
	l.keepHold(hold{Until: until, Since: now, Status: status, URLHash: l.target.urlHash})
}

// disable closes the lane after a 410: the receiver says that it is gone for good.
func (l *lane) disable(status int, now time.Time) {
	l.holdMu.Lock()
	defer l.holdMu.Unlock()
	if !l.gate.disable() {
		return
	}
	l.showState()
	l.log.Error("webhook endpoint disabled, its events are kept",
		zap.Int("status", status), zap.String("to_resume", "change the endpoint's URL or enable it"))
	l.keepHold(hold{Disabled: true, Since: now, Status: status, URLHash: l.target.urlHash})
}

func (l *lane) keepHold(h hold) {
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	if err := l.records.saveHold(ctx, l.target.Name, h); err != nil {
		l.trouble(err)
	}
}

// enable opens the lane again, whatever closed it.
func (l *lane) enable(ctx context.Context) error {
	l.holdMu.Lock()
	defer l.holdMu.Unlock()
	if err := l.records.dropHold(ctx, l.target.Name); err != nil {
		return err
	}
	l.gate.enable()
	l.showState()
	l.log.Info("webhook endpoint enabled")
	return nil
}

func (l *lane) showState() { l.metrics.enter(l.gate.name(l.now())) }

// restore brings back what an earlier run knew: the hold, unless the URL is another one now, and which events have records.
func (l *lane) restore(ctx context.Context) error {
	l.holdMu.Lock()
	defer l.holdMu.Unlock()
	defer l.showState()
	unfinished, err := l.records.unfinished(ctx, l.target.Name)
	if err != nil {
		return err
	}
	delete(unfinished, holdKey)
	l.mu.Lock()
	l.unfinished = unfinished
	l.mu.Unlock()
	h, err := l.records.loadHold(ctx, l.target.Name)
	if err != nil {
		return err
	}
	switch {
	case h.Since.IsZero():
		return nil
	case h.URLHash != l.target.urlHash:
		l.log.Info("webhook endpoint has a new URL, its hold is lifted")
		return l.records.dropHold(ctx, l.target.Name)
	case h.Disabled:
		l.gate.disable()
		l.log.Error("webhook endpoint is still disabled, its events are kept", zap.Int("status", h.Status), zap.Time("since", h.Since))
	case h.Until.After(l.now()):
		l.gate.pause(h.Until)
	}
	return nil
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

// buryAndFinish stores the dead letter, and only then lets go of the event.
func (l *lane) buryAndFinish(d *delivery, r record) {
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	if err := bury(ctx, l.js, l.names, l.target.Name, d, r); err != nil {
		l.trouble(err)
		d.later(buryRetry)
		return
	}
	d.done()
	l.metrics.dead.Inc()
	if n, ok := l.burials.hit(string(r.Dead), l.now()); ok {
		l.log.Error("webhook delivery given up, kept as dead letter", zap.String("event_id", d.id), zap.String("reason", string(r.Dead)),
			zap.Int("attempts", r.Attempts), zap.Int("status", r.LastStatus), zap.Int("count", n))
	}
	l.forget(r)
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

func (l *lane) fail(d *delivery, r record, next string) {
	fields := func() []zap.Field {
		return []zap.Field{
			zap.String("event_id", d.id), zap.Int("attempt", r.Attempts), zap.String("class", string(r.LastClass)),
			zap.Int("status", r.LastStatus), zap.String("detail", r.LastDetail), zap.String("next_in", next),
		}
	}
	if n, ok := l.failures.hit(string(r.LastClass)+strconv.Itoa(r.LastStatus), l.now()); ok {
		l.log.Warn("webhook attempt failed", append(fields(), zap.Int("count", n))...)
		return
	}
	if c := l.log.Check(zap.DebugLevel, "webhook attempt failed"); c != nil {
		c.Write(fields()...)
	}
}

// trouble reports a failure between us and the engine, calm the end of it.
func (l *lane) trouble(err error) {
	if n, ok := l.troubles.hit(err.Error(), l.now()); ok {
		l.log.Warn("webhook state not read or written, trying on", zap.Error(err), zap.Int("count", n))
	}
}

func (l *lane) calm() {
	if total, since := l.troubles.clear(); total > 0 {
		l.log.Info("webhook deliveries flow again", zap.Int("failures", total), zap.Time("failing_since", since))
	}
}
