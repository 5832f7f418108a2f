package poller

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"go.uber.org/zap"

	"vidbell/diff"
)

// ErrNotRunning means that Run is not under way, or not yet.
var ErrNotRunning = errors.New("poller: Run is not under way")

// Apply puts other sources in the place of those that are polled, while Run is under way. Sources are told apart by their names.
//
// One that is the same in all, its Account and Lister included, goes on untouched. One that is new, or changed, begins with the
// state that the log has of it, as after a start: nothing that was seen is lost, and nothing is told twice. One that is left out
// ends first: what it is just storing is stored. Its state stays in the log for the day it comes back.
//
// All sources are checked, and the state of new ones is read, before anything is touched: after such an error everything goes on as
// it was. An engine that is away is waited for, until ctx ends.
func (p *Poller) Apply(ctx context.Context, sources []Source) error {
	p.applying.Lock()
	defer p.applying.Unlock()
	if p.group == nil || p.ctx.Err() != nil {
		return ErrNotRunning
	}
	next, err := p.runnersOf(sources)
	if err != nil {
		return err
	}
	old := p.byName()
	var fresh, changed []*runner
	for i, r := range next {
		switch was := old[r.Name]; {
		case was == nil:
			fresh = append(fresh, r)
		case was.same(r.Source):
			next[i] = was
		default:
			changed = append(changed, r)
		}
	}
	for _, r := range fresh {
		if err := r.ready(ctx); err != nil {
			return fmt.Errorf("add source %s: %w", r.Name, err)
		}
	}
	for _, was := range p.runners() {
		if !slices.Contains(next, was) {
			was.end()
		}
	}
	for _, r := range changed {
		// The state was read before, by the runner that has ended: what keeps it from being read now is the engine or our stop.
		if err := r.ready(p.ctx); err != nil {
			return fmt.Errorf("change source %s: %w", r.Name, err)
		}
	}
	p.use(next)
	for name := range old {
		if !slices.ContainsFunc(next, func(r *runner) bool { return r.Name == name }) {
			p.forget(name)
		}
	}
	for _, r := range slices.Concat(fresh, changed) {
		p.begin(r, 0)
	}
	return nil
}

func (p *Poller) runners() []*runner {
	if set := p.set.Load(); set != nil {
		return *set
	}
	return nil
}

// runnersOf checks sources and makes what polls them; nothing runs yet.
func (p *Poller) runnersOf(sources []Source) ([]*runner, error) {
	names := make(map[string]bool, len(sources))
	runners := make([]*runner, 0, len(sources))
	for _, s := range sources {
		s = s.withDefaults()
		if err := s.validate(); err != nil {
			return nil, fmt.Errorf("poller: %w", err)
		}
		if names[s.Name] {
			return nil, fmt.Errorf("poller: two sources are named %s", s.Name)
		}
		names[s.Name] = true
		runners = append(runners, p.newRunner(s))
	}
	return runners, nil
}

func (p *Poller) newRunner(s Source) *runner {
	r := &runner{
		Source: s, poller: p, clock: clock{wall: p.wall}, log: p.log.With(zap.String("source", s.Name)),
		schedule: schedule{base: s.PollInterval, max: s.MaxInterval}, set: maxSet, hints: newHints(),
		proved: make(map[filter]time.Time), strikes: make(map[filter]int), asked: make(map[lane]int), missed: make(map[string]diff.Time),
	}
	r.sharers.Store(1)
	return r
}

// use makes these the ones that are polled, in their order.
func (p *Poller) use(runners []*runner) {
	sharers := make(map[*Account]int64)
	for _, r := range runners {
		sharers[r.Account]++
	}
	p.mu.Lock()
	for _, r := range runners {
		r.sharers.Store(sharers[r.Account])
		p.metrics.addSource(r.Name, r.Account)
		if _, known := p.status[r.Name]; !known {
			p.status[r.Name] = Status{Source: r.Name, Rate: r.Account.Rate()}
		}
	}
	p.mu.Unlock()
	p.set.Store(&runners)
}

func (p *Poller) forget(source string) {
	p.mu.Lock()
	delete(p.status, source)
	p.mu.Unlock()
	p.metrics.removeSource(source)
}

func (p *Poller) byName() map[string]*runner {
	named := make(map[string]*runner)
	for _, r := range p.runners() {
		named[r.Name] = r
	}
	return named
}

// begin starts a runner within Run.
func (p *Poller) begin(r *runner, first time.Duration) {
	ctx, stop := context.WithCancel(p.ctx)
	r.stop, r.done = stop, make(chan struct{})
	p.group.Go(func() error {
		defer close(r.done)
		defer stop()
		defer r.pulse.stop()
		return r.run(ctx, first)
	})
}

// end stops a runner and waits for it.
func (r *runner) end() {
	r.stop()
	<-r.done
}

// same reports whether a source is what the runner polls, down to the account and the lister.
func (r *runner) same(s Source) bool {
	was := r.Source
	if was.Account != s.Account || was.Lister != s.Lister {
		return false
	}
	was.Account, was.Lister, s.Account, s.Lister = nil, nil, nil, nil
	return reflect.DeepEqual(was, s)
}

// ready reads the state of a source, waiting for an engine that is away.
func (r *runner) ready(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	r.recall(ctx)
	r.released()
	r.publishStatus(time.Time{}, nil)
	r.log.Info("state loaded", zap.Int("videos", r.state.Len()), zap.Int("in_flight", r.state.InFlight()),
		zap.Bool("baseline", r.state.BaselineAt != 0))
	return nil
}
