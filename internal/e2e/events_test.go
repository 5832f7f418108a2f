package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vidbell/internal/simulator"
	"vidbell/internal/web"
)

// reader is a client that reads server-sent events as browsers do: it comes back by itself, with the id of the last event.
type reader struct {
	t   *testing.T
	url string

	mu     sync.Mutex
	last   string
	placed bool     // it has an id, of an event or of the beginning
	ids    []string // of the events themselves, as they came
	types  []string
	opens  int
}

func newReader(ctx context.Context, t *testing.T, address, query string) *reader {
	t.Helper()
	r := &reader{t: t, url: "http://" + address + "/v1/events/stream" + query}
	var ended sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	t.Cleanup(func() {
		cancel()
		ended.Wait()
	})
	ended.Go(func() {
		for ctx.Err() == nil {
			r.read(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return r
}

func (r *reader) read(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		r.t.Error(err)
		return
	}
	r.mu.Lock()
	if r.last != "" {
		req.Header.Set("Last-Event-ID", r.last)
	}
	r.mu.Unlock()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return // the service is away
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return // it is starting
	}
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		r.t.Errorf("content type %q", kind)
	}
	r.mu.Lock()
	r.opens++
	r.mu.Unlock()
	lines := bufio.NewScanner(resp.Body)
	var id, kind, data string
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			data = value
		case "":
			r.take(id, kind, data)
			id, kind, data = "", "", ""
		}
	}
}

func (r *reader) take(id, kind, data string) {
	if id != "" && data == "" && kind == "" { // as browsers do: it is remembered, and no event
		r.mu.Lock()
		r.last, r.placed = id, true
		r.mu.Unlock()
	}
	if data == "" {
		return
	}
	var e event
	if err := json.Unmarshal([]byte(data), &e); err != nil || e.Type != kind || id == "" {
		r.t.Errorf("event %q with id %q: %s: %v", kind, id, data, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.ids, r.types = id, append(r.ids, e.ID), append(r.types, kind)
}

func (r *reader) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ids)
}

func (r *reader) hasPlace() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.placed
}

func (r *reader) opened() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opens
}

// Clients without NATS follow by HTTP, come back after each kill of the service, and miss nothing and see nothing twice.
func TestAnEventStreamGoesOnOverKills(t *testing.T) {
	t.Parallel()
	const events, kills = 24, 3
	from, to := newPlatform(t, simulator.WordsListed(), 3, events), newReceiver(t)
	s := deliverTo(local(t, from), to)
	p := start(t, s)
	p.mustHaveBaseline()
	all := newReader(t.Context(), t, s["HTTP_LISTEN"], "")
	failures := newReader(t.Context(), t, s["HTTP_LISTEN"], "?type=video.failed,source.*&source=default")
	p.eventually("two streams", func() bool { return all.opened() == 1 && failures.opened() == 1 })
	for i := range events {
		kind := done
		if i%4 == 0 {
			kind = failed
		}
		from.finish(kind)
		if i%(events/kills) == events/kills-1 {
			p.eventually("some of it", func() bool { return all.count() > i-2 })
			p.kill()
			<-p.exited
			p = start(t, s)
			p.mustBeReady()
		}
	}
	p.eventually("every event", func() bool { return all.count() >= events && failures.count() >= events/4 })
	p.eventually("every event at the receiver", func() bool { return len(to.taken()) == events })
	late := newReader(t.Context(), t, s["HTTP_LISTEN"], "?since=2020-01-01T00:00:00Z")
	p.eventually("every event from the beginning", func() bool { return late.count() >= events })
	for name, r := range map[string]*reader{"all": all, "late": late} {
		ids := slices.Clone(r.ids)
		slices.Sort(ids)
		if len(slices.Compact(ids)) != len(r.ids) || len(r.ids) != events {
			t.Errorf("%s: %d events, %d different", name, len(r.ids), len(slices.Compact(ids)))
		}
		for id := range to.taken() {
			if !slices.Contains(r.ids, id) {
				t.Errorf("%s: %s is missing", name, id)
			}
		}
	}
	if len(failures.types) != events/4 || slices.ContainsFunc(failures.types, func(kind string) bool { return kind != "video.failed" }) {
		t.Errorf("failures: %q", failures.types)
	}
	if all.opened() < kills {
		t.Errorf("%d connections", all.opened())
	}
	begun := time.Now()
	p.stop() // streams are under way
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("the stop took %s: streams hold it", took)
	}
}

// A client that has not had one event yet is as exact as any other: the stream tells it at once where it begins.
func TestNothingIsMissedBeforeTheFirstEventOfAStream(t *testing.T) {
	t.Parallel()
	from := newPlatform(t, simulator.WordsListed(), 3, 4)
	s := local(t, from)
	p := start(t, s)
	p.mustHaveBaseline()
	tail := start(t, s, "tail")
	p.eventually("a stream", func() bool { return p.metric("vidbell_event_streams") == 1 })
	stream := newReader(t.Context(), t, s["HTTP_LISTEN"], "")
	p.eventually("two streams that have begun", func() bool { return stream.hasPlace() && p.metric("vidbell_event_streams") == 2 })
	p.kill()
	<-p.exited
	tail.eventually("a word about it", func() bool { return strings.Contains(tail.stderr.String(), "the service is away, waiting for it") })
	from.finish(done)
	// Somebody else is quicker than both to see it stored, so that they come when it is in the past.
	p = start(t, s.with("HTTP_LISTEN", freeAddress(t)))
	p.eventually("the event in the log", func() bool {
		list := struct{ Events []json.RawMessage }{}
		status, body := p.get("/v1/events")
		return status == http.StatusOK && json.Unmarshal([]byte(body), &list) == nil && len(list.Events) == 1
	})
	p.stop()
	p = start(t, s)
	p.eventually("the event in the stream", func() bool { return stream.count() == 1 })
	tail.eventually("the event on the terminal", func() bool { return strings.Count(tail.stdout.String(), "DONE") == 1 })
	tail.signal(syscall.SIGINT)
	if code := tail.wait(); code != 0 {
		t.Errorf("tail ends with %d", code)
	}
	p.stop()
}

// The engine goes away under an open stream. The stream stays, and goes on when it is back.
func TestAStreamOutlivesItsEngine(t *testing.T) {
	t.Parallel()
	from, b := newPlatform(t, simulator.WordsListed(), 3, 6), newBroker(t)
	b.start()
	s := from.settings().external(t, b)
	p := start(t, s)
	p.mustHaveBaseline()
	stream := newReader(t.Context(), t, s["HTTP_LISTEN"], "")
	p.eventually("a place", stream.hasPlace)
	for i := range 3 {
		from.finish(done)
		p.eventually("an event", func() bool { return stream.count() == 2*i+1 })
		b.stop()
		from.finish(failed)
		p.eventually("the engine to be missed", func() bool { status, _ := p.get("/readyz"); return status == http.StatusServiceUnavailable })
		b.start()
		p.eventually("what happened meanwhile", func() bool { return stream.count() == 2*i+2 })
	}
	ids := slices.Clone(stream.ids)
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 6 || stream.opened() != 1 {
		t.Errorf("%d events, %d connections: %q", len(stream.ids), stream.opened(), stream.ids)
	}
	p.stop()
}

func TestTailFollowsOverARestart(t *testing.T) {
	t.Parallel()
	from := newPlatform(t, simulator.WordsListed(), 3, 4)
	s := local(t, from)
	p := start(t, s)
	p.mustHaveBaseline()
	tail, asJSON := start(t, s, "tail"), start(t, s, "tail", "--json", "--type", "failed", "--since", "1h")
	p.eventually("two streams", func() bool { return p.metric("vidbell_event_streams") == 2 })
	from.finish(done)
	tail.eventually("the first event", func() bool { return strings.Count(tail.stdout.String(), "DONE") == 1 })
	p.stop()
	tail.eventually("a word about it", func() bool { return strings.Contains(tail.stderr.String(), "the service is away, waiting for it") })
	from.finish(failed)
	p = start(t, s)
	tail.eventually("what happened meanwhile", func() bool { return strings.Count(tail.stdout.String(), "FAILED") == 1 })
	asJSON.eventually("the failure", func() bool { return strings.Count(asJSON.stdout.String(), "\n") == 1 })
	var e event
	must(t, json.Unmarshal([]byte(asJSON.stdout.String()), &e))
	if e.Type != "video.failed" {
		t.Errorf("%+v", e)
	}
	mustContain(t, tail.stderr.String(), "the service is back")
	mustContain(t, tail.stdout.String(), e.ID, cause)
	for _, c := range []*process{tail, asJSON} {
		c.signal(syscall.SIGINT)
		if code := c.wait(); code != 0 {
			t.Errorf("tail ends with %d", code)
		}
	}
	p.stop()
	again, code := run(t, s, "tail")
	mustEnd(t, again, code, 1, "no vidbell answers at", "VIDBELL_HTTP_LISTEN")
}

func TestDeliveriesAreFollowedOverARestart(t *testing.T) {
	t.Parallel()
	from, to := newPlatform(t, simulator.WordsListed(), 3, 4), newReceiver(t)
	s := deliverTo(local(t, from), to)
	p := start(t, s)
	p.mustHaveBaseline()
	follow := start(t, s, "deliveries", "--follow", "--json")
	shown := func() map[string]bool { // by event: a kill may have one delivered once more
		ids := map[string]bool{}
		for line := range strings.Lines(follow.stdout.String()) {
			var d web.Delivery
			if json.Unmarshal([]byte(line), &d) == nil {
				ids[d.EventID] = true
			}
		}
		return ids
	}
	from.finish(done)
	follow.eventually("the first attempt", func() bool { return len(shown()) == 1 })
	p.kill()
	<-p.exited
	follow.eventually("a word about it", func() bool { return strings.Contains(follow.stderr.String(), "the service is away, waiting for it") })
	from.finish(failed)
	p = start(t, s)
	follow.eventually("the second event", func() bool { return len(shown()) == 2 })
	follow.eventually("a word about its return", func() bool { return strings.Contains(follow.stderr.String(), "the service is back") })
	seen := shown()
	for id := range to.taken() {
		if !seen[id] {
			t.Errorf("%s is not shown", id)
		}
	}
	follow.signal(syscall.SIGINT)
	if code := follow.wait(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
	p.stop()
}

func TestPeopleReadEventsAndVideos(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	first, second := o.finish(done), o.finish(failed)
	o.eventually("both", func() bool { return len(o.to.taken()) == 2 })

	list := read[web.EventList](o, "events").Events
	if len(list) != 2 {
		t.Fatalf("%d events", len(list))
	}
	var e event
	must(t, json.Unmarshal(list[0].Event, &e))
	var compact bytes.Buffer // the command indents
	must(t, json.Compact(&compact, list[0].Event))
	if sent := o.to.taken()[e.ID]; sent.body != compact.String() {
		t.Errorf("the list has %s, the receiver got %s", list[0].Event, sent.body)
	}
	mustContain(t, o.command(exitOK, "events", "--type", "failed"), "FAILED", e.ID)
	mustContain(t, o.command(exitOK, "events", "show", e.ID), e.ID, `"specversion": "1.0"`, "vidbell deliveries --event "+e.ID)
	mustContain(t, o.command(exitOK, "events", "--status", "failed"), "FAILED", e.ID)
	if none := o.command(exitOK, "events", "--status", "deleted"); none != "no events\n" {
		t.Errorf("deleted: %q", none)
	}
	mustContain(t, o.command(exitUsage, "events", "--status", "finished"), "status", "processing, done")
	if status, body := o.get("/v1/events/" + e.ID); status != http.StatusOK || !strings.Contains(body, `"deliveries":"/v1/deliveries?event_id=`+e.ID) {
		t.Errorf("%d %s", status, body)
	} else if status, body := o.get("/v1/deliveries?event_id=" + e.ID); status != http.StatusOK || !strings.Contains(body, e.ID) {
		t.Errorf("its deliveries: %d %s", status, body)
	}
	for query, want := range map[string]int{"?id=" + e.ID: 1, "?status=done&id=" + e.ID: 0, "?id=evt_NOTTHERE": 0, "?since=1h": 2, "?since=0s": 0} {
		var list web.EventList
		status, body := o.get("/v1/events" + query)
		if err := json.Unmarshal([]byte(body), &list); err != nil || status != http.StatusOK || len(list.Events) != want {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
	var h web.VideoHistory
	_, body := o.get("/v1/videos/default/" + second)
	must(t, json.Unmarshal([]byte(body), &h))
	if !h.Announced || h.WaitsFor != "" || len(h.Events) != int(h.Video.Version) {
		t.Errorf("%s", body)
	}
	mustContain(t, o.command(exitUsage, "events", "--type", "finished.*"), "matches no event type")
	mustContain(t, o.command(exitFailed, "events", "show", "evt_NOTTHERE"), "no such event")

	videos := read[web.VideoList](o, "videos")
	if len(videos.Videos) != 10 || videos.Counts.Known != 10 || videos.Counts.Failed == 0 || videos.Counts.Processing != 3 {
		t.Errorf("%d videos, %+v", len(videos.Videos), videos.Counts)
	}
	mustContain(t, o.command(exitOK, "videos", "--status", "failed"), second, "failed", "shown; known 10")
	mustContain(t, o.command(exitOK, "videos", "show", first), first, "done", "DONE ", "the platform's word: DONE")
	mustContain(t, o.command(exitOK, "videos", "show", "default/"+second), cause)
	mustContain(t, o.command(exitFailed, "videos", "show", "VI1"), "no source knows video")
	mustContain(t, o.command(exitUsage, "videos", "--status", "ready"), "use processing, done")
	if two := read[web.VideoList](o, "videos", "--limit", "2"); len(two.Videos) != 2 || two.NextCursor == "" {
		t.Errorf("%+v", two)
	}
	if n := strings.Count(o.command(exitOK, "events", "--video", first), "\n"); n != 1 {
		t.Errorf("%d lines of one video", n)
	}
	status, body := o.get("/v1/events/stream?from=x")
	if status != http.StatusBadRequest || !strings.Contains(body, "this page takes") {
		t.Errorf("%d %s", status, body)
	}
	status, body = o.get("/v1/events/stream?last_event_id=nonsense")
	if status != http.StatusBadRequest || !strings.Contains(body, "Last-Event-ID") {
		t.Errorf("%d %s", status, body)
	}
	status, body = o.get("/v1/events/stream?type=nonsense.*")
	if status != http.StatusBadRequest {
		t.Errorf("%d %s", status, body)
	}
	for i := range 70 { // more streams than there may be
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s/v1/events/stream", o.settings["HTTP_LISTEN"]), nil)
		must(t, err)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		t.Cleanup(func() { _ = resp.Body.Close() })
		if want := i < 64; (resp.StatusCode == http.StatusOK) != want {
			t.Fatalf("stream %d: status %d", i+1, resp.StatusCode)
		}
	}
	o.stop()
}
