package diff

import (
	"slices"
	"time"
)

// observe decides about one observation.
func (r *reconciler) observe(o *Observation) {
	rec := r.record(o.VideoNo)
	class := r.state.words.Class(o.Raw)
	if class == WordUnknown {
		r.reportUnknown(o.Raw)
	}
	switch {
	case rec == nil:
		r.appear(o)
	case r.stale(rec, o):
		r.res.Stale++
	case rec.Status == Deleted:
		r.begin(o, rec, ReasonReturned)
	case r.anotherVideo(rec, o):
		r.replace(o, rec)
	case r.sameWord(rec, o.Raw, class):
		r.stay(o, rec)
	default:
		r.move(o, rec, class)
	}
}

func (r *reconciler) reportUnknown(raw string) {
	word := normal(raw)
	if _, known := r.state.strange[word]; known || len(r.state.strange)+len(r.res.UnknownWords) >= maxUnknownWords {
		return
	}
	if !slices.Contains(r.res.UnknownWords, word) {
		r.res.UnknownWords = append(r.res.UnknownWords, word)
	}
}

// sameWord reports whether a raw status says no more than the record: the same word, or another spelling of the status.
func (r *reconciler) sameWord(rec *Record, raw string, class Word) bool {
	if normal(raw) == normal(rec.Raw) {
		return true
	}
	return class == rec.class && class != WordUnknown && r.now(rec) == r.meaning[class]
}

// appear takes up a video that is not known. Before the baseline it is learnt, after it announced.
func (r *reconciler) appear(o *Observation) {
	r.res.New++
	rec := r.fresh(o)
	now := r.now(rec)
	if now.inFlight() {
		r.res.InFlight++
	}
	switch {
	case r.state.BaselineAt == 0:
		r.learn(o, rec)
	case now.Settled() && r.missedAtFirst(rec) && r.policy.Emit:
		r.change(o, rec, now, Change{Reason: ReasonInitial, Initial: true, Took: notKnown})
	case now.Settled() && r.missedAtFirst(rec):
		r.learn(o, rec)
	case now.Settled():
		r.change(o, rec, now, Change{Reason: ReasonFinishedSeen, Took: notKnown})
	default:
		r.change(o, rec, now, Change{Reason: ReasonFirstSeen, Took: notKnown})
	}
}

// learn takes a video up without a word.
func (r *reconciler) learn(o *Observation, rec *Record) {
	rec.ChangedAt = o.At
	r.keep(o.VideoNo, rec)
	r.res.Learned = append(r.res.Learned, Learned{VideoNo: o.VideoNo})
}

// longBefore is how long before an empty baseline a video must have been created that it should have shown: the platform's clock
// may differ from ours, and the time zone of what it says.
const longBefore = 24 * time.Hour

// missedAtFirst reports whether a video was there long before a baseline that showed nothing: that was a lie, and the video is
// no news.
func (r *reconciler) missedAtFirst(rec *Record) bool {
	at := r.state.BaselineAt
	return r.state.EmptyAtFirst && rec.CreatedAt != 0 && !r.skewed(at) && at.Since(rec.CreatedAt) > longBefore
}

// fresh is the record of a video whose life begins with an observation.
func (r *reconciler) fresh(o *Observation) *Record {
	rec := &Record{FirstSeen: o.At}
	r.take(rec, o)
	if r.now(rec).inFlight() {
		rec.RunStart = o.At
	}
	return rec
}

// take copies what the platform says into the record.
func (r *reconciler) take(rec *Record, o *Observation) {
	class := r.state.words.Class(o.Raw)
	if class == WordUnknown && normal(rec.Raw) != normal(o.Raw) {
		r.res.UnknownVideos++
	}
	rec.Name, rec.Raw, rec.Cause, rec.Duration, rec.Size, rec.class = o.Name, o.Raw, o.Cause, o.Duration, o.Size, class
	if o.CreatedAt != 0 {
		rec.CreatedAt = o.CreatedAt
	}
}

// replace handles a live id with another creation time: once confirmed, the old video is gone and a new one begins.
func (r *reconciler) replace(o *Observation, rec *Record) {
	if _, ok := r.confirm(o, rec, pending{created: o.CreatedAt}); !ok {
		return
	}
	from := r.now(rec)
	gone := *rec
	r.change(o, &gone, Deleted, Change{Reason: ReasonReplaced, From: from, FromRaw: rec.Raw, Took: r.ran(rec, from, o.At)})
	r.begin(o, &gone, ReasonReplaced)
}

// begin announces a new life under an id whose last one ended in a deletion; the versions go on.
func (r *reconciler) begin(o *Observation, old *Record, reason Reason) {
	rec := r.fresh(o)
	to := r.now(rec)
	rec.Version, rec.Revision, rec.ChangedAt = old.Version, old.Revision, old.moved()
	r.change(o, rec, to, Change{Reason: reason, From: Deleted, FromRaw: old.Raw, Took: notKnown})
}

// stay handles a video whose word did not move. Its word may mean done or failed by now, because the operator changed the
// words, or because of evidence: see announceHeld.
func (r *reconciler) stay(o *Observation, rec *Record) {
	r.contradict(o)
	now := r.now(rec)
	switch means := r.meaning[rec.class]; {
	case !now.inFlight() || r.releases(rec):
	case means.Settled():
		r.forward(o, rec, now, means, ReasonInferred)
	default:
		r.judgeStall(o, rec, now)
	}
}

// move handles a video whose word moved.
func (r *reconciler) move(o *Observation, rec *Record, class Word) {
	now, means := r.now(rec), r.means(rec, class)
	switch {
	case now.inFlight() && means.Settled():
		r.forward(o, rec, now, means, ReasonMoved)
	case now.inFlight():
		r.note(o, rec)
		if rec.Version == 0 {
			rec.Status = means
		}
		r.judgeStall(o, rec, now)
	case rec.Version == 0 && rec.class == WordParse && (class == WordDone || class == WordFailed):
		r.forward(o, rec, now, means, ReasonUnannounced)
	case means == now:
		r.note(o, rec)
	case means.Settled():
		if _, ok := r.confirm(o, rec, pending{target: means}); ok {
			r.forward(o, rec, now, means, ReasonCorrected)
		}
	default:
		if since, ok := r.confirm(o, rec, pending{target: Processing}); ok {
			r.restart(o, rec, now, means, since)
		}
	}
}

// means interprets the word a video moved to. PARSE after UNPARSE is done whatever the evidence, unless the operator said
// what PARSE means.
func (r *reconciler) means(rec *Record, class Word) Status {
	if class == WordParse && rec.class == WordUnparse && r.state.words.rule == ParseAuto {
		return Done
	}
	return r.meaning[class]
}

func (r *reconciler) forward(o *Observation, rec *Record, from, to Status, reason Reason) {
	c := Change{Reason: reason, From: from, FromRaw: rec.Raw, Took: notKnown}
	if reason != ReasonInferred { // when the word came to mean it tells nothing about the video
		c.Took = r.ran(rec, from, o.At)
	}
	r.take(rec, o)
	r.change(o, rec, to, c)
}

// restart begins a new run after a confirmed move back to processing.
func (r *reconciler) restart(o *Observation, rec *Record, from, to Status, since Time) {
	c := Change{Reason: ReasonRegressed, From: from, FromRaw: rec.Raw, Took: notKnown}
	r.take(rec, o)
	rec.RunStart = since
	r.change(o, rec, to, c)
}

// note remembers a word that moved while the status stayed: UNPARSE before a PARSE decides what that PARSE means.
func (r *reconciler) note(o *Observation, rec *Record) {
	r.contradict(o)
	r.take(rec, o)
	rec.NotedAt = r.stamp(rec, o.At)
	r.keep(o.VideoNo, rec)
	r.notes[o.VideoNo] = true
}

// notKnown is the Took of a change that ends no run, or one whose start was not seen.
const notKnown time.Duration = -1

// ran is how long the run that ends at a time was observed.
func (r *reconciler) ran(rec *Record, from Status, end Time) time.Duration {
	if !from.inFlight() || rec.RunStart == 0 || r.skewed(rec.RunStart) || r.wasDone(rec) {
		return notKnown
	}
	return end.Since(rec.RunStart)
}

// wasDone reports whether a baseline video was taken for done until a DONE changed what PARSE means.
func (r *reconciler) wasDone(rec *Record) bool {
	return rec.Version == 0 && rec.Status == None && rec.class == WordParse && r.evidence.Flipped != 0
}

// change moves the record of an observed video to a status and announces it; whatever was open about the video is closed.
func (r *reconciler) change(o *Observation, rec *Record, to Status, c Change) {
	c.Kind, c.At = kindOf(to), r.stamp(rec, o.At)
	if c.At != o.At {
		rec.RunStart = c.At // what an event says of its run is read back from its time
		r.res.behind[o.VideoNo] = o.At
	}
	if !to.inFlight() {
		rec.RunStart = 0
	}
	r.settle(o.VideoNo)
	r.emit(o.VideoNo, rec, to, c)
}

// emit numbers the change and keeps the record after it.
func (r *reconciler) emit(videoNo string, rec *Record, to Status, c Change) {
	rec.Version++
	rec.Status, rec.ChangedAt, rec.NotedAt, rec.Stalled = to, c.At, 0, c.Kind == KindStalled
	if r.firstOverdue(videoNo) != 0 {
		r.res.overdue[videoNo] = 0
	}
	if r.absence(videoNo).misses > 0 {
		r.setAbsence(videoNo, absence{})
	}
	delete(r.notes, videoNo) // the change says it better
	r.keep(videoNo, rec)
	c.VideoNo, c.Record = videoNo, *rec
	r.res.Changes = append(r.res.Changes, c)
}
