package poller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"vidbell/diff"
)

// judgement is about the videos that a complete sweep did not show.
type judgement struct {
	sweep  uint32
	ended  diff.Time // when the sweep's last page was asked for
	total  int64     // what the platform counted then, where that agrees with what was seen; else 0
	todo   []string  // to be looked up
	misses []diff.Miss
}

// inBulk reports whether many videos seem to be gone at once: then sweeps count once a sweep interval, and ask no more often.
func (r *runner) inBulk() bool {
	return r.health.held.Videos > r.health.held.Replaced || r.health.emptied()
}

// suspect begins a judgement on what a complete sweep did not show. While an earlier one is under way the videos are judged
// by the sweep after.
func (r *runner) suspect(w *sweep, agrees bool) {
	if r.judging != nil && len(r.judging.todo) > 0 || r.inBulk() && time.Since(r.judged) < r.SweepInterval {
		return
	}
	r.judged = time.Now()
	r.judging = &judgement{sweep: w.number, ended: w.last, todo: r.state.Unseen(w.number, diff.TimeOf(w.started))}
	if agrees {
		r.judging.total = counted(w.total)
	}
	if n := len(r.judging.todo); n > 0 {
		r.log.Debug("videos that a sweep did not show", zap.Int("videos", n), zap.Uint32("sweep", w.number))
	}
}

// counted is a total count as misses carry it; 0 where none is known.
func counted(total int64) int64 {
	if total == 0 {
		return diff.CountedNone
	}
	return max(0, total)
}

// judgeLane looks suspects up, as far as the tick's budget reaches, and decides when all were.
func (r *runner) judgeLane(ctx context.Context) (changed bool, err error) {
	j := r.judging
	if j == nil {
		return false, nil
	}
	j.known(r.missed)
	r.limitSuspects(len(j.todo))
	for len(j.todo) > 0 && r.budget > 0 && r.canLookUp() {
		n := min(len(j.todo), r.setSize())
		f, err := r.lookUp(ctx, laneSuspect, j.todo[:n])
		changed = changed || f.changed
		if err != nil || r.judging != j { // the state was loaded again
			return changed, err
		}
		j.looked(n, f)
	}
	if len(j.todo) > 0 && r.canLookUp() {
		return changed, nil
	}
	j.unasked()
	r.judging = nil
	r.health.complete = len(j.misses) == 0 && len(j.todo) == 0
	if len(j.misses) == 0 && r.health.held.Videos == r.health.held.Replaced {
		return changed, nil
	}
	res, err := r.commit(ctx, diff.Input{Misses: j.misses, Judged: j.sweep})
	if err != nil {
		return changed, err
	}
	r.hold(res.Hold)
	return changed || len(res.Changes) > 0, nil
}

// known takes over what other look-ups of the tick have already found to be missing.
func (j *judgement) known(missed map[string]diff.Time) {
	j.todo = slices.DeleteFunc(j.todo, func(no string) bool {
		at, missing := missed[no]
		if missing {
			j.misses = append(j.misses, diff.Miss{VideoNo: no, Sweep: j.sweep, At: at})
		}
		return missing
	})
}

// limitSuspects makes the tick's budget what the share of suspects allows: as much as sweeps may use.
func (r *runner) limitSuspects(todo int) {
	wanted := r.lookUpCost(todo) + maxStrikes
	r.budget = r.suspectShare.spend(wanted, r.polled, r.schedule.interval(), r.Account.Rate()*sweepShare/float64(r.sharers.Load()))
}

// looked moves on over suspects that were asked for. What was neither shown nor proved missing, or not asked for since the
// budget ended or a filter was given up, stays.
func (j *judgement) looked(n int, f found) {
	var open []string
	for _, no := range j.todo[:n] {
		if at, missing := f.missing[no]; missing {
			j.misses = append(j.misses, diff.Miss{VideoNo: no, Sweep: j.sweep, At: at})
		} else if !f.shown[no] && !f.asked[no] {
			open = append(open, no)
		}
	}
	j.todo = append(open, j.todo[n:]...)
}

// unasked takes the sweep itself for proof of what could not be looked up, where it saw as many videos as the platform counts.
func (j *judgement) unasked() {
	if j.total == 0 {
		return
	}
	for _, no := range j.todo {
		j.misses = append(j.misses, diff.Miss{VideoNo: no, Sweep: j.sweep, At: j.ended, Total: j.total})
	}
}

// canLookUp reports whether the platform honours any look-up by id.
func (r *runner) canLookUp() bool { return r.honours(filterVideoNos) || r.honours(filterVideoNo) }

// ErrNothingHeld means that no deletion is held back.
var ErrNothingHeld = errors.New("no deletion is held back")

// Release says that the operator believes the deletions held back at a source; they are told with its next tick, which comes at
// once. Replacements held back are told as the videos are seen next. It returns ErrNothingHeld where there are none, and an error where there is no such source. It is safe for concurrent
// use.
func (p *Poller) Release(source string) error {
	runners := p.runners()
	i := slices.IndexFunc(runners, func(r *runner) bool { return r.name == source })
	if i < 0 {
		return fmt.Errorf("there is no source %q", source)
	}
	p.mu.Lock()
	held := p.status[source].Held.Videos
	p.mu.Unlock()
	if held == 0 {
		return fmt.Errorf("source %s: %w", source, ErrNothingHeld)
	}
	runners[i].release.Store(true)
	runners[i].hints.add("")
	return nil
}

// releaseHeld tells the deletions held back, if the operator believes them.
func (r *runner) releaseHeld(ctx context.Context) error {
	if !r.release.Swap(false) || r.health.held.Videos == 0 {
		return nil
	}
	res, err := r.commit(ctx, diff.Input{Release: true})
	if err != nil {
		return err
	}
	r.log.Info("what is held back is told, as the operator wishes", zap.Int("deletions", len(res.Changes)),
		zap.Int("replacements_to_be_seen", res.Hold.Replaced))
	r.hold(res.Hold)
	return nil
}

// hold takes over what deletions are held back.
func (r *runner) hold(h diff.Hold) {
	if h.Videos > h.Replaced && r.health.held.Videos == r.health.held.Replaced {
		r.log.Warn("many videos are gone at once, holding their deletion back", zap.Int("videos", h.Videos-h.Replaced))
	}
	if h.Replaced > 0 && r.health.held.Replaced == 0 {
		r.log.Warn("many videos show another creation time at once, holding their replacement back", zap.Int("videos", h.Replaced))
	}
	if h.Videos == 0 && r.health.held.Videos > 0 {
		r.log.Info("nothing is held back any more")
	}
	r.health.holds(h)
}
