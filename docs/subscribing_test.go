package docs_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vidbell/notify/event"
)

var filterRow = regexp.MustCompile("(?m)^\\| `([^`]*>|[^`]*\\*[^`]*)` \\|")

// The filters that people copy are those that the code makes.
func TestFiltersOfTheDocument(t *testing.T) {
	text, err := os.ReadFile("subscribing.md")
	must(t, err)
	var shown []string
	for _, row := range filterRow.FindAllStringSubmatch(string(text), -1) {
		shown = append(shown, row[1])
	}
	names := event.Names{}
	want := []string{
		names.Videos(event.Filter{}),
		names.Videos(event.Filter{Type: event.TypeDone}),
		names.Videos(event.Filter{Source: "marketing"}),
		names.Videos(event.Filter{Type: event.TypeFailed, Source: "marketing"}),
		names.Videos(event.Filter{VideoNo: "VI606404158946574336"}),
		strings.Replace(names.Ops(event.TypeSourceDegraded), ".degraded", "", 1), // both of its types
		names.Ops(event.TypeEndpointDisabled),
	}
	if !slices.Equal(shown, want) {
		t.Errorf("the document has %q, the code makes %q", shown, want)
	}
}
