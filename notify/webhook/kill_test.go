package webhook

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
)

// The test binary runs itself as the process that is killed.
const (
	childDir = "VIDBELL_TEST_CHILD_DIR"
	childURL = "VIDBELL_TEST_CHILD_URL"
	// childGroups has the process tell events in groups.
	childGroups = "VIDBELL_TEST_CHILD_GROUPS"

	killEvents = 3000
	kills      = 4
)

// runChild delivers what the log in dir holds until it is killed. The first one fills the log.
func runChild(dir, url string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	ctx, e := context.Background(), &engine{dir: dir}
	fail(e.open())
	fail(e.createLog(ctx))
	steps, err := ParseSchedule("0" + strings.Repeat(",100ms", 20))
	fail(err)
	endpoint := Endpoint{Name: "a", URL: url, Schedule: steps}
	if os.Getenv(childGroups) != "" {
		endpoint = grouping(url, 40)
		endpoint.Schedule = steps
	}
	d, err := New(Config{
		JetStream: e.js, Names: e.names, Exclusive: os.Getenv(sharedEngine) == "", Registerer: prometheus.NewRegistry(), Endpoints: []Endpoint{endpoint},
	})
	fail(err)
	fail(d.Prepare(ctx))
	stream, err := e.js.Stream(ctx, e.names.Stream())
	fail(err)
	for i := int(stream.CachedInfo().State.Msgs); i < killEvents; i++ {
		_, msg := e.event("done", i)
		_, err := e.js.PublishMsgAsync(msg, jetstream.WithStallWait(patience))
		fail(err)
	}
	fail(d.Run(ctx))
}

// A process killed at any moment loses no event, changes no id and no byte, and forgets no attempt. Repeats are allowed, and
// counted: what was under way, and what was acknowledged in the last moment, which the engine writes down a little later.
func TestKilledAtAnyMomentNothingIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the ack wait after each kill")
	}
	t.Parallel()
	var mu sync.Mutex
	failed := make(map[string]bool)
	in := startReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("Webhook-Id")
		mu.Lock()
		defer mu.Unlock()
		if strings.HasSuffix(id, "7") && !failed[id] {
			failed[id] = true
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	dir := t.TempDir()
	for kill := range kills {
		child := startChild(t, dir, in.URL)
		enough := killEvents * (kill + 1) / (kills + 1)
		eventually(t, "progress", func() bool { return delivered(in) >= enough })
		must(t, child.Process.Kill())
		_ = child.Wait()
	}
	child := startChild(t, dir, in.URL)
	eventually(t, "every event", func() bool { return delivered(in) == killEvents })
	must(t, child.Process.Kill())
	_ = child.Wait()

	repeats := 0
	requests := make(map[string]int)
	for _, q := range in.seen() {
		requests[q.id]++
		number := strings.TrimPrefix(q.id, "evt_done")
		if !bytes.Equal(q.body, eventBody(q.id, "video.done", "VI"+number)) {
			t.Fatalf("%s: the body changed", q.id)
		}
	}
	for id, n := range requests {
		if failed[id] {
			n--
		}
		repeats += n - 1
	}
	t.Logf("%d events, %d kills, %d repeats", killEvents, kills, repeats)
}

// delivered counts the events that got a 2xx.
func delivered(in *receiver) int {
	good := make(map[string]int)
	for _, q := range in.seen() {
		good[q.id]++
	}
	n := 0
	for id, requests := range good {
		if requests > 1 || !strings.HasSuffix(id, "7") {
			n++
		}
	}
	return n
}

func startChild(t *testing.T, dir, url string, env ...string) *exec.Cmd {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(append(os.Environ(), childDir+"="+dir, childURL+"="+url), env...)
	child.Stderr = os.Stderr
	must(t, child.Start())
	t.Cleanup(func() { _ = child.Process.Kill() })
	return child
}
