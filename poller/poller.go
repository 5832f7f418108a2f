package poller

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"

	"vidbell/diff"
)

// What a Store says by its errors. Any other error means that the store is away for now.
var (
	// ErrConflict means that the store holds newer facts than the state a result was made from.
	ErrConflict = errors.New("state conflict")
	// ErrUnreadable means that what is stored cannot be read; going on would overwrite it.
	ErrUnreadable = errors.New("stored state cannot be read")
)

// Store keeps the state of sources. The log of package notify is one.
type Store interface {
	// Load rebuilds a source's state.
	Load(ctx context.Context, source string, words diff.Words) (*diff.State, error)
	// Append stores a result, all or nothing.
	Append(ctx context.Context, source string, res *diff.Result) error
	// Refresh brings the state up to date after a conflict, and returns the state to go on with.
	Refresh(ctx context.Context, state *diff.State, res *diff.Result) (*diff.State, error)
	// Follow takes over what other processes wrote since the state was read, and returns the state to go on with.
	Follow(ctx context.Context, state *diff.State) (*diff.State, error)
}

// Config says what to poll and whom to tell.
type Config struct {
	Sources    []Source
	Store      Store
	Reporter   Reporter
	Logger     *zap.Logger
	Registerer prometheus.Registerer
	Tracer     trace.Tracer     // of polls; nil for none
	Random     func() float64   // in [0, 1); nil is math/rand
	Clock      func() time.Time // the wall clock, which may be set at any time; nil is time.Now
}

// Poller polls all sources.
type Poller struct {
	store    Store
	reporter Reporter
	log      *zap.Logger
	metrics  *metrics
	tracer   trace.Tracer
	random   func() float64
	wall     func() time.Time

	guess atomic.Uint64 // where to look next for a video that nobody knows

	applying chan struct{} // of capacity 1: one Apply at a time

	mu     sync.Mutex
	set    []*runner // replaced as a whole
	status map[string]Status
	work   *work // nil before Run
}

// New checks the configuration. Nothing is asked or loaded yet.
func New(cfg Config) (*Poller, error) {
	if cfg.Store == nil || cfg.Reporter == nil || cfg.Logger == nil {
		return nil, errors.New("poller: store, reporter and logger are required")
	}
	if cfg.Tracer == nil {
		cfg.Tracer = noop.Tracer{}
	}
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	p := &Poller{
		store: cfg.Store, reporter: cfg.Reporter, log: cfg.Logger, random: cfg.Random, wall: cfg.Clock,
		metrics: newMetrics(cfg.Registerer), tracer: cfg.Tracer, applying: make(chan struct{}, 1),
	}
	list, err := checkSources(cfg.Sources)
	if err != nil {
		return nil, err
	}
	runners := make([]*runner, len(list))
	for i, s := range list {
		runners[i] = p.newRunner(s)
		p.metrics.addSource(s.Name, s.Account)
	}
	p.replace(runners)
	return p, nil
}

// checkSources completes sources, and names the first that cannot be polled.
func checkSources(sources []Source) ([]Source, error) {
	names := make(map[string]bool)
	list := make([]Source, len(sources))
	for i, s := range sources {
		s = s.withDefaults()
		if err := s.validate(); err != nil {
			return nil, fmt.Errorf("poller: %w", err)
		}
		if names[s.Name] {
			return nil, fmt.Errorf("poller: two sources are named %s", s.Name)
		}
		names[s.Name], list[i] = true, s
	}
	return list, nil
}

func (p *Poller) newRunner(s Source) *runner {
	r := &runner{
		name: s.Name, Source: s, poller: p, clock: clock{wall: p.wall}, log: p.log.With(zap.String("source", s.Name)),
		schedule: schedule{base: s.PollInterval, max: s.MaxInterval}, set: maxSet, hints: newHints(),
		proved: make(map[filter]time.Time), strikes: make(map[filter]int), asked: make(map[lane]int), missed: make(map[string]diff.Time),
	}
	r.account.Store(s.Account)
	return r
}

// Load reads the state of all sources from the store, waiting for one that is away. It returns ErrUnreadable for state that
// cannot be read, before anything was polled or written.
func (p *Poller) Load(ctx context.Context) error {
	for _, r := range p.runners() {
		if err := r.restore(ctx); err != nil {
			return err
		}
		r.show()
	}
	return nil
}

// restore reads what the log and the reporter know of the source.
func (r *runner) restore(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	r.recall(ctx)
	r.released()
	return nil
}

// show tells of a state that was just loaded.
func (r *runner) show() {
	r.publishStatus(time.Time{}, nil)
	r.log.Info("state loaded", zap.Int("videos", r.state.Len()), zap.Int("in_flight", r.state.InFlight()),
		zap.Bool("baseline", r.state.BaselineAt != 0))
}

// Run polls until ctx ends, and returns when all its goroutines have. Load must have been called. An error means that a
// source's stored state turned out to be unreadable; all sources are stopped then.
func (p *Poller) Run(ctx context.Context) error {
	select {
	case p.applying <- struct{}{}: // a change that began before is made before
	case <-ctx.Done():
		return nil
	}
	w := newWork(ctx)
	defer w.end()
	p.mu.Lock()
	p.work = w
	for _, r := range p.set {
		w.start(r, r.firstOf(len(p.set)))
	}
	p.mu.Unlock()
	<-p.applying
	<-w.ctx.Done()
	p.mu.Lock()
	w.over = true
	p.mu.Unlock()
	w.loops.Wait()
	return w.err
}

// Holding returns why a source holds what it saw, because the log cannot be written or read; nil when none does. It is safe for
// concurrent use.
func (p *Poller) Holding() error {
	for _, r := range p.runners() {
		if err := r.stuck.Load(); err != nil {
			return fmt.Errorf("source %s: %w", r.name, *err)
		}
	}
	return nil
}

// Status is what a source is doing, for people.
type Status struct {
	Source     string
	Videos     int
	Counts     map[diff.Status]int
	InFlight   int
	BaselineAt time.Time
	Parse      string // what PARSE means here
	ParseWhy   string
	LastPoll   time.Time
	NextPoll   time.Time
	LastError  string
	Degraded   Reason // empty when healthy
	Rate       float64

	Requests    map[string]int         // made by this process, by lane
	SweepPage   int                    // pages read of the walk under way, 0 between two
	SweepPages  int                    // about how many it will have
	LastSweep   time.Time              // when the last complete sweep ended
	Mismatch    *Mismatch              // of that sweep; nil when it saw as many videos as the platform counts
	Held        diff.Hold              // deletions and replacements held back
	Suspects    int                    // videos that a sweep did not show and that wait to be looked up
	Filters     map[string]FilterState // of video_nos, status, video_no
	NewestFirst bool
	Baseline    *Progress // of the walk that makes the baseline; nil once it is complete
}

// Mismatch is a complete sweep that saw another number of videos than the platform counts.
type Mismatch struct{ Seen, Counted int64 }

// Status returns what every source is doing, in the order of the configuration. It is safe for concurrent use.
func (p *Poller) Status() []Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]Status, 0, len(p.set))
	for _, r := range p.set {
		all = append(all, p.status[r.name])
	}
	return all
}

// publishStatus shows what the source is doing. next and err are those of the tick that ended; both are empty before that.
func (r *runner) publishStatus(next time.Time, err error) {
	meaning, why := r.Words.Parse(r.state.Evidence)
	s := Status{
		Source: r.Name, Videos: r.state.Len(), Counts: make(map[diff.Status]int), InFlight: r.state.InFlight(),
		BaselineAt: r.state.BaselineAt.Time(), Parse: meaning.String(), ParseWhy: why, LastPoll: r.polled, NextPoll: next,
		Rate: r.Account.Rate(),
	}
	for _, st := range statuses() {
		s.Counts[st] = r.state.Count(st)
	}
	r.describe(&s)
	if err != nil {
		s.LastError = err.Error()
	}
	if r.health.degraded() {
		s.Degraded = r.health.told.Reason
	}
	r.poller.metrics.state(r.Name, s)
	r.poller.mu.Lock()
	r.poller.status[r.name] = s
	r.poller.mu.Unlock()
}

// describe fills in what lanes and sweeps are doing.
func (r *runner) describe(s *Status) {
	s.Requests, s.Filters = make(map[string]int), make(map[string]FilterState)
	for _, l := range lanesOf() {
		s.Requests[string(l)] = r.asked[l]
	}
	for _, f := range filters() {
		s.Filters[string(f)] = r.filterState(f)
	}
	if r.sweep != nil {
		s.SweepPage, s.SweepPages = r.sweep.pages, r.sweep.expectedPages(r.PageSize, r.state.Len())
	}
	s.Baseline = r.progressNow()
	if r.judging != nil {
		s.Suspects = len(r.judging.todo)
	}
	s.LastSweep, s.Mismatch, s.Held, s.NewestFirst = r.ended, r.mismatch, r.health.held, !r.order.other
}
