package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrInvalid is what every error of Parse and ParseVideo is: the text is no event, or lacks what each event has. It will never
// be one: terminate the message, or refuse the request.
var ErrInvalid = errors.New("not an event of vidbell")

// Parse reads an event of any type. Its data is VideoData for types that begin with video., SourceData for source., EndpointData
// for endpoint., and Other for the rest; unknown fields are ignored. The error says which field is wrong, and how.
func Parse(body []byte) (Any, error) {
	e, err := parseEnvelope(body)
	if err != nil {
		return Any{}, err
	}
	family, _, _ := strings.Cut(e.Type, ".")
	switch family {
	case "video":
		return withData(e, VideoData.check)
	case "source":
		return withData(e, SourceData.check)
	case "endpoint":
		return withData(e, EndpointData.check)
	default:
		return wrap(e, Data(Other(e.Data))), nil
	}
}

// ParseVideo reads an event about a video. It refuses others.
func ParseVideo(body []byte) (Video, error) {
	e, err := Parse(body)
	if err != nil {
		return Video{}, err
	}
	d, ok := e.Data.(VideoData)
	if !ok {
		return Video{}, wrong("type", "%q is not about a video", e.Type)
	}
	return wrap(e, d), nil
}

func parseEnvelope(body []byte) (Event[json.RawMessage], error) {
	var e Event[json.RawMessage]
	if err := json.Unmarshal(body, &e); err != nil {
		return e, unreadable("", err)
	}
	if e.SpecVersion != SpecVersion {
		return e, wrong("specversion", "want %q, found %q", SpecVersion, e.SpecVersion)
	}
	for _, f := range []struct{ name, value string }{{"id", e.ID}, {"source", e.Source}, {"type", e.Type}, {"subject", e.Subject}} {
		if f.value == "" {
			return e, wrong(f.name, "missing or empty")
		}
	}
	if _, err := time.Parse(time.RFC3339Nano, e.Time); err != nil {
		return e, wrong("time", "want a time as in RFC 3339, found %q", e.Time)
	}
	if len(e.Data) == 0 || e.Data[0] != '{' {
		return e, wrong("data", "want an object")
	}
	return e, nil
}

func withData[D Data](e Event[json.RawMessage], check func(D) error) (Any, error) {
	var d D
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return Any{}, unreadable("data", err)
	}
	if err := check(d); err != nil {
		return Any{}, err
	}
	return wrap(e, Data(d)), nil
}

// wrap gives an envelope other data.
func wrap[D, E any](e Event[D], data E) Event[E] {
	return Event[E]{
		SpecVersion: e.SpecVersion, ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject, Time: e.Time,
		Timestamp: e.Timestamp, DataContentType: e.DataContentType, Data: data,
	}
}

func (d VideoData) check() error {
	switch {
	case d.VideoNo == "":
		return wrong("data.video_no", "missing or empty")
	case d.Source == "":
		return wrong("data.source", "missing or empty")
	case d.Status == "":
		return wrong("data.status", "missing or empty")
	case d.Version == 0:
		return wrong("data.version", "missing or 0, versions count from 1")
	}
	return nil
}

func (d SourceData) check() error {
	if d.Source == "" {
		return wrong("data.source", "missing or empty")
	}
	return nil
}

func (d EndpointData) check() error {
	if d.Endpoint == "" {
		return wrong("data.endpoint", "missing or empty")
	}
	return nil
}

func wrong(field, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrInvalid, field, fmt.Sprintf(format, args...))
}

// unreadable names the field that JSON could not be read into, below one.
func unreadable(below string, err error) error {
	var mismatch *json.UnmarshalTypeError
	if !errors.As(err, &mismatch) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	field := strings.Trim(below+"."+mismatch.Field, ".")
	if field == "" {
		field = "the whole"
	}
	return wrong(field, "cannot be %s", mismatch.Value)
}
