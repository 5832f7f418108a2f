package poller

import (
	"fmt"
	"testing"
	"time"
)

func TestSourcesSpreadOverTheIntervalAndKeepTheirPlace(t *testing.T) {
	const sources, parts = 1000, 10
	interval := time.Minute
	var counts [parts]int
	for i := range sources {
		name := fmt.Sprintf("source-%d", i)
		at := phase(name, interval)
		if at < 0 || at >= interval || at != phase(name, interval) {
			t.Fatalf("phase of %s is %s", name, at)
		}
		counts[at*parts/interval]++
	}
	for part, n := range counts {
		if mean := sources / parts; n < mean*65/100 || n > mean*135/100 {
			t.Errorf("%d sources start in part %d, the mean is %d", n, part, mean)
		}
	}
}

func TestTheWaitGrowsWhenQuietIsResetByWorkAndOnlyEverJittersUp(t *testing.T) {
	s := schedule{base: 10 * time.Second, max: time.Minute}
	steps := []struct {
		busy, refused bool
		random        float64
		want          time.Duration
	}{
		{random: 0, want: 10 * time.Second}, // the first wait is the shortest
		{random: 0, want: 15 * time.Second},
		{random: 0, want: 22500 * time.Millisecond},
		{refused: true, want: time.Minute}, // a probe leaves the interval as it is
		{random: 0.5, want: 33750*time.Millisecond + 33750*time.Millisecond/20},
		{random: 0, want: 50625 * time.Millisecond},
		{random: 0, want: time.Minute},
		{random: 0.999, want: time.Minute + time.Minute*999/10000},
		{busy: true, want: 10 * time.Second},
		{busy: true, refused: true, want: time.Minute},
		{busy: true, want: 10 * time.Second},
	}
	for i, step := range steps {
		if got := s.after(step.busy, step.refused, step.random); (got - step.want).Abs() > time.Microsecond {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
}

func TestASweepNeverSpendsMoreThanItsShare(t *testing.T) {
	var s share
	now := time.Now()
	spent := 0
	for i := range 1000 {
		n := s.spend(1000, now, 15*time.Second, 0.25)
		if n > 4 {
			t.Fatalf("tick %d spends %d", i, n)
		}
		spent += n
		now = now.Add(15 * time.Second)
	}
	if spent < 3745 || spent > 3751 {
		t.Errorf("%d requests in 15,000 seconds at a quarter a second", spent)
	}
	// What is not used is not hoarded.
	now = now.Add(24 * time.Hour)
	if n := s.spend(1000, now, 15*time.Second, 0.25); n > 4 {
		t.Errorf("%d requests after a day of rest", n)
	}
	if n := s.spend(1000, now, 15*time.Second, 0.25); n != 0 {
		t.Errorf("%d requests at once again", n)
	}
}

func TestAnErrorThatKeepsComingIsLoggedWhenItChangesAndOnceAMinute(t *testing.T) {
	var r repeated
	now := time.Now()
	lines := 0
	for range 240 { // an hour of ticks
		if times, worth := r.seen("network", now); worth {
			if lines++; lines > 1 && times != 4 {
				t.Fatalf("line %d counts %d", lines, times)
			}
		}
		now = now.Add(15 * time.Second)
	}
	if lines != 60 {
		t.Errorf("%d lines in an hour", lines)
	}
	if _, worth := r.seen("timeout", now); !worth {
		t.Error("a change is not logged")
	}
	r.over()
	if times, worth := r.seen("timeout", now); !worth || times != 1 {
		t.Error("a new run is not logged")
	}
}
