package history

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Start says where a follower begins.
type Start struct {
	After Position  // behind this place; the zero Position for none
	Since time.Time // with what was stored from then on, where After is none; the zero time begins with what comes now
}

// Gap says that events between a place and what follows may be missing: they are gone because of their age, or with a log that
// was lost.
type Gap struct {
	Reason string // "log_replaced" or "events_expired"
	Oldest time.Time
}

// Reasons of a Gap.
const (
	GapReplaced = "log_replaced"   // the place is in another log
	GapExpired  = "events_expired" // what follows the place was removed because of its age
)

// Follower is given what is read.
type Follower struct {
	// Event is given one event and the place behind it. An error ends it all.
	Event func(Event, Position) error
	// Gap is given a gap, before the event that follows it.
	Gap func(Gap) error
	// Place is given the place where it begins, before any event: who is cut off until the first one comes goes on from there.
	Place func(Position) error
}

// errAnew means that a stream was lost, and another one is in its place.
var errAnew = errors.New("the stream began anew")

// Follow hands over events from a place on, those that come included, until ctx ends or the follower returns an error, which it
// returns. It reads no faster than the follower takes, and waits for an engine that is away.
func (r *Reader) Follow(ctx context.Context, from Start, f Filter, to Follower) error {
	for {
		at, gap, err := r.begin(ctx, from, f)
		if err != nil {
			return err
		}
		if gap != nil {
			if err := to.Gap(*gap); err != nil {
				return err
			}
		}
		if err := to.Place(at); err != nil {
			return err
		}
		err = r.follow(ctx, at, f, to)
		if !errors.Is(err, errAnew) {
			return err
		}
		from = Start{After: Position{Mark: "0"}} // of no log
	}
}

func (r *Reader) follow(ctx context.Context, at Position, f Filter, to Follower) error {
	ctx, cancel := context.WithCancel(ctx)
	events, anew := make(chan Event), make(chan struct{}, 2)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	for _, p := range []*pump{
		{reader: r, stream: r.names.Stream(), subjects: f.videos(r.names), after: at.Videos},
		{reader: r, stream: r.names.OpsStream(), subjects: f.ops(r.names), after: at.Ops},
	} {
		if len(p.subjects) > 0 {
			readers.Go(func() { p.run(ctx, events, anew) })
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-anew:
			return errAnew
		case e := <-events:
			at = at.after(e)
			if !f.passes(e) {
				continue
			}
			if err := to.Event(e, at); err != nil {
				return err
			}
		}
	}
}
