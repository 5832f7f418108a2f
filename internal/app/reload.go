package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"vidbell/internal/config"
	"vidbell/internal/web"
)

const (
	// lookEvery is how often the configuration's files are looked at. Their text is compared: Kubernetes changes a link to a folder,
	// which no watch of the file itself sees.
	lookEvery = 2 * time.Second
	// startingWait is how long somebody is kept who asks before the service is there.
	startingWait = 10 * time.Second
	// applyTimeout bounds the wait for an engine that is away when endpoints or sources are added, and applyRetry is when it is tried
	// again. What is changed already waits for the engine by itself.
	applyTimeout = 30 * time.Second
	applyRetry   = 10 * time.Second
)

// reloader reads the configuration again when it is told to, and when one of its files has changed. It changes what runs only when
// all of it is right.
type reloader struct {
	current *config.Config
	level   zap.AtomicLevel
	hangups <-chan os.Signal
	asked   chan chan<- reloaded
	files   *watch
	again   time.Time     // when to try again what the engine kept from being done; zero for never
	retry   time.Duration // the pause before that

	successful prometheus.Gauge
	succeeded  prometheus.Gauge
	total      *prometheus.CounterVec
}

type reloaded struct {
	change web.Reloaded
	err    error
}

func newReloader(cfg *config.Config, level zap.AtomicLevel, hangups <-chan os.Signal, r prometheus.Registerer) *reloader {
	f := promauto.With(r)
	l := &reloader{
		current: cfg, level: level, hangups: hangups, asked: make(chan chan<- reloaded), files: newWatch(filesOf(cfg)), retry: applyRetry,
		successful: f.NewGauge(prometheus.GaugeOpts{
			Name: "vidbell_config_last_reload_successful", Help: "0 when the configuration was last read again and refused.",
		}),
		succeeded: f.NewGauge(prometheus.GaugeOpts{
			Name: "vidbell_config_last_reload_success_timestamp_seconds", Help: "When the configuration in force was read.",
		}),
		total: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_config_reloads_total", Help: "Times the configuration was read again, by what came of it.",
		}, []string{"result"}),
	}
	l.total.WithLabelValues("applied")
	l.total.WithLabelValues("refused")
	l.successful.Set(1)
	l.succeeded.SetToCurrentTime()
	return l
}

// listenForHangups asks for the signal that means: read your configuration again.
func listenForHangups() (<-chan os.Signal, func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	return hangups, func() { signal.Stop(hangups) }
}

// run serves until ctx ends.
func (l *reloader) run(ctx context.Context, s *service) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.hangups:
			_, _ = l.reload(ctx, s, "SIGHUP") // it says so itself
		case reply := <-l.asked:
			change, err := l.reload(ctx, s, "request")
			reply <- reloaded{change, err}
		case <-look.C:
			switch {
			case l.files.changed():
				_, _ = l.reload(ctx, s, "a file has changed")
			case !l.again.IsZero() && time.Now().After(l.again):
				_, _ = l.reload(ctx, s, "it could not be applied before")
			}
		}
	}
}

// Reload reads the configuration again now. It is asked over HTTP.
func (l *reloader) Reload(ctx context.Context) (web.Reloaded, error) {
	reply := make(chan reloaded, 1)
	select {
	case l.asked <- reply:
	case <-time.After(startingWait):
		return web.Reloaded{}, web.ErrStarting
	case <-ctx.Done():
		return web.Reloaded{}, ctx.Err()
	}
	select {
	case r := <-reply:
		return r.change, r.err
	case <-ctx.Done():
		return web.Reloaded{}, ctx.Err()
	}
}

// reload reads, checks, and changes what runs. What is refused leaves everything as it is.
func (l *reloader) reload(ctx context.Context, s *service, why string) (web.Reloaded, error) {
	notifySystemd(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	defer notifySystemd(daemon.SdNotifyReady)
	l.again = time.Time{}
	change, err := l.apply(ctx, s)
	if ctx.Err() != nil {
		return change, ctx.Err() // it ends with us, and the next start reads it
	}
	if err != nil {
		l.successful.Set(0)
		l.total.WithLabelValues("refused").Inc()
		s.log.Error("configuration refused, the one before stays in force", zap.String("because_of", why), zap.Strings("problems", problemLines(err)))
		return change, &web.RefusedError{Problems: problemLines(err)}
	}
	l.successful.Set(1)
	l.succeeded.SetToCurrentTime()
	l.total.WithLabelValues("applied").Inc()
	s.log.Info("configuration read again", zap.String("because_of", why),
		zap.Strings("sources_added", change.Sources.Added), zap.Strings("sources_changed", change.Sources.Changed), zap.Strings("sources_removed", change.Sources.Removed),
		zap.Strings("endpoints_added", change.Endpoints.Added), zap.Strings("endpoints_changed", change.Endpoints.Changed), zap.Strings("endpoints_removed", change.Endpoints.Removed))
	return change, nil
}

func (l *reloader) apply(ctx context.Context, s *service) (web.Reloaded, error) {
	next, err := l.read()
	if err != nil {
		return web.Reloaded{}, err
	}
	if fixed := l.current.NeedsRestart(next); len(fixed) > 0 {
		return web.Reloaded{}, fmt.Errorf("%s changed, which takes a restart: restart vidbell, or take that change back", strings.Join(fixed, ", "))
	}
	level, err := zapcore.ParseLevel(next.Log.Level)
	if err != nil {
		return web.Reloaded{}, err
	}
	change := differences(l.current, next)
	bounded, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	if err := s.apply(bounded, l.current, next); err != nil {
		l.again = time.Now().Add(l.retry)
		return web.Reloaded{}, fmt.Errorf("it is right, and is tried again in %s: %w", l.retry, err)
	}
	l.current = next
	l.level.SetLevel(level)
	return change, nil
}

// read reads the files and checks what they say as a start does.
func (l *reloader) read() (next *config.Config, err error) {
	for range 3 { // a file that is named for the first time may have changed before it was looked at
		next, err = config.Load(checks()...)
		if !l.files.follow(filesOf(l.current), filesOf(next)) {
			break
		}
	}
	return next, err
}

// apply makes another configuration hold for all endpoints and sources, or for none. Endpoints come first: what added sources have
// to tell must find the endpoints that were added with them.
func (s *service) apply(ctx context.Context, old, next *config.Config) error {
	list, used, err := sourcesWith(next, s.upstreams)
	if err != nil {
		return err
	}
	s.engine.Protect(engineConfig(next, s.log))
	if _, err := s.dispatcher.Apply(ctx, endpoints(next), next.Webhook.AllowNetworks); err != nil {
		s.engine.Protect(engineConfig(old, s.log))
		return err
	}
	for _, src := range list {
		s.events.AddSource(src.Name)
	}
	done, err := s.poller.Apply(ctx, list)
	if err != nil {
		return errors.Join(err, s.takeBack(ctx, old))
	}
	used.setRates()
	s.upstreams = used
	for _, name := range done.Removed {
		s.events.RemoveSource(name)
		s.store.forget(name)
	}
	s.operator.attach(s.poller, next, list)
	return nil
}

// takeBack gives the endpoints their old settings when the sources did not get their new ones.
func (s *service) takeBack(ctx context.Context, old *config.Config) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), applyTimeout)
	defer cancel()
	if _, err := s.dispatcher.Apply(ctx, endpoints(old), old.Webhook.AllowNetworks); err != nil {
		return fmt.Errorf("the endpoints have their new settings already, the sources their old ones: %w", err)
	}
	s.engine.Protect(engineConfig(old, s.log))
	return nil
}

// differences names what a change of the configuration comes to.
func differences(old, next *config.Config) web.Reloaded {
	sources := func(c *config.Config) map[string]any {
		named := make(map[string]any)
		for _, s := range c.Sources {
			account, _ := c.Account(s.Account)
			account.Name = "" // names alone change nothing
			named[s.Name] = []any{s, account, account.Key.Reveal()}
		}
		return named
	}
	receivers := func(c *config.Config) map[string]any {
		named := make(map[string]any)
		for _, e := range endpoints(c) {
			named[e.Name] = e
		}
		return named
	}
	return web.Reloaded{Sources: differ(sources(old), sources(next)), Endpoints: differ(receivers(old), receivers(next))}
}

func differ(old, next map[string]any) web.Difference {
	d := web.Difference{Added: []string{}, Changed: []string{}, Removed: []string{}}
	for name, n := range next {
		switch o, known := old[name]; {
		case !known:
			d.Added = append(d.Added, name)
		case !reflect.DeepEqual(o, n):
			d.Changed = append(d.Changed, name)
		}
	}
	for name := range old {
		if _, kept := next[name]; !kept {
			d.Removed = append(d.Removed, name)
		}
	}
	slices.Sort(d.Added)
	slices.Sort(d.Changed)
	slices.Sort(d.Removed)
	return d
}

// problemLines is what is wrong, one problem a line.
func problemLines(err error) []string {
	var problems config.Problems
	if !errors.As(err, &problems) {
		return []string{err.Error()}
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	return lines
}
