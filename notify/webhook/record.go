package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vidbell/notify"
)

// record is what is remembered of a delivery that failed and is not over. It, and not the engine's own count of deliveries,
// says how many attempts were made: that count also grows with restarts, pauses and hand-backs.
type record struct {
	Attempts   int       `json:"attempts"`       // requests made
	Free       int       `json:"free,omitempty"` // those of them that spent no step of the schedule
	FirstAt    time.Time `json:"first_at"`
	LastAt     time.Time `json:"last_at"`
	NextAt     time.Time `json:"next_at"`
	LastStatus int       `json:"last_status,omitempty"`
	LastClass  Class     `json:"last_class"`
	LastDetail string    `json:"last_detail,omitempty"`
	// Held is time that the schedule did not ask for: outages, pauses, a disabled endpoint. The window does not run in it.
	Held time.Duration `json:"held,omitempty"`
	Dead Reason        `json:"dead,omitempty"` // decided, but the dead letter may not be written yet
	// Excerpt is of the last answer, kept only where a letter is due.
	Excerpt []byte `json:"excerpt,omitempty"`

	// Video and Event say, for an endpoint with an order, whose line the delivery stands in, and where.
	Video string `json:"video,omitempty"`
	Event uint64 `json:"event,omitempty"`

	seq uint64 // where the record is stored; zero when it is not
}

// noted is the record after one more attempt.
func (r record) noted(o outcome, at time.Time) record {
	switch {
	case r.Attempts == 0:
		r.FirstAt = at
	case at.After(r.NextAt):
		r.Held += at.Sub(r.NextAt)
	default:
		r.Held += at.Sub(r.LastAt)
	}
	r.Attempts++
	r.LastAt, r.NextAt = at, at
	r.LastStatus, r.LastClass, r.LastDetail = o.status, o.class, o.detail
	return r
}

// steps is how much of the schedule is spent.
func (r record) steps() int { return r.Attempts - r.Free }

// rest is how long the next attempt is away. It never exceeds the wait that was decided, so that a clock set back does not
// hold a delivery for ever.
func (r record) rest(now time.Time) time.Duration {
	return min(r.NextAt.Sub(now), r.NextAt.Sub(r.LastAt))
}

// records is the retry stream: one message per unfinished delivery that failed before.
type records struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	health jetstream.Stream
	dead   jetstream.Stream
	queue  jetstream.Stream
	names  notify.Names
}

func (s *records) load(ctx context.Context, endpoint, id string) (record, error) {
	return s.read(ctx, s.names.RetrySubject(endpoint, id))
}

// loadToken is load by the token that unfinished returned.
func (s *records) loadToken(ctx context.Context, endpoint, token string) (record, error) {
	return s.read(ctx, s.prefix(endpoint)+token)
}

// prefix is what the subjects of all records of an endpoint begin with.
func (s *records) prefix(endpoint string) string {
	return strings.TrimSuffix(s.names.RetrySubject(endpoint, "x"), "x")
}

func (s *records) read(ctx context.Context, subject string) (record, error) {
	msg, err := s.stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return record{}, nil
	}
	if err != nil {
		return record{}, fmt.Errorf("read attempt record: %w", err)
	}
	var r record
	decode(msg.Data, &r)
	r.seq = msg.Sequence
	return r, nil
}

// decode leaves the zero value for what something else wrote here. Starting the count over errs on the side of delivering.
func decode[T any](data []byte, into *T) {
	var v T
	if json.Unmarshal(data, &v) == nil {
		*into = v
	}
}

func (s *records) save(ctx context.Context, endpoint, id string, r *record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write attempt record: %w", err)
	}
	ack, err := s.js.Publish(ctx, s.names.RetrySubject(endpoint, id), data, jetstream.WithExpectStream(s.names.RetryStream()))
	if err != nil {
		return fmt.Errorf("write attempt record: %w", err)
	}
	r.seq = ack.Sequence
	return nil
}

// drop forgets a delivery that is over. A record left behind by a crash is harmless and ages out.
func (s *records) drop(ctx context.Context, r record) error {
	if r.seq == 0 {
		return nil
	}
	if err := s.stream.DeleteMsg(ctx, r.seq); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("delete attempt record: %w", err)
	}
	return nil
}

// unfinished returns the subject tokens of the events that have a record for endpoint.
//
// It is read once at start: the engine writes a consumer's position a little after the fact, so that after a kill a delivery
// that already failed may come back marked as its first.
func (s *records) unfinished(ctx context.Context, endpoint string) (map[string]struct{}, error) {
	prefix := s.prefix(endpoint)
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
	if err != nil {
		return nil, fmt.Errorf("list attempt records: %w", err)
	}
	ids := make(map[string]struct{}, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		ids[strings.TrimPrefix(subject, prefix)] = struct{}{}
	}
	return ids, nil
}
