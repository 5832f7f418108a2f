package web

import (
	"errors"
	"net/http"
	"time"
)

// What Operator says by its errors.
var (
	ErrStarting    = errors.New("the state is not loaded yet")
	ErrNoSource    = errors.New("no such source")
	ErrNothingHeld = errors.New("nothing is held back")
)

// Operator is what a person can see and do about the sources. It is safe for concurrent use and does not block.
type Operator interface {
	// Sources returns what every source is doing, in the order of the configuration, or ErrStarting.
	Sources() ([]Source, error)
	// Release believes the deletions that a source holds back, and returns what was held. The errors are ErrStarting,
	// ErrNoSource and ErrNothingHeld.
	Release(name string) (Hold, error)
}

// SourceList is the body of GET /v1/sources.
type SourceList struct {
	Sources []Source `json:"sources"`
}

// Source is what one source is doing. Times are RFC 3339 in UTC; null and the empty text mean that there is none, or that it
// is not known yet.
type Source struct {
	Name      string `json:"name"`
	Account   string `json:"account"`
	UniqueID  string `json:"unique_id"`
	VideoName string `json:"video_name"` // pattern; empty: all videos

	BaselineAt *time.Time `json:"baseline_at"`
	Baseline   *Baseline  `json:"baseline"` // the walk that makes it; null once it is there
	Videos     Videos     `json:"videos"`
	InFlight   int        `json:"in_flight"`
	Parse      Parse      `json:"parse"`

	LastPollAt *time.Time `json:"last_poll_at"`
	NextPollAt *time.Time `json:"next_poll_at"`
	LastError  string     `json:"last_error"`
	Degraded   string     `json:"degraded"` // the reason; empty: healthy

	RequestsPerSecond float64        `json:"requests_per_second"` // what its account allows itself now
	Requests          map[string]int `json:"requests"`            // to the platform since the start, by lane
	Sweep             Sweep          `json:"sweep"`
	CountMismatch     *CountMismatch `json:"count_mismatch"` // of the last complete sweep
	Hold              *Hold          `json:"hold"`
	Filters           *Filters       `json:"filters"`
	NewestFirst       *bool          `json:"newest_first"`
}

// Baseline is how far the first walk through everything has come. The videos go on after a restart, the pages begin again.
type Baseline struct {
	StartedAt       *time.Time `json:"started_at"` // of this walk; null before its first page
	Pages           int        `json:"pages"`
	ExpectedPages   int        `json:"expected_pages"`    // 0: not known yet
	Videos          int        `json:"videos"`            // recorded so far
	ExpectedVideos  *int64     `json:"expected_videos"`   // by the platform's count
	VideosPerSecond float64    `json:"videos_per_second"` // of late; 0: not known yet
	SecondsLeft     *float64   `json:"seconds_left"`      // at that pace
}

// Videos is how many are known, and how many of them have each status.
type Videos struct {
	Known      int `json:"known"`
	Processing int `json:"processing"`
	Done       int `json:"done"`
	Failed     int `json:"failed"`
	Unknown    int `json:"unknown"`
	Deleted    int `json:"deleted"`
}

// Parse is what the word PARSE means here, and why.
type Parse struct {
	Means   string `json:"means"`
	Because string `json:"because"`
}

// Sweep is the walk through the whole listing.
type Sweep struct {
	LastCompleteAt *time.Time `json:"last_complete_at"`
	UnderWay       bool       `json:"under_way"`
	Pages          int        `json:"pages"`          // read by the walk under way
	ExpectedPages  int        `json:"expected_pages"` // of the walk under way
	Suspects       int        `json:"suspects"`       // not shown by the last complete one, waiting to be looked up
}

// CountMismatch is a complete sweep that saw another number of videos than the platform counts.
type CountMismatch struct {
	Seen    int64 `json:"seen"`
	Counted int64 `json:"counted"`
}

// Hold is deletions that are not believed yet.
type Hold struct {
	Videos int    `json:"videos"`
	Agreed int    `json:"agreed"` // further complete sweeps that agree
	Reason string `json:"reason"`
}

// Filter says what the platform does with a filter of its list call.
type Filter string

// What the platform does with a filter.
const (
	FilterUntried  Filter = "untried"
	FilterHonoured Filter = "honoured"
	FilterIgnored  Filter = "ignored" // or answered wrong; not used again for a day
)

// Filters is what is known of each filter that lookups can use.
type Filters struct {
	VideoNos Filter `json:"video_nos"`
	Status   Filter `json:"status"`
	VideoNo  Filter `json:"video_no"`
}

// Released is the body of an accepted POST /v1/sources/{name}/release.
type Released struct {
	Source string `json:"source"`
	Hold   Hold   `json:"hold"` // as it was
}

// HandleSources adds the pages about the sources, behind the token.
func (s *Server) HandleSources(operator Operator) {
	s.Handle("GET /v1/sources", page(func(_ *http.Request, q *query) (any, error) {
		if err := q.problem(); err != nil {
			return nil, err
		}
		list, err := operator.Sources()
		return SourceList{Sources: append([]Source{}, list...)}, err
	}))
	s.Handle("POST /v1/sources/{name}/release", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var order struct{} // which takes nothing
		if err := readOrder(w, r, &order); err != nil {
			refuse(w, err)
			return
		}
		name := r.PathValue("name")
		hold, err := operator.Release(name)
		// Accepted: the deletions are told by the source's next tick.
		answer(w, http.StatusAccepted, Released{Source: name, Hold: hold}, err)
	}))
}
