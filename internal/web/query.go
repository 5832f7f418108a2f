package web

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vidbell/internal/suggest"
)

// maxText bounds what a parameter or a field may hold, in bytes: names, ids and types are far shorter.
const maxText = 256

// InvalidError says which parameter or field of a request is wrong, and how it would be right. Whoever sent the request may
// read all of it.
type InvalidError struct {
	Field   string
	Problem string
}

// Error is the sentence for whoever sent the request.
func (e *InvalidError) Error() string { return e.Field + ": " + e.Problem }

// query reads the parameters of a request and keeps the first mistake. Every name that is read is a known one, so that what
// is misspelt is refused, and not taken for no filter at all.
type query struct {
	values url.Values
	known  []string
	absent string // the first one that had to be there
	err    error
}

func newQuery(raw string) *query {
	values, err := url.ParseQuery(raw)
	q := &query{values: values}
	if err != nil {
		q.err = &InvalidError{Field: "query", Problem: "it is not encoded as name=value&name=value"}
	}
	return q
}

func (q *query) wrong(name, format string, args ...any) {
	if q.err == nil {
		q.err = &InvalidError{Field: name, Problem: fmt.Sprintf(format, args...)}
	}
}

// text returns a parameter, empty when it is absent.
func (q *query) text(name string) string {
	q.known = append(q.known, name)
	given := q.values[name]
	if len(given) == 0 {
		return ""
	}
	if len(given) > 1 {
		q.wrong(name, "give it once")
		return ""
	}
	if problem := textProblem(given[0]); problem != "" {
		q.wrong(name, "%s", problem)
	}
	return given[0]
}

// required is text. That it is absent is said last: an unknown name may be this one, misspelt.
func (q *query) required(name string) string {
	text := q.text(name)
	if text == "" && q.absent == "" {
		q.absent = name
	}
	return text
}

// textProblem says what keeps a text from being looked for, if anything.
func textProblem(s string) string {
	switch {
	case len(s) > maxText:
		return fmt.Sprintf("it is longer than %d bytes", maxText)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return "it holds control characters"
	}
	return ""
}

func (q *query) moment(name string) time.Time {
	at, err := parseMoment(name, q.text(name))
	if err != nil && q.err == nil {
		q.err = err
	}
	return at
}

// momentOrAgo is moment, or how long ago.
func (q *query) momentOrAgo(name string) time.Time {
	text := q.text(name)
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return time.Now().Add(-ago)
	}
	at, err := parseMoment(name, text)
	if err != nil {
		q.wrong(name, "write a time of RFC 3339, such as 2026-11-23T22:04:05Z, or how long ago, such as 2h30m")
	}
	return at
}

// parseMoment reads a time; empty is the zero time.
func parseMoment(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, &InvalidError{Field: name, Problem: "write a time of RFC 3339, such as 2026-11-23T22:04:05Z"}
	}
	return at, nil
}

func (q *query) flag(name string) bool {
	switch q.text(name) {
	case "", "false":
	case "true":
		return true
	default:
		q.wrong(name, "write true or false")
	}
	return false
}

func (q *query) count(name string, usual, most int) int {
	text := q.text(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		q.wrong(name, "write a number from 1 to %d", most)
	}
	return n
}

// cursor is where a page ends, as the page before said; zero is the beginning.
func (q *query) cursor(name string) uint64 {
	text := q.text(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		q.wrong(name, "write next_cursor of the page before, as it was")
	}
	return n
}

// problem returns the first mistake, when all parameters were read.
func (q *query) problem() error {
	if q.err != nil {
		return q.err
	}
	for _, name := range sortedNames(q.values) {
		if !slices.Contains(q.known, name) {
			return &InvalidError{Field: cut(name), Problem: unknownName("parameter", name, q.known)}
		}
	}
	if q.absent != "" {
		return &InvalidError{Field: q.absent, Problem: "it is required"}
	}
	return nil
}

func sortedNames(values url.Values) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// unknownName says of a name that nobody knows which was perhaps meant, and which there are.
func unknownName(kind, name string, known []string) string {
	takes := "this page takes none"
	if len(known) > 0 {
		takes = "this page takes " + strings.Join(known, ", ")
	}
	if near := suggest.Nearest(name, known); near != "" {
		return "unknown " + kind + ", did you mean " + near + "? " + strings.ToUpper(takes[:1]) + takes[1:]
	}
	return "unknown " + kind + ", " + takes
}

// cut quotes what somebody else wrote, bounded.
func cut(s string) string { return fmt.Sprintf("%.66q", s) }
