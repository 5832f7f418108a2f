// Package tracing gives every event a trace of its own, in the terms of OpenTelemetry.
//
// The ids of the trace and of its first span follow from the event's id, so that every process, at any time, finds the same
// ones without keeping them anywhere:
//
//	poll ── list, diff, append            one trace per poll of a source
//	                     ┆ link
//	                  publish             first span of the event's trace, kind producer: it is stored
//	                     ├── deliver      one per attempt, kind client, of every endpoint, however much later
//	                     └── ...          what a receiver or a NATS consumer makes of it
//
// The header traceparent of a message in the log, and so of what NATS subscribers get, names the span publish; that of a
// webhook names the span of its attempt. It is written in lower case: NATS headers keep their case.
//
// Nothing here exports anything. Without a TracerProvider of an SDK whose ids come from [Generator], there are no spans.
package tracing
