// Package printable keeps text from outside from commanding a terminal. Names, causes and ids of videos, words of the platform
// and of clients may hold anything: control characters of both sets, of which U+009B begins a command like ESC [, and marks
// such as U+202E that turn the direction of what follows around.
package printable

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text writes each control character and each invisible mark as an escape like \u202e, as JSON does.
func Text(s string) string {
	return escape(s, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) })
}

// Writer passes on what is written, with escapes in place of what neither JSON encoders nor consoles escape: DEL, the second
// set of control characters, and invisible marks. What is JSON stays the same JSON. The first set passes: line breaks and
// colours are our own. A call of Write must not end within a character.
func Writer(out io.Writer) io.Writer { return writer{out} }

type writer struct{ out io.Writer }

func (w writer) Write(p []byte) (int, error) {
	s := escape(string(p), func(r rune) bool { return r >= 0x7f && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) })
	if _, err := io.WriteString(w.out, s); err != nil {
		return 0, err
	}
	return len(p), nil
}

func escape(s string, hidden func(rune) bool) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case !hidden(r):
			_, size := utf8.DecodeRuneInString(s[i:]) // bytes that are no character stay as they are
			b.WriteString(s[i : i+size])
		case r > 0xffff:
			hi, lo := utf16(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// utf16 is how JSON writes what does not fit into four digits.
func utf16(r rune) (hi, lo rune) {
	r -= 0x10000
	return 0xd800 + r>>10, 0xdc00 + r&0x3ff
}
