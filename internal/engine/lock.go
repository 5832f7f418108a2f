package engine

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

var errLocked = errors.New("locked by another process")

// lock keeps a second process off a data directory. The operating system gives it up when the process dies.
type lock struct{ file *os.File }

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

func (l *lock) release() {
	if l != nil && l.file != nil {
		_ = l.file.Close() // closing gives the lock up
	}
}
