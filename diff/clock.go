package diff

import (
	"math"
	"slices"
	"time"
)

// maxSkew is how far beyond the present a recorded time may lie before it is taken for a clock that was ahead when it was
// recorded. The clocks of two processes may differ by less.
const maxSkew = 5 * time.Second

// never is beyond all times.
const never = Time(math.MaxInt64)

// horizon is beyond which times of the past cannot lie.
func horizon(now Time) Time {
	if now == 0 {
		return never
	}
	return now + Time(maxSkew.Milliseconds())
}

// ClockSet says that the wall clock was set, forwards or back, since the last input, so that times from before and after cannot
// be compared. What waits in memory for a time to pass (doubts, stalls, misses) waits anew from now on.
func (s *State) ClockSet(now Time) {
	s.steady, s.wasSet, s.latest = now, true, min(s.latest, now)
	clear(s.overdue)
	clear(s.behind)
	for no, p := range s.pending {
		p.since = now
		if p.last != 0 {
			p.last = now
		}
		s.pending[no] = p
	}
	for no, a := range s.absences {
		a.first, a.last = now, now
		s.absences[no] = a
	}
	for _, r := range s.videos {
		r.shown = min(r.shown, second(now))
	}
}

// present takes times of an input that lie in the future for now: the clock was set back while its answer was on its way.
func (in Input) present() Input {
	limit := horizon(in.Now)
	if slices.ContainsFunc(in.Observations, func(o Observation) bool { return o.At > limit }) {
		in.Observations = slices.Clone(in.Observations)
		for i := range in.Observations {
			if o := &in.Observations[i]; o.At > limit {
				o.At = in.Now
			}
		}
	}
	if slices.ContainsFunc(in.Misses, func(m Miss) bool { return m.At > limit }) {
		in.Misses = slices.Clone(in.Misses)
		for i := range in.Misses {
			if m := &in.Misses[i]; m.At > limit {
				m.At = in.Now
			}
		}
	}
	if in.SweepComplete > limit {
		in.SweepComplete = in.Now
	}
	return in
}

// skewed reports whether a recorded time lies in the future: the clock was ahead when it was recorded, and whatever is observed
// now came after it.
func (r *reconciler) skewed(t Time) bool { return t > r.horizon }

// stale reports whether an observation of a video began before its last move.
func (r *reconciler) stale(rec *Record, o *Observation) bool {
	moved := rec.moved()
	switch {
	case o.At >= moved:
		return false
	case !r.skewed(moved) || o.At < r.state.latest:
		return true
	}
	r.res.Skewed++
	return false
}

// stamp is the time of a move that was observed at a time: a video's times never go backwards, whatever the clock did.
func (r *reconciler) stamp(rec *Record, at Time) Time {
	if moved := rec.moved(); at < moved {
		return moved + 1
	}
	return at
}

// steady is since when the clock is known to have gone evenly.
func (r *reconciler) steady() Time {
	if r.state.steady == 0 {
		return r.present
	}
	return r.state.steady
}
