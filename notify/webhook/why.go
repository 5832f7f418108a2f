package webhook

import (
	"context"
	"time"
)

// Explanation answers why something has not arrived, or when it did.
type Explanation struct {
	Endpoint string
	// Asked is what was asked about, an event id or a video's number.
	Asked string
	// Events are those of the video, or the one asked about, the newest first; at most 50.
	Events []EventFate
}

// EventFate is how one event fares with one endpoint.
type EventFate struct {
	EventID  string
	Type     string
	Source   string
	VideoNo  string
	StoredAt time.Time
	// Wanted says whether the endpoint's types, sources and expression ask for the event. Unwanted names the one that does
	// not: types, sources or filter.
	Wanted   bool
	Unwanted string
	// DeliveredAt is when the endpoint took it; zero when it did not, or so long ago that the delivery log has forgotten.
	DeliveredAt time.Time
	// Attempts are those that the delivery log has, the newest first; at most 20.
	Attempts []Attempt
	// AttemptsMade counts all of them, as the delivery itself knows.
	AttemptsMade int
	// Fate is one of the Fate constants.
	Fate string
	// WaitingUntil is when it is tried next, when that is known; WaitingFor is one of the Waiting constants, or empty.
	WaitingUntil time.Time
	WaitingFor   string
	// Ahead is how many events of the endpoint come before it, for one that waits for its turn.
	Ahead uint64
	// Dead is the dead letter, nil when there is none.
	Dead *DeadLetter
	// Replay says that a replay of it is queued or under way.
	Replay bool
	// Sentence says all of it in one plain sentence.
	Sentence string
}

// The fates of an event at an endpoint.
const (
	FateDelivered = "delivered"
	FateWaiting   = "waiting"
	FateDead      = "dead"
	FateUnwanted  = "unwanted"
	FateMissed    = "missed" // stored before the endpoint was there, or when its settings did not ask for it: replay --missing brings it
	FateOver      = "over"   // the endpoint is past it, and the delivery log has no record of it any more
)

// What an event waits for.
const (
	WaitingTurn     = "turn"        // the deliveries before it
	WaitingSchedule = "schedule"    // its next attempt
	WaitingPause    = "retry_after" // the receiver asked for it
	WaitingBreaker  = "breaker"     // the receiver's return
	WaitingOrder    = "order"       // an earlier event of its video
	WaitingRate     = "rate"        // the endpoint's rate limit
	WaitingGroup    = "group"       // others to be told with
	WaitingDisabled = "disabled"    // Enable
	WaitingRequest  = "request"     // nothing: its request is under way, or about to be
)

// Why tells what became of an event, or of all events of a video, at an endpoint: whether it was wanted, when it was stored,
// tried and taken, or what it waits for. The error is ErrNoEndpoint, ErrNoEvent, or the engine's.
func (d *Dispatcher) Why(ctx context.Context, endpoint, eventIDOrVideoNo string) (Explanation, error) {
	return Explanation{}, errNotYet
}
