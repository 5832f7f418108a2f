// Package event is what vidbell says, for who listens: the envelope and the data of every event, their types and words, and the
// subjects that events have on NATS. It needs nothing but the standard library, and vidbell itself writes its events with it. Another
// module uses it from a checkout of this repository:
//
//	go mod edit -require=vidbell@v0.0.0 -replace=vidbell=../vidbell
//
// [Parse] reads an event as it arrives, in a message or in a webhook whose signature was verified (use the official Standard
// Webhooks library for that; the signature is over the raw body). The bytes are the same on both ways.
//
//	e, err := event.Parse(msg.Data())
//	switch d := e.Data.(type) {
//	case event.VideoData:
//		log.Println(e.ID, e.Type, d.VideoNo, d.Status)
//	}
//
// [Names] gives subjects, filters and stream names, and reads a subject back.
//
// # What stays as it is
//
// An event's ID is its identity for good: the same when it is delivered again, on any way. Deduplicate on it. A video's versions
// count 1, 2, 3 without gaps, and its events are in the stream in that order.
//
// # What may grow
//
// A later vidbell may add fields, types, words for Status and for Reason. Parse lets all of them through: an unknown field is
// ignored, an event of an unknown type has [Other] as its data. It takes nothing away and gives no field another meaning.
package event
