package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"vidbell/internal/web"
)

// reloaded is a service with a configuration file that changes, as Kubernetes changes it: the path leads over a link to a folder.
type reloaded struct {
	*process
	dir      string
	versions int
}

// configure puts a file in place of the one before, all at once.
func (r *reloaded) configure(t *testing.T, text string) {
	t.Helper()
	r.versions++
	folder := fmt.Sprintf("version-%d", r.versions)
	must(t, os.Mkdir(filepath.Join(r.dir, folder), 0o700))
	must(t, os.WriteFile(filepath.Join(r.dir, folder, "vidbell.yaml"), []byte(text), 0o600))
	link := filepath.Join(r.dir, "link")
	must(t, os.Symlink(folder, link))
	must(t, os.Rename(link, filepath.Join(r.dir, "now")))
}

func (r *reloaded) begin(t *testing.T) {
	t.Helper()
	s := settings{
		"CONFIG": filepath.Join(r.dir, "now", "vidbell.yaml"), "LOG_FORMAT": "json", "NATS_LISTEN": "127.0.0.1:0",
		"DATA_DIR": filepath.Join(r.dir, "data"), "WEBHOOK_EVENTS": "video.*",
	}
	if r.process != nil {
		s["HTTP_LISTEN"] = r.settings["HTTP_LISTEN"]
	} else {
		s["HTTP_LISTEN"] = freeAddress(t)
	}
	r.process = start(t, s)
	r.mustBeReady()
}

// reload is the command, which returns when what was read holds.
func (r *reloaded) reload(t *testing.T) (done web.Reloaded) {
	t.Helper()
	p, code := run(t, r.settings, "reload", "--json")
	mustEnd(t, p, code, exitOK)
	must(t, json.Unmarshal([]byte(p.stdout.String()), &done))
	return done
}

// says counts the lines of the log with a message.
func (p *process) says(message string) int {
	return strings.Count(p.stderr.String(), fmt.Sprintf(`"msg":%q`, message))
}

func (r *reloaded) baselines(n int) {
	r.eventually("baselines", func() bool { return r.says("baseline complete") >= n })
}

// file writes configurations of two platforms.
type file struct {
	t         *testing.T
	platforms map[string]*platform // accounts, by name
}

func (f file) text(sources, endpoints []string, more ...string) string {
	var b strings.Builder
	b.WriteString("accounts:\n")
	for _, name := range []string{"one", "two"} {
		fmt.Fprintf(&b, "  - {name: %s, url: %q, api_key_file: ../key, rate_limit: 100}\n", name, f.platforms[name].url)
	}
	b.WriteString("sources:\n" + lines(sources) + "endpoints:\n" + lines(endpoints))
	b.WriteString("poll: {interval: 100ms, max_interval: 100ms, sweep_interval: 500ms, stall_after: 0}\n")
	return b.String() + strings.Join(more, "\n") + "\n"
}

func lines(entries []string) string {
	if len(entries) == 0 {
		return "  []\n"
	}
	return "  - " + strings.Join(entries, "\n  - ") + "\n"
}

func source(name, account string) string {
	return fmt.Sprintf("{name: %s, account: %s, unique_id: %s}", name, account, namespace)
}

func endpoint(name string, to *receiver, more string) string {
	return fmt.Sprintf("{name: %s, url: %q, secret: %q%s}", name, to.url(), to.secret, more)
}

// ids are the events taken, each as often as it was.
func (r *receiver) ids(source string) (list []string) {
	for _, a := range r.all() {
		if a.taken() && a.Data.Source == source {
			list = append(list, a.ID)
		}
	}
	slices.Sort(list)
	return list
}

// mustHaveOnce wants every story of a platform to be told by these receivers together, each event once.
func mustHaveOnce(t *testing.T, p *process, source string, from *platform, to ...*receiver) {
	t.Helper()
	p.eventually("everything of "+source, func() bool {
		told := map[string][]event{}
		for _, r := range to {
			for _, a := range r.taken() {
				if a.Data.Source == source {
					told[a.Data.VideoNo] = append(told[a.Data.VideoNo], a.event)
				}
			}
		}
		for no, s := range from.truth() {
			if !s.accepts(kinds(told[no])) {
				return false
			}
		}
		return true
	})
	var all []string
	for _, r := range to {
		all = append(all, r.ids(source)...)
	}
	slices.Sort(all)
	if n := len(slices.Compact(slices.Clone(all))); n != len(all) {
		t.Errorf("%d events of %s were delivered %d times", n, source, len(all))
	}
}

// While videos move, the file changes in every way it can.
func TestChangesOfTheFileLoseAndRepeatNothing(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	one, two := newPlatform(t, newWords(rng), 60, 40), newPlatform(t, newWords(rng), 5, 20)
	f := file{t, map[string]*platform{"one": one, "two": two}}
	steady, before, after, late, leaving, rotated := newReceiver(t), newReceiver(t), newReceiver(t), newReceiver(t), newReceiver(t), newReceiver(t)
	first, second := source("first", "one"), source("second", "two")
	secrets := fmt.Sprintf("{name: rotated, url: %q, secret_file: ../secret, sources: [first]}", rotated.url())
	same := endpoint("steady", steady, "")
	leaves := endpoint("leaving", leaving, "")

	r := &reloaded{dir: t.TempDir()}
	must(t, os.WriteFile(filepath.Join(r.dir, "key"), []byte(apiKey+"\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(r.dir, "secret"), []byte(rotated.secret+"\n"), 0o600))
	r.configure(t, f.text([]string{first, second}, []string{same, endpoint("moving", before, ", sources: [first]"), leaves, secrets}))
	r.begin(t)
	r.baselines(2)
	end := traffic{platform: one, rng: rand.New(rand.NewPCG(rng.Uint64(), 1))}.begin() // of its own: it runs beside us
	defer end()
	r.eventually("some events", func() bool { return len(steady.taken()) > 3 && len(leaving.taken()) > 3 })

	// An endpoint comes, one moves, one goes; a source goes.
	moved, comes := endpoint("moving", after, ", sources: [first]"), endpoint("late", late, "")
	r.configure(t, f.text([]string{first}, []string{same, moved, secrets, comes}))
	done := r.reload(t)
	want := web.Reloaded{
		Sources:   web.Difference{Added: []string{}, Changed: []string{}, Removed: []string{"second"}},
		Endpoints: web.Difference{Added: []string{"late"}, Changed: []string{"moving"}, Removed: []string{"leaving"}},
	}
	if fmt.Sprintf("%+v", done) != fmt.Sprintf("%+v", want) {
		t.Errorf("reloaded %+v, want %+v", done, want)
	}
	left := len(leaving.all())
	for range 10 { // nobody looks at the second platform
		two.finish("done")
	}
	r.eventually("events where they go now", func() bool { return len(after.taken()) > 3 && len(late.taken()) > 3 })
	if n := r.metric("vidbell_videos", `source="second"`); n != 0 {
		t.Errorf("a removed source is in the metrics with %v videos", n)
	}

	// Nobody asks for this one: the file of a secret is rotated, and the service finds out.
	fresh := newReceiver(t).secret
	must(t, os.WriteFile(filepath.Join(r.dir, "secret"), []byte(fresh+","+rotated.secret+"\n"), 0o600))
	r.eventually("the rotation", func() bool { return r.says("configuration read again") == 2 })
	both, err := standardwebhooks.NewWebhook(fresh)
	must(t, err)
	seen := len(rotated.all())
	r.eventually("an event with the new signature", func() bool { return len(rotated.all()) > seen })
	for _, a := range rotated.all()[seen:] {
		if err := both.Verify([]byte(a.body), a.header); err != nil {
			t.Errorf("after the rotation: %v", err)
		}
	}

	// A file with mistakes is refused, by whomever it is found; the old one holds.
	r.configure(t, f.text([]string{first}, []string{same, "{name: late, url: 'ftp://x', filter: 'a ==='}"}, "instanze: x"))
	refused, code := run(t, r.settings, "reload")
	mustEnd(t, refused, code, exitConfig, "instanze")
	r.eventually("the refusal", func() bool { return r.metric("vidbell_config_reloads_total", `result="refused"`) > 0 }) // found by itself
	mustContain(t, r.stderr.String(), "endpoints[1].url", "endpoints[1].filter", "instanze")
	if n := r.metric("vidbell_config_last_reload_successful"); n != 0 {
		t.Errorf("after a refusal the metric is %v", n)
	}
	r.configure(t, f.text([]string{first}, []string{same, moved, secrets, comes}, "instance: other"))
	refused, code = run(t, r.settings, "reload")
	mustEnd(t, refused, code, exitConfig, "instance changed, which takes a restart")
	seen = len(steady.all())
	r.eventually("an event under the old configuration", func() bool { return len(steady.all()) > seen })

	// Repaired; and the source is back, with a baseline that is long known.
	r.configure(t, f.text([]string{first, second}, []string{same, moved, secrets, comes}, "log: {level: debug}"))
	r.eventually("the repair", func() bool { return r.metric("vidbell_config_last_reload_successful") == 1 })
	for range 5 {
		two.finish("failed")
	}
	end()
	mustHaveOnce(t, r.process, "first", one, steady)
	mustHaveOnce(t, r.process, "first", one, before, after)
	mustHaveOnce(t, r.process, "first", one, rotated)
	mustHaveOnce(t, r.process, "second", two, steady)
	if n := len(leaving.all()); n != left {
		t.Errorf("%d requests to an endpoint that was removed", n-left)
	}
	r.mustSay("webhook delivered") // which is said at the level that was set
	for result, n := range map[string]float64{"applied": 3, "refused": 2} {
		if got := r.metric("vidbell_config_reloads_total", fmt.Sprintf(`result=%q`, result)); got < n {
			t.Errorf("%v reloads were %s, want %v", got, result, n)
		}
	}
	for _, a := range late.all() {
		if i := slices.IndexFunc(steady.all(), func(s arrival) bool { return s.ID == a.ID }); i < 0 {
			t.Errorf("%s came to one endpoint only", a.ID)
		}
	}
	r.stop()
}

// Fifty reloads one after the other, each with something else in it, while events flow.
func TestFiftyChangesOfEveryKind(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	one, two := newPlatform(t, newWords(rng), 10, 20), newPlatform(t, newWords(rng), 5, 60)
	f := file{t, map[string]*platform{"one": one, "two": two}}
	steady, other := newReceiver(t), newReceiver(t)
	first, second := source("first", "one"), source("second", "two")
	r := &reloaded{dir: t.TempDir()}
	must(t, os.WriteFile(filepath.Join(r.dir, "key"), []byte(apiKey+"\n"), 0o600))
	r.configure(t, f.text([]string{first, second}, []string{endpoint("steady", steady, ""), endpoint("other", other, "")}))
	r.begin(t)
	r.baselines(2)
	end := traffic{platform: one, rng: rand.New(rand.NewPCG(rng.Uint64(), 1))}.begin() // of its own: it runs beside us
	defer end()
	for i := range 50 {
		sources, endpoints := []string{first}, []string{endpoint("steady", steady, "")}
		if i%3 != 0 {
			sources = append(sources, second)
		}
		if i%4 != 1 {
			endpoints = append(endpoints, endpoint("other", other, fmt.Sprintf(", in_flight: %d, timeout: %ds", 1+rng.IntN(8), 5+rng.IntN(5))))
		}
		if i%5 == 4 {
			endpoints[0] = endpoint("steady", steady, fmt.Sprintf(", in_flight: %d", 1+i))
		}
		r.configure(t, f.text(sources, endpoints, fmt.Sprintf("webhook: {allow_networks: [10.%d.0.0/16]}", i%3)))
		two.finish(ending(rng))
		if i%2 == 0 {
			r.reload(t)
		} else {
			before := r.says("configuration read again")
			r.signal(syscall.SIGHUP)
			r.eventually("the reload", func() bool { return r.says("configuration read again") > before })
		}
	}
	r.configure(t, f.text([]string{first, second}, []string{endpoint("steady", steady, ""), endpoint("other", other, "")}))
	r.reload(t)
	end()
	for _, to := range []*receiver{steady, other} {
		mustHaveOnce(t, r.process, "first", one, to)
		mustHaveOnce(t, r.process, "second", two, to)
	}
	r.stop()
}

// Killed in the middle of a reload, which waits for a request under way: the next start goes on with what the file says then.
func TestAKillWhileARequestIsWaitedForInAReload(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	one, two := newPlatform(t, newWords(rng), 10, 30), newPlatform(t, newWords(rng), 5, 30)
	f := file{t, map[string]*platform{"one": one, "two": two}}
	steady, slow, next := newReceiver(t), newReceiver(t), newReceiver(t)
	first, second := source("first", "one"), source("second", "two")
	r := &reloaded{dir: t.TempDir()}
	must(t, os.WriteFile(filepath.Join(r.dir, "key"), []byte(apiKey+"\n"), 0o600))
	r.configure(t, f.text([]string{first}, []string{endpoint("steady", steady, ""), endpoint("slow", slow, ", in_flight: 1")}))
	r.begin(t)
	r.baselines(1)
	var hanging sync.WaitGroup
	defer hanging.Wait()
	release, hangs := make(chan struct{}), make(chan struct{}, 1) // one at a time
	defer close(release)
	slow.answers(func(arrival) int {
		hanging.Add(1)
		defer hanging.Done()
		hangs <- struct{}{}
		<-release
		return http.StatusServiceUnavailable // nobody hears it
	})
	for range 5 {
		one.finish(ending(rng))
	}
	r.eventually("a request under way", func() bool { return len(steady.taken()) == 5 && len(hangs) == 1 })
	<-hangs
	r.configure(t, f.text([]string{first, second}, []string{endpoint("steady", steady, ""), endpoint("slow", next, ""), endpoint("new", next, ", sources: [second]")}))
	r.signal(syscall.SIGHUP)
	r.eventually("a reload under way", func() bool { return r.metric("vidbell_endpoint_state", `endpoint="new"`) > 0 })
	if n := r.says("configuration read again"); n != 0 {
		t.Error("the reload did not wait for the request under way")
	}
	time.Sleep(time.Duration(rng.IntN(50)) * time.Millisecond)
	r.kill()
	<-r.exited
	r.begin(t)
	r.eventually("the second baseline", func() bool {
		return strings.Contains(r.stderr.String(), `"baseline complete","source":"second"`) || r.metric("vidbell_sweep_last_complete_timestamp_seconds", `source="second"`) > 0
	})
	for range 5 {
		one.finish(ending(rng))
		two.finish(ending(rng))
	}
	r.eventually("all at the one that is the same", func() bool { return steady.missing(one.truth()) == 0 })
	r.eventually("all that waited, at the new address", func() bool { return next.missing(one.truth()) == 0 && next.missing(two.truth()) == 0 })
	r.stop()
	of := map[string]string{} // ids, by what they tell
	for _, a := range slices.Concat(steady.all(), slow.all(), next.all()) {
		what := fmt.Sprint(a.Data.VideoNo, a.Data.Version, a.Type)
		if id, told := of[what]; told && id != a.ID {
			t.Errorf("%s has two ids", what)
		}
		of[what] = a.ID
	}
}
