package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// holdKey stands in place of an event id in the retry stream. Event ids begin with evt_.
const holdKey = "_hold"

// hold is why an endpoint gets nothing for now, as kept in the retry stream so that it survives a restart.
type hold struct {
	Disabled bool      `json:"disabled,omitempty"` // until the URL changes or Enable is called
	Until    time.Time `json:"until,omitzero"`     // Retry-After
	Since    time.Time `json:"since"`
	Status   int       `json:"status"`
	URLHash  string    `json:"url_hash"` // the receiver that asked for it: another one must not inherit it
}

// rest is how long the pause still lasts. It never exceeds the wait that was asked for, so that a clock set back does not hold
// an endpoint for ever.
func (h hold) rest(now time.Time) time.Duration {
	return min(h.Until.Sub(now), h.Until.Sub(h.Since))
}

func (s *records) loadHold(ctx context.Context, endpoint string) (hold, error) {
	msg, err := s.stream.GetLastMsgForSubject(ctx, s.names.RetrySubject(endpoint, holdKey))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return hold{}, nil
	}
	if err != nil {
		return hold{}, fmt.Errorf("read hold of endpoint %q: %w", endpoint, err)
	}
	var h hold
	decode(msg.Data, &h)
	return h, nil
}

func (s *records) saveHold(ctx context.Context, endpoint string, h hold) error {
	data, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("write hold of endpoint %q: %w", endpoint, err)
	}
	if _, err := s.js.Publish(ctx, s.names.RetrySubject(endpoint, holdKey), data); err != nil {
		return fmt.Errorf("write hold of endpoint %q: %w", endpoint, err)
	}
	return nil
}

func (s *records) dropHold(ctx context.Context, endpoint string) error {
	err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(s.names.RetrySubject(endpoint, holdKey)))
	if err != nil {
		return fmt.Errorf("delete hold of endpoint %q: %w", endpoint, err)
	}
	return nil
}

// gate is what a lane's feeds look at before they take a delivery. A later breaker closes it like the others do.
type gate struct {
	mu       sync.Mutex
	disabled bool
	until    time.Time
	changed  chan struct{} // closed and replaced at each change
}

func newGate() *gate { return &gate{changed: make(chan struct{})} }

func (g *gate) open(now time.Time) bool {
	open, _, _ := g.state(now)
	return open
}

// state returns whether deliveries may pass, how long until they may when that is known, and what to wait for besides.
func (g *gate) state(now time.Time) (open bool, wait time.Duration, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.disabled {
		return false, 0, g.changed
	}
	if wait := g.until.Sub(now); wait > 0 {
		return false, wait, g.changed
	}
	return true, 0, g.changed
}

// name is the state's name for people and metrics.
func (g *gate) name(now time.Time) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.disabled:
		return stateDisabled
	case g.until.After(now):
		return statePaused
	default:
		return stateActive
	}
}

// disable closes the gate until enable. It reports whether it was open to be closed.
func (g *gate) disable() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.disabled {
		return false
	}
	g.disabled = true
	g.announce()
	return true
}

func (g *gate) enable() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.disabled, g.until = false, time.Time{}
	g.announce()
}

// pause closes the gate until a time, and reports by how much that is later than what was asked for before. A disabled
// endpoint's pause means nothing.
func (g *gate) pause(until time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.disabled || !until.After(g.until) {
		return 0
	}
	later := until.Sub(g.until)
	g.until = until
	g.announce()
	return later
}

func (g *gate) announce() {
	close(g.changed)
	g.changed = make(chan struct{})
}
