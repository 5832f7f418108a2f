package webhook

import (
	"context"
	"fmt"
	"math"
)

// Owed is the lowest sequence in the log of an event that one of the endpoints still has to get: waiting, in a retry, in a group, or
// behind a disabled one. It is math.MaxUint64 when there is none. Replays and dead letters hold their events themselves.
func (d *Dispatcher) Owed(ctx context.Context) (uint64, error) {
	if !d.isPrepared() {
		return 0, errNotPrepared
	}
	lowest := uint64(math.MaxUint64)
	for _, f := range d.roster().feeds {
		if f.stream != d.config.Names.Stream() {
			continue
		}
		at, err := f.standing(ctx)
		if err != nil {
			return 0, fmt.Errorf("what is owed to endpoint %q: %w", f.lane.target.Name, err)
		}
		if at.pending() > 0 {
			lowest = min(lowest, at.floor+1)
		}
	}
	return lowest, nil
}
