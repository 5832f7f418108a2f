package webhook

import (
	"crypto/rand"
	"encoding/hex"

	"vidbell/notify/tracing"
)

const (
	traceVersion = "00"
	// traceSampled asks receivers to record the request in their traces. Without it one that decides by its parent, which is
	// what most are set to, would drop every trace that begins with us.
	traceSampled = "01"
)

// traceparent is the W3C Trace Context header of one attempt. The trace is the event's, the same for every attempt and every
// endpoint, so that what an event set off can be found by one id; the span is the attempt's own.
func traceparent(eventID string) string {
	id := tracing.TraceID(eventID)
	var span [8]byte
	_, _ = rand.Read(span[:]) // never fails; an all-zero span, which the specification forbids, has a chance of 2^-64
	out := make([]byte, 0, 55)
	out = append(append(out, traceVersion...), '-')
	out = append(hex.AppendEncode(out, id[:]), '-')
	out = append(hex.AppendEncode(out, span[:]), '-')
	return string(append(out, traceSampled...))
}
