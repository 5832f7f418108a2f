package memories

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxMessageRunes bounds foreign text in errors: they end up in logs, events and on dashboards.
	maxMessageRunes = 200
	maxCodeRunes    = 32

	// maxRetryAfter bounds the pause that a header can impose on us.
	maxRetryAfter = 5 * time.Minute

	keyPlaceholder = "[API key]"
)

// Error is one failed List.
type Error struct {
	Class Class
	// Op is what was tried: "list page 3".
	Op string
	// HTTPStatus is 0 if no answer arrived.
	HTTPStatus int
	// Code and Message are the platform's, if it sent any; or our own words for what was wrong with its answer. Bounded,
	// printable, without the key.
	Code, Message string
	// RetryAfter is the pause the platform asked for, at most 5 minutes; set on throttles and HTTP 503 only.
	RetryAfter time.Duration
	// Err is the cause, if there is one below this package.
	Err error
}

// Error reads "list page 3: throttled (HTTP 200, code 0429): Request exceeded the limit".
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	b.WriteString(string(e.Class))
	b.WriteString(e.origin())
	if e.Message != "" {
		b.WriteString(": " + printable(e.Message, maxMessageRunes))
	}
	if e.Err != nil {
		b.WriteString(": " + printable(e.Err.Error(), maxMessageRunes))
	}
	return b.String()
}

// origin is the part in parentheses: what the answer was marked with.
func (e *Error) origin() string {
	var marks []string
	if e.HTTPStatus != 0 {
		marks = append(marks, "HTTP "+strconv.Itoa(e.HTTPStatus))
	}
	if e.Code != "" {
		marks = append(marks, "code "+printable(e.Code, maxCodeRunes))
	}
	if len(marks) == 0 {
		return ""
	}
	return " (" + strings.Join(marks, ", ") + ")"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// withRetryAfter takes over the header where a pause makes sense: an account error does not pass by waiting.
func (e *Error) withRetryAfter(header string, now time.Time) *Error {
	if e.Class == ClassThrottled || e.HTTPStatus == http.StatusServiceUnavailable && e.Class == ClassUnavailable {
		e.RetryAfter = parseRetryAfter(header, now)
	}
	return e
}

// parseRetryAfter reads seconds or an HTTP date. What is neither, or lies in the past, is no request to wait: 0.
func parseRetryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if seconds, err := strconv.Atoi(header); err == nil {
		// Bounded before the multiplication, which could overflow.
		return time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// scrub takes the key and unprintable or boundless text out of an error on its way to the caller. A platform that
// refuses a key likes to quote it.
func (c *Client) scrub(e *Error) *Error {
	e.Code = printable(c.withoutKey(e.Code), maxCodeRunes)
	e.Message = printable(c.withoutKey(e.Message), maxMessageRunes)
	if e.Err != nil && strings.Contains(e.Err.Error(), c.key) {
		// The chain is given up with the text: any link of it could be printed.
		e.Err = errors.New(printable(c.withoutKey(e.Err.Error()), maxMessageRunes))
	}
	return e
}

func (c *Client) withoutKey(s string) string { return strings.ReplaceAll(s, c.key, keyPlaceholder) }

// transportFault classifies an exchange that broke off. The caller's context is asked first and ours second: the errors
// of a transport whose request was cancelled take many forms.
func (c *Client) transportFault(caller, timed context.Context, err error) *Error {
	switch {
	case caller.Err() != nil:
		return contextFault(caller)
	case timed.Err() != nil:
		return &Error{Class: ClassTimeout, Err: fmt.Errorf("no complete answer within %s: %w", c.timeout, timed.Err())}
	case isTimeout(err):
		return &Error{Class: ClassTimeout, Err: err}
	case isCorrupt(err):
		return &Error{Class: ClassMalformed, Message: "body cannot be decompressed", Err: err}
	default:
		return &Error{Class: ClassNetwork, Err: err}
	}
}

// contextFault tells a caller that gave up from a caller whose deadline came before our timeout.
func contextFault(caller context.Context) *Error {
	class := ClassCanceled
	if errors.Is(caller.Err(), context.DeadlineExceeded) {
		class = ClassTimeout
	}
	return &Error{Class: class, Err: caller.Err()}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func isCorrupt(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt)
}

// printable returns s with everything that is not printable escaped, and cut to limit runes. Escaping comes first, for
// the bound is on what is shown.
func printable(s string, limit int) string {
	if len(s) <= limit && isHeaderText(s) {
		return s
	}
	var b strings.Builder
	shown := 0
	for _, r := range s {
		piece := string(r)
		if !strconv.IsPrint(r) {
			piece = strings.Trim(strconv.QuoteRune(r), "'")
		}
		if shown += utf8.RuneCountInString(piece); shown > limit-1 {
			return b.String() + "…"
		}
		b.WriteString(piece)
	}
	return b.String()
}
