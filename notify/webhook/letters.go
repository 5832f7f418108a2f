package webhook

import (
	"context"
	"time"
)

// DeadLetter is a delivery that was given up, as it is listed. The event's body stays with it until the letter ages out or a
// replay of it is delivered.
type DeadLetter struct {
	// Seq is the letter's place in its stream.
	Seq uint64
	// At is when it was given up: the time of the last attempt.
	At       time.Time
	Endpoint string
	EventID  string
	Type     string
	Source   string
	VideoNo  string
	// Attempts is how many requests were made, FirstAt when the first one was.
	Attempts int
	FirstAt  time.Time
	// StoredAt is when the log took the event.
	StoredAt time.Time
	// Reason is why it was given up, a Reason.
	Reason string
	// Class and Status are the last attempt's: a Class, and an HTTP status or 0. Detail is for people.
	Class  string
	Status int
	Detail string
	// Excerpt is the beginning of the last answer's body, as in Attempt.
	Excerpt string
	// Group is the webhook-id of the message that told it together with others, when one did.
	Group string
	// Queued says that a replay of it is under way.
	Queued bool
}

// DeadQuery chooses dead letters. What is zero does not restrict.
type DeadQuery struct {
	Endpoint string
	EventID  string
	VideoNo  string
	Source   string
	// Type is an event type or a glob, like video.*.
	Type string
	// Class is a Class, Reason a Reason.
	Class  string
	Reason string
	// Since and Until are bounds of DeadLetter.At, Until excluded.
	Since time.Time
	Until time.Time
	// Before leads on from an earlier answer: its next.
	Before uint64
	// Limit is how many letters to return: 100 when it is 0, at most 1000.
	Limit int
}

// DeadLetters lists what was given up, the newest first, one letter for each endpoint and event. next goes into the query's
// Before for what follows, as with Attempts. The error is ErrNoEndpoint, a *FieldError, or the engine's.
func (d *Dispatcher) DeadLetters(ctx context.Context, q DeadQuery) (list []DeadLetter, next uint64, err error) {
	return nil, 0, errNotYet
}
