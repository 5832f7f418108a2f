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
)

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
	if r.Method == http.MethodHead { // an answer without an end to one that waits for the end
		streamHeader(w)
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
	o := &sseWriter{w: w, control: http.NewResponseController(w)}
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
			Place: func(place string) error { return put(message{id: place}) },
		})
	}()
	o.loop(beats.C, lines, done, cancel)
}

// message is one event of a stream, in the sense of the standard. One with nothing but an id is no event to a client, which only
// remembers the id.
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
	if m.kind != "" {
		b.WriteString("event: " + m.kind + "\ndata: ")
		b.Write(m.data)
		b.WriteString("\n")
	}
	b.WriteString("\n")
	return o.write(b.String())
}

func (o *sseWriter) write(text string) error {
	if err := o.control.SetWriteDeadline(time.Now().Add(takeTimeout)); err != nil {
		return err
	}
	if !o.started {
		o.started = true
		streamHeader(o.w)
		text = "retry: " + strconv.Itoa(reconnectMillis) + "\n\n" + text
	}
	if _, err := o.w.Write([]byte(text)); err != nil {
		return err
	}
	return o.control.Flush()
}

func streamHeader(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // a proxy that gathers answers would gather this one for ever
	w.WriteHeader(http.StatusOK)
}
