package notify

import (
	"context"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"vidbell/notify/event"
)

// stateType marks what is kept under the state subjects.
const stateType = "application/vnd.vidbell.state+json"

// maxFilters is how many subjects one reader is asked for.
const maxFilters = 100

// IsEvent reports whether headers are those of an event that vidbell stored. A message without them is foreign: a client that
// may ask JetStream can have the answer sent to any subject, an append subject too.
func IsEvent(h nats.Header) bool {
	return strings.HasPrefix(h.Get(nats.MsgIdHdr), event.IDPrefix) && h.Get(headerContentType) == ContentType
}

// message is one of the log.
type message struct {
	seq     uint64
	subject string
	header  nats.Header
	body    []byte
}

func raw(m *jetstream.RawStreamMsg) message {
	return message{seq: m.Sequence, subject: m.Subject, header: m.Header, body: m.Data}
}

// ours reports whether a message was written by this package.
func (l *Log) ours(m message) bool {
	if strings.HasPrefix(m.subject, l.names.root()+".state.") {
		return m.header.Get(headerContentType) == stateType
	}
	return IsEvent(m.header)
}

// ignore says once that a message is foreign, and keeps its sequence: who writes to its subject has to name it.
func (l *Log) ignore(m message) {
	key := l.guarded(m.subject)
	l.mu.Lock()
	known := l.foreign[key]
	l.foreign[key] = max(known, m.seq)
	l.mu.Unlock()
	if m.seq <= known {
		return
	}
	l.metrics.foreign.Inc()
	l.log.Warn("a message that is none of ours is in the log and is ignored", zap.String("stream", l.names.Stream()),
		zap.Uint64("sequence", m.seq), zap.String("subject", m.subject))
}

// guarded is the subject whose last sequence an append to a subject has to name: a video's events share one.
func (l *Log) guarded(subject string) string {
	prefix := strings.TrimSuffix(l.names.AllEvents(), ">")
	rest, isEvent := strings.CutPrefix(subject, prefix)
	if !isEvent {
		return subject
	}
	_, video, _ := strings.Cut(rest, ".") // source and video
	return prefix + "*." + video
}

// beyond is the sequence to expect on a subject where ours is the last that we know: a foreign message may have come after it.
func (l *Log) beyond(subject string, known uint64) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(known, l.foreign[subject])
}

// readHidden hands over all of our own messages on subjects where a foreign one is the last.
func (l *Log) readHidden(ctx context.Context, subjects []string, take func(message) error) error {
	for len(subjects) > 0 {
		n := min(len(subjects), maxFilters)
		err := l.read(ctx, jetstream.DeliverAllPolicy, subjects[:n], func(m message) error {
			if !l.ours(m) {
				return nil
			}
			return take(m)
		})
		if err != nil {
			return err
		}
		subjects = subjects[n:]
	}
	return nil
}

// lastOf returns our own last message on a subject, which may have wildcards. ok is false when there is none.
func (l *Log) lastOf(ctx context.Context, subject string) (last message, ok bool, err error) {
	m, err := l.stream.GetLastMsgForSubject(ctx, subject)
	if isMissing(err) {
		return message{}, false, nil
	}
	if err != nil {
		return message{}, false, err
	}
	if last = raw(m); l.ours(last) {
		return last, true, nil
	}
	l.ignore(last)
	err = l.readHidden(ctx, []string{subject}, func(m message) error {
		last, ok = m, true
		return nil
	})
	return last, ok, err
}
