package engine

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"vidbell/notify"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	goleak.VerifyTestMain(m)
}

const patience = 30 * time.Second // of a test that waits; far more than it ever takes

func start(tb testing.TB, cfg Config) *Engine {
	tb.Helper()
	e, err := Start(cfg)
	must(tb, err)
	tb.Cleanup(e.Close)
	return e
}

func openLog(tb testing.TB, e *Engine) *notify.Log {
	tb.Helper()
	l, err := notify.OpenLog(tb.Context(), notify.LogConfig{JetStream: e.JetStream})
	must(tb, err)
	return l
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// eventually polls until a condition holds.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	tb.Fatalf("never came true: %s", what)
}

// wantError checks that an error names its setting and holds all parts.
func wantError(tb testing.TB, err error, setting string, parts ...string) {
	tb.Helper()
	var e *Error
	if !errors.As(err, &e) {
		tb.Fatalf("got %v, want an *Error about %s", err, setting)
	}
	if e.Setting != setting {
		tb.Errorf("%v is about %s, want %s", err, e.Setting, setting)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			tb.Errorf("%v does not say %q", err, part)
		}
	}
}

func publish(tb testing.TB, e *Engine, subject, body string) {
	tb.Helper()
	_, err := e.JetStream.Publish(tb.Context(), subject, []byte(body))
	must(tb, err)
}

func lastSeq(tb testing.TB, e *Engine, stream string) uint64 {
	tb.Helper()
	s, err := e.JetStream.Stream(tb.Context(), stream)
	must(tb, err)
	return s.CachedInfo().State.LastSeq
}

func TestEmbeddedServesAndStops(t *testing.T) {
	e := start(t, Config{DataDir: t.TempDir()})
	must(t, e.WaitReady(t.Context(), nil))
	if ok, why := e.Ready(); !ok || !strings.HasPrefix(why, "connected to 2.") {
		t.Errorf("ready %v, %q", ok, why)
	}
	if !e.Embedded() || e.ListenAddr() != "" {
		t.Errorf("embedded %v, listening on %q", e.Embedded(), e.ListenAddr())
	}
	e.Close()
	if ok, why := e.Ready(); ok || why == "" {
		t.Errorf("ready %v, %q after the end", ok, why)
	}
	e.Close() // a second time does no harm
}

func TestRestartKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	for round := range uint64(3) {
		e := start(t, Config{DataDir: dir})
		openLog(t, e)
		if got := lastSeq(t, e, "VIDEOS"); got != 1+round {
			t.Fatalf("round %d begins with %d messages", round, got)
		}
		publish(t, e, "vidbell.append.done.s.v", "x")
		e.Close()
	}
}

func TestListenAddressIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	dir := t.TempDir()
	_, err = Start(Config{DataDir: dir, Listen: l.Addr().String()})
	wantError(t, err, "VIDBELL_NATS_LISTEN", l.Addr().String(), "taken by another process", "VIDBELL_NATS_URL")
	start(t, Config{DataDir: dir, Listen: "off"}) // the directory was not left locked
}

func TestListenAddressIsNone(t *testing.T) {
	for listen, part := range map[string]string{
		"4222": "host:port", "127.0.0.1:nats": "0 to 65535", "127.0.0.1:70000": "0 to 65535", "192.0.2.1:4222": "cannot listen",
	} {
		_, err := Start(Config{DataDir: t.TempDir(), Listen: listen})
		wantError(t, err, "VIDBELL_NATS_LISTEN", listen, part)
	}
}

func TestDataDirIsInUse(t *testing.T) {
	dir := t.TempDir()
	first := start(t, Config{DataDir: dir})
	_, err := Start(Config{DataDir: dir})
	wantError(t, err, "VIDBELL_DATA_DIR", dir, "(process ", "in use by another vidbell", "its own directory")
	first.Close()
	start(t, Config{DataDir: dir})
}

func TestDataDirIsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, []byte("mine"), 0o600))
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		_, err := Start(Config{DataDir: dir})
		wantError(t, err, "VIDBELL_DATA_DIR", dir, "directory that this user may write")
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("the file holds %q now, %v", text, err)
	}
}

func TestDataDirMayNotBeWritten(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o500))
	_, err := Start(Config{DataDir: dir})
	wantError(t, err, "VIDBELL_DATA_DIR", dir, "permission denied")
}

func TestDataDirIsMadeForThisUserAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b [c]")
	start(t, Config{DataDir: dir})
	info, err := os.Stat(dir)
	must(t, err)
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("made with mode %o", mode)
	}
}

// The server only warns about a stream that it cannot read, and then makes it anew over what was there.
func TestUnreadableStreamStopsTheStart(t *testing.T) {
	for damage, do := range map[string]func(stream string) error{
		"description cut short": func(s string) error { return os.WriteFile(filepath.Join(s, "meta.inf"), []byte(`{"name":"VID`), 0o600) },
		"description lost":      func(s string) error { return os.Remove(filepath.Join(s, "meta.inf")) },
		"checksum emptied":      func(s string) error { return os.Truncate(filepath.Join(s, "meta.sum"), 0) },
		"checksum lost":         func(s string) error { return os.Remove(filepath.Join(s, "meta.sum")) },
	} {
		t.Run(damage, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data [1]")
			e := start(t, Config{DataDir: dir})
			openLog(t, e)
			publish(t, e, "vidbell.append.done.s.v", "precious")
			e.Close()
			stream := filepath.Join(dir, "jetstream", "jetstream", "$G", "streams", "VIDEOS")
			must(t, do(stream))
			before := files(t, stream)

			for range 2 {
				_, err := Start(Config{DataDir: dir})
				wantError(t, err, "VIDBELL_DATA_DIR", "stream VIDEOS", stream, "nothing was overwritten", "meta")
			}
			if after := files(t, stream); after != before {
				t.Errorf("the stream was touched:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}

func TestStreamThatNeverHeldAMessageMayBeLost(t *testing.T) {
	dir := t.TempDir()
	e := start(t, Config{DataDir: dir})
	_, err := e.JetStream.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EMPTY", Subjects: []string{"empty"}})
	must(t, err)
	e.Close()
	must(t, os.Remove(filepath.Join(dir, "jetstream", "jetstream", "$G", "streams", "EMPTY", "meta.sum")))
	start(t, Config{DataDir: dir})
}

// files lists what a stream keeps: its description and its messages.
func files(tb testing.TB, dir string) string {
	tb.Helper()
	var b strings.Builder
	for _, pattern := range []string{"meta.*", "msgs/*.blk"} {
		names, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, name := range names {
			text, err := os.ReadFile(name)
			must(tb, err)
			b.WriteString(name + "\n" + string(text) + "\n")
		}
	}
	return b.String()
}

func TestServerThatCannotUseItsStore(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "jetstream"), nil, 0o600))
	_, err := Start(Config{DataDir: dir})
	wantError(t, err, "VIDBELL_DATA_DIR", dir, "nothing was overwritten")
}

func TestFatalLineAboutThePortIsNoneAboutTheStore(t *testing.T) {
	err := fatal(Config{Listen: "127.0.0.1:1"}, "Error listening on port: 127.0.0.1:1, \"bind: in use\"")
	wantError(t, err, "VIDBELL_NATS_LISTEN", "127.0.0.1:1", "in use")
}

func TestServerLinesReachOurLog(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	start(t, Config{DataDir: t.TempDir(), Logger: zap.New(core)})
	if logs.FilterLoggerName("nats").Len() == 0 {
		t.Error("the server said nothing")
	}
	if n := logs.Filter(func(e observer.LoggedEntry) bool { return e.Level > zap.InfoLevel }).Len(); n > 0 {
		t.Errorf("%d lines above info of a healthy start: %v", n, logs.All())
	}
}

func TestWaitReadyEndsWithItsContext(t *testing.T) {
	e := start(t, Config{URL: "nats://127.0.0.1:1"})
	ctx, cancel := context.WithCancel(t.Context())
	told := 0
	err := e.WaitReady(ctx, func(error) { told++; cancel() })
	if !errors.Is(err, context.Canceled) || told != 1 {
		t.Errorf("got %v after %d reports", err, told)
	}
}

func TestCheckLeavesNothingBehind(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "a", "b")
	must(t, CheckEmbedded(Config{DataDir: dir, Listen: "127.0.0.1:0"}))
	if left, _ := os.ReadDir(top); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	wantError(t, CheckEmbedded(Config{DataDir: dir, Listen: "4222"}), "VIDBELL_NATS_LISTEN")
	if left, _ := os.ReadDir(top); len(left) > 0 {
		t.Errorf("left %v after a wrong address", left)
	}
	e := start(t, Config{DataDir: dir})
	if err := CheckEmbedded(Config{DataDir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v of a directory in use", err)
	}
	openLog(t, e)
	e.Close()
	must(t, CheckEmbedded(Config{DataDir: dir}))
	e = start(t, Config{DataDir: dir})
	if got := lastSeq(t, e, "VIDEOS"); got != 1 {
		t.Errorf("%d messages after a check", got)
	}
}

func TestNewEnough(t *testing.T) {
	for version, want := range map[string]bool{
		"2.12.0": true, "2.15.2": true, "2.12.0-RC.1": true, "3.0.0": true, "2.11.9": false, "2.10.0": false, "1.4.1": false,
		"": true, "main": true,
	} {
		if newEnough(version) != want {
			t.Errorf("%q: want %v", version, want)
		}
	}
}
