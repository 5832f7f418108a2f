package config

import (
	"errors"
	"fmt"
	"strings"
)

// Problem is one mistake in the settings: the variable, and a sentence with what is wrong and what would be right.
type Problem struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

func (p Problem) String() string { return p.Name + ": " + p.Text }

// Problems is every mistake found in one run. As an error it prints one problem a line and, when there are several,
// their number.
type Problems []Problem //nolint:errname // a list that is filled, and only in the end an error

// Add records a problem of the named variable.
func (p *Problems) Add(name, text string) { *p = append(*p, Problem{Name: name, Text: text}) }

// Addf records a problem of the named variable, formatted.
func (p *Problems) Addf(name, format string, args ...any) {
	p.Add(name, fmt.Sprintf(format, args...))
}

// AddErr records an error, each of its parts if it joins several. A nil error records nothing.
func (p *Problems) AddErr(name string, err error) {
	if err == nil {
		return
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, one := range joined.Unwrap() {
			p.AddErr(name, one)
		}
		return
	}
	p.Add(name, err.Error())
}

// Has tells whether the named variable has a problem already.
func (p Problems) Has(name string) bool {
	for _, one := range p {
		if one.Name == name {
			return true
		}
	}
	return false
}

// Err is nil when there is no problem, else the problems as an error.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

func (p Problems) Error() string {
	lines := make([]string, 0, len(p)+1)
	for _, one := range p {
		lines = append(lines, one.String())
	}
	if len(p) > 1 {
		lines = append(lines, fmt.Sprintf("%d problems", len(p)))
	}
	return strings.Join(lines, "\n")
}
