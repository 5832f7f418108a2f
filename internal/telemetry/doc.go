// Package telemetry exports traces by OTLP, for those who ask for it with the standard OTEL_* variables of OpenTelemetry.
//
// Nothing is exported, and no span is made, unless OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set.
// Then the SDK's own rules hold for its headers, timeout, compression, certificates, the sampler, the bounds of its queue and
// the attributes of the resource. A collector that is away costs spans, never an event and never time: spans wait in a bounded
// queue, and what does not fit is dropped.
package telemetry
