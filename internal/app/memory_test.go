package app

import (
	"context"
	"runtime/debug"
	"testing"
)

func TestGarbageThatMayPileUp(t *testing.T) {
	for _, c := range []struct {
		name string
		live uint64 // MB
		want int    // percent
	}{
		{"nothing is known before the first collection", 0, 100},
		{"an idle process has Go's default", 4, 100},
		{"up to as much as the least garbage it stays so", 16, 100},
		{"between, the garbage stays the same", 24, 66},
		{"a big library lets half of it pile up", 32, 50},
		{"a very big one too", 400, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := garbage(c.live << 20); got != c.want {
				t.Errorf("%d MB alive: %d %%, want %d %%", c.live, got, c.want)
			}
		})
	}
}

func TestWhoSetTheCollectorDecides(t *testing.T) {
	const theirs = 77
	before := debug.SetGCPercent(theirs)
	defer debug.SetGCPercent(before)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := tendMemory(ctx); err != nil {
		t.Fatal(err)
	}
	if now := debug.SetGCPercent(theirs); now != theirs {
		t.Errorf("%d %% was set to %d %%", theirs, now)
	}
}

func TestTheHeapIsKnown(t *testing.T) {
	debug.FreeOSMemory() // a collection
	if liveHeap() == 0 {
		t.Error("nothing lives")
	}
}
