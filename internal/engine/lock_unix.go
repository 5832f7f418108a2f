//go:build unix

package engine

import (
	"errors"
	"os"
	"syscall"
)

func lockFileNow(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}

// lockDirNow locks a directory. A file system that cannot do so leaves the lock file to do the work.
func lockDirNow(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = lockFileNow(f)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, errLocked) {
		return nil, err
	}
	return nil, nil
}
