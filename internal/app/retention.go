package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"

	"vidbell/notify"
)

const (
	// foldMost and foldLeast bound the time between two looks at what is old: a thirtieth of the retention, between these.
	foldMost  = 24 * time.Hour
	foldLeast = time.Second
)

// retention keeps the log from growing for ever.
type retention struct {
	service *service
	age     time.Duration
	log     *zap.Logger

	runs    *prometheus.CounterVec
	events  prometheus.Counter
	success prometheus.Gauge
}

func newRetention(s *service) *retention {
	f := promauto.With(s.registry)
	r := &retention{
		service: s, age: s.cfg.Retention, log: s.log.Named("retention"),
		runs: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_retention_runs_total", Help: "Looks for events older than the retention, by what came of it.",
		}, []string{"result"}),
		events: f.NewCounter(prometheus.CounterOpts{
			Name: "vidbell_retention_events_total", Help: "Events removed from the log because of their age, their last status kept.",
		}),
		success: f.NewGauge(prometheus.GaugeOpts{
			Name: "vidbell_retention_last_success_timestamp_seconds", Help: "When old events were last looked for without an error; 0 before the first time.",
		}),
	}
	r.runs.WithLabelValues("ok")
	r.runs.WithLabelValues("failed")
	return r
}

// run folds until ctx ends. Without a retention it waits.
func (r *retention) run(ctx context.Context) error {
	if r.age <= 0 {
		<-ctx.Done()
		return nil
	}
	every := min(max(r.age/30, foldLeast), foldMost)
	r.service.events.KeepFor(ctx, r.age, every, r.sources, r.service.dispatcher.Owed, r.report)
	return nil
}

func (r *retention) sources() []string {
	var names []string
	for _, s := range r.service.poller.Status() {
		names = append(names, s.Source)
	}
	return names
}

func (r *retention) report(done notify.Folded, err error) {
	r.events.Add(float64(done.Events))
	if err != nil {
		r.runs.WithLabelValues("failed").Inc()
		r.log.Warn("old events could not be folded, they are kept until the next time", zap.Error(err))
		return
	}
	r.runs.WithLabelValues("ok").Inc()
	r.success.SetToCurrentTime()
}

// sizesEvery is how often the sizes are read for the metrics.
const sizesEvery = 15 * time.Second

// watchSizes keeps the metrics of sizes, until ctx ends.
func (s *service) watchSizes(ctx context.Context) error {
	f := promauto.With(s.registry)
	bytes := f.NewGaugeVec(prometheus.GaugeOpts{Name: "vidbell_stream_bytes", Help: "Size of a stream in the engine."}, []string{"stream"})
	limit := f.NewGaugeVec(prometheus.GaugeOpts{Name: "vidbell_stream_limit_bytes", Help: "What a stream may grow to; 0 for no limit."}, []string{"stream"})
	messages := f.NewGaugeVec(prometheus.GaugeOpts{Name: "vidbell_stream_messages", Help: "Messages in a stream of the engine."}, []string{"stream"})
	tick := time.NewTicker(sizesEvery)
	defer tick.Stop()
	for {
		list, err := streams(ctx, s.engine.JetStream, s.cfg.Names)
		if err == nil { // else the last sizes known say more
			for _, one := range list {
				bytes.WithLabelValues(one.Name).Set(float64(one.Bytes))
				limit.WithLabelValues(one.Name).Set(float64(one.MaxBytes))
				messages.WithLabelValues(one.Name).Set(float64(one.Messages))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
