package history

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Position is how far both streams were read: the sequence of the last event of each, zero for none. Each goes with a check, by
// which a sequence is known again: a log that was put back from a backup gives the same ones anew. It may be empty.
type Position struct {
	Mark        string // of the log
	Videos, Ops uint64

	VideosCheck, OpsCheck string
}

// ErrPosition means that a text is no position.
var ErrPosition = errors.New("not a position: use the id of an event of this stream, as it was")

const (
	// maxPosition bounds the text of a position, in bytes.
	maxPosition = 64
	// checkChars make 25 bits: a foreign message is taken for the known one once in 33 million.
	checkChars = 5
)

var base = base32.StdEncoding.WithPadding(base32.NoPadding)

// checkOf tells a message from any other that has its sequence: the engine stores no two at one time.
func checkOf(seq uint64, stored time.Time) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d", seq, stored.UnixNano()))
	return base.EncodeToString(sum[:])[:checkChars]
}

// String is what ParsePosition reads.
func (p Position) String() string {
	return p.Mark + "-" + part(p.Videos, p.VideosCheck) + "-" + part(p.Ops, p.OpsCheck)
}

func part(seq uint64, check string) string {
	if check == "" {
		return strconv.FormatUint(seq, 10)
	}
	return strconv.FormatUint(seq, 10) + "." + check
}

// ParsePosition reads what a client sends back.
func ParsePosition(text string) (p Position, err error) {
	parts := strings.Split(text, "-")
	if len(text) > maxPosition || len(parts) != 3 || parts[0] == "" || !plain(parts[0]) {
		return Position{}, ErrPosition
	}
	p.Mark = parts[0]
	if p.Videos, p.VideosCheck, err = readPart(parts[1]); err != nil {
		return Position{}, err
	}
	if p.Ops, p.OpsCheck, err = readPart(parts[2]); err != nil {
		return Position{}, err
	}
	return p, nil
}

func readPart(text string) (seq uint64, check string, err error) {
	number, check, checked := strings.Cut(text, ".")
	if checked && (len(check) != checkChars || !plain(check)) {
		return 0, "", ErrPosition
	}
	seq, err = sequence(number)
	return seq, check, err
}

// plain reports whether a text has only what marks and checks are made of.
func plain(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return (c < 'A' || c > 'Z') && (c < '0' || c > '9') })
}

// sequence reads a number in the one way in which it is written.
func sequence(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != text {
		return 0, ErrPosition
	}
	return n, nil
}

// after is the place behind an event.
func (p Position) after(e Event) Position {
	switch check := checkOf(e.Seq, e.StoredAt); {
	case e.ops && e.Seq > p.Ops:
		p.Ops, p.OpsCheck = e.Seq, check
	case !e.ops && e.Seq > p.Videos:
		p.Videos, p.VideosCheck = e.Seq, check
	}
	return p
}
