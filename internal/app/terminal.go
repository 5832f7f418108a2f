package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"golang.org/x/term"

	"vidbell/internal/printable"
)

// printer writes lines for people. Colour is never the only sign, and absent where it is not wanted.
type printer struct {
	out    io.Writer
	colour bool
}

type colour string

const (
	plainText colour = ""
	green     colour = "32"
	red       colour = "31"
	yellow    colour = "33"
	cyan      colour = "36"
	dim       colour = "2"
	bold      colour = "1"
)

func newPrinter(out io.Writer) printer {
	return printer{out: printable.Writer(out), colour: wantsColour(out)}
}

// wantsColour follows NO_COLOR, TERM=dumb, CLICOLOR_FORCE, and whether a terminal is there.
func wantsColour(out io.Writer) bool {
	if os.Getenv("NO_COLOR") != "" {
		return false
	}
	if force := os.Getenv("CLICOLOR_FORCE"); force != "" && force != "0" {
		return true
	}
	f, ok := out.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

func (p printer) paint(c colour, text string) string {
	if !p.colour || c == plainText {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

func (p printer) line(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format+"\n", args...) // nobody to tell when the terminal is gone
}

// safe escapes control characters: names and causes come from outside, and a terminal obeys them.
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		if obeyed(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// safeLines is safe for a text of several lines: a mistake in an expression is shown with a mark below it.
func safeLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = safe(line)
	}
	return strings.Join(lines, "\n")
}

// obeyed tells whether a terminal does something else with a character than to show it: control characters, overrides of the
// direction of writing and other formats, separators of lines.
func obeyed(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// writeJSON prints a JSON document for people and programs. What a terminal would obey is escaped, inside the texts, where
// alone it can be: it stays the same document.
func writeJSON(out io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return indent(out, text)
}

// indent is writeJSON for what is JSON already.
func indent(out io.Writer, body []byte) error {
	var text bytes.Buffer
	if err := json.Indent(&text, bytes.TrimSpace(body), "", "  "); err != nil {
		return err
	}
	_, err := io.WriteString(out, escapeJSON(text.String())+"\n")
	return err
}

// escapeJSON writes what safe would replace as JSON writes it in ASCII.
func escapeJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case !obeyed(r) || r == '\n':
			b.WriteRune(r)
		case r > 0xFFFF:
			first, second := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, first, second)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// shorten cuts the middle out of a text that is longer than n.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	tail := (n - 1) / 3
	return string(r[:n-1-tail]) + "…" + string(r[len(r)-tail:])
}

// human writes a duration as people say it.
func human(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return d.Round(time.Second).String()
	}
}
