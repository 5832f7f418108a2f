package diff

import (
	"strings"
	"testing"
)

func TestClassOfBuiltInWords(t *testing.T) {
	w := DefaultWords()
	for raw, want := range map[string]Word{
		"DONE": WordDone, "FAILED": WordFailed, "FAIL": WordFailed, "PARSE_ERROR": WordFailed, "ERROR": WordFailed,
		"UNPARSE": WordUnparse, "PENDING": WordProcessing, "PROCESSING": WordProcessing, "UPLOADING": WordProcessing,
		"": WordProcessing, "null": WordProcessing, "NULL": WordProcessing, "  ": WordProcessing,
		"PARSE": WordParse, " parse\n": WordParse, "done": WordDone, "PARSED": WordUnknown, "FINISHED": WordUnknown,
	} {
		if got := w.Class(raw); got != want {
			t.Errorf("Class(%q) = %d, want %d", raw, got, want)
		}
	}
}

func TestNewWords(t *testing.T) {
	for _, c := range []struct {
		name                     string
		done, failed, processing []string
		wantErr                  string
		want                     map[string]Word
	}{
		{name: "a list replaces the built-in one", done: []string{"ready"}, want: map[string]Word{
			"READY": WordDone, "DONE": WordUnknown, "FAIL": WordFailed, "UNPARSE": WordUnparse,
		}},
		{name: "a word put elsewhere leaves its built-in list", done: []string{"DONE", "ERROR"}, want: map[string]Word{
			"ERROR": WordDone, "FAIL": WordFailed,
		}},
		{name: "UNPARSE keeps what it tells in a list of processing words", processing: []string{"unparse", "busy"}, want: map[string]Word{
			"UNPARSE": WordUnparse, "BUSY": WordProcessing, "PENDING": WordUnknown,
		}},
		{name: "no word at all is processing whatever the list", processing: []string{"BUSY"}, want: map[string]Word{
			"": WordProcessing, "NULL": WordProcessing,
		}},
		{name: "the same word twice in one list is fine", done: []string{"OK", "ok"}, want: map[string]Word{"OK": WordDone}},
		{name: "a word in two lists", done: []string{"OK"}, failed: []string{"ok"}, wantErr: `"OK" stands in two lists`},
		{name: "PARSE in a list", done: []string{"parse"}, wantErr: "PARSE cannot stand in a list"},
		{name: "an empty word that would mean done", done: []string{"DONE", ""}, wantErr: `"" cannot mean done or failed`},
		{name: "a null that would mean failed", failed: []string{"null"}, wantErr: `"NULL" cannot mean done or failed`},
		{name: "an empty word among the processing ones is what it is", processing: []string{""}, want: map[string]Word{"": WordProcessing}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := NewWords(c.done, c.failed, c.processing, ParseAuto)
			if c.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantErr) {
					t.Fatalf("error %v, want one with %q", err, c.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for raw, want := range c.want {
				if got := w.Class(raw); got != want {
					t.Errorf("Class(%q) = %d, want %d", raw, got, want)
				}
			}
		})
	}
}

func TestMeaningOfParse(t *testing.T) {
	seen := Witness{VideoNo: "v", At: 1}
	rule := func(r ParseRule) Words { return Words{classes: DefaultWords().classes, rule: r} }
	for _, c := range []struct {
		name     string
		words    Words
		evidence Evidence
		want     Status
		why      string
	}{
		{"nothing was seen", rule(ParseAuto), Evidence{}, Unknown, "no evidence"},
		{"a DONE was seen", rule(ParseAuto), Evidence{SawDone: seen, SawUnparse: seen, SawFail: seen, SawOldParse: seen}, Processing, "a DONE was seen (v)"},
		{"an UNPARSE was seen", rule(ParseAuto), Evidence{SawUnparse: seen}, Done, "an UNPARSE was seen (v)"},
		{"a FAIL was seen", rule(ParseAuto), Evidence{SawFail: seen}, Done, "a FAIL was seen (v)"},
		{"an old PARSE was seen", rule(ParseAuto), Evidence{SawOldParse: seen}, Done, "older than a day is in PARSE (v)"},
		{"the rule says done", rule(ParseDone), Evidence{SawDone: seen}, Done, "configured"},
		{"the rule says processing", rule(ParseProcessing), Evidence{SawUnparse: seen}, Processing, "configured"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, why := c.words.Parse(c.evidence)
			if got != c.want || !strings.Contains(why, c.why) {
				t.Errorf("Parse = %s, %q, want %s, %q", got, why, c.want, c.why)
			}
		})
	}
}

func TestStatusWords(t *testing.T) {
	for s := range Status(len(statusNames)) {
		if back, ok := ParseStatus(s.String()); !ok || back != s {
			t.Errorf("ParseStatus(%q) = %v, %v", s.String(), back, ok)
		}
	}
	if _, ok := ParseStatus("parsed"); ok {
		t.Error("a word that is none of ours was accepted")
	}
	if got := Status(99).String(); got != "status(99)" {
		t.Errorf("String of a status that does not exist = %q", got)
	}
	for s, want := range map[Status]Kind{
		None: KindProcessing, Unknown: KindProcessing, Processing: KindProcessing, Done: KindDone, Failed: KindFailed,
		Deleted: KindDeleted, 99: KindProcessing,
	} {
		if got := kindOf(s); got != want {
			t.Errorf("kindOf(%s) = %s, want %s", s, got, want)
		}
	}
}
