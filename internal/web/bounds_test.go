package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"vidbell/docs"
)

// The bounds that callers read are those that pages hold them to.
func TestDescribedBoundsAreTheBounds(t *testing.T) {
	_, text, err := docs.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	at := func(path string) any {
		v := root
		for key := range strings.SplitSeq(path, " ") {
			o, ok := v.(map[string]any)
			if !ok {
				t.Fatalf("%s is not there", path)
			}
			v = o[key]
		}
		return v
	}
	for path, want := range map[string]any{
		"components parameters Limit schema maximum":                                                  maxPage,
		"components parameters Limit schema default":                                                  usualPage,
		"components parameters Limit schema minimum":                                                  1,
		"components schemas Text maxLength":                                                           maxText,
		"components schemas ReplayOrder properties endpoint maxLength":                                maxText,
		"components schemas ReplayOrder properties filter maxLength":                                  maxExpression,
		"components schemas Chosen maxItems":                                                          maxChosen,
		"components schemas Identifier maxLength":                                                     maxVideoNo,
		"components requestBodies Change content application/json schema properties reason maxLength": maxReason,
		"components responses TooLarge description":                                                   fmt.Sprintf("The body is larger than %d KiB, or %d KiB for a hint.", maxOrderBytes>>10, maxHintBytes>>10),
		"components responses LongTarget description":                                                 fmt.Sprintf("Path and query are longer than %d KiB. Any page says so.", maxTarget>>10),
	} {
		if got := at(path); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	for _, page := range []string{"/v1/deliveries", "/v1/dead-letters"} {
		list := strings.ReplaceAll(strings.TrimPrefix(page, "/v1/"), "-", "_")
		path := "paths " + page + " get responses 200 content application/json schema properties " + list + " maxItems"
		if got := at(path); fmt.Sprint(got) != fmt.Sprint(maxPage) {
			t.Errorf("%s is %v, want %d", path, got, maxPage)
		}
	}
}
