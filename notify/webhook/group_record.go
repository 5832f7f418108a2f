package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"vidbell/notify"
)

// groupKey stands in place of an event id in the subjects of groups' records; the group's id follows.
const groupKey = "_group"

// groupRecord is a group as it is kept in the retry stream, from before its first attempt until all its events are settled.
type groupRecord struct {
	record // the attempts of its message

	ID        string    `json:"id"` // the webhook-id
	Events    []string  `json:"events"`
	Body      []byte    `json:"body,omitempty"` // of every attempt; gone when the group is over
	Style     string    `json:"style"`          // the settings that made the body
	Busy      time.Time `json:"busy,omitzero"`  // until when a process may be sending it
	By        string    `json:"by,omitempty"`   // that process
	Delivered bool      `json:"delivered,omitempty"`
}

func (r groupRecord) mission() mission {
	return mission{id: r.ID, number: r.Attempts + 1, group: r.Events}
}

// over reports whether there will be no other attempt.
func (r groupRecord) over() bool { return r.Delivered || r.Dead != "" }

// busy is how long another process may still be sending the group. A clock set back does not hold it longer than a claim can.
func (r groupRecord) busy(now time.Time, owner string) time.Duration {
	if r.By == owner {
		return 0 // of this process only one drives a group at a time, and it is the one that asks
	}
	return min(r.Busy.Sub(now), maxTimeout+busyMargin)
}

// groupSubject has the style in it: what other settings make of the same events is another record.
func groupSubject(names notify.Names, endpoint string, r groupRecord) string {
	return names.RetrySubject(endpoint, groupKey) + "." + notify.Token(r.ID) + "." + notify.Token(r.Style)
}

// errGroupMoved says that another process wrote the record since it was read.
var errGroupMoved = errors.New("the group's record was changed by another process")

// put stores the record if it still is what it was when r was read, and notes where.
func (s *records) put(ctx context.Context, endpoint string, r *groupRecord) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write group record: %w", err)
	}
	ack, err := s.js.Publish(ctx, groupSubject(s.names, endpoint, *r), data,
		jetstream.WithExpectStream(s.names.RetryStream()), jetstream.WithExpectLastSequencePerSubject(r.seq))
	var refused *jetstream.APIError
	if errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return errGroupMoved
	}
	if err != nil {
		return fmt.Errorf("write group record: %w", err)
	}
	r.seq = ack.Sequence
	return nil
}

// group reads a group's record. ok is false when there is none, or nothing that is one.
func (s *records) group(ctx context.Context, subject string) (r groupRecord, ok bool, err error) {
	msg, err := s.stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return groupRecord{}, false, nil
	}
	if err != nil {
		return groupRecord{}, false, fmt.Errorf("read group record: %w", err)
	}
	decode(msg.Data, &r)
	r.seq = msg.Sequence
	return r, r.ID != "" && len(r.Events) > 0, nil
}

// groupSubjects lists the subjects of an endpoint's groups.
func (s *records) groupSubjects(ctx context.Context, endpoint string) ([]string, error) {
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(s.names.RetrySubject(endpoint, groupKey)+".>"))
	if err != nil {
		return nil, fmt.Errorf("list group records: %w", err)
	}
	subjects := make([]string, 0, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		subjects = append(subjects, subject)
	}
	return subjects, nil
}

// readGroups makes the groups known that have records, those of other processes too. Who needs them as they were at a time
// later than the last reading reads; those who wait meanwhile need not.
func (l *lane) readGroups(ctx context.Context, asOf time.Time) error {
	l.groups.reading.Lock()
	defer l.groups.reading.Unlock()
	if l.groups.readAfter(asOf) {
		return nil
	}
	start := time.Now()
	subjects, err := l.records.groupSubjects(ctx, l.key)
	if err != nil {
		return err
	}
	known := l.groups.subjects(l)
	for _, subject := range subjects {
		if known[subject] {
			continue
		}
		r, ok, err := l.records.group(ctx, subject)
		if err != nil {
			return err
		}
		if !ok || !l.groups.add(r) {
			l.groups.skip(subject)
		}
	}
	l.groups.readAt(start)
	return nil
}

func (s *groups) readAfter(t time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read.After(t)
}

func (s *groups) readAt(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = t
}

func (s *groups) subjects(l *lane) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := maps.Clone(s.skipped)
	for _, g := range s.known {
		known[groupSubject(l.names, l.key, g.record)] = true
	}
	return known
}

// add makes a group known that was found in the stream. One that other settings made, and that is not over, is left out: its
// events are told anew, as the settings say now.
func (s *groups) add(r groupRecord) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Style != s.style && !r.over() {
		return false
	}
	s.learn(&group{record: r})
	return true
}

// skip has a record not read again that means nothing here.
func (s *groups) skip(subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skipped[subject] = true
}

// claim writes down that this process is about to send the group, the group's first record included.
func (l *lane) claim(r groupRecord) (groupRecord, error) {
	r.Busy, r.By = l.now().Add(l.target.Timeout+busyMargin), l.groups.owner
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	err := l.records.put(ctx, l.key, &r)
	return r, err
}

// saveGroup writes the result of an attempt. As with a single delivery, an attempt that cannot be written down goes uncounted.
func (l *lane) saveGroup(r groupRecord) groupRecord {
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	var err error
	for range recordTries {
		if err = l.records.put(ctx, l.key, &r); err == nil || ctx.Err() != nil || errors.Is(err, errGroupMoved) {
			break
		}
	}
	if err != nil {
		l.trouble(err)
	}
	return r
}

// reconsider puts those present off, and reads what the record says now: it is another process's turn.
func (l *lane) reconsider(g *group, wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	r, ok, err := l.records.group(ctx, groupSubject(l.names, l.key, g.record))
	switch {
	case err != nil:
		l.trouble(err)
		r, wait = g.record, max(wait, engineRetry)
	case !ok:
		l.groups.forget(g)
		r = g.record
	case r.over():
		l.answer(g, r, l.ended(r))
		return
	}
	l.answer(g, r, putOff(wait))
}

// dropPast deletes the records of groups that are over. One that stays ages out.
func (l *lane) dropPast(past []groupRecord) {
	for _, r := range past {
		ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
		if err := l.records.drop(ctx, r.record); err != nil {
			l.log.Debug("record of a group that is over stays until it ages out", zap.Error(err))
		}
		cancel()
	}
}
