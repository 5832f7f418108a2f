package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"vidbell/internal/simulator"
	"vidbell/internal/web"
)

// A process is killed in the middle of a replay, again and again. The replay goes on by itself: every event arrives under its
// id, repeated at most as often as requests were under way, and what arrived is listed as given up no more.
func TestKill9InMidReplay(t *testing.T) {
	t.Parallel()
	const (
		videos = 60
		// underWay is the part of an endpoint's 16 requests that replays may have. One more may have been answered, and its
		// acknowledgement not yet be out of the process or written down.
		underWay = 4
		// justNow is what the embedded engine takes along when it is killed: positions are written ten times a second, and a
		// replay makes 50 requests in it.
		justNow = 5
	)
	kills := 3
	if testing.Short() {
		kills = 1
	}
	rng := seeded(t)
	from, to := newPlatform(t, simulator.WordsPlain(), 5, videos), newReceiver(t)
	s := deliverTo(from.settings(), to).with("DATA_DIR", t.TempDir(), "NATS_LISTEN", "off", "HTTP_LISTEN", freeAddress(t))
	o := operated{process: start(t, s), platform: from, to: to}
	o.mustHaveBaseline()
	o.endpoint = o.only().Name
	to.answers(func(arrival) int { return http.StatusUnsupportedMediaType })
	for from.finish(done) {
	}
	o.eventually("dead letters", func() bool { return o.only().DeadLetters == videos })
	to.answers(func(arrival) int { time.Sleep(20 * time.Millisecond); return http.StatusNoContent })
	mustContain(t, o.command(exitOK, "replay", "--dead", "--yes"), "60 events", "queued")
	for kill := range kills {
		enough := videos * (kill + 1) / (kills + 2)
		o.eventually("progress of the replay", func() bool { return len(to.taken()) >= enough })
		time.Sleep(time.Duration(rng.Int64N(int64(30 * time.Millisecond)))) // anywhere in the life of a delivery
		o.kill()
		o.wait()
		o.process = start(t, s)
		o.mustBeReady()
	}
	o.eventually("the rest of the replay", func() bool { return len(to.taken()) == videos && o.only().Queued == 0 })
	o.eventually("no letter of what arrived", func() bool { return o.only().DeadLetters == 0 })
	if list := read[web.DeadLetterList](o, "dead-letters").DeadLetters; len(list) > 0 {
		t.Errorf("delivered, and listed as given up: %+v", list)
	}
	mustContain(t, o.command(exitOK, "replay", "--dead", "--dry-run"), "nothing to replay")
	first := map[string]string{}
	repeats := 0
	for _, a := range to.all() {
		body, again := first[a.ID]
		if !again {
			first[a.ID] = a.body
		}
		if again && body != a.body || !strings.HasPrefix(a.ID, "evt_") {
			t.Errorf("%s has another body", a.ID)
		}
		if a.taken() {
			repeats++
		}
	}
	if len(first) != videos {
		t.Errorf("%d ids for %d events", len(first), videos)
	}
	repeats -= videos
	t.Logf("%d kills, %d repeats", kills, repeats)
	if most := kills * (underWay + 1 + justNow); repeats > most {
		t.Errorf("%d repeats after %d kills, at most %d were under way or just answered", repeats, kills, most)
	}
	o.stop()
}
