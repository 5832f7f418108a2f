package memories

import (
	"context"
	"errors"
)

// Class says what kind of failure an Error is. The set is closed: its words are fit for metric labels and events.
type Class string

// The classes of failure, each with its sources and what a poller should do.
const (
	// ClassUnauthorized is a missing or refused key: code 0401, number 401, HTTP 401. Stop the account, alert, probe slowly.
	ClassUnauthorized Class = "unauthorized"
	// ClassCredits is an account without credits, paused until recharged: code 0402, number 402, HTTP 402. As above.
	ClassCredits Class = "credits"
	// ClassDisabled is a developer account disabled by the platform: code 0403. As above.
	ClassDisabled Class = "disabled"
	// ClassForbidden is a key without permission, or a host that lets us not in: code 9009, number 403, HTTP 403. As above.
	ClassForbidden Class = "forbidden"

	// ClassThrottled is the rate limit, or the platform under load: code 0429, number 429, HTTP 429, or a message that
	// says the limit was exceeded. Slow the account down, pause for Error.RetryAfter or a backoff, repeat.
	ClassThrottled Class = "throttled"
	// ClassTransient is code 0001 when its message speaks of the network ("network abnormal"), which the platform's edge
	// answers now and then. One quick repetition usually works.
	ClassTransient Class = "transient"
	// ClassBadRequest is a refused parameter or a wrong path: any other 0001, 0003, number 400, HTTP 400 and the rest of
	// 4xx. Since 0001 has been transient under unclear messages, repeat a few times; then report a configuration error.
	ClassBadRequest Class = "bad_request"
	// ClassNotFound is HTTP 404 or 410, mostly with a Spring body: a gateway between deployments, or a wrong base URL.
	// Repeat a few times, then report a configuration error.
	ClassNotFound Class = "not_found"
	// ClassUnavailable is a server that cannot answer now: HTTP 5xx, 408, 425, numbers 500 to 599. Back off, repeat;
	// Error.RetryAfter may be set on 503.
	ClassUnavailable Class = "unavailable"

	// ClassNetwork is no HTTP answer, or half of one: DNS, dial, TLS and proxy failures, a connection reset or closed
	// early. Back off, repeat.
	ClassNetwork Class = "network"
	// ClassTimeout is an exchange, or a part of it such as the dial, that took too long. Back off, repeat.
	ClassTimeout Class = "timeout"
	// ClassMalformed is an answer that is no page and no known refusal: HTML, JSON cut short or followed by more, a missing
	// code, data or videos, a redirect. Back off, repeat; if it lasts, the base URL may lead elsewhere.
	ClassMalformed Class = "malformed"
	// ClassTooLarge is a body or page beyond our bounds. The same request would meet the same body: ask again on the next
	// tick, with a smaller Size if it lasts.
	ClassTooLarge Class = "too_large"
	// ClassCanceled is our own doing: the caller's context was cancelled. No failure of the platform, not to be counted.
	ClassCanceled Class = "canceled"
	// ClassUnknown is a refusal in words we do not know: another code (0409 and 16 are documented, but not for lists), or
	// code 0000 contradicted by success or failed. Back off, repeat, show Error.Code.
	ClassUnknown Class = "unknown"
)

// Classes returns every class, in the order of their documentation.
func Classes() []Class {
	return []Class{
		ClassUnauthorized, ClassCredits, ClassDisabled, ClassForbidden,
		ClassThrottled, ClassTransient, ClassBadRequest, ClassNotFound, ClassUnavailable,
		ClassNetwork, ClassTimeout, ClassMalformed, ClassTooLarge, ClassCanceled, ClassUnknown,
	}
}

// Account reports whether the failure concerns everything done with the key, so that all its sources should stop.
func (c Class) Account() bool {
	switch c {
	case ClassUnauthorized, ClassCredits, ClassDisabled, ClassForbidden:
		return true
	default:
		return false
	}
}

// retryable reports whether the same request may be sent again at once or after a pause.
func (c Class) retryable() bool {
	switch c {
	case "", ClassTooLarge, ClassCanceled:
		return false
	default:
		return !c.Account()
	}
}

// ClassOf returns the class of an error from List, also when wrapped, and "" for nil. Of other errors it knows only the
// context's.
func ClassOf(err error) Class {
	var fault *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &fault):
		return fault.Class
	case errors.Is(err, context.Canceled):
		return ClassCanceled
	case errors.Is(err, context.DeadlineExceeded):
		return ClassTimeout
	default:
		return ClassUnknown
	}
}

// Retryable reports whether the same request may be sent again after a pause: all but the account classes, too_large
// and canceled. How often is the caller's decision; see the classes.
func Retryable(err error) bool { return ClassOf(err).retryable() }
