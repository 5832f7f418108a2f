package diff

import "time"

// baselineStallAge: a baseline video counts for stalls if it was created less than this before we first saw it.
const baselineStallAge = 24 * time.Hour

// overdue reports whether an observation that shows a video in flight makes a stall due.
func (r *reconciler) overdue(rec *Record, o *Observation) bool {
	switch {
	case r.policy.StallAfter <= 0 || rec.Stalled || r.baselineAt == 0:
		return false
	case o.At.Since(rec.ChangedAt) < r.policy.StallAfter:
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
		if rec.RunStart == 0 { // its word came to mean processing only later
			rec.RunStart = rec.ChangedAt
		}
		r.emit(o.VideoNo, rec, now, Change{
			Kind: KindStalled, Reason: ReasonStalled, From: now, FromRaw: rec.Raw, At: o.At, Took: o.At.Since(rec.RunStart),
		})
	}
}

// firstOverdue is when a stall became due, 0 if none is. It is kept in memory only; a restart puts a stall off by one sighting.
func (r *reconciler) firstOverdue(videoNo string) Time {
	if first, ok := r.res.overdue[videoNo]; ok {
		return first
	}
	return r.state.overdue[videoNo]
}
