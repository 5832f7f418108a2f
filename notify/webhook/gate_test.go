package webhook

import (
	"testing"
	"time"
)

var testTiming = timing{first: probeFirst, most: probeMost, giveUp: giveUpAfter}

func TestProbesComeRarerAsAnOutageGrowsOlder(t *testing.T) {
	for name, c := range map[string]struct{ age, want time.Duration }{
		"at the beginning":            {0, time.Second},
		"after ten seconds":           {10 * time.Second, time.Second},
		"after half a minute":         {30 * time.Second, 4 * time.Second},
		"after a minute":              {time.Minute, 8 * time.Second},
		"after three minutes":         {3 * time.Minute, 16 * time.Second},
		"after ten minutes":           {10 * time.Minute, time.Minute},
		"after a day":                 {24 * time.Hour, time.Minute},
		"when the clock was set back": {-time.Hour, time.Second},
	} {
		if got := testTiming.probeDelay(c.age); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	for age := time.Duration(0); age <= 30*time.Second; age += 100 * time.Millisecond {
		if got := testTiming.probeDelay(age); got > 4*time.Second {
			t.Fatalf("after %s the next probe is %s away: who is back after half a minute waits too long", age, got)
		}
	}
}

// step is something that happens to a gate, at a second, and what the gate then says.
type step struct {
	at   int
	do   func(*gate, time.Time)
	room int
	wait time.Duration
	name State
}

func fail(g *gate, now time.Time)    { g.failed(now, true, false) }
func refuse(g *gate, now time.Time)  { g.failed(now, false, false) }
func succeed(g *gate, now time.Time) { g.succeeded(now) }
func probe(g *gate, now time.Time)   { g.admit(now) }
func wait(*gate, time.Time)          {}

func missed(g *gate, now time.Time)  { g.failed(now, true, true) }
func refused(g *gate, now time.Time) { g.failed(now, false, true) }

func pauseFor(d time.Duration) func(*gate, time.Time) {
	return func(g *gate, now time.Time) { g.pause(now.Add(d)) }
}

func TestGate(t *testing.T) {
	const s = time.Second
	opened := []step{{0, fail, 4, 0, StateActive}, {0, fail, 4, 0, StateActive}, {0, fail, 4, 0, StateActive}, {0, fail, 4, 0, StateActive}, {0, fail, 0, s, StateDegraded}}
	then := func(more ...step) []step { return append(opened[:5:5], more...) }
	for name, steps := range map[string][]step{
		"five failures in a row open the breaker": opened,
		"a success between them keeps it closed":  {{0, fail, 4, 0, StateActive}, {0, fail, 4, 0, StateActive}, {0, succeed, 4, 0, StateActive}, {0, fail, 4, 0, StateActive}, {0, fail, 4, 0, StateActive}, {0, fail, 4, 0, StateActive}},
		"refusals open nothing":                   {{0, refuse, 4, 0, StateActive}, {0, refuse, 4, 0, StateActive}, {0, refuse, 4, 0, StateActive}, {0, refuse, 4, 0, StateActive}, {0, refuse, 4, 0, StateActive}, {0, refuse, 4, 0, StateActive}},
		"one delivery probes after a second":      then(step{1, wait, 1, 0, StateDegraded}, step{1, probe, 0, 0, StateDegraded}),
		"there is no second probe beside it":      then(step{1, probe, 0, 0, StateDegraded}, step{1, probe, 0, 0, StateDegraded}),
		"a probe that fails is followed by others": then(step{1, probe, 0, 0, StateDegraded}, step{2, missed, 0, s, StateDegraded},
			step{3, probe, 0, 0, StateDegraded}, step{30, missed, 0, 4 * s, StateDegraded}),
		"after a refusal the next one probes soon": then(step{600, probe, 0, 0, StateDegraded}, step{601, refused, 0, s, StateDegraded}),
		"a probe that succeeds opens it bit by bit": then(step{1, probe, 0, 0, StateDegraded}, step{2, succeed, 1, 0, StateActive},
			step{2, succeed, 2, 0, StateActive}, step{2, succeed, 3, 0, StateActive}, step{2, succeed, 4, 0, StateActive}, step{2, succeed, 4, 0, StateActive}),
		"what was under way may succeed as well": then(step{0, succeed, 1, 0, StateActive}),
		"an outage that goes on after a moment's success is the same": then(step{60, probe, 0, 0, StateDegraded}, step{60, succeed, 1, 0, StateActive},
			step{61, fail, 1, 0, StateActive}, step{61, fail, 1, 0, StateActive}, step{61, fail, 1, 0, StateActive}, step{61, fail, 1, 0, StateActive},
			step{61, fail, 0, 8 * s, StateDegraded}),
		"one that comes later is another": then(step{60, probe, 0, 0, StateDegraded}, step{60, succeed, 1, 0, StateActive},
			step{121, fail, 1, 0, StateActive}, step{121, fail, 1, 0, StateActive}, step{121, fail, 1, 0, StateActive}, step{121, fail, 1, 0, StateActive},
			step{121, fail, 0, s, StateDegraded}),
		"a pause is waited for":                   {{0, pauseFor(7 * s), 0, 7 * s, StatePaused}, {7, wait, 4, 0, StateActive}},
		"a shorter pause changes nothing":         {{0, pauseFor(7 * s), 0, 7 * s, StatePaused}, {1, pauseFor(s), 0, 6 * s, StatePaused}},
		"no probe before a Retry-After":           then(step{0, pauseFor(90 * s), 0, 90 * s, StateDegraded}, step{5, probe, 0, 85 * s, StateDegraded}, step{90, probe, 0, 0, StateDegraded}),
		"disabled is disabled":                    {{0, func(g *gate, _ time.Time) { g.disable() }, 0, 0, StateDisabled}, {9, succeed, 0, 0, StateDisabled}, {9, fail, 0, 0, StateDisabled}, {9, pauseFor(s), 0, 0, StateDisabled}},
		"disabling ends probing":                  then(step{1, probe, 0, 0, StateDegraded}, step{1, func(g *gate, _ time.Time) { g.disable() }, 0, 0, StateDisabled}, step{2, missed, 0, 0, StateDisabled}),
		"enabling begins with one":                then(step{1, func(g *gate, _ time.Time) { g.disable() }, 0, 0, StateDisabled}, step{2, (*gate).enable, 1, 0, StateActive}),
		"a probe that we broke off is no failure": then(step{1, probe, 0, 0, StateDegraded}, step{1, func(g *gate, _ time.Time) { g.abandon() }, 1, 0, StateDegraded}),
		"an open breaker that is restored is probed": {
			{5, func(g *gate, now time.Time) { g.restore(health{State: StateDegraded, Since: now.Add(-time.Hour)}, now) }, 1, 0, StateDegraded},
			{5, probe, 0, 0, StateDegraded},
			{6, missed, 0, time.Minute, StateDegraded},
		},
	} {
		g, began := newGate(4, testTiming), time.Unix(1_000_000, 0)
		for i, step := range steps {
			now := began.Add(time.Duration(step.at) * s)
			step.do(g, now)
			room, wait, _ := g.state(now)
			if room != step.room || wait != step.wait || g.name(now) != step.name {
				t.Errorf("%s, step %d: %d may pass, wait %s, %s; want %d, %s, %s", name, i, room, wait, g.name(now), step.room, step.wait, step.name)
			}
		}
	}
}

func TestFiveDaysWithoutOneSuccessAreEnough(t *testing.T) {
	g, now := newGate(4, testTiming), time.Unix(1_000_000, 0)
	g.failed(now, false, false)
	if _, expired := g.failed(now.Add(giveUpAfter-time.Second), true, false); expired {
		t.Error("given up too early")
	}
	if _, expired := g.failed(now.Add(giveUpAfter), true, false); !expired {
		t.Error("not given up")
	}
	g.succeeded(now.Add(giveUpAfter))
	if _, expired := g.failed(now.Add(giveUpAfter+time.Second), true, false); expired {
		t.Error("a success did not start the time anew")
	}
}
