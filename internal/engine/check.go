package engine

import (
	"errors"
	"os"
	"path/filepath"
)

// ErrInUse means that another vidbell holds the data directory.
var ErrInUse = errors.New("in use by another vidbell")

// CheckEmbedded reports whether the embedded server could start: the data directory can be written and is not in use, the log
// in it is whole, the address is free. It leaves nothing behind. An error matches ErrInUse when another process holds the directory.
func CheckEmbedded(cfg Config) error {
	missing := firstMissing(cfg.DataDir)
	l, err := openDataDir(cfg.DataDir)
	if err == nil {
		defer l.release()
		_, err = examine(cfg)
	}
	if err == nil {
		_, err = serverOptions(cfg)
	}
	if missing != "" {
		removeEmpty(cfg.DataDir, missing, l)
	}
	return err
}

// removeEmpty removes the directories that a check made, as long as nobody has put anything into them.
func removeEmpty(dir, topmost string, l *lock) {
	if l != nil {
		_ = os.Remove(filepath.Join(dir, lockFile))
	}
	for dir = filepath.Clean(dir); os.Remove(dir) == nil && dir != topmost; {
		dir = filepath.Dir(dir)
	}
}

// firstMissing is the topmost directory of a path that does not exist yet.
func firstMissing(dir string) string {
	missing := ""
	for dir = filepath.Clean(dir); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || !errors.Is(err, os.ErrNotExist) {
			return missing
		}
		missing = dir
		if dir == filepath.Dir(dir) {
			return missing
		}
	}
}
