package web

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// No query makes the parser panic; what it lets through keeps its bounds, and what it refuses is a sentence with a name.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "endpoint=ops&limit=5", "limit=501", "since=2026-11-23T22:04:05Z&until=2026-11-22T22:04:05Z", "a;b", "%zz", "type=a&type=b",
		"cursor=18446744073709551616", "failed=TRUE", "video_no=%00", "\xff=\xff", "sourec=x", "=", "&&", "limit=+5", "class=" + strings.Repeat("x", 300),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q := newQuery(raw)
		span, failed, endpoint := q.span(), q.flag("failed"), q.required("about")
		err := q.problem()
		var invalid *InvalidError
		switch {
		case err != nil && (!errors.As(err, &invalid) || invalid.Field == "" || invalid.Problem == ""):
			t.Errorf("refused without a name: %v", err)
		case err != nil && (len(err.Error()) > 500 || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\r\n\x00")):
			t.Errorf("refused in a way that cannot be shown: %q", err)
		case err != nil:
			return
		}
		if span.Limit < 1 || span.Limit > maxPage || endpoint == "" || failed && !strings.Contains(raw, "true") {
			t.Errorf("%q lets %+v through", raw, span)
		}
		for _, text := range []string{span.Endpoint, span.EventID, span.VideoNo, span.Source, span.Type, span.Class} {
			if textProblem(text) != "" {
				t.Errorf("%q lets the text %q through", raw, text)
			}
		}
		if !span.Since.IsZero() && !span.Until.IsZero() && span.Until.Sub(span.Since) <= time.Duration(0) {
			t.Errorf("%q lets an empty time span through", raw)
		}
	})
}
