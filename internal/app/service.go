package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"vidbell/internal/config"
	"vidbell/internal/engine"
	"vidbell/internal/telemetry"
	"vidbell/internal/web"
	"vidbell/notify"
	"vidbell/notify/history"
	"vidbell/notify/webhook"
	"vidbell/poller"
)

const (
	// drainGrace is how long requests to receivers may take after we are told to stop.
	drainGrace = 10 * time.Second
	// setupRetry is the pause between two tries to set up the log on an engine that is there but not able yet: a cluster
	// without a leader.
	setupRetry = 2 * time.Second
	// waitingEvery is how often the log says what is being waited for.
	waitingEvery = time.Minute
)

// service is a whole vidbell: engine, log, poller, deliveries and HTTP.
type service struct {
	cfg      *config.Config
	log      *zap.Logger
	registry *prometheus.Registry
	engine   *engine.Engine
	listener net.Listener
	tracing  *telemetry.Tracing

	operator   *operator
	courier    *courier
	archive    *archive
	poller     *poller.Poller
	dispatcher *webhook.Dispatcher
	events     *notify.Log
	store      *store
	upstreams  upstreams
	reloader   *reloader   // nil where the configuration was not read from outside, as in the demo
	loaded     atomic.Bool // the state is, and the consumers exist
}

// newService opens the HTTP listener and starts the engine. Whoever gets a service closes it.
func newService(ctx context.Context, cfg *config.Config, log *zap.Logger) (*service, error) {
	s := &service{cfg: cfg, log: log, operator: &operator{}, courier: &courier{log: log.Named("api")}, archive: &archive{log: log.Named("api")}}
	if cfg.HTTP.Listen != "" {
		var err error
		if s.listener, err = web.Listen(ctx, cfg.HTTP.Listen); err != nil {
			return nil, &ExitError{Code: ExitConfig, Err: err}
		}
	}
	var err error
	if s.engine, err = engine.Start(engineConfig(cfg, log)); err != nil {
		s.close()
		return nil, err
	}
	s.registry = newRegistry(s.engine.Conn, s.ready)
	s.tracing, err = telemetry.Start(ctx, telemetry.Config{
		Version: BuildInfo().Version, Instance: cfg.Names.Instance, Logger: log.Named("telemetry"),
	})
	if err != nil {
		s.close()
		return nil, &ExitError{Code: ExitConfig, Err: err}
	}
	return s, nil
}

func (s *service) close() {
	if s.listener != nil {
		_ = s.listener.Close() // closed already when the server ran
	}
	if s.engine != nil {
		s.engine.Close()
	}
	if s.tracing != nil {
		s.tracing.Close()
	}
}

// ready are the checks behind /readyz.
func (s *service) ready() []web.Check {
	up, why := s.engine.Ready()
	if !up {
		s.log.Debug("not ready", zap.String("engine", why))
	}
	state := web.Check{Name: "state", OK: s.loaded.Load()}
	if !state.OK {
		state.Detail = "not loaded yet"
	}
	checks := []web.Check{{Name: "engine", OK: up, Detail: engineDetail(up)}, state}
	if state.OK {
		checks = append(checks, logCheck(s.poller.Holding()))
	}
	return checks
}

// logCheck is about events that wait because the log does not take them.
func logCheck(err error) web.Check {
	switch {
	case err == nil:
		return web.Check{Name: "log", OK: true}
	case errors.Is(err, engine.ErrDiskFull):
		return web.Check{Name: "log", Detail: "the disk is full: nothing is published until there is room"}
	case errors.Is(err, engine.ErrUnwritable):
		return web.Check{Name: "log", Detail: "the data directory cannot be written: nothing is published until it can"}
	default:
		return web.Check{Name: "log", Detail: "the log cannot be read or written: nothing is published until it can"}
	}
}

// engineDetail says no more than a probe may know.
func engineDetail(up bool) string {
	if up {
		return ""
	}
	return "not connected, or not able to write"
}

// run serves until ctx ends or a part fails for good.
func (s *service) run(ctx context.Context) error {
	httpCtx, stopHTTP := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHTTP()
	httpDone, err := s.serveHTTP(httpCtx)
	if err != nil {
		return err
	}
	told := background(httpCtx, s.tellSystemd)
	err = s.work(ctx, httpDone)
	stopHTTP()
	return errors.Join(err, drain(told), drainHTTP(httpDone))
}

func drainHTTP(done <-chan error) error {
	if done == nil {
		return nil
	}
	return <-done
}

func (s *service) serveHTTP(ctx context.Context) (<-chan error, error) {
	if s.listener == nil {
		return nil, nil
	}
	server, err := web.New(web.Config{
		Listener: s.listener, Gatherer: s.registry, Ready: s.ready, Alive: s.alive, Token: s.cfg.HTTP.Token, Version: BuildInfo().Version,
		Logger: s.log,
	})
	if err != nil {
		return nil, err
	}
	if err := s.addPages(server); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() {
		done <- server.Run(ctx)
		close(done)
	}()
	return done, nil
}

func (s *service) addPages(server *web.Server) error {
	server.HandleStatus(&overview{service: s, started: time.Now()})
	server.HandleSources(s.operator)
	server.HandleEndpoints(s.courier)
	server.HandleDeliveries(s.courier)
	server.HandleEvents(s.archive, s.registry)
	server.HandleVideos(s.archive)
	if s.reloader != nil {
		server.HandleReload(s.reloader)
	}
	if !s.cfg.HTTP.HintSecret.IsSet() {
		return nil
	}
	hints, err := web.NewHints(web.HintsConfig{Secret: s.cfg.HTTP.HintSecret, Hinter: s.operator, Registerer: s.registry})
	if err != nil {
		return err
	}
	server.HandleHints(hints)
	return nil
}

// work sets everything up and polls and delivers until ctx ends.
func (s *service) work(ctx context.Context, httpDone <-chan error) error {
	if err := s.setUp(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before we were ready
		}
		return err
	}
	s.loaded.Store(true)
	notifySystemd(daemon.SdNotifyReady)
	s.log.Info("ready", zap.Int("sources", len(s.cfg.Sources)), zap.Int("endpoints", len(s.cfg.Endpoints)))
	defer s.loaded.Store(false)

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	polled := background(ctx, s.poller.Run)
	// Deliveries go on while polling stops: last in, first out.
	deliverCtx, stopDelivering := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDelivering()
	delivered := background(deliverCtx, s.deliver)
	watched := background(ctx, s.engine.Watch)
	tended := background(ctx, tendMemory)
	reloaded := background(ctx, s.reload)
	kept := background(ctx, newRetention(s).run)
	sized := background(ctx, s.watchSizes)

	var first error
	select {
	case first = <-polled:
	case first = <-watched:
	case first = <-delivered:
	case first = <-httpDone: // nil, and never, without HTTP
	}
	notifySystemd(daemon.SdNotifyStopping)
	if ctx.Err() != nil {
		s.log.Info("stopping")
	}
	stop()
	pollErr := drain(polled)
	stopDelivering()
	return errors.Join(first, pollErr, drain(watched), drain(tended), drain(reloaded), drain(kept), drain(sized), drain(delivered))
}

// background runs a part and closes its channel after its one result.
func background(ctx context.Context, run func(context.Context) error) <-chan error {
	done := make(chan error, 1)
	go func() {
		done <- run(ctx)
		close(done)
	}()
	return done
}

func drain(done <-chan error) error { return <-done }

// reload changes sources and endpoints when it is asked to.
func (s *service) reload(ctx context.Context) error {
	if s.reloader == nil {
		<-ctx.Done()
		return nil
	}
	return s.reloader.run(ctx, s)
}

func (s *service) deliver(ctx context.Context) error {
	return s.dispatcher.Run(ctx)
}

// setUp waits for the engine, opens the log, makes the consumers, loads the state.
func (s *service) setUp(ctx context.Context) error {
	if err := s.engine.WaitReady(ctx, s.sayWaiting("engine is away, waiting for it")); err != nil {
		return err
	}
	if addr := s.engine.ListenAddr(); addr != "" {
		s.log.Info("listening for subscribers", zap.String("address", "nats://"+addr))
	}
	var log *notify.Log
	err := s.insist(ctx, func(ctx context.Context) (err error) {
		log, err = notify.OpenLog(ctx, notify.LogConfig{
			JetStream: s.engine.JetStream, Names: s.cfg.Names, Replicas: s.cfg.NATS.Replicas, Logger: s.log.Named("log"),
			Registerer: s.registry, Tracer: s.tracing.Tracer("notify"),
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	events, err := history.New(history.Config{JetStream: s.engine.JetStream, Names: s.cfg.Names, Mark: log.Mark, Expired: log.FoldedTo})
	if err != nil {
		return err
	}
	s.archive.attachLog(events)
	if err := s.setUpDeliveries(ctx); err != nil {
		return err
	}
	return s.setUpPolling(ctx, log)
}

func (s *service) setUpDeliveries(ctx context.Context) error {
	list := endpoints(s.cfg)
	var err error
	s.dispatcher, err = webhook.New(webhook.Config{
		JetStream: s.engine.JetStream, Names: s.cfg.Names, Endpoints: list, Replicas: s.cfg.NATS.Replicas,
		Exclusive:     s.engine.Embedded(), // nobody else can open the data directory, and listeners may not touch what is ours
		AllowNetworks: s.cfg.Webhook.AllowNetworks, Grace: drainGrace, Version: BuildInfo().Version,
		Logger: s.log.Named("webhook"), Registerer: s.registry, Tracer: s.tracing.Tracer("notify/webhook"),
	})
	if err != nil {
		return err
	}
	if err := s.insist(ctx, s.dispatcher.Prepare); err != nil {
		return err
	}
	s.courier.attach(s.dispatcher)
	return nil
}

// remake makes the streams of deliveries again when the engine has lost everything.
func (s *service) remake(ctx context.Context) error {
	return s.dispatcher.Remake(ctx)
}

func (s *service) setUpPolling(ctx context.Context, log *notify.Log) error {
	list, used, err := sourcesWith(s.cfg, nil)
	if err != nil {
		return err
	}
	s.upstreams, s.events, s.store = used, log, newStore(log, s.remake, s.engine.Explain)
	for _, src := range list {
		log.AddSource(src.Name)
	}
	s.poller, err = poller.New(poller.Config{
		Sources: list, Store: s.store, Reporter: reporter{log}, Logger: s.log.Named("poller"), Registerer: s.registry,
		Tracer: s.tracing.Tracer("poller"),
	})
	if err != nil {
		return err
	}
	if err := s.poller.Load(ctx); err != nil {
		return err
	}
	s.operator.attach(s.poller, s.cfg, list)
	s.archive.attachVideos(s.poller)
	return nil
}

// insist repeats a step of the set-up as long as the engine is not able to serve it yet.
func (s *service) insist(ctx context.Context, step func(context.Context) error) error {
	say := s.sayWaiting("engine cannot serve yet, trying again")
	for {
		err := step(ctx)
		if err == nil || ctx.Err() != nil || !passing(err) {
			return err
		}
		say(err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(setupRetry):
		}
	}
}

// Codes of a cluster that has no leader, or not enough members, at the moment.
const (
	codeInsufficientPeers  = 10005
	codeClusterUnavailable = 10008
	codeNoPeersAvailable   = 10023 // insufficient resources: also while a server joins
)

// passing reports whether an error of the engine may go away by itself.
func passing(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode == codeClusterUnavailable || api.ErrorCode == codeInsufficientPeers ||
			api.ErrorCode == codeNoPeersAvailable || api.Code == 503
	}
	for _, known := range []error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrDisconnected, nats.ErrConnectionReconnecting,
		nats.ErrReconnectBufExceeded, jetstream.ErrNoStreamResponse,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// sayWaiting logs the first failure and then one a minute.
func (s *service) sayWaiting(message string) func(error) {
	var last time.Time
	return func(err error) {
		if time.Since(last) < waitingEvery {
			return
		}
		last = time.Now()
		s.log.Warn(message, zap.Error(err))
	}
}

func notifySystemd(state string) {
	_, _ = daemon.SdNotify(false, state) // not running under systemd is no error, and a failure changes nothing for us
}
