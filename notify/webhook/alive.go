package webhook

import (
	"fmt"
	"slices"
	"time"
)

// standstill is how long a loop that turns every keepAliveEvery at least may take for one turn: it waits for the engine now and
// then, for a bounded time.
const standstill = 5 * time.Minute

// Alive returns an error that names an endpoint whose deliveries have stood still inside the process for minutes, whatever the
// reason; nil when all move. A receiver or an engine that is away is no standstill. It is safe for concurrent use.
func (d *Dispatcher) Alive() error {
	staff := d.roster()
	for _, f := range slices.Concat(staff.feeds, staff.queues) {
		turned := f.turned.Load()
		if late := time.Since(f.born) - time.Duration(turned); turned != 0 && late > standstill {
			return fmt.Errorf("deliveries to endpoint %s have stood still for %s", f.lane.target.Name, late.Round(time.Second))
		}
	}
	return nil
}
