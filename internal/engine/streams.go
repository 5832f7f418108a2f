package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// checkStreams fails if the store holds a stream that the server did not bring up. The server only warns about one that it
// cannot read, and whoever makes that stream again makes it empty, over what was there.
func checkStreams(nc *nats.Conn, storeDir string, log *serverLog) error {
	served, err := streamNames(nc)
	if err != nil {
		return fmt.Errorf("list the streams of the embedded server: %w", err)
	}
	store := os.DirFS(storeDir)
	dirs, err := fs.Glob(store, "jetstream/*/streams/*")
	if err != nil {
		return fmt.Errorf("list the streams in %s: %w", storeDir, err)
	}
	for _, dir := range dirs {
		name := path.Base(dir)
		if served[name] || strings.HasPrefix(name, ".") || !holdsMessages(store, dir) {
			continue // a dot marks what is being deleted; without messages a kill came before the stream was ready
		}
		cause := log.about(name)
		if cause == "" {
			cause = "the server did not say why"
		}
		return &Error{
			Setting: "VIDBELL_DATA_DIR", Problem: "stream " + name + " in " + filepath.Join(storeDir, dir) + " cannot be read", Err: errors.New(cause),
			Hint: "nothing was overwritten: bring the directory back from a backup, or move it away to begin anew",
		}
	}
	return nil
}

func streamNames(nc *nats.Conn) (map[string]bool, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	names := make(map[string]bool)
	list := js.StreamNames(ctx)
	for name := range list.Name() {
		names[name] = true
	}
	return names, list.Err()
}

func holdsMessages(store fs.FS, dir string) bool {
	blocks, _ := fs.Glob(store, dir+"/msgs/*.blk") // the pattern is sound
	for _, block := range blocks {
		if info, err := fs.Stat(store, block); err != nil || info.Size() > 0 {
			return true
		}
	}
	return false
}
