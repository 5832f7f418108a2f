package webhook

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// letterTries is how often the removal of a letter is tried before its replay goes back to the queue.
	letterTries = 3
	// buriedWithin is how far before an endpoint's newest letter others are looked at after a start: the acknowledgements of the
	// last moment are lost in a kill, which the engine writes down a tenth of a second later, or a little more on a busy disk.
	buriedWithin = 10 * time.Second
	maxBuried    = 10_000
)

// taken lets go of a delivery that the receiver took, and reports whether it could. The dead letter that a replay makes good for
// goes first, and the queue lets go only when it is gone: a crash in between repeats the delivery, and no letter of what arrived
// stays behind.
func (l *lane) taken(d *delivery) bool {
	if l.live == nil {
		l.finish(d)
		l.metrics.latency.Observe(time.Since(d.stored).Seconds())
		return true
	}
	var err error
	for range letterTries {
		if err = l.dropLetter(d.id); err == nil {
			break
		}
	}
	l.arrived.set(d.id, err != nil)
	if err != nil {
		l.trouble(err)
		d.later(engineRetry)
		return false
	}
	l.finish(d)
	return true
}

func (l *lane) dropLetter(id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	err := l.records.dead.Purge(ctx, jetstream.WithPurgeSubject(l.names.DeadSubject(l.target.Name, id)))
	if errors.Is(err, jetstream.ErrStreamNotFound) { // and all letters with it
		return nil
	}
	return err
}

// settled lets go of what is over already, without another request: a replay that arrived while its letter could not be removed,
// and a live delivery that was given up in the last moment of the run before, when its letter was written and its
// acknowledgement was not.
func (l *lane) settled(d *delivery) bool {
	switch {
	case l.arrived.has(d.id):
		l.taken(d)
		return true
	case l.live == nil && l.buried.has(d.id):
		l.finish(d)
		return true
	}
	return false
}

// readBuried reads which events were given up in the last moment before this start.
func (l *lane) readBuried(ctx context.Context) error {
	subject := below(l.names.DeadSubject(l.target.Name, "x"))
	newest, err := lastOf(ctx, l.records.dead, subject)
	if err != nil || newest == nil {
		return err
	}
	letters := backwards{js: l.js, stream: l.names.DeadStream(), subject: subject, before: newest.Sequence + 1}
	read := 0
	_, err = letters.each(ctx, func(msg *jetstream.RawStreamMsg) bool {
		if newest.Time.Sub(msg.Time) > buriedWithin || read == maxBuried {
			return false
		}
		if read++; !isLetter(l.names, msg) {
			return true
		}
		l.buried.set(msg.Header.Get(HeaderEventID), true)
		return true
	})
	return err
}

// idSet is a set of event ids. The usual one is empty.
type idSet struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

func (s *idSet) set(id string, in bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !in {
		delete(s.ids, id)
		return
	}
	if s.ids == nil {
		s.ids = make(map[string]struct{})
	}
	s.ids[id] = struct{}{}
}

func (s *idSet) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, in := s.ids[id]
	return in
}
