package deploy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// dashboard is the part of Grafana's model that can be wrong without anybody noticing.
type dashboard struct {
	ID         *int
	UID        string
	Title      string
	Tags       []string
	Editable   *bool
	Templating struct {
		List []struct {
			Name, Type string
			Datasource *datasource
			Query      any
		}
	}
	Panels []panel
}

type datasource struct{ Type, UID string }

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               *datasource
	GridPos                  struct{ H, W, X, Y int }
	FieldConfig              struct {
		Defaults struct{ Unit string }
	}
	Targets []struct {
		Datasource  *datasource
		Expr, RefID string
	}
}

const dashboardFile = "grafana/vidbell.json"

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	if d.ID != nil || d.UID != "vidbell" || d.Title == "" || len(d.Tags) == 0 || d.Editable == nil || *d.Editable {
		t.Errorf("want no id, a uid of its own, a title, tags, not editable: %v %q %q %q %v", d.ID, d.UID, d.Title, d.Tags, d.Editable)
	}
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
		if v.Type == "query" && (v.Datasource == nil || v.Datasource.UID != "${datasource}") {
			t.Errorf("variable %s asks a fixed data source", v.Name)
		}
	}
	if want := []string{"datasource", "job", "instance", "source", "endpoint"}; !slices.Equal(variables, want) {
		t.Errorf("variables %q, want %q", variables, want)
	}
	var rows []string
	for _, p := range d.Panels {
		if p.Type == "row" {
			rows = append(rows, strings.ToLower(strings.Fields(p.Title)[0]))
		}
	}
	if want := []string{"now", "poll:", "publish:", "deliver:", "engine"}; !slices.Equal(rows, want) {
		t.Errorf("rows %q, want them to follow an event: %q", rows, want)
	}
}

func TestEveryPanelSaysWhatItShows(t *testing.T) {
	d, titles, ids := readDashboard(t), map[string]bool{}, map[int]bool{}
	for _, p := range d.Panels {
		if p.Title == "" || titles[p.Title] || ids[p.ID] {
			t.Errorf("panel %d %q: no title or id of its own", p.ID, p.Title)
		}
		titles[p.Title], ids[p.ID] = true, true
		if p.Type == "row" {
			continue
		}
		if !strings.HasSuffix(p.Description, ".") || p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("%s: description %q, unit %q", p.Title, p.Description, p.FieldConfig.Defaults.Unit)
		}
		if p.Datasource == nil || p.Datasource.UID != "${datasource}" {
			t.Errorf("%s: a fixed data source", p.Title)
		}
		if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W == 0 || p.GridPos.H == 0 {
			t.Errorf("%s: does not fit: %+v", p.Title, p.GridPos)
		}
		if len(p.Targets) == 0 {
			t.Errorf("%s: shows nothing", p.Title)
		}
	}
}

func TestPanelsDoNotCoverEachOther(t *testing.T) {
	taken := map[[2]int]string{}
	for _, p := range readDashboard(t).Panels {
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" && other != p.Title {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// Every series asked for is one of the chosen job and instance, and there is such a metric.
func TestEveryTargetAsksForWhatThereIs(t *testing.T) {
	known := knownMetrics(t)
	bare := regexp.MustCompile(`\b(?:vidbell|process|go)_\w+(?:[^{\w]|$)`)
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			where := p.Title + " " + target.RefID
			checkExpression(t, where, target.Expr, known)
			if found := bare.FindString(target.Expr); found != "" {
				t.Errorf("%s: %s is not of the chosen job", where, found)
			}
			for _, s := range selector.FindAllStringSubmatch(target.Expr, -1) {
				if !strings.Contains(s[2], `job=~"$job"`) || !strings.Contains(s[2], `instance=~"$instance"`) {
					t.Errorf("%s: %s is not of the chosen job and instance", where, s[0])
				}
			}
			if strings.Contains(target.Expr, "rate(") && !strings.Contains(target.Expr, "[$__rate_interval]") {
				t.Errorf("%s: a rate over a fixed time", where)
			}
			if target.Datasource == nil || target.Datasource.UID != "${datasource}" {
				t.Errorf("%s: a fixed data source", where)
			}
		}
	}
}

// Every metric that a rule asks for can be looked at.
func TestTheDashboardShowsWhatAlertsAreAbout(t *testing.T) {
	text := read(t, dashboardFile)
	for _, r := range alerts(t) {
		for _, s := range selector.FindAllStringSubmatch(r.Expr, -1) {
			if strings.HasPrefix(s[1], "vidbell_") && !strings.Contains(text, s[1]) {
				t.Errorf("%s: %s is not on the dashboard", r.Alert, s[1])
			}
		}
	}
}

// The expressions are PromQL: promtool reads them as recording rules, the variables filled in.
func TestPromtoolTakesTheTargets(t *testing.T) {
	fill := strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$instance", ".*", "$source", ".*", "$endpoint", ".*")
	var file struct {
		Groups []map[string]any `yaml:"groups"`
	}
	var rules []map[string]string
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			rules = append(rules, map[string]string{"record": fmt.Sprintf("panel:%d:%s", p.ID, target.RefID), "expr": fill.Replace(target.Expr)})
		}
	}
	file.Groups = []map[string]any{{"name": "dashboard", "rules": rules}}
	text, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "dashboard.yaml")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", path)
}
