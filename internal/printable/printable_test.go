package printable

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestNothingThatCommandsATerminalPasses(t *testing.T) {
	for text, want := range map[string]struct{ text, written string }{
		"ein Film – 映画 🎬":   {"ein Film – 映画 🎬", "ein Film – 映画 🎬"},
		"a\u009b31mb":       {`a\u009b31mb`, `a\u009b31mb`},
		"a\u202eb\u2066c":   {`a\u202eb\u2066c`, `a\u202eb\u2066c`},
		"a\x1b[31m\n":       {`a\u001b[31m\u000a`, "a\x1b[31m\n"},
		"del\x7f":           {`del\u007f`, `del\u007f`},
		"tag\U000e0041":     {`tag\udb40\udc41`, `tag\udb40\udc41`},
		"no text\xff\u009b": {"no text\xff" + `\u009b`, "no text\xff" + `\u009b`},
	} {
		if got := Text(text); got != want.text {
			t.Errorf("Text(%q) is %q, want %q", text, got, want.text)
		}
		var out bytes.Buffer
		if n, err := Writer(&out).Write([]byte(text)); n != len(text) || err != nil || out.String() != want.written {
			t.Errorf("%q is written as %q, %d, %v", text, out.String(), n, err)
		}
	}
}

func TestJSONStaysWhatItSays(t *testing.T) {
	const text = "a\u009b\u202e\U000e0041\x7f\x1bz"
	var out bytes.Buffer
	if err := json.NewEncoder(Writer(&out)).Encode(text); err != nil {
		t.Fatal(err)
	}
	var back string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back != text {
		t.Errorf("%s reads %q, %v", out.Bytes(), back, err)
	}
}
