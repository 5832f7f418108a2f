package app

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"vidbell/internal/config"
	"vidbell/notify/webhook"
)

// scheduleStep is one attempt of a schedule. Waits are of the attempt before, totals since the first one.
type scheduleStep struct {
	Attempt         int     `json:"attempt"`
	WaitSeconds     float64 `json:"wait_seconds"`
	WaitMinSeconds  float64 `json:"wait_min_seconds"`
	WaitMaxSeconds  float64 `json:"wait_max_seconds"`
	TotalSeconds    float64 `json:"total_seconds"`
	TotalMinSeconds float64 `json:"total_min_seconds"`
	TotalMaxSeconds float64 `json:"total_max_seconds"`
}

// shownSchedule is what the schedule command prints with --json.
type shownSchedule struct {
	Schedule     string         `json:"schedule"` // its name, or the list
	Attempts     int            `json:"attempts"`
	Jitter       float64        `json:"jitter"` // share of a wait that it may be longer or shorter
	TotalSeconds float64        `json:"total_seconds"`
	Steps        []scheduleStep `json:"steps"`
}

// Schedule is the schedule command: when a delivery is tried. Without a text it is the schedule of the environment. Nobody is
// asked.
func Schedule(out io.Writer, text string, asJSON bool) error {
	if text == "" {
		cfg, err := config.LoadOnly("VIDBELL_WEBHOOK_SCHEDULE")
		if err != nil {
			return failed(err)
		}
		text = cfg.Webhook.Schedule
	}
	schedule, err := webhook.ParseSchedule(text)
	if err != nil {
		return &ExitError{Code: ExitUsage, Err: err}
	}
	shown := showSchedule(schedule)
	if asJSON {
		return failed(writeJSON(out, shown))
	}
	return failed(printSchedule(out, shown))
}

// ScheduleNames are the schedules that have a name.
func ScheduleNames() []string { return webhook.ScheduleNames() }

func showSchedule(s webhook.Schedule) shownSchedule {
	shown := shownSchedule{Schedule: s.String(), Attempts: s.Attempts(), Jitter: webhook.JitterShare, TotalSeconds: s.Total().Seconds()}
	var total time.Duration
	for i, wait := range s.Steps() {
		total += wait
		shown.Steps = append(shown.Steps, scheduleStep{
			Attempt: i + 1, WaitSeconds: wait.Seconds(), WaitMinSeconds: least(wait), WaitMaxSeconds: most(wait),
			TotalSeconds: total.Seconds(), TotalMinSeconds: least(total), TotalMaxSeconds: most(total),
		})
	}
	return shown
}

func least(d time.Duration) float64 { return d.Seconds() * (1 - webhook.JitterShare) }

func most(d time.Duration) float64 { return d.Seconds() * (1 + webhook.JitterShare) }

func printSchedule(out io.Writer, s shownSchedule) error {
	p := newPrinter(out)
	p.line("%s: %s in %s, each wait up to %.0f %% shorter or longer", s.Schedule, plural(s.Attempts, "attempt"),
		spell(s.TotalSeconds), 100*s.Jitter)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TRY\tWAIT\tBETWEEN\tAFTER THE FIRST\tBETWEEN")
	for _, step := range s.Steps {
		if step.Attempt == 1 {
			fmt.Fprintln(w, "1\tat once\t\t\t")
			continue
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", step.Attempt, spell(step.WaitSeconds), between(step.WaitMinSeconds, step.WaitMaxSeconds),
			spell(step.TotalSeconds), between(step.TotalMinSeconds, step.TotalMaxSeconds))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	p.line("\nA receiver that is away costs no steps. Refusals (4xx) have the first four only. Names: %s.",
		strings.Join(webhook.ScheduleNames(), ", "))
	return nil
}

func between(from, to float64) string { return spell(from) + " to " + spell(to) }

// spell writes a span of seconds in at most two units: 3d 2h.
func spell(s float64) string {
	d := seconds(s)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	}
	whole := int(d / time.Second)
	var parts []string
	for _, u := range []struct {
		seconds int
		name    string
	}{{24 * 3600, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}} {
		n := whole / u.seconds
		whole %= u.seconds
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d%s", n, u.name))
		}
		if len(parts) == 2 || len(parts) == 1 && n == 0 {
			break
		}
	}
	return strings.Join(parts, " ")
}
