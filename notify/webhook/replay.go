package webhook

import (
	"context"
	"errors"
	"time"
)

// ReplayRequest says what to deliver once more. All conditions that are set must hold; at least one of EventIDs, Types,
// Sources, Since, Until, Filter, Dead and Missing is needed, so that nobody replays the whole log by leaving all out.
//
// Only what the endpoint asks for by its types is replayed, because its format may have no words for anything else; its
// sources and its expression are asked with Missing only: who names an event may want it in spite of them.
type ReplayRequest struct {
	// Endpoint is the one that gets them. Required.
	Endpoint string
	// EventIDs are at most 1000 event ids.
	EventIDs []string
	// Types are event types or globs, Sources the names of sources.
	Types   []string
	Sources []string
	// Since and Until are bounds of the time when the event was stored, Until excluded.
	Since time.Time
	Until time.Time
	// Filter is an expression in the language of Endpoint.Filter.
	Filter string
	// Dead takes only what the endpoint has dead letters of.
	Dead bool
	// Missing takes only what the endpoint wants and was never given: what is older than the endpoint, or came when its
	// settings did not ask for it, and what was given up. What is under way is not missing.
	Missing bool
	// DryRun counts, and changes nothing.
	DryRun bool
}

// ReplayResult says what a replay comes to.
type ReplayResult struct {
	// Matched is how many events the request chose.
	Matched int
	// Queued is how many of them were added, or would be in a dry run: those that are queued already are not added again.
	Queued int
	// First and Last are when the earliest and latest of the matched were stored; zero for none.
	First time.Time
	Last  time.Time
}

// ErrNoEvent means that the log holds no such event, or none any more.
var ErrNoEvent = errors.New("there is no such event in the log")

// ErrReplayFull means that as much is queued for replay as may be. What was queued before stays queued, and the same request
// adds the rest when there is room.
var ErrReplayFull = errors.New("the replay queue is full")

// Replay queues events to be delivered to an endpoint once more: the same ids, the same bytes, in the order of the log.
//
// The queue is a stream: a replay goes on after a restart, and a request that is repeated while it is under way adds nothing
// twice. It has the same rules as live deliveries (schedule, breaker, rate, groups, dead letters), at most a quarter of the
// endpoint's requests under way, 50 requests a second by default and at most half of its rate, and lets live deliveries go
// first. A dead letter is removed when its replay is delivered.
//
// The error is ErrNoEndpoint, ErrNoEvent when one of EventIDs is not found (nothing is queued then), ErrReplayFull, a
// *FieldError, or the engine's. Beside an error the result says what was queued.
func (d *Dispatcher) Replay(ctx context.Context, r ReplayRequest) (ReplayResult, error) {
	return ReplayResult{}, errNotYet
}
