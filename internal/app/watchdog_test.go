package app

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"vidbell/poller"
)

// minded is a service as the watchdog sees it, and what it was told.
type minded struct {
	mu     sync.Mutex
	stuck  error
	status string
	told   []string
}

func (m *minded) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func (m *minded) watchdog() *watchdog {
	return &watchdog{
		alive:  func() (err error) { m.set(func() { err = m.stuck }); return err },
		status: func() (text string) { m.set(func() { text = m.status }); return text },
		notify: func(s string) { m.set(func() { m.told = append(m.told, s) }) },
		log:    zap.NewNop(),
	}
}

// The watchdog hears of life at half of its time, the status when it has changed, and no more of either once a loop stands still.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &minded{status: "polling"}
		ctx, stop := context.WithCancel(t.Context())
		done := background(ctx, func(ctx context.Context) error { return m.watchdog().run(ctx, 15*time.Second) })
		hears := func(what string, pass time.Duration, want ...string) {
			t.Helper()
			time.Sleep(pass)
			synctest.Wait()
			m.set(func() {
				if !slices.Equal(m.told, want) {
					t.Errorf("%s: told %q, want %q", what, m.told, want)
				}
				m.told = nil
			})
		}
		hears("at the start", 0, "WATCHDOG=1", "STATUS=polling")
		hears("in a minute", 61*time.Second, "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1")
		m.set(func() { m.status = "waiting" })
		hears("another status", 10*time.Second, "STATUS=waiting")
		m.set(func() { m.stuck = errors.New("a loop stands still") })
		hears("a loop stands still", time.Minute)
		m.set(func() { m.stuck = nil })
		hears("it moves again", 15*time.Second, "WATCHDOG=1")
		stop()
		must(t, <-done)
	})
}

func TestWithoutAWatchdogOnlyTheStatusIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &minded{status: "polling"}
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		must(t, m.watchdog().run(ctx, 0))
		if !slices.Equal(m.told, []string{"STATUS=polling"}) {
			t.Errorf("told %q", m.told)
		}
	})
}

func TestStatusLine(t *testing.T) {
	for want, sources := range map[string][]poller.Status{
		"polling 1 source, 1 video, 0 in processing":                {{Videos: 1}},
		"polling 2 sources, 12 videos, 3 in processing, 1 degraded": {{Videos: 5, InFlight: 1}, {Videos: 7, InFlight: 2, Degraded: "network"}},
	} {
		if got := statusLine(sources); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
