package engine

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"vidbell/internal/engine/filestore"
)

// lostHint is what can be done about a store that is not what it was. Its second half is the deliberate step that gives it up.
const lostHint = "nothing was overwritten: bring the whole directory back from a backup, or move it away to begin anew, " +
	"which gives up the events that are not delivered yet"

// examined is what a look at the store, before the server touches it, has found.
type examined struct {
	witness *witness // never nil
	damaged []damagedConsumer
}

// damagedConsumer is one that the server could not bring up, and that can be made again without losing anything.
type damagedConsumer struct {
	stream string
	name   string
	dir    string                // empty when it is gone altogether
	queue  bool                  // of a work queue, which still holds all that is not acknowledged: its owner makes it again
	config server.ConsumerConfig // empty when it cannot be read
	floor  uint64                // everything up to it is acknowledged
	err    error
}

// examine reads the store and changes nothing. It returns an *Error for a store that holds less than was once in it, and for
// one that no crash leaves so.
func examine(cfg Config) (*examined, error) {
	w, err := readWitness(cfg.DataDir)
	if err != nil {
		return nil, &Error{
			Setting: "VIDBELL_DATA_DIR", Problem: filepath.Join(cfg.DataDir, witnessFile) + " cannot be read", Err: err, Hint: lostHint,
		}
	}
	if w == nil {
		w = &witness{}
	}
	streams, err := filestore.Streams(storeDir(cfg))
	if err != nil {
		return nil, &Error{Setting: "VIDBELL_DATA_DIR", Problem: "cannot read " + cfg.DataDir, Err: err, Hint: lostHint}
	}
	found := &examined{witness: w}
	for _, s := range streams {
		if err := found.stream(cfg, s); err != nil {
			return nil, lost(cfg, s.Name, err)
		}
	}
	for name, mark := range w.Streams {
		if !slices.ContainsFunc(streams, func(s filestore.Stream) bool { return s.Name == name }) {
			return nil, lost(cfg, name, fmt.Errorf("it was %s, and is not there", mark))
		}
	}
	return found, nil
}

func lost(cfg Config, stream string, err error) error {
	return &Error{
		Setting: "VIDBELL_DATA_DIR", Problem: "the log in " + cfg.DataDir + " is damaged, stream " + stream, Err: err, Hint: lostHint,
	}
}

func storeDir(cfg Config) string { return filepath.Join(cfg.DataDir, "jetstream") }

// stream holds a stream against what is known of it.
func (x *examined) stream(cfg Config, s filestore.Stream) error {
	mark, known := x.witness.Streams[s.Name]
	last, err := s.Last()
	switch {
	case err != nil:
		return err
	case s.Err != nil && last == 0 && mark.Last == 0:
		return nil // nothing is lost; a kill may have come before the stream was ready
	case s.Err != nil:
		return fmt.Errorf("%s cannot be read: %w", s.Dir, s.Err)
	case known && !s.Created.Equal(mark.Created):
		return fmt.Errorf("%s is another one, made %s: it was %s", s.Dir, s.Created.Format(time.RFC3339), mark)
	case last < mark.Last:
		return fmt.Errorf("%s ends at message %d: it was %s", s.Dir, last, mark)
	}
	consumers, err := s.Consumers(last)
	if err != nil {
		return err
	}
	return x.consumers(cfg, s, mark, consumers)
}

func (x *examined) consumers(cfg Config, s filestore.Stream, mark streamMark, found []filestore.Consumer) error {
	ours, queue := cfg.Consumers[s.Name], s.Config.Retention == server.WorkQueuePolicy
	for _, c := range found {
		known, ok := mark.Consumers[c.Name]
		err := troubleOf(c, known, ok)
		if err == nil {
			continue
		}
		d := damagedConsumer{stream: s.Name, name: c.Name, dir: c.Dir, queue: queue, config: c.Config, floor: known.Floor, err: err}
		if c.MetaErr != nil {
			d.config = server.ConsumerConfig{}
		}
		switch {
		case ok, queue:
		case c.Positioned && c.StateErr == nil:
			d.floor = c.Position.Floor
		case !c.Positioned || !slices.Contains(ours, c.Name):
			continue // it was never ready, or is not ours to look after
		default:
			return fmt.Errorf("consumer %s in %s cannot be read, and how far it had come is not known: %w", c.Name, c.Dir, err)
		}
		x.damaged = append(x.damaged, d)
		x.remember(s, d)
	}
	for name, known := range mark.Consumers {
		there := slices.ContainsFunc(found, func(c filestore.Consumer) bool { return c.Name == name })
		if !there && !queue && slices.Contains(ours, name) {
			x.damaged = append(x.damaged, damagedConsumer{stream: s.Name, name: name, floor: known.Floor, err: errConsumerLost})
		}
	}
	return nil
}

// remember puts into the witness from where a damaged consumer begins again: a kill may come before it does.
func (x *examined) remember(s filestore.Stream, d damagedConsumer) {
	mark, ok := x.witness.Streams[s.Name]
	if !ok {
		mark.Created = s.Created
	}
	mark.Consumers = maps.Clone(mark.Consumers)
	if mark.Consumers == nil {
		mark.Consumers = make(map[string]consumerMark)
	}
	mark.Consumers[d.name] = consumerMark{Floor: d.floor}
	if x.witness.Streams == nil {
		x.witness.Streams = make(map[string]streamMark)
	}
	x.witness.Streams[s.Name] = mark
}

var (
	errConsumerLost     = errors.New("it is gone")
	errPositionLost     = errors.New("its position is gone")
	errPositionReplaced = errors.New("its position is not the one it was stopped with")
)

// troubleOf says why a consumer cannot be used as it is.
func troubleOf(c filestore.Consumer, known consumerMark, ok bool) error {
	switch {
	case c.MetaErr != nil:
		return c.MetaErr
	case c.StateErr != nil:
		return c.StateErr
	case !c.Positioned && ok:
		return errPositionLost
	case known.State != "":
		text, err := os.ReadFile(filestore.StatePath(filepath.Dir(filepath.Dir(c.Dir)), c.Name))
		if err == nil && checksum(text) != known.State {
			err = errPositionReplaced
		}
		return err
	}
	return nil
}
