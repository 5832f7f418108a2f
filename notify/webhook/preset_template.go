package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"strings"
	"text/template"
	"time"
)

const (
	maxTemplateBytes = 64 << 10
	maxRenderedBytes = 256 << 10
	templateName     = "template"
)

var errTooLong = fmt.Errorf("the output is longer than %d bytes", maxRenderedBytes)

// templateFuncs are pure, like all that renders: no clock, no randomness, no environment.
var templateFuncs = template.FuncMap{
	"json":     toJSON,
	"upper":    strings.ToUpper,
	"lower":    strings.ToLower,
	"clean":    func(v any) string { return clean(text(v)) },
	"truncate": truncate,
	"default":  orDefault,
	"replace":  func(from, to string, v any) string { return strings.ReplaceAll(text(v), from, to) },
	"join":     join,
	"date":     date,
}

// toJSON writes a value as JSON: quotes and all, for text.
func toJSON(v any) (string, error) {
	out, err := compactJSON(v)
	return string(out), err
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func truncate(limit int, v any) string { return cut(text(v), max(1, limit)) }

// orDefault stands in for null and empty text, not for zero or false, which are values.
func orDefault(fallback, v any) any {
	if v == nil || v == "" {
		return fallback
	}
	return v
}

func join(separator string, list []any) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = text(v)
	}
	return strings.Join(parts, separator)
}

// date rewrites an event's time in a layout of Go's.
func date(layout string, v any) (string, error) {
	t, err := time.Parse(time.RFC3339Nano, text(v))
	if err != nil {
		return "", errors.New("date: this is not a time of an event")
	}
	return t.UTC().Format(layout), nil
}

// compileTemplate parses the operator's template, and tries it on an event of each type that it will meet, so that a mistake
// is an error at load and no pile of dead letters.
func (t *target) compileTemplate() error {
	switch {
	case t.Template == "":
		return errors.New("the template format needs a template")
	case len(t.Template) > maxTemplateBytes:
		return fmt.Errorf("%d bytes are too many, use at most %d", len(t.Template), maxTemplateBytes)
	}
	parsed, err := template.New(templateName).Option("missingkey=error").Funcs(templateFuncs).Parse(t.Template)
	if err != nil {
		return templateError(err)
	}
	t.template = parsed
	for _, kind := range knownTypes() {
		if !matchesAny(t.patterns, kind) {
			continue
		}
		if _, err := renderTemplate(t, []*eventView{sampleEvent(kind)}); err != nil {
			return fmt.Errorf("it fails for %s: %w", kind, err)
		}
	}
	return nil
}

// templateError drops the package's own name: what follows is "template:line:column: ...".
func templateError(err error) error {
	return errors.New(printable(strings.TrimPrefix(err.Error(), "template: "), 2*maxDetailBytes))
}

func checkContentType(contentType string) error {
	if _, _, err := mime.ParseMediaType(contentType); err != nil || !headerValue(contentType) {
		return errors.New("this is not a media type, write it like text/plain; charset=utf-8")
	}
	return nil
}

// renderTemplate gives the template the first event by its JSON names, and events and count beside them.
func renderTemplate(t *target, events []*eventView) ([]byte, error) {
	all := make([]any, len(events))
	for i, e := range events {
		fields, err := templateFields(e)
		if err != nil {
			return nil, err
		}
		all[i] = fields
	}
	dot := maps.Clone(all[0].(map[string]any))
	dot["events"], dot["count"] = all, len(all)
	out := &boundedBuffer{limit: maxRenderedBytes}
	if err := t.template.Execute(out, dot); err != nil {
		return nil, templateError(err)
	}
	if t.ContentType == jsonType && !json.Valid(out.Bytes()) {
		return nil, errors.New("the output is not JSON: write text through json, as in {{json .subject}}, or set content_type")
	}
	return out.Bytes(), nil
}

// templateFields reads an event as a template sees it. What is left out of the JSON when it is false is there all the same, or
// asking for it would be an error.
func templateFields(e *eventView) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(e.raw))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return nil, fmt.Errorf("read the event: %w", err)
	}
	if data, ok := fields["data"].(map[string]any); ok && e.video() && data["initial"] == nil {
		data["initial"] = false
	}
	return numbers(fields).(map[string]any), nil
}

// numbers turns the numbers within v into ones that templates can compare: whole ones stay exact.
func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = numbers(value)
		}
	case []any:
		for i, value := range v {
			v[i] = numbers(value)
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
	}
	return v
}

// boundedBuffer ends a template that writes without end.
type boundedBuffer struct {
	bytes.Buffer
	limit int
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		return 0, errTooLong
	}
	return b.Buffer.Write(p)
}

// sampleEvent is an event of the kind, with nothing in it but what every one has.
func sampleEvent(kind string) *eventView {
	data := `{"source":"default","video_no":"VI1","video_name":"name","status":"done","raw_status":"DONE","previous_status":null,` +
		`"previous_raw_status":null,"cause":null,"duration_seconds":0,"size_bytes":0,"created_at":null,` +
		`"first_seen_at":"2026-01-02T03:04:05.000Z","processing_seconds":null,"version":1}`
	subject := "VI1"
	if !strings.HasPrefix(kind, "video.") {
		name, _, _ := strings.Cut(kind, ".")
		data, subject = fmt.Sprintf(`{%q:"default","reason":"reason","detail":"detail","since":"2026-01-02T03:04:05.000Z"}`, name), "default"
	}
	raw := fmt.Appendf(nil, `{"specversion":"1.0","id":"evt_sample","source":"urn:vidbell:default","type":%q,"subject":%q,`+
		`"time":"2026-01-02T03:04:05.000Z","timestamp":"2026-01-02T03:04:05.000Z","datacontenttype":"application/json","data":%s}`,
		kind, subject, data)
	e, _ := readEvent(raw) // ours, and tested
	return e
}
