package webhook

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"vidbell/notify/tracing"
)

// Names of attributes, those of HTTP and errors as the semantic conventions have them.
const (
	attrEndpoint = attribute.Key("vidbell.endpoint")
	attrEvent    = attribute.Key("messaging.message.id")
	attrAttempt  = attribute.Key("vidbell.attempt")
	attrGroup    = attribute.Key("vidbell.group_size")
	attrReplay   = attribute.Key("vidbell.replay")
	attrMethod   = attribute.Key("http.request.method")
	attrStatus   = attribute.Key("http.response.status_code")
	attrError    = attribute.Key("error.type")
)

// mission is what a span says of an attempt.
type mission struct {
	id     string   // the webhook-id
	number int      // from 1
	parent string   // the traceparent header of the event, if its append was traced
	group  []string // the events that the message tells together; none for one alone
	replay bool
}

// trace begins the span of an attempt. end is given what came of it.
func (s *sender) trace(ctx context.Context, endpoint string, m mission) (traced context.Context, end func(outcome)) {
	if s.tracer == nil {
		return ctx, func(outcome) {}
	}
	var links []trace.Link
	if len(m.group) > 0 {
		links = tracing.Links(m.group)
	}
	traced, span := tracing.StartLater(ctx, s.tracer, m.id, m.parent, "deliver", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attrEndpoint.String(endpoint), attrEvent.String(m.id), attrAttempt.Int(m.number),
			attrMethod.String("POST"), attrReplay.Bool(m.replay), attrGroup.Int(len(m.group))), trace.WithLinks(links...))
	return traced, func(out outcome) {
		if out.status != 0 {
			span.SetAttributes(attrStatus.Int(out.status))
		}
		switch {
		case out.aborted:
			span.SetStatus(codes.Error, "broken off: vidbell was told to stop")
		case !out.delivered():
			span.SetAttributes(attrError.String(string(out.class)))
			span.SetStatus(codes.Error, out.detail)
		}
		span.End()
	}
}

// traceparentOf is the header of a request: of its span, or where nobody traces, of a span that nobody knows, in the same
// trace.
func traceparentOf(ctx context.Context, id string) string {
	if span := trace.SpanFromContext(ctx); span.SpanContext().IsValid() {
		return tracing.Format(span)
	}
	return traceparent(id)
}
