package memories

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// envelope is what surrounds every answer of the platform.
type envelope struct {
	code    string
	number  bool // the code came as a JSON number
	message string
	refused bool // failed is true, or success is false
	data    []byte
}

// successCode reports "0000", or the numbers that mean success on sibling hosts.
func (e envelope) successCode() bool {
	if e.number {
		return e.code == "0" || e.code == "200"
	}
	return e.code == "0000"
}

// page reads the answer: a page, or why it is none.
func (a answer) page() (Page, *Error) {
	if a.status >= 300 && a.status <= 399 {
		return Page{}, &Error{Class: ClassMalformed, HTTPStatus: a.status, Message: strings.TrimSpace("redirect not followed " + a.location)}
	}
	valid := json.Valid(a.body)
	var env envelope
	if valid {
		env = parseEnvelope(a.body)
	}
	if class := verdict(a.status, env); class != "" {
		fault := &Error{Class: class, HTTPStatus: a.status, Code: env.code, Message: env.message}
		if class == ClassMalformed && !valid {
			fault.Message, fault.Err = "body is not JSON"+a.mediaType(), whyInvalid(a.body)
		}
		return Page{}, fault.explain(env)
	}
	page, why := parsePage(env.data)
	if why != nil {
		return Page{}, &Error{Class: why.Class, HTTPStatus: a.status, Code: env.code, Message: why.Message}
	}
	return page, nil
}

// mediaType is the declared type, in parentheses: text/html explains more than a syntax error.
func (a answer) mediaType() string {
	if a.contentType == "" {
		return ""
	}
	return " (" + printable(a.contentType, 2*maxCodeRunes) + ")"
}

// whyInvalid quotes at most one character of the body: the rest may be somebody's data.
func whyInvalid(body []byte) error {
	var ignored json.RawMessage
	if err := json.Unmarshal(body, &ignored); err != nil {
		return fmt.Errorf("%d bytes: %w", len(body), err)
	}
	return nil
}

// explain adds our words where the platform has none that fit.
func (e *Error) explain(env envelope) *Error {
	switch {
	case e.Class == ClassMalformed && e.Message == "":
		e.Message = "no code in the answer"
	case e.Class == ClassUnknown && env.successCode():
		e.Message = strings.TrimSpace("marked as failed under a code of success: " + e.Message)
	}
	return e
}

// parseEnvelope reads the parts of a valid document that surround the page; of any but an object, nothing.
func parseEnvelope(body []byte) envelope {
	var env envelope
	start := skipSpace(body, 0)
	if !isObject(body[start:]) {
		return env
	}
	var code, msg, message, spring, success, failed []byte
	for key, value := range members(body[start:]) {
		switch string(key) {
		case "code":
			code = value
		case "msg":
			msg = value
		case "message":
			message = value
		case "error": // "Not Found", in the body of a Spring gateway
			spring = value
		case "success":
			success = value
		case "failed":
			failed = value
		case "data":
			env.data = value
		}
	}
	env.code, env.number = codeText(code), isNumber(code)
	env.message = text(firstOf(firstOf(msg, message), spring))
	env.refused = saysTrue(failed) || saysFalse(success)
	return env
}

// codeText writes a code the way codeClasses has it: a number without decimals, a string as it is.
func codeText(raw []byte) string {
	if isNumber(raw) {
		if n, ok := integer(raw); ok {
			return strconv.FormatInt(n, 10)
		}
	}
	return strings.TrimSpace(text(raw))
}
