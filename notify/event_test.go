package notify

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"pgregory.net/rapid"

	"vidbell/diff"
	"vidbell/notify/event"
)

const birth = "BIRTH"

// record is the video of the examples in the documentation.
func record(status diff.Status, version uint32) diff.Record {
	return diff.Record{
		Name: "182082-867762198_tiny", Duration: 12, Size: 3284512, Version: version, Status: status,
		CreatedAt: diff.TimeOf(time.Date(2025, 8, 1, 8, 33, 37, 992e6, time.UTC)), FirstSeen: at(-83), ChangedAt: at(0),
	}
}

// changes has one of each kind, and the forms in which fields may be missing.
func changes() map[string]diff.Change {
	with := func(r diff.Record, edit func(*diff.Record)) diff.Record { edit(&r); return r }
	return map[string]diff.Change{
		"done": {
			Kind: diff.KindDone, From: diff.Processing, FromRaw: "PARSE", At: at(0), Took: 83 * time.Second,
			Record: with(record(diff.Done, 2), func(r *diff.Record) { r.Raw = "DONE" }),
		},
		"failed": {
			Kind: diff.KindFailed, From: diff.Processing, FromRaw: "UNPARSE", At: at(0), Took: 1500 * time.Millisecond,
			Record: with(record(diff.Failed, 2), func(r *diff.Record) { r.Raw, r.Cause = "PARSE_ERROR", `no <video> & no "sound"` }),
		},
		"processing": {
			Kind: diff.KindProcessing, From: diff.None, At: at(0), Took: -1,
			Record: with(record(diff.Processing, 1), func(r *diff.Record) { r.Raw, r.FirstSeen, r.RunStart = "PARSE", at(0), at(0) }),
		},
		"stalled": {
			Kind: diff.KindStalled, From: diff.Processing, FromRaw: "PARSE", At: at(0), Took: time.Hour,
			Record: with(record(diff.Processing, 2), func(r *diff.Record) { r.Raw, r.Stalled, r.RunStart = "PARSE", true, at(-3600) }),
		},
		"deleted": {
			Kind: diff.KindDeleted, From: diff.Done, FromRaw: "DONE", At: at(0), Took: -1,
			Record: with(record(diff.Deleted, 3), func(r *diff.Record) { r.Raw = "DONE" }),
		},
		"deleted-working": { // a baseline video that was never announced, gone while it was processed
			Kind: diff.KindDeleted, From: diff.Processing, FromRaw: "UNPARSE", At: at(0), Took: 83 * time.Second,
			Record: with(record(diff.Deleted, 1), func(r *diff.Record) { r.Raw, r.Cause = "UNPARSE", "left by the platform" }),
		},
		"initial": {
			Kind: diff.KindDone, From: diff.None, At: at(0), Took: -1, Initial: true,
			Record: with(record(diff.Done, 1), func(r *diff.Record) { r.Raw, r.CreatedAt = "DONE", 0 }),
		},
		"again": { // a confirmed move back: its run began before the event
			Kind: diff.KindProcessing, From: diff.Done, FromRaw: "DONE", At: at(0), Took: -1,
			Record: with(record(diff.Processing, 3), func(r *diff.Record) { r.Raw, r.RunStart = "UNPARSE", at(-15) }),
		},
	}
}

func golden(tb testing.TB, name string, body []byte) {
	tb.Helper()
	file := filepath.Join("testdata", name+".json")
	if *update {
		must(tb, os.MkdirAll("testdata", 0o755))
		must(tb, os.WriteFile(file, body, 0o644))
	}
	want, err := os.ReadFile(file)
	must(tb, err)
	if !bytes.Equal(body, want) {
		tb.Errorf("%s\ngot  %s\nwant %s", name, body, want)
	}
}

func TestVideoEventsAreByteForByteTheSame(t *testing.T) {
	for name, c := range changes() {
		c.VideoNo = "VI606404158946574336"
		body, err := encode(newVideoEvent(birth, source, c))
		must(t, err)
		golden(t, name, body)
		valid(t, body)
	}
}

// valid checks that other people's library reads what we write.
func valid(tb fataler, body []byte) cloudevents.Event {
	tb.Helper()
	var e cloudevents.Event
	if err := json.Unmarshal(body, &e); err != nil {
		tb.Fatalf("%v: %s", err, body)
	}
	if err := e.Validate(); err != nil {
		tb.Fatalf("%v: %s", err, body)
	}
	return e
}

func TestCloudEventsLibraryReadsWhatWeWrite(t *testing.T) {
	c := changes()["done"]
	c.VideoNo = "VI606404158946574336"
	ev := newVideoEvent(birth, source, c)
	body, err := encode(ev)
	must(t, err)
	e := valid(t, body)
	if e.ID() != ev.ID || e.Type() != "video.done" || e.Source() != "urn:vidbell:default" || e.Subject() != c.VideoNo ||
		e.DataContentType() != "application/json" || !e.Time().Equal(at(0).Time()) || e.SpecVersion() != "1.0" {
		t.Errorf("read as %v", e)
	}
	if e.Extensions()["timestamp"] != ev.Time {
		t.Errorf("extensions %v", e.Extensions())
	}
	var data VideoData
	must(t, e.DataAs(&data))
	if data.VideoNo != c.VideoNo || data.Version != 2 || *data.ProcessingSeconds != 83 {
		t.Errorf("data read as %+v", data)
	}
}

func TestIDsAreStableAndDiffer(t *testing.T) {
	c := changes()["done"]
	c.VideoNo = "v"
	id := newVideoEvent(birth, source, c).ID
	if !regexp.MustCompile(`^evt_[a-z2-7]{32}$`).MatchString(id) {
		t.Errorf("id %q", id)
	}
	later := c
	later.At, later.Record.Name, later.Record.Size = at(9), "other", 1
	if got := newVideoEvent(birth, source, later).ID; got != id {
		t.Error("the id depends on more than birth mark, source, video, version and type")
	}
	other := map[string]string{
		"birth mark": newVideoEvent("B2", source, c).ID, "source": newVideoEvent(birth, "s2", c).ID,
	}
	edit := func(name string, do func(*diff.Change)) {
		n := c
		do(&n)
		other[name] = newVideoEvent(birth, source, n).ID
	}
	edit("video", func(c *diff.Change) { c.VideoNo = "w" })
	edit("version", func(c *diff.Change) { c.Record.Version++ })
	edit("type", func(c *diff.Change) { c.Kind = diff.KindFailed })
	taken := map[string]string{id: "the first"}
	for name, got := range other {
		if taken[got] != "" {
			t.Errorf("another %s gives the id of %s", name, taken[got])
		}
		taken[got] = name
	}
	if eventID("ab", "c") == eventID("a", "bc") || eventID("a", "", "b") == eventID("a", "b", "") {
		t.Error("parts run into each other")
	}
}

// What subscribers import knows every word that is written.
func TestSubscribersKnowOurWords(t *testing.T) {
	if got := event.VideoTypes(); !slices.Equal(got, VideoTypes()) {
		t.Errorf("types %v, want %v", got, VideoTypes())
	}
	known := event.Statuses()
	for s := diff.Unknown; ; s++ {
		if _, ours := diff.ParseStatus(s.String()); !ours {
			if n := int(s - diff.Unknown); n != len(known) {
				t.Errorf("%d statuses, subscribers know %v", n, known)
			}
			return
		}
		if !slices.Contains(known, s.String()) {
			t.Errorf("status %s is not known", s)
		}
	}
}

func TestJSONIsNotEscapedForHTML(t *testing.T) {
	body, err := encode(map[string]string{"a": "<b> & c"})
	must(t, err)
	if string(body) != `{"a":"<b> & c"}` {
		t.Errorf("got %s", body)
	}
}

// texts are what a platform might put into a name.
func texts() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringOfN(rapid.RuneFrom([]rune("\x00\x01\x1f\x7f\"\\/<>&'\u2028\u2029\ufeff\n\r\t火")), 0, 40, -1),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
}

func TestHostileTextSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := diff.Change{
			VideoNo: "v" + texts().Draw(t, "id"), Kind: diff.KindFailed, From: diff.Processing, FromRaw: texts().Draw(t, "from"), At: at(0),
			Record: diff.Record{
				Name: texts().Draw(t, "name"), Raw: texts().Draw(t, "raw"), Cause: texts().Draw(t, "cause"),
				Status: diff.Failed, Version: 1, FirstSeen: at(0), ChangedAt: at(0),
			},
		}
		body, err := encode(newVideoEvent(birth, source, c))
		if err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(body) || bytes.ContainsAny(body, "\n\r") {
			t.Fatalf("not one line of UTF-8: %q", body)
		}
		valid(t, body)
		no, r, err := decodeEvent(body)
		if err != nil {
			t.Fatal(err)
		}
		for what, pair := range map[string][2]string{
			"id": {c.VideoNo, no}, "name": {c.Record.Name, r.Name}, "raw": {c.Record.Raw, r.Raw}, "cause": {c.Record.Cause, r.Cause},
		} {
			if want := string([]rune(pair[0])); want != pair[1] { // bytes that are no UTF-8 become the replacement rune
				t.Fatalf("%s %q came back as %q", what, pair[0], pair[1])
			}
		}
	})
}

// Whatever time the platform gives, what is written can be read back: else a start would fail for good.
func TestOddTimesCanBeReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		odd := diff.Time(rapid.Int64().Draw(t, "time"))
		text := stamp(odd)
		back, err := unstamp(text)
		if err != nil {
			t.Fatalf("%d was written as %q: %v", odd, text, err)
		}
		if text != "" && back != odd {
			t.Fatalf("%d was written as %q and read as %d", odd, text, back)
		}
	})
	if _, err := unstamp("yesterday"); err == nil {
		t.Error("took yesterday for a time")
	}
}

func TestEventsTellTheRecordBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		took := diff.Time(rapid.Int64Range(1, 1e10).Draw(t, "took"))
		status := rapid.SampledFrom([]diff.Status{diff.Processing, diff.Unknown, diff.Done, diff.Failed, diff.Deleted}).Draw(t, "status")
		c := diff.Change{
			VideoNo: "v", Kind: diff.KindProcessing, From: diff.Done, At: at(0), Took: -1,
			Record: diff.Record{Raw: "X", Status: status, Version: 7, FirstSeen: at(-1), ChangedAt: at(0)},
		}
		switch status {
		case diff.Done:
			c.Kind, c.Took = diff.KindDone, time.Duration(took)*time.Millisecond
		case diff.Failed:
			c.Kind = diff.KindFailed
		case diff.Deleted:
			c.Kind, c.Took = diff.KindDeleted, time.Duration(took)*time.Millisecond
		default:
			c.Record.RunStart = at(0) - took
			if c.Record.Stalled = rapid.Bool().Draw(t, "stalled"); c.Record.Stalled {
				c.Kind, c.Took = diff.KindStalled, time.Duration(took)*time.Millisecond
			}
		}
		body, err := encode(newVideoEvent(birth, source, c))
		if err != nil {
			t.Fatal(err)
		}
		if _, r, err := decodeEvent(body); err != nil || r != c.Record {
			t.Fatalf("wrote %+v\nread  %+v, %v\n%s", c.Record, r, err, body)
		}
	})
}

func TestEventsThatAreNotOurs(t *testing.T) {
	good, err := encode(newVideoEvent(birth, source, func() diff.Change { c := changes()["done"]; c.VideoNo = "v"; return c }()))
	must(t, err)
	for name, edit := range map[string][2]string{
		"another envelope": {`"specversion":"1.0"`, `"specversion":"2.0"`},
		"unknown status":   {`"status":"done"`, `"status":"archived"`},
		"no status":        {`"status":"done"`, `"status":""`},
		"no version":       {`"version":2`, `"version":0`},
		"no video":         {`"video_no":"v"`, `"video_no":""`},
		"no time":          {`"time":"2026`, `"time":"x`},
		"cut short":        {`"data":{`, `"data":`},
	} {
		if _, _, err := decodeEvent([]byte(strings.Replace(string(good), edit[0], edit[1], 1))); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestPagesAreBoundedByWhatIsWritten(t *testing.T) {
	var learned []diff.Learned
	for range 5 {
		for range 200 {
			learned = append(learned, diff.Learned{VideoNo: "v", Record: diff.Record{Name: strings.Repeat("\x01", 1024), Raw: "DONE"}})
		}
	}
	pages, err := encodePages(learned)
	must(t, err)
	total := 0
	for _, body := range pages {
		if len(body) > maxPageBytes+100 {
			t.Errorf("a page of %d bytes", len(body))
		}
		var p storedPage
		must(t, json.Unmarshal(body, &p))
		must(t, checkSchema(p.Schema))
		total += len(p.Videos)
	}
	if total != len(learned) {
		t.Errorf("%d videos in the pages, want %d", total, len(learned))
	}
	if pages, err := encodePages(nil); err != nil || len(pages) != 0 {
		t.Errorf("%d pages of nothing, %v", len(pages), err)
	}
}
