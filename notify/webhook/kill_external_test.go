package webhook

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// childEngine is where a child process finds an engine that outlives it.
const childEngine = "VIDBELL_TEST_CHILD_ENGINE"

// runGuest delivers from another process's engine until it is killed.
func runGuest(engineURL, url string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	conn, err := nats.Connect(engineURL)
	fail(err)
	js, err := jetstream.New(conn)
	fail(err)
	d, err := New(Config{JetStream: js, Endpoints: []Endpoint{{Name: "a", URL: url}}})
	fail(err)
	fail(d.Prepare(context.Background()))
	fail(d.Run(context.Background()))
}

// With an engine that outlives it, a process that is killed in the middle of its deliveries costs no event, and repeats no more
// of them than were under way: at most the endpoint's limit, each time.
func TestAKillRepeatsNoMoreThanWasUnderWay(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the ack wait after each kill")
	}
	t.Parallel()
	const events, kills = 1500, 3
	in := startReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(5 * time.Millisecond) // a receiver at work, so that a kill meets requests under way
		w.WriteHeader(http.StatusNoContent)
	})
	e := &engine{tb: t, dir: t.TempDir(), port: -1, shared: true}
	e.start()
	t.Cleanup(e.stop)
	must(t, e.createLog(t.Context()))
	e.prepare([]Endpoint{{Name: "a", URL: in.URL}}) // its consumer is there before the events are
	for i := range events {
		e.append("done", i)
	}
	distinct := func() int {
		ids := make(map[string]bool)
		for _, q := range in.seen() {
			ids[q.id] = true
		}
		return len(ids)
	}
	for kill := range kills {
		child := startChild(t, "guest", in.URL, childEngine+"="+e.server.ClientURL())
		eventually(t, "progress", func() bool { return distinct() >= events*(kill+1)/(kills+1) })
		must(t, child.Process.Kill())
		_ = child.Wait()
	}
	child := startChild(t, "guest", in.URL, childEngine+"="+e.server.ClientURL())
	eventually(t, "every event", func() bool { return distinct() == events })
	must(t, child.Process.Kill())
	_ = child.Wait()
	// A request that was answered makes room for another a moment before its acknowledgement has left the process.
	const leaving = 2
	repeats, most := len(in.seen())-events, kills*(defaultInFlight+leaving)
	t.Logf("%d events, %d kills, %d repeats", events, kills, repeats)
	if repeats > most {
		t.Errorf("%d repeats after %d kills, at most %d were under way", repeats, kills, most)
	}
}
