package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"vidbell/internal/web"
)

// ReplayOptions are what the replay command is given.
type ReplayOptions struct {
	Endpoint      string
	Events        []string
	Types         []string
	Sources       []string
	Since, Until  string
	Filter        string
	Dead, Missing bool
	DryRun        bool
	JSON          bool
	Yes           bool      // do not ask
	Terminal      bool      // In is one: there is a person to ask
	In            io.Reader // where the answer comes from
}

// replayed is what the command did at one endpoint.
type replayed struct {
	Endpoint string `json:"endpoint"`
	web.Replayed
}

// Replay is the replay command: it counts what would be delivered once more, asks, and has the service do it.
func Replay(ctx context.Context, out, ask io.Writer, o ReplayOptions) error {
	orders, service, err := planReplay(ctx, o)
	if err != nil {
		return failed(err)
	}
	counted, err := service.replay(ctx, orders, true)
	if err != nil {
		return failed(err)
	}
	if o.DryRun {
		return failed(printReplay(out, counted, o.JSON))
	}
	if total, what := summary(counted); total > 0 {
		err = consent{o.Yes, o.Terminal, o.In}.get(ctx, ask, "deliver", what, "not replayed")
	} else {
		return failed(printReplay(out, counted, o.JSON))
	}
	if err != nil {
		return failed(err)
	}
	done, err := service.replay(ctx, orders, false)
	return failed(errors.Join(printReplay(out, done, o.JSON), err))
}

// planReplay says what to ask the service, one order for each endpoint.
func planReplay(ctx context.Context, o ReplayOptions) ([]web.ReplayOrder, *running, error) {
	order, err := o.order(time.Now())
	if err != nil {
		return nil, nil, err
	}
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	if err != nil {
		return nil, nil, err
	}
	names := []string{o.Endpoint}
	if o.Endpoint == "" {
		if names, err = service.replayable(ctx, o); err != nil {
			return nil, nil, err
		}
	}
	orders := make([]web.ReplayOrder, len(names))
	for i, name := range names {
		orders[i] = order
		orders[i].Endpoint = name
	}
	return orders, service, nil
}

// order is the options as the page takes them.
func (o ReplayOptions) order(now time.Time) (web.ReplayOrder, error) {
	r := web.ReplayOrder{EventIDs: o.Events, Sources: o.Sources, Filter: o.Filter, Dead: o.Dead, Missing: o.Missing}
	for _, t := range o.Types {
		r.Types = append(r.Types, eventType(t))
	}
	var err error
	if r.Since, err = parseWhen(o.Since, now); err != nil {
		return r, &ExitError{Code: ExitUsage, Err: fmt.Errorf("--since: %w", err)}
	}
	if r.Until, err = parseWhen(o.Until, now); err != nil {
		return r, &ExitError{Code: ExitUsage, Err: fmt.Errorf("--until: %w", err)}
	}
	if len(r.EventIDs)+len(r.Types)+len(r.Sources) == 0 && r.Since+r.Until+r.Filter == "" && !r.Dead && !r.Missing {
		return r, &ExitError{Code: ExitUsage, Err: errors.New(
			"say what to replay: --dead, --missing, --event, --type, --source, --since, --until or --filter")}
	}
	return r, nil
}

// replayable are the endpoints to replay to when none was named. What an endpoint gave up, or never had, can go to all of
// them; anything else would be a repetition to those that have it, and so an endpoint must be named.
func (r *running) replayable(ctx context.Context, o ReplayOptions) ([]string, error) {
	list, _, err := r.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	names := endpointNames(list)
	switch {
	case len(names) == 0:
		return nil, errors.New("there are no endpoints to replay to")
	case len(names) > 1 && !o.Dead && !o.Missing:
		return nil, &ExitError{Code: ExitUsage, Err: fmt.Errorf("name one with --endpoint; there is %s", safe(strings.Join(names, ", ")))}
	}
	return names, nil
}

// replay sends all orders, and returns what was done beside an error.
func (r *running) replay(ctx context.Context, orders []web.ReplayOrder, dry bool) ([]replayed, error) {
	done := make([]replayed, 0, len(orders))
	for _, order := range orders {
		order.DryRun = dry
		answer, _, err := fetch[web.Replayed](ctx, r, call{method: http.MethodPost, path: "/v1/replay", body: order, timeout: slowAsk})
		if err != nil {
			return done, r.explainNotFound(ctx, err, order.Endpoint)
		}
		done = append(done, replayed{order.Endpoint, answer})
	}
	return done, nil
}

// summary says how many events a replay would bring where.
func summary(list []replayed) (total int, what string) {
	var parts []string
	for _, r := range list {
		if r.Queued > 0 {
			total += r.Queued
			parts = append(parts, plural(r.Queued, "event")+" to "+safe(r.Endpoint)+span(r.Replayed))
		}
	}
	return total, "once more " + strings.Join(parts, ", ")
}

// span is when the events were stored.
func span(r web.Replayed) string {
	now := time.Now()
	switch {
	case r.FirstAt == nil || r.LastAt == nil:
		return ""
	case r.Matched == 1:
		return " (stored " + clockOf(r.FirstAt, now) + ")"
	}
	return " (stored " + clockOf(r.FirstAt, now) + " to " + clockOf(r.LastAt, now) + ")"
}

func printReplay(out io.Writer, list []replayed, asJSON bool) error {
	if asJSON {
		return writeJSON(out, struct {
			Replays []replayed `json:"replays"`
		}{list})
	}
	p := newPrinter(out)
	for _, r := range list {
		p.line("%s: %s", safe(r.Endpoint), replayText(r.Replayed))
	}
	return nil
}

func replayText(r web.Replayed) string {
	waiting := r.Matched - r.Queued
	switch {
	case r.Matched == 0:
		return "nothing to replay"
	case r.Queued == 0:
		return plural(waiting, "event") + ", queued for replay already"
	}
	text := plural(r.Queued, "event") + span(r)
	if r.DryRun {
		text += " would be delivered once more"
	} else {
		text += " queued, to be delivered once more"
	}
	if waiting > 0 {
		text += fmt.Sprintf("; %d more are queued already", waiting)
	}
	return text
}
