package deploy_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

const chart = "helm/vidbell/"

// A chart can hold only what is in its own folder, so rules and dashboard are there a second time.
func TestTheChartHasTheRulesAndTheDashboard(t *testing.T) {
	for original, copied := range map[string]string{rulesFile: chart + "files/vidbell.rules.yaml", dashboardFile: chart + "files/vidbell.json"} {
		text := read(t, original)
		if os.Getenv("UPDATE_DOCS") != "" {
			if err := os.WriteFile(copied, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if read(t, copied) != text {
			t.Errorf("%s is not %s: set UPDATE_DOCS=1 to copy it", copied, original)
		}
	}
}

// object is a JSON Schema, as far as it is looked at.
type object struct {
	Type                 any
	AdditionalProperties any
	Properties           map[string]object
	PropertyNames        struct{ Enum []string }
}

func readSchema(t *testing.T, name string) (o object) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, name)), &o); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return o
}

// Every value is in the schema, every one of the schema has a default and a place in values.yaml, and others are refused.
func TestValuesAndTheirSchemaAgree(t *testing.T) {
	var values map[string]any
	decode(t, chart+"values.yaml", &values)
	values["global"] = map[string]any{} // helm's own
	compareValues(t, "", values, readSchema(t, chart+"values.schema.json"))
}

// free are maps whose keys are the user's, or Kubernetes' own.
var free = []string{
	".global", ".config", ".affinity", ".nodeSelector", ".podLabels", ".podAnnotations", ".resources", ".service.annotations",
	".persistence.annotations", ".metrics.serviceMonitor.labels", ".metrics.prometheusRule.labels", ".metrics.dashboard.labels",
	".metrics.dashboard.annotations", ".probes.liveness", ".probes.readiness", ".probes.startup",
}

func compareValues(t *testing.T, at string, values map[string]any, schema object) {
	t.Helper()
	if schema.AdditionalProperties != false {
		t.Errorf("%s: the schema takes what it does not know", at)
	}
	have, want := slices.Sorted(maps.Keys(values)), slices.Sorted(maps.Keys(schema.Properties))
	if !slices.Equal(have, want) {
		t.Errorf("%s: values.yaml has %q, the schema %q", at, have, want)
	}
	for name, value := range values {
		if inner, ok := value.(map[string]any); ok && !slices.Contains(free, at+"."+name) {
			compareValues(t, at+"."+name, inner, schema.Properties[name])
		}
	}
}

func TestTheChartTakesTheKeysOfTheFile(t *testing.T) {
	want := slices.Collect(maps.Keys(readSchema(t, "vidbell.schema.json").Properties))
	have := readSchema(t, chart+"values.schema.json").Properties["config"].PropertyNames.Enum
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("config takes %q, the file has %q", have, want)
	}
}

// documents are those of a file that the chart renders, as .ci/chart holds it.
func documents(t *testing.T, name string) (all []map[string]any) {
	t.Helper()
	for text := range strings.SplitSeq(read(t, name), "\n---\n") {
		var document map[string]any
		if err := yaml.Unmarshal([]byte(strings.TrimPrefix(text, "---\n")), &document); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, document)
	}
	return all
}

// The file that the chart makes of its values is one that vidbell reads.
func TestTheChartMakesAConfigurationFile(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("vidbell.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("helm/golden/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		for _, document := range documents(t, name) {
			data, _ := document["data"].(map[string]any)
			text, ok := data["vidbell.yaml"].(string)
			if !ok {
				continue
			}
			found++
			var file any
			if err := yaml.Unmarshal([]byte(text), &file); err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(file); err != nil {
				t.Errorf("%s: %v\n%s", name, err, text)
			}
		}
	}
	if found == 0 {
		t.Error("no release has a configuration file")
	}
}

// Each file that must be refused says why, and each that is taken has what it becomes.
func TestTheChartsCasesAreWhole(t *testing.T) {
	for _, pattern := range []string{"helm/ci/*.yaml", "helm/ci/refused/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < 5 {
			t.Errorf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, name := range files {
			if !strings.Contains(name, "refused") {
				read(t, "helm/golden/"+filepath.Base(name))
			} else if !strings.HasPrefix(read(t, name), "# want: ") {
				t.Errorf("%s does not say what for", name)
			}
		}
	}
}
