package filestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	consumersDir = "obs"
	stateFile    = "o.dat"
	stateMagic   = 22
	stateVersion = 2
)

// Consumer is the directory of one consumer.
type Consumer struct {
	Name   string
	Dir    string
	Config server.ConsumerConfig
	// MetaErr is why its description cannot be read, StateErr why its position cannot.
	MetaErr, StateErr error
	// Positioned is false for a consumer whose position was never written: the server was stopped while it made it.
	Positioned bool
	Position   Position
}

// Position is how far a consumer has come in its stream.
type Position struct {
	Floor     uint64 // everything up to it is acknowledged
	Delivered uint64 // the last one handed out
}

// Consumers lists the consumers of a stream whose last message is known.
func (s Stream) Consumers(last uint64) ([]Consumer, error) {
	dir := filepath.Join(s.Dir, consumersDir)
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list := make([]Consumer, 0, len(entries))
	for _, e := range entries {
		c := Consumer{Name: e.Name(), Dir: filepath.Join(dir, e.Name())}
		var meta server.FileConsumerInfo
		if c.MetaErr = readMeta(c.Dir, &meta); c.MetaErr == nil && meta.Name != c.Name {
			c.MetaErr = fmt.Errorf("%s: it describes a consumer %q", metaFile, meta.Name)
		}
		c.Config = meta.ConsumerConfig
		c.readState(last)
		list = append(list, c)
	}
	return list, nil
}

// StatePath is the file of a consumer's position.
func StatePath(streamDir, consumer string) string {
	return filepath.Join(streamDir, consumersDir, consumer, stateFile)
}

func (c *Consumer) readState(last uint64) {
	text, err := os.ReadFile(filepath.Join(c.Dir, stateFile))
	if os.IsNotExist(err) {
		return
	}
	c.Positioned = true
	if err == nil {
		c.Position, err = decodeState(text)
	}
	if err == nil && c.Position.Delivered > last {
		err = fmt.Errorf("message %d was handed out, and the stream ends at %d", c.Position.Delivered, last)
	}
	if err != nil {
		c.StateErr = fmt.Errorf("%s: %w", stateFile, withoutPath(err, stateFile))
	}
}

var errState = errors.New("it is not what a consumer writes")

// decodeState reads a position, and holds its parts against each other: the file has no checksum.
func decodeState(text []byte) (Position, error) {
	if len(text) < 2 || text[0] != stateMagic || text[1] != stateVersion {
		return Position{}, errState
	}
	r := varints{text: text[2:]}
	floorCount, floor, deliveredCount, delivered := r.next(), r.next(), r.next(), r.next()
	p := Position{Floor: floor, Delivered: delivered}
	pending, base := r.next(), int64(0)
	if pending > uint64(len(r.text)) || floor > delivered || floorCount > deliveredCount {
		return p, errState
	}
	if pending > 0 {
		base = r.signed()
	}
	for range pending {
		ahead := r.next()
		r.next() // delivery
		if at := base - r.signed(); ahead == 0 || floor+ahead > delivered || !sensible(at) {
			return p, errState
		}
	}
	again := r.next()
	if again > uint64(len(r.text)) {
		return p, errState
	}
	for range again {
		r.next()
		r.next()
	}
	if r.failed || len(r.text) > 0 || pending == 0 && floorCount != deliveredCount {
		return p, errState
	}
	return p, nil
}

// sensible reports whether a message may have been handed out at a time, or is to be handed out again.
func sensible(seconds int64) bool {
	const (
		earliest = 1_500_000_000 // 2017
		ahead    = 31 * 24 * 3600
	)
	return seconds > earliest && seconds < time.Now().Unix()+ahead
}

// varints reads numbers of variable length.
type varints struct {
	text   []byte
	failed bool
}

func (v *varints) next() uint64 {
	n, size := binary.Uvarint(v.text)
	if size <= 0 {
		v.failed, v.text = true, nil
		return 0
	}
	v.text = v.text[size:]
	return n
}

func (v *varints) signed() int64 {
	n := v.next()
	return int64(n>>1) ^ -int64(n&1)
}
