package diff

import "fmt"

// Status is our word for where a video is in its life.
type Status uint8

// The statuses. None is the status of a video before it was ever seen.
const (
	None Status = iota
	Unknown
	Processing
	Done
	Failed
	Deleted
)

var statusNames = [...]string{None: "", Unknown: "unknown", Processing: "processing", Done: "done", Failed: "failed", Deleted: "deleted"}

// String returns the word used in events, metrics and logs; None is empty.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// ParseStatus reverses String. It reports false for a word that is none of ours.
func ParseStatus(word string) (Status, bool) {
	for s, name := range statusNames {
		if name == word {
			return Status(s), true
		}
	}
	return None, false
}

// Settled reports whether the platform is finished with the video.
func (s Status) Settled() bool { return s == Done || s == Failed }

// inFlight reports whether the platform may still move the video forward.
func (s Status) inFlight() bool { return s == Processing || s == Unknown }

// Kind is the last word of an event's type: what happened, which is not always what the video now is (a stalled video is
// still processing).
type Kind string

// The kinds of change.
const (
	KindProcessing Kind = "processing"
	KindDone       Kind = "done"
	KindFailed     Kind = "failed"
	KindStalled    Kind = "stalled"
	KindDeleted    Kind = "deleted"
)

// Kinds lists every kind of change.
func Kinds() []Kind {
	return []Kind{KindDone, KindFailed, KindProcessing, KindStalled, KindDeleted}
}

func kindOf(s Status) Kind {
	switch s {
	case Done:
		return KindDone
	case Failed:
		return KindFailed
	case Deleted:
		return KindDeleted
	case None, Unknown, Processing:
		return KindProcessing
	}
	return KindProcessing
}

// Reason says why a change was made; it reaches logs and metrics.
type Reason string

// The closed set of reasons.
const (
	ReasonFirstSeen    Reason = "first_seen"    // new to us, still processing
	ReasonFinishedSeen Reason = "finished_seen" // new to us, already done or failed: it came and finished between two polls
	ReasonMoved        Reason = "moved"         // processing to done or failed
	ReasonInferred     Reason = "inferred"      // its word did not move, but now it is known to mean done or failed
	ReasonUnannounced  Reason = "unannounced"   // a baseline video in an ambiguous word moved into a plain one
	ReasonRegressed    Reason = "regressed"     // back to processing, confirmed: a new run
	ReasonCorrected    Reason = "corrected"     // between done and failed, confirmed
	ReasonReplaced     Reason = "replaced"      // a live id with another creation time, confirmed
	ReasonReturned     Reason = "returned"      // a deleted id was seen again
	ReasonInitial      Reason = "initial"       // already settled at the baseline, and the policy asks to announce that
	ReasonStalled      Reason = "stalled"       // in processing for longer than the policy allows
	ReasonGone         Reason = "gone"          // neither listed nor found by its id, in two sweeps or more
)

// Reasons lists every reason.
func Reasons() []Reason {
	return []Reason{
		ReasonFirstSeen, ReasonFinishedSeen, ReasonMoved, ReasonInferred, ReasonUnannounced, ReasonRegressed,
		ReasonCorrected, ReasonReplaced, ReasonReturned, ReasonInitial, ReasonStalled, ReasonGone,
	}
}
