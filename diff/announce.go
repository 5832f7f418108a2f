package diff

import (
	"cmp"
	"slices"
)

// settleEvidence decides what the cycle's evidence makes of PARSE, and whether that ends a belief.
func (r *reconciler) settleEvidence() {
	if r.state.BaselineAt != 0 && r.evidence.Flipped == 0 &&
		r.state.words.parse(&r.state.stored) == Done && r.state.words.parse(&r.evidence) == Processing {
		r.evidence.Flipped = r.evidence.SawDone.At
	}
	r.meaning = r.state.words.meanings(&r.evidence)
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

// announceHeld announces the videos that were announced as processing in a PARSE that is now known to mean done. What is
// known is compared with what is stored: when a crash tore the cycle that learnt it, the rest is announced now.
func (r *reconciler) announceHeld(in Input) {
	if r.meaning[WordParse] != Done || r.state.words.parse(&r.state.stored) == Done {
		return
	}
	at := max(r.evidence.SawUnparse.At, r.evidence.SawFail.At, r.evidence.SawOldParse.At)
	for i := range in.Observations {
		at = max(at, in.Observations[i].At)
	}
	held := r.all(func(rec *Record) bool {
		return rec.class == WordParse && rec.Version > 0 && rec.Status.inFlight()
	})
	for _, k := range held {
		r.forward(&Observation{
			VideoNo: k.videoNo, Name: k.Name, Raw: k.Raw, Cause: k.Cause, Duration: k.Duration, Size: k.Size,
			CreatedAt: k.CreatedAt, At: max(at, k.ChangedAt),
		}, k.Record, k.Status, Done, ReasonInferred)
	}
}

// announceBaseline announces what was already settled, oldest first.
func (r *reconciler) announceBaseline(at Time) {
	settled := r.all(func(rec *Record) bool { return rec.Version == 0 && r.now(rec).Settled() })
	for _, k := range settled {
		to := r.now(k.Record)
		k.RunStart = 0
		r.emit(k.videoNo, k.Record, to, Change{
			Kind: kindOf(to), Reason: ReasonInitial, Initial: true, At: max(at, k.ChangedAt), Took: notKnown,
		})
	}
}
