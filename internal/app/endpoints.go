package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"vidbell/internal/config"
	"vidbell/internal/web"
	"vidbell/notify/webhook"
)

// slowAsk bounds what goes through the service's log or to a receiver; the service's own bound is a little shorter.
const slowAsk = 110 * time.Second

// States of an endpoint that people look out for.
const (
	endpointActive   = string(webhook.StateActive)
	endpointPaused   = string(webhook.StatePaused)
	endpointDisabled = string(webhook.StateDisabled)
)

// Endpoints is the endpoints command: how every endpoint of the running service fares.
func Endpoints(ctx context.Context, out io.Writer, asJSON bool) error {
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	if err != nil {
		return failed(err)
	}
	list, body, err := service.endpoints(ctx)
	if err != nil {
		return failed(err)
	}
	if asJSON {
		return failed(indent(out, body))
	}
	return failed(printEndpoints(out, list, time.Now()))
}

func (r *running) endpoints(ctx context.Context) ([]web.Endpoint, []byte, error) {
	answer, body, err := fetch[web.EndpointList](ctx, r, call{method: http.MethodGet, path: "/v1/endpoints", timeout: slowAsk})
	return answer.Endpoints, body, err
}

func printEndpoints(out io.Writer, list []web.Endpoint, now time.Time) error {
	p := newPrinter(out)
	if len(list) == 0 {
		p.line("no endpoints: set VIDBELL_WEBHOOK_URL for the service")
		return nil
	}
	if err := endpointTable(out, list, now); err != nil {
		return err
	}
	for _, e := range list {
		adviseEndpoint(p, e)
	}
	return nil
}

func endpointTable(out io.Writer, list []web.Endpoint, now time.Time) error {
	p := newPrinter(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ENDPOINT\tFORMAT\tPENDING\tOLDEST\tIN FLIGHT\tLAST SUCCESS\tLAST FAILURE\tDEAD\tSTATE")
	for _, e := range list {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%s\t%s\t%d\t%s\n", safe(e.Name), safe(e.Format), e.Pending+e.Queued, age(e.OldestPendingAt, now),
			e.InFlight, ago(e.LastSuccessAt, now), failureText(e.LastFailure, now), e.DeadLetters, stateText(p, e, now))
	}
	return w.Flush()
}

// adviseEndpoint says why an endpoint gets nothing, and what can be done.
func adviseEndpoint(p printer, e web.Endpoint) {
	name := safe(e.Name)
	if e.State != endpointActive && e.State != endpointPaused && e.Detail != "" {
		p.line("\n%s is %s: %s", name, safe(e.State), safe(e.Detail))
	}
	if e.State == endpointDisabled {
		p.line("Its deliveries are kept. When it is right again: vidbell endpoints enable %s", name)
	}
	if e.DeadLetters > 0 {
		p.line("\n%s has %s: vidbell dead-letters --endpoint %s", name, plural(int(e.DeadLetters), "dead letter"), name)
	}
}

func age(at *time.Time, now time.Time) string {
	if at == nil {
		return "-"
	}
	return human(max(0, now.Sub(*at)))
}

func failureText(f *web.Failure, now time.Time) string {
	if f == nil {
		return "never"
	}
	return answerText(f.Status, f.Class) + " " + ago(f.At, now)
}

// answerText is what came back: a status, a failure that is none of HTTP, or both.
func answerText(status int, class string) string {
	switch {
	case status == 0 && class == "":
		return "-"
	case status == 0:
		return safe(class)
	case class == "" || class == string(webhook.ClassStatus):
		return strconv.Itoa(status)
	}
	return strconv.Itoa(status) + " " + safe(class)
}

func stateText(p printer, e web.Endpoint, now time.Time) string {
	text := safe(e.State)
	if e.Reason != "" {
		text += ": " + safe(e.Reason)
	}
	if e.NextAttemptAt != nil && e.State != endpointDisabled {
		text += ", next " + until(e.NextAttemptAt, now)
	}
	switch e.State {
	case endpointActive:
		return p.paint(green, text)
	case endpointDisabled:
		return p.paint(red, text)
	}
	return p.paint(yellow, text)
}

// EndpointChange is what the commands "endpoints enable" and "endpoints disable" are given.
type EndpointChange struct {
	Name   string
	Enable bool
	Reason string // shown, or for the service's log
	JSON   bool
}

// ChangeEndpoint enables or disables.
func ChangeEndpoint(ctx context.Context, out io.Writer, o EndpointChange) error {
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	if err != nil {
		return failed(err)
	}
	word := "/disable"
	if o.Enable {
		word = "/enable"
	}
	_, body, err := fetch[web.EndpointChanged](ctx, service, call{
		method: http.MethodPost, path: "/v1/endpoints/" + url.PathEscape(o.Name) + word, body: web.EndpointChange{Reason: o.Reason},
	})
	if err != nil {
		return failed(service.explainNotFound(ctx, err, o.Name))
	}
	if o.JSON {
		return failed(indent(out, body))
	}
	text := "disabled: %s gets nothing until \"vidbell endpoints enable\", its deliveries are kept\n"
	if o.Enable {
		text = "enabled: %s, what waited for it is sent now\n"
	}
	_, err = fmt.Fprintf(out, text, safe(o.Name))
	return failed(err)
}

// explainNotFound looks whether it was the endpoint that is not there, and says which are.
func (r *running) explainNotFound(ctx context.Context, err error, name string) error {
	var missing *notFoundError
	if name == "" || !errors.As(err, &missing) {
		return err
	}
	list, _, listErr := r.endpoints(ctx)
	if listErr != nil {
		return err
	}
	names := endpointNames(list)
	switch {
	case slices.Contains(names, name):
		return err
	case len(names) == 0:
		return &ExitError{Code: ExitUsage, Err: fmt.Errorf("no endpoint is named %q, there are none", name)}
	}
	return &ExitError{Code: ExitUsage, Err: fmt.Errorf("no endpoint is named %q; there is %s", name, safe(strings.Join(names, ", ")))}
}

func endpointNames(list []web.Endpoint) []string {
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = e.Name
	}
	return names
}

// ConfiguredEndpoints are the names of the endpoints of the configuration, for completion: nobody is asked.
func ConfiguredEndpoints() []string {
	cfg, err := config.LoadOnly("VIDBELL_WEBHOOK_URL")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range endpoints(cfg) {
		if e.URL != "" {
			names = append(names, e.Name)
		}
	}
	return names
}

// TestOptions are what the send-test command is given.
type TestOptions struct {
	Endpoint string
	Type     string // of the event; empty: video.done
	JSON     bool
}

// SendTest is the send-test command: one real request, and all there is to know of it. That the receiver did not take it is
// ExitCheck.
func SendTest(ctx context.Context, out io.Writer, o TestOptions) error {
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	if err != nil {
		return failed(err)
	}
	test, body, err := fetch[web.Test](ctx, service, call{
		method: http.MethodPost, path: "/v1/endpoints/" + url.PathEscape(o.Endpoint) + "/test", body: web.TestOrder{Type: o.Type},
		timeout: slowAsk,
	})
	if err != nil {
		return failed(service.explainNotFound(ctx, err, o.Endpoint))
	}
	if o.JSON {
		err = indent(out, body)
	} else {
		printTest(newPrinter(out), test)
	}
	if err == nil && test.Result != webhook.ResultDelivered {
		return &ExitError{Code: ExitCheck}
	}
	return failed(err)
}

// The answer of a receiver is shown to this length: enough to see what it means.
const (
	maxExcerptLines = 10
	maxExcerptWidth = 100
)

func printTest(p printer, t web.Test) {
	p.line("POST to %s, %s %s", safe(t.Endpoint), safe(t.Type), safe(t.EventID))
	for _, name := range slices.Sorted(maps.Keys(t.RequestHeaders)) {
		p.line("  %s: %s", safe(name), safe(t.RequestHeaders[name]))
	}
	p.line("  %s", safe(shorten(t.RequestBody, maxExcerptWidth)))
	took := human(seconds(t.DurationSeconds))
	if t.Result == webhook.ResultDelivered {
		p.line("%s after %s", p.paint(green, "delivered: "+answerText(t.Status, t.Class)), took)
	} else {
		p.line("%s after %s: %s", p.paint(red, "failed: "+answerText(t.Status, t.Class)), took, safe(t.Detail))
	}
	printExcerpt(p, t.Excerpt)
}

// printExcerpt shows the beginning of what a receiver answered.
func printExcerpt(p printer, excerpt string) {
	lines := strings.Split(strings.TrimSpace(excerpt), "\n")
	for i, line := range lines {
		if i == maxExcerptLines {
			p.line("  | … %s more", plural(len(lines)-i, "line"))
			return
		}
		if line = strings.TrimRight(line, "\r"); line != "" {
			p.line("  | %s", safe(shorten(line, maxExcerptWidth)))
		}
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
