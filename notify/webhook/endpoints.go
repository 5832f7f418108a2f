package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// EndpointState is an endpoint as it is shown to people.
type EndpointState struct {
	Name string
	// URL is scheme, host and the first letters of the path; user info and query, and what else may be secret, are left out.
	URL    string
	Format string
	// State is healthy, degraded or disabled, in the words of people: see State for the finer one.
	State string
	// Health is the finer state, with its cause and detail.
	Health Health
	// Since is when it came into the state, Reason why: a Cause, empty for a healthy one. Detail is for people.
	Since  time.Time
	Reason string
	Detail string
	// Pending counts the events not yet delivered, those that wait for a retry included; Queued those of a replay.
	Pending uint64
	Queued  uint64
	// OldestPending is when the oldest of the pending was stored; zero for none, or when it is not known.
	OldestPending time.Time
	InFlight      int
	// LastSuccess and LastFailure are the times of the newest attempts of each kind that are known, zero for none.
	LastSuccess time.Time
	LastFailure time.Time
	// LastClass and LastStatus are those of the last failure, a Class and an HTTP status or 0. LastDetail is for people.
	LastClass  string
	LastStatus int
	LastDetail string
	// NextAttempt is when something is sent again to an endpoint that is paused or degraded; zero for now, or never.
	NextAttempt time.Time
	// DeadLetters counts those that are kept.
	DeadLetters uint64
}

// The words of EndpointState.State.
const (
	EndpointHealthy  = "healthy"
	EndpointDegraded = "degraded"
	EndpointDisabled = "disabled"
)

// Endpoints tells how all endpoints fare, in the order of the configuration. The error is the engine's.
func (d *Dispatcher) Endpoints(ctx context.Context) ([]EndpointState, error) {
	if !d.isPrepared() {
		return nil, errNotPrepared
	}
	lanes := d.roster().lanes
	all := make([]EndpointState, len(lanes))
	for i, l := range lanes {
		var err error
		if all[i], err = d.endpointState(ctx, l); err != nil {
			return nil, fmt.Errorf("state of endpoint %q: %w", l.target.Name, err)
		}
	}
	return all, nil
}

func (d *Dispatcher) endpointState(ctx context.Context, l *lane) (EndpointState, error) {
	names, name, h := d.config.Names, l.target.Name, l.report()
	s := EndpointState{
		Name: name, URL: l.target.masked(), Format: string(l.target.Format), State: plainState(h.State), Health: h,
		Since: h.Since, Reason: string(h.Cause), Detail: h.Detail, InFlight: h.InFlight, NextAttempt: h.Next,
	}
	var err error
	if s.Pending, s.OldestPending, err = d.backlog(ctx, l); err != nil {
		return s, err
	}
	if s.DeadLetters, err = countOf(ctx, l.js, names.DeadStream(), below(names.DeadSubject(name, "x")), 0); err != nil {
		return s, err
	}
	if s.Queued, err = countOf(ctx, l.js, names.ReplayStream(), replaysOf(names, name), 0); err != nil {
		return s, err
	}
	success, failure, err := d.lastAttempts(ctx, l)
	s.LastSuccess, s.LastFailure = success, failure.At
	s.LastClass, s.LastStatus, s.LastDetail = failure.Class, failure.Status, failure.Detail
	return s, err
}

// plainState leaves out what passes by itself: an endpoint that asked for a pause is healthy.
func plainState(s State) string {
	switch s {
	case StateDegraded:
		return EndpointDegraded
	case StateDisabled:
		return EndpointDisabled
	default:
		return EndpointHealthy
	}
}

// maxAskedFilters bounds what is asked to find the oldest pending event.
const maxAskedFilters = 16

// oldestPending is when the first event behind the consumer's floor was stored: that one is not acknowledged.
func (f *feed) oldestPending(ctx context.Context) (at time.Time, err error) {
	stream, err := f.js.Stream(ctx, f.stream)
	if err != nil {
		return at, err
	}
	for _, filter := range f.filters {
		msg, err := stream.GetMsg(ctx, f.floor.Load()+1, jetstream.WithGetMsgSubject(filter))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return at, err
		}
		if at.IsZero() || msg.Time.Before(at) {
			at = msg.Time
		}
	}
	return at, nil
}

// lastAttempts are the newest of each kind: those of this run, or what the delivery log has not far back.
func (d *Dispatcher) lastAttempts(ctx context.Context, l *lane) (success time.Time, failure Attempt, err error) {
	success, last := l.latest.read()
	if failure = last.attempt(l.target.Name, 0); !success.IsZero() && !failure.At.IsZero() || l.latest.looked() {
		return success, failure, nil
	}
	log := backwards{
		js: l.js, stream: l.names.DeliveriesStream(), subject: l.names.DeliverySubject(l.target.Name),
	}
	_, err = log.each(ctx, func(msg *jetstream.RawStreamMsg) bool {
		for text := range bytes.Lines(msg.Data) {
			var s storedAttempt
			if json.Unmarshal(text, &s) == nil {
				l.latest.note(s)
			}
		}
		success, last = l.latest.read()
		return (success.IsZero() || last.At.IsZero()) && log.bytes < lastLookBytes
	})
	if err == nil {
		l.latest.lookedNow()
	}
	return success, last.attempt(l.target.Name, 0), err
}

// lastLookBytes is how far back the last attempts are looked for after a start.
const lastLookBytes = 4 << 20

// masked is the URL without what may be secret: user info, query, and all of the path but its beginning, since chat services
// have their secrets in there.
func (t *target) masked() string {
	text := t.url.Scheme + "://" + t.url.Host
	path := t.url.EscapedPath()
	if path == "" || path == "/" {
		text += path
	} else {
		text += path[:min(maskedPath, len(path)/2)] + "..."
	}
	if t.url.RawQuery != "" {
		text += "?..."
	}
	return text
}

const maskedPath = 8
