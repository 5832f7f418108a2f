package memories

import (
	"net/http"
	"strings"
)

// codeClasses are the codes that mean one thing. Strings of four digits are this host's; the plain numbers are those of
// sibling hosts, equal to an HTTP status. 0001, 0003 and numbers from 500 are judged in verdict.
var codeClasses = map[string]Class{
	"0401": ClassUnauthorized, "401": ClassUnauthorized,
	"0402": ClassCredits, "402": ClassCredits,
	"0403": ClassDisabled,
	"9009": ClassForbidden, "403": ClassForbidden,
	"0429": ClassThrottled, "429": ClassThrottled,
	"400": ClassBadRequest,
	"404": ClassNotFound,
}

// statusClasses are the HTTP statuses that mean one thing, whatever the message says.
var statusClasses = map[int]Class{
	http.StatusUnauthorized:    ClassUnauthorized,
	http.StatusPaymentRequired: ClassCredits,
	http.StatusTooManyRequests: ClassThrottled,
	http.StatusNotFound:        ClassNotFound,
	http.StatusGone:            ClassNotFound,
	http.StatusRequestTimeout:  ClassUnavailable,
	http.StatusTooEarly:        ClassUnavailable,
}

// verdict classifies an answer by its HTTP status and envelope, and returns "" for success. The order matters: the code
// is the platform's own word; an HTTP status may be a proxy's; a message is prose, and only breaks ties.
func verdict(status int, env envelope) Class {
	ok := status >= 200 && status <= 299
	if ok && env.successCode() && !env.refused {
		return ""
	}
	if class, known := codeClasses[env.code]; known {
		return class
	}
	if class, known := statusClasses[status]; known {
		return class
	}
	switch {
	case saysLimitExceeded(env):
		return ClassThrottled
	case status == http.StatusForbidden:
		return ClassForbidden
	case status >= 500 || isServerError(env.code):
		return ClassUnavailable
	case env.code == "0001" && saysNetwork(env.message):
		return ClassTransient
	case env.code == "0001" || env.code == "0003" || status >= 400:
		return ClassBadRequest
	case !ok || env.code == "":
		return ClassMalformed
	default:
		return ClassUnknown
	}
}

// saysLimitExceeded recognises a throttle by its text, as clients of the platform do ("exceeded the limit"). A message
// about a parameter ("page size exceeded the limit of 200") is none: slowing down would not help it.
func saysLimitExceeded(env envelope) bool {
	if env.code == "0003" {
		return false
	}
	text := strings.ToLower(env.message)
	if strings.Contains(text, "size") || strings.Contains(text, "param") {
		return false
	}
	for _, phrase := range []string{"exceeded the limit", "limit exceeded", "limit has been exceeded", "limit is exceeded", "rate limit", "too many requests"} {
		if strings.Contains(text, phrase) {
			return true
		}
	}
	return false
}

// saysNetwork recognises the transient 0001, known as "network abnormal"; the second form is what that phrase
// translates.
func saysNetwork(message string) bool {
	return strings.Contains(strings.ToLower(message), "network") || strings.Contains(message, "网络")
}

// isServerError reports whether a code is a number from 500 to 599.
func isServerError(code string) bool {
	n, ok := smallInteger([]byte(code))
	return ok && n >= 500 && n <= 599
}
