package engine

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// streamDir is where the embedded server keeps a stream.
func streamDir(dataDir, name string) string {
	return filepath.Join(dataDir, "jetstream", "jetstream", "$G", "streams", name)
}

// tree sums up every file of a directory but the lock.
func tree(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	sums := make(map[string]string)
	must(tb, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == lockFile {
			return err
		}
		text, err := os.ReadFile(path)
		sums[path] = fmt.Sprintf("%x", sha256.Sum256(text))
		return err
	}))
	return sums
}

// filled is a data directory with a log of some events, stopped in order.
func filled(tb testing.TB, events int) string {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "data [1]")
	e := start(tb, Config{DataDir: dir})
	openLog(tb, e)
	for i := range events {
		publish(tb, e, fmt.Sprintf("vidbell.append.done.s.v%d", i), strings.Repeat("x", 500))
	}
	e.Close()
	return dir
}

// flip turns a byte of a file around, at a part of its length.
func flip(tb testing.TB, path string, part float64) {
	tb.Helper()
	text, err := os.ReadFile(path)
	must(tb, err)
	text[int(float64(len(text))*part)] ^= 0xff
	must(tb, os.WriteFile(path, text, 0o600))
}

func TestDamagedLogIsNoFreshStart(t *testing.T) {
	block := func(dir string) string { return filepath.Join(streamDir(dir, "VIDEOS"), "msgs", "1.blk") }
	for damage, c := range map[string]struct {
		do   func(dir string) error
		says []string
	}{
		"a byte near the start": {
			func(dir string) error { flip(t, block(dir), .01); return nil },
			[]string{"stream VIDEOS", "1.blk is damaged at byte 0, behind message 0"},
		},
		"a byte in the middle": {
			func(dir string) error { flip(t, block(dir), .5); return nil }, []string{"1.blk is damaged at byte", "good messages follow"},
		},
		"a byte of the last message": {
			func(dir string) error { flip(t, block(dir), .99); return nil }, []string{"ends at message 20", "messages up to 21"},
		},
		"half of it cut off": {
			func(dir string) error { return os.Truncate(block(dir), 3000) }, []string{"ends at message", "messages up to 21"},
		},
		"emptied":                {func(dir string) error { return os.Truncate(block(dir), 0) }, []string{"ends at message 0", "messages up to 21"}},
		"the block removed":      {func(dir string) error { return os.Remove(block(dir)) }, []string{"ends at message 0", "messages up to 21"}},
		"all messages removed":   {func(dir string) error { return os.RemoveAll(filepath.Dir(block(dir))) }, []string{"ends at message 0"}},
		"the stream removed":     {func(dir string) error { return os.RemoveAll(streamDir(dir, "VIDEOS")) }, []string{"stream VIDEOS", "not there"}},
		"everything removed":     {func(dir string) error { return os.RemoveAll(filepath.Join(dir, "jetstream")) }, []string{"not there"}},
		"the witness is damaged": {func(dir string) error { flip(t, filepath.Join(dir, witnessFile), .2); return nil }, []string{witnessFile, "checksum"}},
	} {
		t.Run(damage, func(t *testing.T) {
			dir := filled(t, 20)
			must(t, c.do(dir))
			before := tree(t, dir)
			for range 2 {
				_, err := Start(Config{DataDir: dir})
				wantError(t, err, "VIDBELL_DATA_DIR", append(c.says, dir, "nothing was overwritten", "backup", "move it away")...)
				wantError(t, CheckEmbedded(Config{DataDir: dir}), "VIDBELL_DATA_DIR", c.says...)
			}
			if after := tree(t, dir); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("files were touched: %v\nbefore: %v", after, before)
			}
		})
	}
}

func TestAnotherLogInPlaceOfOursIsRefused(t *testing.T) {
	dir, other := filled(t, 3), filled(t, 30)
	must(t, os.RemoveAll(filepath.Join(dir, "jetstream")))
	must(t, os.Rename(filepath.Join(other, "jetstream"), filepath.Join(dir, "jetstream")))
	_, err := Start(Config{DataDir: dir})
	wantError(t, err, "VIDBELL_DATA_DIR", "another one, made")
}

func TestWholeBackupAndDirectoryMovedAwayAreTaken(t *testing.T) {
	dir := filled(t, 3)
	backup := t.TempDir()
	must(t, os.CopyFS(backup, os.DirFS(dir)))
	e := start(t, Config{DataDir: dir})
	publish(t, e, "vidbell.append.done.s.more", "x")
	e.Close()
	must(t, os.Rename(dir, dir+".away"))
	start(t, Config{DataDir: dir}).Close()
	must(t, os.RemoveAll(dir))
	must(t, os.Rename(backup, dir))
	if got := lastSeq(t, start(t, Config{DataDir: dir}), "VIDEOS"); got != 4 {
		t.Errorf("%d messages in the backup", got)
	}
}

// What a kill leaves at the end of a block is cut off, as long as nobody was told that it was stored.
func TestHalfARecordAtTheEndIsNoDamage(t *testing.T) {
	dir := filled(t, 3)
	block := filepath.Join(streamDir(dir, "VIDEOS"), "msgs", "1.blk")
	text, err := os.ReadFile(block)
	must(t, err)
	must(t, os.WriteFile(block, append(text, text[len(text)-400:len(text)-200]...), 0o600))
	if got := lastSeq(t, start(t, Config{DataDir: dir}), "VIDEOS"); got != 4 {
		t.Errorf("%d messages", got)
	}
}

func TestWitnessFollowsTheLogWhileItRuns(t *testing.T) {
	dir := t.TempDir()
	e := start(t, Config{DataDir: dir})
	openLog(t, e)
	publish(t, e, "vidbell.append.done.s.v", "x")
	_, err := e.JetStream.CreateConsumer(t.Context(), "VIDEOS", jetstream.ConsumerConfig{Durable: "d", AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverNewPolicy})
	must(t, err)
	eventually(t, "the message and the position are witnessed", func() bool {
		w, err := readWitness(dir)
		must(t, err)
		mark, ok := w.Streams["VIDEOS"].Consumers["d"]
		return w.Streams["VIDEOS"].Last == 2 && ok && mark.Floor == 2
	})
}

func TestLogFromBeforeWitnessesIsTaken(t *testing.T) {
	dir := filled(t, 3)
	must(t, os.Remove(filepath.Join(dir, witnessFile)))
	e := start(t, Config{DataDir: dir})
	e.Close()
	if w, err := readWitness(dir); err != nil || w.Streams["VIDEOS"].Last != 4 {
		t.Errorf("witnessed %+v, %v", w, err)
	}
}
