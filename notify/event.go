package notify

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vidbell/diff"
	"vidbell/notify/event"
)

// The wire format stands in package event, where subscribers import it.
const (
	// ContentType marks an event on NATS: structured CloudEvents JSON. No ce- header goes with it, or readers would take the
	// whole envelope for the data.
	ContentType = event.ContentType

	TypeSourceDegraded    = event.TypeSourceDegraded
	TypeSourceRecovered   = event.TypeSourceRecovered
	TypeEndpointDegraded  = event.TypeEndpointDegraded
	TypeEndpointDisabled  = event.TypeEndpointDisabled
	TypeEndpointRecovered = event.TypeEndpointRecovered
)

type (
	// VideoEvent is the event of a change.
	VideoEvent = event.Video
	// VideoData is what a video event says.
	VideoData = event.VideoData
	// SourceEvent is the event of a source that stopped or started being readable.
	SourceEvent = event.Source
	// SourceData is what an event about a source says.
	SourceData = event.SourceData
	// EndpointEvent is the event of a webhook endpoint that fails, is given up or takes deliveries again.
	EndpointEvent = event.Endpoint
	// EndpointData is what an event about a webhook endpoint says.
	EndpointData = event.EndpointData
)

const idBytes = 20

// TypeOf is the event type of a kind of change: "video.done".
func TypeOf(k diff.Kind) string { return "video." + string(k) }

// VideoTypes lists the types of all video events.
func VideoTypes() []string {
	var types []string
	for _, k := range diff.Kinds() {
		types = append(types, TypeOf(k))
	}
	return types
}

// envelope puts data into an event that happened at a time, as stamp writes it.
func envelope[D any](id, source, kind, subject, at string, data D) event.Event[D] {
	return event.Event[D]{
		SpecVersion: event.SpecVersion, ID: id, Source: source, Type: kind, Subject: subject, Time: at, Timestamp: at,
		DataContentType: event.DataType, Data: data,
	}
}

// newVideoEvent wraps a change. birth is the log's birth mark.
func newVideoEvent(birth, source string, c diff.Change) VideoEvent {
	kind := TypeOf(c.Kind)
	at := stamp(c.At)
	r := c.Record
	id := eventID(birth, source, c.VideoNo, strconv.FormatUint(uint64(r.Version), 10), kind)
	return envelope(id, event.SourceURN(source), kind, c.VideoNo, at, VideoData{
		Source: source, VideoNo: c.VideoNo, VideoName: r.Name, Status: r.Status.String(), RawStatus: r.Raw,
		PreviousStatus: optional(c.From.String()), PreviousRawStatus: previousRaw(c), Cause: cause(c),
		DurationSeconds: r.Duration, SizeBytes: r.Size, CreatedAt: optional(stamp(r.CreatedAt)),
		FirstSeenAt: stamp(r.FirstSeen), ProcessingSeconds: processing(c), Version: r.Version, Initial: c.Initial,
	})
}

func previousRaw(c diff.Change) *string {
	if c.From == diff.None {
		return nil
	}
	return &c.FromRaw
}

// cause is why a video failed; what the platform leaves there for a video that did not fail is no cause.
func cause(c diff.Change) *string {
	if c.Record.Status != diff.Failed {
		return nil
	}
	return optional(c.Record.Cause)
}

// processing also tells how long a new run had been seen when it was confirmed, so that its start can be read back.
func processing(c diff.Change) *float64 {
	took := c.Took
	if c.Kind == diff.KindProcessing && c.Record.RunStart != 0 && c.Record.RunStart < c.At {
		took = c.At.Since(c.Record.RunStart)
	}
	if took < 0 {
		return nil
	}
	s := took.Seconds()
	return &s
}

var idEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// eventID is the identity of an event for good. The birth mark keeps a log that was lost and built again from reusing ids.
func eventID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s,", len(p), p)
	}
	return event.IDPrefix + strings.ToLower(idEncoding.EncodeToString(h.Sum(nil)[:idBytes]))
}

// encode writes JSON without escaping < > &: the bytes are signed and stored, and people read them.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// stamp is empty for no time, and for one that the layout cannot write: what the platform says may be anything.
func stamp(t diff.Time) string {
	at := t.Time()
	if t == 0 || at.Year() < 1 || at.Year() > 9999 {
		return ""
	}
	return at.Format(event.TimeLayout)
}

func unstamp(s string) (diff.Time, error) {
	if s == "" {
		return 0, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, err
	}
	return diff.TimeOf(t), nil
}
