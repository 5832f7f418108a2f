package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vidbell/diff"
)

// Trouble says what is wrong with a source, or was.
type Trouble struct {
	Source string
	Reason string // a word of a closed set
	Detail string
	Since  diff.Time
	At     diff.Time
}

// newSourceEvent wraps a report. birth is the log's birth mark.
func newSourceEvent(birth string, recovered bool, t Trouble) SourceEvent {
	kind := TypeSourceDegraded
	if recovered {
		kind = TypeSourceRecovered
	}
	at := stamp(t.At)
	return SourceEvent{
		SpecVersion: specVersion, ID: eventID(birth, t.Source, kind, t.Reason, at), Source: sourcePrefix + t.Source,
		Type: kind, Subject: t.Source, Time: at, Timestamp: at, DataContentType: dataType,
		Data: SourceData{Source: t.Source, Reason: t.Reason, Detail: t.Detail, Since: stamp(t.Since)},
	}
}

// ReportSource stores one source.degraded or source.recovered event. The same report again within two minutes is stored once.
func (l *Log) ReportSource(ctx context.Context, recovered bool, t Trouble) error {
	ev := newSourceEvent(l.identity(), recovered, t)
	body, err := encode(ev)
	if err != nil {
		return fmt.Errorf("encode %s of %s: %w", ev.Type, t.Source, err)
	}
	m := nats.NewMsg(l.names.reportSubject(ev.Type, t.Source))
	m.Data = body
	m.Header.Set(headerContentType, ContentType)
	m.Header.Set(nats.MsgIdHdr, ev.ID)
	if _, err := l.js.PublishMsg(ctx, m); err != nil {
		return fmt.Errorf("report %s of %s: %w", ev.Type, t.Source, err)
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
