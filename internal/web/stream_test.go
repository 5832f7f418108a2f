package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"vidbell/internal/web"
)

// newsroom plays the stored events: what a test sends goes to whoever follows.
type newsroom struct {
	err    error
	filter chan web.EventFilter
	events chan web.StreamedEvent
	ended  atomic.Int32 // followers that are gone
}

func newNewsroom() *newsroom {
	return &newsroom{filter: make(chan web.EventFilter, 100), events: make(chan web.StreamedEvent)}
}

func (n *newsroom) Events(_ context.Context, f web.EventFilter) (web.EventList, error) {
	n.filter <- f
	return web.EventList{}, n.err
}

func (n *newsroom) Event(context.Context, string) (web.OneEvent, error) {
	return web.OneEvent{StoredEvent: web.StoredEvent{Seq: 1, Event: json.RawMessage(oneEvent)}, Deliveries: "/v1/deliveries?event_id=evt_1"}, n.err
}

func (n *newsroom) Follow(ctx context.Context, f web.EventFilter, to web.Subscriber) error {
	defer n.ended.Add(1)
	n.filter <- f
	if n.err != nil {
		return n.err
	}
	if f.Place == "OLD-1-0" {
		if err := to.Gap(web.Gap{Reason: "events_expired", OldestAt: &stored}); err != nil {
			return err
		}
	}
	if err := to.Place("MARK-5-0"); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-n.events:
			if err := to.Event(e); err != nil {
				return err
			}
		}
	}
}

func (n *newsroom) add(s *web.Server) { s.HandleEvents(n, prometheus.NewRegistry()) }

// lines reads a stream line by line.
func lines(t *testing.T, client *http.Client, url string, edit func(*http.Request)) (header http.Header, next func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(req)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	scanner := bufio.NewScanner(resp.Body)
	return resp.Header, func() string {
		if !scanner.Scan() {
			return "end"
		}
		return scanner.Text()
	}
}

func mustRead(t *testing.T, next func() string, want ...string) {
	t.Helper()
	for _, line := range want {
		if got := next(); got != line {
			t.Fatalf("line %q, want %q", got, line)
		}
	}
}

func TestAStreamIsServerSentEvents(t *testing.T) {
	n := newNewsroom()
	base, client := start(t, "hush", nil, n.add)
	if got := ask(t, client, "GET", base+"/v1/events/stream", nil); got.status != 401 {
		t.Errorf("without the token: %d", got.status)
	}
	header, next := lines(t, client, base+"/v1/events/stream?type=video.done,source.*&source=press&video_no=VI1", bearer("Bearer hush"))
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "X-Accel-Buffering": "no", "Cache-Control": "no-store", "Content-Encoding": "",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	f := <-n.filter
	if strings.Join(f.Types, " ") != "video.done source.*" || f.Source != "press" || f.VideoNo != "VI1" || f.Place != "" {
		t.Errorf("asked for %+v", f)
	}
	mustRead(t, next, "retry: 2000", "", "id: MARK-5-0", "")
	n.events <- web.StreamedEvent{Place: "MARK-6-0", Type: "video.done", Body: []byte(`{"id": "evt_1"}`)}
	mustRead(t, next, "id: MARK-6-0", "event: video.done", `data: {"id": "evt_1"}`, "")
}

func TestAStreamIsTakenUpWhereItWas(t *testing.T) {
	n := newNewsroom()
	base, client := start(t, "", nil, n.add)
	_, next := lines(t, client, base+"/v1/events/stream?last_event_id=MARK-1-0", func(r *http.Request) { r.Header.Set("Last-Event-ID", "OLD-1-0") })
	if f := <-n.filter; f.Place != "OLD-1-0" {
		t.Errorf("the place is %q: the header is newer than the address", f.Place)
	}
	mustRead(t, next, "retry: 2000", "", "event: vidbell.gap", `data: {"reason":"events_expired","oldest_at":"2026-11-23T22:04:05.123Z"}`, "", "id: MARK-5-0", "")
	lines(t, client, base+"/v1/events/stream?last_event_id=MARK-1-0", nil)
	if f := <-n.filter; f.Place != "MARK-1-0" {
		t.Errorf("the place is %q", f.Place)
	}
	before := time.Now().Add(-90 * time.Minute)
	lines(t, client, base+"/v1/events/stream?since=1h30m", nil)
	if f := <-n.filter; f.Since.Before(before) || f.Since.After(time.Now().Add(-89*time.Minute)) {
		t.Errorf("since %s", f.Since)
	}
}

func TestStreamsThatCannotBe(t *testing.T) {
	n := newNewsroom()
	base, client := start(t, "", nil, n.add)
	for name, c := range map[string]struct {
		query  string
		err    error
		status int
		text   string
	}{
		"an unknown condition": {"?kind=x", nil, 400, "this page takes"},
		"a time of no form":    {"?since=yesterday", nil, 400, "or how long ago"},
		"a time to come":       {"?since=-1h", nil, 400, "or how long ago"},
		"a page's end":         {"?until=2026-11-23T22:04:05Z", nil, 400, "until"},
		"what the reader says": {"?last_event_id=x", &web.InvalidError{Field: "Last-Event-ID", Problem: "no"}, 400, "Last-Event-ID"},
		"not started yet":      {"", web.ErrStarting, 503, ""},
		"the engine is away":   {"", web.ErrAway, 503, "engine"},
		"something else":       {"", errors.New("secret"), 500, "log says why"},
	} {
		n.err = c.err
		got := ask(t, client, "GET", base+"/v1/events/stream"+c.query, nil)
		if got.status != c.status || got.header.Get("Content-Type") != "application/problem+json" || !strings.Contains(got.body, c.text) || strings.Contains(got.body, "secret") {
			t.Errorf("%s: %d %s %s", name, got.status, got.header.Get("Content-Type"), got.body)
		}
	}
	n.err = nil
	if got := ask(t, client, "HEAD", base+"/v1/events/stream", nil); got.status != 200 || got.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: %d %s", got.status, got.header.Get("Content-Type"))
	}
}

func TestTheListOfEventsTakesEveryCondition(t *testing.T) {
	n := newNewsroom()
	base, client := start(t, "", nil, n.add)
	got := ask(t, client, "GET", base+"/v1/events?type=video.done&source=press&video_no=VI1&status=done&id=evt_1&since=2026-11-23T22:04:05Z&until=2026-11-24T22:04:05Z&cursor=M-1-2&limit=3", nil)
	if got.status != 200 || got.body != `{"events":[],"next_cursor":""}`+"\n" {
		t.Fatalf("%d %q", got.status, got.body)
	}
	f := <-n.filter
	if f.Status != "done" || f.ID != "evt_1" || f.Place != "M-1-2" || f.Limit != 3 || f.Until.IsZero() || f.Since.IsZero() {
		t.Errorf("asked for %+v", f)
	}
	if got := ask(t, client, "GET", base+"/v1/events?since=2026-11-25T22:04:05Z&until=2026-11-24T22:04:05Z", nil); got.status != 400 {
		t.Errorf("an end before the beginning: %d", got.status)
	}
	if got := ask(t, client, "GET", base+"/v1/events/evt_1", nil); got.status != 200 || !strings.Contains(got.body, `"deliveries":"/v1/deliveries?event_id=evt_1"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// streamPipes is a listener of connections in memory, so that time can be made to pass.
type streamPipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p streamPipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p streamPipes) Close() error {
	close(p.done)
	return nil
}

func (p streamPipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080} }

// inMemory runs a server in a bubble of time and returns a connection to it.
func inMemory(t *testing.T, add func(*web.Server)) (conn net.Conn, stop func()) {
	t.Helper()
	p := streamPipes{make(chan net.Conn), make(chan struct{})}
	s, err := web.New(web.Config{
		Listener: p, Gatherer: prometheus.NewRegistry(), Ready: func() []web.Check { return nil }, Version: "v1", Logger: zap.NewNop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	add(s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	near, far := net.Pipe()
	p.conns <- far
	return near, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		near.Close()
	}
}

const streamRequest = "GET /v1/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"

// A quiet stream lives on past every bound of a request, and says so.
func TestAQuietStreamSaysThatItIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNewsroom()
		conn, stop := inMemory(t, n.add)
		defer stop()
		go func() { _, _ = conn.Write([]byte(streamRequest)) }()
		scanner, beats, begun := bufio.NewScanner(conn), 0, time.Now()
		for beats < 20 && scanner.Scan() {
			if strings.HasPrefix(scanner.Text(), ": ") {
				beats++
				if want := time.Duration(beats) * 15 * time.Second; time.Since(begun) != want {
					t.Errorf("sign of life %d after %s, want %s", beats, time.Since(begun), want)
				}
			}
		}
		if beats != 20 {
			t.Fatalf("the stream ended after %s and %d signs of life: %v", time.Since(begun), beats, scanner.Err())
		}
		go func() { n.events <- web.StreamedEvent{Place: "MARK-6-0", Type: "video.done", Body: []byte(`{}`)} }()
		for scanner.Scan() && scanner.Text() != "event: video.done" {
		}
		if scanner.Text() != "event: video.done" {
			t.Errorf("no event after %s of silence", time.Since(begun))
		}
	})
}

// A client that takes nothing is cut off, and its follower is gone.
func TestAClientThatTakesNothingIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNewsroom()
		conn, stop := inMemory(t, n.add)
		defer stop()
		_, _ = conn.Write([]byte(streamRequest)) // and reads nothing: not even the header
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if n.ended.Load() != 0 {
			t.Error("it was cut off too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n.ended.Load() != 1 {
			t.Error("it still holds a follower")
		}
	})
}

// The end of the service does not wait for streams.
func TestAStopEndsStreamsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNewsroom()
		conn, stop := inMemory(t, n.add)
		_, _ = conn.Write([]byte(streamRequest))
		scanner := bufio.NewScanner(conn)
		for scanner.Scan() && scanner.Text() != "id: MARK-5-0" {
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for scanner.Scan() {
			}
		}()
		begun := time.Now()
		stop()
		if took := time.Since(begun); took > time.Second || n.ended.Load() != 1 {
			t.Errorf("the stop took %s, %d followers ended", took, n.ended.Load())
		}
		<-ended
	})
}
