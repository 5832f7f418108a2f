package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const receiver = "vidbell-receiver"

// halfDelivered is a data directory whose consumer has had events 1 to 6 of 10, and acknowledged all but 4 and 6; events are
// numbered from 1, which stands behind the birth mark. stopped says whether it was stopped in order, or killed.
func halfDelivered(tb testing.TB, stopped bool) Config {
	tb.Helper()
	cfg := Config{DataDir: filepath.Join(tb.TempDir(), "data"), Consumers: map[string][]string{"VIDEOS": {receiver}}}
	e := start(tb, cfg)
	openLog(tb, e)
	c, err := e.JetStream.CreateConsumer(tb.Context(), "VIDEOS", jetstream.ConsumerConfig{
		Durable: receiver, AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverNewPolicy, FilterSubjects: []string{"video.done.>"},
		AckWait: time.Minute, MaxDeliver: -1,
	})
	must(tb, err)
	for n := 1; n <= 10; n++ {
		publish(tb, e, fmt.Sprintf("vidbell.append.done.s.v%d", n), "x")
	}
	batch, err := c.Fetch(6)
	must(tb, err)
	n := 0
	for m := range batch.Messages() {
		if n++; n != 4 && n != 6 {
			must(tb, m.DoubleAck(tb.Context()))
		}
	}
	if stopped {
		e.Close()
		return cfg
	}
	eventually(tb, "the witness and the position are written", func() bool {
		w, err := readWitness(cfg.DataDir)
		must(tb, err)
		info, err := os.Stat(stateOf(cfg))
		return err == nil && info.Size() > 12 && w.Streams["VIDEOS"].Last == 11 && w.Streams["VIDEOS"].Consumers[receiver].Floor == 4
	})
	killed := cfg
	killed.DataDir += ".killed"
	must(tb, os.CopyFS(killed.DataDir, os.DirFS(cfg.DataDir))) // nothing is written any more
	e.Close()
	return killed
}

func stateOf(cfg Config) string {
	return filepath.Join(streamDir(cfg.DataDir, "VIDEOS"), "obs", receiver, "o.dat")
}

// mustBring checks that a start brings the consumer everything that is not acknowledged.
func mustBring(tb testing.TB, cfg Config, what string) {
	tb.Helper()
	e, err := Start(cfg)
	if err != nil {
		tb.Fatalf("%s: %v", what, err)
	}
	defer e.Close()
	c, err := e.JetStream.Consumer(tb.Context(), "VIDEOS", receiver)
	if err != nil {
		tb.Fatalf("%s: %v", what, err)
	}
	config := c.CachedInfo().Config
	config.AckWait = 50 * time.Millisecond // what was handed out before the stop comes again
	c, err = e.JetStream.UpdateConsumer(tb.Context(), "VIDEOS", config)
	must(tb, err)
	missing := []string{"v4", "v6", "v7", "v8", "v9", "v10"}
	for deadline := time.Now().Add(patience); len(missing) > 0 && time.Now().Before(deadline); {
		batch, err := c.Fetch(len(missing), jetstream.FetchMaxWait(100*time.Millisecond))
		must(tb, err)
		for m := range batch.Messages() {
			must(tb, m.Ack())
			missing = slices.DeleteFunc(missing, func(v string) bool { return "video.done.s."+v == m.Subject() })
		}
	}
	if len(missing) > 0 {
		tb.Fatalf("%s: %v never came", what, missing)
	}
}

func TestDamagedPositionLosesNoEvent(t *testing.T) {
	for _, stopped := range []bool{true, false} {
		whole := halfDelivered(t, stopped)
		text, err := os.ReadFile(stateOf(whole))
		must(t, err)
		step := 1
		if testing.Short() {
			step = 4
		}
		for at := 0; at < len(text); at += step {
			for _, mask := range []byte{0x01, 0xff} {
				if !stopped && mask == 0x01 && at >= 2 {
					continue // behind its two bytes of magic and version, one bit may make another sensible position: see the package's promise
				}
				damaged := whole
				damaged.DataDir = filepath.Join(t.TempDir(), "data")
				must(t, os.CopyFS(damaged.DataDir, os.DirFS(whole.DataDir)))
				broken := slices.Clone(text)
				broken[at] ^= mask
				must(t, os.WriteFile(stateOf(damaged), broken, 0o600))
				mustBring(t, damaged, fmt.Sprintf("stopped %v, byte %d of %d (%x ^ %x)", stopped, at, len(text), text[at], mask))
			}
		}
	}
}

func TestLostConsumerIsMadeAgainWhereItStood(t *testing.T) {
	for what, do := range map[string]func(dir string) error{
		"no position":          func(d string) error { return os.Remove(filepath.Join(d, "o.dat")) },
		"an empty position":    func(d string) error { return os.Truncate(filepath.Join(d, "o.dat"), 0) },
		"no description":       func(d string) error { return os.Remove(filepath.Join(d, "meta.inf")) },
		"an empty description": func(d string) error { return os.Truncate(filepath.Join(d, "meta.inf"), 0) },
		"no checksum":          func(d string) error { return os.Remove(filepath.Join(d, "meta.sum")) },
		"nothing at all":       os.RemoveAll,
	} {
		t.Run(what, func(t *testing.T) {
			cfg := halfDelivered(t, true)
			must(t, do(filepath.Dir(stateOf(cfg))))
			mustBring(t, cfg, what)
			if kept, _ := filepath.Glob(filepath.Join(cfg.DataDir, asideDir, "VIDEOS."+receiver+".*")); len(kept) != 1 && what != "nothing at all" {
				t.Errorf("what was damaged is not kept: %v", kept)
			}
		})
	}
}

func TestPositionThatNobodyKnowsIsRefused(t *testing.T) {
	cfg := halfDelivered(t, true)
	must(t, os.Remove(filepath.Join(cfg.DataDir, witnessFile)))
	must(t, os.Truncate(stateOf(cfg), 3))
	before := tree(t, cfg.DataDir)
	_, err := Start(cfg)
	wantError(t, err, "VIDBELL_DATA_DIR", receiver, "how far it had come is not known", "nothing was overwritten")
	if after := tree(t, cfg.DataDir); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Error("files were touched")
	}
}

// A work queue holds just what is not acknowledged: whoever made its consumer makes it again.
func TestDamagedConsumerOfAQueueIsOnlySetAside(t *testing.T) {
	cfg := Config{DataDir: filepath.Join(t.TempDir(), "data"), Consumers: map[string][]string{"QUEUE": {receiver}}}
	consumer := jetstream.ConsumerConfig{Durable: receiver, AckPolicy: jetstream.AckExplicitPolicy, FilterSubjects: []string{"q.a"}}
	e := start(t, cfg)
	_, err := e.JetStream.CreateStream(t.Context(), jetstream.StreamConfig{Name: "QUEUE", Subjects: []string{"q.*"}, Retention: jetstream.WorkQueuePolicy})
	must(t, err)
	_, err = e.JetStream.CreateConsumer(t.Context(), "QUEUE", consumer)
	must(t, err)
	publish(t, e, "q.a", "x")
	e.Close()
	must(t, os.Truncate(filepath.Join(streamDir(cfg.DataDir, "QUEUE"), "obs", receiver, "o.dat"), 0))
	e = start(t, cfg)
	if _, err := e.JetStream.Consumer(t.Context(), "QUEUE", receiver); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Errorf("got %v", err)
	}
	c, err := e.JetStream.CreateConsumer(t.Context(), "QUEUE", consumer)
	must(t, err)
	if m, err := c.Next(jetstream.FetchMaxWait(patience)); err != nil || m.Subject() != "q.a" {
		t.Errorf("got %v", err)
	}
}
