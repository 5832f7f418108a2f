package webhook

import (
	"strings"
	"testing"
	"time"
)

// A loop that runs says so at each turn; one that has not turned for long is named; one that ended is not missed.
func TestAliveFollowsTheLoops(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	r := e.prepare([]Endpoint{{Name: "a", URL: in.URL}})
	feeds := r.roster().feeds
	turned := func(f *feed) bool { return f.turned.Load() != 0 }
	if turned(feeds[0]) || r.Alive() != nil {
		t.Error("what does not run yet cannot stand still")
	}
	r.start()
	eventually(t, "a turn of each loop", func() bool {
		for _, f := range feeds {
			if !turned(f) {
				return false
			}
		}
		return true
	})
	must(t, r.Alive())
	before := feeds[0].turned.Load()
	eventually(t, "another turn, though nothing is delivered", func() bool { return feeds[0].turned.Load() > before })
	r.stop()
	if turned(feeds[0]) {
		t.Error("a loop that ended still says that it turns")
	}
	feeds[0].born = time.Now().Add(-standstill - time.Minute)
	feeds[0].turned.Store(1)
	if err := r.Alive(); err == nil || !strings.Contains(err.Error(), "endpoint a") {
		t.Errorf("a loop that has not turned for long: %v", err)
	}
}
