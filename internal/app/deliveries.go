package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"vidbell/internal/web"
	"vidbell/notify/webhook"
)

const (
	// pageSize is how many entries are asked for at once.
	pageSize = 500
	// maxListed bounds what a command gathers.
	maxListed = 100_000
	// followEvery is the pause between two looks at the log.
	followEvery = time.Second
)

// ListOptions are what the commands deliveries and dead-letters are given. Texts are passed on as they are; times are in the
// words of people, see parseWhen.
type ListOptions struct {
	Endpoint, Event, Video, Source, Type, Class string
	Since, Until                                string
	Failed                                      bool   // of deliveries only
	Reason                                      string // of dead letters only
	Limit                                       int
	JSON                                        bool
	Follow                                      bool // of deliveries only
}

// query is the options as the pages take them.
func (o ListOptions) query(now time.Time) (url.Values, error) {
	q := url.Values{}
	for name, text := range map[string]string{
		"endpoint": o.Endpoint, "event_id": o.Event, "video_no": o.Video, "source": o.Source, "type": eventType(o.Type), "class": o.Class,
		"reason": o.Reason,
	} {
		if text != "" {
			q.Set(name, text)
		}
	}
	if o.Failed {
		q.Set("failed", "true")
	}
	for name, text := range map[string]string{"since": o.Since, "until": o.Until} {
		at, err := parseWhen(text, now)
		if err != nil {
			return nil, &ExitError{Code: ExitUsage, Err: fmt.Errorf("--%s: %w", name, err)}
		}
		if text != "" {
			q.Set(name, at)
		}
	}
	if o.Limit < 1 || o.Limit > maxListed {
		return nil, &ExitError{Code: ExitUsage, Err: fmt.Errorf("--limit: use 1 to %d", maxListed)}
	}
	return q, nil
}

// eventType lets people leave "video." away.
func eventType(text string) string {
	if text == "" || strings.ContainsAny(text, ".*?[") {
		return text
	}
	return "video." + text
}

// parseWhen reads a time as people write it, and writes it as the pages take it: how long ago (2h30m), a day or a time of it
// as clocks here show it, or RFC 3339.
func parseWhen(text string, now time.Time) (string, error) {
	if text == "" {
		return "", nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d).UTC().Format(time.RFC3339Nano), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at.UTC().Format(time.RFC3339Nano), nil
		}
	}
	return "", fmt.Errorf("%q is no time: write how long ago (2h30m), a day (2026-11-23), a time (\"2026-11-23 14:05\"), or RFC 3339", text)
}

// Deliveries is the deliveries command: the attempts that the running service made, the newest last, where a terminal ends.
func Deliveries(ctx context.Context, out, info io.Writer, o ListOptions) error {
	service, q, err := listing(o)
	if err != nil {
		return failed(err)
	}
	list, more, err := gather(ctx, service, "/v1/deliveries", q, o.Limit, pageOfDeliveries)
	if err != nil {
		return failed(service.explainNotFound(ctx, err, o.Endpoint))
	}
	if o.Follow {
		err = follow(ctx, service, out, info, q, o.JSON, list)
		if ctx.Err() != nil {
			err = nil // which is how it ends
		}
		return failed(err)
	}
	if o.JSON {
		return failed(writeJSON(out, web.DeliveryList{Deliveries: list, NextCursor: more}))
	}
	if len(list) == 0 {
		newPrinter(out).line("no deliveries")
		return nil
	}
	return failed(printDeliveries(out, list, time.Now()))
}

func listing(o ListOptions) (*running, url.Values, error) {
	q, err := o.query(time.Now())
	if err != nil {
		return nil, nil, err
	}
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	return service, q, err
}

func pageOfDeliveries(l web.DeliveryList) ([]web.Delivery, string) { return l.Deliveries, l.NextCursor }

func pageOfLetters(l web.DeadLetterList) ([]web.DeadLetter, string) {
	return l.DeadLetters, l.NextCursor
}

// gather reads pages until there is enough; it returns the cursor of what follows. A page may be empty and not the last.
func gather[P, E any](ctx context.Context, r *running, path string, q url.Values, limit int, entries func(P) ([]E, string)) (
	list []E, more string, err error,
) {
	q = cloned(q)
	list = []E{}
	for {
		q.Set("limit", strconv.Itoa(min(pageSize, limit-len(list))))
		page, _, err := fetch[P](ctx, r, call{method: http.MethodGet, path: path, query: q, timeout: slowAsk})
		if err != nil {
			return nil, "", err
		}
		some, next := entries(page)
		list = append(list, some...)
		if next == "" || len(list) >= limit || next == q.Get("cursor") {
			return list, next, nil
		}
		q.Set("cursor", next)
	}
}

func cloned(q url.Values) url.Values {
	c := make(url.Values, len(q))
	for name, values := range q {
		c[name] = slices.Clone(values)
	}
	return c
}

// follow prints what is there, the oldest first, and then what comes, until ctx ends. When the service goes it is waited for.
func follow(ctx context.Context, r *running, out, info io.Writer, q url.Values, asJSON bool, list []web.Delivery) error {
	var last uint64
	away := false
	for {
		list = slices.DeleteFunc(list, func(d web.Delivery) bool { return d.Seq <= last })
		if len(list) > 0 {
			last = list[0].Seq
		}
		if err := printMore(out, list, asJSON); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(followEvery):
		}
		some, err := newer(ctx, r, q, last)
		var refused *ExitError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &refused):
			return err
		case err != nil && !away:
			newPrinter(info).line("the service is away, waiting for it: %v", err)
		case err == nil && away:
			newPrinter(info).line("the service is back")
		}
		list, away = some, err != nil
	}
}

// newer reads pages until it meets what was printed already.
func newer(ctx context.Context, r *running, q url.Values, last uint64) (list []web.Delivery, err error) {
	q = cloned(q)
	q.Set("limit", strconv.Itoa(pageSize))
	for {
		page, _, err := fetch[web.DeliveryList](ctx, r, call{method: http.MethodGet, path: "/v1/deliveries", query: q, timeout: slowAsk})
		if err != nil {
			return nil, err
		}
		list = append(list, page.Deliveries...)
		oldest, _ := strconv.ParseUint(page.NextCursor, 10, 64) // the end of the log is older than everything
		if oldest <= last || len(list) >= maxListed {
			return list, nil
		}
		q.Set("cursor", page.NextCursor)
	}
}

func printMore(out io.Writer, list []web.Delivery, asJSON bool) error {
	if !asJSON {
		return printDeliveries(out, list, time.Now())
	}
	for _, d := range slices.Backward(list) {
		text, err := json.Marshal(d)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(out, escapeJSON(string(text))+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// printDeliveries prints one line for each attempt, the oldest first.
func printDeliveries(out io.Writer, list []web.Delivery, now time.Time) error {
	p := newPrinter(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, d := range slices.Backward(list) {
		fmt.Fprintf(w, "%s\t→ %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", clockOf(d.At, now), safe(d.Endpoint), answerText(d.Status, d.Class),
			human(seconds(d.DurationSeconds)), tryText(d), resultText(d, now), safe(shortType(d.Type)), safe(about(d.VideoNo, d.Source)),
			p.paint(resultColour(d.Result), safe(d.EventID)))
	}
	return w.Flush()
}

// tryText counts the attempts; those of a replay begin at 1 again.
func tryText(d web.Delivery) string {
	if d.Replay {
		return fmt.Sprintf("replay, try %d", d.Attempt)
	}
	return fmt.Sprintf("try %d", d.Attempt)
}

func resultColour(result string) colour {
	switch result {
	case webhook.ResultDelivered:
		return green
	case webhook.ResultRetry:
		return yellow
	}
	return red
}

func resultText(d web.Delivery, now time.Time) string {
	switch {
	case d.Result == webhook.ResultRetry && d.NextAt != nil && d.NextAt.After(now):
		return "again in " + human(d.NextAt.Sub(now))
	case d.Result == webhook.ResultRetry && d.NextAt != nil && d.At != nil:
		return "again after " + human(max(0, d.NextAt.Sub(*d.At)))
	case d.Result == webhook.ResultDead:
		return "dead letter"
	}
	return safe(d.Result)
}

// shortType leaves away what all types of videos have in common.
func shortType(eventType string) string { return strings.TrimPrefix(eventType, "video.") }

func about(videoNo, source string) string {
	switch {
	case videoNo != "":
		return videoNo
	case source != "":
		return source
	}
	return "-"
}

// clockOf writes a moment as clocks here show it, the day only where it is another one.
func clockOf(at *time.Time, now time.Time) string {
	if at == nil {
		return "-"
	}
	local := at.In(now.Location())
	if local.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return local.Format(time.TimeOnly)
	}
	return local.Format(time.DateTime)
}

// DeadLetters is the dead-letters command: what the running service gave up, the newest last.
func DeadLetters(ctx context.Context, out io.Writer, o ListOptions) error {
	service, q, err := listing(o)
	if err != nil {
		return failed(err)
	}
	list, more, err := gather(ctx, service, "/v1/dead-letters", q, o.Limit, pageOfLetters)
	if err != nil {
		return failed(service.explainNotFound(ctx, err, o.Endpoint))
	}
	if o.JSON {
		return failed(writeJSON(out, web.DeadLetterList{DeadLetters: list, NextCursor: more}))
	}
	return failed(printDeadLetters(out, list, more != "", time.Now()))
}

func printDeadLetters(out io.Writer, list []web.DeadLetter, more bool, now time.Time) error {
	p := newPrinter(out)
	if len(list) == 0 {
		p.line("no dead letters")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "GIVEN UP\tENDPOINT\tTYPE\tVIDEO\tATTEMPTS\tREASON\tANSWER\tEVENT")
	for _, l := range slices.Backward(list) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", clockOf(l.At, now), safe(l.Endpoint), safe(shortType(l.Type)),
			safe(about(l.VideoNo, l.Source)), l.Attempts, reasonText(l), answerText(l.Status, l.Class), safe(l.EventID))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if more {
		p.line("\nThere are older ones: --limit shows more.")
	}
	p.line("\nWhen the receiver is right again: vidbell replay --dead, with --endpoint or --event for some of them.")
	return nil
}

func reasonText(l web.DeadLetter) string {
	text := strings.ReplaceAll(safe(l.Reason), "_", " ")
	if l.Queued {
		text += ", replay under way"
	}
	return text
}
