package poller

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"vidbell/diff"
	"vidbell/poller/memories"
)

// Names of attributes of spans.
const (
	attrSource       = attribute.Key("vidbell.source")
	attrLane         = attribute.Key("vidbell.lane")
	attrPage         = attribute.Key("vidbell.page")
	attrVideos       = attribute.Key("vidbell.videos")
	attrObservations = attribute.Key("vidbell.observations")
	attrChanges      = attribute.Key("vidbell.changes")
	attrError        = attribute.Key("error.type")
)

// traced runs what one span is about: a poll, or a look at what a hint spoke of. Everything that it asks, decides and stores
// is below it.
func (r *runner) traced(ctx context.Context, name string, do func(context.Context) error) error {
	ctx, span := r.poller.tracer.Start(ctx, name, trace.WithNewRoot())
	defer span.End()
	if span.IsRecording() {
		span.SetAttributes(attrSource.String(r.Name))
	}
	err := do(ctx)
	if err != nil && ctx.Err() == nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}

// list makes one request in a span of its own.
func (r *runner) list(ctx context.Context, l lane, q memories.Query) (memories.Page, error) {
	ctx, span := r.poller.tracer.Start(ctx, "list", trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	page, err := r.Lister.List(ctx, q)
	if !span.IsRecording() {
		return page, err
	}
	span.SetAttributes(attrSource.String(r.Name), attrLane.String(string(l)), attrPage.Int(q.Page), attrVideos.Int(len(page.Videos)))
	if err != nil && ctx.Err() == nil {
		span.SetAttributes(attrError.String(string(memories.ClassOf(err))))
		span.SetStatus(codes.Error, err.Error())
	}
	return page, err
}

// reconcile has the diff decide, in a span of its own.
func (r *runner) reconcile(ctx context.Context, in diff.Input) *diff.Result {
	_, span := r.poller.tracer.Start(ctx, "diff")
	defer span.End()
	res := diff.Reconcile(r.state, in, r.policy())
	if span.IsRecording() {
		span.SetAttributes(attrSource.String(r.Name), attrObservations.Int(len(in.Observations)), attrChanges.Int(len(res.Changes)))
	}
	return res
}
