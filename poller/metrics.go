package poller

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"vidbell/diff"
	"vidbell/poller/memories"
)

// outcomeOK is the outcome of a request that brought a page; the others are the classes of package memories.
const outcomeOK = "ok"

type metrics struct {
	polls      *prometheus.CounterVec
	requests   *prometheus.CounterVec
	sweeps     *prometheus.CounterVec
	lastSweep  *prometheus.GaugeVec
	mismatches *prometheus.CounterVec
	observes   *prometheus.CounterVec
	changes    *prometheus.CounterVec
	ignored    *prometheus.CounterVec
	unknown    *prometheus.CounterVec
	videos     *prometheus.GaugeVec
	rate       *prometheus.GaugeVec
	degraded   *prometheus.GaugeVec
	lastPoll   *prometheus.GaugeVec
	detection  *prometheus.HistogramVec
	duration   *prometheus.HistogramVec
	waited     *prometheus.CounterVec

	off      *prometheus.GaugeVec
	held     *prometheus.GaugeVec
	suspects *prometheus.GaugeVec
	filters  *prometheus.GaugeVec
	order    *prometheus.GaugeVec
	meaning  *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		polls: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_polls_total", Help: "Ticks of a source, by outcome: ok, or failed when a page was missing after all tries.",
		}, []string{"source", "outcome"}),
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_poll_requests_total", Help: "Requests to the platform, by lane and outcome (ok, or the class of the failure).",
		}, []string{"source", "lane", "outcome"}),
		sweeps: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_sweeps_total", Help: "Walks through the whole listing, by how they ended.",
		}, []string{"source", "outcome"}),
		lastSweep: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_sweep_last_complete_timestamp_seconds", Help: "When the last complete sweep ended; 0 before the first.",
		}, []string{"source"}),
		mismatches: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_sweep_count_mismatches_total", Help: "Complete sweeps that saw another number of videos than the platform counts.",
		}, []string{"source"}),
		observes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_observations_total", Help: "Videos seen in listings, each time they were seen.",
		}, []string{"source"}),
		changes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_changes_total", Help: "Changes recorded, by reason.",
		}, []string{"source", "reason"}),
		ignored: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_observations_held_total", Help: "Observations not believed yet (unconfirmed) or any more (stale).",
		}, []string{"source", "reason"}),
		unknown: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_unknown_status_total", Help: "Videos that moved into a status word no list knows.",
		}, []string{"source"}),
		videos: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_videos", Help: "Videos known, by status.",
		}, []string{"source", "status"}),
		rate: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_poll_rate_limit", Help: "Requests a second that the source's account allows itself now.",
		}, []string{"source"}),
		degraded: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_source_degraded", Help: "1 while the source is reported as degraded.",
		}, []string{"source"}),
		lastPoll: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_poll_last_success_timestamp_seconds", Help: "When the last tick without a failure began; 0 before the first.",
		}, []string{"source"}),
		detection: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vidbell_detection_latency_seconds", Help: "From the start of the request that showed a change to the change stored in the log.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}, []string{"source"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vidbell_poll_duration_seconds", Help: "Time of one tick of a source, waiting for the quota and for the log included.",
			Buckets: prometheus.ExponentialBuckets(0.05, 2, 14),
		}, []string{"source"}),
		waited: f.NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_poll_quota_wait_seconds_total", Help: "Time that requests of a source waited for their turn in the quota of its account.",
		}, []string{"source"}),
		off: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_sweep_count_difference", Help: "Videos that the last complete sweep saw more, or fewer, than the platform counts.",
		}, []string{"source"}),
		held: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_deletions_held", Help: "Videos whose deletion is held back, since many are gone at once.",
		}, []string{"source"}),
		suspects: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_suspects", Help: "Videos that a complete sweep did not show and that wait to be looked up.",
		}, []string{"source"}),
		filters: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_filter_honoured", Help: "0 while the platform is known to ignore a filter or to answer it wrong.",
		}, []string{"source", "filter"}),
		order: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_listing_newest_first", Help: "0 while the listing is in another order, so that it has no head to poll.",
		}, []string{"source"}),
		meaning: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vidbell_parse_meaning", Help: "1 for what the word PARSE is taken to mean: done, processing, or unknown while it is held.",
		}, []string{"source", "meaning"}),
	}
}

// addSource puts every counter of a source at zero, so that the first failure is an increase.
func (m *metrics) addSource(name string, a *Account) {
	for _, outcome := range []string{outcomeOK, string(outcomeFailed)} {
		m.polls.WithLabelValues(name, outcome)
	}
	for _, l := range lanesOf() {
		m.requests.WithLabelValues(name, string(l), outcomeOK)
		for _, c := range memories.Classes() {
			m.requests.WithLabelValues(name, string(l), string(c))
		}
	}
	for _, o := range []outcome{outcomeComplete, outcomePartial, outcomeFailed} {
		m.sweeps.WithLabelValues(name, string(o))
	}
	for _, r := range diff.Reasons() {
		m.changes.WithLabelValues(name, string(r))
	}
	m.ignored.WithLabelValues(name, "stale")
	m.ignored.WithLabelValues(name, "unconfirmed")
	for _, v := range []*prometheus.CounterVec{m.mismatches, m.observes, m.unknown, m.waited} {
		v.WithLabelValues(name)
	}
	for _, st := range statuses() {
		m.videos.WithLabelValues(name, st.String())
	}
	m.lastSweep.WithLabelValues(name)
	m.lastPoll.WithLabelValues(name)
	m.degraded.WithLabelValues(name)
	m.detection.WithLabelValues(name)
	m.duration.WithLabelValues(name)
	m.rate.WithLabelValues(name).Set(a.Rate())
	for _, v := range []*prometheus.GaugeVec{m.off, m.held, m.suspects} {
		v.WithLabelValues(name)
	}
	for _, f := range filters() {
		m.filters.WithLabelValues(name, string(f)).Set(1)
	}
	for _, st := range parseMeanings() {
		m.meaning.WithLabelValues(name, st.String())
	}
	m.order.WithLabelValues(name).Set(1) // until it is known otherwise
}

// removeSource ends the series of a source.
func (m *metrics) removeSource(name string) {
	labels := prometheus.Labels{"source": name}
	for _, v := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{
		m.polls, m.requests, m.sweeps, m.changes, m.ignored, m.mismatches, m.observes, m.unknown, m.videos, m.lastSweep, m.lastPoll, m.degraded,
		m.detection, m.rate, m.off, m.held, m.suspects, m.filters, m.meaning, m.order, m.duration, m.waited,
	} {
		v.DeletePartialMatch(labels)
	}
}

func (m *metrics) request(source string, l lane, class memories.Class) {
	outcome := string(class)
	if class == "" {
		outcome = outcomeOK
	}
	m.requests.WithLabelValues(source, string(l), outcome).Inc()
}

func (m *metrics) poll(source string, took time.Duration, err error) {
	m.duration.WithLabelValues(source).Observe(took.Seconds())
	outcome := outcomeOK
	if err != nil {
		outcome = string(outcomeFailed)
	}
	m.polls.WithLabelValues(source, outcome).Inc()
}

func (m *metrics) swept(source string, o outcome) {
	m.sweeps.WithLabelValues(source, string(o)).Inc()
	if o == outcomeComplete {
		m.lastSweep.WithLabelValues(source).Set(float64(time.Now().UnixMilli()) / 1e3)
	}
}

func (m *metrics) observed(source string, n int, res *diff.Result) {
	m.observes.WithLabelValues(source).Add(float64(n))
	m.ignored.WithLabelValues(source, "stale").Add(float64(res.Stale))
	m.ignored.WithLabelValues(source, "unconfirmed").Add(float64(res.Unconfirmed))
	m.unknown.WithLabelValues(source).Add(float64(res.UnknownVideos))
}

func (m *metrics) change(source string, c diff.Change, now time.Time) {
	m.changes.WithLabelValues(source, string(c.Reason)).Inc()
	m.detection.WithLabelValues(source).Observe(diff.TimeOf(now).Since(c.At).Seconds())
}

// statuses lists those that a known video can have.
func statuses() []diff.Status {
	return []diff.Status{diff.Processing, diff.Unknown, diff.Done, diff.Failed, diff.Deleted}
}

func (m *metrics) state(source string, s Status) {
	for st, n := range s.Counts {
		m.videos.WithLabelValues(source, st.String()).Set(float64(n))
	}
	m.rate.WithLabelValues(source).Set(s.Rate)
	m.degraded.WithLabelValues(source).Set(flag(s.Degraded != ""))
	m.lanes(source, s)
	if s.LastError == "" && !s.NextPoll.IsZero() { // a tick has ended
		m.lastPoll.WithLabelValues(source).Set(float64(s.LastPoll.UnixMilli()) / 1e3)
	}
}

// lanes shows what lanes and sweeps are doing.
func (m *metrics) lanes(source string, s Status) {
	off := int64(0)
	if s.Mismatch != nil {
		off = s.Mismatch.Seen - s.Mismatch.Counted
	}
	m.off.WithLabelValues(source).Set(float64(off))
	m.held.WithLabelValues(source).Set(float64(s.Held.Videos))
	m.suspects.WithLabelValues(source).Set(float64(s.Suspects))
	m.order.WithLabelValues(source).Set(flag(s.NewestFirst))
	for f, state := range s.Filters {
		m.filters.WithLabelValues(source, f).Set(flag(state != FilterIgnored))
	}
	for _, st := range parseMeanings() {
		m.meaning.WithLabelValues(source, st.String()).Set(flag(s.Parse == st.String()))
	}
}

// parseMeanings lists what PARSE can mean.
func parseMeanings() []diff.Status { return []diff.Status{diff.Unknown, diff.Processing, diff.Done} }

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
