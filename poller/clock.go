package poller

import (
	"time"

	"go.uber.org/zap"

	"vidbell/diff"
)

// clockStep is by how much the wall clock may differ from the time that really passed before it counts as set. Clocks that are
// steered towards the right time move by less between two looks.
const clockStep = 5 * time.Second

// clock watches the wall clock by the clock that nobody sets.
type clock struct {
	wall func() time.Time
	last time.Time // what the wall clock showed at the last look
	at   time.Time // when that was, by the other clock
	set  diff.Time // when it was last set; 0 for never
}

// look returns the wall clock's time, and by how much it was set since the last look; 0 if it was not.
func (c *clock) look() (now time.Time, step time.Duration) {
	at, now := time.Now(), c.wall().Round(0) // without the reading of the other clock
	if !c.last.IsZero() {
		step = now.Sub(c.last) - at.Sub(c.at)
	}
	c.last, c.at = now, at
	if step.Abs() < clockStep {
		return now, 0
	}
	c.set = diff.TimeOf(now)
	return now, step
}

// lookAtClock returns the time, and makes the state and the lanes forget what they measured by a clock that was set since.
func (r *runner) lookAtClock() diff.Time {
	now, step := r.clock.look()
	if step == 0 {
		return diff.TimeOf(now)
	}
	r.mu.Lock()
	r.state.ClockSet(diff.TimeOf(now))
	r.mu.Unlock()
	r.flight.forget()
	if times, worth := r.clockSteps.seen("", time.Now()); worth {
		r.log.Warn("the clock was set", zap.Duration("by", step), zap.Int("times", times))
	}
	return diff.TimeOf(now)
}

// tellSkew says once that what is recorded of videos lies in the future.
func (r *runner) tellSkew(videos int) {
	if videos == 0 || r.skewTold {
		return
	}
	r.skewTold = true
	r.log.Warn("videos are recorded to have moved in the future: the clock was ahead; going on with what is observed, their times go on from there",
		zap.Int("videos", videos))
}
