package deploy_test

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

const (
	rulesFile   = "prometheus/vidbell.rules.yaml"
	rulesTests  = "prometheus/vidbell.rules.test.yaml"
	runbookPage = "docs/operations.md"
)

// rule is an alert as Prometheus reads it.
type rule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

// decode reads a YAML file strictly.
func decode(t *testing.T, name string, into any) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(read(t, name)))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var file ruleFile
	decode(t, rulesFile, &file)
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no rules")
	}
	return all
}

// anchors are those that the headings of a page have.
func anchors(t *testing.T, page string) []string {
	t.Helper()
	var list []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(read(t, "../"+page), -1) {
		list = append(list, strings.ReplaceAll(strings.ToLower(m[1]), " ", "-"))
	}
	return list
}

func TestAlertRules(t *testing.T) {
	known, sections, seen := knownMetrics(t), anchors(t, runbookPage), map[string]bool{}
	for _, r := range alerts(t) {
		if !strings.HasPrefix(r.Alert, "Vidbell") || seen[r.Alert] {
			t.Errorf("%s: an alert needs a name of its own that begins with Vidbell", r.Alert)
		}
		seen[r.Alert] = true
		checkExpression(t, r.Alert, r.Expr, known)
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if _, err := time.ParseDuration(r.For); r.For != "" && err != nil {
			t.Errorf("%s: for %q", r.Alert, r.For)
		}
		for _, name := range []string{"summary", "description"} {
			if text := r.Annotations[name]; !strings.HasSuffix(text, ".") {
				t.Errorf("%s: the %s %q is no sentence", r.Alert, name, text)
			}
		}
		page, section, _ := strings.Cut(r.Annotations["runbook_url"], "#")
		if page != runbookPage || !strings.EqualFold(section, r.Alert) || !slices.Contains(sections, section) {
			t.Errorf("%s: %s is no section about it", r.Alert, r.Annotations["runbook_url"])
		}
		for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(r.Annotations["summary"]+r.Annotations["description"], -1) {
			if grouped := grouping.FindStringSubmatch(r.Expr); strings.HasPrefix(r.Expr, "sum by") && !strings.Contains(grouped[1], m[1]) {
				t.Errorf("%s: the label %s is summed away", r.Alert, m[1])
			}
		}
	}
}

// The page has no section about an alert that is no more.
func TestEverySectionHasItsAlert(t *testing.T) {
	var names []string
	for _, r := range alerts(t) {
		names = append(names, strings.ToLower(r.Alert))
	}
	for _, section := range anchors(t, runbookPage) {
		if strings.HasPrefix(section, "vidbell") && !slices.Contains(names, section) {
			t.Errorf("%s has a section %s, and there is no such alert", runbookPage, section)
		}
	}
}

// Every alert has a test in which it fires, and one in which it does not.
func TestEveryAlertIsTested(t *testing.T) {
	var file struct {
		RuleFiles          []string `yaml:"rule_files"`
		EvaluationInterval string   `yaml:"evaluation_interval"`
		Tests              []struct {
			Name        string
			Interval    string
			InputSeries []map[string]string `yaml:"input_series"`
			Cases       []struct {
				Alertname string
				EvalTime  string `yaml:"eval_time"`
				ExpAlerts []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	decode(t, rulesTests, &file)
	fires, rests := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, c := range test.Cases {
			fires[c.Alertname] = fires[c.Alertname] || len(c.ExpAlerts) > 0
			rests[c.Alertname] = rests[c.Alertname] || len(c.ExpAlerts) == 0
		}
	}
	for _, r := range alerts(t) {
		if !fires[r.Alert] || !rests[r.Alert] {
			t.Errorf("%s: fires in a test: %t, rests in one: %t", r.Alert, fires[r.Alert], rests[r.Alert])
		}
	}
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("SKIPPED: no promtool here, so the alert rules were read and not tried; .ci/run installs it where it can")
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtoolTakesTheRules(t *testing.T) { promtool(t, "check", "rules", rulesFile) }

func TestAlertsFireWhenTheyShould(t *testing.T) { promtool(t, "test", "rules", rulesTests) }
