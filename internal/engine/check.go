package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"

	"vidbell/internal/engine/filestore"
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

// StoredStreams are the streams in the embedded server's store, as they are on disk. Nothing is started or changed.
func StoredStreams(cfg Config) ([]jetstream.StreamConfig, error) {
	stored, err := filestore.Streams(storeDir(cfg))
	if err != nil {
		return nil, err
	}
	list := make([]jetstream.StreamConfig, 0, len(stored))
	for _, s := range stored {
		if s.Err != nil {
			continue // it is looked at before each start
		}
		var config jetstream.StreamConfig
		text, err := json.Marshal(s.Config)
		if err == nil {
			err = json.Unmarshal(text, &config)
		}
		if err != nil {
			return nil, fmt.Errorf("read stream %s: %w", s.Name, err)
		}
		list = append(list, config)
	}
	return list, nil
}
