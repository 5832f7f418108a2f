package app

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// settleAfter is how long after the start its memory is given back: the engine keeps the parts of the log that were read
	// for ten seconds, and what it gave up would stay with the process until the next collection, minutes later.
	settleAfter = 15 * time.Second
	// tendEvery is how often the collector is told how much garbage to let pile up. A heap grows over minutes, by a baseline.
	tendEvery = 10 * time.Second

	// The garbage that may pile up, in percent of what lives: Go's default while that is little, half of it where a big library
	// lives for as long as the process does. Never less than leastGarbage, that of some 1,700 deliveries: to mark what lives
	// beside it takes some 20 ms of a processor, so that a delivery pays 0.01 ms, as much as beside any bigger heap.
	usualGarbage = 100
	bigGarbage   = 50
	leastGarbage = 16 << 20
)

// tendMemory keeps the process as small as its library allows until ctx ends. Who has set GOGC decides instead.
func tendMemory(ctx context.Context) error {
	before := debug.SetGCPercent(usualGarbage)
	defer debug.SetGCPercent(before)
	ours := before == usualGarbage
	if !ours {
		debug.SetGCPercent(before)
	}
	settle, tend := time.NewTimer(settleAfter), time.NewTicker(tendEvery)
	defer settle.Stop()
	defer tend.Stop()
	for {
		if ours {
			debug.SetGCPercent(garbage(liveHeap()))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-settle.C:
			debug.FreeOSMemory()
		case <-tend.C:
		}
	}
}

// garbage is how much may pile up beside a live heap of so many bytes, in percent of it.
func garbage(live uint64) int {
	if live == 0 {
		return usualGarbage // before the first collection
	}
	return int(min(usualGarbage, max(bigGarbage, 100*leastGarbage/live)))
}

// liveHeap is what the last collection has found alive, in bytes.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
