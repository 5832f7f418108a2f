package telemetry

import (
	"fmt"
	"net/url"
	"strings"
)

// Variables that decide whether anything is exported.
const (
	endpointVar       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesEndpointVar = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	protocolVar       = "OTEL_EXPORTER_OTLP_PROTOCOL"
	tracesProtocolVar = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	exporterVar       = "OTEL_TRACES_EXPORTER"
	disabledVar       = "OTEL_SDK_DISABLED"
	samplerVar        = "OTEL_TRACES_SAMPLER"
)

const httpProtocol = "http/protobuf"

// A SettingError names a variable whose value cannot be used.
type SettingError struct {
	Variable string
	Text     string // what is wrong and what would be right, without the value where that may be secret
}

func (p SettingError) Error() string { return p.Variable + ": " + p.Text }

// Enabled tells whether traces are to be exported, by the environment that lookup reads, and what in it is wrong. Variables
// that do not matter, because nothing is exported, are not looked at.
func Enabled(lookup func(string) (string, bool)) (bool, []SettingError) {
	get := func(name string) string {
		value, _ := lookup(name)
		return strings.TrimSpace(value)
	}
	if strings.EqualFold(get(disabledVar), "true") || get(endpointVar) == "" && get(tracesEndpointVar) == "" {
		return false, nil
	}
	var problems []SettingError
	add := func(variable, format string, args ...any) {
		problems = append(problems, SettingError{variable, fmt.Sprintf(format, args...)})
	}
	switch exporter := strings.ToLower(get(exporterVar)); exporter {
	case "none":
		return false, nil
	case "", "otlp":
	default:
		add(exporterVar, "%q is not known here, use otlp or none", exporter)
	}
	for _, name := range []string{tracesEndpointVar, endpointVar} {
		if u, err := url.Parse(get(name)); get(name) != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			add(name, "is not an address, write one like http://collector:4318") // the value may hold a password
		}
	}
	for _, name := range []string{tracesProtocolVar, protocolVar} {
		if protocol := get(name); protocol != "" && protocol != httpProtocol {
			add(name, "%q is not spoken here, use %s, which collectors take on port 4318", protocol, httpProtocol)
			break // the first one decides
		}
	}
	if sampler := get(samplerVar); sampler != "" && !known(sampler) {
		add(samplerVar, "%q is not known, use %s", sampler, strings.Join(samplers(), ", "))
	}
	return true, problems
}

func samplers() []string {
	return []string{
		"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
	}
}

func known(sampler string) bool {
	for _, s := range samplers() {
		if strings.EqualFold(s, sampler) {
			return true
		}
	}
	return false
}
