package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
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
	Event(ctx context.Context, id string) (StoredEvent, error)
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
	Limit   int
}

// Subscriber is given what Follow reads.
type Subscriber struct {
	Event func(e StreamedEvent) error
	Gap   func(g Gap) error
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

// HandleEvents adds the pages about events, behind the token.
func (s *Server) HandleEvents(reader EventReader, registerer prometheus.Registerer) {
	open := promauto.With(registerer).NewGauge(prometheus.GaugeOpts{
		Name: "vidbell_event_streams", Help: "Clients that follow events over HTTP now.",
	})
	s.Handle("GET /v1/events", page(func(r *http.Request, q *query) (any, error) {
		f := q.events()
		f.Until, f.Place, f.Limit = q.moment("until"), q.text("cursor"), q.count("limit", usualPage, maxPage)
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
	f := EventFilter{Source: q.text("source"), VideoNo: q.text("video_no"), Since: q.moment("since")}
	for kind := range strings.SplitSeq(q.text("type"), ",") {
		if kind = strings.TrimSpace(kind); kind != "" {
			f.Types = append(f.Types, kind)
		}
	}
	return f
}

const (
	// maxStreams is how many clients may follow at once. Each is a reader of the engine and a connection.
	maxStreams = 64
	// heartbeatEvery keeps proxies from taking a quiet stream for a dead one, and finds a client that is gone.
	heartbeatEvery = 15 * time.Second
	// takeTimeout is how long a client may take to take what it is sent.
	takeTimeout = 30 * time.Second
	// reconnectMillis is how long a client waits before it comes back.
	reconnectMillis = 2000
	// streamsRetry is for whoever finds no place, in seconds.
	streamsRetry = "10"
)

// eventStream serves events as server-sent events, the form of the WHATWG HTML standard.
type eventStream struct {
	server *Server
	reader EventReader
	open   prometheus.Gauge
	places chan struct{}
}

// ServeHTTP sends events until the client goes or the server stops.
func (s *eventStream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := newQuery(r.URL.RawQuery)
	f := q.events()
	f.Place = q.text("last_event_id")
	if last := r.Header.Get("Last-Event-ID"); last != "" { // of a client that comes back: its address is still that of the beginning
		f.Place = last
	}
	if err := q.problem(); err != nil {
		refuse(w, err)
		return
	}
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	default:
		w.Header().Set("Retry-After", streamsRetry)
		Problem(w, http.StatusServiceUnavailable, fmt.Sprintf("%d streams are open, which is as many as there may be", maxStreams))
		return
	}
	s.open.Inc()
	defer s.open.Dec()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.server.stopping, cancel)()
	o := &sseWriter{w: w, control: http.NewResponseController(w), started: false}
	_ = o.control.SetReadDeadline(time.Time{}) // the server's bound is for requests; a connection that cannot be told keeps it
	beats := time.NewTicker(heartbeatEvery)
	defer beats.Stop()
	lines, done := make(chan message), make(chan error, 1)
	put := func(m message) error {
		select {
		case lines <- m:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	go func() {
		done <- s.reader.Follow(ctx, f, Subscriber{
			Event: func(e StreamedEvent) error { return put(message{id: e.Place, kind: e.Type, data: e.Body}) },
			Gap: func(g Gap) error {
				data, err := json.Marshal(g)
				if err != nil {
					return err
				}
				return put(message{kind: "vidbell.gap", data: data})
			},
		})
	}()
	o.loop(beats.C, lines, done, cancel)
}

// message is one event of a stream, in the sense of the standard.
type message struct {
	id, kind string
	data     []byte
}

// sseWriter writes a stream. Before the first byte an error is still a problem document.
type sseWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	started bool
}

// startWait is how long a stream may be silent before its headers go out: until then a wrong request is answered as such.
const startWait = 300 * time.Millisecond

func (o *sseWriter) loop(beats <-chan time.Time, lines <-chan message, done <-chan error, stop func()) {
	start := time.NewTimer(startWait)
	defer start.Stop()
	for {
		var err error
		select {
		case err := <-done:
			switch {
			case o.started:
			case err != nil:
				refuse(o.w, err)
			default:
				Problem(o.w, http.StatusServiceUnavailable, "the service is being stopped")
			}
			return
		case <-start.C:
			err = o.write("") // the headers
		case m := <-lines:
			err = o.send(m)
		case <-beats:
			err = o.write(": still here\n\n")
		}
		if err != nil { // the client is gone, or takes nothing
			stop()
			<-done //nolint:errcheck // of what we ended
			return
		}
	}
}

func (o *sseWriter) send(m message) error {
	var b strings.Builder
	if m.id != "" {
		b.WriteString("id: " + m.id + "\n")
	}
	b.WriteString("event: " + m.kind + "\ndata: ")
	b.Write(m.data)
	b.WriteString("\n\n")
	return o.write(b.String())
}

func (o *sseWriter) write(text string) error {
	if err := o.control.SetWriteDeadline(time.Now().Add(takeTimeout)); err != nil {
		return err
	}
	if !o.started {
		o.started = true
		h := o.w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("X-Accel-Buffering", "no") // a proxy that gathers answers would gather this one for ever
		o.w.WriteHeader(http.StatusOK)
		text = "retry: " + strconv.Itoa(reconnectMillis) + "\n\n" + text
	}
	if _, err := o.w.Write([]byte(text)); err != nil {
		return err
	}
	return o.control.Flush()
}
