package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"vidbell/internal/web"
)

// StatusOptions are what the status command is given.
type StatusOptions struct {
	JSON  bool
	Check bool // what needs attention is ExitCheck
}

// Status is the status command: what the running service and all its parts are doing.
func Status(ctx context.Context, out io.Writer, o StatusOptions) error {
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	if err != nil {
		return failed(err)
	}
	status, body, err := fetch[web.Status](ctx, service, call{method: http.MethodGet, path: "/v1/status", timeout: slowAsk})
	if err != nil {
		return failed(err)
	}
	if o.JSON {
		err = indent(out, body)
	} else {
		err = printStatus(out, status, time.Now())
	}
	if err == nil && o.Check && len(status.Attention) > 0 {
		return &ExitError{Code: ExitCheck}
	}
	return failed(err)
}

func printStatus(out io.Writer, s web.Status, now time.Time) error {
	p := newPrinter(out)
	ready := p.paint(green, "ready")
	if !s.Ready {
		ready = p.paint(red, "not ready")
	}
	named := ""
	if s.Instance != "" {
		named = ", instance " + safe(s.Instance)
	}
	p.line("vidbell %s%s, %s, up %s", safe(s.Version), named, ready, spell(s.UptimeSeconds))
	p.line("engine %s", engineText(s.Engine))
	err := errors.Join(printAccounts(out, s.Accounts, now), printSourceLines(out, s.Sources, now))
	if len(s.Endpoints) > 0 {
		p.line("")
		err = errors.Join(err, endpointTable(out, s.Endpoints, now))
	}
	err = errors.Join(err, printStreams(out, s.Streams, now))
	if len(s.Attention) == 0 {
		p.line("\n%s", p.paint(green, "nothing needs attention"))
		return err
	}
	p.line("\n%s", p.paint(yellow, "needs attention:"))
	for _, sentence := range s.Attention {
		p.line("  %s", safe(sentence))
	}
	return err
}

func engineText(e web.Engine) string {
	text := safe(e.Mode)
	if e.Version != "" {
		text += ", NATS " + safe(e.Version)
	}
	if !e.Connected {
		return text + ", not connected"
	}
	switch {
	case e.Server != "":
		text += ", connected to " + safe(e.Server)
	case e.Listen != "":
		text += ", listens at nats://" + safe(e.Listen)
	}
	return text
}

func printAccounts(out io.Writer, list []web.Account, now time.Time) error {
	if len(list) == 0 {
		return nil
	}
	p := newPrinter(out)
	p.line("")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ACCOUNT\tPLATFORM\tSOURCES\tLAST MINUTE\tREQUESTS/S\tSTATE")
	for _, a := range list {
		state := p.paint(green, "ok")
		switch {
		case a.Refused != "":
			state = p.paint(red, "refused: "+safe(a.Refused))
		case a.ThrottledUntil != nil && a.ThrottledUntil.After(now):
			state = p.paint(yellow, "throttled, next "+until(a.ThrottledUntil, now))
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%.3g of %.3g\t%s\n", safe(a.Name), safe(a.URL), len(a.Sources), a.RequestsLastMinute,
			a.RequestsPerSecond, a.RateLimit, state)
	}
	return w.Flush()
}

func printSourceLines(out io.Writer, list []web.Source, now time.Time) error {
	if len(list) == 0 {
		return nil
	}
	p := newPrinter(out)
	p.line("")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SOURCE\tVIDEOS\tIN FLIGHT\tLAST POLL\tFULL SWEEP\tHEALTH")
	for _, s := range list {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\n", safe(s.Name), s.Videos.Known, s.InFlight, ago(s.LastPollAt, now),
			ago(s.Sweep.LastCompleteAt, now), healthText(p, s))
	}
	return w.Flush()
}

func printStreams(out io.Writer, list []web.Stream, now time.Time) error {
	if len(list) == 0 {
		return nil
	}
	newPrinter(out).line("")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STREAM\tMESSAGES\tSIZE\tOLDEST\tHOLDS")
	for _, s := range list {
		size := sizeText(s.Bytes)
		if s.MaxBytes > 0 {
			size += " of " + sizeText(uint64(s.MaxBytes))
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", safe(s.Name), s.Messages, size, age(s.FirstAt, now), safe(s.Holds))
	}
	return w.Flush()
}

// sizeText writes bytes as people read them.
func sizeText(n uint64) string {
	const step = 1024
	if n < step {
		return fmt.Sprintf("%d B", n)
	}
	size, units := float64(n)/step, "KMGTPE"
	for size >= step && len(units) > 1 {
		size, units = size/step, units[1:]
	}
	return fmt.Sprintf("%.1f %ciB", size, units[0])
}
