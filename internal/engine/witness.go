package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"vidbell/internal/engine/filestore"
)

const (
	witnessFile   = "vidbell.witness"
	witnessSchema = 1
)

// witness is what is known to be in the embedded server's store, kept in a file beside it: so that a store that was damaged or
// lost is not taken for one that never was. It claims nothing that was not synced to disk before, and it may lag behind: a
// process that was killed leaves messages in the store that the witness has not seen.
type witness struct {
	Schema  int                   `json:"schema"`
	Streams map[string]streamMark `json:"streams"`
}

// streamMark is what is known of a stream. Created tells it from another by the same name: the birth mark of a log lives and
// dies with its stream.
type streamMark struct {
	Created   time.Time               `json:"created"`
	Last      uint64                  `json:"last,omitempty"` // sequence; 0 for a stream that may drop its last message
	Consumers map[string]consumerMark `json:"consumers,omitempty"`
}

// consumerMark is what is known of a durable consumer.
type consumerMark struct {
	Floor uint64 `json:"floor"` // everything up to it is acknowledged
	// State is the checksum of the file of its position, after an orderly stop. The file itself has none.
	State string `json:"state,omitempty"`
}

var (
	errWitnessSum   = errors.New("its checksum does not match")
	errWitnessNewer = errors.New("written by a newer vidbell")
)

// readWitness returns nil when there is none: the store is new, or older than witnesses are.
func readWitness(dir string) (*witness, error) {
	text, err := os.ReadFile(filepath.Join(dir, witnessFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	body, sum, _ := bytes.Cut(text, []byte("\n"))
	if string(bytes.TrimSpace(sum)) != checksum(body) {
		return nil, errWitnessSum
	}
	w := new(witness)
	if err := json.Unmarshal(body, w); err != nil {
		return nil, err
	}
	if w.Schema > witnessSchema {
		return nil, errWitnessNewer
	}
	return w, nil
}

// write replaces the file, so that a crash leaves the old one or the new one.
func (w *witness) write(dir string) error {
	w.Schema = witnessSchema
	body, err := json.Marshal(w)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, witnessFile)
	if err := writeSynced(path+".tmp", append(body, "\n"+checksum(body)+"\n"...)); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	return syncPath(dir)
}

func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncPath forces a file or directory to disk. One that is gone needs no syncing. Windows syncs no directories.
func syncPath(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.IsDir() && runtime.GOOS == "windows" {
		return nil
	}
	flag := os.O_RDWR // Windows syncs only what may be written
	if err == nil && info.IsDir() {
		flag = os.O_RDONLY
	}
	f, err := os.OpenFile(path, flag, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func checksum(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// seal adds the checksums of the consumers' positions, once the server has stopped.
func (w *witness) seal(streams []filestore.Stream) {
	for _, s := range streams {
		for name, mark := range w.Streams[s.Name].Consumers {
			if text, err := os.ReadFile(filestore.StatePath(s.Dir, name)); err == nil {
				mark.State = checksum(text)
				w.Streams[s.Name].Consumers[name] = mark
			}
		}
	}
}

// open takes the checksums out: the server is about to write the files.
func (w *witness) open() {
	for _, s := range w.Streams {
		for name, mark := range s.Consumers {
			mark.State = ""
			s.Consumers[name] = mark
		}
	}
}

func (m streamMark) String() string {
	if m.Last == 0 {
		return "made " + m.Created.Format(time.RFC3339)
	}
	return fmt.Sprintf("made %s, with messages up to %d", m.Created.Format(time.RFC3339), m.Last)
}
