package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vidbell/internal/contract"
)

// settings are the VIDBELL_* variables of a process, without that prefix. The process gets no other variable of ours: what
// the machine is set to must not decide a test.
type settings map[string]string

// with returns a copy with more settings, given as name and value in turn.
func (s settings) with(pairs ...string) settings {
	c := settings{}
	for name, value := range s {
		c[name] = value
	}
	for i := 0; i < len(pairs); i += 2 {
		c[pairs[i]] = pairs[i+1]
	}
	return c
}

// secrets are the texts that must never be seen.
func (s settings) secrets() []string {
	var list []string
	for _, name := range []string{"API_KEY", "WEBHOOK_SECRET", "NATS_LISTEN_TOKEN", "HTTP_TOKEN", "HINT_SECRET", "WEBHOOK_ROUTING_KEY"} {
		for secret := range strings.SplitSeq(s[name], ",") {
			if secret != "" {
				list = append(list, strings.TrimPrefix(secret, "whsec_"))
			}
		}
	}
	for header := range strings.SplitSeq(s["WEBHOOK_HEADERS"], ",") {
		if _, value, ok := strings.Cut(header, "="); ok {
			list = append(list, value)
		}
	}
	for _, name := range []string{"NATS_URL", "WEBHOOK_URL"} {
		for entry := range strings.SplitSeq(s[name], ",") {
			u, err := url.Parse(entry)
			if err != nil {
				continue
			}
			if password, ok := u.User.Password(); ok {
				list = append(list, password)
			}
			if u.RawQuery != "" {
				list = append(list, u.RawQuery)
			}
		}
	}
	return list
}

// process is one run of the binary. Whatever happens in a test, at its end the process is gone, and what it printed held
// no secret and no sign of a crash.
type process struct {
	t        testing.TB
	cmd      *exec.Cmd
	settings settings
	stdout   journal
	stderr   journal
	exited   chan struct{} // closed when it has ended and its output is complete
}

// start runs the binary; without arguments it is the service.
func start(t testing.TB, s settings, args ...string) *process {
	t.Helper()
	return startIn(t, nil, s, args...)
}

// startIn is start with variables that are not ours.
func startIn(t testing.TB, environment []string, s settings, args ...string) *process {
	t.Helper()
	if runtime.GOOS == "windows" && len(args) == 0 {
		t.Skip("the service is stopped by signals here")
	}
	path, err := built()
	must(t, err)
	p := &process{t: t, cmd: exec.Command(path, args...), settings: s, exited: make(chan struct{})}
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = []string{
		"GORACE=atexit_sleep_ms=0", // else each exit of a race build takes a second
		"TMPDIR=" + p.cmd.Dir, "TMP=" + p.cmd.Dir,
	}
	p.cmd.Env = append(p.cmd.Env, environment...)
	if runtime.GOOS == "windows" {
		p.cmd.Env = append(p.cmd.Env, "SystemRoot="+os.Getenv("SystemRoot")) // no socket opens without
	}
	for name, value := range s {
		p.cmd.Env = append(p.cmd.Env, "VIDBELL_"+name+"="+value)
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	must(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.kill()
		<-p.exited
		p.inspect()
	})
	return p
}

// run waits for a command to end, and returns its exit code.
func run(t testing.TB, s settings, args ...string) (p *process, code int) {
	t.Helper()
	p = start(t, s, args...)
	code = p.wait()
	return p, code
}

// wait returns the exit code, -1 for a process that was killed.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("process %d did not end:\n%s", p.cmd.Process.Pid, p.stderr.tail())
		return 0
	}
}

// kill is SIGKILL: the process does nothing more.
func (p *process) kill() { _ = p.cmd.Process.Kill() }

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	must(p.t, p.cmd.Process.Signal(s))
}

// stop asks for an orderly end, as a service manager does, and expects one.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		p.t.Errorf("exit code %d after SIGTERM:\n%s", code, p.stderr.tail())
	}
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// eventually waits for a condition that needs the process alive.
func (p *process) eventually(what string, condition func() bool) {
	p.t.Helper()
	err := wait(patience, func() bool { return !p.running() || condition() })
	if err == nil && !p.running() {
		err = errors.New("the process ended")
	}
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", what, err, p.stderr.tail())
	}
}

// inspect looks for what no process may ever print.
func (p *process) inspect() {
	p.t.Helper()
	for name, text := range map[string]string{"stdout": p.stdout.String(), "stderr": p.stderr.String()} {
		p.mustHideSecrets(name, text)
		for _, sign := range []string{"DATA RACE", "panic:", "fatal error:", "goroutine 1 ["} {
			if strings.Contains(text, sign) {
				p.t.Errorf("%q on %s:\n%s", sign, name, text)
			}
		}
	}
	if p.t.Failed() {
		p.t.Logf("process %d %v, last lines:\n%s", p.cmd.Process.Pid, p.cmd.Args[1:], p.stderr.tail())
	}
}

func (p *process) mustHideSecrets(where, text string) {
	p.t.Helper()
	for _, secret := range p.settings.secrets() {
		if strings.Contains(text, secret) {
			p.t.Errorf("a secret is on %s", where)
		}
	}
}

// get asks the process's own HTTP server; the status is 0 if it does not answer.
func (p *process) get(path string) (status int, body string) {
	p.t.Helper()
	return p.ask(http.MethodGet, path, "", "")
}

// described is docs/openapi.yaml, which every answer to ask is held to.
var described = sync.OnceValues(contract.Load)

// ask sends a request under a name, or by the address when there is none, and looks for secrets in the answer.
func (p *process) ask(method, path, host, content string) (status int, body string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+p.settings["HTTP_LISTEN"]+path, strings.NewReader(content))
	must(p.t, err)
	req.Host = host
	api, err := described()
	must(p.t, err)
	client := http.Client{Timeout: 5 * time.Second, Transport: api.Transport(http.DefaultTransport, func(problem string) { p.t.Error(problem) })}
	resp, err := client.Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	p.mustHideSecrets("an HTTP page", fmt.Sprint(string(text), resp.Header))
	return resp.StatusCode, string(text)
}

func (p *process) ready() bool {
	status, _ := p.get("/readyz")
	return status == http.StatusOK
}

// mustBeReady waits until the service says that it is.
func (p *process) mustBeReady() {
	p.t.Helper()
	p.eventually("ready", p.ready)
}

// mustHaveBaseline waits until all that is there has been recorded: what changes from now on is news.
func (p *process) mustHaveBaseline() {
	p.t.Helper()
	p.eventually("a complete baseline", func() bool {
		return p.metric("vidbell_sweep_last_complete_timestamp_seconds") > 0
	})
}

// metric adds up the samples of a metric that have all the given labels, written like reason="conflict".
func (p *process) metric(name string, labels ...string) (sum float64) {
	p.t.Helper()
	_, page := p.get("/metrics")
	for lines := bufio.NewScanner(strings.NewReader(page)); lines.Scan(); {
		sample, text, ok := strings.Cut(lines.Text(), " ")
		if base, _, _ := strings.Cut(sample, "{"); !ok || base != name ||
			slices.ContainsFunc(labels, func(label string) bool { return !strings.Contains(sample, label) }) {
			continue
		}
		value, err := strconv.ParseFloat(text, 64)
		must(p.t, err)
		sum += value
	}
	return sum
}

// said returns a field of the first log line with a message.
func (p *process) said(message, field string) (string, bool) {
	for lines := bufio.NewScanner(strings.NewReader(p.stderr.String())); lines.Scan(); {
		var line map[string]any
		if json.Unmarshal(lines.Bytes(), &line) == nil && line["msg"] == message {
			value, _ := line[field].(string)
			return value, true
		}
	}
	return "", false
}

// subscribeURL is where the embedded engine listens, as a person reads it in the log.
func (p *process) subscribeURL() string {
	p.t.Helper()
	var address string
	p.eventually("the address for subscribers", func() (ok bool) {
		address, ok = p.said("listening for subscribers", "address")
		return ok
	})
	return address
}

// journal is what a process wrote so far.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// tail is enough to see what went wrong.
func (j *journal) tail() string {
	const most = 15
	lines := strings.Split(strings.TrimSpace(j.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
