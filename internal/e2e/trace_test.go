package e2e

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"vidbell/internal/simulator"
	"vidbell/notify/tracing"
)

// spans is a collector: it takes what is exported to it by OTLP over HTTP.
type spans struct {
	t   *testing.T
	url string

	mu  sync.Mutex
	all []*otlp.Span
}

func newCollector(t *testing.T) *spans {
	t.Helper()
	s := &spans{t: t}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *spans) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // a process that was ended
	}
	var export collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &export); err != nil || req.URL.Path != "/v1/traces" {
		s.t.Errorf("%s %s: %v", req.Method, req.URL, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range export.ResourceSpans {
		for _, scope := range r.ScopeSpans {
			s.all = append(s.all, scope.Spans...)
		}
	}
}

// find returns the spans of a name in a trace; any trace, if that is nil.
func (s *spans) find(name string, trace []byte) (found []*otlp.Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.all {
		if span.Name == name && (trace == nil || bytes.Equal(span.TraceId, trace)) {
			found = append(found, span)
		}
	}
	return found
}

func TestATraceLeadsFromThePollToEachAttempt(t *testing.T) {
	t.Parallel()
	from, to, sink := newPlatform(t, simulator.WordsListed(), 3, 1), newReceiver(t), newCollector(t)
	refused := false
	parents := map[string]bool{} // of the requests, by their headers
	var mu sync.Mutex
	to.answers(func(a arrival) int {
		mu.Lock()
		defer mu.Unlock()
		parents[a.header.Get("Traceparent")] = true
		if !refused {
			refused = true
			return http.StatusInternalServerError
		}
		return http.StatusNoContent
	})
	settings := deliverTo(local(t, from), to).with("WEBHOOK_SCHEDULE", "0,100ms,100ms")
	p := startIn(t, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + sink.url, "OTEL_BSP_SCHEDULE_DELAY=50"}, settings)
	p.mustHaveBaseline()
	nc := connect(t, p.subscribeURL())
	heard := listen(t, nc, "video.done.>")
	from.finish("done")
	p.eventually("the event at the receiver", func() bool { return len(to.taken()) == 1 })
	var id string
	for id = range to.taken() {
		break
	}
	trace := tracing.TraceID(id)
	p.eventually("two attempts in the event's trace", func() bool { return len(sink.find("deliver", trace[:])) == 2 })
	p.eventually("the message", func() bool { return len(heard.seen()) == 1 })

	published := sink.find("publish", trace[:])
	if len(published) != 1 {
		t.Fatalf("%d spans publish in the event's trace", len(published))
	}
	if header := heard.seen()[0].Header["traceparent"]; len(header) != 1 || !strings.Contains(header[0], hex.EncodeToString(published[0].SpanId)) {
		t.Errorf("the message has the traceparent %q, want it to name span %x", header, published[0].SpanId)
	}
	for _, attempt := range sink.find("deliver", trace[:]) {
		if !bytes.Equal(attempt.ParentSpanId, published[0].SpanId) {
			t.Errorf("an attempt is below span %x, want below publish", attempt.ParentSpanId)
		}
		if header := "00-" + trace.String() + "-" + hex.EncodeToString(attempt.SpanId) + "-01"; !parents[header] {
			t.Errorf("no request had the traceparent %s of an attempt", header)
		}
	}
	if len(published[0].Links) != 1 {
		t.Fatalf("publish has %d links, want one to the append", len(published[0].Links))
	}
	poll := published[0].Links[0].TraceId
	for _, name := range []string{"poll", "list", "diff", "append"} {
		p.eventually("span "+name+" in the trace of the poll", func() bool { return len(sink.find(name, poll)) > 0 })
	}
	p.stop()
}

func TestACollectorThatIsAwayCostsNoEvent(t *testing.T) {
	t.Parallel()
	from, to := newPlatform(t, simulator.WordsListed(), 3, 1), newReceiver(t)
	p := startIn(t, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + freeAddress(t), "OTEL_BSP_SCHEDULE_DELAY=50"}, deliverTo(local(t, from), to))
	p.mustHaveBaseline()
	from.finish("done")
	p.eventually("the event at the receiver", func() bool { return len(to.taken()) == 1 })
	p.eventually("a word about the collector", func() bool { return strings.Contains(p.stderr.String(), "traces cannot be exported") })
	begun := time.Now()
	p.stop()
	if took := time.Since(begun); took > 8*time.Second {
		t.Errorf("the stop took %s", took)
	}
}

func TestCheckNamesWhatIsWrongAboutTraces(t *testing.T) {
	t.Parallel()
	from := newPlatform(t, simulator.WordsListed(), 0, 0)
	p := startIn(t, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317"}, local(t, from), "check")
	mustEnd(t, p, p.wait(), 3, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
}
