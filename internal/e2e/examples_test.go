package e2e

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The programs that the documentation gives to subscribers, run as it says.
var exampleDir = filepath.Join("..", "..", "docs", "examples")

// example is one of them. make gives the command that starts it, or skips the test where it cannot run.
type example struct {
	name string
	make func(t *testing.T) *exec.Cmd
}

func consumers() []example {
	return []example{
		{"go", goExample("consumer")},
		{"javascript", nodeExample("consumer.mjs")},
		{"python", pythonExample("consumer.py", "nats")},
	}
}

func receivers() []example {
	return []example{
		{"go", goExample("receiver")},
		{"javascript", nodeExample("receiver.mjs")},
		{"python", pythonExample("receiver.py", "standardwebhooks")},
		{"python alone", pythonExample("receiver_plain.py", "hmac")},
	}
}

func goExample(name string) func(*testing.T) *exec.Cmd {
	return func(t *testing.T) *exec.Cmd {
		t.Helper()
		binary := filepath.Join(t.TempDir(), name+".exe")
		must(t, lookAtSources())
		out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "./"+filepath.Join(exampleDir, "go", name)).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return exec.Command(binary)
	}
}

func pythonExample(file, module string) func(*testing.T) *exec.Cmd {
	return func(t *testing.T) *exec.Cmd {
		t.Helper()
		const python = "python3"
		if _, err := exec.LookPath(python); err != nil {
			t.Skipf("SKIPPED, NOT RUN: %s: there is no %s", file, python)
		}
		dir := copyExamples(t, "python")
		if out, err := exec.CommandContext(t.Context(), python, "-m", "py_compile", filepath.Join(dir, file)).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if out, err := exec.CommandContext(t.Context(), python, "-c", "import "+module).CombinedOutput(); err != nil {
			t.Skipf("SKIPPED, ONLY COMPILED: %s: %s", file, lastLine(out))
		}
		cmd := exec.Command(python, file)
		cmd.Dir = dir
		return cmd
	}
}

func nodeExample(file string) func(*testing.T) *exec.Cmd {
	return func(t *testing.T) *exec.Cmd {
		t.Helper()
		dir := nodeModules(t)
		cmd := exec.Command("node", file)
		cmd.Dir = dir
		return cmd
	}
}

// nodeModules is a copy of the JavaScript examples with what they need, made once for all tests.
func nodeModules(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED, NOT RUN: the JavaScript examples: there is no %s", tool)
		}
	}
	if testing.Short() {
		t.Skip("SKIPPED, NOT RUN: the JavaScript examples: -short")
	}
	dir, err := installed()
	if errors.Is(err, errNoRegistry) {
		t.Skipf("SKIPPED, NOT RUN: the JavaScript examples: %v", err)
	}
	must(t, err)
	_ = copyExamples(t, "javascript") // so that a changed file is a reason to run again
	return dir
}

var errNoRegistry = errors.New("the registry of npm is out of reach")

var installed = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(buildDir, "javascript")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(exampleDir, "javascript"))); err != nil {
		return "", err
	}
	npm := func(args ...string) ([]byte, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "npm", args...)
		cmd.Dir = dir
		return cmd.CombinedOutput()
	}
	if out, err := npm("ci", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
		if _, err := npm("ping"); err != nil {
			return "", errNoRegistry
		}
		return "", errors.New("npm ci: " + string(out))
	}
	return dir, nil
})

// copyExamples copies a folder of examples: nothing is left in the repository, and the test is run again when one has changed.
func copyExamples(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join(exampleDir, name))))
	return dir
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// program is a running example, with its inbox.
type program struct {
	t      *testing.T
	inbox  string
	cmd    *exec.Cmd
	output journal
	exited chan struct{}
}

// startExample runs a copy of a command with variables, in the turn of name and value.
func startExample(t *testing.T, like *exec.Cmd, inbox string, pairs ...string) *program {
	t.Helper()
	p := &program{t: t, inbox: inbox, exited: make(chan struct{})}
	p.cmd = exec.Command(like.Args[0], like.Args[1:]...)
	p.cmd.Path, p.cmd.Dir = like.Path, like.Dir
	p.cmd.Env = []string{"INBOX=" + inbox, "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "PYTHONDONTWRITEBYTECODE=1"}
	for i := 0; i < len(pairs); i += 2 {
		p.cmd.Env = append(p.cmd.Env, pairs[i]+"="+pairs[i+1])
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	must(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%v printed:\n%s", p.cmd.Args, p.output.tail())
		}
	})
	return p
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// end asks it to end, and returns its exit code.
func (p *program) end() int {
	p.t.Helper()
	must(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	return p.wait()
}

func (p *program) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("%v did not end:\n%s", p.cmd.Args, p.output.tail())
		return 0
	}
}

// listening waits until it takes connections.
func (p *program) listening(address string) {
	p.t.Helper()
	eventually(p.t, "the example listens", func() bool {
		select {
		case <-p.exited:
			p.t.Fatalf("%v ended:\n%s", p.cmd.Args, p.output.tail())
		default:
		}
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// took returns what is in the inbox, by event id.
func (p *program) took() map[string]string {
	p.t.Helper()
	entries, err := os.ReadDir(p.inbox)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	must(p.t, err)
	all := map[string]string{}
	for _, e := range entries {
		id, isEvent := strings.CutSuffix(e.Name(), ".json")
		if !isEvent {
			continue
		}
		body, err := os.ReadFile(filepath.Join(p.inbox, e.Name()))
		must(p.t, err)
		all[id] = string(body)
	}
	return all
}

// mustHave holds the inbox to the events of the log that the example is there for: each of them, byte for byte, and no other.
func (p *program) mustHave(events []stored, kinds ...string) {
	p.t.Helper()
	took, want := p.took(), 0
	for _, e := range events {
		for _, kind := range kinds {
			if e.kind() != kind {
				continue
			}
			want++
			if took[e.ID] != e.body {
				p.t.Errorf("%s %s is %q in the inbox", e.ID, e.Type, took[e.ID])
			}
		}
	}
	if want == 0 || len(took) != want {
		p.t.Errorf("%d events in the inbox, %d in the log", len(took), want)
	}
}

// times counts the lines about an event in what the example printed.
func (p *program) times(id string) int {
	n := 0
	for line := range bytes.Lines([]byte(p.output.String())) {
		if bytes.HasPrefix(line, []byte(id)) {
			n++
		}
	}
	return n
}
