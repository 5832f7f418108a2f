package diff

import (
	"cmp"
	"time"
)

// baselineStallAge: a baseline video counts for stalls if it was created less than this before we first saw it.
const baselineStallAge = 24 * time.Hour

// overdue reports whether an observation that shows a video in flight makes a stall due.
func (r *reconciler) overdue(rec *Record, o *Observation) bool {
	switch {
	case r.policy.StallAfter <= 0 || rec.Stalled || r.baselineAt == 0:
		return false
	case o.At.Since(r.waitsSince(o.VideoNo, rec)) < r.policy.StallAfter:
		return false
	case rec.Version > 0:
		return true
	case r.wasDone(rec):
		return false // a change of what PARSE means starts no stall clock
	}
	return rec.CreatedAt != 0 && rec.FirstSeen.Since(rec.CreatedAt) < baselineStallAge
}

// judgeStall announces a stall at the second overdue observation: the first may be the last one before the video moves.
func (r *reconciler) judgeStall(o *Observation, rec *Record, now Status) {
	if !r.overdue(rec, o) {
		return
	}
	switch first := r.firstOverdue(o.VideoNo); {
	case first == 0:
		r.res.overdue[o.VideoNo] = o.At
	case o.At > first:
		r.stall(o, rec, now)
	}
}

func (r *reconciler) stall(o *Observation, rec *Record, now Status) {
	began := cmp.Or(rec.RunStart, rec.ChangedAt) // without a start its word came to mean processing only later
	if r.skewed(began) {
		began = r.steady()
	}
	at, took := r.stamp(rec, o.At), o.At.Since(began)
	rec.RunStart = at - Time(took.Milliseconds())
	r.emit(o.VideoNo, rec, now, Change{
		Kind: KindStalled, Reason: ReasonStalled, From: now, FromRaw: rec.Raw, At: at, Took: took,
	})
}

// waitsSince is from when what has to wait after a change counts: from the last change, but no longer than the clock tells the
// truth about.
func (r *reconciler) waitsSince(videoNo string, rec *Record) Time {
	switch {
	case r.skewed(rec.ChangedAt):
		return max(r.steady(), cmp.Or(r.res.behind[videoNo], r.state.behind[videoNo]))
	case r.state.wasSet:
		return max(rec.ChangedAt, r.state.steady)
	}
	return rec.ChangedAt
}

// firstOverdue is when a stall became due, 0 if none is. It is kept in memory only; a restart puts a stall off by one sighting.
func (r *reconciler) firstOverdue(videoNo string) Time {
	if first, ok := r.res.overdue[videoNo]; ok {
		return first
	}
	return r.state.overdue[videoNo]
}
