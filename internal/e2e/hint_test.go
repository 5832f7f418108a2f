package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"vidbell/internal/simulator"
	"vidbell/internal/web"
)

// The platform calls back when a video moves, and the next poll is an hour away: only the callback can bring the event, and the
// word it carries, PARSE for everything, cannot be what the event says.
func TestACallbackOfThePlatformBringsTheEvent(t *testing.T) {
	t.Parallel()
	listen := freeAddress(t)
	from, to := newCallingPlatform(t, "http://"+listen+"/v1/hints/"+hintSecret), newReceiver(t)
	s := deliverTo(from.settings(), to).with("DATA_DIR", t.TempDir(), "NATS_LISTEN", "off", "HTTP_LISTEN", listen,
		"POLL_INTERVAL", "1h", "POLL_MAX_INTERVAL", "1h", "RATE_LIMIT", "5")
	p := start(t, s)
	p.mustHaveBaseline()
	for i, kind := range []string{done, failed} {
		began := time.Now()
		no := from.sim.Add(namespace, simulator.Video{})
		p.eventually("a video came", func() bool { return len(to.told(no)) == 1 })
		t.Logf("upload to receiver: %s", time.Since(began).Round(time.Millisecond))
		began = time.Now()
		from.sim.Set(namespace, no, from.word(kind), "")
		p.eventually("it ended", func() bool { return len(to.told(no)) == 2 })
		t.Logf("end to receiver: %s", time.Since(began).Round(time.Millisecond))
		if told := to.told(no); told[0] != processing || told[1] != kind {
			t.Errorf("video %d is told as %q", i, told)
		}
	}
	if n := p.metric("vidbell_poll_requests_total", `lane="head"`); n > 0 {
		t.Errorf("%v polls: this was no test of callbacks", n)
	}
	p.stop()
}

// newCallingPlatform is a platform that calls an address back.
func newCallingPlatform(t *testing.T, address string) *platform {
	t.Helper()
	p := newPlatformOf(t, simulator.Options{
		Words: simulator.WordsPlain(), Callbacks: simulator.Callbacks{URLs: map[string]string{namespace: address}, Repeat: 1},
	}, 5, 1)
	go func() { _ = p.sim.Run(t.Context()) }() // ends with the test
	return p
}

// Thirty of forty videos vanish: their deletion is held back until the operator says that it is right.
func TestTheOperatorReleasesWhatIsHeldBack(t *testing.T) {
	t.Parallel()
	from, to := newPlatform(t, simulator.WordsPlain(), 10, 30), newReceiver(t)
	s := deliverTo(from.settings(), to).with("DATA_DIR", t.TempDir(), "NATS_LISTEN", "off", "HTTP_LISTEN", freeAddress(t),
		"WEBHOOK_EVENTS", "video.*,source.*", "SWEEP_INTERVAL", "1h")
	p := start(t, s)
	p.mustHaveBaseline()
	from.sim.Delete(namespace, from.inFlight...)
	p.eventually("they are held back", func() bool { return p.metric("vidbell_deletions_held") > 10 })
	command, code := run(t, s, "sources", "--json")
	mustEnd(t, command, code, 0)
	var list web.SourceList
	must(t, json.Unmarshal([]byte(command.stdout.String()), &list))
	if len(list.Sources) != 1 || list.Sources[0].Hold == nil || list.Sources[0].Hold.Videos <= 10 {
		t.Fatalf("sources %s", command.stdout.String())
	}
	p.eventually("the source is degraded", func() bool { return p.metric("vidbell_source_degraded") == 1 })
	for _, no := range from.inFlight {
		if told := to.told(no); len(told) > 0 {
			t.Fatalf("%s is told as %q", no, told)
		}
	}
	command, code = run(t, s, "sources", "release", namespace, "--yes")
	mustEnd(t, command, code, 0)
	for _, no := range from.inFlight {
		p.eventually("the deletions are told", func() bool { return fmt.Sprint(to.told(no)) == "[deleted]" })
	}
	p.eventually("the source is well again", func() bool { return p.metric("vidbell_source_degraded") == 0 })
	command, code = run(t, s, "sources", "release", namespace, "--yes")
	mustEnd(t, command, code, 1, "holds nothing back")
	p.stop()
}
