package poller

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"vidbell/diff"
	"vidbell/poller/memories"
)

const (
	// maxHints bounds how many videos of a source wait to be looked up because of a hint.
	maxHints = 1000
	// maxGuesses bounds at how many sources a video is looked for that none of them knows.
	maxGuesses = 8
	// hintShare is the part of the quota that hints may use, and hintBurst how many requests they may have saved up: anybody who
	// learns the secret can send them.
	hintShare = 0.5
	hintBurst = 10
	// maxStrangers bounds the look-ups of hinted videos that the head did not show.
	maxStrangers = 3
)

// hints are what a source was told to look at. They make no event: what is looked up does.
type hints struct {
	mu     sync.Mutex
	videos map[string]struct{}
	head   bool
	wake   chan struct{} // of capacity 1
}

func newHints() *hints {
	return &hints{videos: make(map[string]struct{}), wake: make(chan struct{}, 1)}
}

// add takes a hint up; an empty id is the head. It reports false when too many are waiting.
func (h *hints) add(videoNo string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch _, waiting := h.videos[videoNo]; {
	case videoNo == "":
		h.head = true
	case !waiting && len(h.videos) >= maxHints:
		return false
	default:
		h.videos[videoNo] = struct{}{}
	}
	select {
	case h.wake <- struct{}{}:
	default: // awake already
	}
	return true
}

// take hands over what waits.
func (h *hints) take() (videos []string, head bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for no := range h.videos {
		videos = append(videos, no)
	}
	slices.Sort(videos)
	head = h.head
	clear(h.videos)
	h.head = false
	return videos, head
}

func (h *hints) waiting() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.head || len(h.videos) > 0
}

// Hint makes the sources that know a video look it up at once, within their quota; where none knows it, a few look for it. An
// empty id makes them look at what is new. It never blocks and never makes an event by itself: the word of whoever sends it is
// not taken for anything. It returns how many sources took it up. It is safe for concurrent use.
func (p *Poller) Hint(videoNo string) int {
	var known, others []*runner
	for _, r := range p.runners() {
		if r.knows(videoNo) {
			known = append(known, r)
		} else {
			others = append(others, r)
		}
	}
	if len(known) == 0 {
		known = p.guesses(others)
	}
	n := 0
	for _, r := range known {
		if r.hints.add(videoNo) {
			n++
		}
	}
	return n
}

// guesses picks a few sources, others each time.
func (p *Poller) guesses(from []*runner) []*runner {
	if len(from) <= maxGuesses {
		return from
	}
	start := int(p.guess.Add(maxGuesses)) % len(from)
	return append(slices.Clone(from[start:]), from[:start]...)[:maxGuesses]
}

// knows reports whether a video is known, as far as can be told without waiting.
func (r *runner) knows(videoNo string) bool {
	if videoNo == "" || !r.mu.TryRLock() {
		return false
	}
	defer r.mu.RUnlock()
	return r.state != nil && r.state.Status(videoNo) != diff.None
}

// serveHints looks up what was hinted at. A failure is left to the lanes to tell of: the next tick meets it too.
func (r *runner) serveHints(ctx context.Context) error {
	if !r.hints.waiting() || r.health.refused() {
		return nil
	}
	allowed := r.hintShare.spend(hintBurst, time.Now(), hintBurst/hintShare*time.Second, r.Account.Rate()*hintShare/float64(r.sharers.Load()))
	if allowed == 0 {
		return nil // they wait
	}
	videos, head := r.hints.take()
	kept := r.budget
	r.budget = allowed
	err := r.traced(ctx, "hint", func(ctx context.Context) error { return r.lookAt(ctx, videos, head) })
	r.hintShare.saved += float64(max(0, r.budget))
	r.budget = kept
	var down *memories.Error
	if errors.As(err, &down) {
		r.log.Debug("hint not served", zap.Error(err))
		return nil
	}
	return err
}

// lookAt looks known videos up by their ids, and unknown ones by the head: it shows all that are new at once.
func (r *runner) lookAt(ctx context.Context, videos []string, head bool) error {
	var known, strange []string
	for _, no := range videos {
		if r.state.Status(no) == diff.None {
			strange = append(strange, no)
		} else {
			known = append(known, no)
		}
	}
	if _, err := r.lookUp(ctx, laneHint, known); err != nil {
		return err
	}
	if (len(strange) > 0 || head || len(known) > 0 && !r.canLookUp()) && r.budget > 0 {
		if err := r.glance(ctx); err != nil {
			return err
		}
	}
	strange = slices.DeleteFunc(strange, func(no string) bool { return r.state.Status(no) != diff.None })
	_, err := r.lookUp(ctx, laneHint, strange[:min(len(strange), maxStrangers)])
	return err
}
