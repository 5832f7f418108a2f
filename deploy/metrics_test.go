package deploy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// metric is one as docs/metrics.md describes it, which a test of the program holds to the truth.
type metric struct {
	kind   string
	labels []string
	values map[string][]string // of labels that have their own words
}

var (
	metricRow = regexp.MustCompile("(?m)^\\| `(vidbell_\\w+)` \\| (counter|gauge|histogram|summary) \\| ([^|]*) \\|")
	valueRow  = regexp.MustCompile("(?m)^\\| `(vidbell_\\w+)` \\| `(\\w+)` \\| ([^|]*) \\|$")
	quoted    = regexp.MustCompile("`([^`]*)`")
)

func quotedWords(text string) (words []string) {
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		words = append(words, m[1])
	}
	return words
}

// knownMetrics reads the page, and adds what every target has.
func knownMetrics(t *testing.T) map[string]*metric {
	t.Helper()
	page, known := read(t, "../docs/metrics.md"), map[string]*metric{}
	for _, m := range metricRow.FindAllStringSubmatch(page, -1) {
		known[m[1]] = &metric{kind: m[2], labels: quotedWords(m[3]), values: map[string][]string{}}
	}
	for _, m := range valueRow.FindAllStringSubmatch(page, -1) {
		known[m[1]].values[m[2]] = quotedWords(m[3])
	}
	if len(known) < 30 {
		t.Fatalf("only %d metrics found in the page", len(known))
	}
	for _, name := range []string{
		"up", "process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "go_goroutines",
		"go_memstats_heap_inuse_bytes",
	} {
		known[name] = &metric{kind: "gauge", values: map[string][]string{}}
	}
	return known
}

var (
	selector = regexp.MustCompile(`\b((?:vidbell|process|go)_\w+|up\b)(\{[^}]*\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	grouping = regexp.MustCompile(`\b(?:by|on|without)\s*\(([^)]*)\)`)
)

// complaints is the part of testing.T that a check needs.
type complaints interface {
	Errorf(format string, args ...any)
}

// checkExpression holds a PromQL expression to the metrics that exist: names, labels, and the words that labels have.
func checkExpression(t complaints, where, expr string, known map[string]*metric) {
	targets := []string{"job", "instance", "pod", "namespace"}
	all := slices.Clone(append(targets, "le"))
	for _, s := range selector.FindAllStringSubmatch(expr, -1) {
		m := find(known, s[1])
		if m == nil {
			t.Errorf("%s: there is no metric %s", where, s[1])
			continue
		}
		all = append(all, m.labels...)
		for _, pair := range matcher.FindAllStringSubmatch(s[2], -1) {
			if !slices.Contains(append(m.labels, targets...), pair[1]) {
				t.Errorf("%s: %s has no label %s", where, s[1], pair[1])
			}
			for value := range strings.SplitSeq(pair[2], "|") {
				if words := m.values[pair[1]]; words != nil && !strings.HasPrefix(value, "$") && !slices.Contains(words, value) {
					t.Errorf("%s: %s is never %s=%q, it is one of %q", where, s[1], pair[1], value, words)
				}
			}
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(g[1], ",") {
			if !slices.Contains(all, strings.TrimSpace(label)) {
				t.Errorf("%s: nothing here has a label %s", where, label)
			}
		}
	}
}

// find knows the series of a histogram as well.
func find(known map[string]*metric, name string) *metric {
	if m := known[name]; m != nil {
		return m
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && known[base] != nil && known[base].kind == "histogram" {
			m := *known[base]
			m.labels = append(slices.Clone(m.labels), "le")
			return &m
		}
	}
	return nil
}

// counted is how many complaints there were.
type counted int

func (c *counted) Errorf(string, ...any) { *c++ }

// The checks would be worth nothing if they took everything.
func TestExpressionsAreReallyChecked(t *testing.T) {
	known := knownMetrics(t)
	for _, expr := range []string{
		"vidbell_pols_total", `vidbell_polls_total{outcom="ok"}`, `vidbell_polls_total{outcome="okay"}`, "sum by (endpoint) (vidbell_polls_total)",
		"vidbell_polls_total_bucket", `vidbell_poll_requests_total{outcome=~"ok|nope"}`,
	} {
		var count counted
		checkExpression(&count, "probe", expr, known)
		if count == 0 {
			t.Errorf("%s passes", expr)
		}
	}
}
