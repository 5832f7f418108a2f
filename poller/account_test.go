package poller

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// passes notes when requests are let through.
type passes struct {
	mu sync.Mutex
	at []time.Time
}

func (p *passes) note() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = append(p.at, time.Now())
}

// most is the largest number of requests in any window.
func (p *passes) most(window time.Duration) int {
	most := 0
	for i, first := 0, 0; i < len(p.at); i++ {
		for p.at[i].Sub(p.at[first]) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

func TestNoSecondEverSeesMoreThanTheRateAndOne(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				full := []float64{0.01, 0.2, 0.5, 1, 2, 2.5, 5, 10, 100}[random.IntN(9)]
				a := NewAccount(full)
				a.random = rand.New(rand.NewPCG(seed, 4)).Float64
				var p passes
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
				defer cancel()
				var wg sync.WaitGroup
				for range 1 + random.IntN(20) {
					r := rand.New(rand.NewPCG(random.Uint64(), 2))
					wg.Go(func() {
						for a.Wait(ctx, UrgentHead) == nil {
							p.note()
							if a.Rate() > full {
								t.Errorf("rate %v above %v", a.Rate(), full)
							}
							time.Sleep(time.Duration(r.Int64N(int64(3 * time.Second))))
							switch r.IntN(10) {
							case 0:
								a.Throttled(time.Duration(r.Int64N(int64(20 * time.Second))))
							case 1:
								a.Throttled(0)
							default:
								a.Answered()
							}
						}
					})
				}
				wg.Wait()
				if most := p.most(time.Second); float64(most) > full+1 {
					t.Errorf("%d requests within a second at %v a second", most, full)
				}
				if most := p.most(time.Minute); float64(most) > 60*full+1 {
					t.Errorf("%d requests within a minute at %v a second", most, full)
				}
			})
		})
	}
}

func TestAnUndisturbedAccountUsesAllOfItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAccount(5)
		start := time.Now()
		for range 101 {
			if err := a.Wait(t.Context(), UrgentHead); err != nil {
				t.Fatal(err)
			}
			a.Answered()
		}
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("101 requests at 5 a second took %s", took)
		}
	})
}

func TestWaitersAreServedInTheOrderTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAccount(1)
		_ = a.Wait(t.Context(), UrgentHead) // from now on everybody has to wait
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				for range 3 {
					if a.Wait(t.Context(), UrgentHead) == nil {
						mu.Lock()
						order = append(order, i)
						mu.Unlock()
					}
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		for i, n := range order {
			if n != i%10 {
				t.Fatalf("order %v: no round robin", order)
			}
		}
	})
}

func TestAWaiterThatGivesUpLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAccount(0.1)
		if err := a.Wait(t.Context(), UrgentHead); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if err := a.Wait(ctx, UrgentHead); err == nil {
					t.Error("let through")
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		start := time.Now()
		if err := a.Wait(t.Context(), UrgentHead); err != nil || time.Since(start) != 10*time.Second {
			t.Errorf("waited %s, %v", time.Since(start), err)
		}
		if err := a.Wait(ctx, UrgentHead); err == nil {
			t.Error("a context that has ended was let through")
		}
	})
}

func TestRetryAfterIsObeyedUpToItsCap(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{
		7 * time.Second: 7 * time.Second, 5 * time.Minute: 5 * time.Minute, 24 * time.Hour: 5 * time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			a := NewAccount(100)
			a.Throttled(asked)
			a.Throttled(time.Second) // a shorter one does not shorten it
			start := time.Now()
			if err := a.Wait(t.Context(), UrgentHead); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(start); got != want {
				t.Errorf("asked for %s: waited %s", asked, got)
			}
		})
	}
}

func TestAThrottleReachesThoseWhoAlreadyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAccount(1)
		_ = a.Wait(t.Context(), UrgentHead)
		start := time.Now()
		var p passes
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if a.Wait(t.Context(), UrgentHead) == nil {
					p.note()
				}
			})
		}
		synctest.Wait()
		a.Throttled(30 * time.Second)
		wg.Wait()
		if p.at[0].Sub(start) != 30*time.Second || p.at[1].Sub(p.at[0]) != 2*time.Second {
			t.Errorf("let through at %v after %v", p.at, start)
		}
	})
}

func TestBackoffDoublesWithFullJitterUntilAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAccount(1000)
		a.random = func() float64 { return 0.5 }
		var pauses []time.Duration
		for range 8 {
			start := time.Now()
			a.Throttled(0)
			time.Sleep(time.Until(a.pause))
			pauses = append(pauses, time.Since(start)*2)
		}
		const s = time.Second
		want := []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 32 * s, 32 * s}
		if !slices.Equal(pauses, want) {
			t.Errorf("backoffs %v, want %v", pauses, want)
		}
		a.Answered()
		a.Throttled(0)
		if got := time.Until(a.pause) * 2; got != time.Second {
			t.Errorf("after an answer it starts with %s", got)
		}
	})
	// Full jitter: from nothing to all of it.
	synctest.Test(t, func(t *testing.T) {
		var lowest, highest time.Duration = time.Hour, 0
		for seed := range uint64(200) {
			a := NewAccount(1000)
			a.random = rand.New(rand.NewPCG(seed, 3)).Float64
			a.Throttled(0)
			lowest, highest = min(lowest, time.Until(a.pause)), max(highest, time.Until(a.pause))
		}
		if lowest > 50*time.Millisecond || highest < 950*time.Millisecond || highest > time.Second {
			t.Errorf("pauses from %s to %s", lowest, highest)
		}
	})
}

func TestAnAnswerToAnEarlierRequestDoesNotEndTheBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAccount(10)
		a.random = func() float64 { return 0.9 }
		a.Throttled(0)
		a.Answered() // asked before the throttle
		a.Throttled(0)
		if got := time.Until(a.pause); got != 1800*time.Millisecond {
			t.Errorf("the second pause is %s, want 0.9 of 2s", got)
		}
	})
}

func TestTheRateRecoversAfterQuietAndNeverBeyondFull(t *testing.T) {
	for _, full := range []float64{0.01, 1, 5} {
		synctest.Test(t, func(t *testing.T) {
			a := NewAccount(full)
			for range 20 {
				a.Throttled(5 * time.Minute)
			}
			if got, want := a.Rate(), min(slowest, full); got != want {
				t.Errorf("slowest rate of %v is %v, want %v", full, got, want)
			}
			time.Sleep(5 * time.Minute)
			a.Answered()
			if got := a.Rate(); got != min(slowest, full) {
				t.Errorf("rate at the end of the pause is %v: a pause proves nothing", got)
			}
			time.Sleep(quietWindow)
			a.Answered()
			a.Answered()
			if got, want := a.Rate(), min(full, min(slowest, full)+full/stepsUp); got != want {
				t.Errorf("rate after one quiet window is %v, want %v", got, want)
			}
			for range stepsUp {
				time.Sleep(quietWindow)
				a.Answered()
				if a.Rate() > full {
					t.Errorf("rate %v above %v", a.Rate(), full)
				}
			}
			if got := a.Rate(); got != full {
				t.Errorf("rate after quiet is %v, want %v", got, full)
			}
		})
	}
}
