package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"vidbell/internal/config"
	"vidbell/internal/simulator"
)

// The exit codes that the README and the help promise. They are written out here: scripts rely on the numbers.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitConfig   = 3
	exitPlatform = 4
	exitEngine   = 5
	exitCheck    = 6
)

// mustEnd looks at the code a process ended with, and for texts in what it printed.
func mustEnd(t testing.TB, p *process, code, want int, texts ...string) {
	t.Helper()
	out := p.stdout.String() + p.stderr.String()
	if code != want {
		t.Errorf("exit code %d, want %d:\n%s", code, want, out)
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("%q is not in:\n%s", text, out)
		}
	}
}

func TestCommandVersion(t *testing.T) {
	t.Parallel()
	p, code := run(t, nil, "version")
	mustEnd(t, p, code, exitOK)
	if !regexp.MustCompile(`^vidbell \S+ .*go1\.\d+`).MatchString(p.stdout.String()) || p.stderr.String() != "" {
		t.Errorf("prints %q and %q", p.stdout.String(), p.stderr.String())
	}
	p, code = run(t, nil, "version", "--json")
	mustEnd(t, p, code, exitOK)
	var build struct{ Version, Go string }
	must(t, json.Unmarshal([]byte(p.stdout.String()), &build))
	if build.Version == "" || build.Go == "" {
		t.Errorf("prints %s", p.stdout.String())
	}
}

func TestCommandHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"help"}, {"--help"}} {
		p, code := run(t, nil, args...)
		mustEnd(t, p, code, exitOK, "demo", "check", "simulate", "sources", "endpoints", "deliveries", "dead-letters", "replay", "why",
			"send-test", "schedule", "version", "healthcheck", "help env")
	}
	p, code := run(t, nil, "help", "env")
	mustEnd(t, p, code, exitOK)
	for _, v := range config.Variables() {
		mustEnd(t, p, code, exitOK, v.Name)
	}
	if p.stderr.String() != "" {
		t.Errorf("help is data, but stderr has %q", p.stderr.String())
	}
}

func TestCommandThatIsNone(t *testing.T) {
	t.Parallel()
	for line, texts := range map[string][]string{
		"chek":                              {`"chek"`, "did you mean check?"},
		"check extra":                       {"extra"},
		"check --jsn":                       {"--jsn", `"vidbell check --help" lists the flags`},
		"demo --for ten":                    {"--for", "ten"},
		"sources relaese":                   {`"relaese"`, "did you mean release?"},
		"sources release":                   {"name one source", "vidbell sources"},
		"sources release -y":                {"-y", `"vidbell sources release --help" lists the flags`},
		"demo --for -5s":                    {"--for", "-5s"},
		"endpoints enabel x":                {`"enabel"`, "did you mean enable?"},
		"endpoints disable":                 {"name one endpoint", "vidbell endpoints"},
		"endpoints enable a b --reason x":   {"name one endpoint"},
		"deliveries --since dawn":           {"--since", "dawn", "2h30m"},
		"deliveries --limit 0":              {"--limit"},
		"dead-letters --follow":             {"--follow", `"vidbell dead-letters --help" lists the flags`},
		"replay":                            {"say what to replay", "--dead"},
		"replay --event evt_1 --until dusk": {"--until", "dusk"},
		"why ops":                           {"name an endpoint", "video"},
		"send-test":                         {"name one endpoint"},
		"schedule often":                    {"often", "standard"},
		"schedule 0,5s 5m":                  {"accepts at most 1 arg"},
		"help chek":                         {`"chek"`, "did you mean check?"},
		"help nope":                         {`"nope"`},
		"simulate --listen 127.0.0.1:0 --videos -5":        {"--videos", "-5"},
		"simulate --listen 127.0.0.1:0 --min 20s --max 1s": {"MaxLifetime"},
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			p, code := run(t, nil, strings.Fields(line)...)
			mustEnd(t, p, code, exitUsage, texts...)
			if p.stdout.String() != "" {
				t.Errorf("stdout is for data, it has %q", p.stdout.String())
			}
		})
	}
}

// local are settings that need nothing but a platform.
func local(t *testing.T, p *platform) settings {
	t.Helper()
	return p.settings().with("DATA_DIR", filepath.Join(t.TempDir(), "data"), "NATS_LISTEN", "127.0.0.1:0", "HTTP_LISTEN", freeAddress(t))
}

// mistakes are settings that nothing starts with; each is named, and so is what is wrong with it.
var mistakes = map[string]struct {
	change []string
	texts  []string
}{
	"no key":              {[]string{"API_KEY", ""}, []string{"VIDBELL_API_KEY", "required"}},
	"no unit":             {[]string{"POLL_INTERVAL", "30"}, []string{"VIDBELL_POLL_INTERVAL", "30s"}},
	"a misspelt name":     {[]string{"POLL_INTERVALL", "3s"}, []string{"VIDBELL_POLL_INTERVALL", "did you mean VIDBELL_POLL_INTERVAL?"}},
	"a secret of no form": {[]string{"WEBHOOK_SECRET", "whsec_short"}, []string{"VIDBELL_WEBHOOK_SECRET"}},
	"a schedule of words": {[]string{"WEBHOOK_SCHEDULE", "often"}, []string{"VIDBELL_WEBHOOK_SCHEDULE", "often"}},
	"open to the world":   {[]string{"HTTP_LISTEN", "0.0.0.0:0"}, []string{"VIDBELL_HTTP_TOKEN", "required"}},
	"several at once":     {[]string{"RATE_LIMIT", "0", "BASELINE", "loud"}, []string{"VIDBELL_RATE_LIMIT", "VIDBELL_BASELINE", "loud"}},
	"a hint to guess":     {[]string{"HINT_SECRET", "sesame"}, []string{"VIDBELL_HINT_SECRET", "16"}},
	"a public plain URL":  {[]string{"WEBHOOK_URL", "ftp://127.0.0.1/"}, []string{"VIDBELL_WEBHOOK_URL", "ftp"}},
}

func TestRefusesToStartWithAMistake(t *testing.T) {
	t.Parallel()
	from := newPlatform(t, simulator.WordsListed(), 1, 0)
	for name, mistake := range mistakes {
		for _, args := range [][]string{nil, {"check"}} {
			t.Run(name+strings.Join(args, ""), func(t *testing.T) {
				t.Parallel()
				s := local(t, from).with(mistake.change...)
				p, code := run(t, s, args...)
				mustEnd(t, p, code, exitConfig, mistake.texts...)
				if _, err := os.Stat(s["DATA_DIR"]); err == nil {
					t.Error("something was started: there is a data directory")
				}
			})
		}
	}
}

// taken is an address that somebody listens on.
func taken(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestRefusesToStartOnWhatOthersHave(t *testing.T) {
	from := newPlatform(t, simulator.WordsListed(), 1, 0)
	s := local(t, from)
	owner := start(t, s)
	owner.mustBeReady()
	noStore := newBroker(t)
	noStore.options.JetStream = false
	noStore.start()
	for name, c := range map[string]struct {
		change []string
		code   int
		texts  []string
	}{
		"HTTP port": {[]string{"HTTP_LISTEN", taken(t)}, exitConfig, []string{"VIDBELL_HTTP_LISTEN", "taken"}},
		"NATS port": {[]string{"NATS_LISTEN", taken(t)}, exitEngine, []string{"VIDBELL_NATS_LISTEN", "taken"}},
		"data directory": {
			[]string{"DATA_DIR", s["DATA_DIR"]},
			exitEngine,
			[]string{"VIDBELL_DATA_DIR", "in use by another vidbell", strconv.Itoa(owner.cmd.Process.Pid)},
		},
		"a server without JetStream": {[]string{"NATS_URL", noStore.url()}, exitEngine, []string{"VIDBELL_NATS_URL", "JetStream"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, code := run(t, local(t, from).with(c.change...))
			mustEnd(t, p, code, c.code, c.texts...)
		})
	}
	if !owner.ready() {
		t.Error("the one that was there first is disturbed")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	from, to, b := newPlatform(t, simulator.WordsListed(), 30, 1), newReceiver(t), newBroker(t)
	b.start()
	noStore := newBroker(t)
	noStore.options.JetStream = false
	noStore.start()
	for name, c := range map[string]struct {
		change []string
		code   int
		texts  []string
	}{
		"all well":          {nil, exitOK, []string{"31 videos", "PARSE means done"}},
		"all well outside":  {[]string{"NATS_URL", b.url()}, exitOK, []string{"JetStream enabled"}},
		"a wrong key":       {[]string{"API_KEY", "sk-mavi-e2e-another-4Yt6"}, exitPlatform, []string{"unauthorized", "VIDBELL_API_KEY"}},
		"no platform":       {[]string{"API_URL", "http://" + freeAddress(t)}, exitPlatform, []string{"VIDBELL_API_URL", "refused"}},
		"no JetStream":      {[]string{"NATS_URL", noStore.url()}, exitEngine, []string{"VIDBELL_NATS_URL", "JetStream"}},
		"a port is taken":   {[]string{"NATS_LISTEN", taken(t)}, exitEngine, []string{"VIDBELL_NATS_LISTEN", "taken"}},
		"no receiver":       {[]string{"WEBHOOK_URL", "http://" + freeAddress(t) + "/?token=e2e-8Uh2"}, exitCheck, []string{"endpoint", "refused"}},
		"an empty one":      {[]string{"UNIQUE_ID", "misspelt"}, exitOK, []string{"misspelt", "no videos"}},
		"a forbidden place": {[]string{"WEBHOOK_URL", "http://169.254.169.254/latest"}, exitCheck, []string{"blocked"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := deliverTo(local(t, from), to).with(c.change...)
			p, code := run(t, s, "check")
			mustEnd(t, p, code, c.code, c.texts...)
			if _, err := os.Stat(s["DATA_DIR"]); err == nil {
				t.Error("check changes nothing, but made the data directory")
			}
			mustBeReadByMachines(t, s, c.code)
		})
	}
	t.Cleanup(func() { // after the cases, which run side by side
		if n := len(to.all()); n > 0 {
			t.Errorf("check sent %d requests to a receiver", n)
		}
	})
}

// mustBeReadByMachines: one JSON document that says the same.
func mustBeReadByMachines(t *testing.T, s settings, want int) {
	t.Helper()
	p, code := run(t, s, "check", "--json")
	mustEnd(t, p, code, want)
	var report struct {
		Findings []struct{ Area, Verdict string }
		Settings []struct{ Name, Value string }
	}
	must(t, json.Unmarshal([]byte(p.stdout.String()), &report))
	failures := 0
	for _, f := range report.Findings {
		if f.Verdict == "fail" {
			failures++
		}
	}
	if (failures > 0) != (want != exitOK) || len(report.Settings) != len(config.Variables()) {
		t.Errorf("%d failures and %d settings with exit code %d", failures, len(report.Settings), want)
	}
}

// A key that is refused is no reason to end: it may be back in a minute. It is told, once, to those who listen.
func TestWrongKeyIsTold(t *testing.T) {
	t.Parallel()
	from := newPlatform(t, simulator.WordsListed(), 30, 1)
	p := start(t, local(t, from).with("API_KEY", "sk-mavi-e2e-another-4Yt6"))
	ops := listen(t, connect(t, p.subscribeURL(), nats.Name("alerting")), "vidbell.ops.>")
	p.eventually("the metric", func() bool { return p.metric("vidbell_source_degraded") == 1 })
	if reason, _ := p.said("source degraded", "reason"); reason != "unauthorized" {
		t.Errorf("the log gives %q as the reason", reason)
	}
	// The subscription may have come after the report; what is stored is there for everybody.
	stored := messages(t, streams(t, connect(t, p.subscribeURL())), "VIDBELL_OPS")
	if len(stored) != 1 || stored[0].Subject != "vidbell.ops.source.degraded.default" || len(ops.seen()) > 1 {
		t.Errorf("%d reports stored, %d heard", len(stored), len(ops.seen()))
	}
	if n := from.sim.Counts().Total; n > 5 {
		t.Errorf("%d requests with a key that is refused", n)
	}
	p.stop()
}

func TestCommandHealthcheck(t *testing.T) {
	t.Parallel()
	p := start(t, local(t, newPlatform(t, simulator.WordsListed(), 1, 0)))
	p.mustBeReady()
	check, code := run(t, p.settings, "healthcheck")
	mustEnd(t, check, code, exitOK)
	p.stop()
	check, code = run(t, p.settings, "healthcheck")
	mustEnd(t, check, code, exitFailed, "refused")
}

// The platform's callback comes in under a public name, without a token. All it can do is to have us look.
func TestHintPage(t *testing.T) {
	t.Parallel()
	from := newPlatform(t, simulator.WordsListed(), 30, 2)
	p := start(t, local(t, from).with("LOG_LEVEL", "debug"))
	plain := listen(t, connect(t, p.subscribeURL()), allEvents)
	p.mustHaveBaseline()
	const page, name = "/v1/hints/", "hints.example.com"
	for _, c := range []struct {
		sentence, path, host, body string
		status                     int
	}{
		{"a forged callback", page + hintSecret, name, `{"videoNo":"VI1","status":"PARSE"}`, http.StatusAccepted},
		{"one that claims what is not so", page + hintSecret, name, `{"videoNo":"` + from.inFlight[0] + `","status":"FAIL"}`, http.StatusAccepted},
		{"one that is none", page + hintSecret, name, `{`, http.StatusBadRequest},
		{"another secret", page + "e2e-hint_another9", name, `{"videoNo":"VI1"}`, http.StatusNotFound},
		{"a page for people, by a public name", "/v1/sources/default/release", name, "", http.StatusMisdirectedRequest},
	} {
		if status, body := p.ask(http.MethodPost, c.path, c.host, c.body); status != c.status {
			t.Errorf("%s: %d %s", c.sentence, status, body)
		}
	}
	for result, want := range map[string]float64{"invalid": 1, "forbidden": 1, "throttled": 0} {
		if got := p.metric("vidbell_hints_total", `result="`+result+`"`); got != want {
			t.Errorf("%g %s hints, want %g", got, result, want)
		}
	}
	if _, body := p.get("/"); strings.Contains(body, "hints") || !strings.Contains(body, "/v1/sources") {
		t.Errorf("the index lists %s", body)
	}
	from.finish(done)
	p.eventually("what is true is told", func() bool { return len(plain.seen()) == 1 })
	p.stop()
}

// The commands ask the service by the settings that it was started with.
func TestCommandSources(t *testing.T) {
	t.Parallel()
	from := newPlatform(t, simulator.WordsListed(), 30, 2)
	p := start(t, local(t, from).with("HTTP_TOKEN", "e2e-http-token-9Gv4Rw2Z", "UNIQUE_ID", "default,nobody"))
	p.mustBeReady()
	p.eventually("a baseline in the list", func() bool {
		list, code := run(t, p.settings, "sources", "--json")
		mustEnd(t, list, code, exitOK)
		var answer struct {
			Sources []struct {
				Name       string
				BaselineAt string `json:"baseline_at"`
				Videos     struct{ Known, Done, Failed int }
				InFlight   int `json:"in_flight"`
				Parse      struct{ Means string }
			}
		}
		must(t, json.Unmarshal([]byte(list.stdout.String()), &answer))
		if len(answer.Sources) != 2 || answer.Sources[0].Name != "default" || answer.Sources[1].Name != "nobody" {
			t.Fatalf("prints %s", list.stdout.String())
		}
		s := answer.Sources[0]
		return s.BaselineAt != "" && s.Videos.Known == 32 && s.Videos.Done+s.Videos.Failed == 30 && s.InFlight == 2 && s.Parse.Means == "done"
	})
	list, code := run(t, p.settings, "sources")
	mustEnd(t, list, code, exitOK, "SOURCE", "default", "32", "ok")
	release, code := run(t, p.settings, "sources", "release", "default", "--yes")
	mustEnd(t, release, code, exitFailed, "source default holds nothing back")
	release, code = run(t, p.settings, "sources", "release", "else")
	mustEnd(t, release, code, exitFailed, `no source is named "else"; there is default, nobody`)
	stranger, code := run(t, p.settings.with("HTTP_TOKEN", ""), "sources")
	mustEnd(t, stranger, code, exitConfig, "VIDBELL_HTTP_TOKEN")
	p.stop()
	list, code = run(t, p.settings, "sources")
	mustEnd(t, list, code, exitFailed, "start it with vidbell run", "VIDBELL_HTTP_LISTEN")
}

// What simulate prints is what a shell takes, and what vidbell then runs with.
func TestCommandSimulate(t *testing.T) {
	t.Parallel()
	sim := start(t, nil, "simulate", "--listen", "127.0.0.1:0", "--videos", "17", "--every", "0")
	printed := regexp.MustCompile(`(?m)^export VIDBELL_(\w+)=(\S+)$`)
	sim.eventually("two variables", func() bool { return len(printed.FindAllString(sim.stdout.String(), -1)) == 2 })
	s := settings{"DATA_DIR": t.TempDir(), "NATS_LISTEN": "off", "HTTP_LISTEN": "off"}
	for _, pair := range printed.FindAllStringSubmatch(sim.stdout.String(), -1) {
		s[pair[1]] = pair[2]
	}
	p, code := run(t, s, "check")
	mustEnd(t, p, code, exitOK, "17 videos")
	sim.signal(os.Interrupt)
	if code := sim.wait(); code != exitOK {
		t.Errorf("simulate ended with %d", code)
	}
}

// Whoever reads the first lines of a demo and goes, as head does, leaves nothing behind.
func TestDemoThatNobodyReads(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a pipe ends otherwise here")
	}
	path, err := built()
	must(t, err)
	dir := t.TempDir()
	cmd := exec.Command(path, "demo", "--json")
	cmd.Env = []string{"TMPDIR=" + dir}
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	if !bufio.NewScanner(out).Scan() {
		t.Error("the demo shows nothing")
	}
	must(t, out.Close())
	err = cmd.Wait()
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 || cmd.ProcessState.ExitCode() < 0 {
		t.Errorf("ended with %v, left %v", err, left)
	}
}

// arrived is one line of demo --json.
type arrived struct {
	Via     string
	Subject string
	Event   event
}

func arrivedAt(t *testing.T, p *process, via string) (ids []string) {
	t.Helper()
	text := p.stdout.String()
	for line := range strings.SplitSeq(text[:strings.LastIndex(text, "\n")+1], "\n") { // the last one may not be whole
		if line == "" {
			continue
		}
		var a arrived
		must(t, json.Unmarshal([]byte(line), &a))
		if a.Via == via && !slices.Contains(ids, a.Event.ID) {
			ids = append(ids, a.Event.ID)
		}
	}
	return ids
}

// The demo needs nothing, shows events on both ways, and leaves nothing behind.
func TestDemo(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "demo", "--json")
	p.eventually("an event on both ways", func() bool { return len(arrivedAt(t, p, "nats")) > 0 && len(arrivedAt(t, p, "webhook")) > 0 })
	p.signal(os.Interrupt)
	code := p.wait()
	heard, delivered := arrivedAt(t, p, "nats"), arrivedAt(t, p, "webhook")
	mustEnd(t, p, code, exitOK, fmt.Sprintf("%s on NATS, %s at the webhook, 0 requests rejected", some(len(heard)), some(len(delivered))))
	if !slices.Equal(slices.Sorted(slices.Values(heard)), slices.Sorted(slices.Values(delivered))) {
		t.Errorf("on NATS %v, at the webhook %v", heard, delivered)
	}
	mustLeaveNothing(t, p)
}

func TestDemoForAWhile(t *testing.T) {
	t.Parallel()
	began := time.Now()
	p, code := run(t, nil, "demo", "--for", "1s")
	mustEnd(t, p, code, exitOK, "on NATS", "0 requests rejected")
	if took := time.Since(began); took < time.Second {
		t.Errorf("ended after %s", took)
	}
	mustLeaveNothing(t, p)
}

func some(n int) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}

func mustLeaveNothing(t *testing.T, p *process) {
	t.Helper()
	if strings.Contains(p.stdout.String()+p.stderr.String(), "whsec_") {
		t.Error("the secret of the demo is shown")
	}
	left, err := os.ReadDir(p.cmd.Dir)
	must(t, err)
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// The token guards what is not for probes.
func TestMetricsAreBehindTheToken(t *testing.T) {
	t.Parallel()
	p := start(t, local(t, newPlatform(t, simulator.WordsListed(), 1, 0)).with("HTTP_TOKEN", "e2e-http-token-9Gv4Rw2Z"))
	p.mustBeReady()
	if status, _ := p.get("/metrics"); status != http.StatusUnauthorized {
		t.Errorf("/metrics answers %d without the token", status)
	}
	p.stop()
}
