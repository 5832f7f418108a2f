package e2e

import (
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// manager is a service manager as a process sees it: a socket that takes messages.
type manager struct {
	mu    sync.Mutex
	heard []string
}

// newManager returns a manager and the variables by which a process finds it.
func newManager(t *testing.T, watchdog string) (*manager, []string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("systemd is on Linux only")
	}
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { socket.Close() })
	m := &manager{}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := socket.Read(buffer)
			if err != nil {
				return // closed
			}
			m.mu.Lock()
			m.heard = append(m.heard, strings.Split(strings.TrimSpace(string(buffer[:n])), "\n")...)
			m.mu.Unlock()
		}
	}()
	return m, []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=" + watchdog}
}

func (m *manager) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.heard)
}

func (m *manager) count(message string) (n int) {
	for _, heard := range m.all() {
		if strings.HasPrefix(heard, message) {
			n++
		}
	}
	return n
}

// systemd hears when the service is ready, that it lives, what it does, and that it stops; also while the engine is away, when it
// is alive and not ready.
func TestServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	from, b := newPlatform(t, newWords(seeded(t)), 20, 1), newBroker(t)
	m, environment := newManager(t, "400000")
	p := startIn(t, environment, from.settings().external(t, b))
	p.eventually("life before the engine is there", func() bool { return m.count("WATCHDOG=1") > 3 })
	if m.count("READY=1") != 0 || m.count("STATUS=waiting for the engine") != 1 {
		t.Errorf("without an engine it says %q", m.all())
	}
	b.start()
	p.eventually("ready", func() bool { return m.count("READY=1") == 1 })
	p.eventually("what it does", func() bool { return m.count("STATUS=polling 1 source, 21 videos, 1 in processing") == 1 })
	b.stop()
	before := m.count("WATCHDOG=1")
	p.eventually("life while the engine is away", func() bool { return m.count("WATCHDOG=1") > before+3 })
	p.stop()
	if heard := m.all(); m.count("STOPPING=1") != 1 || m.count("READY=1") != 1 {
		t.Errorf("it says %q", heard)
	}
}

// The watchdog ends a process by SIGABRT, and the unit starts nothing again that ended with 2, which is wrong usage. Go's own code
// for a crash is 2 as well, unless it is asked to end by the signal, as the unit does.
func TestACrashIsToldFromWrongUsage(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("systemd is on Linux only")
	}
	path, err := built()
	must(t, err)
	cmd := exec.Command(path, "simulate", "--listen", freeAddress(t))
	cmd.Env = []string{"GOTRACEBACK=crash"}
	var out journal
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	eventually(t, "a running process", func() bool { return out.String() != "" })
	must(t, cmd.Process.Signal(syscall.SIGABRT))
	_ = cmd.Wait() // how it ended is in ProcessState
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGABRT {
		t.Errorf("it ended with %v, want by the signal", cmd.ProcessState)
	}
	if !strings.Contains(out.String(), "SIGABRT: abort") {
		t.Errorf("it does not say what it was doing:\n%s", out.tail())
	}
}
