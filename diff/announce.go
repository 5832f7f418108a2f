package diff

import (
	"cmp"
	"slices"
)

// settleEvidence decides what the cycle's evidence makes of PARSE, and whether that ends a belief.
func (r *reconciler) settleEvidence() {
	words := r.state.words
	r.evidence = r.state.Evidence.or(r.told)
	r.meaning = words.meanings(&r.evidence)
	before, after := words.parse(&r.state.stored), words.parse(&r.evidence)
	r.released = before != Done && after == Done
	if r.state.BaselineAt != 0 && r.evidence.Flipped == 0 && before == Done && after == Processing {
		r.evidence.Flipped = r.evidence.SawDone.At
	}
}

// known is a video and a working copy of its record.
type known struct {
	videoNo string
	*Record
}

// all collects working copies of the videos that a condition holds for, oldest first.
func (r *reconciler) all(wanted func(*Record) bool) []known {
	var found []known
	for no, rec := range r.state.videos {
		if r.res.records[no] == nil && wanted(rec) {
			working := *rec
			found = append(found, known{no, &working})
		}
	}
	for no, rec := range r.res.records {
		if wanted(rec) {
			found = append(found, known{no, rec})
		}
	}
	slices.SortFunc(found, func(a, b known) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.videoNo, b.videoNo))
	})
	return found
}

// releases reports whether a video is held, and this cycle's evidence says that it is done. What is known is compared with what
// is stored: when a crash tore the cycle that learnt it, the rest is announced now.
func (r *reconciler) releases(rec *Record) bool {
	return r.released && rec.class == WordParse && rec.Status.inFlight()
}

// announceHeld announces the videos that were announced as processing, or have moved since they were learnt, in a PARSE that is
// now known to mean done, at the time of the evidence.
func (r *reconciler) announceHeld() {
	if !r.released {
		return
	}
	at := r.res.latest
	if at == 0 {
		at = max(r.evidence.SawUnparse.At, r.evidence.SawFail.At, r.evidence.SawOldParse.At)
		if r.skewed(at) {
			at = r.present
		}
	}
	for _, k := range r.all(r.releases) {
		r.announce(k, Done, at, Change{Reason: ReasonInferred, From: k.Status, FromRaw: k.Raw})
	}
}

// announceBaseline announces what was already settled when the cycle ends the baseline, oldest first, if the policy asks for it.
func (r *reconciler) announceBaseline() {
	if !r.policy.Emit || r.baselineAt == r.state.BaselineAt {
		return
	}
	settled := r.all(func(rec *Record) bool { return rec.Version == 0 && r.now(rec).Settled() })
	for _, k := range settled {
		r.announce(k, r.now(k.Record), r.baselineAt, Change{Reason: ReasonInitial, Initial: true})
	}
}

// announce tells what a video is without an observation of it. What was doubted about the video stays so.
func (r *reconciler) announce(k known, to Status, at Time, c Change) {
	c.Kind, c.At, c.Took = kindOf(to), max(at, k.ChangedAt, k.NotedAt), notKnown
	k.RunStart = 0
	r.emit(k.videoNo, k.Record, to, c)
}
