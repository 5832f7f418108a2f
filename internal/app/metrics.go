package app

import (
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"vidbell/internal/web"
)

// connection is what metrics tell of the one to the engine.
type connection interface {
	IsConnected() bool
	Stats() nats.Statistics
}

// newRegistry holds all metrics of a process. What the parts add to it is in docs/metrics.md, as is what is here.
func newRegistry(conn connection, ready func() []web.Check) *prometheus.Registry {
	r := prometheus.NewRegistry()
	b := BuildInfo()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "vidbell_build_info", Help: "Always 1; the labels say what is running.",
			ConstLabels: prometheus.Labels{"version": b.Version, "commit": b.Commit, "date": b.Date, "go": b.Go},
		}, func() float64 { return 1 }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "vidbell_nats_connected", Help: "1 while the engine is connected.",
		}, func() float64 { return flag(conn.IsConnected()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "vidbell_nats_reconnects_total", Help: "Times that the connection to the engine was lost and had again.",
		}, func() float64 { return float64(conn.Stats().Reconnects) }),
		readiness{ready},
	)
	return r
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// readyChecks are the names that the checks behind /readyz have.
var readyChecks = []string{"engine", "state", "log"}

var readyDesc = prometheus.NewDesc("vidbell_ready",
	"1 for each check behind /readyz that is good: engine (connected and writable), state (loaded), log (takes what is new).",
	[]string{"check"}, nil)

// readiness shows what /readyz says. A check that is not made yet is not good.
type readiness struct{ checks func() []web.Check }

// Describe tells of the one metric.
func (readiness) Describe(ch chan<- *prometheus.Desc) { ch <- readyDesc }

// Collect asks as a probe would.
func (r readiness) Collect(ch chan<- prometheus.Metric) {
	good := make(map[string]bool, len(readyChecks))
	for _, c := range r.checks() {
		good[c.Name] = c.OK
	}
	for _, name := range readyChecks {
		ch <- prometheus.MustNewConstMetric(readyDesc, prometheus.GaugeValue, flag(good[name]), name)
	}
}
