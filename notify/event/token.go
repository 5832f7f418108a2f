package event

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
)

const (
	// maxTokenBytes bounds one encoded subject token. nats-server closes a connection for good when a subject and its framing
	// pass 4,096 bytes, so text from the platform must be bounded before it becomes part of a subject.
	maxTokenBytes = 120
	hashPrefix    = "=h"
	hashBytes     = 20
)

// Token writes text from outside as one subject token: letters, digits, - and _ stay, any other byte becomes =XX, and what
// would pass 120 bytes becomes =h and a hash. Two different texts never share a token, short of a hash collision.
func Token(s string) string {
	if plain(s) && len(s) <= maxTokenBytes && s != "" {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if plainByte(s[i]) {
			b.WriteByte(s[i])
			continue
		}
		fmt.Fprintf(&b, "=%02X", s[i])
	}
	if b.Len() == 0 {
		return "=" // the empty text: no other text encodes to a lone "="
	}
	if b.Len() <= maxTokenBytes {
		return b.String()
	}
	sum := sha256.Sum256([]byte(s))
	return hashPrefix + hashText(sum[:hashBytes])
}

var errToken = errors.New("not a subject token")

// Untoken reverses Token. It fails for hashed tokens, whose text is not in the token.
func Untoken(t string) (string, error) {
	if t == "=" {
		return "", nil
	}
	if t == "" {
		return "", fmt.Errorf("%w: it is empty", errToken)
	}
	if isPlain(t) { // the usual one, asked for with every delivery
		return t, nil
	}
	var b strings.Builder
	for i := 0; i < len(t); i++ {
		switch {
		case plainByte(t[i]):
			b.WriteByte(t[i])
		case t[i] == '=' && i+2 < len(t):
			hi, lo := unhex(t[i+1]), unhex(t[i+2])
			if hi < 0 || lo < 0 {
				return "", fmt.Errorf("%w: %q", errToken, t)
			}
			b.WriteByte(byte(hi<<4 | lo))
			i += 2
		default:
			return "", fmt.Errorf("%w: %q", errToken, t)
		}
	}
	return b.String(), nil
}

func isPlain(t string) bool {
	for i := range len(t) {
		if !plainByte(t[i]) {
			return false
		}
	}
	return true
}

// isHash reports whether a token is a hash. No other begins with =h: hexadecimal digits are written as capitals.
func isHash(t string) bool {
	return strings.HasPrefix(t, hashPrefix) && len(t) == len(hashPrefix)+hashBytes*8/5
}

func plain(s string) bool {
	for i := range len(s) {
		if !plainByte(s[i]) {
			return false
		}
	}
	return true
}

func plainByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}

func hashText(b []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}
