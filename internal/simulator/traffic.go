package simulator

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// What Traffic does if it is not told.
const (
	defaultEvery       = 2 * time.Second
	defaultMinLifetime = 3 * time.Second
	defaultMaxLifetime = 20 * time.Second
	defaultKeep        = 100_000
)

// Traffic keeps uploading videos that live their lives: the customers of a platform. Ratios are between 0 and 1.
type Traffic struct {
	Every        time.Duration // mean time between two uploads; 0: 2 s
	MinLifetime  time.Duration // shortest processing; 0: 3 s
	MaxLifetime  time.Duration // longest processing; 0: 20 s
	FailRatio    float64       // of videos that fail, with a cause
	InstantRatio float64       // of videos that are finished before anybody can see them in processing
	RegressRatio float64       // of finished videos that are processed a second time
	DeleteRatio  float64       // of finished videos that their owner deletes
	Namespaces   []string      // in turn; none: default
	Keep         int           // videos of a namespace beyond which the oldest is deleted; 0: 100,000
}

func (t Traffic) withDefaults() Traffic {
	t.Every = orElse(t.Every, defaultEvery)
	t.MinLifetime = orElse(t.MinLifetime, min(defaultMinLifetime, orElse(t.MaxLifetime, defaultMaxLifetime)))
	t.MaxLifetime = orElse(t.MaxLifetime, max(defaultMaxLifetime, t.MinLifetime))
	t.Keep = orElse(t.Keep, defaultKeep)
	if len(t.Namespaces) == 0 {
		t.Namespaces = []string{DefaultNamespace}
	}
	return t
}

// Validate says which settings make no sense.
func (t Traffic) Validate() error {
	t = t.withDefaults()
	if t.MaxLifetime < t.MinLifetime {
		return fieldError{"MaxLifetime", "is shorter than MinLifetime"}
	}
	return errors.Join(
		notNegative("Every", t.Every.Seconds()), notNegative("MinLifetime", t.MinLifetime.Seconds()),
		notNegative("Keep", float64(t.Keep)),
		ratio("FailRatio", t.FailRatio), ratio("InstantRatio", t.InstantRatio),
		ratio("RegressRatio", t.RegressRatio), ratio("DeleteRatio", t.DeleteRatio),
	)
}

// Run uploads to a simulator until ctx is done, the first video at once. The same seed and settings make the same
// videos in the same order. It returns an error only for settings that make no sense.
func (t Traffic) Run(ctx context.Context, s *Simulator) error {
	t = t.withDefaults()
	if err := t.Validate(); err != nil {
		return err
	}
	rng := s.opts.random("traffic")
	for i := 0; ctx.Err() == nil; i++ {
		t.upload(s, rng, t.Namespaces[i%len(t.Namespaces)])
		_ = pause(ctx, between(rng, t.Every/2, t.Every*3/2)) // the loop looks at ctx itself
	}
	return nil
}

func (t Traffic) upload(s *Simulator, rng *rand.Rand, ns string) {
	s.Add(ns, Video{Life: t.life(rng, s.Words())})
	s.trim(ns, t.Keep)
}

// life draws the whole life of one video.
func (t Traffic) life(rng *rand.Rand, words Words) []Step {
	ending := Step{After: between(rng, t.MinLifetime, t.MaxLifetime), Raw: words.Done}
	if rng.Float64() < t.FailRatio {
		ending.Raw, ending.Cause = words.Failed, failureCause(rng)
	}
	if rng.Float64() < t.InstantRatio {
		ending.After = 0
	}
	life := []Step{ending}
	if rng.Float64() < t.RegressRatio {
		life = append(life,
			Step{After: between(rng, t.MinLifetime, t.MaxLifetime), Raw: words.Processing},
			Step{After: between(rng, t.MinLifetime, t.MaxLifetime), Raw: words.Done})
	}
	if rng.Float64() < t.DeleteRatio {
		life = append(life, Step{After: between(rng, t.MinLifetime, t.MaxLifetime), Delete: true})
	}
	return life
}

// between draws from a range, its ends included.
func between(rng *rand.Rand, shortest, longest time.Duration) time.Duration {
	return shortest + time.Duration(rng.Int64N(int64(longest-shortest)+1))
}

// trim deletes the oldest videos of a namespace beyond a number.
func (s *Simulator) trim(ns string, keep int) {
	s.locked(func(now time.Time) {
		lib := s.library(ns)
		for len(lib.sorted) > keep {
			lib.remove(lib.sorted[0], now)
		}
	})
}

// Shape of the libraries that Fill makes.
const (
	fillYoungest  = time.Hour // age of the newest video
	fillMaxGap    = 10 * time.Minute
	fillFailRatio = 0.03
)

// Fill adds a library that was there before: n finished videos, a few of them failed, the newest an hour old. It
// returns their ids, newest first.
func (s *Simulator) Fill(ns string, n int) []string {
	rng := s.opts.random("fill")
	words, created := s.Words(), s.opts.Now().Add(-fillYoungest)
	videos := make([]Video, n)
	for i := range videos {
		videos[i] = Video{CreatedAt: created, Raw: words.Done}
		if rng.Float64() < fillFailRatio {
			videos[i].Raw, videos[i].Cause = words.Failed, failureCause(rng)
		}
		created = created.Add(-between(rng, time.Second, fillMaxGap))
	}
	return s.AddAll(ns, videos)
}
