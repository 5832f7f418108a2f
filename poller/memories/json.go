package memories

import (
	"bytes"
	"encoding/json"
	"iter"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The functions of this file walk a document that json.Valid has accepted: one value, well formed, at most 10,000 levels
// deep. So they need no error path. encoding/json into structs would match keys in any case, fail a whole page for one
// odd item, and call a method for each tolerant number; beside it (BenchmarkDecode) this takes half to two thirds of the
// time, most of it in json.Valid, and a fifth of the allocations: one for each text that is kept.

// skipSpace returns the first position from i that is no white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipValue returns the end of the value that starts at i.
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		return skipNested(b, i)
	default:
		return skipScalar(b, i)
	}
}

func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipNested counts brackets instead of recursing, so that depth costs no stack.
func skipNested(b []byte, i int) int {
	for depth := 0; ; i++ {
		switch b[i] {
		case '"':
			i = skipString(b, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

func skipScalar(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ' ', '\n', '\r', '\t':
			return i
		}
		i++
	}
	return i
}

// members yields the keys, unquoted, and the raw values of an object.
func members(raw []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for i := skipSpace(raw, 1); raw[i] != '}'; {
			keyEnd := skipString(raw, i)
			start := skipSpace(raw, skipSpace(raw, keyEnd)+1) // over the colon
			end := skipValue(raw, start)
			if !yield(memberKey(raw[i:keyEnd]), raw[start:end]) {
				return
			}
			i = nextItem(raw, end)
		}
	}
}

// elements yields the raw values of an array.
func elements(raw []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := skipSpace(raw, 1); raw[i] != ']'; {
			end := skipValue(raw, i)
			if !yield(raw[i:end]) {
				return
			}
			i = nextItem(raw, end)
		}
	}
}

// nextItem steps over white space and a comma, to the next item or the closing bracket.
func nextItem(raw []byte, i int) int {
	i = skipSpace(raw, i)
	if raw[i] == ',' {
		i = skipSpace(raw, i+1)
	}
	return i
}

// memberKey unquotes a key. Escapes are legal in keys and used by nobody, so they may cost.
func memberKey(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') >= 0 {
		return []byte(unquote(raw))
	}
	return raw[1 : len(raw)-1]
}

func isObject(raw []byte) bool { return len(raw) > 0 && raw[0] == '{' }
func isArray(raw []byte) bool  { return len(raw) > 0 && raw[0] == '[' }
func isString(raw []byte) bool { return len(raw) > 0 && raw[0] == '"' }
func isNumber(raw []byte) bool {
	return len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}

// isNone reports the forms in which the platform says that there is nothing: no such key, null, "null", "".
func isNone(raw []byte) bool {
	switch string(raw) {
	case "", "null", `"null"`, `""`:
		return true
	default:
		return false
	}
}

// firstOf returns the first that says anything.
func firstOf(a, b []byte) []byte {
	if isNone(a) {
		return b
	}
	return a
}

// unquote returns the text of a JSON string, with U+FFFD for what is not UTF-8.
func unquote(raw []byte) string {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var s string
	_ = json.Unmarshal(raw, &s) // cannot fail: raw is one valid JSON string
	return s
}

// text returns a string's text or a number's digits, exactly as they were sent, and "" for anything else and for the
// forms of nothing.
func text(raw []byte) string {
	switch {
	case isNone(raw):
		return ""
	case isString(raw):
		return unquote(raw)
	case isNumber(raw):
		return string(raw)
	default:
		return ""
	}
}

// saysTrue and saysFalse read a flag. Anything but the words of a flag says neither.
func saysTrue(raw []byte) bool  { return string(raw) == "true" || string(raw) == `"true"` }
func saysFalse(raw []byte) bool { return string(raw) == "false" || string(raw) == `"false"` }

// integer reads a number in any of the platform's forms: 12, "12", 12.0, 1.7e12. Decimals are cut off. It reports false
// for what is none, or does not fit.
func integer(raw []byte) (int64, bool) {
	if isString(raw) {
		raw = bytes.TrimSpace(raw[1 : len(raw)-1])
	}
	if n, ok := smallInteger(raw); ok {
		return n, true
	}
	s := string(raw)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	if strings.Trim(s, "0123456789+-.eE") != "" { // ParseFloat also reads inf, nan, hexadecimal and 1_000
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f < math.MinInt64 || f >= math.MaxInt64 {
		return 0, false
	}
	return int64(f), true
}

// smallInteger reads up to 18 plain digits: nearly every number there is, without a copy.
func smallInteger(raw []byte) (n int64, ok bool) {
	if len(raw) == 0 || len(raw) > 18 {
		return 0, false
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// integerOr is integer with a value for what is none.
func integerOr(raw []byte, otherwise int64) int64 {
	if n, ok := integer(raw); ok && n >= 0 {
		return n
	}
	return otherwise
}
