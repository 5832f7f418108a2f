package poller

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// Change names the sources that Apply has added, changed and removed, each in the order of its list.
type Change struct{ Added, Changed, Removed []string }

// Apply goes on with another list of sources, while Run polls. Which is which goes by the name.
//
//   - A source that is the same, its Lister and Account being the very same objects, is not touched: what it knows, holds and has
//     under way stays, and so does the moment of its next request.
//   - An added one is loaded from the log and begins as after a start. One that was there before goes on from what the log knows:
//     what changed meanwhile is told as after a restart.
//   - A removed one stops. An append under way is finished; what it knew stays in the log, and its metrics go.
//   - A changed one stops and goes on, with what it knows in memory, at the time its next poll was due. A walk under way begins
//     anew with another Lister or page size. Another UniqueID, VideoName or vocabulary means other videos: it is loaded from the log.
//
// Sources share a quota as long as they are given the same Account; Account.SetRate changes one in use.
//
// The error names what is wrong with the list, wraps ErrUnreadable for a state that cannot be read, or is ctx's, when the engine
// is away for longer. Then all sources go on as they were. Load must have been called; one Apply is made at a time.
func (p *Poller) Apply(ctx context.Context, sources []Source) (Change, error) {
	list, err := checkSources(sources)
	if err != nil {
		return Change{}, err
	}
	select {
	case p.applying <- struct{}{}:
		defer func() { <-p.applying }()
	case <-ctx.Done():
		return Change{}, ctx.Err()
	}
	if p.isOver() {
		return Change{}, ErrStopped
	}
	c := p.plan(list)
	if err := c.loadAdded(ctx); err != nil {
		return Change{}, err
	}
	if err := c.reloadChanged(ctx); err != nil {
		return Change{}, err
	}
	c.finish()
	return c.change(), nil
}

// change is an Apply at work.
type change struct {
	poller   *Poller
	next     []*runner // as they will be; nil for those that are changed, until they are
	list     []Source
	added    []*runner
	changed  []*runner // as they were
	removed  []*runner
	reloaded map[*runner]*runner // by what they were: those that begin anew from the log
}

func (p *Poller) plan(list []Source) *change {
	c := &change{poller: p, list: list, next: make([]*runner, len(list)), reloaded: make(map[*runner]*runner)}
	had := make(map[string]*runner)
	for _, r := range p.runners() {
		had[r.name] = r
	}
	for i, s := range list {
		switch r := had[s.Name]; {
		case r == nil:
			c.next[i] = p.newRunner(s)
			c.added = append(c.added, c.next[i])
		case r.Source.equal(s): //nolint:staticcheck // only Apply replaces it
			c.next[i] = r
		default:
			c.changed = append(c.changed, r)
		}
		delete(had, s.Name)
	}
	for _, r := range p.runners() {
		if had[r.name] != nil {
			c.removed = append(c.removed, r)
		}
	}
	return c
}

// equal tells whether two sources are the same. Listers and accounts are by identity.
func (s Source) equal(o Source) bool {
	if !same(s.Lister, o.Lister) || s.Account != o.Account {
		return false
	}
	s.Lister, s.Account, o.Lister, o.Account = nil, nil, nil, nil
	return reflect.DeepEqual(s, o)
}

func same(a, b Lister) bool {
	t := reflect.TypeOf(a)
	return t == reflect.TypeOf(b) && t.Comparable() && a == b
}

// sameVideos tells whether two sources read the same words about the same videos.
func (s Source) sameVideos(o Source) bool {
	return s.UniqueID == o.UniqueID && s.VideoName == o.VideoName && reflect.DeepEqual(s.Words, o.Words)
}

func (c *change) source(name string) Source {
	return c.list[slices.IndexFunc(c.list, func(s Source) bool { return s.Name == name })]
}

func (c *change) loadAdded(ctx context.Context) error {
	for _, r := range c.added {
		if err := r.restore(ctx); err != nil {
			return fmt.Errorf("load the state of source %s: %w", r.name, err)
		}
	}
	return nil
}

// reloadChanged stops those that are changed, and loads those that need it. After an error they go on as they were.
func (c *change) reloadChanged(ctx context.Context) error {
	for _, r := range c.changed {
		r.stop()
	}
	for _, r := range c.changed {
		s := c.source(r.name)
		if r.sameVideos(s) {
			continue
		}
		anew := c.poller.newRunner(s)
		if err := anew.restore(ctx); err != nil {
			c.resume()
			return fmt.Errorf("load the state of source %s: %w", r.name, err)
		}
		anew.succeed(r)
		c.reloaded[r] = anew
	}
	return nil
}

func (c *change) resume() {
	p := c.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range c.changed {
		p.resume(r)
	}
}

// resume lets a source go on when its next tick was due. The mutex is held.
func (p *Poller) resume(r *runner) {
	if p.work == nil {
		return
	}
	var first time.Duration
	if !r.due.IsZero() {
		first = min(time.Until(r.due), r.PollInterval)
	}
	p.work.start(r, first)
}

// succeed takes over what other goroutines have left with, or see of, the one before.
func (r *runner) succeed(before *runner) {
	r.hints, r.asked, r.due = before.hints, before.asked, before.due
	r.release.Store(before.release.Load())
}

// finish makes the change. Nothing can go wrong any more.
func (c *change) finish() {
	p := c.poller
	for _, r := range c.removed {
		r.stop()
		p.metrics.removeSource(r.name)
	}
	for _, r := range c.changed {
		anew := c.reloaded[r]
		if anew == nil {
			r.take(c.source(r.name))
			anew = r
		}
		c.next[slices.IndexFunc(c.list, func(s Source) bool { return s.Name == r.name })] = anew
	}
	for _, r := range c.added {
		p.metrics.addSource(r.name, r.Account)
	}
	p.replace(c.next)
	for _, r := range c.added {
		r.show()
	}
	for _, r := range c.reloaded {
		r.show()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range c.next {
		switch {
		case p.work == nil || r.halt != nil && !c.isChanged(r): // not yet running, or all the time
		case slices.Contains(c.added, r):
			p.work.start(r, r.firstOf(len(c.added)))
		default:
			p.resume(r)
		}
	}
}

func (c *change) isChanged(r *runner) bool {
	return slices.ContainsFunc(c.changed, func(was *runner) bool { return was.name == r.name })
}

// take goes on with other settings for the same videos. The goroutine does not run.
func (r *runner) take(s Source) {
	before := r.Source
	r.Source = s
	r.account.Store(s.Account)
	r.schedule.base, r.schedule.max = s.PollInterval, s.MaxInterval
	r.schedule.now = min(r.schedule.now, s.MaxInterval)
	if before.PageSize != s.PageSize || !same(before.Lister, s.Lister) {
		r.beginAnew()
	}
}

// beginAnew forgets what was found out about the listing, and polls at once: another key may mean another answer.
func (r *runner) beginAnew() {
	if r.sweep != nil {
		r.endSweep(outcomePartial, "the source was changed")
	}
	r.judging, r.order, r.lead, r.witnesses, r.due = nil, order{}, lead{}, nil, time.Time{}
	r.flight.forget()
	clear(r.proved)
	clear(r.strikes)
}

func (c *change) change() Change {
	return Change{Added: names(c.added), Changed: names(c.changed), Removed: names(c.removed)}
}

func names(runners []*runner) []string {
	list := make([]string, len(runners))
	for i, r := range runners {
		list[i] = r.name
	}
	return list
}

// isOver tells whether Run was told to stop.
func (p *Poller) isOver() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.work != nil && p.work.over
}

// replace makes these the sources, in this order, and counts who shares an account with whom.
func (p *Poller) replace(runners []*runner) {
	sharers := make(map[*Account]int64)
	for _, r := range runners {
		sharers[r.account.Load()]++
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	status := make(map[string]Status, len(runners))
	for _, r := range runners {
		r.sharers.Store(sharers[r.account.Load()])
		known, ok := p.status[r.name]
		if !ok {
			known = Status{Source: r.name, Rate: r.account.Load().Rate()}
		}
		status[r.name] = known
	}
	p.set, p.status = runners, status
}

// runners returns the sources as they are now; nobody changes what it returns.
func (p *Poller) runners() []*runner {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.set
}
