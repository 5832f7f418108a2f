package app

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"vidbell/internal/web"
	"vidbell/notify/webhook"
)

// Why is the why command: why has an event, or have the events of a video, not arrived at an endpoint, or when did they?
func Why(ctx context.Context, out io.Writer, endpoint, about string, asJSON bool) error {
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	if err != nil {
		return failed(err)
	}
	answer, body, err := fetch[web.Explanation](ctx, service, call{
		method: http.MethodGet, path: "/v1/why", query: url.Values{"endpoint": {endpoint}, "about": {about}}, timeout: slowAsk,
	})
	if err != nil {
		return failed(service.explainNotFound(ctx, err, endpoint))
	}
	if asJSON {
		return failed(indent(out, body))
	}
	return failed(printWhy(out, answer, time.Now()))
}

// printWhy prints the events in their order, each with a sentence, and the attempts below it.
func printWhy(out io.Writer, e web.Explanation, now time.Time) error {
	p := newPrinter(out)
	for i, event := range slices.Backward(e.Events) {
		stored := "no longer in the log"
		if event.StoredAt != nil {
			stored = "stored " + clockOf(event.StoredAt, now)
		}
		p.line("%s %s %s, %s", p.paint(bold, safe(event.Type)), safe(about(event.VideoNo, event.Source)), safe(event.EventID), stored)
		p.line("%s", safe(event.Answer))
		if err := printDeliveries(out, event.Attempts, now); err != nil {
			return err
		}
		if len(event.Attempts) > 0 && event.Fate != webhook.FateDelivered {
			printExcerpt(p, event.Attempts[0].Excerpt)
		}
		if i > 0 {
			p.line("")
		}
	}
	return nil
}
