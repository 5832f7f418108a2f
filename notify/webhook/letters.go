package webhook

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vidbell/notify"
)

// DeadLetter is a delivery that was given up, as it is listed. The event's body stays with it until the letter ages out or a
// replay of it is delivered.
type DeadLetter struct {
	// Seq is the letter's place in its stream.
	Seq uint64
	// At is when it was given up: the time of the last attempt.
	At       time.Time
	Endpoint string
	EventID  string
	Type     string
	Source   string
	VideoNo  string
	// Attempts is how many requests were made, FirstAt when the first one was.
	Attempts int
	FirstAt  time.Time
	// StoredAt is when the log took the event.
	StoredAt time.Time
	// Reason is why it was given up, a Reason.
	Reason string
	// Class and Status are the last attempt's: a Class, and an HTTP status or 0. Detail is for people.
	Class  string
	Status int
	Detail string
	// Excerpt is the beginning of the last answer's body, as in Attempt.
	Excerpt string
	// Group is the webhook-id of the message that told it together with others, when one did.
	Group string
	// Queued says that a replay of it is under way.
	Queued bool
}

// DeadQuery chooses dead letters. What is zero does not restrict.
type DeadQuery struct {
	Endpoint string
	EventID  string
	VideoNo  string
	Source   string
	// Type is an event type or a glob, like video.*.
	Type string
	// Class is a Class, Reason a Reason.
	Class  string
	Reason string
	// Since and Until are bounds of DeadLetter.At, Until excluded.
	Since time.Time
	Until time.Time
	// Before leads on from an earlier answer: its next.
	Before uint64
	// Limit is how many letters to return: 100 when it is 0, at most 1000.
	Limit int
}

// DeadLetters lists what was given up, the newest first, one letter for each endpoint and event. next goes into the query's
// Before for what follows, as with Attempts. The error is a *FieldError, of an endpoint too that is not configured and has no
// letters, or the engine's.
func (d *Dispatcher) DeadLetters(ctx context.Context, q DeadQuery) (list []DeadLetter, next uint64, err error) {
	q.Limit, err = checkListed(q.Limit, q.Type, q.Since, q.Until)
	if err == nil {
		err = checkWord("class", q.Class, Classes())
	}
	if err == nil {
		err = checkWord("reason", q.Reason, Reasons())
	}
	if err != nil {
		return nil, 0, err
	}
	if !d.isPrepared() {
		return nil, 0, errNotPrepared
	}
	names := d.config.Names
	letters := backwards{js: d.config.JetStream, stream: names.DeadStream(), subject: q.subject(names), before: q.Before}
	end, err := letters.each(ctx, func(msg *jetstream.RawStreamMsg) bool {
		next = msg.Sequence
		if letter := readLetter(names, msg); isLetter(names, msg) && q.matches(letter) {
			list = append(list, letter)
		}
		return len(list) < q.Limit && letters.bytes < lookBytes
	})
	if end || err != nil {
		next = 0
	}
	if err == nil && len(list) == 0 && q.Endpoint != "" && next == 0 {
		_, err = d.asked(q.Endpoint)
	}
	if err != nil {
		return nil, 0, err
	}
	for i := range list {
		if list[i].Queued, err = d.isQueued(ctx, list[i].Endpoint, list[i].EventID); err != nil {
			return nil, 0, err
		}
	}
	return list, next, nil
}

// subject matches the letters that may be asked for: by endpoint, by event, by both or by neither.
func (q DeadQuery) subject(names notify.Names) string {
	switch {
	case q.Endpoint != "" && q.EventID != "":
		return names.DeadSubject(q.Endpoint, q.EventID)
	case q.Endpoint != "":
		return below(names.DeadSubject(q.Endpoint, "x"))
	case q.EventID != "":
		return strings.TrimSuffix(names.DeadAll(), ">") + "*." + notify.Token(q.EventID)
	default:
		return names.DeadAll()
	}
}

func (q DeadQuery) matches(l DeadLetter) bool {
	switch {
	case q.VideoNo != "" && q.VideoNo != l.VideoNo,
		q.Source != "" && q.Source != l.Source,
		q.Class != "" && q.Class != l.Class,
		q.Reason != "" && q.Reason != l.Reason,
		q.Type != "" && !matchesAny([]string{q.Type}, l.Type):
		return false
	}
	return within(l.At, q.Since, q.Until)
}

func readLetter(names notify.Names, msg *jetstream.RawStreamMsg) DeadLetter {
	field := func(key string) string { return msg.Header.Get(key) }
	at := func(key string) time.Time {
		t, _ := time.Parse(time.RFC3339Nano, field(key)) // what is no time is not known
		return t
	}
	number := func(key string) int {
		n, _ := strconv.Atoi(field(key))
		return n
	}
	l := DeadLetter{
		Seq: msg.Sequence, At: at(HeaderLastAttempt), Endpoint: field(HeaderEndpoint), EventID: field(HeaderEventID),
		Attempts: number(HeaderAttempts), FirstAt: at(HeaderFirstAttempt), StoredAt: at(HeaderEventStored), Reason: field(HeaderReason),
		Class: field(HeaderClass), Status: number(HeaderStatus), Detail: field(HeaderDetail), Group: field(HeaderGroup),
	}
	l.Type, l.Source, l.VideoNo = about(names, field(HeaderEventSubject), msg.Data)
	if excerpt, err := base64.StdEncoding.DecodeString(field(HeaderExcerpt)); err == nil {
		l.Excerpt = string(excerpt)
	}
	return l
}

// isLetter reports whether vidbell wrote a message. Others get there: a subscriber may have the engine send the answer to a
// request to any subject.
func isLetter(names notify.Names, msg *jetstream.RawStreamMsg) bool {
	endpoint, id := msg.Header.Get(HeaderEndpoint), msg.Header.Get(HeaderEventID)
	return endpoint != "" && msg.Subject == names.DeadSubject(endpoint, id) && msg.Header.Get(HeaderReason) != "" &&
		strings.HasPrefix(msg.Header.Get(jetstream.MsgIDHeader), endpoint+"."+id) &&
		isQueueable(id, msg.Header.Get(contentTypeHeader))
}

// isQueueable reports whether an id and a type of content are those of an event of ours.
func isQueueable(id, contentType string) bool {
	return notify.IsEvent(nats.Header{jetstream.MsgIDHeader: {id}, contentTypeHeader: {contentType}})
}

// letter reads the dead letter of an event, nil when there is none.
func (d *Dispatcher) letter(ctx context.Context, endpoint, id string) (*jetstream.RawStreamMsg, error) {
	msg, err := lastOf(ctx, d.records.dead, d.config.Names.DeadSubject(endpoint, id))
	if msg != nil && !isLetter(d.config.Names, msg) {
		return nil, nil //nolint:nilnil // none of ours is none
	}
	return msg, err
}

// lastOf reads the last message of a subject, nil when there is none.
func lastOf(ctx context.Context, stream jetstream.Stream, subject string) (*jetstream.RawStreamMsg, error) {
	msg, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil //nolint:nilnil // none is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", stream.CachedInfo().Config.Name, err)
	}
	return msg, nil
}

func (d *Dispatcher) isQueued(ctx context.Context, endpoint, id string) (bool, error) {
	msg, err := lastOf(ctx, d.records.queue, d.config.Names.ReplaySubject(endpoint, id))
	return msg != nil, err
}
