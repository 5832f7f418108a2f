package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"vidbell/internal/simulator"
)

// Two platforms, each with its own account, and two receivers with settings of their own: all of it in one file.
func TestAFileTellsAccountsAndEndpointsApart(t *testing.T) {
	t.Parallel()
	one, two := newPlatform(t, simulator.WordsListed(), 2, 2), newPlatform(t, simulator.WordsPlain(), 2, 2)
	pipeline, chat := newReceiver(t), newChannel(t)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "key"), []byte(apiKey+"\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "vidbell.yaml"), fmt.Appendf(nil, `
accounts:
  - {name: one, url: %q, api_key_file: key, rate_limit: 100}
  - {name: two, url: %q, api_key_file: key, rate_limit: 100}
sources:
  - {name: first, account: one, unique_id: %[3]s}
  - {name: second, account: two, unique_id: %[3]s}
poll: {interval: 100ms, max_interval: 100ms, sweep_interval: 500ms, stall_after: 0}
endpoints:
  - {name: pipeline, url: %q, secret: %q, sources: [first]}
  - {name: chat, url: %q, format: slack, group_max: 1, sources: [second], events: [video.failed], headers: {X-Team: e2e-team-9Vb2Lq7Rk}}
`, one.url, two.url, namespace, pipeline.url(), pipeline.secret, chat.server.URL+"/services/T0/B0/e2e"), 0o600))
	p := start(t, settings{
		"CONFIG": filepath.Join(dir, "vidbell.yaml"), "LOG_FORMAT": "json", "NATS_LISTEN": "127.0.0.1:0", "HTTP_LISTEN": freeAddress(t),
		"DATA_DIR": filepath.Join(dir, "data"), "WEBHOOK_SECRET": pipeline.secret, // known to it as a secret that must not be seen
	})
	p.eventually("two complete baselines", func() bool { return strings.Count(p.stderr.String(), "baseline complete") == 2 })

	one.finish("done")
	two.finish("done")
	two.finish("failed")
	p.eventually("an event at the pipeline", func() bool { return len(pipeline.taken()) == 1 })
	p.eventually("a message in the chat", func() bool { return chat.all() != "" })
	for _, a := range pipeline.all() {
		if a.Data.Source != "first" || a.Type != "video.done" {
			t.Errorf("the pipeline got %s of %s", a.Type, a.Data.Source)
		}
	}
	if text := chat.all(); strings.Contains(text, "first") || !strings.Contains(text, "failed") {
		t.Errorf("the chat got %s", text)
	}
	out, code := run(t, p.settings, "endpoints", "--json")
	mustEnd(t, out, code, 0, `"pipeline"`, `"chat"`)
	p.stop()
}

func TestCommandsTakeTheFileByAFlag(t *testing.T) {
	t.Parallel()
	from := newPlatform(t, simulator.WordsListed(), 1, 0)
	dir := t.TempDir()
	file := filepath.Join(dir, "vidbell.yaml")
	must(t, os.WriteFile(file, fmt.Appendf(nil, "accounts:\n  - {url: %q, api_key: '${SIM_KEY}'}\nsources: [{name: a, unique_id: %s}]\nnats: {listen: 127.0.0.1:0}\n",
		from.url, namespace), 0o600))
	s := settings{"DATA_DIR": filepath.Join(dir, "data"), "HTTP_LISTEN": freeAddress(t)}
	p := startIn(t, []string{"SIM_KEY=" + apiKey}, s, "check", "--config", file)
	mustEnd(t, p, p.wait(), 0, "1 source, 0 endpoints", "answers in", "accounts[0].api_key", "[redacted]")

	must(t, os.WriteFile(file, []byte("accounts:\n  - {api_key: '${SIM_KEY}'}\npoll:\n  interval: 30\nendpoints:\n  - {url: 'https://a.example.com', filter: 'data.x ==='}\n"), 0o600))
	p = startIn(t, []string{"SIM_KEY=" + apiKey}, s, "check", "--config", file)
	mustEnd(t, p, p.wait(), 3, "vidbell.yaml:4:13: poll.interval", `"30" has no unit, write 30s`, "vidbell.yaml:6:44: endpoints[0].filter", "2 problems")
	p = startIn(t, []string{"SIM_KEY=" + apiKey}, s, "--config", file)
	mustEnd(t, p, p.wait(), 3, "vidbell.yaml:4:13: poll.interval", "2 problems")

	must(t, os.WriteFile(file, []byte("accounts:\n  - {api_key: '${SIM_KEY}'}\nendpoints:\n  - {url: 'https://a.example.com', format: pagerduty}\n  - https://b.example.com\n"), 0o600))
	p = startIn(t, []string{"SIM_KEY=" + apiKey}, s, "config", "show", "--config", file)
	mustEnd(t, p, p.wait(), 3, "vidbell.yaml:4:5: endpoints[0].routing_key: the pagerduty format needs", "vidbell.yaml:5:5: endpoints[1]: must have keys", "2 problems")
}

func TestInitBeginsAConfiguration(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	p, code := run(t, settings{}, "init", dir)
	mustEnd(t, p, code, 0, "vidbell.yaml", "vidbell.env")
	env, err := os.ReadFile(filepath.Join(dir, "vidbell.env"))
	must(t, err)
	if !strings.Contains(string(env), "WEBHOOK_SECRET=whsec_") {
		t.Errorf("the variables are %s", env)
	}
	for _, name := range []string{"vidbell.yaml", "vidbell.env"} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
	}
	p = startIn(t, []string{"MEMORIES_API_KEY=sk-1"}, settings{}, "config", "show", "--config", filepath.Join(dir, "vidbell.yaml"))
	mustEnd(t, p, p.wait(), 0, "accounts[0].api_key", "[redacted]")
	p, code = run(t, settings{}, "init", dir)
	mustEnd(t, p, code, 2, "is there already")
	again, err := os.ReadFile(filepath.Join(dir, "vidbell.env"))
	must(t, err)
	if !bytes.Equal(again, env) {
		t.Error("what was there was touched")
	}
}

// With the account in the environment, a file without settings would be a right one: that it is empty while somebody saves it must
// take no endpoint away.
func TestAFileThatIsEmptyWhileItIsSavedTakesNoEndpointAway(t *testing.T) {
	t.Parallel()
	from, one := newPlatform(t, simulator.WordsListed(), 2, 2), newReceiver(t)
	dir := t.TempDir()
	c := &configured{t: t, file: filepath.Join(dir, "vidbell.yaml")}
	c.write(fmt.Sprintf("endpoints:\n  - {name: one, url: %q, secret: %q}\n", one.url(), one.secret))
	s := settings{
		"CONFIG": c.file, "API_KEY": apiKey, "API_URL": from.url, "UNIQUE_ID": namespace, "RATE_LIMIT": "100", "POLL_INTERVAL": "100ms",
		"POLL_MAX_INTERVAL": "100ms", "LOG_FORMAT": "json", "NATS_LISTEN": "127.0.0.1:0", "HTTP_LISTEN": freeAddress(t),
		"DATA_DIR": filepath.Join(dir, "data"), "WEBHOOK_SECRET": one.secret,
	}
	c.process = start(t, s)
	c.mustHaveBaseline()
	must(t, os.WriteFile(c.file, nil, 0o600))
	c.signal(syscall.SIGHUP)
	c.eventually("it is refused", func() bool { _, refused := c.reloads(); return refused >= 1 })
	if applied, _ := c.reloads(); applied != 0 || !strings.Contains(c.stderr.String(), "is empty") {
		t.Errorf("%v applied:\n%s", applied, c.stderr.tail())
	}
	from.finish(done)
	c.eventually("an event at the endpoint", func() bool { return len(one.taken()) == 1 })
	c.stop()
}

// What init prints is typed as it stands, in any POSIX shell, once the key is there and an endpoint is no comment any more.
func TestTheAdviceOfInitWorksInAShell(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("it is advice for a POSIX shell")
	}
	binary, err := built()
	must(t, err)
	for name, args := range map[string][]string{"here": {"init"}, "in a folder that needs quotes": {"init", "it's new"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, code := run(t, settings{}, args...)
			mustEnd(t, p, code, 0)
			dir := filepath.Join(append([]string{p.cmd.Dir}, args[1:]...)...)
			replaceIn(t, filepath.Join(dir, "vidbell.env"), "MEMORIES_API_KEY=", "MEMORIES_API_KEY=sk-1")
			replaceIn(t, filepath.Join(dir, "vidbell.yaml"), "\n  # ", "\n  ")
			_, advice, found := strings.Cut(p.stdout.String(), "next:")
			lines := strings.Split(advice, "\n")
			if !found || len(lines) < 3 {
				t.Fatalf("init says %s", p.stdout.String())
			}
			script := lines[0] + "\n" + strings.Replace(lines[1], "vidbell check", "'"+binary+"' config show", 1)
			sh := exec.CommandContext(t.Context(), "sh", "-euc", script)
			sh.Dir, sh.Env = p.cmd.Dir, []string{"PATH=" + os.Getenv("PATH"), "POSIXLY_CORRECT=1"}
			out, err := sh.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "endpoints[0].secret") || strings.Contains(string(out), "whsec_") {
				t.Errorf("%s\nends with %v:\n%s", script, err, out)
			}
		})
	}
}

// replaceIn changes words of a file, each of which must be there.
func replaceIn(t *testing.T, file string, oldnew ...string) {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(string(text), oldnew[i]) {
			t.Fatalf("%q is not in %s", oldnew[i], text)
		}
	}
	must(t, os.WriteFile(file, []byte(strings.NewReplacer(oldnew...).Replace(string(text))), 0o600))
}
