package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"

	"vidbell/diff"
	"vidbell/internal/web"
	"vidbell/notify/event"
	"vidbell/notify/history"
	"vidbell/poller"
)

// maxHistory is how many events of a video are shown with it.
const maxHistory = 100

// watching is what the pages about videos reach of the poller.
type watching interface {
	Videos(q poller.VideoQuery) (list []poller.Video, more bool)
	Video(source, videoNo string) []poller.Video
	Status() []poller.Status
}

// archive is the stored events and the known videos as people and subscribers reach them over HTTP. The pages are there before
// the log is open.
type archive struct {
	log    *zap.Logger
	events atomic.Pointer[history.Reader]
	videos atomic.Pointer[watching]
}

func (a *archive) attachLog(r *history.Reader) { a.events.Store(r) }
func (a *archive) attachVideos(w watching)     { a.videos.Store(&w) }

// read does something with the log, and says what went wrong in the words of the pages.
func (a *archive) read(what string, do func(*history.Reader) error) error {
	r := a.events.Load()
	if r == nil {
		return web.ErrStarting
	}
	err := do(r)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, history.ErrNoEvent):
		return web.ErrNoEvent
	case errors.Is(err, history.ErrPosition):
		return err
	case passing(err), errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %w", web.ErrAway, err)
	}
	a.log.Error("a request about events failed", zap.String("request", what), zap.Error(err))
	return err
}

func filterOf(f web.EventFilter) (history.Filter, error) {
	filter := history.Filter{Types: f.Types, Source: f.Source, VideoNo: f.VideoNo, Status: f.Status}
	if wrong := filter.Check(); wrong != "" {
		return filter, &web.InvalidError{Field: "type", Problem: fmt.Sprintf("%.66q matches no event type: use one, such as video.done, or a glob, such as source.*", wrong)}
	}
	if f.Status != "" && !slices.Contains(event.Statuses(), f.Status) {
		return filter, &web.InvalidError{Field: "status", Problem: "use " + strings.Join(event.Statuses(), ", ")}
	}
	return filter, nil
}

func placeOf(field, text string) (history.Position, error) {
	if text == "" {
		return history.Position{}, nil
	}
	at, err := history.ParsePosition(text)
	if err != nil {
		return at, &web.InvalidError{Field: field, Problem: "it is " + err.Error()}
	}
	return at, nil
}

// Events lists events.
func (a *archive) Events(ctx context.Context, f web.EventFilter) (list web.EventList, err error) {
	filter, err := filterOf(f)
	if err != nil {
		return list, err
	}
	before, err := placeOf("cursor", f.Place)
	if err != nil {
		return list, &web.InvalidError{Field: "cursor", Problem: "write next_cursor of the page before, as it was"}
	}
	if f.ID != "" {
		return a.byID(ctx, f.ID, history.Query{Filter: filter, Since: f.Since, Until: f.Until})
	}
	err = a.read("list events", func(r *history.Reader) error {
		events, next, more, err := r.List(ctx, history.Query{Filter: filter, Since: f.Since, Until: f.Until, Before: before, Limit: f.Limit})
		list.Events = shownEvents(events)
		if more {
			list.NextCursor = next.String()
		}
		return err
	})
	return list, err
}

// byID lists the event of an id, if the other conditions hold for it.
func (a *archive) byID(ctx context.Context, id string, q history.Query) (list web.EventList, err error) {
	if !history.Looks(id) {
		return list, nil
	}
	err = a.read("list events", func(r *history.Reader) error {
		e, err := r.Find(ctx, id)
		if err == nil && q.Passes(e) {
			list.Events = shownEvents([]history.Event{e})
		}
		return err
	})
	if errors.Is(err, web.ErrNoEvent) {
		err = nil
	}
	return list, err
}

func shownEvents(events []history.Event) []web.StoredEvent {
	shown := make([]web.StoredEvent, len(events))
	for i, e := range events {
		shown[i] = shownEvent(e)
	}
	return shown
}

func shownEvent(e history.Event) web.StoredEvent {
	return web.StoredEvent{Seq: e.Seq, StoredAt: moment(e.StoredAt), Event: e.Body}
}

// Event returns one by its id.
func (a *archive) Event(ctx context.Context, id string) (shown web.OneEvent, err error) {
	if !history.Looks(id) {
		return shown, web.ErrNoEvent
	}
	err = a.read("read event", func(r *history.Reader) error {
		e, err := r.Find(ctx, id)
		shown = web.OneEvent{StoredEvent: shownEvent(e), Deliveries: "/v1/deliveries?event_id=" + url.QueryEscape(id)}
		return err
	})
	return shown, err
}

// Follow hands over events as they come.
func (a *archive) Follow(ctx context.Context, f web.EventFilter, to web.Subscriber) error {
	filter, err := filterOf(f)
	if err != nil {
		return err
	}
	after, err := placeOf("Last-Event-ID", f.Place)
	if err != nil {
		return err
	}
	return a.read("follow events", func(r *history.Reader) error {
		return r.Follow(ctx, history.Start{After: after, Since: f.Since}, filter, history.Follower{
			Event: func(e history.Event, at history.Position) error {
				return to.Event(web.StreamedEvent{Place: at.String(), Type: e.Type, Body: e.Body})
			},
			Gap:   func(g history.Gap) error { return to.Gap(web.Gap{Reason: g.Reason, OldestAt: moment(g.Oldest)}) },
			Place: func(at history.Position) error { return to.Place(at.String()) },
		})
	})
}

// Videos lists videos.
func (a *archive) Videos(f web.VideoFilter) (list web.VideoList, err error) {
	w := a.videos.Load()
	if w == nil {
		return list, web.ErrStarting
	}
	q := poller.VideoQuery{Source: f.Source, Raw: f.RawStatus, Name: f.Name, ChangedSince: f.ChangedSince, Limit: f.Limit}
	if f.Status != "" {
		status, known := diff.ParseStatus(f.Status)
		if !known || status == diff.None {
			return list, &web.InvalidError{Field: "status", Problem: "use processing, done, failed, unknown or deleted"}
		}
		q.Status = status
	}
	if q.After.Source, q.After.VideoNo, err = web.ParseVideoCursor(f.After); err != nil {
		return list, err
	}
	found := f.Source == ""
	for _, s := range (*w).Status() {
		if f.Source != "" && s.Source != f.Source {
			continue
		}
		found = true
		add(&list.Counts, counts(s))
	}
	if !found {
		return list, web.ErrNoSource
	}
	videos, more := (*w).Videos(q)
	for _, v := range videos {
		list.Videos = append(list.Videos, shownVideo(v))
	}
	if last := len(videos) - 1; more {
		list.NextCursor = web.VideoCursor(videos[last].Source, videos[last].VideoNo)
	}
	return list, nil
}

func add(sum *web.Videos, v web.Videos) {
	sum.Known += v.Known
	sum.Processing += v.Processing
	sum.Done += v.Done
	sum.Failed += v.Failed
	sum.Unknown += v.Unknown
	sum.Deleted += v.Deleted
}

// Video returns one video and its events.
func (a *archive) Video(ctx context.Context, source, videoNo string) (h web.VideoHistory, err error) {
	w := a.videos.Load()
	if w == nil {
		return h, web.ErrStarting
	}
	known := (*w).Video(source, videoNo)
	if len(known) == 0 {
		return h, web.ErrNoVideo
	}
	h.Video, h.Announced, h.WaitsFor = shownVideo(known[0]), known[0].Version > 0, string(known[0].Wait)
	err = a.read("read the history of a video", func(r *history.Reader) error {
		events, _, _, err := r.List(ctx, history.Query{Filter: history.Filter{Source: source, VideoNo: videoNo}, Limit: maxHistory})
		h.Events = shownEvents(events)
		return err
	})
	return h, err
}

func shownVideo(v poller.Video) web.Video {
	shown := web.Video{
		Source: v.Source, VideoNo: v.VideoNo, VideoName: v.Name, Status: v.Status.String(), RawStatus: v.Raw, Cause: v.Cause, Version: v.Version,
		Stalled: v.Stalled, CreatedAt: moment(v.CreatedAt.Time()), FirstSeenAt: moment(v.FirstSeen.Time()), ChangedAt: moment(v.ChangedAt.Time()),
		DurationSeconds: v.Duration, SizeBytes: v.Size,
	}
	if v.Status == diff.Processing || v.Status == diff.Unknown {
		shown.ProcessingSince = moment(v.RunStart.Time())
	}
	return shown
}
