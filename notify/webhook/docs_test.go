package webhook

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	docExample  = regexp.MustCompile("(?s)<!-- testdata: ([a-z-]+\\.json) -->\n```json\n(.*?)\n```")
	docTemplate = regexp.MustCompile("(?s)<!-- template -->\n```\n(.*?)\n```")
)

func TestExamplesInTheDocumentAreWhatIsSent(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "webhooks.md"))
	must(t, err)
	shown := map[Format]bool{}
	for _, example := range docExample.FindAllSubmatch(doc, -1) {
		golden, err := os.ReadFile(filepath.Join("testdata", string(example[1])))
		must(t, err)
		var want bytes.Buffer
		must(t, json.Indent(&want, bytes.TrimSpace(golden), "", "  "))
		if !bytes.Equal(example[2], want.Bytes()) {
			t.Errorf("%s is\n%s", example[1], want.Bytes())
		}
		format, _, _ := strings.Cut(string(example[1]), "-")
		shown[Format(format)] = true
	}
	for _, p := range presets {
		if p.render != nil && !shown[p.name] {
			t.Errorf("%s has no example", p.name)
		}
		if !bytes.Contains(doc, []byte(p.name)) {
			t.Errorf("%s is not described", p.name)
		}
	}
	template := docTemplate.FindSubmatch(doc)
	if len(template) != 2 || string(template[1]) != presetTarget(t, FormatTemplate, nil).Template {
		t.Errorf("the template is not the one that the example was made by")
	}
}

func TestTheDocumentNamesEveryFunctionOfTemplates(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "webhooks.md"))
	must(t, err)
	for name := range templateFuncs {
		if !bytes.Contains(doc, []byte("`"+name+"`")) {
			t.Errorf("the function %s is not described", name)
		}
	}
}
