package engine

import (
	"maps"
	"path/filepath"
	"reflect"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"

	"vidbell/internal/engine/filestore"
)

const (
	// lookEvery and writeEvery bound how far the witness lags behind the log: the first message after a pause is witnessed
	// within the former, a steady flow of them within the latter.
	lookEvery  = 250 * time.Millisecond
	writeEvery = time.Second
	// positionsEvery is how often the consumers are looked at. Their marks only say where to begin again if one is damaged.
	positionsEvery = 5 * time.Second
	account        = "$G" // which everything in the embedded server belongs to
)

// keeper keeps the witness while the server runs. It reads the server's own figures and syncs the files that they are about,
// so that no append waits for it and it claims nothing that is not on disk.
type keeper struct {
	server  *server.Server
	lock    *lock
	dataDir string
	log     *zap.Logger

	marks   witness           // as written
	blocks  map[string]uint32 // the last block synced, by stream
	written time.Time
	looked  time.Time // at the consumers
	failing bool
	stop    chan struct{}
	done    chan struct{}
}

// keep begins with what the store was found to hold.
func keep(s *server.Server, l *lock, cfg Config, from *witness) *keeper {
	k := &keeper{
		server: s, lock: l, dataDir: cfg.DataDir, log: cfg.Logger, marks: *from, blocks: make(map[string]uint32),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go k.run()
	return k
}

func (k *keeper) run() {
	defer close(k.done)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.stop:
			return
		case now := <-tick.C:
			if now.Sub(k.written) >= writeEvery {
				k.update(now)
			}
		}
	}
}

// end looks a last time, while the server still runs.
func (k *keeper) end() {
	close(k.stop)
	<-k.done
	k.looked = time.Time{}
	k.update(time.Now())
}

// seal is called when the server has stopped, and its files are what they will be at the next start.
func (k *keeper) seal() {
	streams, err := filestore.Streams(filepath.Join(k.dataDir, "jetstream"))
	if err == nil {
		k.marks.seal(streams)
		err = k.write(&k.marks)
	}
	if err != nil {
		k.log.Warn("cannot write down what the log holds", zap.String("file", witnessFile), zap.Error(err))
	}
}

// update writes down what has changed. Where it cannot, the old witness claims less, which is safe.
func (k *keeper) update(now time.Time) {
	positions := now.Sub(k.looked) >= positionsEvery
	marks, err := k.look(positions)
	if err == nil && positions {
		k.looked = now
	}
	if err == nil && !reflect.DeepEqual(marks, k.marks.Streams) {
		err = k.record(marks)
		k.written = now
	}
	if err != nil && !k.failing {
		k.log.Warn("cannot write down what the log holds, going on", zap.String("file", witnessFile), zap.Error(err))
	}
	k.failing = err != nil
}

// look asks the server what it holds. Without positions the consumers are as they were.
func (k *keeper) look(positions bool) (map[string]streamMark, error) {
	detail, err := k.server.JszAccount(&server.JSzOptions{Account: account, Streams: true, Config: true, Consumer: positions})
	if err != nil {
		return nil, err
	}
	marks := make(map[string]streamMark, len(detail.Streams))
	for _, s := range detail.Streams {
		mark := streamMark{Created: s.Created.Round(0).UTC(), Consumers: k.marks.Streams[s.Name].Consumers}
		if s.Config != nil && filestore.KeepsAll(*s.Config) {
			mark.Last = s.State.LastSeq
		}
		if positions {
			mark.Consumers = positionsOf(s.Consumer)
		}
		marks[s.Name] = mark
	}
	return marks, nil
}

func positionsOf(consumers []*server.ConsumerInfo) map[string]consumerMark {
	marks := make(map[string]consumerMark)
	for _, c := range consumers {
		if c.Config != nil && c.Config.Durable != "" && !c.Config.MemoryStorage {
			marks[c.Name] = consumerMark{Floor: c.AckFloor.Stream}
		}
	}
	if len(marks) == 0 {
		return nil // as it is read back
	}
	return marks
}

// record syncs what the marks are about, and then writes them.
func (k *keeper) record(marks map[string]streamMark) error {
	for name, mark := range marks {
		before, known := k.marks.Streams[name]
		dir := filepath.Join(k.dataDir, "jetstream", "jetstream", account, "streams", name)
		if !known || !before.Created.Equal(mark.Created) {
			if err := syncUp(dir, k.dataDir); err != nil {
				return err
			}
		}
		if mark.Last == before.Last && known {
			continue
		}
		if err := k.syncMessages(filestore.Stream{Name: name, Dir: dir}); err != nil {
			return err
		}
	}
	next := witness{Streams: maps.Clone(marks)}
	if err := k.write(&next); err != nil {
		return err
	}
	k.marks = next
	return nil
}

// write leaves a directory alone that has taken the place of ours.
func (k *keeper) write(w *witness) error {
	if err := k.lock.intact(); err != nil {
		return err
	}
	return w.write(k.dataDir)
}

// syncMessages syncs the blocks that have been written to since the last time. The server does so too, but shows the messages
// of a batch before it has.
func (k *keeper) syncMessages(s filestore.Stream) error {
	blocks, err := s.Blocks()
	if err != nil || len(blocks) == 0 {
		return err
	}
	for _, b := range blocks {
		if b.Index < k.blocks[s.Name] {
			continue
		}
		if err := syncPath(b.Path); err != nil {
			return err
		}
	}
	last := blocks[len(blocks)-1]
	if last.Index > k.blocks[s.Name] {
		if err := syncPath(filepath.Dir(last.Path)); err != nil {
			return err
		}
	}
	k.blocks[s.Name] = last.Index
	return nil
}

// syncUp syncs a directory and those above it, up to and with another.
func syncUp(dir, top string) error {
	for top = filepath.Clean(top); ; dir = filepath.Dir(dir) {
		if err := syncPath(dir); err != nil || filepath.Clean(dir) == top || dir == filepath.Dir(dir) {
			return err
		}
	}
}
