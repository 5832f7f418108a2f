package notify

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"vidbell/diff"
)

// ContentType marks an event on NATS: structured CloudEvents JSON. No ce- header goes with it, or readers would take the
// whole envelope for the data.
const ContentType = "application/cloudevents+json"

const (
	specVersion  = "1.0"
	sourcePrefix = "urn:vidbell:"
	// endpointPrefix has a colon more than any source's name can have.
	endpointPrefix = sourcePrefix + "endpoint:"
	dataType       = "application/json"
	timeLayout     = "2006-01-02T15:04:05.000Z"
	idPrefix       = "evt_"
	idBytes        = 20
)

// The types of events about sources and about webhook endpoints.
const (
	TypeSourceDegraded    = "source.degraded"
	TypeSourceRecovered   = "source.recovered"
	TypeEndpointDegraded  = "endpoint.degraded"
	TypeEndpointDisabled  = "endpoint.disabled"
	TypeEndpointRecovered = "endpoint.recovered"
)

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

// Event is the envelope of one change: CloudEvents 1.0, and a Standard Webhooks payload through Timestamp. Its JSON form is
// the same, byte for byte, on NATS and in webhooks.
type Event[D any] struct {
	SpecVersion     string `json:"specversion"`
	ID              string `json:"id"` // "evt_" and 32 letters and digits; the same for good
	Source          string `json:"source"`
	Type            string `json:"type"`
	Subject         string `json:"subject"` // the video, or the name of the source
	Time            string `json:"time"`    // when the change was observed, RFC 3339 in UTC with milliseconds
	Timestamp       string `json:"timestamp"`
	DataContentType string `json:"datacontenttype"`
	Data            D      `json:"data"`
}

// VideoData is what a video event says. Pointers are null when the platform did not say.
type VideoData struct {
	Source            string   `json:"source"`
	VideoNo           string   `json:"video_no"`
	VideoName         string   `json:"video_name"`
	Status            string   `json:"status"`
	RawStatus         string   `json:"raw_status"`
	PreviousStatus    *string  `json:"previous_status"`
	PreviousRawStatus *string  `json:"previous_raw_status"`
	Cause             *string  `json:"cause"`
	DurationSeconds   int64    `json:"duration_seconds"`
	SizeBytes         int64    `json:"size_bytes"`
	CreatedAt         *string  `json:"created_at"`
	FirstSeenAt       string   `json:"first_seen_at"`
	ProcessingSeconds *float64 `json:"processing_seconds"` // observed time in this run; null if the run was never seen working
	Version           uint32   `json:"version"`
	Initial           bool     `json:"initial,omitempty"` // announced because of the baseline policy
}

// VideoEvent is the event of a change.
type VideoEvent = Event[VideoData]

// SourceData is what an event about a source says.
type SourceData struct {
	Source string `json:"source"`
	Reason string `json:"reason"` // a word of a closed set
	Detail string `json:"detail"` // for people
	Since  string `json:"since"`  // when the trouble began
}

// SourceEvent is the event of a source that stopped or started being readable.
type SourceEvent = Event[SourceData]

// EndpointData is what an event about a webhook endpoint says.
type EndpointData struct {
	Endpoint string `json:"endpoint"`
	Reason   string `json:"reason"` // a word of a closed set
	Detail   string `json:"detail"` // for people
	Since    string `json:"since"`  // when the trouble began
}

// EndpointEvent is the event of a webhook endpoint that fails, is given up or takes deliveries again.
type EndpointEvent = Event[EndpointData]

// newVideoEvent wraps a change. birth is the log's birth mark.
func newVideoEvent(birth, source string, c diff.Change) VideoEvent {
	kind := TypeOf(c.Kind)
	at := stamp(c.At)
	r := c.Record
	return VideoEvent{
		SpecVersion: specVersion, ID: eventID(birth, source, c.VideoNo, strconv.FormatUint(uint64(r.Version), 10), kind),
		Source: sourcePrefix + source, Type: kind, Subject: c.VideoNo, Time: at, Timestamp: at, DataContentType: dataType,
		Data: VideoData{
			Source: source, VideoNo: c.VideoNo, VideoName: r.Name, Status: r.Status.String(), RawStatus: r.Raw,
			PreviousStatus: optional(c.From.String()), PreviousRawStatus: previousRaw(c), Cause: cause(c),
			DurationSeconds: r.Duration, SizeBytes: r.Size, CreatedAt: optional(stamp(r.CreatedAt)),
			FirstSeenAt: stamp(r.FirstSeen), ProcessingSeconds: processing(c), Version: r.Version, Initial: c.Initial,
		},
	}
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

// eventID is the identity of an event for good. The birth mark keeps a log that was lost and built again from reusing ids.
func eventID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s,", len(p), p)
	}
	return idPrefix + hashText(h.Sum(nil)[:idBytes])
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
	return at.Format(timeLayout)
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
