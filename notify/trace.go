package notify

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"vidbell/diff"
	"vidbell/notify/tracing"
)

// Names of attributes. Those of messaging are of the semantic conventions, which call them experimental.
const (
	attrSource  = attribute.Key("vidbell.source")
	attrVideo   = attribute.Key("vidbell.video_no")
	attrType    = attribute.Key("vidbell.event_type")
	attrEvents  = attribute.Key("vidbell.events")
	attrNotes   = attribute.Key("vidbell.notes")
	attrLearned = attribute.Key("vidbell.learned")
	attrSystem  = attribute.Key("messaging.system")
	attrAction  = attribute.Key("messaging.operation.name")
	attrKind    = attribute.Key("messaging.operation.type")
	attrInto    = attribute.Key("messaging.destination.name")
	attrMessage = attribute.Key("messaging.message.id")
)

func (l *Log) startAppend(ctx context.Context, source string, res *diff.Result) (context.Context, trace.Span) {
	ctx, span := l.tracer.Start(ctx, "append")
	if span.IsRecording() {
		span.SetAttributes(attrSource.String(source), attrEvents.Int(len(res.Changes)), attrNotes.Int(len(res.Notes)),
			attrLearned.Int(len(res.Learned)))
	}
	return ctx, span
}

func endAppend(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// startEvents begins the trace of each event of a batch, and writes into its message where it begins. What is not stored has
// no trace: such spans are not ended, and nobody ever sees them.
func (l *Log) startEvents(ctx context.Context, batch []entry) []trace.Span {
	now := trace.SpanFromContext(ctx)
	if !now.SpanContext().IsValid() {
		return nil // nobody traces
	}
	spans := make([]trace.Span, 0, len(batch))
	for _, e := range batch {
		if e.kind == "" {
			continue
		}
		span := tracing.StartEvent(ctx, l.tracer, e.id, "publish", trace.WithSpanKind(trace.SpanKindProducer),
			trace.WithLinks(trace.Link{SpanContext: now.SpanContext()}),
			trace.WithAttributes(
				attrSystem.String("nats"), attrAction.String("publish"), attrKind.String("send"), attrInto.String(l.names.Stream()),
				attrMessage.String(e.id), attrType.String("video."+e.kind), attrVideo.String(e.video),
			))
		if parent := tracing.Format(span); parent != "" {
			e.msg.Header[tracing.Header] = []string{parent}
		}
		spans = append(spans, span)
	}
	return spans
}

func endEvents(spans []trace.Span) {
	for _, s := range spans {
		s.End()
	}
}
