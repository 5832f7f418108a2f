package webhook

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap/zapcore"
)

// value reads one sample by its label values, in any order.
func (r *running) value(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	families, err := r.registry.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var have []string
			for _, l := range m.GetLabel() {
				have = append(have, l.GetValue())
			}
			slices.Sort(have)
			want := slices.Sorted(slices.Values(labels))
			if slices.Equal(have, want) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	t.Fatalf("there is no %s%v", name, labels)
	return 0
}

// showsNothingOf fails when a log line or a metric contains a text.
func (r *running) showsNothingOf(t *testing.T, texts ...string) {
	t.Helper()
	var all strings.Builder
	for _, entry := range r.logs.All() {
		encoder := zapcore.NewMapObjectEncoder()
		for _, f := range entry.Context {
			f.AddTo(encoder)
		}
		fmt.Fprintf(&all, "%s %v\n", entry.Message, encoder.Fields)
	}
	families, err := r.registry.Gather()
	must(t, err)
	for _, f := range families {
		all.WriteString(f.String())
	}
	for _, text := range texts {
		if i := strings.Index(all.String(), text); i >= 0 {
			t.Errorf("%q is shown: ...%s", text, all.String()[max(0, i-200):i+len(text)])
		}
	}
}

func TestMetricsAreWellNamedAndThereFromTheStart(t *testing.T) {
	e := startEngine(t)
	r := e.prepare([]Endpoint{{Name: "a", URL: "http://127.0.0.1:1/"}})
	problems, err := testutil.GatherAndLint(r.registry)
	must(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, v := range verdicts {
		if got := r.value(t, "vidbell_webhook_attempts_total", "a", string(v)); got != 0 {
			t.Errorf("%s starts at %v", v, got)
		}
	}
	for _, name := range []string{
		"vidbell_webhook_attempt_duration_seconds", "vidbell_webhook_pending", "vidbell_webhook_dead_letters_total", "vidbell_webhook_foreign_messages_total",
		"vidbell_webhook_delivery_latency_seconds", "vidbell_webhook_in_flight", "vidbell_webhook_oldest_pending_timestamp_seconds",
		"vidbell_webhook_last_success_timestamp_seconds",
	} {
		if got := r.value(t, name, "a"); got != 0 {
			t.Errorf("%s starts at %v", name, got)
		}
	}
	if r.value(t, "vidbell_endpoint_state", "a", string(StateActive)) != 1 || r.value(t, "vidbell_endpoint_state", "a", string(StateDisabled)) != 0 {
		t.Error("an endpoint starts as active")
	}
}

func TestMetricsFollowTheDeliveries(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	release := make(chan struct{})
	in.answers(hang(release))
	r := e.prepare([]Endpoint{{Name: "a", URL: in.URL, InFlight: 2}})
	for i := range 10 {
		e.append("done", i)
	}
	r.start()
	eventually(t, "two in flight", func() bool { return r.value(t, "vidbell_webhook_in_flight", "a") == 2 })
	r.readPending(t.Context())
	if got := r.value(t, "vidbell_webhook_pending", "a"); got != 10 {
		t.Errorf("%v are pending, want 10", got)
	}
	oldest := r.value(t, "vidbell_webhook_oldest_pending_timestamp_seconds", "a")
	if age := time.Since(time.UnixMilli(int64(oldest * 1e3))); age < 0 || age > time.Minute {
		t.Errorf("the oldest is pending since %s", age)
	}
	close(release)
	eventually(t, "ten delivered", func() bool { return r.value(t, "vidbell_webhook_attempts_total", "a", "delivered") == 10 })
	eventually(t, "none pending", func() bool {
		r.readPending(t.Context())
		return r.value(t, "vidbell_webhook_pending", "a") == 0
	})
	if got := r.value(t, "vidbell_webhook_oldest_pending_timestamp_seconds", "a"); got != 0 {
		t.Errorf("none is pending, and the oldest of them since %v", got)
	}
	if last := r.value(t, "vidbell_webhook_last_success_timestamp_seconds", "a"); last < oldest {
		t.Errorf("the last success was at %v, the first event at %v", last, oldest)
	}
	for _, name := range []string{"vidbell_webhook_attempt_duration_seconds", "vidbell_webhook_delivery_latency_seconds"} {
		if got := r.value(t, name, "a"); got != 10 {
			t.Errorf("%s has %v samples", name, got)
		}
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	_, err := New(Config{Endpoints: []Endpoint{{Name: "a", URL: "https://host/"}, {Name: "a", URL: "https://other/"}, {Name: "b", URL: "x"}}})
	for _, want := range []string{"JetStream is required", `endpoint "a": the name is taken`, `endpoint "b": url:`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named: %v", want, err)
		}
	}
	e := startEngine(t)
	registry := prometheus.NewRegistry()
	c := Config{JetStream: e.js, Registerer: registry}
	d, err := New(c)
	must(t, err)
	if err := d.Run(t.Context()); err == nil {
		t.Error("Run without Prepare")
	}
	if _, err := New(c); err == nil {
		t.Error("two dispatchers share their metrics")
	}
}

func TestAnEndpointThatIsLeftOutLeavesNoSeries(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	one, other := Endpoint{Name: "a", URL: in.URL}, Endpoint{Name: "b", URL: in.URL}
	r := e.prepare([]Endpoint{one, other}).start()
	r.apply("-b", one)
	families, err := r.registry.Gather()
	must(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "endpoint" && l.GetValue() == "b" {
					t.Errorf("%s is still there", f.GetName())
				}
			}
		}
	}
}
