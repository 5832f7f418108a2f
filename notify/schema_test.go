package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"vidbell/diff"
	"vidbell/notify/event"
)

// schemas are those of docs/schemas, read as a subscriber would.
type schemas struct {
	byType map[string]*jsonschema.Schema
	any    *jsonschema.Schema
}

func readSchemas(tb testing.TB) schemas {
	tb.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	compile := func(name string) *jsonschema.Schema {
		s, err := c.Compile(filepath.Join("..", "docs", "schemas", name+".json"))
		must(tb, err)
		return s
	}
	all := schemas{byType: map[string]*jsonschema.Schema{}, any: compile("event")}
	for _, kind := range event.Types() {
		all.byType[kind] = compile(kind)
	}
	return all
}

// check holds an event against the schema of its type, and against the one of all.
func (s schemas) check(kind string, body []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	one, all := s.byType[kind].Validate(v), s.any.Validate(v)
	if (one == nil) != (all == nil) {
		return fmt.Errorf("its own schema says %w, the one of all events %w", one, all)
	}
	return one
}

// samples has an event of every type that there is.
func samples(tb testing.TB) map[string][]byte {
	tb.Helper()
	all := map[string][]byte{}
	add := func(name string, v any) {
		body, err := encode(v)
		must(tb, err)
		all[name] = body
	}
	for name, c := range changes() {
		c.VideoNo = "VI606404158946574336"
		add("video "+name, newVideoEvent(birth, source, c))
	}
	trouble := Trouble{Source: source, Reason: "throttled", Detail: "火 <b>", Since: at(-60), At: at(0)}
	add("source degraded", newSourceEvent(birth, false, trouble))
	trouble.Since = 0 // not known
	add("source recovered", newSourceEvent(birth, true, trouble))
	for _, kind := range []string{TypeEndpointDegraded, TypeEndpointDisabled, TypeEndpointRecovered} {
		add(kind, NewEndpointEvent(kind, EndpointTrouble{Endpoint: "ops-1", Reason: "failing", Since: at(-60).Time(), At: at(0).Time()}))
		add(kind+" since nobody knows when", NewEndpointEvent(kind, EndpointTrouble{Endpoint: "ops-1", Reason: "gone", At: at(0).Time()}))
	}
	for _, kind := range event.Types() {
		body, err := TestEvent("evt_test_abc", kind, "ops-1", time.Date(2026, 11, 23, 22, 4, 5, 0, time.UTC))
		must(tb, err)
		all["test of "+kind] = body
	}
	return all
}

func TestEveryEventFitsItsSchema(t *testing.T) {
	all, seen := readSchemas(t), map[string]bool{}
	for name, body := range samples(t) {
		e, err := event.Parse(body)
		must(t, err)
		seen[e.Type] = true
		if err := all.check(e.Type, body); err != nil {
			t.Errorf("%s: %v\n%s", name, err, body)
		}
		for _, other := range event.Types() {
			if other != e.Type && all.check(other, body) == nil {
				t.Errorf("%s fits the schema of %s", name, other)
			}
		}
	}
	for _, kind := range event.Types() {
		if !seen[kind] {
			t.Errorf("there is no sample of %s", kind)
		}
	}
}

func TestExamplesFitTheirSchema(t *testing.T) {
	all := readSchemas(t)
	for kind, s := range all.byType {
		if len(s.Examples) == 0 {
			t.Errorf("%s has no example", kind)
		}
		for _, example := range s.Examples {
			if err := s.Validate(example); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
}

// Whatever the platform puts into its fields, the event fits.
func TestHostileEventsFitTheirSchema(t *testing.T) {
	all := readSchemas(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(texts(), rapid.Just(strings.Repeat("火\x00<", 20_000)))
		c := diff.Change{
			VideoNo: "v" + text.Draw(t, "id"), FromRaw: text.Draw(t, "from raw"), At: at(0),
			From: rapid.SampledFrom([]diff.Status{diff.None, diff.Unknown, diff.Processing, diff.Done, diff.Failed, diff.Deleted}).Draw(t, "from"),
			Took: rapid.SampledFrom([]time.Duration{-1, 0, time.Nanosecond, 1 << 62}).Draw(t, "took"), Initial: rapid.Bool().Draw(t, "initial"),
			Record: diff.Record{
				Name: text.Draw(t, "name"), Raw: text.Draw(t, "raw"), Cause: text.Draw(t, "cause"),
				Duration: rapid.Int64().Draw(t, "duration"), Size: rapid.Int64().Draw(t, "size"),
				CreatedAt: diff.Time(rapid.Int64().Draw(t, "created")), FirstSeen: at(-9), ChangedAt: at(0),
				Version: rapid.Uint32Min(1).Draw(t, "version"),
			},
		}
		statuses := map[diff.Kind][]diff.Status{
			diff.KindDone: {diff.Done}, diff.KindFailed: {diff.Failed}, diff.KindDeleted: {diff.Deleted},
			diff.KindProcessing: {diff.Processing, diff.Unknown}, diff.KindStalled: {diff.Processing, diff.Unknown},
		}
		c.Kind = rapid.SampledFrom(diff.Kinds()).Draw(t, "kind")
		c.Record.Status = rapid.SampledFrom(statuses[c.Kind]).Draw(t, "status")
		body, err := encode(newVideoEvent(birth, source, c))
		if err != nil {
			t.Fatal(err)
		}
		if err := all.check(TypeOf(c.Kind), body); err != nil {
			t.Fatalf("%v\n%.2000s", err, body)
		}
		if _, err := event.ParseVideo(body); err != nil {
			t.Fatalf("%v\n%.2000s", err, body)
		}
	})
}

// A schema that lets everything through would be no promise.
func TestABrokenEventFitsNoSchema(t *testing.T) {
	all := readSchemas(t)
	optional := []string{"initial", "test"}
	for name, body := range samples(t) {
		kind := parsed(t, body)["type"].(string)
		for _, path := range paths(parsed(t, body), nil) {
			last := path[len(path)-1]
			for what, edit := range map[string]func(in map[string]any){
				"left out":     func(in map[string]any) { delete(in, last) },
				"of two types": func(in map[string]any) { in[last] = []any{in[last]} },
			} {
				if what == "left out" && slices.Contains(optional, last) {
					continue
				}
				broken := parsed(t, body)
				edit(parent(broken, path))
				text, err := json.Marshal(broken)
				must(t, err)
				if all.check(kind, text) == nil {
					t.Errorf("%s with %v %s fits its schema", name, path, what)
				}
			}
		}
	}
}

func TestWrongValuesFitNoSchema(t *testing.T) {
	all := readSchemas(t)
	for _, c := range []struct {
		sample string
		path   []string
		value  any
	}{
		{"video done", []string{"specversion"}, "2.0"},
		{"video done", []string{"id"}, "evt_a.b"},
		{"video done", []string{"id"}, "7"},
		{"video done", []string{"source"}, "default"},
		{"video done", []string{"subject"}, ""},
		{"video done", []string{"time"}, "yesterday"},
		{"video done", []string{"time"}, "2026-02-31T00:00:00.000Z"},
		{"video done", []string{"datacontenttype"}, "text/plain"},
		{"video done", []string{"data", "video_no"}, ""},
		{"video done", []string{"data", "status"}, "failed"},
		{"video done", []string{"data", "status"}, "archived"},
		{"video done", []string{"data", "previous_status"}, "archived"},
		{"video done", []string{"data", "version"}, 0},
		{"video done", []string{"data", "version"}, 1.5},
		{"video done", []string{"data", "processing_seconds"}, -1},
		{"video done", []string{"data", "created_at"}, ""},
		{"video done", []string{"data", "video_name"}, nil},
		{"source degraded", []string{"data", "reason"}, ""},
		{"source degraded", []string{"data", "since"}, "1 h"},
		{"endpoint.degraded", []string{"source"}, "urn:vidbell:ops"},
		{"endpoint.degraded", []string{"data", "endpoint"}, "a b"},
	} {
		broken := parsed(t, samples(t)[c.sample])
		kind := broken["type"].(string)
		parent(broken, c.path)[c.path[len(c.path)-1]] = c.value
		text, err := json.Marshal(broken)
		must(t, err)
		if all.check(kind, text) == nil {
			t.Errorf("%s with %v %v fits its schema", c.sample, c.path, c.value)
		}
	}
}

func parsed(tb testing.TB, body []byte) map[string]any {
	tb.Helper()
	var v map[string]any
	must(tb, json.Unmarshal(body, &v))
	return v
}

// paths lists the ways to every member, at all depths.
func paths(of map[string]any, above []string) [][]string {
	var all [][]string
	for key, v := range of {
		path := append(slices.Clone(above), key)
		all = append(all, path)
		if below, ok := v.(map[string]any); ok {
			all = append(all, paths(below, path)...)
		}
	}
	return all
}

func parent(of map[string]any, path []string) map[string]any {
	for _, key := range path[:len(path)-1] {
		of = of[key].(map[string]any)
	}
	return of
}
