package notify

import (
	"fmt"
	"strings"
	"time"

	"vidbell/diff"
	"vidbell/notify/event"
)

const (
	testSource = "test"
	testVideo  = "VI000000000000000000"
	testDetail = "this is a test, nothing has happened"
)

// TestEvent makes the body of an event that never happened, of any type there is, for trying a receiver out. It has the shape
// of a real one, with "test":true in its data. endpoint is whom events about endpoints are about. The error says that there is
// no such type.
func TestEvent(id, eventType, endpoint string, at time.Time) ([]byte, error) {
	t := stamp(diff.TimeOf(at))
	about := event.SourceURN(testSource)
	group, kind, _ := strings.Cut(eventType, ".")
	switch group {
	case "video":
		return encode(envelope(id, about, eventType, testVideo, t, testVideoData(diff.Kind(kind), t)))
	case "source":
		return encode(envelope(id, about, eventType, testSource, t, SourceData{
			Source: testSource, Reason: event.ReasonTest, Detail: testDetail, Since: t, Test: true,
		}))
	case "endpoint":
		return encode(envelope(id, event.EndpointURN(endpoint), eventType, endpoint, t, EndpointData{
			Endpoint: endpoint, Reason: event.ReasonTest, Detail: testDetail, Since: t, Test: true,
		}))
	default:
		return nil, fmt.Errorf("make a test event: %q is no event type", eventType)
	}
}

func testVideoData(kind diff.Kind, at string) VideoData {
	status, took := diff.Processing, 83.0
	previous, raw := diff.Processing.String(), "PARSE"
	d := VideoData{
		Source: testSource, VideoNo: testVideo, VideoName: "vidbell-test.mp4", RawStatus: raw, PreviousStatus: &previous,
		PreviousRawStatus: &raw, DurationSeconds: 12, SizeBytes: 3_284_512, CreatedAt: &at, FirstSeenAt: at,
		ProcessingSeconds: &took, Version: 2, Test: true,
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
