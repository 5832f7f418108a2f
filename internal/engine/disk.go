package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const (
	probeFile = "vidbell.probe"
	// probeSize is more than the server needs to take a batch of a few events.
	probeSize = 64 << 10
)

var (
	// ErrDiskFull means that the data directory's disk has no room.
	ErrDiskFull = errors.New("the disk is full")
	// ErrUnwritable means that the data directory cannot be written for another reason.
	ErrUnwritable = errors.New("the data directory cannot be written")
)

// Explain adds to an error about the log what the server does not say: that the disk is full, or cannot be written.
func (e *Engine) Explain(err error) error {
	if e.embedded == nil || err == nil {
		return err
	}
	trouble := tryWrite(e.embedded.dataDir)
	switch {
	case trouble == nil:
		return err
	case errors.Is(trouble, syscall.ENOSPC), errors.Is(trouble, syscall.EDQUOT):
		return fmt.Errorf("%w (VIDBELL_DATA_DIR, %s): %w: %w", ErrDiskFull, e.embedded.dataDir, trouble, err)
	default:
		return fmt.Errorf("%w (VIDBELL_DATA_DIR, %s): %w: %w", ErrUnwritable, e.embedded.dataDir, trouble, err)
	}
}

// tryWrite writes a file and takes it away again.
func tryWrite(dir string) error {
	path := filepath.Join(dir, probeFile)
	err := writeSynced(path, make([]byte, probeSize))
	if gone := os.Remove(path); err == nil {
		err = gone
	}
	return err
}
