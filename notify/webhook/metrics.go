package webhook

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	attempts *prometheus.CounterVec
	duration *prometheus.HistogramVec
	pending  *prometheus.GaugeVec
	dead     *prometheus.CounterVec
	foreign  *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
	state    *prometheus.GaugeVec
	oldest   *prometheus.GaugeVec
	success  *prometheus.GaugeVec

	filtered     *prometheus.CounterVec
	filterErrors *prometheus.CounterVec
	unlogged     prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	endpoint := []string{"endpoint"}
	m := &metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_webhook_attempts_total",
			Help: "HTTP requests made to webhook endpoints, by what became of the delivery.",
		}, []string{"endpoint", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "vidbell_webhook_attempt_duration_seconds",
			Help:    "Time of one HTTP exchange with a webhook endpoint, reading the answer included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 30},
		}, endpoint),
		pending: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_webhook_pending",
			Help: "Events not yet delivered to a webhook endpoint, those waiting for a retry included.",
		}, endpoint),
		oldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_webhook_oldest_pending_timestamp_seconds",
			Help: "When the oldest event not yet delivered to a webhook endpoint was stored; 0 for none.",
		}, endpoint),
		success: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_webhook_last_success_timestamp_seconds",
			Help: "When a webhook endpoint last took a delivery from this process; 0 before the first.",
		}, endpoint),
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_webhook_dead_letters_total",
			Help: "Deliveries given up and kept as dead letters.",
		}, endpoint),
		foreign: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_webhook_foreign_messages_total",
			Help: "Messages in the streams that vidbell did not write, and did not deliver.",
		}, endpoint),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "vidbell_webhook_delivery_latency_seconds",
			Help:    "Time from an event's storage in the log to its successful delivery.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 10, 30, 60, 300, 1800, 7200, 86400},
		}, endpoint),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_webhook_in_flight",
			Help: "HTTP requests to a webhook endpoint under way.",
		}, endpoint),
		state: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_endpoint_state",
			Help: "1 for the state a webhook endpoint is in: active, paused by a Retry-After, degraded (probed only), or disabled.",
		}, []string{"endpoint", "state"}),
		filtered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_webhook_filtered_total",
			Help: "Events that a webhook endpoint's filter kept from it.",
		}, endpoint),
		filterErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_webhook_filter_errors_total",
			Help: "Events that a webhook endpoint's filter could not be asked about; they are delivered.",
		}, endpoint),
		unlogged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vidbell_webhook_log_lost_total",
			Help: "Attempts that the delivery log has no record of, because the engine did not take it; no event is lost with them.",
		}),
	}
	if registerer == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.attempts, m.duration, m.pending, m.dead, m.foreign, m.latency, m.inFlight, m.state, m.oldest, m.success, m.filtered, m.filterErrors, m.unlogged} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("register webhook metrics: %w", err)
		}
	}
	return m, nil
}

// laneMetrics are one endpoint's, looked up once.
type laneMetrics struct {
	attempts map[verdict]prometheus.Counter
	states   map[State]prometheus.Gauge
	duration prometheus.Observer
	pending  prometheus.Gauge
	dead     prometheus.Counter
	foreign  prometheus.Counter
	latency  prometheus.Observer
	inFlight prometheus.Gauge
	oldest   prometheus.Gauge
	success  prometheus.Gauge

	filtered     prometheus.Counter
	filterErrors prometheus.Counter
}

func (m *metrics) lane(endpoint string) *laneMetrics {
	l := &laneMetrics{
		attempts: make(map[verdict]prometheus.Counter, len(verdicts)),
		states:   make(map[State]prometheus.Gauge, len(states)),
		duration: m.duration.WithLabelValues(endpoint),
		pending:  m.pending.WithLabelValues(endpoint),
		dead:     m.dead.WithLabelValues(endpoint),
		foreign:  m.foreign.WithLabelValues(endpoint),
		latency:  m.latency.WithLabelValues(endpoint),
		inFlight: m.inFlight.WithLabelValues(endpoint),
		oldest:   m.oldest.WithLabelValues(endpoint),
		success:  m.success.WithLabelValues(endpoint),

		filtered:     m.filtered.WithLabelValues(endpoint),
		filterErrors: m.filterErrors.WithLabelValues(endpoint),
	}
	for _, v := range verdicts {
		l.attempts[v] = m.attempts.WithLabelValues(endpoint, string(v))
	}
	for _, s := range states {
		l.states[s] = m.state.WithLabelValues(endpoint, string(s))
	}
	l.enter(StateActive)
	return l
}

// forget ends the series of an endpoint.
func (m *metrics) forget(endpoint string) {
	labels := prometheus.Labels{"endpoint": endpoint}
	for _, v := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{m.attempts, m.duration, m.pending, m.dead, m.foreign, m.latency, m.inFlight, m.state, m.oldest, m.success, m.filtered, m.filterErrors} {
		v.DeletePartialMatch(labels)
	}
}

func (l *laneMetrics) attempt(v verdict, took time.Duration) {
	l.attempts[v].Inc()
	l.duration.Observe(took.Seconds())
	if v == verdictDelivered {
		l.success.Set(timestamp(time.Now()))
	}
}

func (l *laneMetrics) enter(state State) {
	for _, s := range slices.DeleteFunc(slices.Clone(states), func(s State) bool { return s == state }) {
		l.states[s].Set(0)
	}
	l.states[state].Set(1)
}
