package engine

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"vidbell/notify"
)

// childDir tells the test binary to be a second process that works on a data directory until it is killed.
const childDir = "VIDBELL_TEST_ENGINE_DIR"

const batchSize = 20

// child appends batches for ever, and says so after each acknowledgement.
func child(dir string) int {
	e, err := Start(Config{DataDir: dir})
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	if _, err := notify.OpenLog(context.Background(), notify.LogConfig{JetStream: e.JetStream}); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println("ready")
	for n := 0; ; n++ {
		msgs := make([]*nats.Msg, batchSize)
		for i := range msgs {
			msgs[i] = nats.NewMsg(fmt.Sprintf("vidbell.append.done.s%d.v%d", os.Getpid(), n*batchSize+i))
			msgs[i].Header.Set("Nats-Expected-Last-Subject-Sequence", "0")
			msgs[i].Data = []byte(strings.Repeat("x", rand.IntN(2000)))
		}
		ack, err := jetstreamext.PublishMsgBatch(context.Background(), e.JetStream, msgs)
		if err != nil {
			fmt.Println("error:", err)
			return 1
		}
		fmt.Println("acknowledged", ack.Sequence)
	}
}

// second starts the test binary as another process on dir.
func second(tb testing.TB, dir string) (lines *bufio.Scanner, kill func()) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	must(tb, err)
	must(tb, cmd.Start())
	lines = bufio.NewScanner(out)
	kill = func() { _ = cmd.Process.Kill() }
	tb.Cleanup(func() { kill(); _ = cmd.Wait() })
	return lines, kill
}

func TestDataDirIsLockedByAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	lines, kill := second(t, dir)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the other process says %q", lines.Text())
	}
	_, err := Start(Config{DataDir: dir})
	wantError(t, err, "VIDBELL_DATA_DIR", dir, "(process ", "in use by another vidbell")
	kill()
	for lines.Scan() {
	}
	start(t, Config{DataDir: dir})
}

// A kill at any moment loses nothing that was acknowledged, and leaves no half of a batch.
func TestKillKeepsWhatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		lines, kill := second(t, dir)
		time.AfterFunc(time.Duration(50+rand.IntN(1500))*time.Millisecond, kill)
		acked := uint64(0)
		for lines.Scan() {
			if n, ok := strings.CutPrefix(lines.Text(), "acknowledged "); ok {
				acked, _ = strconv.ParseUint(n, 10, 64)
			} else if strings.HasPrefix(lines.Text(), "error") {
				t.Fatal(lines.Text())
			}
		}
		witnessed := witnessedLast(t, dir)
		e := start(t, Config{DataDir: dir}) // whatever the kill left is no damage
		must(t, e.WaitReady(t.Context(), nil))
		if s, err := e.JetStream.Stream(t.Context(), "VIDEOS"); err == nil {
			checkWhole(t, s, max(acked, witnessed))
		} else if acked > 0 {
			t.Fatal(err)
		}
		t.Logf("round %d: killed after message %d was acknowledged and %d witnessed", round, acked, witnessed)
		e.Close()
	}
}

// witnessedLast is how far the log had come when that was last written down.
func witnessedLast(t *testing.T, dir string) uint64 {
	t.Helper()
	w, err := readWitness(dir)
	must(t, err)
	if w == nil {
		return 0
	}
	return w.Streams["VIDEOS"].Last
}

func checkWhole(t *testing.T, s jetstream.Stream, acked uint64) {
	t.Helper()
	state := s.CachedInfo().State
	if state.LastSeq < acked || state.Msgs != state.LastSeq {
		t.Fatalf("%d messages up to %d, but %d were acknowledged", state.Msgs, state.LastSeq, acked)
	}
	if state.LastSeq > 0 && (state.LastSeq-1)%batchSize != 0 { // one birth mark, then batches
		t.Errorf("a torn batch: %d messages", state.Msgs)
	}
	for seq := uint64(1); seq <= state.LastSeq; seq++ {
		if _, err := s.GetMsg(t.Context(), seq); err != nil {
			t.Fatalf("message %d: %v", seq, err)
		}
	}
}
