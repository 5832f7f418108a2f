package engine

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// watchEvery is how often the embedded server is asked for its health.
const watchEvery = time.Second

// Watch returns an *Error when the embedded server can no longer write what it is given: the disk is full or broken. The
// server never writes to that stream again, even when there is room, so the process has to start anew. It also returns one when
// the data directory was moved away or replaced: what is published goes into files that nobody will find. For an external
// server, which somebody else looks after, Watch only waits for ctx. It returns nil when ctx ends.
func (e *Engine) Watch(ctx context.Context) error {
	if e.embedded == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := e.embedded.lock.intact(); err != nil {
			return &Error{
				Setting: "VIDBELL_DATA_DIR", Problem: e.embedded.dataDir + " is not the directory that was opened any more", Err: err,
				Hint: "stop vidbell before moving its directory, bring it back and start again",
			}
		}
		if err := e.embedded.health(); err != nil {
			return &Error{
				Setting: "VIDBELL_DATA_DIR", Problem: "the log can no longer be written", Err: err,
				Hint: "make room or mend the disk and start again; what was acknowledged is kept",
			}
		}
	}
}

// A sick server stays so. One that is not may still seem to be: it gives itself a millisecond to be ready for connections, which a
// busy machine may well let pass.
const (
	healthLooks = 5
	healthPause = 50 * time.Millisecond
)

func (e *embedded) health() error {
	var last error
	for range healthLooks {
		status := e.server.Healthz(&server.HealthzOptions{})
		if status.StatusCode == http.StatusOK || status.StatusCode == 0 {
			return nil
		}
		last = errors.New(status.Error)
		time.Sleep(healthPause)
	}
	return last
}
