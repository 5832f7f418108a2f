package webhook

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Enable lets an endpoint have its deliveries again, whatever kept them from it: Disable, a 410, five days without a success,
// an open breaker, a Retry-After. It begins with one at a time, and endpoint.recovered is told when the first was taken. The
// error is ErrNoEndpoint, or says that the engine would not have it; then nothing has changed.
func (d *Dispatcher) Enable(ctx context.Context, endpoint string) error {
	d.swapping.RLock()
	defer d.swapping.RUnlock()
	l, err := d.lane(endpoint)
	if err != nil {
		return fmt.Errorf("enable endpoint %q: %w", endpoint, err)
	}
	if !d.isPrepared() {
		return errNotPrepared
	}
	return l.enable(ctx)
}

// Disable keeps an endpoint's deliveries from it until Enable, or until its URL changes, across restarts. Requests under way
// are finished; nothing is dropped. why is shown to people: no secret belongs there. Of an endpoint that is disabled already it
// replaces what was said before, and nothing else; an empty why leaves that. The error is ErrNoEndpoint, or says that the engine has not yet written it down; the endpoint is disabled all the same.
func (d *Dispatcher) Disable(ctx context.Context, endpoint, why string) error {
	d.swapping.RLock()
	defer d.swapping.RUnlock()
	l, err := d.lane(endpoint)
	if err != nil {
		return fmt.Errorf("disable endpoint %q: %w", endpoint, err)
	}
	if !d.isPrepared() {
		return errNotPrepared
	}
	l.disable(CauseOperator, printable(why, maxDetailBytes), 0, l.now())
	return l.written(ctx)
}

// State tells how an endpoint fares. The error is ErrNoEndpoint.
func (d *Dispatcher) State(endpoint string) (Health, error) {
	l, err := d.lane(endpoint)
	if err != nil {
		return Health{}, fmt.Errorf("state of endpoint %q: %w", endpoint, err)
	}
	return l.report(), nil
}

// States tells how all endpoints fare, in the order of the configuration.
func (d *Dispatcher) States() []Health {
	lanes := d.roster().lanes
	all := make([]Health, len(lanes))
	for i, l := range lanes {
		all[i] = l.report()
	}
	return all
}

// asked is lane for a question or an order that names the endpoint in a field: the error is for whoever wrote it.
func (d *Dispatcher) asked(endpoint string) (*lane, error) {
	l, err := d.lane(endpoint)
	if err == nil {
		return l, nil
	}
	states := d.States()
	if len(states) == 0 {
		return nil, &FieldError{"endpoint", fmt.Errorf("%q: %w, there are none", endpoint, err)}
	}
	names := make([]string, len(states))
	for i, s := range states {
		names[i] = s.Endpoint
	}
	return nil, &FieldError{"endpoint", fmt.Errorf("%q: %w, there is %s", endpoint, err, strings.Join(names, ", "))}
}

func (d *Dispatcher) lane(endpoint string) (*lane, error) {
	for _, l := range d.roster().lanes {
		if l.target.Name == endpoint {
			return l, nil
		}
	}
	return nil, ErrNoEndpoint
}

// tend looks after the health of every endpoint, as long as the engine helps.
func (d *Dispatcher) tend(ctx context.Context) {
	for _, l := range d.roster().lanes {
		if l.tend(ctx) != nil {
			return
		}
	}
}

// errUnwritten means that a restart before the engine is there again forgets a change of state.
var errUnwritten = errors.New("the engine is away, the change is written down when it is back")

func (l *lane) written(ctx context.Context) error {
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	if !l.dirty {
		return nil
	}
	return errors.Join(errUnwritten, ctx.Err())
}
