package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"vidbell/poller"
)

// statusEvery is how often systemd is told what the service is doing, when that has changed.
const statusEvery = 10 * time.Second

// alive returns an error when a loop of the service stands still. It asks neither the platform nor the engine.
func (s *service) alive() error {
	if !s.loaded.Load() {
		return nil // nothing turns yet
	}
	return errors.Join(s.poller.Alive(), s.dispatcher.Alive())
}

// tellSystemd keeps the status line, and the watchdog where there is one, until ctx ends. The watchdog hears of us at half of
// its time, and only as long as the loops turn: one that stands still has the service started anew.
func (s *service) tellSystemd(ctx context.Context) error {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn("the watchdog of systemd cannot be served", zap.Error(err))
	}
	w := &watchdog{alive: s.alive, status: s.status, notify: notifySystemd, log: s.log}
	return w.run(ctx, every/2)
}

// watchdog tells a service manager what it should know.
type watchdog struct {
	alive  func() error
	status func() string
	notify func(string)
	log    *zap.Logger
	told   string // the status
}

// run tells of life each time that an interval has passed; 0 is never.
func (w *watchdog) run(ctx context.Context, every time.Duration) error {
	status := time.NewTicker(statusEvery)
	defer status.Stop()
	var due <-chan time.Time
	if every > 0 {
		t := time.NewTicker(every)
		defer t.Stop()
		due = t.C
		w.live()
	}
	w.tell()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-due:
			w.live()
		case <-status.C:
			w.tell()
		}
	}
}

func (w *watchdog) live() {
	if err := w.alive(); err != nil {
		w.log.Error("not alive: the watchdog will end this process", zap.Error(err))
		return
	}
	w.notify(daemon.SdNotifyWatchdog)
}

func (w *watchdog) tell() {
	if text := w.status(); text != w.told {
		w.told = text
		w.notify("STATUS=" + text)
	}
}

// status is what the service is doing, in one line without a secret or a name.
func (s *service) status() string {
	for _, c := range s.ready() {
		if !c.OK {
			return "waiting for the " + c.Name + ": " + c.Detail
		}
	}
	return statusLine(s.poller.Status())
}

func statusLine(sources []poller.Status) string {
	var videos, inFlight, degraded int
	for _, src := range sources {
		videos, inFlight = videos+src.Videos, inFlight+src.InFlight
		if src.Degraded != "" {
			degraded++
		}
	}
	parts := []string{"polling " + plural(len(sources), "source"), plural(videos, "video"), fmt.Sprintf("%d in processing", inFlight)}
	if degraded > 0 {
		parts = append(parts, fmt.Sprintf("%d degraded", degraded))
	}
	return strings.Join(parts, ", ")
}
