package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"vidbell/internal/config"
	"vidbell/internal/simulator"
)

// reloading is a service in this process whose configuration is a file.
type reloading struct {
	*vidbell
	file string
}

func startReloading(t *testing.T, text string) *reloading {
	t.Helper()
	dir := t.TempDir()
	r := &reloading{file: filepath.Join(dir, "vidbell.yaml")}
	r.write(t, text)
	for name, value := range map[string]string{
		"CONFIG": r.file, "DATA_DIR": filepath.Join(dir, "data"), "HTTP_LISTEN": "off", "NATS_LISTEN": "off",
	} {
		t.Setenv("VIDBELL_"+name, value)
	}
	cfg, err := config.Load(checks()...)
	must(t, err)
	r.vidbell = startVidbellWith(t, cfg, func(s *service) {
		s.reloader = newReloader(cfg, zap.NewAtomicLevel(), nil, s.registry)
		s.reloader.retry = 100 * time.Millisecond
	})
	eventually(t, "ready", r.loaded.Load)
	return r
}

func (r *reloading) write(t *testing.T, text string) {
	t.Helper()
	must(t, os.WriteFile(r.file+".new", []byte(text), 0o600))
	must(t, os.Rename(r.file+".new", r.file))
}

func (r *reloading) reload(t *testing.T, refusal string) {
	t.Helper()
	_, err := r.reloader.Reload(t.Context())
	if refusal == "" && err != nil || refusal != "" && (err == nil || !strings.Contains(err.Error(), refusal)) {
		t.Errorf("the reload says %v, want %q", err, refusal)
	}
}

// inbox is a receiver that keeps what it got, by path.
type inbox struct {
	*httptest.Server
	mu  sync.Mutex
	got map[string]int
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{got: make(map[string]int)}
	in.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		in.mu.Lock()
		defer in.mu.Unlock()
		in.got[q.URL.Path]++
	}))
	t.Cleanup(in.Close)
	return in
}

func (in *inbox) count(path string) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.got[path]
}

const quickPolls = "poll: {interval: 100ms, max_interval: 100ms, sweep_interval: 1s}\n"

func accountsText(url string, rate int) string {
	return fmt.Sprintf("accounts: [{name: a, url: %q, api_key: sk-first, rate_limit: %d}]\n", url, rate)
}

// A source that is added tells at once what is there. The endpoint that was added with it must have all of that.
func TestAddedEndpointsAreThereBeforeAddedSources(t *testing.T) {
	sim, url := newPlatform(t, "sk-first", simulator.WordsPlain())
	sim.Fill("second", 40)
	in := newInbox(t)
	r := startReloading(t, accountsText(url, 50)+quickPolls+"sources: [{name: first}]\nendpoints: []\n")
	r.write(t, accountsText(url, 50)+quickPolls+"sources: [{name: first}, {name: second, poll: {baseline: emit}}]\n"+
		fmt.Sprintf("endpoints: [{name: new, url: %q}]\n", in.URL+"/new"))
	r.reload(t, "")
	eventually(t, "all that was there", func() bool { return in.count("/new") == 40 })
}

// Another rate is no other quota: what was used of it, and a throttle, stay, and the sources go on.
func TestAnotherRateHoldsForTheSameQuota(t *testing.T) {
	_, url := newPlatform(t, "sk-first", simulator.WordsListed())
	r := startReloading(t, accountsText(url, 50)+quickPolls+"sources: [{name: first}]\n")
	quota := r.upstreams[r.cfg.Accounts[0].Quota()].quota
	quota.Throttled(time.Millisecond)
	if quota.Rate() != 25 {
		t.Fatalf("rate %v after a throttle", quota.Rate())
	}
	r.write(t, accountsText(url, 100)+quickPolls+"sources: [{name: first}]\n")
	r.reload(t, "")
	if quota != r.upstreams[r.cfg.Accounts[0].Quota()].quota {
		t.Error("it is another quota")
	}
	if u := quota.Usage(); u.Limit != 100 || u.Rate > 100 {
		t.Errorf("usage %+v", u)
	}
}

// An added source whose state cannot be read is found out when the endpoints have changed already: they change back, and all of
// it is tried again.
func TestAReloadThatHalfSucceedsIsTakenBackAndTriedAgain(t *testing.T) {
	_, url := newPlatform(t, "sk-first", simulator.WordsListed())
	in := newInbox(t)
	head := accountsText(url, 50) + quickPolls
	r := startReloading(t, head+fmt.Sprintf("sources: [{name: first}]\nendpoints: [{name: kept, url: %q}]\n", in.URL+"/old"))
	broken := nats.NewMsg(r.cfg.Names.StateSubject("second", "meta"))
	broken.Header.Set("Content-Type", "application/vnd.vidbell.state+json")
	broken.Data = []byte("{")
	ack, err := r.engine.JetStream.PublishMsg(t.Context(), broken)
	must(t, err)
	r.write(t, head+fmt.Sprintf("sources: [{name: first}, {name: second}]\nendpoints: [{name: kept, url: %q}, {name: more, url: %q}]\n",
		in.URL+"/new", in.URL+"/more"))
	r.reload(t, "second")
	list, err := r.dispatcher.Endpoints(t.Context())
	must(t, err)
	if len(list) != 1 || len(r.poller.Status()) != 1 {
		t.Errorf("after half a reload there are %+v", list)
	}
	stream, err := r.engine.JetStream.Stream(t.Context(), r.cfg.Names.Stream())
	must(t, err)
	must(t, stream.DeleteMsg(t.Context(), ack.Sequence))
	eventually(t, "the reload by itself", func() bool {
		list, err := r.dispatcher.Endpoints(context.Background())
		return err == nil && len(list) == 2 && len(r.poller.Status()) == 2
	})
}

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	plain := write("plain", "a")
	write("one/linked", "a")
	write("two/linked", "b")
	must(t, os.Symlink("one", filepath.Join(dir, "now")))
	linked, missing := filepath.Join(dir, "now", "linked"), filepath.Join(dir, "missing")
	files := []string{plain, linked, missing}
	w := newWatch(files)
	expect := func(when string, want ...bool) {
		t.Helper()
		for i, want := range want {
			if got := w.changed(); got != want {
				t.Errorf("%s, look %d: %t", when, i+1, got)
			}
		}
	}
	expect("nothing happens", false, false)
	write("plain", "a")
	expect("the same is written again", false, false)
	write("plain", "half")
	expect("it is being written", false)
	write("plain", "half and half")
	expect("it is whole", false, true, true)
	if w.follow(files, files) {
		t.Error("nothing has changed since")
	}
	expect("it was read", false, false)
	must(t, os.Symlink("two", filepath.Join(dir, "next")))
	must(t, os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "now")))
	expect("the link leads elsewhere", false, true)
	write("missing", "here")
	if !w.follow(files, files) {
		t.Error("a file has come since it was looked at")
	}
	expect("it was read", false)
	must(t, os.Remove(plain))
	expect("it is gone", false, true)
	write("plain", "half and half")
	expect("it is back", false, false)
	if !w.follow(files, []string{write("new", "x")}) {
		t.Error("a new one was never looked at")
	}
	must(t, os.WriteFile(filepath.Join(dir, "new"), []byte("y"), 0o600))
	expect("the new one has changed", false, true)
}
