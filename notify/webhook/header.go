package webhook

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

const (
	maxHeaders     = 32
	maxHeaderName  = 128
	maxHeaderValue = 4096 // a signed token fits; many servers refuse a head of more than 8 KiB
)

// reservedHeaders are ours, or HTTP's own: a value from outside would break the signature, the delivery or the framing.
var reservedHeaders = map[string]string{
	"Accept-Encoding":   "answers are read as they come",
	"Connection":        "the connection is not the endpoint's own",
	"Content-Encoding":  "the body is sent as it is signed",
	"Content-Length":    "it follows from the body",
	"Content-Type":      "the format decides it; the template format has content_type",
	"Expect":            "the body is sent at once",
	"Host":              "it comes from the URL",
	"Keep-Alive":        "the connection is not the endpoint's own",
	"Te":                "the connection is not the endpoint's own",
	"Traceparent":       "each attempt has its own",
	"Tracestate":        "it would go with a trace of somebody else",
	"Trailer":           "the body has its length",
	"Transfer-Encoding": "the body has its length",
	"Upgrade":           "the connection is not the endpoint's own",
	"User-Agent":        "receivers know vidbell by it",
}

// compileHeaders makes the header that every request of an endpoint begins with. The problems name headers by their names,
// when those can be names at all, and never show a value.
func compileHeaders(fields map[string]string, basic bool) (header http.Header, problems []error) {
	if len(fields) > maxHeaders {
		return nil, []error{fmt.Errorf("headers: %d are too many, use at most %d", len(fields), maxHeaders)}
	}
	header = make(http.Header, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := checkHeader(name, fields[name], basic); err != nil {
			problems = append(problems, fmt.Errorf("headers[%s]: %w", safeHeader(name), err))
			continue
		}
		key := http.CanonicalHeaderKey(name)
		if header[key] != nil {
			problems = append(problems, fmt.Errorf("headers[%q]: it is there twice, and differs only by case", name))
		}
		header[key] = []string{fields[name]}
	}
	return header, problems
}

func checkHeader(name, value string, basic bool) error {
	key := http.CanonicalHeaderKey(name)
	why, reserved := reservedHeaders[key]
	switch {
	case !headerName(name):
		return errors.New("this is not a header name, use letters, digits and -")
	case reserved:
		return fmt.Errorf("this header is reserved: %s", why)
	case strings.HasPrefix(key, "Webhook-"):
		return errors.New("this header is reserved: what begins with webhook- belongs to the signature and the handshake")
	case strings.HasPrefix(key, "Proxy-"):
		return errors.New("this header is reserved: no proxy is used")
	case key == "Authorization" && basic:
		return errors.New("the URL has a user and password, which make this header; keep one of the two")
	case len(value) > maxHeaderValue:
		return fmt.Errorf("the value has %d bytes, use at most %d", len(value), maxHeaderValue)
	case !headerValue(value):
		return errors.New("the value must be printable ASCII, with no space at its ends")
	}
	return nil
}

// safeHeader keeps a value that was written where the name belongs out of the error.
func safeHeader(name string) string {
	if headerName(name) {
		return fmt.Sprintf("%q", name)
	}
	return "?"
}

func headerName(name string) bool {
	if name == "" || len(name) > maxHeaderName {
		return false
	}
	return strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

func headerValue(value string) bool {
	for i := range len(value) {
		if (value[i] < ' ' && value[i] != '\t') || value[i] > '~' {
			return false
		}
	}
	return strings.TrimSpace(value) == value
}
