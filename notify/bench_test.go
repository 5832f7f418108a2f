package notify

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vidbell/diff"
)

// fresh is a result that announces n videos, none of them known.
func fresh(first, n int) *diff.Result {
	res := &diff.Result{Changes: make([]diff.Change, n)}
	for i := range res.Changes {
		r := record(diff.Done, 1)
		r.Raw = "DONE"
		res.Changes[i] = diff.Change{
			VideoNo: fmt.Sprintf("VI%018d", first+i), Kind: diff.KindDone, From: diff.None, At: at(0), Took: -1, Record: r,
		}
	}
	return res
}

// BenchmarkAppend stores events that are on disk when acknowledged. The ratios are to the same events, stored one by one with
// the same headers, and to their bytes, written to a file at once and synced, in the same run.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 2, 5, 20, 200, 500, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := b.TempDir()
			l := open(b, startEngine(b, dir))
			file, err := os.Create(filepath.Join(dir, "bare"))
			must(b, err)
			defer file.Close()
			first := 0
			var single, batched, bare time.Duration
			for b.Loop() {
				start := time.Now()
				must(b, l.Append(b.Context(), source, fresh(first, n)))
				batched += time.Since(start)
				first += n

				b.StopTimer()
				bare += writeBare(b, l, file, fresh(first, n))
				alone := min(n, 100)
				entries, _, err := l.entries(source, fresh(first, alone))
				must(b, err)
				start = time.Now()
				for _, e := range entries {
					e.msg.Header.Set(headerExpected, "0")
					_, err := l.js.PublishMsg(b.Context(), e.msg)
					must(b, err)
				}
				single += time.Since(start) * time.Duration(n) / time.Duration(alone)
				first += alone
				b.StartTimer()
			}
			b.ReportMetric(float64(n*b.N)/batched.Seconds(), "events/s")
			b.ReportMetric(single.Seconds()/batched.Seconds(), "x-one-by-one")
			b.ReportMetric(bare.Seconds()/batched.Seconds(), "x-bare-file")
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(batched.Microseconds())/float64(b.N)/1000, "ms/append")
		})
	}
}

// writeBare puts the bytes of a result's messages into a file, and returns how long it took until they were on disk.
func writeBare(b *testing.B, l *Log, file *os.File, res *diff.Result) time.Duration {
	b.Helper()
	entries, _, err := l.entries(source, res)
	must(b, err)
	var all []byte
	for _, e := range entries {
		all = append(all, e.msg.Data...)
	}
	start := time.Now()
	_, err = file.Write(all)
	must(b, err)
	must(b, file.Sync())
	return time.Since(start)
}

// BenchmarkLoad reads the state of a source with 100,000 videos.
func BenchmarkLoad(b *testing.B) {
	const n = 100_000
	learned := func(first, n int) *diff.Result {
		res := &diff.Result{}
		for _, c := range fresh(first, n).Changes {
			res.Learned = append(res.Learned, diff.Learned{VideoNo: c.VideoNo, Record: c.Record})
		}
		return res
	}
	for _, c := range []struct {
		name string
		step int
		make func(first, n int) *diff.Result
	}{
		{"pages", 200, learned},
		{"events", 1000, fresh},
	} {
		b.Run(c.name, func(b *testing.B) {
			dir := b.TempDir()
			e := startEngine(b, dir)
			l := open(b, e)
			for first := 0; first < n; first += c.step {
				must(b, l.Append(b.Context(), source, c.make(first, c.step)))
			}
			e.Close()
			var start, read time.Duration
			for b.Loop() {
				begin := time.Now()
				e := startEngine(b, dir)
				l := open(b, e)
				start += time.Since(begin)
				begin = time.Now()
				w := load(b, l)
				read += time.Since(begin)
				if w.state.Len() != n {
					b.Fatalf("%d videos", w.state.Len())
				}
				e.Close()
			}
			b.ReportMetric(start.Seconds()/float64(b.N), "s-engine")
			b.ReportMetric(read.Seconds()/float64(b.N), "s-load")
			b.ReportMetric(float64(n*b.N)/read.Seconds(), "videos/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
