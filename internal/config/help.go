package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

const (
	minWidth     = 40
	defaultWidth = 80
	helpIndent   = "      "
)

// Help writes every variable with its meaning, wrapped to width columns (80 when width is 0).
func Help(w io.Writer, width int) error {
	if width == 0 {
		width = defaultWidth
	}
	width = max(width, minWidth)
	var text bytes.Buffer
	fmt.Fprintln(&text, wrap("vidbell is configured by the environment. A variable that is set but empty counts as unset. "+
		"Lists are separated by commas. Durations need a unit: 500ms, 15s, 10m, 1h30m. A secret may instead be in a file "+
		"named by the variable with _FILE added.", "", width))
	group := ""
	for _, v := range Variables() {
		if v.Group != group {
			group = v.Group
			fmt.Fprintf(&text, "\n%s\n", group)
		}
		fmt.Fprintf(&text, "\n  %s  (%s)\n%s\n", v.Name, v.note(), wrap(v.Meaning+".", helpIndent, width))
	}
	_, err := w.Write(text.Bytes())
	if err != nil {
		return fmt.Errorf("write help: %w", err)
	}
	return nil
}

// note is the type of a variable and what else can be said in a word.
func (v Variable) note() string {
	note := v.Type
	if v.Secret {
		note += ", secret, or _FILE"
	}
	if v.Required {
		note += ", required"
	}
	if v.Default != "" {
		note += ", default " + v.Default
	}
	return note
}

func (v Variable) defaultCell() string {
	switch {
	case v.Required:
		return "required"
	case v.Default == "":
		return "none"
	}
	return "`" + cell(v.Default) + "`"
}

// cell escapes what Markdown would read as the end of a cell, as emphasis or as HTML.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "<", `\<`).Replace(text)
}

// wrap breaks text at spaces so that lines, indent included, fit the width where the words allow it.
func wrap(text, indent string, width int) string {
	var lines []string
	line := indent
	for word := range strings.FieldsSeq(text) {
		if line != indent && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}
