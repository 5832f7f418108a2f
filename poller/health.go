package poller

import (
	"context"
	"errors"
	"fmt"
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
	ReasonEmpty         Reason = "empty"          // nothing is listed, though videos are known or a day has gone by
	ReasonDeletions     Reason = "mass_deletion"  // many videos are gone or replaced at once; that is held back
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
	// Report stores a report. After an error it may be stored or not: Last tells.
	Report(ctx context.Context, r Report) error
	// Last returns the newest report about a source; the zero Report when there is none. ErrUnreadable means that there is
	// one that cannot be read, any other error that the store is away.
	Last(ctx context.Context, source string) (Report, error)
}

const (
	// troubleAfter is how many ticks must fail in a row before a source is degraded.
	troubleAfter = 3
	// bareFor is after how long a source that never showed a video is worth a notice: a misspelt namespace answers like this.
	bareFor = 24 * time.Hour
	// doubtsAfter is how many complete sweeps in a row must be doubtful before a source is degraded.
	doubtsAfter = 3
	// recallEvery is how often the newest report is read again: another process may have told of a trouble and have ended before
	// the trouble did.
	recallEvery = 10 * time.Minute
)

// health is what is known of a source's health.
type health struct {
	failures int // failed ticks in a row
	since    time.Time
	reason   Reason // of the latest failure; empty when the last tick went well
	detail   string

	listed     bool // the newest listing was not empty
	judged     bool // a complete sweep was compared with what the platform counts
	doubts     int  // sweeps in a row that were doubtful
	doubt      Reason
	doubtSince time.Time
	held       diff.Hold // what is held back
	complete   bool      // the newest sweep that was judged missed no video
	heldSince  time.Time
	bare       time.Time // since when a source that never showed a video is watched; zero for others

	told     Report // the newest report that was stored
	knows    bool   // told is true
	recalled time.Time
	log      repeated
}

// refused reports whether the account itself is in trouble: polling on would only hammer.
func (h *health) refused() bool { return memories.Class(h.reason).Account() }

// degraded reports whether the world was told of trouble.
func (h *health) degraded() bool { return h.told.Reason != "" && !h.told.Recovered }

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
	h.log.over()
}

// judge notes what a complete sweep makes us doubt; empty is nothing.
func (h *health) judge(doubt Reason) {
	h.judged, h.listed = true, doubt != ReasonEmpty
	if doubt == "" {
		h.trust()
		return
	}
	if h.doubts == 0 {
		h.doubtSince = time.Now()
	}
	h.doubts++
	h.doubt = doubt
}

func (h *health) trust() { h.doubts, h.doubt = 0, "" }

// emptied reports whether the listing has been empty for long, though videos are known.
func (h *health) emptied() bool { return h.doubt == ReasonEmpty && h.doubts >= doubtsAfter }

// holds notes what is held back.
func (h *health) holds(held diff.Hold) {
	if h.held.Videos == 0 {
		h.heldSince = time.Now()
	}
	h.held = held
}

// holdText says what is held back, for people.
func holdText(h diff.Hold) string {
	gone := h.Videos - h.Replaced
	switch {
	case h.Replaced == 0:
		return fmt.Sprintf("%d videos are gone at once, their deletion is held back", gone)
	case gone == 0:
		return fmt.Sprintf("%d videos show another creation time at once, their replacement is held back", h.Replaced)
	}
	return fmt.Sprintf("%d videos are gone at once and %d show another creation time, their deletion and replacement is held back",
		gone, h.Replaced)
}

// shown notes a listing that was not empty.
func (h *health) shown() {
	h.listed = true
	if h.doubt == ReasonEmpty {
		h.trust()
	}
}

func reasonOf(err error) Reason {
	class := memories.ClassOf(err)
	if class == memories.ClassUnknown && isWalkError(err) {
		return ReasonListing
	}
	return Reason(class)
}

// verdict is what the world should believe now; no reason is health.
func (h *health) verdict() Report {
	switch {
	case h.refused(), h.failures >= troubleAfter:
		return Report{Reason: h.reason, Detail: h.detail, Since: diff.TimeOf(h.since)}
	case h.doubts >= doubtsAfter:
		return Report{Reason: h.doubt, Detail: doubtText(h.doubt), Since: diff.TimeOf(h.doubtSince)}
	case h.held.Videos > 0:
		return Report{Reason: ReasonDeletions, Detail: holdText(h.held), Since: diff.TimeOf(h.heldSince)}
	case !h.bare.IsZero() && time.Since(h.bare) >= bareFor:
		return Report{
			Reason: ReasonEmpty, Detail: "no video was ever listed here; if there should be some, check the name of the namespace",
			Since: diff.TimeOf(h.bare),
		}
	default:
		return Report{}
	}
}

func doubtText(doubt Reason) string {
	if doubt == ReasonEmpty {
		return "the listing is empty, though videos are known"
	}
	return "complete sweeps do not show as many videos as the platform counts"
}

// news is what the world has to be told, if anything. One trouble is told once; a refused account is told even in the middle
// of another trouble, for it asks for a person.
func (h *health) news() (Report, bool) {
	v := h.verdict()
	switch {
	case v.Reason != "":
		return v, !h.degraded() || h.refused() && !memories.Class(h.told.Reason).Account()
	case h.degraded() && h.failures == 0 && h.disproved(h.told.Reason):
		return Report{Recovered: true, Reason: h.told.Reason, Detail: "readable again", Since: h.told.Since}, true
	default:
		return Report{}, false
	}
}

// disproved reports whether a tick that went well ends a trouble. What made us doubt must be seen to be otherwise: after a
// restart nothing was seen yet.
func (h *health) disproved(told Reason) bool {
	switch told {
	case ReasonDeletions:
		return h.complete && h.held.Videos == 0 // a restart forgets what was held, and not what is missing
	case ReasonCountMismatch:
		return h.judged && h.doubts == 0
	case ReasonEmpty:
		return h.listed
	default:
		return true
	}
}

// afterTick logs what went wrong, without repeating itself, and reports what the world should know.
func (r *runner) afterTick(ctx context.Context, err error) {
	h := &r.health
	h.bare = r.bareSince()
	if err == nil {
		h.well()
	} else {
		h.failed(err)
		if times, worth := h.log.seen(string(h.reason), time.Now()); worth {
			r.log.Warn("poll failed", zap.Error(err), zap.Int("times", times))
		}
	}
	if !r.recall(ctx) {
		return
	}
	if rep, ok := h.news(); ok {
		r.report(ctx, rep)
	}
}

// bareSince is the time of the baseline of a source that never showed a video. One that a clock from the future noted counts
// from when we see that.
func (r *runner) bareSince() time.Time {
	since := r.state.BaselineAt.Time()
	switch {
	case r.state.Len() > 0:
		return time.Time{}
	case !since.After(r.poller.wall()):
		return since
	case r.health.bare.IsZero():
		return time.Now()
	}
	return r.health.bare
}

// recall learns what was last reported: at start, after a report that may or may not have been stored, and now and then.
func (r *runner) recall(ctx context.Context) bool {
	if r.health.knows && time.Since(r.health.recalled) < recallEvery {
		return true
	}
	last, err := r.poller.reporter.Last(ctx, r.Name)
	if err != nil && !errors.Is(err, ErrUnreadable) {
		r.reportFailed(ctx, "could not read the last report about the source", err)
		return false
	}
	if err != nil {
		r.log.Warn("the last report about the source cannot be read, taking it as healthy", zap.Error(err))
	}
	r.health.told, r.health.knows, r.health.recalled = last, true, time.Now()
	return true
}

// report stores a report; one that could not be stored is decided again after the next tick.
func (r *runner) report(ctx context.Context, rep Report) {
	rep.Source, rep.At = r.Name, diff.TimeOf(time.Now())
	if err := r.poller.reporter.Report(ctx, rep); err != nil {
		r.health.knows = false
		r.reportFailed(ctx, "could not report the source's health", err)
		return
	}
	r.health.told = rep
	r.reports.over()
	fields := []zap.Field{zap.String("reason", string(rep.Reason)), zap.String("detail", rep.Detail)}
	if rep.Recovered {
		r.log.Info("source recovered", fields...)
		return
	}
	r.log.Error("source degraded", fields...)
}

func (r *runner) reportFailed(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return // our own doing
	}
	if times, worth := r.reports.seen(what, time.Now()); worth {
		r.log.Warn(what+", trying again after the next poll", zap.Error(err), zap.Int("times", times))
	}
}
