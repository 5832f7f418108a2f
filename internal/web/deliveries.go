package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	usualPage = 50
	maxPage   = 500
	// maxChosen bounds each list of a replay; whoever wants more says it by time, type or expression.
	maxChosen = 1000
	// maxExpression bounds an expression over events, in bytes.
	maxExpression = 4096
)

// DeliveryOperator is what a person can learn and do about single deliveries. It is safe for concurrent use.
type DeliveryOperator interface {
	// Deliveries returns attempts, the newest first.
	Deliveries(ctx context.Context, f DeliveryFilter) (DeliveryList, error)
	// DeadLetters returns deliveries that were given up, the newest first.
	DeadLetters(ctx context.Context, f DeadLetterFilter) (DeadLetterList, error)
	// Replay has events delivered once more, under their ids, or only counts them.
	Replay(ctx context.Context, r Replay) (Replayed, error)
	// Why says why an event, or the events of a video, have not arrived at an endpoint, or when they did.
	Why(ctx context.Context, endpoint, about string) (Explanation, error)
}

// Span is what both lists can be narrowed down by. The zero value of every field but Limit lets everything through.
type Span struct {
	Endpoint string
	EventID  string
	VideoNo  string
	Source   string
	Type     string // or a glob
	Class    string
	Since    time.Time // at or after
	Until    time.Time // before
	Before   uint64    // where the page before ended
	Limit    int
}

// DeliveryFilter narrows the list of attempts down.
type DeliveryFilter struct {
	Span
	Failed bool // only what was not delivered
}

// DeadLetterFilter narrows the list of dead letters down.
type DeadLetterFilter struct {
	Span
	Reason string
}

// DeliveryList is the body of GET /v1/deliveries. A page may be short, or empty, and still have a next one: each looks at a
// bounded part of the log.
type DeliveryList struct {
	Deliveries []Delivery `json:"deliveries"`
	NextCursor string     `json:"next_cursor"` // empty: there is no more
}

// Delivery is one attempt. Times are RFC 3339 in UTC; null and the empty text mean that there is none.
type Delivery struct {
	Seq             uint64     `json:"seq"`
	At              *time.Time `json:"at"`
	Endpoint        string     `json:"endpoint"`
	EventID         string     `json:"event_id"`
	Type            string     `json:"type"`
	Source          string     `json:"source"`
	VideoNo         string     `json:"video_no"`
	Attempt         int        `json:"attempt"` // 1 is the first
	DurationSeconds float64    `json:"duration_seconds"`
	Status          int        `json:"status"` // 0: no answer
	Class           string     `json:"class"`  // of the failure; empty: none
	Detail          string     `json:"detail"` // of the failure, for people
	Result          string     `json:"result"` // delivered, retry, dead, disabled; failed of a test
	NextAt          *time.Time `json:"next_at"`
	Excerpt         string     `json:"excerpt"` // the beginning of the answer, as it came
	Replay          bool       `json:"replay"`
	Group           string     `json:"group"` // id of the message that told it with others
	GroupSize       int        `json:"group_size"`
}

// DeadLetterList is the body of GET /v1/dead-letters, in pages as DeliveryList is.
type DeadLetterList struct {
	DeadLetters []DeadLetter `json:"dead_letters"`
	NextCursor  string       `json:"next_cursor"` // empty: there is no more
}

// DeadLetter is a delivery that was given up, kept for a replay.
type DeadLetter struct {
	Seq      uint64     `json:"seq"`
	At       *time.Time `json:"at"`
	Endpoint string     `json:"endpoint"`
	EventID  string     `json:"event_id"`
	Type     string     `json:"type"`
	Source   string     `json:"source"`
	VideoNo  string     `json:"video_no"`
	StoredAt *time.Time `json:"stored_at"`
	FirstAt  *time.Time `json:"first_at"` // the first attempt
	Attempts int        `json:"attempts"`
	Reason   string     `json:"reason"`
	Class    string     `json:"class"`
	Status   int        `json:"status"`
	Detail   string     `json:"detail"`
	Excerpt  string     `json:"excerpt"`
	Group    string     `json:"group"`
	Queued   bool       `json:"queued"` // a replay of it is under way
}

// Replay says what to deliver once more. Every field that is given narrows it down.
type Replay struct {
	Endpoint string
	EventIDs []string
	Types    []string
	Sources  []string
	Since    time.Time // at or after
	Until    time.Time // before
	Filter   string    // an expression over the event, as an endpoint has one
	Dead     bool      // only dead letters
	Missing  bool      // only what the endpoint never took
	DryRun   bool      // only count
}

// ReplayOrder is the body of POST /v1/replay. Every field but endpoint may be left out.
type ReplayOrder struct {
	Endpoint string   `json:"endpoint"`
	EventIDs []string `json:"event_ids,omitempty"`
	Types    []string `json:"types,omitempty"`
	Sources  []string `json:"sources,omitempty"`
	Since    string   `json:"since,omitempty"`
	Until    string   `json:"until,omitempty"`
	Filter   string   `json:"filter,omitempty"`
	Dead     bool     `json:"dead,omitempty"`
	Missing  bool     `json:"missing,omitempty"`
	DryRun   bool     `json:"dry_run,omitempty"`
}

// Replayed is the answer: 202 when something was queued, 200 for a dry run.
type Replayed struct {
	DryRun  bool       `json:"dry_run"`
	Matched int        `json:"matched"`
	Queued  int        `json:"queued"`   // less than matched when the rest is under way already
	FirstAt *time.Time `json:"first_at"` // when the oldest of them was stored
	LastAt  *time.Time `json:"last_at"`
}

// Explanation is the body of GET /v1/why.
type Explanation struct {
	Endpoint string      `json:"endpoint"`
	About    string      `json:"about"`
	Events   []Explained `json:"events"` // the newest first
}

// Explained is what there is to know of one event and the endpoint.
type Explained struct {
	EventID      string      `json:"event_id"`
	Type         string      `json:"type"`
	Source       string      `json:"source"`
	VideoNo      string      `json:"video_no"`
	Answer       string      `json:"answer"` // all of it in one sentence
	Fate         string      `json:"fate"`   // delivered, waiting, dead, unwanted, missed or over
	StoredAt     *time.Time  `json:"stored_at"`
	Wanted       bool        `json:"wanted"`
	Unwanted     string      `json:"unwanted"` // what does not ask for it: types, sources or filter
	DeliveredAt  *time.Time  `json:"delivered_at"`
	AttemptsMade int         `json:"attempts_made"`
	WaitingUntil *time.Time  `json:"waiting_until"`
	WaitingFor   string      `json:"waiting_for"` // turn, schedule, retry_after, breaker, order, rate, group, disabled or request
	Ahead        uint64      `json:"ahead"`       // events before it, for one that waits for its turn
	Replay       bool        `json:"replay"`
	DeadLetter   *DeadLetter `json:"dead_letter"`
	Attempts     []Delivery  `json:"attempts"` // as the delivery log has them, the newest first
}

// HandleDeliveries adds the pages about deliveries, behind the token.
func (s *Server) HandleDeliveries(operator DeliveryOperator) {
	s.Handle("GET /v1/deliveries", page(func(r *http.Request, q *query) (any, error) {
		f := DeliveryFilter{Span: q.span(), Failed: q.flag("failed")}
		if err := q.problem(); err != nil {
			return nil, err
		}
		list, err := operator.Deliveries(r.Context(), f)
		list.Deliveries = append([]Delivery{}, list.Deliveries...)
		return list, err
	}))
	s.Handle("GET /v1/dead-letters", page(func(r *http.Request, q *query) (any, error) {
		f := DeadLetterFilter{Span: q.span(), Reason: q.text("reason")}
		if err := q.problem(); err != nil {
			return nil, err
		}
		list, err := operator.DeadLetters(r.Context(), f)
		list.DeadLetters = append([]DeadLetter{}, list.DeadLetters...)
		return list, err
	}))
	s.Handle("GET /v1/why", page(func(r *http.Request, q *query) (any, error) {
		endpoint, about := q.required("endpoint"), q.required("about")
		if err := q.problem(); err != nil {
			return nil, err
		}
		why, err := operator.Why(r.Context(), endpoint, about)
		why.Events = append([]Explained{}, why.Events...)
		return why, err
	}))
	s.Handle("POST /v1/replay", slowly(func(w http.ResponseWriter, r *http.Request) {
		order, err := readReplay(w, r)
		if err != nil {
			refuse(w, err)
			return
		}
		done, err := operator.Replay(r.Context(), order)
		status := http.StatusAccepted // they are delivered from now on
		if order.DryRun {
			status = http.StatusOK
		}
		answer(w, status, done, err)
	}))
}

func (q *query) span() Span {
	f := Span{
		Endpoint: q.text("endpoint"), EventID: q.text("event_id"), VideoNo: q.text("video_no"), Source: q.text("source"),
		Type: q.text("type"), Class: q.text("class"), Since: q.moment("since"), Until: q.moment("until"),
		Before: q.cursor("cursor"), Limit: q.count("limit", usualPage, maxPage),
	}
	if err := ordered(f.Since, f.Until); err != nil && q.err == nil {
		q.err = err
	}
	return f
}

// ordered refuses a time span that holds nothing: more likely the two were swapped.
func ordered(since, until time.Time) error {
	if since.IsZero() || until.IsZero() || since.Before(until) {
		return nil
	}
	return &InvalidError{Field: "until", Problem: "it must be later than since"}
}

// Cursor writes where a page ended, for the next one; zero is the end of the list.
func Cursor(next uint64) string {
	if next == 0 {
		return ""
	}
	return strconv.FormatUint(next, 10)
}

func readReplay(w http.ResponseWriter, r *http.Request) (Replay, error) {
	var o ReplayOrder
	if err := readOrder(w, r, &o); err != nil {
		return Replay{}, err
	}
	since, err := parseMoment("since", o.Since)
	if err != nil {
		return Replay{}, err
	}
	until, err := parseMoment("until", o.Until)
	if err != nil {
		return Replay{}, err
	}
	if err := ordered(since, until); err != nil {
		return Replay{}, err
	}
	return Replay{
		Endpoint: o.Endpoint, EventIDs: o.EventIDs, Types: o.Types, Sources: o.Sources, Since: since, Until: until, Filter: o.Filter,
		Dead: o.Dead, Missing: o.Missing, DryRun: o.DryRun,
	}, o.validate()
}

// validate holds an order to its bounds; what the texts mean is for the operator to say.
func (o *ReplayOrder) validate() error {
	if o.Endpoint == "" {
		return &InvalidError{Field: "endpoint", Problem: "it is required"}
	}
	if len(o.Filter) > maxExpression {
		return &InvalidError{Field: "filter", Problem: fmt.Sprintf("it is longer than %d bytes", maxExpression)}
	}
	for _, list := range []struct {
		name  string
		texts []string
	}{{"endpoint", []string{o.Endpoint}}, {"event_ids", o.EventIDs}, {"types", o.Types}, {"sources", o.Sources}} {
		if len(list.texts) > maxChosen {
			return &InvalidError{Field: list.name, Problem: fmt.Sprintf("give at most %d", maxChosen)}
		}
		for _, text := range list.texts {
			if problem := textProblem(text); problem != "" {
				return &InvalidError{Field: list.name, Problem: problem}
			}
		}
	}
	return nil
}
