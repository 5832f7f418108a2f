package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Change names the endpoints that Apply has added, changed and removed, each in the order of its list.
type Change struct{ Added, Changed, Removed []string }

// ErrStopped means that Run has ended.
var ErrStopped = errors.New("webhook: the dispatcher has stopped")

// haltMargin is how long past its endpoint's timeout a request under way is waited for.
const haltMargin = time.Second

// Apply goes on with another list of endpoints, and other networks for Config.AllowNetworks, while Run delivers. Which is which
// goes by the name; the result is that of a restart with this list.
//
//   - An endpoint that is the same is not touched, and does not pause.
//   - An added one begins with the events appended after Apply returned, or a little before. One that was there before goes on
//     where it stopped, and gets what came meanwhile.
//   - A removed one takes nothing more; its requests under way end, within its timeout, and are answered for. Nothing is sent to
//     it once Apply has returned. Its consumer, its backlog, queued replays, dead letters and health stay in the engine, for the
//     day it comes back; its metrics go.
//   - A changed one does the same, and goes on at once with the new settings: no request is broken off or repeated, and none has
//     half of the old settings. Its breaker, health, pace and Retry-After stay, unless the URL is another: that one begins anew.
//
// The error names every mistake in the list, or is the engine's about an added endpoint; then nothing has changed, but for a
// consumer that may have been made. When the engine goes away later, the new settings hold, and what is changed waits for it. Prepare must have been called;
// one Apply is made at a time.
func (d *Dispatcher) Apply(ctx context.Context, endpoints []Endpoint, allow []netip.Prefix) (Change, error) {
	targets, err := compileAll(endpoints)
	if err != nil {
		return Change{}, err
	}
	select {
	case d.applying <- struct{}{}:
		defer func() { <-d.applying }()
	case <-ctx.Done():
		return Change{}, ctx.Err()
	}
	if err := d.canApply(); err != nil {
		return Change{}, err
	}
	c := d.plan(targets)
	before := d.exits.open(c.bothAllowed(allow)) // who is changed is let out by the old rules and by the new ones
	if err := c.prepare(ctx); err != nil {
		d.exits.open(before)
		c.discard()
		return Change{}, err
	}
	c.make(ctx)
	d.exits.open(allow)
	return c.names(), nil
}

func (d *Dispatcher) canApply() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.prepared:
		return errNotPrepared
	case d.shift != nil && d.shift.over:
		return ErrStopped
	}
	return nil
}

// change is an Apply at work.
type change struct {
	d       *Dispatcher
	next    []*unit // as they will be
	added   []*unit
	changed map[*unit]*unit // what follows, by what it follows
	removed []*unit
}

func (d *Dispatcher) plan(targets []*target) *change {
	c := &change{d: d, changed: make(map[*unit]*unit)}
	had := make(map[string]*unit)
	for _, u := range d.all() {
		had[u.lane.target.Name] = u
	}
	for _, t := range targets {
		u := had[t.Name]
		switch {
		case u == nil:
			u = d.newUnit(t, d.metrics.lane(t.Name))
			u.lane.takeLine(d.lines[t.Name]) // read and written by one Apply at a time
			c.added = append(c.added, u)
		case !u.lane.target.equal(t.Endpoint):
			next := d.newUnit(t, u.lane.metrics)
			c.changed[u] = next
			u = next
		}
		c.next = append(c.next, u)
		delete(had, t.Name)
	}
	for _, u := range d.all() {
		if had[u.lane.target.Name] != nil {
			c.removed = append(c.removed, u)
		}
	}
	return c
}

// equal tells whether two endpoints with their defaults are the same. An empty list is none.
func (e Endpoint) equal(o Endpoint) bool {
	a, b := reflect.ValueOf(e), reflect.ValueOf(o)
	for i := range a.NumField() {
		x, y := a.Field(i), b.Field(i)
		switch x.Kind() {
		case reflect.Slice, reflect.Map:
			if x.Len() == 0 && y.Len() == 0 {
				continue
			}
		default:
		}
		if !reflect.DeepEqual(x.Interface(), y.Interface()) {
			return false
		}
	}
	return true
}

// bothAllowed are the networks that are allowed before or after.
func (c *change) bothAllowed(allow []netip.Prefix) []netip.Prefix {
	both := slices.Clone(c.d.exits.allowed())
	for _, p := range allow {
		if !slices.Contains(both, p) {
			both = append(both, p)
		}
	}
	if len(both) == len(allow) {
		return allow
	}
	return both
}

// prepare makes the consumers that are missing, so that no event is missed from now on. Whatever may go wrong does so here,
// before anything is changed.
func (c *change) prepare(ctx context.Context) error {
	d := c.d
	for _, u := range c.added {
		if err := d.prepareUnit(ctx, u); err != nil {
			return fmt.Errorf("prepare endpoint %q: %w", u.lane.target.Name, err)
		}
	}
	for before, after := range c.changed {
		had := d.wanted(before.lane.target)
		for _, f := range after.lane.feeds {
			if len(had[f.stream]) > 0 {
				continue
			}
			if _, err := d.takeUp(ctx, f); err != nil {
				return fmt.Errorf("prepare endpoint %q: %w", f.lane.target.Name, err)
			}
		}
	}
	return nil
}

// discard forgets the added ones. Their consumers stay, as they do when an endpoint is removed.
func (c *change) discard() {
	for _, u := range c.added {
		u.lane.retire()
		c.d.metrics.forget(u.lane.target.Name)
	}
}

// make makes the change, each endpoint by itself: one that hangs keeps only itself waiting.
func (c *change) make(ctx context.Context) {
	d := c.d
	d.mu.Lock()
	d.units = slices.Concat(d.units, c.added)
	if d.shift != nil {
		for _, u := range c.added {
			d.shift.start(u)
		}
	}
	d.mu.Unlock()
	var all sync.WaitGroup
	for before, after := range c.changed {
		all.Go(func() { d.exchange(ctx, before, after) })
	}
	for _, u := range c.removed {
		all.Go(func() { d.remove(ctx, u) })
	}
	all.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.units = c.next
}

// exchange lets an endpoint's deliveries end under the old settings and go on under the new ones.
func (d *Dispatcher) exchange(ctx context.Context, before, after *unit) {
	before.stop(ctx)
	d.swapping.Lock()
	after.lane.inherit(before.lane)
	d.mu.Lock()
	d.units = slices.Clone(d.units)
	d.units[slices.Index(d.units, before)] = after
	w := d.shift
	if w != nil {
		w.start(after)
	}
	d.mu.Unlock()
	d.swapping.Unlock()
	if w == nil {
		return
	}
	select {
	case <-after.prepared:
	case <-w.ctx.Done():
	case <-ctx.Done():
		after.lane.log.Warn("webhook endpoint has its new settings, and waits for the engine", zap.Error(ctx.Err()))
	}
}

func (d *Dispatcher) remove(ctx context.Context, u *unit) {
	u.stop(ctx)
	u.lane.retire()
	d.mu.Lock()
	d.units = slices.DeleteFunc(slices.Clone(d.units), func(o *unit) bool { return o == u })
	d.lines[u.lane.target.Name] = u.lane.lastLine()
	d.mu.Unlock()
	d.metrics.forget(u.lane.target.Name)
}

func (c *change) names() (names Change) {
	name := func(u *unit) string { return u.lane.target.Name }
	for _, u := range c.added {
		names.Added = append(names.Added, name(u))
	}
	for _, u := range c.next {
		for _, after := range c.changed {
			if after == u {
				names.Changed = append(names.Changed, name(u))
			}
		}
	}
	for _, u := range c.removed {
		names.Removed = append(names.Removed, name(u))
	}
	return names
}
