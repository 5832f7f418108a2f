package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"vidbell/notify"
)

const (
	// pauseKept is the least change of a pause worth a write: sixteen answers in a row ask for about the same moment.
	pauseKept = time.Second
	// failingKept is for how long an endpoint has to fail before the beginning is written down, a write for each hiccup
	// being too much. The breaker's opening is written down at once.
	failingKept = time.Minute
	// maxUntold bounds the endpoint.* events that wait for an engine that is away; the newest ones stay.
	maxUntold = 8
)

// health is what is kept of an endpoint in the health stream, so that a restart changes nothing for it.
type health struct {
	State        State     `json:"state"` // active, degraded or disabled: a pause is in Until
	Cause        Cause     `json:"cause,omitempty"`
	Detail       string    `json:"detail,omitempty"`
	Status       int       `json:"status,omitempty"`
	Since        time.Time `json:"since,omitzero"`
	Until        time.Time `json:"until,omitzero"`         // Retry-After
	Asked        time.Time `json:"asked,omitzero"`         // when it was asked for
	FailingSince time.Time `json:"failing_since,omitzero"` // the first failure after the last success
	Recovered    time.Time `json:"recovered,omitzero"`     // when the breaker last closed
	URLHash      string    `json:"url_hash"`               // the receiver that this is about: another one must not inherit it
	// Alarmed means that endpoint.degraded or endpoint.disabled was told, and endpoint.recovered was not.
	Alarmed bool `json:"alarmed,omitempty"`
	// Clean means that the last run of an endpoint with an order sent back all it had: nothing is under way that nobody knows.
	Clean bool `json:"clean,omitempty"`
	// Untold are events that may not have reached their stream yet.
	Untold []notify.EndpointEvent `json:"untold,omitempty"`

	seq uint64
}

// unremarkable health need not be touched by a success.
func (h health) unremarkable() bool {
	return h.State != StateDegraded && !h.Alarmed && h.FailingSince.IsZero()
}

// pausedUntil is the end of the pause. It never lasts longer than was asked for, so that a clock set back does not hold an
// endpoint for ever.
func (h health) pausedUntil(now time.Time) time.Time {
	return now.Add(min(h.Until.Sub(now), h.Until.Sub(h.Asked)))
}

func (s *records) loadHealth(ctx context.Context, endpoint string) (health, error) {
	msg, err := s.health.GetLastMsgForSubject(ctx, s.names.HealthSubject(endpoint))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return health{}, nil
	}
	if err != nil {
		return health{}, fmt.Errorf("read health of endpoint %q: %w", endpoint, err)
	}
	var h health
	decode(msg.Data, &h)
	h.seq = msg.Sequence
	return h, nil
}

// errOutrun means that another process has written an endpoint's health since this one read it.
var errOutrun = errors.New("another process has changed the endpoint's health")

// saveHealth replaces the health that h was made from, and no other.
func (s *records) saveHealth(ctx context.Context, endpoint string, h *health) error {
	data, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("write health of endpoint %q: %w", endpoint, err)
	}
	ack, err := s.js.Publish(ctx, s.names.HealthSubject(endpoint), data,
		jetstream.WithExpectStream(s.names.HealthStream()), jetstream.WithExpectLastSequencePerSubject(h.seq))
	var refused *jetstream.APIError
	if errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return errOutrun
	}
	if err != nil {
		return fmt.Errorf("write health of endpoint %q: %w", endpoint, err)
	}
	h.seq = ack.Sequence
	return nil
}

// pause obeys a Retry-After.
func (l *lane) pause(until time.Time, status int, now time.Time) {
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	if later := l.gate.pause(until); later < pauseKept {
		return
	}
	l.showState()
	if n, ok := l.pauses.hit(strconv.Itoa(status), now); ok {
		l.log.Info("webhook endpoint asked for a pause", zap.Int("status", status), zap.Time("until", until), zap.Int("count", n))
	}
	l.health.Until, l.health.Asked = until, now
	l.keep()
}

// noteFailure tells the gate of a failed attempt, and what follows from it to everybody else.
func (l *lane) noteFailure(next decision) {
	now := next.record.LastAt
	outage := next.outage()
	opened, expired := l.gate.failed(now, outage, next.probe)
	switch {
	case expired:
		l.disable(CauseNoSuccess, next.detail, next.status, now)
	case opened:
		l.degrade(next, now)
	default:
		l.keepFailing(now)
	}
}

// degrade writes down and tells that the breaker has opened. What failed before it did is called back: it waits for the
// receiver from now on, not for its schedule.
func (l *lane) degrade(next decision, now time.Time) {
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	if !l.gate.isOpen() {
		return // closed again by a success of the same moment
	}
	l.callBack()
	failing := l.gate.failingSince()
	h := health{State: StateDegraded, Cause: CauseFailing, Detail: next.detail, Status: next.status, Since: now, FailingSince: failing}
	if was := l.health; was.State == StateDegraded && was.Alarmed { // another process found it out before, and has told
		h.Alarmed, h.Since = true, was.Since
		l.become(h)
	} else {
		l.enter(h, notify.TypeEndpointDegraded, failing)
	}
	l.log.Warn("webhook endpoint degraded, its events are kept and it is probed",
		zap.String("class", string(next.class)), zap.Int("status", next.status), zap.String("detail", next.detail))
}

// keepFailing writes down since when the endpoint fails, once that is worth it.
func (l *lane) keepFailing(now time.Time) {
	failing := l.gate.failingSince()
	if failing.IsZero() || now.Sub(failing) < failingKept {
		return
	}
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	if l.health.FailingSince.IsZero() {
		l.health.FailingSince = failing
		l.keep()
	}
}

// noteSuccess tells the gate of a success, and everybody else if there was trouble before.
func (l *lane) noteSuccess(now time.Time) {
	closed := l.gate.succeeded(now)
	if closed {
		l.callBack()
	} else {
		l.clearStrays()
	}
	if !closed && !l.remarkable.Load() {
		return
	}
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	if l.health.State == StateDisabled || l.health.unremarkable() {
		return
	}
	was := l.health
	next := health{State: StateActive, Since: now, Recovered: was.Recovered}
	if closed {
		next.Recovered = now
	}
	if !was.Alarmed {
		next.Since = was.Since
		l.become(next)
		return
	}
	next.Cause, next.Detail = was.Cause, was.Detail // for the event
	l.enter(next, notify.TypeEndpointRecovered, was.Since)
	l.log.Info("webhook endpoint recovered", zap.String("cause", string(was.Cause)), zap.Time("since", was.Since))
}

// gone disables an endpoint that says so, unless it was asked before somebody enabled it: several requests may be under way, and
// enabling takes as long as the engine does.
func (l *lane) gone(next decision) {
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	if at := next.record.LastAt; next.probe || !l.gate.isOld(at.Add(-next.took)) {
		l.shut(CauseGone, next.detail, next.status, at)
	}
}

// disable closes the lane, and keeps its backlog.
func (l *lane) disable(cause Cause, detail string, status int, now time.Time) {
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	l.shut(cause, detail, status, now)
}

// shut is disable, for a caller that holds healthMu.
func (l *lane) shut(cause Cause, detail string, status int, now time.Time) {
	failing := l.gate.failingSince()
	if !l.gate.disable() {
		l.restate(cause, detail)
		return
	}
	if cause == CauseOperator && detail == "" {
		detail = "no reason was given"
	}
	since := now
	if cause == CauseNoSuccess {
		since = failing
	}
	l.enter(health{State: StateDisabled, Cause: cause, Detail: detail, Status: status, Since: now, FailingSince: failing},
		notify.TypeEndpointDisabled, since)
	l.log.Error("webhook endpoint disabled, its events are kept", zap.String("cause", string(cause)), zap.Int("status", status),
		zap.String("to_resume", "change the endpoint's URL or enable it"))
}

// restate has an operator's word stand for why a disabled endpoint is disabled, whatever it was before. The caller holds healthMu.
func (l *lane) restate(cause Cause, detail string) {
	if cause != CauseOperator || detail == "" || l.health.State != StateDisabled {
		return
	}
	next := l.health
	next.Cause, next.Detail, next.Status = cause, detail, 0
	l.become(next)
	l.log.Info("webhook endpoint is disabled for another reason now", zap.String("cause", string(cause)))
}

// enable opens the lane again, whatever closed it. That it recovered is told when it has taken a delivery.
func (l *lane) enable(ctx context.Context) error {
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	now := l.now()
	next := health{
		State: StateActive, Cause: l.health.Cause, Since: now, Recovered: now, URLHash: l.target.urlHash,
		Alarmed: l.health.Alarmed, Untold: l.health.Untold, seq: l.health.seq,
	}
	if err := l.overwrite(ctx, &next); err != nil {
		return err
	}
	l.hold(next)
	l.callBack()
	l.gate.enable(now)
	l.showState()
	l.log.Info("webhook endpoint enabled")
	return nil
}

// enter brings the endpoint into a state, writes it down, and tells the world. The caller holds healthMu.
func (l *lane) enter(next health, kind string, since time.Time) {
	event := notify.NewEndpointEvent(kind, notify.EndpointTrouble{
		Endpoint: l.target.Name, Reason: string(next.Cause), Detail: next.Detail, Since: since, At: next.Since,
	})
	next.Untold = append(slices.Clone(l.health.Untold), event)
	next.Untold = next.Untold[max(0, len(next.Untold)-maxUntold):]
	next.Alarmed = kind != notify.TypeEndpointRecovered
	if !next.Alarmed {
		next.Cause, next.Detail = "", ""
	}
	l.become(next)
}

func (l *lane) become(next health) {
	next.URLHash, next.seq = l.target.urlHash, l.health.seq
	if next.Untold == nil {
		next.Untold = l.health.Untold
	}
	if next.Until.IsZero() { // a pause outlasts whatever else is found out
		next.Until, next.Asked = l.health.Until, l.health.Asked
	}
	l.hold(next)
	l.showState()
	l.keep()
}

// hold remembers what is kept. The caller holds healthMu.
func (l *lane) hold(h health) {
	l.health = h
	l.remarkable.Store(!h.unremarkable())
	l.shown.Store(&h)
}

// keep writes the health down and tells what is untold, now, or when the engine is there again.
func (l *lane) keep() {
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	l.dirty = true
	if err := l.flushHealth(ctx); err != nil {
		l.trouble(err)
	}
}

// flushHealth writes first and tells then: an event that is told twice has one id, one that was forgotten has none.
func (l *lane) flushHealth(ctx context.Context) error {
	l.hold(l.health)
	if l.dirty {
		if err := l.writeHealth(ctx); err != nil {
			return err
		}
		l.dirty = false
	}
	if len(l.health.Untold) == 0 {
		return nil
	}
	for _, event := range l.health.Untold {
		if err := notify.ReportEndpoint(ctx, l.js, l.names, event); err != nil {
			return err
		}
	}
	l.health.Untold = nil
	return l.writeHealth(ctx)
}

// writeHealth writes the health down. If another process has come to the same conclusion before, it has told the world as
// well, and this one holds its tongue. Each time that it is outrun it looks again: the other may have come to it just now.
func (l *lane) writeHealth(ctx context.Context) error {
	l.health.URLHash = l.target.urlHash
	for {
		err := l.records.saveHealth(ctx, l.target.Name, &l.health)
		if !errors.Is(err, errOutrun) {
			return err
		}
		other, err := l.records.loadHealth(ctx, l.target.Name)
		if err != nil {
			return err
		}
		next := l.health
		next.seq = other.seq
		switch {
		case other.URLHash != next.URLHash:
		case other.State == StateDisabled && next.State != StateDisabled: // an operator's word, or the receiver's own
			l.gate.disable()
			next = other
		case other.State == next.State && other.Alarmed == next.Alarmed:
			next.Untold = other.Untold
		case other.State == StateActive && next.State == StateDegraded && other.Since.After(next.Since):
			next.Alarmed = false // the other has told that it recovered: this one may find that out in silence
		}
		if next.Until.Before(other.Until) {
			next.Until, next.Asked = other.Until, other.Asked
		}
		l.hold(next)
	}
}

// overwrite writes health over whatever another process has written.
func (l *lane) overwrite(ctx context.Context, h *health) error {
	for {
		err := l.records.saveHealth(ctx, l.target.Name, h)
		if !errors.Is(err, errOutrun) {
			return err
		}
		other, err := l.records.loadHealth(ctx, l.target.Name)
		if err != nil {
			return err
		}
		h.seq = other.seq
	}
}

// tend does what the engine was not there for, and takes over what another process wrote. It is called every few seconds.
func (l *lane) tend(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	if l.retired {
		return nil
	}
	l.showState() // a pause ends without anybody's doing
	err := l.flushHealth(ctx)
	if err == nil {
		err = l.follow(ctx)
	}
	if err != nil && ctx.Err() == nil {
		l.trouble(err)
	}
	return err
}

// follow obeys what another process that shares the endpoint has found out or was told: disabled, enabled, paused, recovered.
// That the endpoint is away each process finds out for itself: it may be the way there that is broken.
func (l *lane) follow(ctx context.Context) error {
	h, err := l.records.loadHealth(ctx, l.target.Name)
	if err != nil || h.seq <= l.health.seq || h.URLHash != l.target.urlHash {
		return err
	}
	was := l.health.State
	l.hold(h)
	switch {
	case h.State == StateDisabled:
		l.gate.disable()
	case was == StateDisabled:
		l.callBack()
		l.gate.enable(l.now())
	case h.State == StateActive && was == StateDegraded: // there may be nothing left here to find that out with
		l.gate.succeeded(l.now())
		l.callBack()
	}
	l.gate.pause(h.pausedUntil(l.now()))
	l.showState()
	return nil
}

func (l *lane) showState() { l.metrics.enter(l.gate.name(l.now())) }

// restore brings back what an earlier run knew: the health, unless the URL is another one now, and which events have records.
func (l *lane) restore(ctx context.Context) error {
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	defer l.showState()
	if err := l.restoreRecords(ctx); err != nil {
		return err
	}
	if l.inherited {
		return l.flushHealth(ctx)
	}
	h, err := l.records.loadHealth(ctx, l.target.Name)
	if err != nil {
		return err
	}
	h = l.ofThisURL(h)
	l.hold(h)
	l.gate.restore(h, l.now())
	if h.State == StateDisabled {
		l.log.Error("webhook endpoint is still disabled, its events are kept",
			zap.String("cause", string(h.Cause)), zap.Int("status", h.Status), zap.Time("since", h.Since))
	}
	return l.flushHealth(ctx)
}

// ofThisURL is what an earlier lane's health means for this one: another receiver begins anew. The caller holds healthMu.
func (l *lane) ofThisURL(h health) health {
	if h.URLHash == "" || h.URLHash == l.target.urlHash {
		return h
	}
	l.log.Info("webhook endpoint has a new URL, it begins anew", zap.String("state", string(h.State)))
	l.dirty = true
	return health{
		State: StateActive, URLHash: l.target.urlHash, Cause: h.Cause, Alarmed: h.Alarmed, Untold: h.Untold, Clean: h.Clean, seq: h.seq,
	}
}

func (l *lane) restoreRecords(ctx context.Context) error {
	unfinished, err := l.records.unfinished(ctx, l.key)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unfinished = unfinished
	return nil
}

// report is the lane's health for whoever asks.
func (l *lane) report() Health {
	h, now := *l.shown.Load(), l.now()
	r := Health{Endpoint: l.target.Name, State: l.gate.name(now), Since: h.Since, InFlight: int(l.underWay.Load())}
	if r.State == StateDegraded || r.State == StateDisabled {
		r.Cause, r.Detail, r.Status = h.Cause, h.Detail, h.Status
	}
	r.Next, r.FailingSince, r.FailuresInRow = l.gate.outlook(now)
	return r
}
