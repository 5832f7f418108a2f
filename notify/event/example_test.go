package event_test

import (
	"errors"
	"fmt"

	"vidbell/notify/event"
)

const body = `{"specversion":"1.0","id":"evt_qapv5yoc3uk5csxc6tiac7hnyaciqfq5","source":"urn:vidbell:default","type":"video.failed",
 "subject":"VI606404158946574336","time":"2026-11-23T22:04:05.123Z","timestamp":"2026-11-23T22:04:05.123Z",
 "datacontenttype":"application/json",
 "data":{"source":"default","video_no":"VI606404158946574336","video_name":"182082-867762198_tiny",
  "status":"failed","raw_status":"FAILED","previous_status":"processing","previous_raw_status":"PARSE","cause":"codec not supported",
  "duration_seconds":12,"size_bytes":3284512,"created_at":"2025-08-01T08:33:37.992Z",
  "first_seen_at":"2026-11-23T22:02:42.101Z","processing_seconds":83,"version":2}}`

func ExampleParse() {
	e, err := event.Parse([]byte(body))
	if err != nil {
		fmt.Println(err)
		return
	}
	switch d := e.Data.(type) {
	case event.VideoData:
		fmt.Println(e.Type, d.VideoNo, d.VideoName)
		if d.Cause != nil {
			fmt.Println("because:", *d.Cause)
		}
		if took, ok := d.Processing(); ok {
			fmt.Println("after:", took)
		}
	case event.SourceData:
		fmt.Println(d.Source, "is", e.Type, d.Reason)
	case event.EndpointData:
		fmt.Println(d.Endpoint, "is", e.Type, d.Reason)
	default: // of a later vidbell
	}
	// Output:
	// video.failed VI606404158946574336 182082-867762198_tiny
	// because: codec not supported
	// after: 1m23s
}

func ExampleParse_invalid() {
	_, err := event.Parse([]byte(`{"specversion":"1.0","id":"","type":"video.done"}`))
	fmt.Println(err, errors.Is(err, event.ErrInvalid))
	// Output: not an event of vidbell: id: missing or empty true
}

func ExampleNames_Videos() {
	var names event.Names // no VIDBELL_INSTANCE, no VIDBELL_SUBJECT_PREFIX
	fmt.Println(names.Stream())
	fmt.Println(names.Videos(event.Filter{}))
	fmt.Println(names.Videos(event.Filter{Type: event.TypeDone}))
	fmt.Println(names.Videos(event.Filter{Type: event.TypeDone, Source: "marketing"}))
	fmt.Println(names.Videos(event.Filter{VideoNo: "VI606404158946574336"}))
	fmt.Println(names.Ops(event.TypeSourceDegraded))
	// Output:
	// VIDEOS
	// video.>
	// video.done.>
	// video.done.marketing.>
	// video.*.*.VI606404158946574336
	// vidbell.ops.source.degraded.>
}

func ExampleNames_ParseSubject() {
	s, err := event.Names{}.ParseSubject("video.done.marketing.clip=2E7")
	fmt.Println(s.Type, s.Source, s.VideoNo, err)
	// Output: video.done marketing clip.7 <nil>
}

func ExampleToken() {
	fmt.Println(event.Token("VI606404158946574336"), event.Token("a.b > c"))
	// Output: VI606404158946574336 a=2Eb=20=3E=20c
}
