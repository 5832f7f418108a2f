package e2e

import (
	"net/http"
	"testing"
	"time"

	"vidbell/internal/simulator"
	"vidbell/internal/web"
)

// With a retention of a second the log is folded all the time, and the service is killed in the middle of it. Every event arrives
// under one id, a receiver that was away has what it missed, and every video's last status and version are known.
func TestKillsWhileOldEventsAreFolded(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	const videos = 40
	from, to := newPlatform(t, simulator.WordsPlain(), 5, videos), newReceiver(t)
	s := deliverTo(from.settings(), to).with("DATA_DIR", t.TempDir(), "NATS_LISTEN", "off", "HTTP_LISTEN", freeAddress(t), "RETENTION", "1s",
		"WEBHOOK_SCHEDULE", "0,200ms,200ms,500ms,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s")
	p := start(t, s)
	p.mustHaveBaseline()
	folded := 0.0
	for i := range videos {
		kind := done
		if i%3 == 0 {
			kind = failed
		}
		from.finish(kind)
		switch i {
		case 15:
			to.answers(func(arrival) int { return http.StatusServiceUnavailable })
		case 25:
			to.answers(func(arrival) int { return http.StatusNoContent })
		}
		time.Sleep(time.Duration(rng.IntN(150)) * time.Millisecond)
		if i%8 == 7 {
			time.Sleep(time.Second + time.Duration(rng.IntN(400))*time.Millisecond) // some are old by now
			folded += p.metric("vidbell_retention_events_total")
			p.kill()
			<-p.exited
			p = start(t, s)
			p.mustBeReady()
		}
	}
	p.eventually("every event", func() bool { return len(to.taken()) == videos })
	ids := map[string]string{}
	for _, a := range to.all() {
		if known, seen := ids[a.Data.VideoNo]; seen && known != a.ID || a.Data.Version != 1 {
			t.Errorf("%s has the ids %s and %s, version %d", a.Data.VideoNo, known, a.ID, a.Data.Version)
		}
		ids[a.Data.VideoNo] = a.ID
	}
	o := operated{process: p, platform: from, to: to}
	// What a killed process had in hand comes again only when its time is up.
	left := func() int { return len(read[web.EventList](o, "events", "--type", "video.*").Events) }
	if err := wait(time.Minute, func() bool { return left() == 0 }); err != nil {
		t.Errorf("the log has %d events, and %+v waits", left(), o.only())
	}
	if folded+p.metric("vidbell_retention_events_total") == 0 {
		t.Error("nothing was folded")
	}
	p.stop()
	// What is known survives, and the next event of a video has the next version.
	p = start(t, s)
	p.mustBeReady()
	o.process = p
	list := read[web.VideoList](o, "videos", "--limit", "100").Videos
	versions := 0
	for _, v := range list {
		if v.Version == 1 {
			versions++
		}
	}
	if versions != videos {
		t.Errorf("%d videos have version 1, want %d", versions, videos)
	}
	again := ""
	for no := range ids {
		again = no
		break
	}
	from.move(again, processing)
	p.eventually("it is processed again", func() bool {
		return read[web.VideoHistory](o, "videos", "show", again).Video.Version == 2
	})
	from.move(again, done)
	p.eventually("its next end", func() bool {
		for _, a := range to.taken() {
			if a.Data.VideoNo == again && a.Data.Version == 3 {
				return true
			}
		}
		return false
	})
	p.stop()
}
