package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// EventReader is what a person or a subscriber can read of the stored events. It is safe for concurrent use. Its errors are
// ErrStarting, ErrAway, ErrNoEvent and *InvalidError.
type EventReader interface {
	// Events returns events, the newest first.
	Events(ctx context.Context, f EventFilter) (EventList, error)
	// Event returns one by its id.
	Event(ctx context.Context, id string) (OneEvent, error)
	// Follow hands over events as they come, until ctx ends or the subscriber returns an error.
	Follow(ctx context.Context, f EventFilter, to Subscriber) error
}

// EventFilter narrows events down. The zero value of every field but Limit lets everything through.
type EventFilter struct {
	Types   []string // or globs
	Source  string
	VideoNo string
	Since   time.Time // stored at or after
	Until   time.Time // stored before
	Place   string    // where the page before ended, or the id of the last event of a stream
	Status  string    // that the event tells of a video; of a list only
	ID      string    // of the event; of a list only
	Limit   int
}

// Subscriber is given what Follow reads.
type Subscriber struct {
	Event func(e StreamedEvent) error
	Gap   func(g Gap) error
	Place func(place string) error // where it begins, before any event
}

// StreamedEvent is one event of a stream.
type StreamedEvent struct {
	Place string // for Last-Event-ID
	Type  string
	Body  []byte // one line
}

// Gap is told where events may be missing from a stream.
type Gap struct {
	Reason   string     `json:"reason"`    // log_replaced or events_expired
	OldestAt *time.Time `json:"oldest_at"` // when the oldest event that is there was stored
}

// EventList is the body of GET /v1/events. A page may be short, or empty, and still have a next one: each looks at a bounded part
// of the log.
type EventList struct {
	Events     []StoredEvent `json:"events"`
	NextCursor string        `json:"next_cursor"` // empty: there is no more
}

// StoredEvent is one event and its place in the log.
type StoredEvent struct {
	Seq      uint64          `json:"seq"`
	StoredAt *time.Time      `json:"stored_at"`
	Event    json.RawMessage `json:"event"` // as subscribers get it
}

// OneEvent is the body of GET /v1/events/{id}.
type OneEvent struct {
	StoredEvent

	Deliveries string `json:"deliveries"` // the page that shows what was made of it at the endpoints
}

// HandleEvents adds the pages about events, behind the token.
func (s *Server) HandleEvents(reader EventReader, registerer prometheus.Registerer) {
	open := promauto.With(registerer).NewGauge(prometheus.GaugeOpts{
		Name: "vidbell_event_streams", Help: "Clients that follow events over HTTP now.",
	})
	s.Handle("GET /v1/events", page(func(r *http.Request, q *query) (any, error) {
		f := q.events()
		f.Until, f.Place, f.Limit = q.moment("until"), q.text("cursor"), q.count("limit", usualPage, maxPage)
		f.Status, f.ID = q.text("status"), q.text("id")
		if err := ordered(f.Since, f.Until); err != nil && q.err == nil {
			q.err = err
		}
		if err := q.problem(); err != nil {
			return nil, err
		}
		list, err := reader.Events(r.Context(), f)
		list.Events = append([]StoredEvent{}, list.Events...)
		return list, err
	}))
	s.Handle("GET /v1/events/{id}", page(func(r *http.Request, q *query) (any, error) {
		if err := q.problem(); err != nil {
			return nil, err
		}
		id := r.PathValue("id")
		if problem := textProblem(id); problem != "" {
			return nil, &InvalidError{Field: "id", Problem: problem}
		}
		return reader.Event(r.Context(), id)
	}))
	s.Handle("GET /v1/events/stream", &eventStream{server: s, reader: reader, open: open, places: make(chan struct{}, maxStreams)})
}

// events are the conditions that a list and a stream of events share.
func (q *query) events() EventFilter {
	f := EventFilter{Source: q.text("source"), VideoNo: q.text("video_no"), Since: q.momentOrAgo("since")}
	for kind := range strings.SplitSeq(q.text("type"), ",") {
		if kind = strings.TrimSpace(kind); kind != "" {
			f.Types = append(f.Types, kind)
		}
	}
	return f
}
