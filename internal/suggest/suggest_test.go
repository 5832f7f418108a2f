package suggest_test

import (
	"testing"

	"vidbell/internal/suggest"
)

func TestNearest(t *testing.T) {
	known := []string{"endpoint", "event_id", "source", "since", "type", "limit"}
	for word, want := range map[string]string{
		"sourec": "source", "sorce": "source", "typ": "type", "endpoints": "endpoint", "eventid": "event_id", "Source": "source",
		"x": "", "": "", "cursor": "", "page": "",
	} {
		if got := suggest.Nearest(word, known); got != want {
			t.Errorf("%q is taken for %q, want %q", word, got, want)
		}
	}
	if got := suggest.Nearest("any", nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"URL", "URL", 0},
		{"UR", "URL", 1},
		{"ULR", "URL", 1},
		{"", "URL", 3},
		{"KITTEN", "SITTING", 3},
	} {
		if got := suggest.Distance(tc.a, tc.b); got != tc.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
