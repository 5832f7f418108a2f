package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vidbell/internal/simulator"
	"vidbell/internal/web"
)

// configured is a service whose configuration is a file that changes.
type configured struct {
	*process
	t    *testing.T
	file string
}

// write replaces the file at once, as editors and deployments do.
func (c *configured) write(text string) {
	c.t.Helper()
	must(c.t, os.WriteFile(c.file+".new", []byte(text), 0o600))
	must(c.t, os.Rename(c.file+".new", c.file))
}

func (c *configured) reloads() (applied, refused float64) {
	return c.metric("vidbell_config_reloads_total", `result="applied"`), c.metric("vidbell_config_reloads_total", `result="refused"`)
}

func TestTheConfigurationChangesWhileVideosMove(t *testing.T) {
	t.Parallel()
	from := newPlatform(t, simulator.WordsListed(), 3, 20)
	other := newPlatform(t, simulator.WordsListed(), 2, 4)
	one, two := newReceiver(t), newReceiver(t)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "key"), []byte(apiKey), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "secret"), []byte(two.secret), 0o600))
	file := func(sources, endpoints string) string {
		return fmt.Sprintf(`
accounts:
  - {name: main, url: %q, api_key_file: key, rate_limit: 100}
  - {name: more, url: %q, api_key_file: key, rate_limit: 50}
sources:
  - {name: first, account: main, unique_id: %s}
%s
poll: {interval: 100ms, max_interval: 100ms, sweep_interval: 500ms, stall_after: 0}
endpoints:
%s
`, from.url, other.url, namespace, sources, endpoints)
	}
	first := fmt.Sprintf("  - {name: one, url: %q, secret: %q}\n", one.url(), one.secret)
	second := fmt.Sprintf("  - {name: two, url: %q, secret_file: secret, events: [video.done]}\n", two.url())
	more := fmt.Sprintf("  - {name: second, account: more, unique_id: %s}\n", namespace)
	c := &configured{t: t, file: filepath.Join(dir, "vidbell.yaml")}
	c.write(file("", first))
	s := settings{
		"CONFIG": c.file, "LOG_FORMAT": "json", "NATS_LISTEN": "127.0.0.1:0", "HTTP_LISTEN": freeAddress(t), "DATA_DIR": filepath.Join(dir, "data"),
		"WEBHOOK_SECRET": one.secret,
	}
	c.process = start(t, s)
	c.mustHaveBaseline()
	from.finish(done)
	c.eventually("the first event", func() bool { return len(one.taken()) == 1 })

	// An endpoint and a source come; nobody asks for it but the file.
	c.write(file(more, first+second))
	c.eventually("it is read by itself", func() bool { applied, _ := c.reloads(); return applied == 1 })
	c.eventually("a baseline of the new source", func() bool { return strings.Count(c.stderr.String(), "baseline complete") == 2 })
	other.finish(done)
	from.finish(failed)
	c.eventually("events of both at the one, the done one at the other", func() bool { return len(one.taken()) == 3 && len(two.taken()) == 1 })

	// A broken file changes nothing.
	c.write(file(more, first+second) + "poll: {interval: 30}\n")
	c.eventually("it is refused", func() bool { _, refused := c.reloads(); return refused == 1 })
	if c.metric("vidbell_config_last_reload_successful") != 0 {
		t.Error("the metric says that it was taken")
	}
	c.eventually("a word of why", func() bool { return strings.Contains(c.stderr.String(), "stands on line") })
	asked, code := run(t, s, "reload")
	mustEnd(t, asked, code, 3, "vidbell.yaml:14:1: poll: stands on line 9 already")
	from.finish(done)
	c.eventually("events go on", func() bool { return len(one.taken()) == 4 && len(two.taken()) == 2 })

	// It is repaired, the secret of one rotated, the other one gone, a source gone.
	must(t, os.WriteFile(filepath.Join(dir, "secret"), []byte(one.secret), 0o600))
	moved := strings.ReplaceAll(second, two.url(), one.url()) // two now means one's address and secret
	c.write(file("", moved))
	asked, code = run(t, s, "reload")
	mustEnd(t, asked, code, 0) // by the command, or by itself just before
	for _, part := range []string{`"sources_removed":["second"]`, `"endpoints_changed":["two"]`, `"endpoints_removed":["one"]`} {
		c.eventually(part, func() bool { return strings.Contains(c.stderr.String(), part) })
	}
	if c.metric("vidbell_config_last_reload_successful") != 1 {
		t.Error("the metric says that it was refused")
	}
	other.finish(done)
	from.finish(done)
	c.eventually("the event at its new address", func() bool { return len(one.taken()) == 5 })

	// What takes a restart is named.
	c.write(file("", moved) + "subject_prefix: other\n")
	status, body := c.ask(http.MethodPost, "/v1/reload", "", "")
	if status != http.StatusConflict || !strings.Contains(body, "subject_prefix changed, which takes a restart") {
		t.Errorf("%d %s", status, body)
	}
	c.write(file(more, first+second))
	must(t, os.WriteFile(filepath.Join(dir, "secret"), []byte(two.secret), 0o600))
	c.signal(syscall.SIGHUP)
	c.eventually("a signal is heard", func() bool { return strings.Contains(c.stderr.String(), `"because_of":"SIGHUP"`) })
	// The source that was away is back, and so is what happened meanwhile; so is the endpoint, with what waited.
	c.eventually("what the source missed", func() bool {
		n := 0
		for _, a := range one.taken() {
			if a.Data.Source == "second" {
				n++
			}
		}
		return n == 2
	})
	ids := map[string]string{}
	for _, r := range []*receiver{one, two} {
		for _, a := range r.all() {
			key := fmt.Sprint(a.Data.Source, a.Data.VideoNo, a.Data.Version)
			if known, seen := ids[key]; seen && known != a.ID {
				t.Errorf("%s has the ids %s and %s", key, known, a.ID)
			}
			ids[key] = a.ID
		}
	}
	if len(ids) != 6 {
		t.Errorf("%d events, want 6", len(ids))
	}
	c.stop()
}

// Fifty changes in a row, a kill in the middle of one: nothing is lost.
func TestAKillInMidReloadLosesNothing(t *testing.T) {
	t.Parallel()
	from, to := newPlatform(t, simulator.WordsListed(), 3, 20), newReceiver(t)
	dir := t.TempDir()
	c := &configured{t: t, file: filepath.Join(dir, "vidbell.yaml")}
	file := func(n int) string {
		return fmt.Sprintf(`
accounts: [{url: %q, api_key: %q, rate_limit: 100}]
sources: [{name: first, unique_id: %s}]
poll: {interval: 100ms, max_interval: 100ms, sweep_interval: %dms, stall_after: 0}
endpoints: [{name: one, url: %q, secret: %q, in_flight: %d}]
`, from.url, apiKey, namespace, 500+n, to.url(), to.secret, 1+n%16)
	}
	c.write(file(0))
	s := settings{
		"CONFIG": c.file, "LOG_FORMAT": "json", "NATS_LISTEN": "off", "HTTP_LISTEN": freeAddress(t), "DATA_DIR": filepath.Join(dir, "data"),
		"WEBHOOK_SECRET": to.secret,
	}
	c.process = start(t, s)
	c.mustHaveBaseline()
	for i := range 50 {
		c.write(file(i + 1))
		if i%3 == 0 {
			from.finish(done)
		}
		if i%20 == 19 {
			go func(p *process) { _ = p.cmd.Process.Signal(syscall.SIGHUP) }(c.process)
			c.kill()
			<-c.exited
			c.process = start(t, s)
			c.mustBeReady()
			continue
		}
		if status, body := c.ask(http.MethodPost, "/v1/reload", "", ""); status != http.StatusOK {
			t.Fatalf("reload %d: %d %s", i, status, body)
		}
	}
	c.eventually("every event", func() bool { return len(to.taken()) == 17 })
	list := read[web.EndpointList](operated{process: c.process}, "endpoints").Endpoints
	if len(list) != 1 || list[0].Pending != 0 && len(to.taken()) != 17 {
		t.Errorf("%+v", list)
	}
	c.stop()
}
