package poller

import (
	"hash/fnv"
	"time"
)

const (
	stretch   = 1.5 // each quiet tick
	maxJitter = 0.1 // added, never subtracted
	// probeInterval is how often a source whose account is refused is tried.
	probeInterval = time.Minute
	// spreadFrom is from how many sources on first polls are spread over the interval; fewer poll at once.
	spreadFrom = 10
)

// schedule decides when a source polls next.
type schedule struct {
	base, max time.Duration
	now       time.Duration
}

// after returns the wait from the start of one tick to the start of the next. random is in [0, 1).
func (s *schedule) after(busy, refused bool, random float64) time.Duration {
	switch {
	case refused:
		return probeInterval
	case busy || s.now == 0:
		s.now = s.base
	default:
		s.now = min(time.Duration(float64(s.now)*stretch), s.max)
	}
	return s.now + time.Duration(random*maxJitter*float64(s.now))
}

// interval is the present distance of ticks.
func (s *schedule) interval() time.Duration { return max(s.now, s.base) }

// wake takes back what quiet ticks have stretched.
func (s *schedule) wake() { s.now = s.base }

// phase is where in the interval a source's first tick lies: the same after every restart, different between sources.
func phase(name string, interval time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	// The low bits of FNV move little with the last letters; mix them as SplitMix64 does.
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return time.Duration(x % uint64(interval))
}
