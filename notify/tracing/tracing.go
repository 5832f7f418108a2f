package tracing

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"slices"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Header is the name of the W3C Trace Context header in NATS messages.
const Header = "traceparent"

// TraceID is the id of an event's trace.
func TraceID(eventID string) trace.TraceID { return idsOf(eventID).trace }

// ids are what a span is to have instead of random ones. A zero span is random all the same.
type ids struct {
	trace trace.TraceID
	span  trace.SpanID
}

func idsOf(eventID string) ids {
	sum := sha256.Sum256([]byte("vidbell trace " + eventID))
	return ids{trace: trace.TraceID(sum[:16]), span: trace.SpanID(sum[16:24])}
}

type idsKey struct{}

// StartEvent starts the first span of an event's trace. ctx need not be in that trace, and what is returned is not one to go
// on with.
func StartEvent(ctx context.Context, tracer trace.Tracer, eventID, name string, opts ...trace.SpanStartOption) trace.Span {
	_, span := tracer.Start(context.WithValue(ctx, idsKey{}, idsOf(eventID)), name, append(slices.Clip(opts), trace.WithNewRoot())...)
	return span
}

// StartLater starts a span in an event's trace some time after its first one, below the span that parent names: the value of
// a traceparent header. Without a proper one the span has no parent, but is in the event's trace all the same.
func StartLater(ctx context.Context, tracer trace.Tracer, eventID, parent, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	of := idsOf(eventID)
	if remote, ok := Parse(parent); ok && remote.TraceID() == of.trace {
		return tracer.Start(trace.ContextWithRemoteSpanContext(ctx, remote), name, opts...)
	}
	of.span = trace.SpanID{}
	return tracer.Start(context.WithValue(ctx, idsKey{}, of), name, append(slices.Clip(opts), trace.WithNewRoot())...)
}

// maxLinks bounds the links of one span.
const maxLinks = 100

// Links lead from a span to the first spans of events, of which only so many are named.
func Links(eventIDs []string) []trace.Link {
	links := make([]trace.Link, 0, min(len(eventIDs), maxLinks))
	for _, id := range eventIDs[:cap(links)] {
		of := idsOf(id)
		links = append(links, trace.Link{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: of.trace, SpanID: of.span, Remote: true})})
	}
	return links
}

// Parse reads the value of a traceparent header.
func Parse(traceparent string) (trace.SpanContext, bool) {
	if traceparent == "" {
		return trace.SpanContext{}, false
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{Header: traceparent})
	sc := trace.SpanContextFromContext(ctx)
	return sc, sc.IsValid()
}

// Format is the value of a traceparent header, empty for a span that has no ids because nobody traces.
func Format(span trace.Span) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpan(context.Background(), span), carrier)
	return carrier[Header]
}

// Generator makes the ids of an SDK's spans: those of an event where one is started, else random ones. It is an
// IDGenerator of go.opentelemetry.io/otel/sdk/trace.
type Generator struct{}

// NewIDs returns the ids of a span that begins a trace.
func (Generator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	of, given := ctx.Value(idsKey{}).(ids)
	if !given {
		fill(of.trace[:])
	}
	if !of.span.IsValid() {
		fill(of.span[:])
	}
	return of.trace, of.span
}

// NewSpanID returns the id of a span within a trace.
func (Generator) NewSpanID(context.Context, trace.TraceID) trace.SpanID {
	var id trace.SpanID
	fill(id[:])
	return id
}

// fill never leaves all zeroes but with a chance of 2^-64, and then that one span is dropped by whoever collects them.
func fill(id []byte) { _, _ = rand.Read(id) }
