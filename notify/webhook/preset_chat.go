package webhook

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What a message to people holds at most. The counts are ours; the limits of the vendors stand with each preset.
const (
	maxNameUnits  = 120 // of a video's name
	maxIDUnits    = 64
	maxCauseUnits = 400
	maxCauses     = 5  // of a group
	maxItems      = 10 // of a group
)

// tone is how urgent a message looks.
type tone int

const (
	toneNeutral tone = iota
	toneGood
	toneWarn
	toneBad
)

// wording is how a type of event is told to people. Types are told in this order, the worst first.
type wording struct {
	kind           string
	one, many, did string
	tone           tone
}

var wordings = []wording{
	{"video.failed", "video", "videos", "failed", toneBad},
	{"endpoint.disabled", "endpoint", "endpoints", "disabled", toneBad},
	{"source.degraded", "source", "sources", "degraded", toneBad},
	{"endpoint.degraded", "endpoint", "endpoints", "degraded", toneWarn},
	{"video.stalled", "video", "videos", "stalled", toneWarn},
	{"video.deleted", "video", "videos", "deleted", toneNeutral},
	{"source.recovered", "source", "sources", "recovered", toneGood},
	{"endpoint.recovered", "endpoint", "endpoints", "recovered", toneGood},
	{"video.done", "video", "videos", "done", toneGood},
	{"video.processing", "video", "videos", "in processing", toneNeutral},
}

func rank(kind string) int {
	return slices.IndexFunc(wordings, func(w wording) bool { return w.kind == kind })
}

func words(e *eventView) wording {
	if i := rank(e.Type); i >= 0 {
		return wordings[i]
	}
	return wording{kind: e.Type, one: "event", many: "events", did: clean(e.Type)}
}

// markup is how a chat writes what we want to say. text makes text from outside harmless in it.
type markup struct {
	text, bold func(string) string
	link       func(text, url string) string
}

// chatText is a message before it becomes somebody's JSON: a title without markup, and lines with it.
type chatText struct {
	title string
	tone  tone
	lines []string
	at    time.Time // of the last event
	id    string    // of the event; empty for a group
}

func tell(t *target, events []*eventView, m markup) chatText {
	if len(events) == 1 {
		return tellOne(t, events[0], m)
	}
	return tellMany(t, events, m)
}

func tellOne(t *target, e *eventView, m markup) chatText {
	w := words(e)
	out := chatText{title: headline(w.one+" "+w.did) + ": " + cut(e.name(), maxNameUnits), tone: w.tone, at: e.Time, id: e.ID}
	fact := func(name, value string) {
		if value != "" {
			out.lines = append(out.lines, m.bold(name)+" "+value)
		}
	}
	fact(whyName(e), m.text(cut(e.why(), maxCauseUnits)))
	if e.video() {
		fact("Video", t.reference(e, m))
		fact("Source", m.text(cut(clean(e.Data.Source), maxIDUnits)))
		fact("Status", m.text(cut(clean(e.Data.RawStatus), maxIDUnits)))
		fact("Processing", processingTime(e))
	}
	fact("Time", stampText(e.Time))
	return out
}

func whyName(e *eventView) string {
	if e.video() {
		return "Cause"
	}
	return "Reason"
}

func headline(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// reference is the video's id, as a link where the endpoint has one.
func (t *target) reference(e *eventView, m markup) string {
	id := cut(clean(e.Subject), maxIDUnits)
	if link := t.link(e); link != "" {
		return m.link(m.text(id), link)
	}
	return m.text(id)
}

func processingTime(e *eventView) string {
	if e.Data.ProcessingSeconds == nil || *e.Data.ProcessingSeconds <= 0 || *e.Data.ProcessingSeconds > 1e9 {
		return ""
	}
	return time.Duration(*e.Data.ProcessingSeconds * float64(time.Second)).Round(time.Second).String()
}

func stampText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// tellMany says how many, why, and which: the first causes and the first videos, the worst ones first.
func tellMany(t *target, events []*eventView, m markup) chatText {
	out := chatText{title: countTypes(events)}
	for _, e := range events {
		out.tone = max(out.tone, words(e).tone)
		if e.Time.After(out.at) {
			out.at = e.Time
		}
	}
	out.lines = append(causeLines(events, m), itemLines(t, events, m)...)
	return out
}

// countTypes is a title such as "480 videos failed, 1 video done".
func countTypes(events []*eventView) string {
	counts := make(map[string]int)
	for _, e := range events {
		counts[e.Type]++
	}
	var parts []string
	for _, w := range wordings {
		if n := counts[w.kind]; n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+plural(n, w.one, w.many)+" "+w.did)
			delete(counts, w.kind)
		}
	}
	others := 0
	for _, n := range counts {
		others += n
	}
	if others > 0 {
		parts = append(parts, strconv.Itoa(others)+" "+plural(others, "other event", "other events"))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

type causeCount struct {
	cause string
	count int
}

// causeLines lists the commonest causes; of equals the one seen first.
func causeLines(events []*eventView, m markup) []string {
	causes := countCauses(events)
	if len(causes) == 0 {
		return nil
	}
	lines := []string{m.bold("Causes")}
	for _, c := range causes[:min(len(causes), maxCauses)] {
		lines = append(lines, fmt.Sprintf("%d × %s", c.count, m.text(cut(c.cause, maxCauseUnits/2))))
	}
	if rest := len(causes) - maxCauses; rest > 0 {
		lines = append(lines, fmt.Sprintf("and %d more %s", rest, plural(rest, "cause", "causes")))
	}
	return lines
}

func countCauses(events []*eventView) []causeCount {
	var causes []causeCount
	at := make(map[string]int)
	for _, e := range events {
		why := e.why()
		if why == "" {
			continue
		}
		i, known := at[why]
		if !known {
			i = len(causes)
			at[why], causes = i, append(causes, causeCount{cause: why})
		}
		causes[i].count++
	}
	slices.SortStableFunc(causes, func(a, b causeCount) int { return b.count - a.count })
	return causes
}

func itemLines(t *target, events []*eventView, m markup) []string {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b *eventView) int { return cmp.Compare(uint(rank(a.Type)), uint(rank(b.Type))) })
	lines := []string{m.bold("First of them")}
	for _, e := range sorted[:min(len(sorted), maxItems)] {
		lines = append(lines, words(e).did+" "+t.reference(e, m)+nameBeside(e, m))
	}
	if rest := len(sorted) - maxItems; rest > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", rest))
	}
	return lines
}

// nameBeside adds a name that says more than the id.
func nameBeside(e *eventView, m markup) string {
	if e.Data.VideoName == "" {
		return ""
	}
	return " " + m.text(cut(e.name(), maxNameUnits/2))
}

// fit joins the lines that a limit has room for. It never cuts one, which may stand in the middle of a link or an escape.
func fit(lines []string, limit int, size func(string) int) []string {
	const reserve = 40 // for the line that says what is missing
	for i, line := range lines {
		if limit -= size(line) + 1; limit < reserve && i < len(lines)-1 || limit < 0 {
			return append(slices.Clone(lines[:i]), fmt.Sprintf("(%d lines left out)", len(lines)-i))
		}
	}
	return lines
}

// escaper puts a backslash before punctuation that a Markdown gives a meaning.
func escaper(punctuation string) func(string) string {
	var pairs []string
	for _, r := range punctuation {
		pairs = append(pairs, string(r), "\\"+string(r))
	}
	return strings.NewReplacer(pairs...).Replace
}

// escapedWithin cuts s so that it keeps a limit after it was escaped, and no escape is cut in two.
func escapedWithin(s string, limit int, escape func(string) string) string {
	for room := limit; ; {
		out := escape(cut(s, room))
		over := units(out) - limit
		if over <= 0 || room <= 1 {
			return out
		}
		room = max(1, room-max(1, over/2)) // an escape is at most a few times as long as what it stands for
	}
}
