package diff

import "time"

// Observation is one sighting of a video.
type Observation struct {
	VideoNo   string
	Name      string
	Raw       string // the platform's word
	Cause     string // normalised: empty is none
	Duration  int64  // seconds
	Size      int64  // bytes
	CreatedAt Time
	At        Time // when the request that showed it started
}

// Input is what one cycle saw. A source has one flight: the observations of a cycle began after those of the cycle before.
type Input struct {
	Observations []Observation
	// Now is the wall clock. A recorded time that lies beyond it says that the clock was ahead; 0 says nothing, and no recorded
	// time is doubted.
	Now Time
	// Sweep is the number of the walk under way, for counting the videos it shows; 0 is none.
	Sweep uint32
	// SweepComplete says that with these observations a complete sweep ended, at that time; it makes the baseline.
	SweepComplete Time
	// Lagging says that what answered is older than what is known: it confirms no backward or sideways move and no replacement.
	Lagging bool
	// Misses are known videos that a complete sweep did not show and a lookup did not find either. One a video and sweep; sweeps
	// are numbered upwards.
	Misses []Miss
	// Judged says that with this cycle all suspects of a complete sweep were looked up: time to decide about deletions. 0 is none.
	Judged uint32
	// Release says that the operator believes the deletions that are held back. Where none are it says nothing.
	Release bool
	// Filters replaces what is known of the platform's filters; nil leaves it.
	Filters *Filters
}

// Miss is a video that a complete sweep did not show and that its lookup did not find.
type Miss struct {
	VideoNo string
	Sweep   uint32 // number of the sweep
	At      Time   // when the lookup's request started; where no lookup is honoured, that of the sweep's last page
	Total   int64  // where no lookup is honoured: the total count that the sweep ended with, or CountedNone; else 0
}

// CountedNone is the Total of a miss by a sweep that ended with a total count of 0.
const CountedNone = -1

// Filters is what a source's platform was seen to do with filters: for each, when it last ignored it or answered wrong; 0 is
// never. The poller decides by it; here it is only kept.
type Filters struct {
	VideoNos Time `json:"video_nos,omitempty"`
	Status   Time `json:"status,omitempty"`
	VideoNo  Time `json:"video_no,omitempty"`
}

// Policy is what the operator decides.
type Policy struct {
	Emit       bool          // announce at the baseline what is already done or failed
	StallAfter time.Duration // 0: never
	Confirm    time.Duration // how far apart two observations must be that confirm a backward or sideways move: the poll interval
	// Lag is for how long after a change that was announced a replica may still show what was before it: a backward or sideways move
	// or a replacement that is seen sooner is not even doubted, and a miss says nothing.
	Lag time.Duration
	// Agree is how far apart the misses must be that confirm deletions in bulk: the sweep interval, or somewhat less, since the
	// look-ups of two sweeps may come sooner and later.
	Agree time.Duration
}

// Change is something to tell the world.
type Change struct {
	VideoNo string
	Kind    Kind
	Reason  Reason
	From    Status // None when the video was not known
	FromRaw string
	Initial bool   // announced because of the baseline policy
	Record  Record // what is known after the change, with its version
	At      Time   // when the request that showed it started
	// Took is how long the run that ends or stalls was observed in processing; negative when that is not known.
	Took time.Duration
}

// Note is something to remember without telling: a word that moved while the status stayed.
type Note struct {
	VideoNo string
	Record  Record
	At      Time
}

// Learned is a video of the baseline, or one that an empty baseline should have shown.
type Learned struct {
	VideoNo string
	Record  Record
}

// Meta is the state of a source beside its videos.
type Meta struct {
	BaselineAt   Time
	EmptyAtFirst bool // the baseline showed no video
	Evidence     Evidence
	Filters      Filters
	Revision     uint64 // the log's sequence, set when stored
}

// Result is what a cycle decided. Changes, Notes, Learned and Meta must be stored together, then the state moved by Apply.
type Result struct {
	Changes []Change  // in the order they were observed; of one video, in the order of their versions
	Notes   []Note    // at most one a video
	Learned []Learned // at most one a video; only before the baseline, or where that was empty
	Meta    *Meta     // nil when unchanged
	Hold    Hold      // what is held back after this cycle

	New           int      // videos not known before
	InFlight      int      // observations of videos that were in flight, or are new and in flight
	Unconfirmed   int      // observations that must be confirmed by another
	Stale         int      // observations that came too late to say anything
	Skewed        int      // observations believed though what is recorded of their videos lies in the future
	UnknownWords  []string // raw statuses that no list knows, in upper case, each reported once per state
	UnknownVideos int      // videos that moved into such a word

	sweep    uint32
	latest   Time
	present  Time
	records  map[string]*Record
	pending  map[string]pending
	overdue  map[string]Time
	behind   map[string]Time
	absences map[string]absence
}

// Empty reports whether there is nothing to store.
func (r *Result) Empty() bool {
	return len(r.Changes) == 0 && len(r.Notes) == 0 && len(r.Learned) == 0 && r.Meta == nil
}
