package webhook

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"sync"
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
	// Exclusive means that no other process delivers what the engine holds, as with an engine inside this process. Then the
	// dispatcher keeps the endpoints' positions itself, a write for all of them together, where durable consumers, which processes
	// can share, cost one for each.
	Exclusive bool
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
	metrics   *metrics
	exits     *exits
	records   *records
	journal   *journal
	positions *positions    // nil where the engine keeps them, in durable consumers
	global    chan struct{} // a place for each request under way
	replaying sync.Mutex    // one request for a replay at a time
	owner     string        // tells this process from others on the same engine, in the records of groups

	applying chan struct{} // of capacity 1: one change of the endpoints at a time
	swapping sync.RWMutex  // held while one lane of an endpoint succeeds another; read by those who change its health

	mu       sync.Mutex
	units    []*unit          // replaced as a whole
	lines    map[string]*line // of endpoints that were removed, and may come back
	troubles repeats          // of writing positions
	prepared bool
	shift    *shift // nil before Run
}

// New checks the configuration and all endpoints, and names every mistake. It does not touch the network.
func New(c Config) (*Dispatcher, error) {
	c = c.WithDefaults()
	targets, err := compileAll(c.Endpoints)
	if err := errors.Join(c.validate(), err); err != nil {
		return nil, err
	}
	m, err := newMetrics(c.Registerer)
	if err != nil {
		return nil, err
	}
	d := &Dispatcher{
		config:   c,
		metrics:  m,
		exits:    newExits(c.AllowNetworks, c.GlobalInFlight),
		records:  &records{js: c.JetStream, names: c.Names},
		owner:    rand.Text(),
		journal:  newJournal(c, m.unlogged),
		global:   make(chan struct{}, c.GlobalInFlight),
		applying: make(chan struct{}, 1),
		lines:    make(map[string]*line),
	}
	if c.Exclusive {
		d.positions = newPositions(c)
	}
	for _, t := range targets {
		d.units = append(d.units, d.newUnit(t, m.lane(t.Name)))
	}
	return d, nil
}

func (c Config) validate() error {
	var problems []error
	if c.JetStream == nil {
		problems = append(problems, errors.New("webhook: JetStream is required"))
	}
	problems = append(problems, c.Names.Validate())
	if c.GlobalInFlight < 1 {
		problems = append(problems, fmt.Errorf("webhook: global limit in flight is %d, use 1 or more", c.GlobalInFlight))
	}
	return errors.Join(problems...)
}

// compileAll names every mistake in a list of endpoints.
func compileAll(endpoints []Endpoint) ([]*target, error) {
	var problems []error
	seen := make(map[string]bool, len(endpoints))
	targets := make([]*target, 0, len(endpoints))
	for _, e := range endpoints {
		t, err := compile(e)
		if err == nil && seen[e.Name] {
			err = fmt.Errorf("endpoint %q: the name is taken by another one", e.Name)
		}
		seen[e.Name] = true
		problems, targets = append(problems, err), append(targets, t)
	}
	return targets, errors.Join(problems...)
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
	if d.positions != nil {
		if err := d.positions.load(ctx); err != nil {
			return err
		}
	}
	for _, u := range d.units {
		if err := d.prepareUnit(ctx, u); err != nil {
			return err
		}
	}
	if d.positions != nil {
		d.positions.settle()
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
	if d.positions != nil {
		return d.positions.remake(ctx)
	}
	return nil
}

func (d *Dispatcher) prepareLane(ctx context.Context, l *lane) error {
	consumer := d.config.Names.Consumer(l.target.Name)
	for stream, filters := range d.wanted(l.target) {
		if len(filters) > 0 {
			continue
		}
		if err := d.abandon(ctx, l.target.Name, stream, consumer); err != nil {
			return err
		}
	}
	var inLog *feed
	var position standing
	for _, f := range l.feeds {
		at, err := d.takeUp(ctx, f)
		if err != nil {
			return err
		}
		f.floor.Store(at.floor)
		if err := f.noteServed(ctx, at); err != nil {
			return err
		}
		if f.stream == d.config.Names.Stream() {
			inLog, position = f, at
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
	return l.restoreLine(ctx, inLog, position)
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
	select {
	case d.applying <- struct{}{}: // a change that began before is made before
	case <-ctx.Done():
		return nil
	}
	writing, written := context.WithCancel(context.Background())
	defer written()
	var last sync.WaitGroup
	last.Go(func() { d.journal.run(writing) })
	if d.positions != nil {
		last.Go(func() { d.positions.run(writing, d.troubled) })
	}
	w := newShift(ctx, d)
	d.mu.Lock()
	d.shift = w
	for _, u := range d.units {
		w.start(u)
	}
	d.mu.Unlock()
	<-d.applying
	d.watchPending(ctx)
	d.mu.Lock()
	w.over = true
	d.mu.Unlock()
	w.wait()
	written()
	last.Wait()
	d.exits.close()
	d.flush()
	return nil
}

func (d *Dispatcher) isPrepared() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.prepared
}

// flush sees the last answers to the engine off: the caller closes the connection next.
func (d *Dispatcher) flush() {
	ctx, cancel := context.WithTimeout(context.Background(), flushWait)
	defer cancel()
	var err error
	if d.positions != nil {
		err = d.positions.flush(ctx)
	}
	if err = errors.Join(err, d.config.JetStream.Conn().FlushWithContext(ctx)); err != nil {
		d.config.Logger.Warn("last webhook acknowledgements may be lost, their deliveries are repeated", zap.Error(err))
	}
}

// troubled reports that positions cannot be written.
func (d *Dispatcher) troubled(err error) {
	if n, ok := d.troubles.hit(err.Error(), time.Now()); ok {
		d.config.Logger.Warn("positions of webhook endpoints cannot be written, trying on", zap.Error(err), zap.Int("count", n))
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
