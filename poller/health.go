package poller

import (
	"context"
	"time"

	"go.uber.org/zap"

	"vidbell/diff"
	"vidbell/poller/memories"
)

// Reason says why a source is degraded: the class of the failure that lasts, or one of these.
type Reason string

// The reasons beside the classes of package memories.
const (
	ReasonCountMismatch Reason = "count_mismatch" // three sweeps in a row disagree with the platform's total count
	ReasonListing       Reason = "listing"        // pages arrive but make no whole: repeated, endless, another than asked for
)

// Report is one piece of news about the health of a source.
type Report struct {
	Source    string
	Recovered bool
	Reason    Reason
	Detail    string
	Since     diff.Time // when the trouble began
	At        diff.Time
}

// Reporter tells the world about the health of sources, and remembers what it told.
type Reporter interface {
	Report(ctx context.Context, r Report) error
	// Last returns the newest report about a source; the zero Report when there is none.
	Last(ctx context.Context, source string) (Report, error)
}

// health is what is known of a source's health.
type health struct {
	failures   int // failed ticks in a row
	mismatches int // sweeps in a row that miscounted
	since      time.Time
	reason     Reason // of the latest failure; empty when the last tick went well
	detail     string

	told    Report    // the newest report that was stored
	holding time.Time // since when the engine has been away
	logged  time.Time
	repeats int
}

// refused reports whether the account itself is in trouble: polling on would only hammer.
func (h *health) refused() bool { return memories.Class(h.reason).Account() }

// degraded reports whether the world was told of trouble.
func (h *health) degraded() bool { return h.told.Reason != "" && !h.told.Recovered }

func (h *health) counted()    { h.mismatches = 0 }
func (h *health) miscounted() { h.mismatches++ }

// failed notes a failed tick.
func (h *health) failed(err error) {
	if h.failures == 0 {
		h.since = time.Now()
	}
	h.failures++
	h.reason, h.detail = reasonOf(err), err.Error()
}

func (h *health) well() {
	h.failures, h.reason, h.detail = 0, "", ""
}

func reasonOf(err error) Reason {
	class := memories.ClassOf(err)
	if class == memories.ClassUnknown && isWalkError(err) {
		return ReasonListing
	}
	return Reason(class)
}

// verdict is what the world should believe now; empty is health.
func (h *health) verdict() (Reason, string) {
	switch {
	case h.refused(), h.failures >= troubleAfter:
		return h.reason, h.detail
	case h.mismatches >= mismatchesAfter:
		return ReasonCountMismatch, "complete sweeps do not show as many videos as the platform counts"
	default:
		return "", ""
	}
}

// afterTick logs what went wrong, without repeating itself, and reports what the world should know.
func (r *runner) afterTick(ctx context.Context, err error) {
	h := &r.health
	if err != nil {
		before := h.reason
		h.failed(err)
		h.logFailure(r.log, before != h.reason, err)
	} else {
		h.well()
	}
	reason, detail := h.verdict()
	switch {
	case reason != "" && (!h.degraded() || h.refused() && !memories.Class(h.told.Reason).Account()):
		r.report(ctx, Report{Reason: reason, Detail: detail, Since: diff.TimeOf(h.begin())})
	case reason == "" && h.degraded() && h.failures == 0:
		r.report(ctx, Report{Recovered: true, Reason: h.told.Reason, Detail: "readable again", Since: h.told.Since})
	}
}

func (h *health) begin() time.Time {
	if h.failures > 0 {
		return h.since
	}
	return time.Now()
}

// report stores a report; one that could not be stored is tried again at the next tick.
func (r *runner) report(ctx context.Context, rep Report) {
	rep.Source, rep.At = r.Name, diff.TimeOf(time.Now())
	if err := r.poller.reporter.Report(ctx, rep); err != nil {
		r.log.Warn("could not report the source's health, trying again at the next poll", zap.Error(err))
		return
	}
	r.health.told = rep
	fields := []zap.Field{zap.String("reason", string(rep.Reason)), zap.String("detail", rep.Detail)}
	if rep.Recovered {
		r.log.Info("source recovered", fields...)
		return
	}
	r.log.Error("source degraded", fields...)
}

const repeatEvery = time.Minute

// logFailure logs an error when it is new, and then once a minute with its count.
func (h *health) logFailure(log *zap.Logger, changed bool, err error) {
	h.repeats++
	if !changed && time.Since(h.logged) < repeatEvery {
		return
	}
	log.Warn("poll failed", zap.Error(err), zap.Int("times", h.repeats))
	h.logged, h.repeats = time.Now(), 0
}

// held logs once that the engine is away.
func (h *health) held(log *zap.Logger, err error) {
	if h.holding.IsZero() {
		h.holding = time.Now()
		log.Warn("the log cannot be written, holding", zap.Error(err))
	}
}

// released logs that the engine is back.
func (h *health) released(log *zap.Logger) {
	if !h.holding.IsZero() {
		log.Info("the log is written again", zap.Duration("after", time.Since(h.holding)))
		h.holding = time.Time{}
	}
}
