package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vidbell/notify"
)

// What an attempt came to, as the delivery log says it. The set is closed.
const (
	ResultDelivered = "delivered" // 2xx, the answer read
	ResultRetry     = "retry"     // it failed, and is tried again at NextAt
	ResultDead      = "dead"      // it failed, and a dead letter was written
	ResultDisabled  = "disabled"  // 410: the endpoint was disabled, and the event waits for Enable
	ResultFailed    = "failed"    // only of SendTest: nothing follows from it
)

// Attempt is one HTTP request to an endpoint for one event, as the delivery log keeps it.
type Attempt struct {
	// Seq is the record's place in the delivery log; zero for a test, which is not kept.
	Seq uint64
	// At is when the request began.
	At       time.Time
	Endpoint string
	EventID  string
	// Type, Source and VideoNo are the event's. Source is empty for endpoint.* events, VideoNo for all that are about no video.
	Type    string
	Source  string
	VideoNo string
	// Number counts the attempts of this delivery, from 1. A replay begins at 1 again.
	Number int
	// Duration is the time of the whole exchange, the answer's body included.
	Duration time.Duration
	// Status is the HTTP status of the answer, 0 for none.
	Status int
	// Class is the kind of failure, a Class; empty when delivered. Detail is for people, without URL or secret.
	Class  string
	Detail string
	// Result is one of the Result constants.
	Result string
	// NextAt is when it is tried again; zero unless Result is ResultRetry. An open breaker or a Retry-After may move it.
	NextAt time.Time
	// Excerpt is the beginning of the answer's body as it came, control characters included: whoever prints it escapes it. Where
	// it repeats what is secret in the endpoint's settings, *** stands.
	// At most 4 KiB of a failure's, 512 bytes of a success's, and 256 bytes of an answer to a group.
	Excerpt string
	// Replay says that the delivery was asked for with Replay.
	Replay bool
	// Group is the webhook-id of the message that told the event together with others, GroupSize how many they were; empty
	// and 0 for an event that went alone.
	Group     string
	GroupSize int
}

// AttemptQuery chooses attempts. What is zero does not restrict.
type AttemptQuery struct {
	Endpoint string
	EventID  string
	VideoNo  string
	Source   string
	// Type is an event type or a glob, like video.*.
	Type string
	// Class is a Class.
	Class string
	// Failed leaves out what was delivered.
	Failed bool
	// Since and Until are bounds of Attempt.At, Until excluded.
	Since time.Time
	Until time.Time
	// Before leads on from an earlier answer: its next.
	Before uint64
	// Limit is how many attempts to return: 100 when it is 0, at most 1000.
	Limit int
}

// Attempts reads the delivery log, newest first. next, when it is not zero, goes into the query's Before for what follows; an
// answer may have fewer than Limit, or none, and still have a next: one call looks at a bounded part of the log.
//
// Every attempt is one record, written up to a quarter of a second after the fact and away from the deliveries, so that the
// log never slows them down: a crash may take the records of its last moment along, never an event. Records are kept for 30
// days and 512 MiB by default; the oldest go first.
//
// The error is a *FieldError, of an endpoint too that is not configured and has no records, or the engine's.
func (d *Dispatcher) Attempts(ctx context.Context, q AttemptQuery) (list []Attempt, next uint64, err error) {
	q, err = q.checked()
	if err != nil {
		return nil, 0, err
	}
	if !d.isPrepared() {
		return nil, 0, errNotPrepared
	}
	list, next, err = d.readAttempts(ctx, q)
	if err == nil && len(list) == 0 && q.Endpoint != "" && next == 0 {
		_, err = d.asked(q.Endpoint)
	}
	return list, next, err
}

const (
	defaultListed = 100
	maxListed     = 1000
	// clockSlack is by how much the clocks of processes and engine may differ.
	clockSlack = time.Minute
)

// checked fills in what is not set, and names what cannot be.
func (q AttemptQuery) checked() (AttemptQuery, error) {
	limit, err := checkListed(q.Limit, q.Type, q.Since, q.Until)
	q.Limit = limit
	if err == nil {
		err = checkWord("class", q.Class, Classes())
	}
	return q, err
}

// checkWord refuses what is none of a closed set: an empty answer would be taken for good news.
func checkWord[T ~string](field, word string, all []T) error {
	if word == "" || slices.Contains(all, T(word)) {
		return nil
	}
	words := make([]string, len(all))
	for i, w := range all {
		words[i] = string(w)
	}
	return &FieldError{field, fmt.Errorf("%q is none, there is %s", word, strings.Join(words, ", "))}
}

func checkListed(limit int, kind string, since, until time.Time) (int, error) {
	if limit == 0 {
		limit = defaultListed
	}
	if limit < 1 || limit > maxListed {
		return 0, &FieldError{"limit", fmt.Errorf("%d is out of range, use 1 to %d", limit, maxListed)}
	}
	if kind != "" {
		if err := checkPattern(kind); err != nil {
			return 0, &FieldError{"type", err}
		}
	}
	return limit, checkSpan(since, until)
}

func checkSpan(since, until time.Time) error {
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return &FieldError{"until", errors.New("it is not after since")}
	}
	return nil
}

// eachAttempt hands over all attempts that meet a query, newest first.
func (d *Dispatcher) eachAttempt(ctx context.Context, q AttemptQuery, visit func(Attempt)) error {
	q.Limit = maxListed
	for {
		list, next, err := d.readAttempts(ctx, q)
		if err != nil {
			return err
		}
		for _, a := range list {
			visit(a)
		}
		if q.Before = next; next == 0 {
			return nil
		}
	}
}

// readAttempts reads the delivery log backwards until it has enough, or has read so many bytes.
func (d *Dispatcher) readAttempts(ctx context.Context, q AttemptQuery) (list []Attempt, next uint64, err error) {
	flush, cancel := context.WithTimeout(ctx, flushWait)
	_ = d.journal.flush(flush) // what cannot be written now is shown later
	cancel()
	names := d.config.Names
	log := backwards{js: d.config.JetStream, stream: names.DeliveriesStream(), subject: names.DeliveriesAll()}
	if q.Endpoint != "" {
		log.subject = names.DeliverySubject(q.Endpoint)
	}
	if q.Before > 0 {
		log.before = q.Before>>lineBits + 1
	}
	end, err := log.each(ctx, func(msg *jetstream.RawStreamMsg) bool {
		if msg.Time.Before(q.Since.Add(-clockSlack)) {
			next = 0
			return false
		}
		found := q.page(msg)
		list = append(list, found[:min(len(found), q.Limit-len(list))]...)
		next = msg.Sequence << lineBits // below this page
		if len(list) == q.Limit {
			next = list[len(list)-1].Seq
			return false
		}
		return log.bytes < lookBytes
	})
	if end || err != nil {
		next = 0
	}
	return list, next, err
}

// page returns what a page has of what is asked for, newest first.
func (q AttemptQuery) page(msg *jetstream.RawStreamMsg) (found []Attempt) {
	var mark []byte
	if q.EventID != "" {
		id, err := json.Marshal(q.EventID)
		if err != nil || !bytes.Contains(msg.Data, id) {
			return nil
		}
		mark = id
	}
	endpoint := endpointOf(msg.Subject)
	line := uint64(0)
	for text := range bytes.Lines(msg.Data) {
		seq := msg.Sequence<<lineBits | line
		line++
		if q.Before > 0 && seq >= q.Before {
			break
		}
		var s storedAttempt
		if mark != nil && !bytes.Contains(text, mark) || json.Unmarshal(text, &s) != nil {
			continue
		}
		if a := s.attempt(endpoint, seq); q.matches(a) {
			found = append(found, a)
		}
	}
	slices.Reverse(found)
	return found
}

func (q AttemptQuery) matches(a Attempt) bool {
	switch {
	case q.EventID != "" && q.EventID != a.EventID,
		q.VideoNo != "" && q.VideoNo != a.VideoNo,
		q.Source != "" && q.Source != a.Source,
		q.Class != "" && q.Class != a.Class,
		q.Type != "" && !matchesAny([]string{q.Type}, a.Type),
		q.Failed && a.Class == "":
		return false
	}
	return within(a.At, q.Since, q.Until)
}

func within(at, since, until time.Time) bool {
	return !at.Before(since) && (until.IsZero() || at.Before(until))
}

// endpointOf is the endpoint that a subject of ours ends with.
func endpointOf(subject string) string {
	name, _ := notify.Untoken(subject[strings.LastIndexByte(subject, '.')+1:]) // names of endpoints are never hashed
	return name
}

// FieldError says which field of a query or request cannot be, and what would be right.
type FieldError struct {
	// Field is the name as people write it: until, limit, event_ids, ...
	Field string
	Err   error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }
func (e *FieldError) Unwrap() error { return e.Err }
