package notify

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

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

// ReportSource stores one source.degraded or source.recovered event. The same report again is stored once.
func (l *Log) ReportSource(ctx context.Context, recovered bool, t Trouble) error {
	kind := TypeSourceDegraded
	if recovered {
		kind = TypeSourceRecovered
	}
	at := stamp(t.At)
	ev := SourceEvent{
		SpecVersion: specVersion, ID: eventID(l.birth, t.Source, kind, t.Reason, at), Source: sourcePrefix + t.Source,
		Type: kind, Subject: t.Source, Time: at, Timestamp: at, DataContentType: dataType,
		Data: SourceData{Source: t.Source, Reason: t.Reason, Detail: t.Detail, Since: stamp(t.Since)},
	}
	body, err := encode(ev)
	if err != nil {
		return fmt.Errorf("encode %s of %s: %w", kind, t.Source, err)
	}
	m := nats.NewMsg(l.names.reportSubject(kind, t.Source))
	m.Data = body
	m.Header.Set(headerContentType, ContentType)
	m.Header.Set(nats.MsgIdHdr, ev.ID)
	if _, err := l.js.PublishMsg(ctx, m); err != nil {
		return fmt.Errorf("report %s of %s: %w", kind, t.Source, err)
	}
	return nil
}
