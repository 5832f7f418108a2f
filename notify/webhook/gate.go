package webhook

import (
	"sync"
	"time"
)

const (
	breakerAfter = 5 // failures in a row
	probeFirst   = time.Second
	probeMost    = time.Minute
	giveUpAfter  = 5 * 24 * time.Hour
	// A probe waits for at most a sixth of what the outage has lasted, so that a receiver that was away for half a minute
	// is found to be back within five seconds, at three dozen probes in its first ten minutes.
	probeShare = 6
)

// timing is when an endpoint that fails is looked after.
type timing struct {
	first, most time.Duration // between probes
	giveUp      time.Duration // without one success
}

// probeDelay begins at the first delay and doubles as the outage grows older.
func (t timing) probeDelay(age time.Duration) time.Duration {
	delay := t.first
	for delay < t.most && 2*delay <= age/probeShare {
		delay *= 2
	}
	return min(delay, t.most)
}

// gate decides how much of an endpoint's backlog may be under way: nothing while it is disabled, or paused by a Retry-After;
// one delivery now and then while its breaker is open; one more with each success after that; and then as many as its limit
// says. It keeps no clock, and does no I/O.
type gate struct {
	timing timing
	most   int

	mu        sync.Mutex
	disabled  bool
	until     time.Time // Retry-After
	failing   time.Time // the first failure since the last success
	row       int       // failures since the last success that speak of an outage
	rowSince  time.Time
	open      bool      // the breaker, that is: no way through
	outage    time.Time // when what it is open for began
	probeAt   time.Time
	probing   bool
	room      int
	recovered time.Time     // when the breaker last closed
	changed   chan struct{} // closed and replaced at each change
}

func newGate(most int, t timing) *gate {
	return &gate{timing: t, most: most, room: most, changed: make(chan struct{})}
}

// state returns how many deliveries may be under way, how long until there may be some when that is known, and what to wait
// for besides.
func (g *gate) state(now time.Time) (room int, wait time.Duration, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rest := g.next().Sub(now)
	switch {
	case g.disabled, g.open && g.probing:
		return 0, 0, g.changed
	case rest > 0:
		return 0, rest, g.changed
	case g.open:
		return 1, 0, g.changed
	default:
		return g.room, 0, g.changed
	}
}

// next is when something may be sent; in the past when it may be now.
func (g *gate) next() time.Time {
	if g.open && g.probeAt.After(g.until) {
		return g.probeAt
	}
	return g.until
}

// admit lets a delivery through, or does not. One that is let through an open breaker is the probe.
func (g *gate) admit(now time.Time) (probe, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.disabled || g.next().After(now) || g.open && g.probing {
		return false, false
	}
	if !g.open {
		return false, true
	}
	g.probing = true
	g.announce()
	return true, true
}

// succeeded notes a success, of the probe or of any other attempt. It reports whether that closed the breaker.
func (g *gate) succeeded(now time.Time) (closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.row, g.failing = 0, time.Time{}
	switch {
	case g.disabled:
	case g.open:
		g.open, g.probing, g.room, g.recovered = false, false, 1, now
		g.announce()
		return true
	case g.room < g.most:
		g.room++
		g.announce()
	}
	return false
}

// failed notes a failure, and whether it speaks of an outage. It reports whether that opened the breaker, and whether the
// endpoint has gone without a success for too long.
func (g *gate) failed(now time.Time, outage, probe bool) (opened, expired bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.disabled {
		return false, false
	}
	if g.failing.IsZero() {
		g.failing = now
	}
	if outage {
		g.count(now)
	}
	switch {
	case probe:
		g.probing = false
		g.probeAt = now.Add(g.delay(now, outage))
		g.announce()
	case !g.open && g.row >= breakerAfter:
		opened = true
		g.trip(now)
	}
	return opened, now.Sub(g.failing) >= g.timing.giveUp
}

// isOld reports whether an attempt that began at a time was made before the receiver was back, or was enabled: what it came to says
// nothing of the receiver that is there now.
func (g *gate) isOld(began time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.open && began.Before(g.recovered)
}

func (g *gate) count(now time.Time) {
	if g.row == 0 {
		g.rowSince = now
	}
	g.row++
}

// trip opens the breaker. Soon after it closed that is the same outage going on, so that a receiver that is there every other
// second is probed, and talked about, ever more seldom.
func (g *gate) trip(now time.Time) {
	if g.outage.IsZero() || now.Sub(g.recovered) > g.timing.most {
		g.outage = g.rowSince
	}
	g.open = true
	g.probeAt = now.Add(g.delay(now, true))
	g.announce()
}

// delay is the time to the next probe. A refusal comes from a receiver that is there: the next delivery may do better.
func (g *gate) delay(now time.Time, outage bool) time.Duration {
	if !outage {
		return g.timing.first
	}
	return g.timing.probeDelay(now.Sub(g.outage))
}

// abandon takes a probe back that our own stop broke off.
func (g *gate) abandon() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing = false
	g.announce()
}

// inherit takes over what the gate before knew of the same receiver. What was under way there has ended.
func (g *gate) inherit(before *gate) {
	before.mu.Lock()
	defer before.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.disabled, g.until, g.failing = before.disabled, before.until, before.failing
	g.row, g.rowSince, g.open, g.outage, g.probeAt = before.row, before.rowSince, before.open, before.outage, before.probeAt
	g.recovered = before.recovered
	if before.room < before.most {
		g.room = min(before.room, g.most)
	}
	g.announce()
}

// isOpen reports whether deliveries that fail now fail because of an outage.
func (g *gate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// early reports whether what failed in an outage at a time may be tried before it is due.
func (g *gate) early(failed time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open || failed.Before(g.recovered)
}

// name is the state in one word.
func (g *gate) name(now time.Time) State {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.disabled:
		return StateDisabled
	case g.open:
		return StateDegraded
	case g.until.After(now):
		return StatePaused
	default:
		return StateActive
	}
}

// disable closes the gate until enable. It reports whether it was open to be closed.
func (g *gate) disable() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.disabled {
		return false
	}
	g.disabled, g.open, g.probing = true, false, false
	g.announce()
	return true
}

// enable opens the gate, whatever closed it, for one delivery at first: nobody knows yet what it will come to.
func (g *gate) enable(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.disabled, g.open, g.probing, g.until = false, false, false, time.Time{}
	g.row, g.failing, g.outage, g.room, g.recovered = 0, time.Time{}, time.Time{}, 1, now
	g.announce()
}

// pause closes the gate until a time, and reports by how much that is later than what was asked for before. A disabled
// endpoint's pause means nothing.
func (g *gate) pause(until time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.disabled || !until.After(g.until) {
		return 0
	}
	later := until.Sub(g.until)
	g.until = until
	g.announce()
	return later
}

// restore brings back an open breaker. Its first probe is due at once: who knows how long we were away.
func (g *gate) restore(h health, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.disabled, g.until, g.failing, g.recovered = h.State == StateDisabled, h.pausedUntil(now), h.FailingSince, h.Recovered
	if g.open = h.State == StateDegraded; g.open {
		g.row, g.outage, g.probeAt, g.probing = breakerAfter, h.Since, time.Time{}, false
	}
	g.announce()
}

func (g *gate) announce() {
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gate) failingSince() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failing
}

// outlook is what people are told of the gate: when something may be sent again (zero for now, or not by itself), since when
// the endpoint fails, and how often in a row.
func (g *gate) outlook(now time.Time) (next, failing time.Time, row int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if next = g.next(); g.disabled || !next.After(now) {
		next = time.Time{}
	}
	return next, g.failing, g.row
}
