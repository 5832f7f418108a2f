package webhook

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"vidbell/notify"
)

const (
	defaultGlobalInFlight = 256
	defaultGrace          = 10 * time.Second
	pendingEvery          = 5 * time.Second
	flushWait             = 2 * time.Second
)

// Config is what a Dispatcher needs. JetStream is required, everything else has a default.
type Config struct {
	// JetStream is the engine that holds the log. Its streams for video and ops events exist before Prepare is called.
	JetStream jetstream.JetStream
	// Names are the installation's names of streams, consumers and subjects.
	Names notify.Names
	// Endpoints are the receivers. Their names differ.
	Endpoints []Endpoint
	// Replicas of the streams for dead letters and attempt records. Default 1.
	Replicas int
	// AllowNetworks lifts the rules on addresses for these networks: link-local and metadata addresses in them are
	// connected to, and plain http is allowed to them.
	AllowNetworks []netip.Prefix
	// GlobalInFlight limits the requests under way to all endpoints. Each endpoint has one more that is not counted, so
	// that hanging endpoints cannot stop the others. Default 256.
	GlobalInFlight int
	// Grace is how long requests under way may still take when Run is told to stop. Default 10 s.
	Grace time.Duration
	// Version is sent as User-Agent: vidbell/<version>. Default "dev".
	Version string
	// ReplayRate is how many requests a second a replay makes to an endpoint at most. Default 50.
	ReplayRate float64
	// Logger gets what a person may care about; nothing is logged without it.
	Logger *zap.Logger
	// Registerer gets the metrics.
	Registerer prometheus.Registerer
	// Tracer makes the spans of attempts; nil for none.
	Tracer trace.Tracer
	// Jitter returns random numbers in [0, 1). Default math/rand.
	Jitter func() float64
	// Now is the clock of schedules and signatures. Default time.Now.
	Now func() time.Time

	timing timing // of probes; tests are in a hurry
}

// WithDefaults returns a copy with every unset field at its default.
func (c Config) WithDefaults() Config {
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.GlobalInFlight == 0 {
		c.GlobalInFlight = defaultGlobalInFlight
	}
	if c.Grace == 0 {
		c.Grace = defaultGrace
	}
	if c.ReplayRate == 0 {
		c.ReplayRate = defaultReplayRate
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if c.Jitter == nil {
		c.Jitter = mathrand.Float64
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.timing == (timing{}) {
		c.timing = timing{first: probeFirst, most: probeMost, giveUp: giveUpAfter}
	}
	return c
}

// Dispatcher delivers the log's events to webhook endpoints.
type Dispatcher struct {
	config    Config
	transport map[policy]*http.Transport
	records   *records
	staff     atomic.Pointer[roster] // replaced whole by Apply
	metrics   *metrics
	global    chan struct{}
	journal   *journal
	replaying sync.Mutex // one request for a replay at a time
	owner     string     // tells this process from others on the same engine, in the records of groups

	mu       sync.Mutex
	prepared bool

	applying sync.Mutex       // one Apply at a time, and none while Run begins or ends
	run      *run             // nil while Run is not under way
	shifts   map[*lane]*shift // of those at work
}

// New checks the configuration and all endpoints, and names every mistake. It does not touch the network.
func New(c Config) (*Dispatcher, error) {
	c = c.WithDefaults()
	targets, err := c.compile()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(c.Registerer)
	if err != nil {
		return nil, err
	}
	d := &Dispatcher{
		config:    c,
		transport: make(map[policy]*http.Transport),
		records:   &records{js: c.JetStream, names: c.Names},
		owner:     rand.Text(),
		journal:   newJournal(c, m.unlogged),
		metrics:   m,
		global:    make(chan struct{}, c.GlobalInFlight),
		shifts:    make(map[*lane]*shift),
	}
	all := &roster{}
	for _, t := range targets {
		all.add(d.newLane(t, len(targets)))
	}
	d.staff.Store(all)
	return d, nil
}

// sender makes attempts under a policy.
func (d *Dispatcher) sender(p policy, endpoints int) *sender {
	c := d.config
	if d.transport[p] == nil {
		d.transport[p] = newTransport(newGuard(c.AllowNetworks, p), c.GlobalInFlight+endpoints)
	}
	return newSender(d.transport[p], c.Version, c.Now, c.Tracer)
}

func (c Config) compile() ([]*target, error) {
	var problems []error
	if c.JetStream == nil {
		problems = append(problems, errors.New("webhook: JetStream is required"))
	}
	problems = append(problems, c.Names.Validate())
	if c.GlobalInFlight < 1 {
		problems = append(problems, fmt.Errorf("webhook: global limit in flight is %d, use 1 or more", c.GlobalInFlight))
	}
	seen := make(map[string]bool, len(c.Endpoints))
	targets := make([]*target, 0, len(c.Endpoints))
	for _, e := range c.Endpoints {
		t, err := compile(e)
		if err == nil && seen[e.Name] {
			err = fmt.Errorf("endpoint %q: the name is taken by another one", e.Name)
		}
		seen[e.Name] = true
		problems, targets = append(problems, err), append(targets, t)
	}
	return targets, errors.Join(problems...)
}

// roster is the lanes at work, in the order of the configuration, and what feeds them. It is never changed.
type roster struct {
	lanes  []*lane
	feeds  []*feed
	queues []*feed // of replays, one a lane
}

func (r *roster) add(l *lane, feeds []*feed, queue *feed) {
	r.lanes, r.feeds, r.queues = append(r.lanes, l), append(r.feeds, feeds...), append(r.queues, queue)
}

// of are the feeds of a lane, that of its replays the last.
func (r *roster) of(l *lane) (feeds []*feed) {
	for _, f := range slices.Concat(r.feeds, r.queues) {
		if f.lane.front() == l {
			feeds = append(feeds, f)
		}
	}
	return feeds
}

func (d *Dispatcher) roster() *roster { return d.staff.Load() }

func (d *Dispatcher) newLane(t *target, endpoints int) (*lane, []*feed, *feed) {
	c, snd, m := d.config, d.sender(t.policy(), endpoints), d.metrics.lane(t.Name)
	l := &lane{
		target: t, names: c.Names, js: c.JetStream, records: d.records, sender: snd, metrics: m,
		log: c.Logger.With(zap.String("endpoint", t.Name)), now: c.Now, jitter: c.Jitter,
		groups: newGroups(t, d.owner), gate: newGate(t.InFlight, c.timing),
		slots: make(chan struct{}, t.InFlight), own: make(chan struct{}, 1), global: d.global,
		strays: make(map[position]string), rate: t.limiter(),
		key: t.Name, journal: d.journal, latest: &latest{},
	}
	if t.Order == OrderVideo {
		l.line = newLine()
	}
	l.heedGrants()
	l.hold(health{})
	var feeds []*feed
	for stream, filters := range d.wanted(t) {
		if len(filters) > 0 {
			feeds = append(feeds, newFeed(l, c.JetStream, stream, c.Names.Consumer(t.Name), filters))
		}
	}
	return l, feeds, d.newQueue(l)
}

// wanted gives, for each stream of events, the subjects that the endpoint asks for.
func (d *Dispatcher) wanted(t *target) map[string][]string {
	names := d.config.Names
	return map[string][]string{
		names.Stream():    videoFilters(names, t.patterns, t.Sources),
		names.OpsStream(): opsFilters(names, t.patterns, t.Sources),
	}
}

// Prepare creates or updates the streams and the endpoints' durable consumers. An endpoint seen for the first time begins
// with the events appended after this call, so it comes before the first append. It may be called again after an error.
func (d *Dispatcher) Prepare(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	js, names, replicas := d.config.JetStream, d.config.Names, d.config.Replicas
	var err error
	if _, err = ensureStream(ctx, js, deliveriesStream(names, replicas)); err != nil {
		return err
	}
	if d.records.queue, err = ensureStream(ctx, js, replayStream(names, replicas)); err != nil {
		return err
	}
	if d.records.dead, err = ensureStream(ctx, js, deadStream(names, replicas)); err != nil {
		return err
	}
	if d.records.stream, err = ensureStream(ctx, js, retryStream(names, replicas)); err != nil {
		return err
	}
	if d.records.health, err = ensureStream(ctx, js, healthStream(names, replicas)); err != nil {
		return err
	}
	all := d.roster()
	for _, l := range all.lanes {
		if err := d.prepareLane(ctx, all, l); err != nil {
			return err
		}
	}
	d.prepared = true
	return nil
}

// Remake makes the dispatcher's own streams again where they were deleted while it runs. Its consumers it makes again by itself.
func (d *Dispatcher) Remake(ctx context.Context) error {
	js, names, replicas := d.config.JetStream, d.config.Names, d.config.Replicas
	for _, want := range []jetstream.StreamConfig{
		deliveriesStream(names, replicas), replayStream(names, replicas), deadStream(names, replicas), retryStream(names, replicas),
		healthStream(names, replicas),
	} {
		if _, err := ensureStream(ctx, js, want); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dispatcher) prepareLane(ctx context.Context, all *roster, l *lane) error {
	consumer := d.config.Names.Consumer(l.target.Name)
	for stream, filters := range d.wanted(l.target) {
		if len(filters) > 0 {
			continue
		}
		if err := dropConsumer(ctx, d.config.JetStream, stream, consumer); err != nil {
			return err
		}
	}
	var position *jetstream.ConsumerInfo // in the log
	for _, f := range all.feeds {
		if f.lane != l {
			continue
		}
		c, err := ensureConsumer(ctx, d.config.JetStream, f.stream, f.consumer, f.filters)
		if err != nil {
			return err
		}
		f.floor.Store(c.CachedInfo().AckFloor.Stream)
		if err := f.noteServed(ctx, c.CachedInfo()); err != nil {
			return err
		}
		if f.stream == d.config.Names.Stream() {
			position = c.CachedInfo()
		}
	}
	if err := l.readGroups(ctx, time.Now()); err != nil {
		return err
	}
	if err := l.restore(ctx); err != nil {
		return err
	}
	if err := l.readBuried(ctx); err != nil {
		return err
	}
	if err := l.restoreLine(ctx, position); err != nil {
		return err
	}
	feeds := all.of(l)
	return feeds[len(feeds)-1].prepareQueue(ctx)
}

// errNotPrepared is a mistake of the caller.
var errNotPrepared = errors.New("webhook: Prepare has not been called")

// Run delivers until ctx ends and every goroutine it started has ended. When told to stop it takes nothing more, hands back
// what has not started, and gives the requests under way the grace period. While the engine is away it waits for it. The
// error is nil, or says that Prepare has not succeeded yet.
func (d *Dispatcher) Run(ctx context.Context) error {
	if !d.isPrepared() {
		return errNotPrepared
	}
	hard, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopGrace := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(d.config.Grace, cancel)
		context.AfterFunc(hard, func() { timer.Stop() })
	})
	defer stopGrace()
	writing, written := context.WithCancel(context.Background())
	var last, all sync.WaitGroup
	last.Go(func() { d.journal.run(writing) })
	d.applying.Lock()
	d.run = &run{ctx: ctx, hard: hard}
	for _, l := range d.roster().lanes {
		d.begin(d.roster(), l)
	}
	d.applying.Unlock()
	all.Go(func() { d.watchPending(ctx) })
	<-ctx.Done()
	d.applying.Lock() // what is being changed is
	d.run = nil
	for _, s := range d.shifts {
		<-s.done
	}
	clear(d.shifts)
	d.applying.Unlock()
	all.Wait()
	written()
	last.Wait()
	for _, t := range d.transport {
		t.CloseIdleConnections()
	}
	d.flush()
	return nil
}

func (d *Dispatcher) isPrepared() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.prepared
}

// clean reports whether the feeds have seen all that the engine sent them.
func (d *Dispatcher) clean() bool {
	return !slices.ContainsFunc(d.roster().feeds, func(f *feed) bool { return f.gaveUp })
}

// flush sees the last answers to the engine off: the caller closes the connection next.
func (d *Dispatcher) flush() {
	ctx, cancel := context.WithTimeout(context.Background(), flushWait)
	defer cancel()
	for _, l := range d.roster().lanes {
		if err := l.signOff(ctx, d.clean()); err != nil {
			l.trouble(err)
			break
		}
	}
	if err := d.config.JetStream.Conn().FlushWithContext(ctx); err != nil {
		d.config.Logger.Warn("last webhook acknowledgements may be lost, their deliveries are repeated", zap.Error(err))
	}
}

// watchPending keeps the gauge of waiting deliveries and the positions that a deleted consumer would be revived at.
func (d *Dispatcher) watchPending(ctx context.Context) {
	tick := time.NewTicker(pendingEvery)
	defer tick.Stop()
	positions := time.NewTicker(floorEvery)
	defer positions.Stop()
	for {
		d.readPending(ctx)
		d.tend(ctx)
		select {
		case <-tick.C:
		case <-positions.C:
			d.tendServed(ctx)
		case <-ctx.Done():
			return
		}
	}
}
