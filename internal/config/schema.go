package config

import (
	"encoding/json"
	"slices"
	"strings"
)

// object is a JSON object whose keys keep their order.
type object []member

type member struct {
	key   string
	value any
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	text := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			text = append(text, ',')
		}
		key, err := json.Marshal(m.key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		text = append(append(append(text, key...), ':'), value...)
	}
	return append(text, '}'), nil
}

// Schema is the JSON Schema of the configuration file, for editors: keys, kinds of values and what they mean. The rules between
// settings are those of [Load] alone.
func Schema() ([]byte, error) {
	top := object{}
	for _, section := range []struct {
		key, meaning string
		value        func() object
	}{
		{sectionAccounts, "keys to the platform; sources of one account share its quota", accountSchema},
		{sectionSources, "listings that are watched", sourceSchema},
		{sectionEndpoints, "webhook receivers", endpointSchema},
	} {
		top = append(top, member{section.key, object{
			{"description", section.meaning}, {"type", []string{"array", "null"}}, {"items", section.value()},
		}})
	}
	for _, section := range []struct{ key, meaning string }{
		{sectionPoll, "for all sources that say nothing else"},
		{sectionWords, "for all sources that say nothing else"},
		{sectionWebhook, "for all endpoints that say nothing else"},
		{"nats", "the engine"},
		{"http", "vidbell's own server"},
		{"log", "log lines"},
	} {
		top = append(top, member{section.key, keysSchema(section.meaning, fieldsOf(section.key))})
	}
	top = append(top, members(fieldsOf(""))...)
	return json.MarshalIndent(object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "vidbell configuration"},
		{"description", "the file that VIDBELL_CONFIG names, in YAML; see docs/configuration.md"},
		{"type", []string{"object", "null"}},
		{"additionalProperties", false},
		{"properties", top},
	}, "", "  ")
}

func named(meaning string) member {
	return member{"name", object{{"description", meaning}, {"type", "string"}, {"minLength", 1}}}
}

func accountSchema() object {
	return strict(append(object{named("1 to 64 letters, digits, - or _; default when left out")}, members(fieldsOf(sectionAccounts))...))
}

func sourceSchema() object {
	text := func(key, meaning string) member {
		return member{key, object{{"description", meaning}, {"type", []string{"string", "number"}}}}
	}
	return strict(object{
		named("in subjects, metrics and logs: 1 to 64 letters, digits, - or _; made from unique_id when left out"),
		text("account", "name of the account; may be left out where there is one"),
		text("unique_id", "the namespace asked for; the name when left out"),
		text("video_name", "pattern over the names of videos, such as raw_*; others are not looked at"),
		{sectionPoll, keysSchema("in place of the values for all sources", fieldsOf(sectionPoll))},
		{sectionWords, keysSchema("in place of the values for all sources", fieldsOf(sectionWords))},
	})
}

func endpointSchema() object {
	return strict(append(object{named("shown in commands, metrics and logs; made from the URL when left out")}, members(secretURL(endpointFields()))...))
}

// secretURL has the address of an endpoint be what it is there: one, and a secret.
func secretURL(fields []field) []field {
	fields = slices.Clone(fields)
	for i := range fields {
		if fields[i].Name == "VIDBELL_WEBHOOK_URL" {
			fields[i].Type, fields[i].Secret, fields[i].set = "URL", true, oneURL
			fields[i].Meaning = "where to send, http or https"
		}
	}
	return fields
}

func strict(properties object) object {
	return object{{"type", "object"}, {"additionalProperties", false}, {"properties", properties}}
}

func keysSchema(meaning string, fields []field) object {
	return object{
		{"description", meaning}, {"type", []string{"object", "null"}}, {"additionalProperties", false}, {"properties", object(members(fields))},
	}
}

func members(fields []field) (list []member) {
	for _, f := range fields {
		list = append(list, member{f.key, f.schema()})
		if f.Secret {
			list = append(list, member{f.key + fileSuffix, object{
				{"description", "file that holds it; a relative path begins at the folder of this file"}, {"type", "string"}, {"minLength", 1},
			}})
		}
	}
	return list
}

// reference is the pattern of a value that a variable stands for.
const reference = `^\$\{[A-Za-z_][A-Za-z0-9_]*\}$`

func (f field) schema() object {
	about := object{{"description", f.Meaning}}
	if f.Default != "" {
		about = append(about, member{"default", f.Default})
	}
	text := func(more ...member) object { return append(object{{"type", "string"}}, more...) }
	or := func(kinds ...object) object {
		return append(about, member{"anyOf", append(kinds, text(member{"pattern", reference}))})
	}
	switch {
	case f.Name == "VIDBELL_WEBHOOK_HEADERS":
		value := object{{"type", []string{"string", "number", "boolean"}}}
		return append(about, member{"anyOf", []object{text(), {{"type", "object"}, {"additionalProperties", value}}}})
	case strings.Contains(f.Type, "list"):
		entry := object{{"type", []string{"string", "number"}}}
		return append(about, member{"anyOf", []object{entry, {{"type", "array"}, {"minItems", 1}, {"items", entry}}}})
	case f.Type == "duration":
		return or(text(member{"pattern", `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`}), object{{"const", 0}}, text(member{"enum", []string{"0", "off"}}))
	case f.Type == "number":
		return or(object{{"type", "number"}}, text(member{"pattern", `^[0-9.]+$`}))
	case f.Type == "true|false":
		return or(object{{"type", "boolean"}}, text(member{"enum", []string{"true", "false"}}))
	case strings.Contains(f.Type, "|"):
		return or(text(member{"enum", strings.Split(f.Type, "|")}))
	}
	return append(about, member{"type", []string{"string", "number"}}, member{"minLength", 1})
}
