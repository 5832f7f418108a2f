package webhook

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Two receivers, one of them with an order, that fail in every way they can while the process is stopped and started and
// endpoints are disabled and enabled. In the end every event has arrived, and none was given up.
func TestThroughAStormNothingIsLostOrGivenUp(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 3} {
		keepers(t, func(t *testing.T, e *engine) { storm(t, e, rand.New(rand.NewPCG(seed, seed))) })
	}
}

func storm(t *testing.T, e *engine, random *rand.Rand) {
	t.Helper()
	const rounds, events = 12, 10
	var weather atomic.Int64
	var taken sync.Map
	fair := func(w http.ResponseWriter, r *http.Request) {
		taken.Store(r.URL.Path+r.Header.Get("Webhook-Id"), true)
		w.WriteHeader(http.StatusNoContent)
	}
	foul := []http.HandlerFunc{
		fair, status(http.StatusInternalServerError), status(http.StatusTooManyRequests),
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		func(w http.ResponseWriter, r *http.Request) { time.Sleep(20 * time.Millisecond); fair(w, r) }, // slow, not wrong
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			w.WriteHeader(http.StatusOK)
		}, // and no body
	}
	in := startReceiver(t, func(w http.ResponseWriter, r *http.Request) { foul[weather.Load()](w, r) })
	often := schedule(t, "0"+strings.Repeat(",100ms", 49)) // a step of minutes would be waited for where no breaker opened
	endpoints := []Endpoint{
		{Name: "a", URL: in.URL + "/a", InFlight: 4, Schedule: often},
		{Name: "b", URL: in.URL + "/b", InFlight: 4, Schedule: often, Order: OrderVideo},
	}
	d := e.dispatch(endpoints)
	var ids []string
	for round := range rounds {
		weather.Store(random.Int64N(int64(len(foul))))
		for n := range events {
			video, number := fmt.Sprintf("v%d", random.IntN(4)), round*events+n
			e.appendOf(video, number)
			ids = append(ids, fmt.Sprintf("evt_%sx%d", video, number))
		}
		switch random.IntN(4) {
		case 0:
			d.stop()
			d = e.dispatch(endpoints)
		case 1:
			must(t, d.Disable(t.Context(), "a", "storm"))
		case 2:
			must(t, d.Enable(t.Context(), "a"))
		}
		<-time.After(time.Duration(random.IntN(150)) * time.Millisecond) // weather lasts
	}
	weather.Store(0)
	must(t, d.Enable(t.Context(), "a"))
	eventually(t, "nothing is left", func() bool {
		for _, name := range []string{"a", "b"} {
			if e.unanswered(name) > 0 {
				return false
			}
		}
		return true
	})
	for _, id := range ids {
		for _, path := range []string{"/a", "/b"} {
			if _, ok := taken.Load(path + id); !ok {
				t.Errorf("%s never had %s", path, id)
			}
		}
	}
	if n := len(e.messages(e.names.DeadStream(), ">")); n != 0 {
		t.Errorf("%d were given up", n)
	}
}
