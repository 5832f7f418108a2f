package config_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"vidbell/internal/config"
)

const updateDocs = "UPDATE_DOCS"

// mustBe compares a file of the repository with what the code makes of it, or writes it.
func mustBe(t *testing.T, file, want string) {
	t.Helper()
	if os.Getenv(updateDocs) != "" {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s is not the code's: run %s=1 go test -run TestTheReferenceIsTheCode ./internal/config (%v)", file, updateDocs, err)
	}
}

func TestTheReferenceIsTheCode(t *testing.T) {
	t.Parallel()
	schema, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, "../../docs/configuration.md", config.Reference())
	mustBe(t, "../../deploy/vidbell.schema.json", string(schema)+"\n")
	mustBe(t, "../../deploy/vidbell.example.yaml", config.Example)
}

func TestEveryVariableHasItsPlaceInTheFile(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, v := range config.Variables() {
		path := v.Path()
		if path == "" && v.Name != "VIDBELL_CONFIG" {
			t.Errorf("%s has no place", v.Name)
		}
		if other := seen[path]; other != "" {
			t.Errorf("%s and %s share the place %s", v.Name, other, path)
		}
		seen[path] = v.Name
		if path != "" && !strings.Contains(config.Reference(), "| `"+path[strings.LastIndexByte(path, '.')+1:]+"`") {
			t.Errorf("%s is not in the reference", path)
		}
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("vidbell.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("vidbell.schema.json")
}

// instance is a YAML text as an editor shows it to a schema.
func instance(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Load([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	js, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(js))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// uncommented is the example with every key that it shows.
func uncommented() string {
	var b strings.Builder
	for line := range strings.Lines(config.Example) {
		trimmed := strings.TrimLeft(line, " ")
		rest, comment := strings.CutPrefix(trimmed, "# ")
		if comment && (strings.Contains(strings.SplitN(rest, " ", 2)[0], ":") || strings.HasPrefix(rest, "- ") || strings.HasPrefix(rest, "  ")) {
			line = line[:len(line)-len(trimmed)] + rest
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestTheExampleIsRightWithAndWithoutWhatIsCommentedOut(t *testing.T) {
	for _, name := range []string{"MEMORIES_API_KEY", "PIPELINE_SECRET", "OWN_AUTHORIZATION"} {
		t.Setenv(name, "x")
	}
	t.Setenv("SLACK_WEBHOOK_URL", "https://chat.example.com/x")
	schema := compiled(t)
	for name, text := range map[string]string{"as it is": config.Example, "uncommented": uncommented()} {
		if err := schema.Validate(instance(t, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	write(t, config.Example)
	c := loaded(t)
	if len(c.Sources) != 1 || len(c.Endpoints) != 2 || c.Endpoints[1].Format != "slack" {
		t.Errorf("%+v %+v", c.Sources, c.Endpoints)
	}
	write(t, uncommented())
	_, err := config.Load()
	for _, line := range lines(err) { // files that are not there are what is wrong, and nothing else
		if !strings.Contains(line, "cannot read file") && !strings.Contains(line, "creds") {
			t.Error(line)
		}
	}
}

func TestTheSchemaRefusesWhatTheLoaderRefuses(t *testing.T) {
	t.Setenv("VIDBELL_API_KEY", "k")
	schema := compiled(t)
	for _, text := range []string{
		"endpoint: []", "poll: {interval: 30}", "poll: {interval: soon}", "log: {level: loud}", "accounts: {api_key: k}", "nats: nats://a:4222",
		"endpoints: [{url: 'https://a', secrett: x}]", "endpoints: [{url: 'https://a', allow_networks: [10.0.0.0/8]}]",
		"sources: [{poll: {interval: 5}}]", "webhook: {insecure_http: maybe}", "webhook: {in_flight: many}",
	} {
		if err := schema.Validate(instance(t, text)); err == nil {
			t.Errorf("the schema takes %s", text)
		}
		write(t, text)
		if _, err := config.Load(); err == nil {
			t.Errorf("the loader takes %s", text)
		}
	}
	if err := schema.Validate(instance(t, whole)); err != nil {
		t.Errorf("the schema refuses a file that loads: %v", err)
	}
}
