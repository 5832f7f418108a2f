package notify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vidbell/diff"
	"vidbell/notify/event"
)

// Trouble says what is wrong with a source, or was.
type Trouble struct {
	Source string
	Reason string // a word of a closed set
	Detail string
	Since  diff.Time
	At     diff.Time
}

// EndpointTrouble says what is wrong with a webhook endpoint, or was.
type EndpointTrouble struct {
	Endpoint string
	Reason   string // a word of a closed set
	Detail   string // for people: no URL, no secret
	Since    time.Time
	At       time.Time
}

// newSourceEvent wraps a report. birth is the log's birth mark.
func newSourceEvent(birth string, recovered bool, t Trouble) SourceEvent {
	kind := TypeSourceDegraded
	if recovered {
		kind = TypeSourceRecovered
	}
	at := stamp(t.At)
	return envelope(eventID(birth, t.Source, kind, t.Reason, at), event.SourceURN(t.Source), kind, t.Source, at, SourceData{
		Source: t.Source, Reason: t.Reason, Detail: t.Detail, Since: stamp(t.Since),
	})
}

// ReportSource stores one source.degraded or source.recovered event. The same report again within two minutes is stored once.
func (l *Log) ReportSource(ctx context.Context, recovered bool, t Trouble) error {
	ev := newSourceEvent(l.identity(), recovered, t)
	body, err := encode(ev)
	if err != nil {
		return fmt.Errorf("encode %s of %s: %w", ev.Type, t.Source, err)
	}
	if err := report(ctx, l.js, l.names, ev.Type, t.Source, ev.ID, body); err != nil {
		return fmt.Errorf("report %s of %s: %w", ev.Type, t.Source, err)
	}
	return nil
}

// report stores an event about a source or an endpoint.
func report(ctx context.Context, js jetstream.JetStream, names Names, kind, name, id string, body []byte) error {
	m := nats.NewMsg(names.reportSubject(kind, name))
	m.Data = body
	m.Header.Set(headerContentType, ContentType)
	m.Header.Set(nats.MsgIdHdr, id)
	_, err := js.PublishMsg(ctx, m, jetstream.WithExpectStream(names.OpsStream()))
	return err
}

// NewEndpointEvent tells of a change in an endpoint's health. kind is TypeEndpointDegraded, TypeEndpointDisabled or
// TypeEndpointRecovered. Its id is random: whoever may report it twice keeps the event.
func NewEndpointEvent(kind string, t EndpointTrouble) EndpointEvent {
	at := stamp(diff.TimeOf(t.At))
	return envelope(eventID(rand.Text(), t.Endpoint, kind), event.EndpointURN(t.Endpoint), kind, t.Endpoint, at, EndpointData{
		Endpoint: t.Endpoint, Reason: t.Reason, Detail: t.Detail, Since: stamp(diff.TimeOf(t.Since)),
	})
}

// ReportEndpoint stores an event about an endpoint. The same event again within two minutes is stored once.
func ReportEndpoint(ctx context.Context, js jetstream.JetStream, names Names, ev EndpointEvent) error {
	body, err := encode(ev)
	if err != nil {
		return fmt.Errorf("encode %s of %s: %w", ev.Type, ev.Subject, err)
	}
	if err := report(ctx, js, names, ev.Type, ev.Subject, ev.ID, body); err != nil {
		return fmt.Errorf("report %s of %s: %w", ev.Type, ev.Subject, err)
	}
	return nil
}

// LastSourceReport returns the newest report about a source, and whether it was of recovery. ok is false if there is none.
func (l *Log) LastSourceReport(ctx context.Context, source string) (t Trouble, recovered, ok bool, err error) {
	s, err := l.js.Stream(ctx, l.names.OpsStream())
	if err != nil {
		return t, false, false, fmt.Errorf("open stream %s: %w", l.names.OpsStream(), err)
	}
	m, err := s.GetLastMsgForSubject(ctx, l.names.OpsSubject("source.*", source))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return t, false, false, nil
	}
	if err != nil {
		return t, false, false, fmt.Errorf("read the last report about %s: %w", source, err)
	}
	var ev SourceEvent
	if err := json.Unmarshal(m.Data, &ev); err != nil {
		return t, false, false, &LoadError{Stream: l.names.OpsStream(), Subject: m.Subject, Seq: m.Sequence, Err: err}
	}
	t = Trouble{Source: source, Reason: ev.Data.Reason, Detail: ev.Data.Detail}
	var errs [2]error
	t.At, errs[0] = unstamp(ev.Time)
	t.Since, errs[1] = unstamp(ev.Data.Since)
	return t, ev.Type == TypeSourceRecovered, true, errors.Join(errs[:]...)
}
