package event

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The JSON Schemas in docs/schemas are made from the Go types: names, order, types, what may be null or left out. What Go does
// not say stands in the tables below. go test ./notify/event -run Schemas -update writes them.

var update = flag.Bool("update", false, "write the schemas")

const (
	schemaDir   = "../../docs/schemas"
	dialect     = "https://json-schema.org/draft/2020-12/schema"
	timePattern = `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$`
	namePattern = `[A-Za-z0-9_-]{1,64}`
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	key   string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for i, m := range o {
		b.WriteString([]string{"{", ","}[min(i, 1)])
		if err := e.Encode(m.key); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := e.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func pattern(p string) object { return object{{"pattern", p}} }

var (
	instant = object{{"format", "date-time"}, {"pattern", timePattern}}
	named   = object{{"minLength", 1}}
)

// fieldText says what a field means, to who does not read Go, and what holds for it beside its type.
var fieldText = map[string]struct {
	text string
	more object
}{
	"Event.specversion":     {"Version of CloudEvents.", object{{"const", SpecVersion}}},
	"Event.id":              {"The one identity of the event, for good: also Nats-Msg-Id on NATS and webhook-id of webhooks. Deduplicate on it.", pattern(`^evt_[A-Za-z0-9_-]+$`)},
	"Event.source":          {"Who the event comes from.", nil},
	"Event.type":            {"What happened.", nil},
	"Event.subject":         {"Whom it happened to: the video, or the name of the source or the endpoint.", named},
	"Event.time":            {"When vidbell observed it, in UTC. The platform gives no time of change.", instant},
	"Event.timestamp":       {"The same as time, where Standard Webhooks look for it.", instant},
	"Event.datacontenttype": {"Media type of data.", object{{"const", DataType}}},
	"Event.data":            {"", nil},

	"VideoData.source":              {"Name of the source that lists the video.", pattern("^" + namePattern + "$")},
	"VideoData.video_no":            {"The platform's identity of the video: any text.", named},
	"VideoData.video_name":          {"Name for people: any text, perhaps empty.", nil},
	"VideoData.status":              {"Status of the video, in our words.", nil},
	"VideoData.raw_status":          {"The platform's own word: any text, perhaps empty.", nil},
	"VideoData.previous_status":     {"Status before; null for a video that was not known.", nil},
	"VideoData.previous_raw_status": {"The platform's word before; null together with previous_status.", nil},
	"VideoData.cause":               {"Why processing failed, in the platform's words; null for other statuses, and if the platform did not say.", nil},
	"VideoData.duration_seconds":    {"Length of the video in seconds; 0 if the platform did not say.", nil},
	"VideoData.size_bytes":          {"Size of the video in bytes; 0 if the platform did not say.", nil},
	"VideoData.created_at":          {"When the platform says that the video was made, in UTC; null if it does not say.", instant},
	"VideoData.first_seen_at":       {"When vidbell first saw the video, in UTC.", instant},
	"VideoData.processing_seconds":  {"For how long the present run was observed in processing; null if it was not.", object{{"minimum", 0}}},
	"VideoData.version":             {"Counts the changes of this video that were told: 1, 2, 3 without gaps.", object{{"minimum", 1}, {"maximum", 1<<32 - 1}}},
	"VideoData.initial":             {"True if it was so before vidbell first looked; left out otherwise.", nil},
	"VideoData.test":                {"True if nothing happened and vidbell send-test made the event; left out otherwise.", nil},

	"SourceData.source":     {"Name of the source.", pattern("^" + namePattern + "$")},
	"SourceData.reason":     {"What the trouble is, or was. More words may come.", object{{"minLength", 1}, {"examples", SourceReasons()}}},
	"SourceData.detail":     {"More about it, for people.", nil},
	"SourceData.since":      {"When the trouble began, in UTC; empty if that is not known.", object{{"pattern", "^$|" + timePattern}}},
	"SourceData.test":       {"True if nothing happened and vidbell send-test made the event; left out otherwise.", nil},
	"EndpointData.endpoint": {"Name of the webhook endpoint.", pattern("^" + namePattern + "$")},
	"EndpointData.reason":   {"What the trouble is, or was. More words may come.", object{{"minLength", 1}, {"examples", EndpointReasons()}}},
	"EndpointData.detail":   {"More about it, for people: no URL, no secret.", nil},
	"EndpointData.since":    {"When the trouble began, in UTC; empty if that is not known.", object{{"pattern", "^$|" + timePattern}}},
	"EndpointData.test":     {"True if nothing happened and vidbell send-test made the event; left out otherwise.", nil},
}

// typeText says what each type of event means; example is a golden file of package notify.
var typeText = map[string]struct {
	title, text, example string
	statuses             []string // that the video may be in
}{
	TypeDone:       {"Video done", "Processing of a video finished.", "done", []string{StatusDone}},
	TypeFailed:     {"Video failed", "Processing of a video failed; data.cause says why, if the platform did.", "failed", []string{StatusFailed}},
	TypeProcessing: {"Video processing", "A new video was seen, or a settled one is processed again.", "processing", []string{StatusProcessing, StatusUnknown}},
	TypeStalled:    {"Video stalled", "A video is in processing for longer than VIDBELL_STALL_AFTER; told once per run.", "stalled", []string{StatusProcessing, StatusUnknown}},
	TypeDeleted:    {"Video deleted", "A video is gone from the platform, confirmed; or its number now belongs to another video.", "deleted", []string{StatusDeleted}},

	TypeSourceDegraded:    {"Source degraded", "The listing of a source cannot be read or believed: its videos may change unseen.", "source-degraded", nil},
	TypeSourceRecovered:   {"Source recovered", "The listing of a source can be read and believed again.", "source-recovered", nil},
	TypeEndpointDegraded:  {"Endpoint degraded", "Deliveries to a webhook endpoint fail. Its events are kept, and one delivery at a time looks whether it is back.", "endpoint-degraded", nil},
	TypeEndpointDisabled:  {"Endpoint disabled", "Nothing is sent to a webhook endpoint until an operator enables it. Its events are kept.", "endpoint-disabled", nil},
	TypeEndpointRecovered: {"Endpoint recovered", "A webhook endpoint takes deliveries again.", "endpoint-recovered", nil},
}

// schemaOf is the schema of a type of events.
func schemaOf(t *testing.T, eventType string) []byte {
	t.Helper()
	about, known := typeText[eventType]
	if !known {
		t.Fatalf("%s has no text", eventType)
	}
	special := map[string]object{
		"Event.type":                {{"const", eventType}},
		"Event.source":              pattern("^" + SourceURN(namePattern) + "$"),
		"VideoData.status":          {{"enum", about.statuses}},
		"VideoData.previous_status": {{"enum", append(words(Statuses()), nil)}},
	}
	var envelope any
	switch family, _, _ := strings.Cut(eventType, "."); family {
	case "video":
		envelope = Video{}
	case "source":
		envelope = Source{}
	default:
		envelope = Endpoint{}
		special["Event.source"] = pattern("^" + EndpointURN(namePattern) + "$")
	}
	example, err := os.ReadFile(filepath.Join("..", "testdata", about.example+".json"))
	if err != nil {
		t.Fatal(err)
	}
	s := object{
		{"$schema", dialect},
		{"$id", "urn:vidbell:event:" + eventType},
		{"title", about.title},
		{"description", about.text + " Fields may be added later: ignore what is not known."},
	}
	s = append(s, structSchema(t, reflect.TypeOf(envelope), special)...)
	return indent(t, append(s, member{"examples", []json.RawMessage{example}}))
}

func words(list []string) []any {
	var all []any
	for _, w := range list {
		all = append(all, w)
	}
	return all
}

func structSchema(t *testing.T, s reflect.Type, special map[string]object) object {
	t.Helper()
	structName, _, _ := strings.Cut(s.Name(), "[")
	var properties object
	var required []string
	for f := range s.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		text, known := fieldText[structName+"."+name]
		if !known {
			t.Fatalf("%s.%s has no text", structName, name)
		}
		if options == "" {
			required = append(required, name)
		}
		var p object
		if text.text != "" {
			p = append(p, member{"description", text.text})
		}
		if f.Type.Kind() == reflect.Struct {
			p = append(p, structSchema(t, f.Type, special)...)
		} else {
			p = append(p, member{"type", jsonType(t, f.Type)})
		}
		p = append(append(p, text.more...), special[structName+"."+name]...)
		properties = append(properties, member{name, p})
	}
	return object{{"type", "object"}, {"required", required}, {"properties", properties}}
}

func jsonType(t *testing.T, of reflect.Type) any {
	t.Helper()
	switch of.Kind() {
	case reflect.Pointer:
		return []any{jsonType(t, of.Elem()), "null"}
	case reflect.String:
		return "string"
	case reflect.Int64, reflect.Uint32:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Bool:
		return "boolean"
	default:
		t.Fatalf("no JSON type for %v", of)
		return nil
	}
}

// anySchema is of all events: exactly one of the others, by type.
func anySchema(t *testing.T) []byte {
	t.Helper()
	var refs []object
	for _, eventType := range Types() {
		refs = append(refs, object{{"$ref", eventType + ".json"}})
	}
	return indent(t, object{
		{"$schema", dialect},
		{"title", "Any event of vidbell"},
		{"description", "One of the events that vidbell makes, told apart by type. Types may be added later."},
		{"oneOf", refs},
	})
}

func indent(t *testing.T, o object) []byte {
	t.Helper()
	text, err := o.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func TestSchemasAreMadeFromTheTypes(t *testing.T) {
	want := map[string][]byte{"event.json": anySchema(t)}
	for _, eventType := range Types() {
		want[eventType+".json"] = schemaOf(t, eventType)
	}
	for name, text := range want {
		file := filepath.Join(schemaDir, name)
		if *update {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, text) {
			t.Errorf("%s is not what the types say: go test ./notify/event -run Schemas -update", file)
		}
	}
	files, err := os.ReadDir(schemaDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if want[f.Name()] == nil {
			t.Errorf("%s is the schema of no event", f.Name())
		}
	}
	for key := range fieldText {
		if !slices.ContainsFunc([]any{Video{}, VideoData{}, SourceData{}, EndpointData{}}, func(v any) bool { return has(v, key) }) {
			t.Errorf("%s is the text of no field", key)
		}
	}
}

func has(v any, key string) bool {
	of := reflect.TypeOf(v)
	structName, _, _ := strings.Cut(of.Name(), "[")
	for f := range of.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); fmt.Sprintf("%s.%s", structName, name) == key {
			return true
		}
	}
	return false
}
