package filestore

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/highwayhash"
)

const (
	messagesDir = "msgs"
	blockSuffix = ".blk"

	recordHeader = 22
	checksumSize = 8
	headerFlag   = 1 << 31  // of a length
	deletedFlags = 3 << 62  // of a sequence
	maxRecord    = 32 << 20 // what the server takes for a length that makes sense
	minRecord    = recordHeader + checksumSize
)

// DamageError means that a block holds something that cannot be read in front of messages that can: no crash does that.
type DamageError struct {
	Block  string // file
	Offset int
	After  uint64 // sequence of the last message before
}

// Error names the place.
func (e *DamageError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d, behind message %d, and good messages follow", e.Block, e.Offset, e.After)
}

// Block is one file of messages.
type Block struct {
	Index uint32
	Path  string
}

// Blocks lists the files of messages in their order.
func (s Stream) Blocks() ([]Block, error) {
	dir := filepath.Join(s.Dir, messagesDir)
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var blocks []Block
	for _, e := range entries {
		number, ok := strings.CutSuffix(e.Name(), blockSuffix)
		index, err := strconv.ParseUint(number, 10, 32)
		if !ok || err != nil {
			continue
		}
		blocks = append(blocks, Block{Index: uint32(index), Path: filepath.Join(dir, e.Name())})
	}
	slices.SortFunc(blocks, func(a, b Block) int { return cmp.Compare(a.Index, b.Index) })
	return blocks, nil
}

// Last reads every message and returns the sequence of the last one. What a crash cut short at the very end does not count. It
// returns a *DamageError for what no crash explains.
func (s Stream) Last() (uint64, error) {
	blocks, err := s.Blocks()
	if err != nil {
		return 0, err
	}
	var last uint64
	var cut *DamageError // where the records could not be read on
	var text []byte
	for _, b := range blocks {
		if text, err = readInto(text, b.Path); err != nil {
			return 0, err
		}
		r := newReader(s.Name, b.Index)
		end := r.walk(text, 0)
		if cut != nil && end > 0 {
			return last, cut
		}
		last = max(last, r.last)
		if end == len(text) {
			continue
		}
		cut = &DamageError{Block: b.Path, Offset: end, After: last}
		if r.findNext(text, end+1) {
			return last, cut
		}
	}
	return last, nil
}

// readInto reads a file into the memory of another: a log has thousands of blocks.
func readInto(text []byte, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(text[:0])
	_, err = b.ReadFrom(f)
	return b.Bytes(), errors.Join(err, f.Close())
}

// reader reads the records of one block.
type reader struct {
	hash hash.Hash64
	last uint64
}

func newReader(stream string, index uint32) *reader {
	return &reader{hash: newHash(fmt.Sprintf("%s-%d", stream, index))}
}

// newHash is the server's checksum, which has a key for every file.
func newHash(of string) hash.Hash64 {
	key := sha256.Sum256([]byte(of))
	h, _ := highwayhash.New64(key[:]) // fails only for a key of another size
	return h
}

// walk reads records until one is not good, and returns where.
func (r *reader) walk(text []byte, at int) int {
	for at < len(text) {
		size, ok := r.record(text[at:])
		if !ok {
			return at
		}
		sequence := binary.LittleEndian.Uint64(text[at+4:]) &^ deletedFlags
		r.last = max(r.last, sequence)
		at += size
	}
	return at
}

// findNext reports whether a good record begins anywhere from a place on.
func (r *reader) findNext(text []byte, at int) bool {
	for ; at+minRecord <= len(text); at++ {
		if _, ok := r.record(text[at:]); ok {
			return true
		}
	}
	return false
}

// record returns the size of the record that a text begins with.
func (r *reader) record(text []byte) (size int, ok bool) {
	if len(text) < minRecord {
		return 0, false
	}
	length := binary.LittleEndian.Uint32(text)
	size = int(length &^ headerFlag)
	subject := int(binary.LittleEndian.Uint16(text[20:]))
	body := recordHeader + subject
	if length&headerFlag != 0 {
		body += 4
	}
	if size > maxRecord || size > len(text) || body+checksumSize > size {
		return 0, false
	}
	r.hash.Reset()
	_, _ = r.hash.Write(text[4:20]) // a hash takes everything
	_, _ = r.hash.Write(text[recordHeader : recordHeader+subject])
	_, _ = r.hash.Write(text[body : size-checksumSize])
	var sum [checksumSize]byte
	return size, bytes.Equal(r.hash.Sum(sum[:0]), text[size-checksumSize:size])
}
