package event

import (
	"encoding/json"
	"slices"
	"time"
)

// The fixed words of the envelope.
const (
	SpecVersion = "1.0" // of CloudEvents
	// ContentType is the header Content-Type of an event on NATS, and of webhooks in the format cloudevents: CloudEvents JSON
	// in structured mode.
	ContentType = "application/cloudevents+json"
	DataType    = "application/json"
	IDPrefix    = "evt_"
	// TimeLayout is how times are written, always in UTC. Any reader of RFC 3339 reads it.
	TimeLayout = "2006-01-02T15:04:05.000Z"
)

// The headers of an event on NATS. Nats-Msg-Id is the event's ID; a message without it was not written by vidbell.
const (
	HeaderContentType = "Content-Type"
	HeaderID          = "Nats-Msg-Id"
)

const (
	sourceURN   = "urn:vidbell:"
	endpointURN = sourceURN + "endpoint:" // a colon more than any source's name can have
)

// SourceURN is the CloudEvents source of what is told about a source and its videos.
func SourceURN(source string) string { return sourceURN + source }

// EndpointURN is the CloudEvents source of what is told about a webhook endpoint.
func EndpointURN(endpoint string) string { return endpointURN + endpoint }

// The types of events.
const (
	TypeDone       = "video.done"       // processing finished
	TypeFailed     = "video.failed"     // processing failed
	TypeProcessing = "video.processing" // a new video was seen, or a settled one is processed again
	TypeStalled    = "video.stalled"    // in processing for long, told once per run
	TypeDeleted    = "video.deleted"    // gone from the platform, confirmed

	TypeSourceDegraded  = "source.degraded"  // the listing cannot be read or believed
	TypeSourceRecovered = "source.recovered" // it can again

	TypeEndpointDegraded  = "endpoint.degraded"  // deliveries fail; events are kept, and one at a time looks whether it is back
	TypeEndpointDisabled  = "endpoint.disabled"  // nothing is sent until an operator enables it; events are kept
	TypeEndpointRecovered = "endpoint.recovered" // deliveries succeed again
)

// VideoTypes lists the types of all events about videos.
func VideoTypes() []string {
	return []string{TypeDone, TypeFailed, TypeProcessing, TypeStalled, TypeDeleted}
}

// OpsTypes lists the types of all events about sources and webhook endpoints.
func OpsTypes() []string {
	return []string{TypeSourceDegraded, TypeSourceRecovered, TypeEndpointDegraded, TypeEndpointDisabled, TypeEndpointRecovered}
}

// Types lists every type.
func Types() []string { return slices.Concat(VideoTypes(), OpsTypes()) }

// The statuses of a video.
const (
	StatusProcessing = "processing"
	StatusDone       = "done"
	StatusFailed     = "failed"
	StatusUnknown    = "unknown" // the platform's word is in no list; it behaves as processing
	StatusDeleted    = "deleted"
)

// Statuses lists every status.
func Statuses() []string {
	return []string{StatusProcessing, StatusDone, StatusFailed, StatusUnknown, StatusDeleted}
}

// Event is the envelope: CloudEvents 1.0 JSON, and a Standard Webhooks payload through Timestamp.
type Event[D any] struct {
	SpecVersion     string `json:"specversion"`     // SpecVersion
	ID              string `json:"id"`              // "evt_" and letters, digits or _; no full stop; the same for good
	Source          string `json:"source"`          // SourceURN or EndpointURN
	Type            string `json:"type"`            // one of Types
	Subject         string `json:"subject"`         // the video, or the name of the source or endpoint
	Time            string `json:"time"`            // when the change was observed, in TimeLayout; the platform gives no time of change
	Timestamp       string `json:"timestamp"`       // the same
	DataContentType string `json:"datacontenttype"` // DataType
	Data            D      `json:"data"`
}

// Observed is Time, read; the zero time if it is none.
func (e Event[D]) Observed() time.Time { return read(e.Time) }

// Video is an event about a video.
type Video = Event[VideoData]

// Source is an event about a source.
type Source = Event[SourceData]

// Endpoint is an event about a webhook endpoint.
type Endpoint = Event[EndpointData]

// Any is an event whose data tells by its Go type what it is about: VideoData, SourceData, EndpointData or Other.
type Any = Event[Data]

// Data is what an event says.
type Data interface{ data() }

// VideoData is what an event about a video says. Pointers are null where nothing is known, and never left out.
type VideoData struct {
	Source    string `json:"source"`     // the name of the source that lists the video
	VideoNo   string `json:"video_no"`   // the platform's identity of the video, any text
	VideoName string `json:"video_name"` // for people, any text; may be empty
	Status    string `json:"status"`     // one of Statuses; of video.stalled it is processing or unknown
	RawStatus string `json:"raw_status"` // the platform's own word; may be empty
	// PreviousStatus is null for a video that was not known before.
	PreviousStatus    *string `json:"previous_status"`
	PreviousRawStatus *string `json:"previous_raw_status"` // null with PreviousStatus
	// Cause is why processing failed, in the platform's words; null for other statuses, and if the platform did not say.
	Cause           *string `json:"cause"`
	DurationSeconds int64   `json:"duration_seconds"` // the video's length; 0 if the platform did not say
	SizeBytes       int64   `json:"size_bytes"`       // 0 if the platform did not say
	CreatedAt       *string `json:"created_at"`       // when the platform says that it was made, in TimeLayout; null if it does not
	FirstSeenAt     string  `json:"first_seen_at"`    // when vidbell first saw it, in TimeLayout
	// ProcessingSeconds is for how long the present run was observed in processing; null if it was not.
	ProcessingSeconds *float64 `json:"processing_seconds"`
	Version           uint32   `json:"version"`           // counts the changes of this video that were told: 1, 2, 3, ...
	Initial           bool     `json:"initial,omitempty"` // it was so before vidbell first looked (VIDBELL_BASELINE=emit)
	Test              bool     `json:"test,omitempty"`    // nothing happened: vidbell send-test made it
}

func (VideoData) data() {}

// Created is CreatedAt, read; the zero time if it is not known.
func (d VideoData) Created() time.Time {
	if d.CreatedAt == nil {
		return time.Time{}
	}
	return read(*d.CreatedAt)
}

// FirstSeen is FirstSeenAt, read; the zero time if it is none.
func (d VideoData) FirstSeen() time.Time { return read(d.FirstSeenAt) }

// Processing is ProcessingSeconds as a duration; false if it is not known.
func (d VideoData) Processing() (time.Duration, bool) {
	if d.ProcessingSeconds == nil {
		return 0, false
	}
	return time.Duration(*d.ProcessingSeconds * float64(time.Second)), true
}

// SourceData is what an event about a source says.
type SourceData struct {
	Source string `json:"source"`         // its name
	Reason string `json:"reason"`         // one of SourceReasons; of source.recovered: what the trouble was
	Detail string `json:"detail"`         // for people
	Since  string `json:"since"`          // when the trouble began, in TimeLayout; empty if that is not known
	Test   bool   `json:"test,omitempty"` // nothing happened: vidbell send-test made it
}

func (SourceData) data() {}

// EndpointData is what an event about a webhook endpoint says.
type EndpointData struct {
	Endpoint string `json:"endpoint"`       // its name
	Reason   string `json:"reason"`         // one of EndpointReasons; of endpoint.recovered: what the trouble was
	Detail   string `json:"detail"`         // for people; no URL, no secret
	Since    string `json:"since"`          // when the trouble began, in TimeLayout; empty if that is not known
	Test     bool   `json:"test,omitempty"` // nothing happened: vidbell send-test made it
}

func (EndpointData) data() {}

// Other is the data of an event whose type this package does not know: its JSON.
type Other json.RawMessage

func (Other) data() {}

// MarshalJSON writes the data as it was.
func (o Other) MarshalJSON() ([]byte, error) { return json.RawMessage(o).MarshalJSON() }

func read(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t
}
