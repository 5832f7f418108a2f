package history

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Position is how far both streams were read: the sequence of the last event of each, zero for none.
type Position struct {
	Mark   string // of the log
	Videos uint64
	Ops    uint64
}

// ErrPosition means that a text is no position.
var ErrPosition = errors.New("not a position: use the id of an event of this stream, as it was")

// maxPosition bounds the text of a position, in bytes.
const maxPosition = 64

// String is what ParsePosition reads.
func (p Position) String() string { return fmt.Sprintf("%s-%d-%d", p.Mark, p.Videos, p.Ops) }

// ParsePosition reads what a client sends back.
func ParsePosition(text string) (Position, error) {
	parts := strings.Split(text, "-")
	if len(text) > maxPosition || len(parts) != 3 || parts[0] == "" {
		return Position{}, ErrPosition
	}
	for _, c := range parts[0] {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return Position{}, ErrPosition
		}
	}
	videos, err := sequence(parts[1])
	if err != nil {
		return Position{}, err
	}
	ops, err := sequence(parts[2])
	return Position{Mark: parts[0], Videos: videos, Ops: ops}, err
}

// sequence reads a number in the one way in which it is written.
func sequence(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != text {
		return 0, ErrPosition
	}
	return n, nil
}

func (p Position) after(e Event) Position {
	if e.ops {
		p.Ops = max(p.Ops, e.Seq)
	} else {
		p.Videos = max(p.Videos, e.Seq)
	}
	return p
}
