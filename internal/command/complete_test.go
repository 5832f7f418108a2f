package command_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spf13/pflag"

	"vidbell/internal/command"
)

// setEnv makes the environment hold these VIDBELL_ variables and no others.
func setEnv(t *testing.T, pairs ...string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "VIDBELL_") {
			t.Setenv(name, "")
		}
	}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}

// run runs a command line in this process.
func run(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, info strings.Builder
	root := command.Root()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&info)
	root.SetIn(strings.NewReader(""))
	err = root.ExecuteContext(t.Context())
	return out.String(), info.String(), err
}

// words completes the last word of a line.
func words(t *testing.T, args ...string) []string {
	t.Helper()
	out, _, err := run(t, append([]string{"__complete"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	list := make([]string, 0, len(lines))
	for _, line := range lines[:len(lines)-1] { // the last one is for the shell
		word, _, _ := strings.Cut(line, "\t")
		list = append(list, word)
	}
	return list
}

func TestCompletionScripts(t *testing.T) {
	for shell, sign := range map[string]string{
		"bash": "__start_vidbell", "zsh": "#compdef vidbell", "fish": "complete -c vidbell", "powershell": "Register-ArgumentCompleter",
	} {
		out, info, err := run(t, "completion", shell)
		if err != nil || info != "" || !strings.Contains(out, sign) || !strings.Contains(out, "__complete") {
			t.Errorf("%s: %v, %d bytes, %q", shell, err, len(out), info)
		}
	}
}

// Names come from the environment and the file. Nobody is asked: neither the service, nor the platform, nor NATS.
func TestCompletionAsksNobody(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var asked atomic.Int64
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = conn.Close()
		}
	}()
	here := listener.Addr().String()
	file := filepath.Join(t.TempDir(), "vidbell.yaml")
	config := "accounts:\n  - name: eu\n    api_key: sk-x\n    url: http://" + here + "\nsources:\n  - {name: press, account: eu}\n  - {name: studio, account: eu}\n" +
		"endpoints:\n  - {name: ops, url: \"http://" + here + "/hook\"}\n  - {name: chat, url: \"http://" + here + "/chat\"}\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	setEnv(t, "VIDBELL_HTTP_LISTEN="+here, "VIDBELL_NATS_URL=nats://"+here, "VIDBELL_API_URL=http://"+here, "VIDBELL_CONFIG="+file)
	for line, want := range map[string][]string{
		"deliveries --endpoint ":   {"ops", "chat"},
		"dead-letters --endpoint ": {"ops", "chat"},
		"replay --endpoint ":       {"ops", "chat"},
		"why ":                     {"ops", "chat"},
		"why ops ":                 nil,
		"send-test ":               {"ops", "chat"},
		"endpoints enable ":        {"ops", "chat"},
		"endpoints disable ":       {"ops", "chat"},
		"sources release ":         {"press", "studio"},
		"sources release press ":   nil,
		"deliveries --source ":     {"press", "studio"},
		"tail --source ":           {"press", "studio"},
		"videos --source ":         {"press", "studio"},
		"videos --status ":         {"processing", "done", "failed", "unknown", "deleted"},
		"simulate --form ":         {"v1.2", "2026", "mixed"},
		"status ":                  nil,
	} {
		if got := words(t, strings.Split(line, " ")...); !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%q is completed by %q, want %q", line, got, want)
		}
	}
	for _, flag := range []string{"deliveries --type ", "events --type ", "replay --type ", "send-test ops --type "} {
		if got := words(t, strings.Split(flag, " ")...); !slices.Contains(got, "video.done") {
			t.Errorf("%q is completed by %q", flag, got)
		}
	}
	if got := words(t, "sta"); !slices.Equal(got, []string{"status"}) {
		t.Errorf("a command is completed by %q", got)
	}
	// And every other word of every command: some must be names, all must be silent.
	for _, c := range commands(t) {
		path := strings.Fields(c.CommandPath())[1:]
		words(t, append(slices.Clone(path), "")...)
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.NoOptDefVal == "" {
				words(t, append(slices.Clone(path), "--"+f.Name, "")...)
			}
		})
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d connections", n)
	}

	// The file may be named on the line itself.
	setEnv(t)
	if got := words(t, "--config", file, "deliveries", "--endpoint", ""); !slices.Equal(got, []string{"ops", "chat"}) {
		t.Errorf("with --config: %q", got)
	}
	setEnv(t, "VIDBELL_CONFIG=/nowhere")
	if got := words(t, "deliveries", "--endpoint", ""); len(got) > 0 {
		t.Errorf("without a file: %q", got)
	}
}
