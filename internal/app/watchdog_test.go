package app

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"vidbell/poller"
)

// The watchdog hears of life at half of its time, the status when it has changed, and no more of either once a loop stands still.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stuck error
		var told []string
		status := "polling"
		w := &watchdog{
			alive: func() error { return stuck }, status: func() string { return status },
			notify: func(s string) { told = append(told, s) }, log: zap.NewNop(),
		}
		ctx, stop := context.WithCancel(t.Context())
		done := background(ctx, func(ctx context.Context) error { return w.run(ctx, 15*time.Second) })
		hears := func(what string, pass time.Duration, want ...string) {
			t.Helper()
			time.Sleep(pass)
			synctest.Wait()
			if !slices.Equal(told, want) {
				t.Errorf("%s: told %q, want %q", what, told, want)
			}
			told = nil
		}
		hears("at the start", 0, "WATCHDOG=1", "STATUS=polling")
		hears("in a minute", 61*time.Second, "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1")
		status = "waiting"
		hears("another status", 10*time.Second, "STATUS=waiting")
		stuck = errors.New("a loop stands still")
		hears("a loop stands still", time.Minute)
		stuck = nil
		hears("it moves again", 15*time.Second, "WATCHDOG=1")
		stop()
		must(t, <-done)
	})
}

func TestWithoutAWatchdogOnlyTheStatusIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		w := &watchdog{
			alive: func() error { return nil }, status: func() string { return "polling" },
			notify: func(s string) { told = append(told, s) }, log: zap.NewNop(),
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		must(t, w.run(ctx, 0))
		if !slices.Equal(told, []string{"STATUS=polling"}) {
			t.Errorf("told %q", told)
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
