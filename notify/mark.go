package notify

import (
	"crypto/sha256"
	"encoding/base32"
)

// markBytes make 8 characters: two logs that one installation had share a mark once in a trillion.
const markBytes = 5

// Mark tells this log from any other that was or will be in its place. It follows from the birth mark, and does not tell it.
func (l *Log) Mark() string {
	sum := sha256.Sum256([]byte("vidbell mark " + l.identity()))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:markBytes])
}
