// Package docs_test holds the documents of this folder to the code.
package docs_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"vidbell/notify/event"
	"vidbell/notify/tracing"
)

// asyncAPI is the part of asyncapi.yaml that says what is sent where.
type asyncAPI struct {
	DefaultContentType string `yaml:"defaultContentType"`
	Servers            map[string]any
	Channels           map[string]struct {
		Address    string
		Servers    []ref
		Parameters map[string]struct{ Enum []string }
		Messages   map[string]ref
	}
	Operations map[string]struct {
		Action  string
		Channel ref
	}
	Components struct {
		Messages map[string]struct {
			Name        string
			ContentType string `yaml:"contentType"`
			Headers     ref
			Payload     ref
		}
		Schemas map[string]struct {
			Required   []string
			Properties map[string]struct {
				Const string
				Enum  []string
			}
		}
	}
}

type ref struct {
	Ref string `yaml:"$ref"`
}

func readAsyncAPI(t *testing.T) asyncAPI {
	t.Helper()
	text, err := os.ReadFile("asyncapi.yaml")
	must(t, err)
	var d asyncAPI
	must(t, yaml.Unmarshal(text, &d))
	return d
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

var expression = regexp.MustCompile(`\{([a-z_]+)\}`)

// Every subject that the channels describe is one that the code makes, and the other way round.
func TestChannelsAreTheSubjectsOfTheCode(t *testing.T) {
	d := readAsyncAPI(t)
	const source, video, endpoint = "default", "VI606404158946574336", "ops"
	names := event.Names{}
	want := map[string]string{} // subject: type
	for _, eventType := range event.VideoTypes() {
		want[names.VideoSubject(eventType, source, video)] = eventType
	}
	for _, eventType := range event.OpsTypes() {
		name := source
		if strings.HasPrefix(eventType, "endpoint.") {
			name = endpoint
		}
		want[names.OpsSubject(eventType, name)] = eventType
	}
	for name, c := range d.Channels {
		if c.Address == "" {
			continue // webhooks
		}
		var described []string // types
		choice := ""
		for _, e := range expression.FindAllStringSubmatch(c.Address, -1) {
			p, ok := c.Parameters[e[1]]
			if !ok {
				t.Errorf("%s: {%s} is no parameter", name, e[1])
			}
			if len(p.Enum) > 0 {
				choice = e[1]
			}
		}
		if n := len(expression.FindAllString(c.Address, -1)); n != len(c.Parameters) {
			t.Errorf("%s: %d parameters for %d expressions", name, len(c.Parameters), n)
		}
		for _, word := range c.Parameters[choice].Enum {
			subject := strings.NewReplacer("{"+choice+"}", word, "{source}", source, "{video_no}", video, "{endpoint}", endpoint).Replace(c.Address)
			eventType, ok := want[subject]
			if !ok {
				t.Errorf("%s: no event has the subject %s", name, subject)
			}
			described = append(described, eventType)
			delete(want, subject)
		}
		if messages := slices.Sorted(maps.Keys(c.Messages)); !slices.Equal(messages, slices.Sorted(slices.Values(described))) {
			t.Errorf("%s: messages %v for events %v", name, messages, described)
		}
	}
	for subject := range want {
		t.Errorf("no channel describes %s", subject)
	}
}

func TestMessagesAreTheEventsOfTheCode(t *testing.T) {
	d := readAsyncAPI(t)
	for _, eventType := range event.Types() {
		m, ok := d.Components.Messages[eventType]
		if !ok {
			t.Errorf("%s is no message", eventType)
			continue
		}
		if m.Name != eventType || m.ContentType != event.ContentType || m.Headers.Ref != "#/components/schemas/natsHeaders" ||
			m.Payload.Ref != "./schemas/"+eventType+".json" {
			t.Errorf("%s is described as %+v", eventType, m)
		}
		text, err := os.ReadFile(m.Payload.Ref)
		must(t, err)
		var s struct {
			Properties struct{ Type struct{ Const string } }
		}
		must(t, json.Unmarshal(text, &s))
		if s.Properties.Type.Const != eventType {
			t.Errorf("%s is of %s", m.Payload.Ref, s.Properties.Type.Const)
		}
	}
	if n := len(d.Components.Messages); n != len(event.Types())+1 { // and the webhook
		t.Errorf("%d messages", n)
	}
	if d.DefaultContentType != event.ContentType {
		t.Errorf("default content type %s", d.DefaultContentType)
	}
	headers := d.Components.Schemas["natsHeaders"]
	if !slices.Equal(headers.Required, []string{event.HeaderContentType, event.HeaderID}) || len(headers.Properties) != 3 ||
		headers.Properties[event.HeaderContentType].Const != event.ContentType {
		t.Errorf("headers %+v", headers)
	}
	if _, ok := headers.Properties[tracing.Header]; !ok {
		t.Errorf("headers without %s", tracing.Header)
	}
}

// Every channel is told on, every reference within the document leads somewhere, every message is used.
func TestTheAsyncAPIDocumentIsWhole(t *testing.T) {
	d := readAsyncAPI(t)
	var channels []string
	used := map[string]bool{}
	for name, o := range d.Operations {
		channel := strings.TrimPrefix(o.Channel.Ref, "#/channels/")
		if _, ok := d.Channels[channel]; !ok || o.Action != "send" {
			t.Errorf("%s is %+v", name, o)
		}
		channels = append(channels, channel)
	}
	if slices.Sort(channels); !slices.Equal(channels, slices.Sorted(maps.Keys(d.Channels))) {
		t.Errorf("operations on %v", channels)
	}
	for name, c := range d.Channels {
		for _, s := range c.Servers {
			server := strings.TrimPrefix(s.Ref, "#/servers/")
			if _, ok := d.Servers[server]; !ok {
				t.Errorf("%s: no server %s", name, s.Ref)
			}
			used[server] = true
		}
		for key, m := range c.Messages {
			if m.Ref != "#/components/messages/"+key {
				t.Errorf("%s: %s is %s", name, key, m.Ref)
			}
			used[key] = true
		}
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(d.Components.Messages)), slices.Collect(maps.Keys(d.Servers))) {
		if !used[name] {
			t.Errorf("%s is used nowhere", name)
		}
	}
}
