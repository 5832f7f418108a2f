package webhook

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestMistakesInATemplateAreNamedAtLoadWithTheirPosition(t *testing.T) {
	for name, c := range map[string]struct {
		template string
		change   func(*Endpoint)
		want     string // empty: nothing to complain about
	}{
		"an event's fields":             {`{"text":{{json .data.video_name}},"initial":{{.data.initial}}}`, nil, ""},
		"all events of a group":         {`[{{range $i, $e := .events}}{{if $i}},{{end}}{{json $e.id}}{{end}}]`, nil, ""},
		"plain text":                    {"{{.subject}} {{upper .data.status}}", func(e *Endpoint) { e.ContentType = "text/plain; charset=utf-8" }, ""},
		"no template":                   {"", nil, "template: the template format needs a template"},
		"an action that never ends":     {"{\n{{if .type}", nil, "template: template:2: "},
		"a function that there is not":  {`{"a":{{env "HOME"}}}`, nil, `template: template:1: function "env" not defined`},
		"a misspelt field":              {"{\"a\":\n{{json .data.video_nam}}}", nil, `it fails for video.done: template:2:12: executing "template" at <.data.video_nam>: map has no entry for key "video_nam"`},
		"a field of other events":       {`{"a":{{json .data.cause}}}`, func(e *Endpoint) { e.Events = []string{"video.*", "source.*"} }, "it fails for source.degraded"},
		"text without quotes":           {`{"a":{{.subject}}}`, nil, "the output is not JSON: write text through json"},
		"more than a template may hold": {strings.Repeat("x", maxTemplateBytes+1), nil, "bytes are too many"},
		"no media type":                 {"{}", func(e *Endpoint) { e.ContentType = "text" + "\n" }, "content_type: this is not a media type"},
		"a template in another format":  {"{}", func(e *Endpoint) { e.Format = FormatSlack }, "template: it belongs to the template format, this is slack"},
	} {
		e := Endpoint{Name: "a", URL: "https://host/", Format: FormatTemplate, Template: c.template}
		if c.change != nil {
			c.change(&e)
		}
		err := ValidateEndpoint(e)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestFunctionsOfTemplates(t *testing.T) {
	for template, want := range map[string]string{
		`{{json .data.video_name}}`:                             `"a <b> & \"c\""`,
		`{{json .data}}`:                                        `{"cause":null,"created_at":"2025-08-01T08:33:37.992Z","duration_seconds":12,"first_seen_at":"2026-11-23T22:02:42.123Z","initial":false,"previous_raw_status":"UNPARSE","previous_status":"processing","processing_seconds":83,"raw_status":"DONE","size_bytes":3284512,"source":"default","status":"done","version":2,"video_name":"a <b> & \"c\"","video_no":"VI1"}`,
		`{{.data.size_bytes}}`:                                  "3284512",
		`{{if gt .data.duration_seconds 10}}long{{end}}`:        "long",
		`{{upper "a"}}{{lower "B"}}`:                            "Ab",
		`{{truncate 4 .data.video_name}}`:                       "a <…",
		`{{default "none" .data.cause}}`:                        "none",
		`{{default "none" .data.status}}`:                       "done",
		`{{replace "VI" "" .subject}}`:                          "1",
		`{{date "2006-01-02" .time}}`:                           "2026-11-23",
		`{{range .events}}{{.id}}{{end}} of {{.count}}`:         "evt_done_VI1 of 1",
		`{{clean (printf "a\n\x07b  c")}}`:                      "a b c",
		`{{join "," (index .events 0).data.tags}}`:              "error: ",
		`{{date "2006" .subject}}`:                              "error: ",
		`{{range $i := 300000}}{{$i}}{{end}}`:                   "error: ",
		`{{define "x"}}{{template "x"}}{{end}}{{.type}}`:        "video.done",
		`{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`: "error: ",
	} {
		e := Endpoint{Name: "a", URL: "https://host/", Format: FormatTemplate, Template: template, ContentType: "text/plain"}
		made, err := compile(e)
		var out []byte
		if err == nil {
			out, err = made.compose(videoEvent("done", "VI1", `a <b> & "c"`, ""))
		}
		switch {
		case strings.HasPrefix(want, "error: ") && err == nil:
			t.Errorf("%s: no error, but %q", template, out)
		case !strings.HasPrefix(want, "error: ") && (err != nil || string(out) != want):
			t.Errorf("%s: %s %v, want %s", template, out, err, want)
		}
	}
}

func TestAMessageThatIsNoEventIsADeadLetterOfAPreset(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Format: FormatSlack, GroupWait: minGroupWait}})
	_, err := e.js.PublishMsg(t.Context(), &nats.Msg{
		Subject: e.names.AppendSubject("failed", "default", "VI1"), Header: nats.Header{jetstream.MsgIDHeader: {"evt_x"}, contentTypeHeader: {"application/cloudevents+json"}}, Data: []byte("not JSON"),
	})
	must(t, err)
	good := e.append("failed", 2)
	eventually(t, "the dead letter", func() bool { return len(e.messages(e.names.DeadStream(), ">")) == 1 })
	letter := e.messages(e.names.DeadStream(), ">")[0]
	h := letter.Header
	if h.Get(HeaderReason) != "render" || h.Get(HeaderClass) != "render" || h.Get(HeaderAttempts) != "0" || h.Get(HeaderEventID) != "evt_x" ||
		!strings.HasPrefix(h.Get(HeaderDetail), "render: read the event: invalid character") || string(letter.Data) != "not JSON" {
		t.Errorf("the letter says %v %s", h, letter.Data)
	}
	eventually(t, "the other delivery", func() bool { return len(in.seen()) == 1 })
	if got := in.seen()[0]; !strings.Contains(string(got.body), good) || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("%v %s", got.header, got.body)
	}
	if n := r.logs.FilterMessage("webhook delivery given up, kept as dead letter").Len(); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
}

func TestARetryOfAPresetCarriesTheSameBytesAfterARestart(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, status(http.StatusInternalServerError))
	endpoints := []Endpoint{{Name: "a", URL: in.URL, Format: FormatAlertmanager, Schedule: schedule(t, "0,200ms,200ms,1h")}}
	first := e.dispatch(endpoints)
	id := e.append("failed", 1)
	eventually(t, "an attempt", func() bool { return in.count(id) >= 1 && len(e.messages(e.names.RetryStream(), ">")) == 1 })
	first.stop()
	e.dispatch(endpoints)
	eventually(t, "three attempts", func() bool { return in.count(id) == 3 })
	for _, q := range in.seen() {
		if !bytes.Equal(q.body, in.seen()[0].body) {
			t.Errorf("attempts differ:\n%s\n%s", q.body, in.seen()[0].body)
		}
	}
}

func TestSettingsOfPresetsAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		endpoint Endpoint
		want     string
	}{
		"pagerduty, its own URL":             {Endpoint{Format: FormatPagerDuty, RoutingKey: strings.Repeat("a", 32)}, ""},
		"pagerduty without a key":            {Endpoint{Format: FormatPagerDuty}, "routing_key: the pagerduty format needs the integration key"},
		"pagerduty with some other key":      {Endpoint{Format: FormatPagerDuty, RoutingKey: "hidden"}, "routing_key: this is no integration key"},
		"a key that nothing uses":            {Endpoint{RoutingKey: "hidden"}, "routing_key: it belongs to the pagerduty format, this is standard"},
		"events that open no incident":       {Endpoint{Format: FormatPagerDuty, RoutingKey: strings.Repeat("a", 32), Events: []string{"video.processing"}}, `events[0]: "video.processing" opens or resolves nothing`},
		"a glob with some that do":           {Endpoint{Format: FormatAlertmanager, Events: []string{"video.*"}}, ""},
		"an alert that is over at once":      {Endpoint{Format: FormatAlertmanager, AlertFor: time.Second}, "alert_for: 1s is out of range, use 1m0s to 2160h0m0s"},
		"a time for what is no alert":        {Endpoint{Format: FormatSlack, AlertFor: time.Hour}, "alert_for: it belongs to the alertmanager format"},
		"a link":                             {Endpoint{Format: FormatSlack, Link: "https://host/{source}/{video_no}?e={event_id}"}, ""},
		"a link with another placeholder":    {Endpoint{Format: FormatSlack, Link: "https://host/{id}"}, "link: {id} is no placeholder, there are {video_no}, {source} and {event_id}"},
		"a link to nowhere":                  {Endpoint{Format: FormatSlack, Link: "/videos/{video_no}"}, "link: write it like https://host/videos/{video_no}"},
		"a link that runs a script":          {Endpoint{Format: FormatSlack, Link: "javascript:alert({video_no})"}, "link: write it like"},
		"a link that ends the markup around": {Endpoint{Format: FormatSlack, Link: "https://host/{video_no}|x>"}, "link: write it like"},
	} {
		e := c.endpoint
		e.Name = "a"
		if e.Format != FormatPagerDuty {
			e.URL = "https://host/"
		}
		err := ValidateEndpoint(e)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hidden")) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestAnOnCallFormatHearsOnlyWhatItHasWordsFor(t *testing.T) {
	made := presetTarget(t, FormatPagerDuty, func(e *Endpoint) { e.Events = []string{"video.*", "source.recovered"} })
	if got := strings.Join(made.patterns, " "); got != "video.failed video.stalled video.done video.deleted source.recovered" {
		t.Errorf("it listens to %s", got)
	}
	if made.Order != OrderVideo {
		t.Errorf("its order is %q", made.Order)
	}
	if got := strings.Join(presetTarget(t, FormatPagerDuty, nil).Events, " "); got != "video.failed video.stalled video.done video.deleted" {
		t.Errorf("by default it listens to %s", got)
	}
}

func TestDiscordIsAskedToWaitForItsOwnStorage(t *testing.T) {
	for url, want := range map[string]string{
		"https://host/x":               "https://host/x?wait=true",
		"https://host/x?thread_id=1":   "https://host/x?thread_id=1&wait=true",
		"https://host/x?wait=false&a=": "https://host/x?wait=false&a=",
	} {
		if got := presetTarget(t, FormatDiscord, func(e *Endpoint) { e.URL = url }).url.String(); got != want {
			t.Errorf("%s becomes %s, want %s", url, got, want)
		}
	}
}
