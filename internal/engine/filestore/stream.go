package filestore

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	metaFile = "meta.inf"
	sumFile  = "meta.sum"
)

// Stream is the directory of one stream.
type Stream struct {
	Name    string
	Dir     string
	Created time.Time
	Config  server.StreamConfig
	Err     error // why its description cannot be read; then only Name and Dir are known
}

// Streams lists the streams of all accounts below the directory that the server was given, those that are being deleted left
// out. A directory that does not exist has none.
func Streams(storeDir string) ([]Stream, error) {
	dirs, err := fs.Glob(os.DirFS(storeDir), "jetstream/*/streams/*")
	if err != nil {
		return nil, fmt.Errorf("list the streams in %s: %w", storeDir, err)
	}
	var list []Stream
	for _, dir := range dirs {
		s := Stream{Dir: filepath.Join(storeDir, filepath.FromSlash(dir))}
		if s.Name = filepath.Base(s.Dir); strings.HasPrefix(s.Name, ".") {
			continue
		}
		var meta server.FileStreamInfo
		if s.Err = readMeta(s.Dir, &meta); s.Err == nil {
			s.Err = checkSum(s)
		}
		s.Created, s.Config = meta.Created, meta.StreamConfig
		list = append(list, s)
	}
	return list, nil
}

// KeepsAll reports whether a configuration lets the stream drop nothing but what a newer message replaces, so that its last
// message is there for good.
func KeepsAll(c server.StreamConfig) bool {
	return c.Retention == server.LimitsPolicy && c.MaxAge == 0 && c.MaxMsgs <= 0 && c.MaxBytes <= 0 && c.MaxMsgsPer <= 0
}

// readMeta reads a description as the server does at its start: the checksum has to be there.
func readMeta(dir string, into any) error {
	text, err := os.ReadFile(filepath.Join(dir, metaFile))
	if err != nil {
		return withoutPath(err, metaFile)
	}
	if _, err := os.Stat(filepath.Join(dir, sumFile)); err != nil {
		return withoutPath(err, sumFile)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", metaFile, err)
	}
	return nil
}

var errSum = errors.New("its checksum does not match")

// checkSum holds a stream's description against its checksum, without which the server goes on as if there were no stream.
func checkSum(s Stream) error {
	text, err := os.ReadFile(filepath.Join(s.Dir, metaFile))
	if err != nil {
		return withoutPath(err, metaFile)
	}
	want, err := os.ReadFile(filepath.Join(s.Dir, sumFile))
	if err != nil {
		return withoutPath(err, sumFile)
	}
	h := newHash(s.Name)
	_, _ = h.Write(text) // a hash takes everything
	if hex.EncodeToString(h.Sum(nil)) != string(want) {
		return fmt.Errorf("%s: %w", metaFile, errSum)
	}
	return nil
}

// withoutPath leaves the directory out of an error whose caller names it.
func withoutPath(err error, name string) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return fmt.Errorf("%s %s: %w", at.Op, name, at.Err)
	}
	return err
}
