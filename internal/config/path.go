package config

import (
	"fmt"
	"strings"
)

// fileSuffix makes the key of a setting the key of a file that holds it.
const fileSuffix = "_file"

// Sections of the configuration file that are about one thing each, and those that are lists.
const (
	sectionAccounts  = "accounts"
	sectionSources   = "sources"
	sectionEndpoints = "endpoints"
	sectionPoll      = "poll"
	sectionWords     = "words"
	sectionWebhook   = "webhook"
)

// paths are the places in the file of variables whose names do not tell it.
var paths = map[string]string{
	"VIDBELL_CONFIG":            "",
	"VIDBELL_API_KEY":           "accounts[].api_key",
	"VIDBELL_API_URL":           "accounts[].url",
	"VIDBELL_RATE_LIMIT":        "accounts[].rate_limit",
	"VIDBELL_UNIQUE_ID":         "sources[].unique_id",
	"VIDBELL_SWEEP_INTERVAL":    "poll.sweep_interval",
	"VIDBELL_BASELINE":          "poll.baseline",
	"VIDBELL_STALL_AFTER":       "poll.stall_after",
	"VIDBELL_WEBHOOK_URL":       "endpoints[].url",
	"VIDBELL_WEBHOOK_TEMPLATE":  "webhook.template_file",
	"VIDBELL_HINT_SECRET":       "http.hint_secret",
	"VIDBELL_STATUS_PARSE":      "words.parse",
	"VIDBELL_STATUS_DONE":       "words.done",
	"VIDBELL_STATUS_FAILED":     "words.failed",
	"VIDBELL_STATUS_PROCESSING": "words.processing",
}

// sectionsOf are those whose variables are called after them.
var sectionsOf = []string{sectionPoll, sectionWebhook, "nats", "http", "log"}

// Path is the place of a setting in the configuration file, such as nats.url or endpoints[].url; empty for the one that
// names the file.
func (v Variable) Path() string {
	if path, known := paths[v.Name]; known {
		return path
	}
	name := strings.ToLower(strings.TrimPrefix(v.Name, variablePrefix))
	for _, section := range sectionsOf {
		if key, ok := strings.CutPrefix(name, section+"_"); ok {
			return section + "." + key
		}
	}
	return name
}

// keyOf is the last part of a variable's place.
func keyOf(variable string) string {
	path := Variable{Name: variable}.Path()
	return path[strings.LastIndexByte(path, '.')+1:]
}

func endpointPath(number int) string { return fmt.Sprintf("%s[%d]", sectionEndpoints, number) }

// fileVariables are the settings that only a file has, in the form of variables.
func fileVariables() []Variable {
	return []Variable{{
		Group: "Webhooks", Type: "text",
		Meaning: "a Go text/template of the request's body, for template, in place of template_file",
		set:     into(func(c *Config) *string { return &c.Webhook.Template }, asIs),
		path:    "webhook.template",
	}}
}

// a field is a key of a section, and the setting that it is.
type field struct {
	key string
	Variable
}

// fieldsOf are the settings of a section, in documented order. The section of what stands at the top has no name.
func fieldsOf(section string) []field {
	var fields []field
	for _, v := range append(Variables(), fileVariables()...) {
		path := v.path
		if path == "" {
			path = v.Path()
		}
		at := strings.LastIndexByte(path, '.')
		if path != "" && strings.TrimSuffix(path[:max(at, 0)], "[]") == section {
			fields = append(fields, field{key: path[at+1:], Variable: v})
		}
	}
	return fields
}

// endpointFields are what an endpoint may say itself.
func endpointFields() []field {
	fields := fieldsOf(sectionEndpoints)
	for _, f := range fieldsOf(sectionWebhook) {
		if f.key != "allow_networks" {
			fields = append(fields, f)
		}
	}
	return fields
}
