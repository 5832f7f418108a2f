package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const done = `{"specversion":"1.0","id":"evt_1","source":"urn:vidbell:default","type":"video.done","subject":"VI1",` +
	`"time":"2026-11-23T22:04:05.123Z","timestamp":"2026-11-23T22:04:05.123Z","datacontenttype":"application/json",` +
	`"data":{"source":"default","video_no":"VI1","video_name":"a <b> 火","status":"done","raw_status":"DONE",` +
	`"previous_status":"processing","previous_raw_status":"PARSE","cause":null,"duration_seconds":12,"size_bytes":3284512,` +
	`"created_at":"2025-08-01T08:33:37.992Z","first_seen_at":"2026-11-23T22:02:42.101Z","processing_seconds":83.5,"version":2}}`

// write is how vidbell writes.
func write(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestWhatIsReadIsWrittenTheSame(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.json")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d golden events, %v", len(files), err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Parse(body)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if _, unknown := e.Data.(Other); unknown {
			t.Errorf("%s: the type %s is not known", file, e.Type)
		}
		if got := write(t, e); got != string(body) {
			t.Errorf("%s\nread  %s\nwrote %s", file, body, got)
		}
	}
}

func TestAVideoEvent(t *testing.T) {
	e, err := ParseVideo([]byte(done))
	if err != nil {
		t.Fatal(err)
	}
	took, ok := e.Data.Processing()
	if !e.Observed().Equal(time.Date(2026, 11, 23, 22, 4, 5, 123e6, time.UTC)) || !ok || took != 83500*time.Millisecond ||
		!e.Data.Created().Equal(time.Date(2025, 8, 1, 8, 33, 37, 992e6, time.UTC)) || e.Data.FirstSeen().IsZero() || e.Data.VideoName != "a <b> 火" {
		t.Errorf("%+v", e)
	}
	bare := VideoData{}
	if _, ok := bare.Processing(); ok || !bare.Created().IsZero() || !bare.FirstSeen().IsZero() {
		t.Error("times come from nowhere")
	}
}

func TestWhatALaterVidbellMayAdd(t *testing.T) {
	for name, edit := range map[string][2]string{
		"a field of the envelope": {`"data":{`, `"traceparent":"00-1-2-01","data":{`},
		"a field of the data":     {`"version":2`, `"version":2,"tags":["a"]`},
		"a status":                {`"status":"done"`, `"status":"archived"`},
		"a type about videos":     {`"type":"video.done"`, `"type":"video.archived"`},
		"a bit of time":           {`05.123Z","timestamp"`, `05.123456+02:00","timestamp"`},
	} {
		if _, err := ParseVideo([]byte(strings.Replace(done, edit[0], edit[1], 1))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	later := strings.Replace(done, `"type":"video.done"`, `"type":"account.low"`, 1)
	e, err := Parse([]byte(later))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := e.Data.(Other); !ok || e.Type != "account.low" || write(t, e) != later {
		t.Errorf("%+v", e)
	}
	if _, err := ParseVideo([]byte(later)); !errors.Is(err, ErrInvalid) {
		t.Errorf("taken as a video: %v", err)
	}
}

func TestErrorsNameTheField(t *testing.T) {
	for _, c := range []struct{ old, now, want string }{
		{`{"specversion"`, `"specversion"`, "invalid character"},
		{`"specversion":"1.0"`, `"specversion":"2.0"`, "specversion"},
		{`"id":"evt_1"`, `"id":""`, "id: missing"},
		{`"id":"evt_1"`, `"id":7`, "id: cannot be number"},
		{`"source":"urn:vidbell:default",`, ``, "source: missing"},
		{`"type":"video.done"`, `"type":""`, "type: missing"},
		{`"subject":"VI1"`, `"subject":null`, "subject: missing"},
		{`"time":"2026-11-23T22:04:05.123Z"`, `"time":"yesterday"`, `time: want a time as in RFC 3339, found "yesterday"`},
		{`"data":{`, `"data":null,"x":{`, "data: want an object"},
		{`"data":{`, `"data":[],"x":{`, "data: want an object"},
		{`"data":{`, `"x":{`, "data: want an object"},
		{`"video_no":"VI1"`, `"video_no":""`, "data.video_no: missing"},
		{`"data":{"source":"default"`, `"data":{"source":""`, "data.source: missing"},
		{`"status":"done"`, `"status":""`, "data.status: missing"},
		{`"version":2`, `"version":0`, "data.version: missing or 0"},
		{`"version":2`, `"version":-2`, "data.version: cannot be number -2"},
		{`"version":2`, `"version":"2"`, "data.version: cannot be string"},
		{`"duration_seconds":12`, `"duration_seconds":"12"`, "data.duration_seconds: cannot be string"},
	} {
		body := strings.Replace(done, c.old, c.now, 1)
		if body == done {
			t.Fatalf("%s is not in the event", c.old)
		}
		_, err := Parse([]byte(body))
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.now, err, c.want)
		}
	}
	for _, body := range []string{"", "null", "[]", `"x"`, "1", done[:100], done + "x"} {
		if _, err := Parse([]byte(body)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%.20q: %v", body, err)
		}
	}
	ops := strings.Replace(done, "video.done", "source.degraded", 1)
	if _, err := Parse([]byte(strings.Replace(ops, `"data":{"source":"default"`, `"data":{"source":""`, 1))); !errors.Is(err, ErrInvalid) {
		t.Errorf("about no source: %v", err)
	}
	if _, err := Parse([]byte(strings.Replace(done, "video.done", "endpoint.disabled", 1))); !errors.Is(err, ErrInvalid) {
		t.Errorf("about no endpoint: %v", err)
	}
}

// Each field has its place in the JSON by name: a renamed field would be a change of what is promised.
func TestEveryFieldHasItsName(t *testing.T) {
	for _, v := range []any{Video{}, VideoData{}, SourceData{}, EndpointData{}} {
		for f := range reflect.TypeOf(v).Fields() {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name == "" || name != strings.ToLower(name) {
				t.Errorf("%T.%s has no name of its own", v, f.Name)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(done))
	f.Add([]byte(strings.Replace(done, "video.done", "source.degraded", 1)))
	f.Add([]byte(strings.Replace(done, "video.done", "x", 1)))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := Parse(body)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		again, err := Parse([]byte(write(t, e)))
		if err != nil || again.ID != e.ID {
			t.Fatalf("%s\n%v", body, err)
		}
	})
}
