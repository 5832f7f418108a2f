package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// asideDir is where what is damaged, and can be made again, is kept for people to look at.
const asideDir = "damaged"

// prepare makes the store ready for the server: the witness first, which then says from where a damaged consumer begins again.
func (x *examined) prepare(dataDir string) error {
	x.witness.open()
	if err := x.witness.write(dataDir); err != nil {
		return err
	}
	return x.setAside(dataDir)
}

// setAside moves damaged consumers out of the server's way. One that it cannot read keeps it from making another by that name.
func (x *examined) setAside(dataDir string) error {
	for _, d := range x.damaged {
		if d.dir == "" {
			continue
		}
		to := filepath.Join(dataDir, asideDir, d.stream+"."+d.name+"."+strconv.FormatInt(time.Now().UnixNano(), 10))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := os.Rename(d.dir, to); err != nil {
			return err
		}
	}
	return nil
}

// makeAgain makes the consumers that were damaged, each behind the last message that is known to be acknowledged. That may
// repeat some deliveries, and skips none.
func (x *examined) makeAgain(nc *nats.Conn, log *zap.Logger) error {
	if len(x.damaged) == 0 {
		return nil
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	for _, d := range x.damaged {
		if d.queue {
			log.Error("a consumer was damaged on disk and is set aside", zap.String("stream", d.stream), zap.String("consumer", d.name),
				zap.NamedError("damage", d.err))
			continue
		}
		config, err := d.renewed()
		if err != nil {
			return err
		}
		if _, err := js.CreateConsumer(ctx, d.stream, config); err != nil {
			return fmt.Errorf("make consumer %s of %s again: %w", d.name, d.stream, err)
		}
		log.Error("a consumer was damaged on disk and is made again, some deliveries may be repeated", zap.String("stream", d.stream),
			zap.String("consumer", d.name), zap.Uint64("from_sequence", d.floor+1), zap.NamedError("damage", d.err))
	}
	return nil
}

// renewed is the consumer's own configuration, as far as it is known, with another beginning. What webhook delivery needs
// beyond that it sets itself.
func (d damagedConsumer) renewed() (jetstream.ConsumerConfig, error) {
	if d.config.Durable == "" {
		d.config = server.ConsumerConfig{Durable: d.name, AckPolicy: server.AckExplicit, MaxDeliver: -1}
	}
	var config jetstream.ConsumerConfig
	text, err := json.Marshal(d.config)
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	config.DeliverPolicy, config.OptStartSeq, config.OptStartTime = jetstream.DeliverByStartSequencePolicy, d.floor+1, nil
	return config, err
}
