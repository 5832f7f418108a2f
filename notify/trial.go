package notify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"vidbell/diff"
)

const (
	testSource = "test"
	testVideo  = "VI000000000000000000"
	testReason = "test"
	testDetail = "this is a test, nothing has happened"
)

// TestEvent makes the body of an event that never happened, of any type there is, for trying a receiver out. It has the shape
// of a real one, with "test":true in its data. endpoint is whom events about endpoints are about. The error says that there is
// no such type.
func TestEvent(id, eventType, endpoint string, at time.Time) ([]byte, error) {
	t := stamp(diff.TimeOf(at))
	ev := Event[json.RawMessage]{
		SpecVersion: specVersion, ID: id, Source: sourcePrefix + testSource, Type: eventType, Subject: testSource,
		Time: t, Timestamp: t, DataContentType: dataType,
	}
	var data any
	group, kind, _ := strings.Cut(eventType, ".")
	switch group {
	case "video":
		ev.Subject, data = testVideo, testVideoData(diff.Kind(kind), t)
	case "source":
		data = SourceData{Source: testSource, Reason: testReason, Detail: testDetail, Since: t}
	case "endpoint":
		ev.Source, ev.Subject = endpointPrefix+endpoint, endpoint
		data = EndpointData{Endpoint: endpoint, Reason: testReason, Detail: testDetail, Since: t}
	default:
		return nil, fmt.Errorf("make a test event: %q is no event type", eventType)
	}
	text, err := encode(data)
	if err != nil {
		return nil, fmt.Errorf("make a test event: %w", err)
	}
	ev.Data = slices.Concat(text[:len(text)-1], []byte(`,"test":true}`))
	return encode(ev)
}

func testVideoData(kind diff.Kind, at string) VideoData {
	status, took := diff.Processing, 83.0
	previous, raw := diff.Processing.String(), "PARSE"
	d := VideoData{
		Source: testSource, VideoNo: testVideo, VideoName: "vidbell-test.mp4", RawStatus: raw, PreviousStatus: &previous,
		PreviousRawStatus: &raw, DurationSeconds: 12, SizeBytes: 3_284_512, CreatedAt: &at, FirstSeenAt: at,
		ProcessingSeconds: &took, Version: 2,
	}
	switch kind {
	case diff.KindDone:
		status, d.RawStatus = diff.Done, "DONE"
	case diff.KindFailed:
		status, d.RawStatus, d.Cause = diff.Failed, "FAILED", optional(testDetail)
	case diff.KindDeleted:
		status = diff.Deleted
	case diff.KindProcessing, diff.KindStalled:
	}
	d.Status = status.String()
	return d
}
