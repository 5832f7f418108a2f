package app

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"

	"vidbell/internal/config"
	"vidbell/internal/web"
)

// updateMetrics is the variable that makes TestMetricsPage write the tables of the page anew.
const updateMetrics = "UPDATE_DOCS"

const metricsPage = "../../docs/metrics.md"

// groups say under which heading a metric is found. The first prefix that fits decides.
var groups = []struct {
	name     string
	prefixes []string
}{
	{"poll", []string{
		"vidbell_poll", "vidbell_sweep", "vidbell_observations", "vidbell_changes", "vidbell_unknown_status", "vidbell_videos",
		"vidbell_source", "vidbell_detection", "vidbell_deletions", "vidbell_suspects", "vidbell_filter", "vidbell_listing",
		"vidbell_parse", "vidbell_hints",
	}},
	{"log", []string{"vidbell_log", "vidbell_events", "vidbell_stream", "vidbell_retention"}},
	{"deliveries", []string{"vidbell_webhook", "vidbell_endpoint"}},
	{"engine", []string{"vidbell_nats", "vidbell_engine"}},
	{"process", []string{"vidbell_build", "vidbell_ready", "vidbell_config", "vidbell_event_streams"}},
}

// open are the labels whose values are the operator's, or the build's.
var open = []string{"source", "endpoint", "version", "commit", "date", "go"}

// flags are the gauges that are 0 or 1.
var flags = []string{
	"vidbell_build_info", "vidbell_ready", "vidbell_nats_connected", "vidbell_source_degraded", "vidbell_filter_honoured",
	"vidbell_listing_newest_first", "vidbell_parse_meaning", "vidbell_endpoint_state", "vidbell_config_last_reload_successful",
}

func unitOf(name string) string {
	switch {
	case slices.Contains(flags, name):
		return "0 or 1"
	case strings.HasSuffix(name, "_timestamp_seconds"):
		return "Unix time, seconds"
	case strings.Contains(name, "_seconds"):
		return "seconds"
	case strings.Contains(name, "_bytes"):
		return "bytes"
	case name == "vidbell_poll_rate_limit":
		return "requests a second"
	}
	return "count"
}

// gatherAll returns the metrics of a service that has every part: sources, receivers, the hint page.
func gatherAll(t *testing.T) []*dto.MetricFamily {
	t.Helper()
	p := newTwoPlatforms(t)
	p.cfg.HTTP.Listen, p.cfg.HTTP.HintSecret = "127.0.0.1:0", config.NewSecret("0123456789abcdef")
	p.cfg.Endpoints = []config.Endpoint{{Name: "ops", URL: config.NewSecret("http://127.0.0.1:1/"), Delivery: p.cfg.Webhook.Delivery}}
	v := startVidbell(t, p.cfg)
	newReloader(p.cfg, zap.NewAtomicLevel(), nil, v.registry) // which the command makes
	v.mustHaveBaselines(t)
	var families []*dto.MetricFamily
	eventually(t, "the sizes of streams", func() bool {
		var err error
		families, err = v.registry.Gather()
		must(t, err)
		return slices.ContainsFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "vidbell_stream_bytes" })
	})
	return families
}

func labelsOf(f *dto.MetricFamily) (names []string) {
	for _, l := range f.GetMetric()[0].GetLabel() {
		names = append(names, l.GetName())
	}
	return names
}

// valuesOf are those that a label has, sorted.
func valuesOf(f *dto.MetricFamily, label string) []string {
	var values []string
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == label {
				values = append(values, "`"+l.GetValue()+"`")
			}
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

func metricRow(f *dto.MetricFamily) string {
	labels := make([]string, 0, 4)
	for _, l := range labelsOf(f) {
		labels = append(labels, "`"+l+"`")
	}
	return fmt.Sprintf("| %#q | %s | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "),
		unitOf(f.GetName()), strings.TrimSuffix(f.GetHelp(), "."))
}

// tables are what the page must hold, by the name of the place.
func tables(t *testing.T, families []*dto.MetricFamily) map[string]string {
	t.Helper()
	all := map[string]string{"values": "| metric | label | values |\n|---|---|---|\n"}
	for _, g := range groups {
		all[g.name] = "| metric | type | labels | unit | meaning |\n|---|---|---|---|---|\n"
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "vidbell_") {
			continue
		}
		i := slices.IndexFunc(groups, func(g struct {
			name     string
			prefixes []string
		},
		) bool {
			return slices.ContainsFunc(g.prefixes, func(p string) bool { return strings.HasPrefix(f.GetName(), p) })
		})
		if i < 0 {
			t.Errorf("%s belongs to no group of the page", f.GetName())
			continue
		}
		all[groups[i].name] += metricRow(f)
		for _, l := range labelsOf(f) {
			if !slices.Contains(open, l) {
				all["values"] += fmt.Sprintf("| %#q | %#q | %s |\n", f.GetName(), l, strings.Join(valuesOf(f, l), ", "))
			}
		}
	}
	return all
}

// place finds what the page holds between the marks of a name.
func place(t *testing.T, page, name string) (start, end int) {
	t.Helper()
	open, shut := "<!-- metrics: "+name+" -->\n", "<!-- /metrics: "+name+" -->"
	start, end = strings.Index(page, open), strings.Index(page, shut)
	if start < 0 || end < start {
		t.Fatalf("%s has no place for %s", metricsPage, name)
	}
	return start + len(open), end
}

// The page has every metric there is, with its type, labels and help, and none that there is not.
func TestMetricsPage(t *testing.T) {
	text, err := os.ReadFile(metricsPage)
	must(t, err)
	page := string(text)
	for name, want := range tables(t, gatherAll(t)) {
		start, end := place(t, page, name)
		if os.Getenv(updateMetrics) != "" {
			page = page[:start] + want + page[end:]
			continue
		}
		if page[start:end] != want {
			t.Errorf("%s, %s, is\n%s\nwant\n%s(set %s=1 to write it)", metricsPage, name, page[start:end], want, updateMetrics)
		}
	}
	if os.Getenv(updateMetrics) != "" {
		must(t, os.WriteFile(metricsPage, []byte(page), 0o644))
	}
}

func TestMetricsKeepTheConventions(t *testing.T) {
	families := gatherAll(t)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	must(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if !slices.ContainsFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "go_goroutines" }) {
		t.Error("no metrics of the runtime")
	}
}

type noEngine struct{}

func (noEngine) IsConnected() bool      { return false }
func (noEngine) Stats() nats.Statistics { return nats.Statistics{Reconnects: 3} }

// A check that was not made yet is not good, one that fails is not, and none is made up.
func TestReadinessAsMetric(t *testing.T) {
	checks := []web.Check{{Name: "engine", OK: true}, {Name: "state"}}
	r := newRegistry(noEngine{}, func() []web.Check { return checks })
	want := func(engine, state, log float64) {
		t.Helper()
		families, err := r.Gather()
		must(t, err)
		for _, f := range families {
			if f.GetName() != "vidbell_ready" {
				continue
			}
			got := map[string]float64{}
			for _, m := range f.GetMetric() {
				got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
			if len(got) != 3 || got["engine"] != engine || got["state"] != state || got["log"] != log {
				t.Errorf("ready is %v", got)
			}
			return
		}
		t.Error("no vidbell_ready")
	}
	want(1, 0, 0)
	checks = []web.Check{{Name: "engine", OK: true}, {Name: "state", OK: true}, {Name: "log", OK: true}}
	want(1, 1, 1)
}
