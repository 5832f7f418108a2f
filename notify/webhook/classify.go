package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Class says in one word why an attempt failed. The set is closed: it labels logs, records and dead letters.
type Class string

// The classes of failure.
const (
	ClassDNS      Class = "dns"      // the host has no address
	ClassConnect  Class = "connect"  // no connection: refused, unreachable
	ClassTLS      Class = "tls"      // no trust: certificate, protocol version
	ClassTimeout  Class = "timeout"  // connecting or the whole exchange took too long
	ClassReset    Class = "reset"    // the connection broke, or carried no HTTP
	ClassStatus   Class = "status"   // answered, but not with 2xx or 3xx
	ClassRedirect Class = "redirect" // answered with 3xx, which is never followed
	ClassBlocked  Class = "blocked"  // the address is one that we never connect to
	ClassBody     Class = "body"     // 2xx, but its body broke off
	ClassRender   Class = "render"   // no request could be made of the event in the endpoint's format
)

// Classes lists all of them.
func Classes() []Class {
	return []Class{
		ClassDNS, ClassConnect, ClassTLS, ClassTimeout, ClassReset, ClassStatus, ClassRedirect, ClassBlocked, ClassBody, ClassRender,
	}
}

// Reason says why a delivery became a dead letter.
type Reason string

// The reasons of dead letters.
const (
	ReasonUsedUp  Reason = "schedule_used_up" // every attempt of the schedule failed
	ReasonRefused Reason = "refused"          // the receiver kept answering 4xx
	ReasonFinal   Reason = "final_status"     // 415 or 501: no other attempt can do better
	ReasonBlocked Reason = "blocked_address"  // see ClassBlocked
	ReasonRender  Reason = "render"           // see ClassRender
)

// Reasons lists all of them.
func Reasons() []Reason {
	return []Reason{ReasonUsedUp, ReasonRefused, ReasonFinal, ReasonBlocked, ReasonRender}
}

// shortSteps is how much of the schedule a 4xx has: long enough for a bad deploy to be rolled back, not for days.
const shortSteps = 4

// outcome is what one exchange with a receiver came to.
type outcome struct {
	status     int
	class      Class  // empty when delivered
	detail     string // for people: bounded, without URL, query or secret
	retryAfter time.Duration
	aborted    bool // our own stop broke it off: it is no attempt
	took       time.Duration
	excerpt    []byte // the beginning of the answer's body
}

func (o outcome) delivered() bool { return o.class == "" && !o.aborted }

// verdict is what happens to a delivery after an attempt. Its text is the result label of the attempts metric.
type verdict string

const (
	verdictDelivered verdict = "delivered"
	verdictRetry     verdict = "retry"
	verdictDead      verdict = "dead"
	verdictDisable   verdict = "disabled"
)

var verdicts = []verdict{verdictDelivered, verdictRetry, verdictDead, verdictDisable}

// judge decides when the given number of steps is spent, that of the attempt which came to o included. The reason is empty
// unless dead.
func judge(o outcome, steps int, schedule Schedule) (verdict, Reason) {
	switch {
	case o.delivered():
		return verdictDelivered, ""
	case o.class == ClassBlocked:
		return verdictDead, ReasonBlocked
	case o.status == http.StatusGone:
		return verdictDisable, ""
	case o.status == http.StatusUnsupportedMediaType, o.status == http.StatusNotImplemented:
		return verdictDead, ReasonFinal
	case fixable(o.status) && steps >= shortSteps:
		return verdictDead, ReasonRefused
	case steps >= schedule.Attempts():
		return verdictDead, ReasonUsedUp
	default:
		return verdictRetry, ""
	}
}

// fixable statuses blame the request, or its credentials: a repeat helps only if somebody changes something.
func fixable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= 400 && status < 500
}

// isOutage tells failures that speak of a receiver that is away from those that speak of a request it will not have. Five of
// them in a row open the breaker.
func isOutage(class Class, status int) bool {
	switch class {
	case ClassDNS, ClassConnect, ClassTLS, ClassTimeout, ClassReset, ClassBody:
		return true
	case ClassStatus:
		return status >= 400 && !fixable(status)
	default:
		return false
	}
}

func statusClass(status int) Class {
	switch {
	case status >= 200 && status < 300:
		return ""
	case status >= 300 && status < 400:
		return ClassRedirect
	default:
		return ClassStatus
	}
}

// classifyError names the failure of an exchange that brought no answer.
func classifyError(err error) Class {
	var (
		blocked *blockedError
		dns     *net.DNSError
		op      *net.OpError
		timeout net.Error
	)
	switch {
	case errors.As(err, &blocked):
		return ClassBlocked
	case errors.As(err, &dns):
		return ClassDNS
	case errors.Is(err, context.DeadlineExceeded):
		return ClassTimeout
	case errors.As(err, &timeout) && timeout.Timeout():
		return ClassTimeout
	case isTLS(err):
		return ClassTLS
	case errors.As(err, &op) && op.Op == "dial":
		return ClassConnect
	default:
		return ClassReset
	}
}

func isTLS(err error) bool {
	var (
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
	)
	return errors.As(err, &verify) || errors.As(err, &record) ||
		strings.Contains(err.Error(), "tls: ") || // crypto/tls has no type for most of its errors
		strings.Contains(err.Error(), "HTTP response to HTTPS client")
}

// parseRetryAfter reads the header's two forms, seconds and date. It reports zero for anything else.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

const maxDetailBytes = 200

// detailOf is the error's text fit for logs and headers: printable, bounded, and naming no address that we refused.
func detailOf(err error) string {
	var blocked *blockedError
	if errors.As(err, &blocked) {
		return blocked.why
	}
	return printable(err.Error(), maxDetailBytes)
}

func printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}
