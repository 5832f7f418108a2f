package engine_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vidbell/internal/engine"
)

// TestAFullDiskEndsTheWatch fills a file system of one megabyte. It needs the right to mount one.
func TestAFullDiskEndsTheWatch(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	e, err := engine.Start(engine.Config{DataDir: dir, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := e.JetStream.CreateStream(ctx, jetstream.StreamConfig{Name: "FULL", Subjects: []string{"full"}}); err != nil {
		t.Fatal(err)
	}
	watched := make(chan error, 1)
	go func() { watched <- e.Watch(ctx) }()
	acknowledged := fill(ctx, t, e)

	var failed *engine.Error
	if err := <-watched; !errors.As(err, &failed) || failed.Setting != "VIDBELL_DATA_DIR" || !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("watch ended with %v, want an error that names the directory and the cause", err)
	}
	if ok, _ := e.Ready(); ok {
		t.Error("ready with a disk that is full")
	}
	cause := errors.New("atomic publish batch is incomplete")
	if err := e.Explain(cause); !errors.Is(err, engine.ErrDiskFull) || !errors.Is(err, cause) || !strings.Contains(err.Error(), dir) {
		t.Errorf("explained as %v", err)
	}
	// What was acknowledged is there after the start that follows.
	e.Close()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=20m"); err != nil {
		t.Fatal(err)
	}
	again, err := engine.Start(engine.Config{DataDir: dir, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	stream, err := again.JetStream.Stream(ctx, "FULL")
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().State.Msgs; got < acknowledged {
		t.Errorf("%d messages after the start, %d were acknowledged", got, acknowledged)
	}
	if _, err := again.JetStream.Publish(ctx, "full", nil); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// fill publishes until it fails and returns how many messages were acknowledged.
func fill(ctx context.Context, t *testing.T, e *engine.Engine) (acknowledged uint64) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := e.JetStream.Publish(ctx, "full", make([]byte, 32<<10), jetstream.WithRetryAttempts(0))
		cancel()
		if err != nil {
			return acknowledged
		}
		if acknowledged++; acknowledged > 1000 {
			t.Fatal("a megabyte took 32")
		}
	}
}
