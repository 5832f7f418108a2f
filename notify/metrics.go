package notify

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"vidbell/diff"
)

type logMetrics struct {
	events  *prometheus.CounterVec
	errors  *prometheus.CounterVec
	batch   prometheus.Histogram
	reloads prometheus.Counter
	foreign prometheus.Counter
}

func newLogMetrics(r prometheus.Registerer) *logMetrics {
	f := promauto.With(r)
	m := &logMetrics{
		events: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_events_published_total", Help: "Events appended to the log, by source and type.",
		}, []string{"source", "type"}),
		errors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_log_append_failures_total", Help: "Appends that were refused (conflict) or not acknowledged (unavailable).",
		}, []string{"reason"}),
		batch: f.NewHistogram(prometheus.HistogramOpts{
			Name: "vidbell_log_append_duration_seconds", Help: "Time to store one atomic batch.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		reloads: f.NewCounter(prometheus.CounterOpts{
			Name: "vidbell_log_refreshes_total", Help: "Times the state was brought up to date from the log after a conflict.",
		}),
		foreign: f.NewCounter(prometheus.CounterOpts{
			Name: "vidbell_log_foreign_messages_total", Help: "Messages found in the log that vidbell did not write, and ignored.",
		}),
	}
	m.errors.WithLabelValues("conflict")
	m.errors.WithLabelValues("unavailable")
	return m
}

// AddSource puts the counters of a source at zero, so that the first event is an increase.
func (l *Log) AddSource(source string) {
	for _, k := range diff.Kinds() {
		l.metrics.events.WithLabelValues(source, TypeOf(k))
	}
}

// RemoveSource forgets the counters of a source that is not polled any more. What the log holds of it stays.
func (l *Log) RemoveSource(source string) {
	l.metrics.events.DeletePartialMatch(prometheus.Labels{"source": source})
}

func (m *logMetrics) event(source, kind string) {
	m.events.WithLabelValues(source, "video."+kind).Inc()
}

func (m *logMetrics) failed(err error) {
	if errors.Is(err, ErrConflict) {
		m.errors.WithLabelValues("conflict").Inc()
		return
	}
	m.errors.WithLabelValues("unavailable").Inc()
}
