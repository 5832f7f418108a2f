package tracing_test

import (
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"vidbell/notify/tracing"
)

func newTracer(t *testing.T) (trace.Tracer, *tracetest.InMemoryExporter) {
	t.Helper()
	kept := tracetest.NewInMemoryExporter()
	p := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept), sdktrace.WithIDGenerator(tracing.Generator{}))
	t.Cleanup(func() { _ = p.Shutdown(t.Context()) })
	return p.Tracer("test"), kept
}

func TestAnEventHasOneTraceWhoeverSpeaksOfIt(t *testing.T) {
	t.Parallel()
	tracer, kept := newTracer(t)
	other, elsewhere := newTracer(t)

	ctx, poll := tracer.Start(t.Context(), "poll")
	first := tracing.StartEvent(ctx, tracer, "evt_1", "publish")
	header := tracing.Format(first)
	first.End()
	poll.End()
	_, later := tracing.StartLater(t.Context(), other, "evt_1", header, "deliver")
	later.End()
	_, untold := tracing.StartLater(t.Context(), other, "evt_1", "", "deliver")
	untold.End()
	_, misled := tracing.StartLater(t.Context(), other, "evt_1", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "deliver")
	misled.End()

	publish := kept.GetSpans()[0]
	if publish.Parent.IsValid() || publish.SpanContext.TraceID() == poll.SpanContext().TraceID() {
		t.Errorf("the event's first span has the parent %v and is in the trace of the poll", publish.Parent)
	}
	spans := elsewhere.GetSpans()
	for i, s := range spans {
		if s.SpanContext.TraceID() != tracing.TraceID("evt_1") {
			t.Errorf("span %d is in trace %s, want the event's", i, s.SpanContext.TraceID())
		}
	}
	if spans[0].Parent.SpanID() != publish.SpanContext.SpanID() {
		t.Errorf("the attempt is below %s, want below %s", spans[0].Parent.SpanID(), publish.SpanContext.SpanID())
	}
	if spans[1].Parent.IsValid() || spans[2].Parent.IsValid() {
		t.Error("an attempt whose event has no trace to go on with, or another one's, has a parent")
	}
	if spans[1].SpanContext.SpanID() == spans[2].SpanContext.SpanID() || spans[1].SpanContext.SpanID() == publish.SpanContext.SpanID() {
		t.Error("two attempts share a span id")
	}
	if link := tracing.Links([]string{"evt_1"})[0]; link.SpanContext.SpanID() != publish.SpanContext.SpanID() {
		t.Errorf("a link leads to %s", link.SpanContext.SpanID())
	}
}

func TestTheLinksOfASpanAreBounded(t *testing.T) {
	t.Parallel()
	if n := len(tracing.Links(make([]string, 5000))); n != 100 {
		t.Errorf("%d links", n)
	}
}

func TestWhereNobodyTracesThereIsNoHeader(t *testing.T) {
	t.Parallel()
	span := tracing.StartEvent(t.Context(), noop.Tracer{}, "evt_1", "publish")
	if header := tracing.Format(span); header != "" {
		t.Errorf("header %q", header)
	}
	if _, ok := tracing.Parse("00-nonsense"); ok {
		t.Error("nonsense was taken for a header")
	}
}
