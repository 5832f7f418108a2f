package filestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// smallBlocks is a bound of a stream below which the server uses its smallest blocks, of 32 kB.
const smallBlocks = 120_000

// filled runs a server on a directory, fills a stream of small blocks, and returns what is on disk afterwards.
func filled(tb testing.TB, cfg nats.StreamConfig, fill func(js nats.JetStreamContext)) Stream {
	tb.Helper()
	dir := tb.TempDir()
	s, err := server.NewServer(&server.Options{JetStream: true, StoreDir: dir, DontListen: true, NoSigs: true, NoLog: true})
	must(tb, err)
	s.Start()
	defer func() {
		s.Shutdown()
		s.WaitForShutdown()
	}()
	nc, err := nats.Connect("", nats.InProcessServer(s))
	must(tb, err)
	defer nc.Close()
	js, err := nc.JetStream()
	must(tb, err)
	_, err = js.AddStream(&cfg)
	must(tb, err)
	fill(js)
	streams, err := Streams(dir)
	must(tb, err)
	if len(streams) != 1 || streams[0].Err != nil || streams[0].Name != cfg.Name {
		tb.Fatalf("found %+v", streams)
	}
	return streams[0]
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func publish(tb testing.TB, js nats.JetStreamContext, n, size int) {
	tb.Helper()
	for i := range n {
		m := nats.NewMsg(fmt.Sprintf("s.%d", i%7))
		m.Data = make([]byte, size)
		if i%2 == 0 {
			m.Header.Set("Vidbell", "x")
		}
		_, err := js.PublishMsg(m)
		must(tb, err)
	}
}

func mustEnd(tb testing.TB, s Stream, want uint64) {
	tb.Helper()
	if last, err := s.Last(); err != nil || last != want {
		tb.Fatalf("ends at %d, %v; want %d", last, err, want)
	}
}

func TestLastOfWhatTheServerLeaves(t *testing.T) {
	limited := nats.StreamConfig{Name: "S", Subjects: []string{"s.*"}, MaxBytes: smallBlocks}
	for name, c := range map[string]struct {
		cfg  nats.StreamConfig
		fill func(js nats.JetStreamContext)
		want uint64
	}{
		"nothing":                             {limited, func(nats.JetStreamContext) {}, 0},
		"messages with and without headers":   {limited, func(js nats.JetStreamContext) { publish(t, js, 20, 100) }, 20},
		"many blocks, the first ones dropped": {limited, func(js nats.JetStreamContext) { publish(t, js, 200, 2000) }, 200},
		"messages deleted and overwritten": {limited, func(js nats.JetStreamContext) {
			publish(t, js, 20, 100)
			must(t, js.DeleteMsg("S", 7))
			must(t, js.SecureDeleteMsg("S", 9))
		}, 20},
		"purged but for the last of a subject": {limited, func(js nats.JetStreamContext) {
			publish(t, js, 20, 100)
			must(t, js.PurgeStream("S", &nats.StreamPurgeRequest{Subject: "s.3", Keep: 1}))
		}, 20},
		"one a subject": {
			nats.StreamConfig{Name: "S", Subjects: []string{"s.*"}, MaxMsgsPerSubject: 1},
			func(js nats.JetStreamContext) { publish(t, js, 200, 100) }, 200,
		},
	} {
		t.Run(name, func(t *testing.T) { mustEnd(t, filled(t, c.cfg, c.fill), c.want) })
	}
}

func TestDamageIsToldFromACutShortWrite(t *testing.T) {
	whole := filled(t, nats.StreamConfig{Name: "S", Subjects: []string{"s.*"}, MaxBytes: smallBlocks}, func(js nats.JetStreamContext) {
		publish(t, js, 200, 2000)
	})
	blocks, err := whole.Blocks()
	must(t, err)
	if len(blocks) < 3 {
		t.Fatalf("%d blocks", len(blocks))
	}
	first, last := blocks[0].Path, blocks[len(blocks)-1].Path
	mustEnd(t, whole, 200)
	for name, c := range map[string]struct {
		do      func(string, string)
		damaged bool
	}{
		"a byte in the first block":     {func(f, _ string) { flip(t, f, .5) }, true},
		"the first byte of all":         {func(f, _ string) { flip(t, f, 0) }, true},
		"the end of a block before":     {func(f, _ string) { truncate(t, f, 5) }, true},
		"a byte in the last block":      {func(_, l string) { flip(t, l, .2) }, true},
		"the end of the last block":     {func(_, l string) { truncate(t, l, 5) }, false},
		"almost all of the last record": {func(_, l string) { truncate(t, l, 2000) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := whole
			s.Dir = t.TempDir()
			must(t, os.CopyFS(s.Dir, os.DirFS(whole.Dir)))
			in := func(path string) string { return filepath.Join(s.Dir, messagesDir, filepath.Base(path)) }
			c.do(in(first), in(last))
			got, err := s.Last()
			var damage *DamageError
			if errors.As(err, &damage) != c.damaged || !c.damaged && got != 199 {
				t.Errorf("ends at %d, %v", got, err)
			}
		})
	}
}

func flip(tb testing.TB, path string, part float64) {
	tb.Helper()
	text, err := os.ReadFile(path)
	must(tb, err)
	text[int(float64(len(text))*part)] ^= 0x40
	must(tb, os.WriteFile(path, text, 0o600))
}

func truncate(tb testing.TB, path string, by int64) {
	tb.Helper()
	info, err := os.Stat(path)
	must(tb, err)
	must(tb, os.Truncate(path, info.Size()-by))
}

func FuzzDecodeState(f *testing.F) {
	f.Add([]byte{22, 2, 3, 4, 6, 7, 0, 0})
	f.Add([]byte{22, 2, 3, 4, 6, 7, 2, 0xca, 0xb2, 0xd0, 0x90, 0x0d, 1, 1, 0, 3, 3, 0, 0})
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := decodeState(text); err == nil && p.Floor > p.Delivered {
			t.Errorf("%x gives %+v", text, p)
		}
	})
}

func BenchmarkLast(b *testing.B) {
	s := filled(b, nats.StreamConfig{Name: "S", Subjects: []string{"s.*"}}, func(js nats.JetStreamContext) {
		for range 100_000 {
			_, err := js.PublishAsync("s.1", make([]byte, 900))
			must(b, err)
		}
		select {
		case <-js.PublishAsyncComplete():
		case <-time.After(time.Minute):
			b.Fatal("not published")
		}
	})
	for b.Loop() {
		mustEnd(b, s, 100_000)
	}
}
