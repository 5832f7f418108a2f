package webhook

import (
	"errors"
	"time"
)

// State says in one word how an endpoint fares. The set is closed: it labels metrics, and stands in stored health.
type State string

// The states of an endpoint, the graver one first where two apply.
const (
	StateDisabled State = "disabled" // nothing is sent until it is enabled or its URL changes
	StateDegraded State = "degraded" // its breaker is open: one delivery at a time looks whether it is back
	StatePaused   State = "paused"   // a Retry-After is being obeyed
	StateActive   State = "active"
)

var states = []State{StateDisabled, StateDegraded, StatePaused, StateActive}

// Cause says why an endpoint is degraded or disabled. The set is closed: it is the reason of endpoint.* events.
type Cause string

// The causes of trouble with an endpoint.
const (
	CauseFailing   Cause = "failing"    // degraded: failures in a row that speak of an outage
	CauseGone      Cause = "gone"       // disabled: it answered 410
	CauseNoSuccess Cause = "no_success" // disabled: not one success in five days
	CauseOperator  Cause = "operator"   // disabled: by Disable
)

// Health is what there is to know of an endpoint's state.
type Health struct {
	Endpoint string
	State    State
	// Cause and Detail say why it is degraded or disabled; empty otherwise. Detail is for people, without URL or secret.
	Cause  Cause
	Detail string
	// Status is the HTTP status that led there, 0 for none.
	Status int
	// Since is when it came into the state; zero for one that was never in another.
	Since time.Time
	// Next is when something may be sent again, for an endpoint that is paused or degraded.
	Next time.Time
	// FailingSince is the first failure after its last success; zero when the last attempt succeeded.
	FailingSince time.Time
	// FailuresInRow counts the failures since its last success that speak of an outage.
	FailuresInRow int
	// InFlight are the requests under way.
	InFlight int
}

// ErrNoEndpoint means that no endpoint has the name given.
var ErrNoEndpoint = errors.New("there is no endpoint by that name")
