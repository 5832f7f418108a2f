package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
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
	"vidbell/notify/webhook"
	"vidbell/poller"
)

const (
	// lookEvery is how often the configuration's files are looked at. Their text is compared: Kubernetes changes a link to a folder,
	// which no watch of the file itself sees.
	lookEvery = 2 * time.Second
	// startingPause is between two looks at a part that is just starting, and startingWait how long somebody is kept who asks before
	// the service is there.
	startingPause = 10 * time.Millisecond
	startingWait  = 10 * time.Second
	// maxWatched bounds what is read of a file to compare it, in bytes.
	maxWatched = 1 << 20
)

// reloader reads the configuration again when it is told to, and when one of its files has changed. It changes what runs only when
// all of it is right.
type reloader struct {
	current *config.Config
	level   zap.AtomicLevel
	hangups <-chan os.Signal
	asked   chan chan<- reloaded
	seen    [sha256.Size]byte // of the files, when they were last read

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
		current: cfg, level: level, hangups: hangups, asked: make(chan chan<- reloaded), seen: fingerprint(cfg),
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
			if fingerprint(l.current) != l.seen {
				_, _ = l.reload(ctx, s, "a file has changed")
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
	l.seen = fingerprint(l.current) // before they are read: what changes meanwhile is seen
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
	l.seen = fingerprint(l.current) // it may name other files
	l.successful.Set(1)
	l.succeeded.SetToCurrentTime()
	l.total.WithLabelValues("applied").Inc()
	s.log.Info("configuration read again", zap.String("because_of", why),
		zap.Strings("sources_added", change.Sources.Added), zap.Strings("sources_changed", change.Sources.Changed), zap.Strings("sources_removed", change.Sources.Removed),
		zap.Strings("endpoints_added", change.Endpoints.Added), zap.Strings("endpoints_changed", change.Endpoints.Changed), zap.Strings("endpoints_removed", change.Endpoints.Removed))
	return change, nil
}

func (l *reloader) apply(ctx context.Context, s *service) (web.Reloaded, error) {
	next, err := config.Load(checks()...)
	if err != nil {
		return web.Reloaded{}, err
	}
	if fixed := l.current.NeedsRestart(next); len(fixed) > 0 {
		return web.Reloaded{}, fmt.Errorf("%s changed, which takes a restart: restart vidbell, or take that change back", strings.Join(fixed, ", "))
	}
	list, used, err := sourcesWith(next, s.upstreams)
	if err != nil {
		return web.Reloaded{}, err
	}
	level, err := zapcore.ParseLevel(next.Log.Level)
	if err != nil {
		return web.Reloaded{}, err
	}
	change := differences(l.current, next)
	for _, src := range list {
		s.events.AddSource(src.Name)
	}
	if err := whenRunning(ctx, func() error { return s.poller.Apply(ctx, list) }); err != nil {
		return web.Reloaded{}, err
	}
	s.operator.attach(s.poller, next, list)
	if err := whenRunning(ctx, func() error { return s.dispatcher.Apply(ctx, endpoints(next)) }); err != nil {
		return web.Reloaded{}, err // all was checked before: we are being stopped
	}
	s.upstreams, l.current = used, next
	l.level.SetLevel(level)
	return change, nil
}

// whenRunning waits for a part that has not quite begun.
func whenRunning(ctx context.Context, apply func() error) error {
	for {
		err := apply()
		if !errors.Is(err, poller.ErrNotRunning) && !errors.Is(err, webhook.ErrNotRunning) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(startingPause):
		}
	}
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

// fingerprint tells whether any file of a configuration has changed. One that cannot be read is a file of its own kind.
func fingerprint(c *config.Config) [sha256.Size]byte {
	sum := sha256.New()
	for _, name := range append([]string{c.File}, c.Files()...) {
		if name == "" {
			continue
		}
		fmt.Fprintf(sum, "\x00%s\x00", name)
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() { // a pipe is read once, at the start
			continue
		}
		if f, err := os.Open(name); err == nil {
			_, _ = io.Copy(sum, io.LimitReader(f, maxWatched)) // what cannot be read now is seen when it can
			_ = f.Close()
		}
	}
	return [sha256.Size]byte(sum.Sum(nil))
}
