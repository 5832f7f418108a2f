package config

import (
	"fmt"
	"io"
)

// redacted is what every print of a set secret shows.
const redacted = "[redacted]"

// Secret is text that no print, log line or JSON document shows. The text sits behind a pointer so that even a dump of
// a struct that holds a Secret in an unexported field, where fmt calls no methods, shows an address and not the text.
type Secret struct {
	text *string
}

// NewSecret wraps text. The empty text is an unset secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text, for the one place that sends or compares it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet tells whether there is any text.
func (s Secret) IsSet() bool { return s.text != nil }

func (s Secret) String() string {
	if s.text == nil {
		return ""
	}
	return redacted
}

// GoString keeps the text out of %#v.
func (s Secret) GoString() string { return s.String() }

// Format keeps the text out of every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText keeps the text out of encoders, JSON and zap's reflection included.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON keeps the text out of JSON documents.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }
