package webhook

import (
	"context"
	"errors"
	"time"
)

// What an attempt came to, as the delivery log says it. The set is closed.
const (
	ResultDelivered = "delivered" // 2xx, the answer read
	ResultRetry     = "retry"     // it failed, and is tried again at NextAt
	ResultDead      = "dead"      // it failed, and a dead letter was written
	ResultDisabled  = "disabled"  // 410: the endpoint was disabled, and the event waits for Enable
	ResultFailed    = "failed"    // only of SendTest: nothing follows from it
)

// Attempt is one HTTP request to an endpoint for one event, as the delivery log keeps it.
type Attempt struct {
	// Seq is the record's place in the delivery log; zero for a test, which is not kept.
	Seq uint64
	// At is when the request began.
	At       time.Time
	Endpoint string
	EventID  string
	// Type, Source and VideoNo are the event's. Source is empty for endpoint.* events, VideoNo for all that are about no video.
	Type    string
	Source  string
	VideoNo string
	// Number counts the attempts of this delivery, from 1. A replay begins at 1 again.
	Number int
	// Duration is the time of the whole exchange, the answer's body included.
	Duration time.Duration
	// Status is the HTTP status of the answer, 0 for none.
	Status int
	// Class is the kind of failure, a Class; empty when delivered. Detail is for people, without URL or secret.
	Class  string
	Detail string
	// Result is one of the Result constants.
	Result string
	// NextAt is when it is tried again; zero unless Result is ResultRetry. An open breaker or a Retry-After may move it.
	NextAt time.Time
	// Excerpt is the beginning of the answer's body as it came, control characters included: whoever prints it escapes it.
	// At most 4 KiB of a failure's, 512 bytes of a success's, and 256 bytes of an answer to a group.
	Excerpt string
	// Replay says that the delivery was asked for with Replay.
	Replay bool
	// Group is the webhook-id of the message that told the event together with others, GroupSize how many they were; empty
	// and 0 for an event that went alone.
	Group     string
	GroupSize int
}

// AttemptQuery chooses attempts. What is zero does not restrict.
type AttemptQuery struct {
	Endpoint string
	EventID  string
	VideoNo  string
	Source   string
	// Type is an event type or a glob, like video.*.
	Type string
	// Class is a Class.
	Class string
	// Failed leaves out what was delivered.
	Failed bool
	// Since and Until are bounds of Attempt.At, Until excluded.
	Since time.Time
	Until time.Time
	// Before leads on from an earlier answer: its next.
	Before uint64
	// Limit is how many attempts to return: 100 when it is 0, at most 1000.
	Limit int
}

// errNotYet is for what has its name and shape already.
var errNotYet = errors.New("webhook: not built yet")

// Attempts reads the delivery log, newest first. next, when it is not zero, goes into the query's Before for what follows; an
// answer may have fewer than Limit, or none, and still have a next: one call looks at a bounded part of the log.
//
// Every attempt is one record, written up to a quarter of a second after the fact and away from the deliveries, so that the
// log never slows them down: a crash may take the records of its last moment along, never an event. Records are kept for 30
// days and 512 MiB by default; the oldest go first.
//
// The error is ErrNoEndpoint for an endpoint that is not configured and has no records, a *FieldError, or the engine's.
func (d *Dispatcher) Attempts(ctx context.Context, q AttemptQuery) (list []Attempt, next uint64, err error) {
	return nil, 0, errNotYet
}

// FieldError says which field of a query or request cannot be, and what would be right.
type FieldError struct {
	// Field is the name as people write it: until, limit, event_ids, ...
	Field string
	Err   error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }
func (e *FieldError) Unwrap() error { return e.Err }
