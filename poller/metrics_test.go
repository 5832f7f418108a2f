package poller_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"vidbell/diff"
	"vidbell/internal/simulator"
	"vidbell/poller"
	"vidbell/poller/memories"
)

func TestMetricsKeepTheConventions(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		w.start()
		problems, err := testutil.GatherAndLint(w.metrics)
		if err != nil || len(problems) != 0 {
			t.Errorf("lint: %v, %v", problems, err)
		}
	})
}

func TestEverySeriesIsThereFromTheStartAtZero(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.newPoller(w.source("default", poller.NewAccount(3), key))
		families, err := w.metrics.Gather()
		if err != nil {
			w.t.Fatal(err)
		}
		series := map[string]int{}
		for _, f := range families {
			series[f.GetName()] = len(f.GetMetric())
			for _, m := range f.GetMetric() {
				v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
				want := map[string]float64{
					"vidbell_poll_rate_limit": 3, "vidbell_filter_honoured": 1, "vidbell_listing_newest_first": 1,
				}[f.GetName()]
				if v != want {
					t.Errorf("%s starts at %v", f.GetName(), v)
				}
			}
		}
		for name, want := range map[string]int{
			"vidbell_polls_total":                           2,
			"vidbell_poll_requests_total":                   6 * (len(memories.Classes()) + 1),
			"vidbell_sweeps_total":                          3,
			"vidbell_sweep_last_complete_timestamp_seconds": 1,
			"vidbell_sweep_count_mismatches_total":          1,
			"vidbell_observations_total":                    1,
			"vidbell_observations_held_total":               2,
			"vidbell_changes_total":                         len(diff.Reasons()),
			"vidbell_unknown_status_total":                  1,
			"vidbell_videos":                                5,
			"vidbell_poll_rate_limit":                       1,
			"vidbell_source_degraded":                       1,
			"vidbell_poll_last_success_timestamp_seconds":   1,
			"vidbell_detection_latency_seconds":             1,
			"vidbell_deletions_held":                        1,
			"vidbell_filter_honoured":                       3,
			"vidbell_listing_newest_first":                  1,
			"vidbell_parse_meaning":                         3,
			"vidbell_suspects":                              1,
			"vidbell_sweep_count_difference":                1,
			"vidbell_poll_duration_seconds":                 1,
			"vidbell_poll_quota_wait_seconds_total":         1,
		} {
			if series[name] != want {
				t.Errorf("%s has %d series, want %d", name, series[name], want)
			}
			delete(series, name)
		}
		if len(series) != 0 {
			t.Errorf("metrics without a test: %v", series)
		}
	})
}

func TestMetricsShowWhatHappened(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("c:F", "b:R", "a:P")
		w.start()
		w.is("a:R")
		w.ticks(1)
		w.fail(simulator.Fault{Kind: simulator.FaultReset, Times: 4})
		w.ticks(1)
		w.sim.Set("default", "b", "WHATEVER", "")
		w.ticks(2)
		now := float64(time.Now().UnixMilli()) / 1e3
		for _, c := range []struct {
			want float64
			name string
			of   []string
		}{
			{4, "vidbell_polls_total", []string{"outcome", "ok"}},
			{1, "vidbell_polls_total", []string{"outcome", "failed"}},
			{1, "vidbell_poll_requests_total", []string{"lane", "baseline", "outcome", "ok"}},
			{3, "vidbell_poll_requests_total", []string{"lane", "head", "outcome", "ok"}},
			{4, "vidbell_poll_requests_total", []string{"lane", "head", "outcome", "network"}},
			{4, "vidbell_sweeps_total", []string{"outcome", "complete"}},
			{12, "vidbell_observations_total", nil},
			{1, "vidbell_changes_total", []string{"reason", "moved"}},
			{1, "vidbell_videos", []string{"status", "unknown"}},
			{1, "vidbell_videos", []string{"status", "failed"}},
			{5, "vidbell_poll_duration_seconds", nil},
		} {
			if got := w.counter(c.name, c.of...); got != c.want {
				t.Errorf("%s%v is %v, want %v", c.name, c.of, got, c.want)
			}
		}
		for _, name := range []string{"vidbell_sweep_last_complete_timestamp_seconds", "vidbell_poll_last_success_timestamp_seconds"} {
			if age := now - w.counter(name); age < 0 || age > 15 {
				t.Errorf("%s is %v seconds ago", name, age)
			}
		}
	})
}

func TestTheConfigurationIsChecked(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		account := poller.NewAccount(1)
		for want, spoil := range map[string]func(s *poller.Source){
			"a name has":      func(s *poller.Source) { s.Name = "a.b" },
			"no lister":       func(s *poller.Source) { s.Lister = nil },
			"or no account":   func(s *poller.Source) { s.Account = nil },
			"interval must":   func(s *poller.Source) { s.PollInterval = 0 },
			"sweep interval":  func(s *poller.Source) { s.SweepInterval = -1 },
			"page size":       func(s *poller.Source) { s.PageSize = -1 },
			"two sources are": func(s *poller.Source) { s.Name = "second" },
		} {
			s := w.source("default", account, key)
			spoil(&s)
			_, err := poller.New(poller.Config{
				Sources: []poller.Source{w.source("second", account, key), s}, Store: w.log.process(), Reporter: w.reports,
				Logger: w.quiet(),
			})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want one about %q", err, want)
			}
		}
		if _, err := poller.New(poller.Config{}); err == nil {
			t.Error("an empty configuration was taken")
		}
	})
}

// Requests are spaced evenly: of two sources that poll at once on one key, one waits.
func TestMetricsShowTheWaitForTheQuota(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		account := poller.NewAccount(1)
		w.startOf(w.source("default", account, key), w.source("second", account, key))
		before := w.counter("vidbell_poll_quota_wait_seconds_total")
		w.ticks(3)
		if waited := w.counter("vidbell_poll_quota_wait_seconds_total") - before; waited < 2.9 || waited > 3.1 {
			t.Errorf("waited %v s in three ticks, want one each", waited)
		}
	})
}

func TestASourceThatIsLeftOutLeavesNoSeries(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		account := poller.NewAccount(5)
		one, other := w.source("default", account, key), w.source("second", account, key)
		r := w.startOf(one, other)
		w.ticks(2)
		if _, err := r.poller.Apply(w.t.Context(), []poller.Source{one}); err != nil {
			t.Fatal(err)
		}
		families, err := w.metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if matches(m, []string{"source", "second"}) {
					t.Errorf("%s is still there", f.GetName())
				}
			}
		}
	})
}
