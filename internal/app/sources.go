package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"vidbell/internal/web"
)

// Sources is the sources command: what every source of the running service is doing.
func Sources(ctx context.Context, out io.Writer, asJSON bool) error {
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	if err != nil {
		return failed(err)
	}
	body, list, err := service.sources(ctx)
	if err != nil {
		return failed(err)
	}
	if asJSON {
		return failed(indent(out, body))
	}
	return failed(printSources(out, list, time.Now()))
}

// sources asks for the list, and returns it as it came too.
func (r *running) sources(ctx context.Context) (body []byte, list []web.Source, err error) {
	answer, body, err := fetch[web.SourceList](ctx, r, call{method: http.MethodGet, path: "/v1/sources"})
	return body, answer.Sources, err
}

func printSources(out io.Writer, list []web.Source, now time.Time) error {
	p := newPrinter(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SOURCE\tACCOUNT\tVIDEOS\tIN FLIGHT\tPARSE\tLAST POLL\tNEXT\tFULL SWEEP\tREQUESTS/S\tHEALTH")
	for _, s := range list {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%.3g\t%s\n", safe(s.Name), safe(s.Account), s.Videos.Known, s.InFlight,
			safe(s.Parse.Means), ago(s.LastPollAt, now), until(s.NextPollAt, now), ago(s.Sweep.LastCompleteAt, now),
			s.RequestsPerSecond, healthText(p, s))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, s := range list {
		if s.Hold != nil {
			p.line("\n%s holds back %s: %s. If they are right: vidbell sources release %s", safe(s.Name),
				plural(s.Hold.Videos, "change"), safe(s.Hold.Reason), safe(s.Name))
		}
	}
	return nil
}

// healthText is the last column: the table counts the bytes of all others, and colours are bytes.
func healthText(p printer, s web.Source) string {
	switch {
	case s.Degraded != "":
		return p.paint(red, "degraded: "+safe(s.Degraded))
	case s.Hold != nil:
		return p.paint(yellow, "holds back "+plural(s.Hold.Videos, "change"))
	case s.LastError != "":
		return p.paint(yellow, "last poll failed: "+safe(shorten(s.LastError, maxErrorWidth)))
	case s.BaselineAt == nil:
		return p.paint(yellow, baselineText(s.Baseline))
	}
	return p.paint(green, "ok")
}

// baselineText is how far the first walk through a library has come.
func baselineText(b *web.Baseline) string {
	if b == nil || b.Pages == 0 {
		return "walking for the baseline"
	}
	text := fmt.Sprintf("baseline: page %d", b.Pages)
	if b.ExpectedPages > 0 {
		text += fmt.Sprintf(" of %d", b.ExpectedPages)
	}
	text += fmt.Sprintf(", %d videos", b.Videos)
	if b.SecondsLeft != nil {
		text += ", " + human(seconds(*b.SecondsLeft)) + " left"
	}
	return text
}

const maxErrorWidth = 60

func ago(at *time.Time, now time.Time) string {
	if at == nil {
		return "never"
	}
	return human(max(0, now.Sub(*at))) + " ago"
}

func until(at *time.Time, now time.Time) string {
	switch {
	case at == nil:
		return "-"
	case !at.After(now):
		return "now"
	}
	return "in " + human(at.Sub(now))
}

// ReleaseOptions are what the release command is given.
type ReleaseOptions struct {
	Name     string
	JSON     bool      // print one document
	Yes      bool      // do not ask
	Terminal bool      // In is one: there is a person to ask
	In       io.Reader // where the answer comes from
}

// ReleaseSource is the command "sources release": it says what would be announced, asks, and has the service believe the
// deletions that a source holds back.
func ReleaseSource(ctx context.Context, out, ask io.Writer, o ReleaseOptions) error {
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	if err != nil {
		return failed(err)
	}
	_, list, err := service.sources(ctx)
	if err != nil {
		return failed(err)
	}
	hold, err := held(list, o.Name)
	if err != nil {
		return failed(err)
	}
	if err := confirm(ctx, ask, o, hold); err != nil {
		return failed(err)
	}
	_, body, err := fetch[web.Released](ctx, service, call{method: http.MethodPost, path: "/v1/sources/" + url.PathEscape(o.Name) + "/release"})
	if err != nil {
		return failed(err)
	}
	if o.JSON {
		return failed(indent(out, body))
	}
	_, err = fmt.Fprintf(out, "released: %s of source %s, to be announced now\n", plural(hold.Videos, "change"), o.Name)
	return failed(err)
}

func held(list []web.Source, name string) (web.Hold, error) {
	names := make([]string, len(list))
	for i, s := range list {
		switch {
		case s.Name == name && s.Hold != nil:
			return *s.Hold, nil
		case s.Name == name:
			return web.Hold{}, fmt.Errorf("source %s holds nothing back, so there is nothing to release", name)
		}
		names[i] = s.Name
	}
	return web.Hold{}, fmt.Errorf("no source is named %q; there is %s", name, safe(strings.Join(names, ", ")))
}

// confirm asks on a terminal; elsewhere nobody could answer.
func confirm(ctx context.Context, ask io.Writer, o ReleaseOptions, hold web.Hold) error {
	what := fmt.Sprintf("%s of source %s, held back (%s)", plural(hold.Videos, "change"), o.Name, safe(hold.Reason))
	return consent{o.Yes, o.Terminal, o.In}.get(ctx, ask, "announce", what, "not released")
}

// consent is how a command that does much at once is allowed to.
type consent struct {
	yes      bool      // it was given already
	terminal bool      // in is one: there is a person to ask
	in       io.Reader // where the answer comes from
}

// get returns nil when the verb may be done to what there is, otherwise an error: the refusal, or what to do.
func (c consent) get(ctx context.Context, ask io.Writer, verb, what, refusal string) error {
	switch {
	case c.yes:
		return nil
	case !c.terminal:
		return &ExitError{Code: ExitUsage, Err: fmt.Errorf("this would %s %s: repeat it with --yes", verb, what)}
	}
	if _, err := fmt.Fprintf(ask, "%s %s? [y/N] ", strings.ToUpper(verb[:1])+verb[1:], what); err != nil {
		return err
	}
	answer, err := readLine(ctx, c.in)
	if err != nil {
		return err
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New(refusal)
	}
	return nil
}

// readLine reads what a person types, or ends with the context: a terminal that is being read knows of no signal.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	typed := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // an end of the input is an empty answer, which is no
		typed <- line
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case line := <-typed:
		return line, nil
	}
}
