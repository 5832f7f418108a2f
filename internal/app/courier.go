package app

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.uber.org/zap"

	"vidbell/internal/web"
	"vidbell/notify/webhook"
)

// delivering is what the HTTP pages reach of the dispatcher.
type delivering interface {
	Endpoints(ctx context.Context) ([]webhook.EndpointState, error)
	Enable(ctx context.Context, endpoint string) error
	Disable(ctx context.Context, endpoint, why string) error
	SendTest(ctx context.Context, endpoint, eventType string) (webhook.TestResult, error)
	Attempts(ctx context.Context, q webhook.AttemptQuery) (list []webhook.Attempt, next uint64, err error)
	DeadLetters(ctx context.Context, q webhook.DeadQuery) (list []webhook.DeadLetter, next uint64, err error)
	Replay(ctx context.Context, r webhook.ReplayRequest) (webhook.ReplayResult, error)
	Why(ctx context.Context, endpoint, about string) (webhook.Explanation, error)
}

// courier is the dispatcher as people reach it over HTTP. The pages are there before the dispatcher is.
type courier struct {
	log      *zap.Logger
	attached atomic.Pointer[delivering]
}

// attach says that the consumers exist.
func (c *courier) attach(d delivering) { c.attached.Store(&d) }

// use does something with the dispatcher, and says what went wrong in the words of the pages. What they have no words for is
// logged: whoever asked is told to look there.
func (c *courier) use(what string, do func(delivering) error) error {
	d := c.attached.Load()
	if d == nil {
		return web.ErrStarting
	}
	err := do(*d)
	var field *webhook.FieldError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &field):
		return &web.InvalidError{Field: field.Field, Problem: field.Err.Error()}
	case errors.Is(err, webhook.ErrNoEndpoint):
		return web.ErrNoEndpoint
	case errors.Is(err, webhook.ErrNoEvent):
		return web.ErrNoEvent
	case errors.Is(err, webhook.ErrReplayFull):
		return web.ErrReplayFull
	case passing(err), errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %w", web.ErrAway, err)
	}
	c.log.Error("an operator's request failed", zap.String("request", what), zap.Error(err))
	return err
}

// Endpoints shows every endpoint.
func (c *courier) Endpoints(ctx context.Context) (list []web.Endpoint, err error) {
	err = c.use("list endpoints", func(d delivering) error {
		states, err := d.Endpoints(ctx)
		for _, s := range states {
			list = append(list, shownEndpoint(s))
		}
		return err
	})
	return list, err
}

// Enable lets an endpoint have its deliveries again.
func (c *courier) Enable(ctx context.Context, name, reason string) error {
	err := c.use("enable endpoint", func(d delivering) error { return d.Enable(ctx, name) })
	if err == nil {
		c.log.Info("endpoint enabled by an operator", zap.String("endpoint", name), zap.String("reason", reason))
	}
	return err
}

// Disable keeps an endpoint's deliveries.
func (c *courier) Disable(ctx context.Context, name, reason string) error {
	return c.use("disable endpoint", func(d delivering) error { return d.Disable(ctx, name, reason) })
}

// SendTest makes one request.
func (c *courier) SendTest(ctx context.Context, name, eventType string) (test web.Test, err error) {
	err = c.use("send a test", func(d delivering) error {
		r, err := d.SendTest(ctx, name, eventType)
		test = web.Test{Delivery: shownAttempt(r.Attempt), RequestHeaders: r.RequestHeaders, RequestBody: r.RequestBody}
		return err
	})
	return test, err
}

// Deliveries lists attempts.
func (c *courier) Deliveries(ctx context.Context, f web.DeliveryFilter) (list web.DeliveryList, err error) {
	err = c.use("list deliveries", func(d delivering) error {
		attempts, next, err := d.Attempts(ctx, webhook.AttemptQuery{
			Endpoint: f.Endpoint, EventID: f.EventID, VideoNo: f.VideoNo, Source: f.Source, Type: f.Type, Class: f.Class,
			Failed: f.Failed, Since: f.Since, Until: f.Until, Before: f.Before, Limit: f.Limit,
		})
		list = web.DeliveryList{Deliveries: shownAttempts(attempts), NextCursor: web.Cursor(next)}
		return err
	})
	return list, err
}

// DeadLetters lists what was given up.
func (c *courier) DeadLetters(ctx context.Context, f web.DeadLetterFilter) (list web.DeadLetterList, err error) {
	err = c.use("list dead letters", func(d delivering) error {
		letters, next, err := d.DeadLetters(ctx, webhook.DeadQuery{
			Endpoint: f.Endpoint, EventID: f.EventID, VideoNo: f.VideoNo, Source: f.Source, Type: f.Type, Class: f.Class,
			Reason: f.Reason, Since: f.Since, Until: f.Until, Before: f.Before, Limit: f.Limit,
		})
		list.NextCursor = web.Cursor(next)
		for _, l := range letters {
			list.DeadLetters = append(list.DeadLetters, shownLetter(l))
		}
		return err
	})
	return list, err
}

// Replay delivers once more.
func (c *courier) Replay(ctx context.Context, r web.Replay) (done web.Replayed, err error) {
	err = c.use("replay", func(d delivering) error {
		result, err := d.Replay(ctx, webhook.ReplayRequest(r))
		done = web.Replayed{
			DryRun: r.DryRun, Matched: result.Matched, Queued: result.Queued, FirstAt: moment(result.First), LastAt: moment(result.Last),
		}
		return err
	})
	return done, err
}

// Why explains.
func (c *courier) Why(ctx context.Context, endpoint, about string) (why web.Explanation, err error) {
	err = c.use("explain", func(d delivering) error {
		e, err := d.Why(ctx, endpoint, about)
		why = web.Explanation{Endpoint: e.Endpoint, About: e.Asked}
		for _, fate := range e.Events {
			why.Events = append(why.Events, shownFate(fate))
		}
		return err
	})
	return why, err
}

func shownEndpoint(s webhook.EndpointState) web.Endpoint {
	e := web.Endpoint{
		Name: s.Name, URL: s.URL, Format: s.Format, State: string(s.Health.State), Since: moment(s.Since), Reason: s.Reason,
		Detail: s.Detail, Pending: s.Pending, Queued: s.Queued, OldestPendingAt: moment(s.OldestPending), InFlight: s.InFlight,
		LastSuccessAt: moment(s.LastSuccess), NextAttemptAt: moment(s.NextAttempt), DeadLetters: s.DeadLetters,
	}
	if !s.LastFailure.IsZero() {
		e.LastFailure = &web.Failure{At: moment(s.LastFailure), Class: s.LastClass, Status: s.LastStatus, Detail: s.LastDetail}
	}
	return e
}

func shownAttempts(attempts []webhook.Attempt) []web.Delivery {
	list := make([]web.Delivery, len(attempts))
	for i, a := range attempts {
		list[i] = shownAttempt(a)
	}
	return list
}

func shownAttempt(a webhook.Attempt) web.Delivery {
	return web.Delivery{
		Seq: a.Seq, At: moment(a.At), Endpoint: a.Endpoint, EventID: a.EventID, Type: a.Type, Source: a.Source, VideoNo: a.VideoNo,
		Attempt: a.Number, DurationSeconds: a.Duration.Seconds(), Status: a.Status, Class: a.Class, Detail: a.Detail, Result: a.Result,
		NextAt: moment(a.NextAt), Excerpt: a.Excerpt, Replay: a.Replay, Group: a.Group, GroupSize: a.GroupSize,
	}
}

func shownLetter(l webhook.DeadLetter) web.DeadLetter {
	return web.DeadLetter{
		Seq: l.Seq, At: moment(l.At), Endpoint: l.Endpoint, EventID: l.EventID, Type: l.Type, Source: l.Source, VideoNo: l.VideoNo,
		StoredAt: moment(l.StoredAt), FirstAt: moment(l.FirstAt), Attempts: l.Attempts, Reason: l.Reason, Class: l.Class,
		Status: l.Status, Detail: l.Detail, Excerpt: l.Excerpt, Group: l.Group, Queued: l.Queued,
	}
}

func shownFate(f webhook.EventFate) web.Explained {
	e := web.Explained{
		EventID: f.EventID, Type: f.Type, Source: f.Source, VideoNo: f.VideoNo, Answer: f.Sentence, Fate: f.Fate,
		StoredAt: moment(f.StoredAt), Wanted: f.Wanted, Unwanted: f.Unwanted, DeliveredAt: moment(f.DeliveredAt),
		AttemptsMade: f.AttemptsMade, WaitingUntil: moment(f.WaitingUntil), WaitingFor: f.WaitingFor, Ahead: f.Ahead, Replay: f.Replay,
		Attempts: shownAttempts(f.Attempts),
	}
	if f.Dead != nil {
		letter := shownLetter(*f.Dead)
		e.DeadLetter = &letter
	}
	return e
}
