package telemetry_test

import (
	"slices"
	"testing"

	"vidbell/internal/telemetry"
)

func TestTracesAreExportedOnlyForThoseWhoAsk(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  map[string]string
		on   bool
		says []string
	}{
		"nothing is set": {},
		"a collector is named": {
			env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, on: true,
		},
		"a collector of traces alone is named, with its path": {
			env: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector/v1/traces"}, on: true,
		},
		"the SDK is disabled": {
			env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "nonsense", "OTEL_SDK_DISABLED": "TRUE"},
		},
		"traces go nowhere": {
			env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"},
		},
		"another exporter": {
			env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "zipkin"}, on: true,
			says: []string{`OTEL_TRACES_EXPORTER: "zipkin" is not known here, use otlp or none`},
		},
		"no address, and gRPC": {
			env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, on: true,
			says: []string{
				"OTEL_EXPORTER_OTLP_ENDPOINT: is not an address, write one like http://collector:4318",
				`OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not spoken here, use http/protobuf, which collectors take on port 4318`,
			},
		},
		"the protocol of traces decides": {
			env: map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT":        "http://collector:4318",
				"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
			}, on: true,
			says: []string{`OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json" is not spoken here, use http/protobuf, which collectors take on port 4318`},
		},
		"a sampler that there is not": {
			env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_SAMPLER": "some"}, on: true,
			says: []string{
				`OTEL_TRACES_SAMPLER: "some" is not known, use always_on, always_off, traceidratio, parentbased_always_on, ` +
					"parentbased_always_off, parentbased_traceidratio",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			on, problems := telemetry.Enabled(func(name string) (string, bool) {
				value, ok := c.env[name]
				return value, ok
			})
			var says []string
			for _, p := range problems {
				says = append(says, p.Error())
			}
			if on != c.on || !slices.Equal(says, c.says) {
				t.Errorf("%v %q, want %v %q", on, says, c.on, c.says)
			}
		})
	}
}
