package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"vidbell/diff"
	"vidbell/internal/web"
)

// EventOptions are what the events command is given.
type EventOptions struct {
	Type, Source, Video string
	Status              string
	Since, Until        string // in the words of people, see parseWhen
	Limit               int
	JSON                bool
}

func (o EventOptions) query(now time.Time) (url.Values, error) {
	q, err := ListOptions{Video: o.Video, Source: o.Source, Since: o.Since, Until: o.Until, Limit: o.Limit}.query(now)
	if err == nil && o.Type != "" {
		q.Set("type", eventTypesOf(o.Type))
	}
	if err == nil && o.Status != "" {
		q.Set("status", o.Status)
	}
	return q, err
}

// Events is the events command: stored events, the newest last.
func Events(ctx context.Context, out io.Writer, o EventOptions) error {
	q, err := o.query(time.Now())
	if err != nil {
		return failed(err)
	}
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	if err != nil {
		return failed(err)
	}
	list, more, err := gather(ctx, service, "/v1/events", q, o.Limit, func(l web.EventList) ([]web.StoredEvent, string) { return l.Events, l.NextCursor })
	if err != nil {
		return failed(err)
	}
	if o.JSON {
		return failed(writeJSON(out, web.EventList{Events: list, NextCursor: more}))
	}
	p := newPrinter(out)
	if len(list) == 0 {
		p.line("no events")
		return nil
	}
	for _, e := range slices.Backward(list) {
		p.line("%s", eventLine(p, e.Event, time.Now()))
	}
	return nil
}

// ShowEvent is the command "events show": one event as subscribers get it, and where to look on.
func ShowEvent(ctx context.Context, out io.Writer, id string, asJSON bool) error {
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	if err != nil {
		return failed(err)
	}
	e, body, err := fetch[web.OneEvent](ctx, service, call{method: http.MethodGet, path: "/v1/events/" + url.PathEscape(id), timeout: slowAsk})
	if err != nil {
		return failed(err)
	}
	if asJSON {
		return failed(indent(out, body))
	}
	p := newPrinter(out)
	p.line("%s", eventLine(p, e.Event, time.Now()))
	p.line("stored as message %d at %s\n", e.Seq, clockText(e.StoredAt))
	var text bytes.Buffer
	if err := json.Indent(&text, e.Event, "", "  "); err != nil {
		return failed(err)
	}
	p.line("%s", escapeJSON(text.String()))
	p.line("\nwhere it went: vidbell deliveries --event %s", safe(id))
	return nil
}

func clockText(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return at.Local().Format("2006-01-02 15:04:05.000")
}

// VideoOptions are what the videos command is given.
type VideoOptions struct {
	Source, Status, Raw, Name string
	ChangedSince              string // in the words of people, see parseWhen
	Limit                     int
	JSON                      bool
}

// Videos is the videos command: what is known of videos now.
func Videos(ctx context.Context, out io.Writer, o VideoOptions) error {
	q := url.Values{}
	for name, text := range map[string]string{"source": o.Source, "status": o.Status, "raw_status": o.Raw, "name": o.Name} {
		if text != "" {
			q.Set(name, text)
		}
	}
	since, err := parseWhen(o.ChangedSince, time.Now())
	if err != nil {
		return failed(&ExitError{Code: ExitUsage, Err: fmt.Errorf("--changed-since: %w", err)})
	}
	if since != "" {
		q.Set("changed_since", since)
	}
	if o.Limit < 1 || o.Limit > maxListed {
		return failed(&ExitError{Code: ExitUsage, Err: fmt.Errorf("--limit: use 1 to %d", maxListed)})
	}
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	if err != nil {
		return failed(err)
	}
	var counts web.Videos
	list, more, err := gather(ctx, service, "/v1/videos", q, o.Limit, func(l web.VideoList) ([]web.Video, string) {
		counts = l.Counts
		return l.Videos, l.NextCursor
	})
	if err != nil {
		return failed(err)
	}
	if o.JSON {
		return failed(writeJSON(out, web.VideoList{Videos: list, NextCursor: more, Counts: counts}))
	}
	return failed(printVideos(out, list, more != "", counts, time.Now()))
}

func printVideos(out io.Writer, list []web.Video, more bool, c web.Videos, now time.Time) error {
	p := newPrinter(out)
	if len(list) > 0 {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "SOURCE\tVIDEO\tSTATUS\tWORD\tVERSION\tCHANGED\tNAME")
		for _, v := range list {
			changed := v.ChangedAt
			if changed == nil {
				changed = v.FirstSeenAt
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", safe(v.Source), safe(v.VideoNo), statusText(v), safe(v.RawStatus), v.Version, ago(changed, now),
				safe(shorten(v.VideoName, 40)))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		p.line("")
	}
	shown := plural(len(list), "video") + " shown"
	if more {
		shown += ", there are more: raise --limit"
	}
	p.line("%s; known %d: %d processing, %d done, %d failed, %d unknown, %d deleted", shown, c.Known, c.Processing, c.Done, c.Failed, c.Unknown, c.Deleted)
	return nil
}

func statusText(v web.Video) string {
	if v.Stalled {
		return safe(v.Status) + ", stalled"
	}
	return safe(v.Status)
}

// ShowVideo is the command "videos show": a video, and what happened to it. It is named by its number, or by its source and its
// number.
func ShowVideo(ctx context.Context, out io.Writer, name string, asJSON bool) error {
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	if err != nil {
		return failed(err)
	}
	source, no, ok := strings.Cut(name, "/")
	if !ok {
		no = name
		if source, err = onlySource(ctx, service, no); err != nil {
			return failed(err)
		}
	}
	h, body, err := fetch[web.VideoHistory](ctx, service, call{
		method: http.MethodGet, path: "/v1/videos/" + url.PathEscape(source) + "/" + url.PathEscape(no), timeout: slowAsk,
	})
	if err != nil {
		return failed(err)
	}
	if asJSON {
		return failed(indent(out, body))
	}
	printVideo(newPrinter(out), h, time.Now())
	return nil
}

// onlySource asks every source for a video, and refuses to choose between several.
func onlySource(ctx context.Context, r *running, no string) (string, error) {
	list, _, err := fetch[web.SourceList](ctx, r, call{method: http.MethodGet, path: "/v1/sources"})
	if err != nil {
		return "", err
	}
	var found []string
	for _, s := range list.Sources {
		status, _, err := r.call(ctx, call{
			method: http.MethodGet, path: "/v1/videos/" + url.PathEscape(s.Name) + "/" + url.PathEscape(no), timeout: slowAsk,
		})
		if err != nil {
			return "", err
		}
		if status == http.StatusOK {
			found = append(found, s.Name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("no source knows video %q; a deletion, and a video of another unique_id, are not known either", no)
	}
	return "", &ExitError{Code: ExitUsage, Err: fmt.Errorf("several sources know it: name one, as in %s/%s", found[0], no)}
}

func printVideo(p printer, h web.VideoHistory, now time.Time) {
	v := h.Video
	p.line("%s/%s  %s", safe(v.Source), safe(v.VideoNo), strconv.Quote(safe(v.VideoName)))
	word := safe(v.RawStatus)
	if word == "" {
		word = "none"
	}
	p.line("status    %s (the platform's word: %s)", statusText(v), word)
	if v.Cause != "" {
		p.line("cause     %s", safe(v.Cause))
	}
	for _, t := range []struct {
		name string
		at   *time.Time
	}{{"uploaded", v.CreatedAt}, {"seen", v.FirstSeenAt}, {"changed", v.ChangedAt}, {"running", v.ProcessingSince}} {
		if t.at != nil {
			p.line("%-9s %s, %s", t.name, t.at.Local().Format(time.DateTime), ago(t.at, now))
		}
	}
	if text := waitText(diff.Wait(h.WaitsFor)); text != "" {
		p.line("waits     %s", text)
	}
	switch {
	case len(h.Events) > 0:
	case h.Announced:
		p.line("\nno events any more: they were removed because of their age")
	default:
		p.line("\nno events: it was there before the first complete walk, or has not moved since")
	}
	if len(h.Events) == 0 {
		return
	}
	p.line("")
	for _, e := range slices.Backward(h.Events) {
		p.line("%s", eventLine(p, e.Event, now))
	}
}

// waitText says what keeps something about a video from being told.
func waitText(w diff.Wait) string {
	switch w {
	case diff.WaitNothing:
		return ""
	case diff.WaitWord:
		return "for the source to show what PARSE means there: it counts as processing until then (VIDBELL_STATUS_PARSE says it at once)"
	case diff.WaitConfirm:
		return "for the next sightings: it was seen to go back, or to be another video"
	case diff.WaitMissing:
		return "for the next sweeps: the last ones did not show it"
	case diff.WaitHold:
		return "with many others that are missing: see vidbell sources"
	}
	return safe(string(w))
}
