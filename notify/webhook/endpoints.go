package webhook

import (
	"context"
	"time"
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
	return nil, errNotYet
}
