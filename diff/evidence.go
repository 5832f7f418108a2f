package diff

import (
	"cmp"
	"time"
)

// oldParse is the age from which a video still in PARSE is taken as proof that PARSE means done: parsing takes minutes.
const oldParse = 24 * time.Hour

// Witness is the first observation that gave a piece of evidence.
type Witness struct {
	VideoNo string `json:"video_no,omitempty"`
	At      Time   `json:"at,omitempty"`
}

func (w Witness) ok() bool { return w.At != 0 }

// Evidence is what a source has shown about the vocabulary it speaks. It only grows.
type Evidence struct {
	SawDone     Witness `json:"saw_done,omitzero"`
	SawUnparse  Witness `json:"saw_unparse,omitzero"`
	SawFail     Witness `json:"saw_fail,omitzero"`
	SawOldParse Witness `json:"saw_old_parse,omitzero"`
	// Flipped is when a DONE ended the belief that PARSE means done, if that was after the baseline. What the baseline left in
	// PARSE was taken for done until then, and starts no stall clock.
	Flipped Time `json:"flipped,omitempty"`
	// Shifts is not about words: it is by how much creation times have moved.
	Shifts Shifts `json:"shifts,omitzero"`
}

func (e *Evidence) see(raw string, videoNo string, at Time) {
	switch normal(raw) {
	case rawDone:
		e.SawDone.first(videoNo, at)
	case rawUnparse:
		e.SawUnparse.first(videoNo, at)
	case rawFail:
		e.SawFail.first(videoNo, at)
	}
}

// first keeps the earliest witness, and among equals the smallest id, so that the order of the input does not matter.
func (w *Witness) first(videoNo string, at Time) {
	if !w.ok() || at < w.At || at == w.At && videoNo < w.VideoNo {
		*w = Witness{VideoNo: videoNo, At: at}
	}
}

// or fills in from other what e has no witness of.
func (e Evidence) or(other Evidence) Evidence {
	e.SawDone = cmp.Or(e.SawDone, other.SawDone)
	e.SawUnparse = cmp.Or(e.SawUnparse, other.SawUnparse)
	e.SawFail = cmp.Or(e.SawFail, other.SawFail)
	e.SawOldParse = cmp.Or(e.SawOldParse, other.SawOldParse)
	e.Flipped = cmp.Or(e.Flipped, other.Flipped)
	e.Shifts = cmp.Or(e.Shifts, other.Shifts)
	return e
}

// isOld reports whether an observed video is older than oldParse: by its creation time, or as long as we have known it.
func (r *reconciler) isOld(rec *Record, o *Observation) bool {
	if o.CreatedAt != 0 && o.At.Since(o.CreatedAt) > oldParse {
		return true
	}
	return rec != nil && rec.Status != Deleted && !r.anotherVideo(rec, o) && o.At.Since(rec.FirstSeen) > oldParse
}
