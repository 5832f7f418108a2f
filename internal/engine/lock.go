package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

var errLocked = errors.New("locked by another process")

// lock keeps a second process off a data directory. The operating system gives it up when the process dies. The directory
// itself is locked too, where the system can: whoever removes the file does not open the door.
type lock struct {
	file *os.File
	dir  *os.File // nil where directories cannot be locked
}

// acquire returns errLocked, and a lock that only knows its holder, when another process has it.
func acquire(path string) (*lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	l := &lock{file: f}
	if err := lockFileNow(f); err != nil {
		return l, err
	}
	if l.dir, err = lockDirNow(filepath.Dir(path)); err != nil {
		return l, err
	}
	if err := f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
		if err != nil {
			return l, errors.Join(err, f.Close())
		}
	}
	return l, nil
}

// holder names the process that has the lock, if it said so.
func (l *lock) holder() string {
	if l == nil || l.file == nil {
		return ""
	}
	defer l.release()
	text := make([]byte, 20)
	n, _ := l.file.ReadAt(text, 0)
	pid := strings.TrimSpace(string(text[:n]))
	if pid == "" {
		return ""
	}
	return " (process " + pid + ")"
}

// intact returns an error when the data directory is not the one that was locked any more: it was moved, or replaced.
func (l *lock) intact() error {
	held, err := l.file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(l.file.Name())
	if err != nil {
		return fmt.Errorf("its lock file is gone, or the directory is: %w", err)
	}
	if !os.SameFile(held, there) {
		return errReplaced
	}
	return nil
}

var errReplaced = errors.New("another directory or lock file is in its place")

func (l *lock) release() {
	if l == nil {
		return
	}
	for _, f := range []*os.File{l.dir, l.file} {
		if f != nil {
			_ = f.Close() // closing gives the lock up
		}
	}
}
