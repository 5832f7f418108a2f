package poller

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"vidbell/diff"
	"vidbell/poller/memories"
)

// filter is a way to ask for some of the videos.
type filter string

const (
	filterVideoNos filter = "video_nos"
	filterStatus   filter = "status"
	filterVideoNo  filter = "video_no"
)

func filters() []filter { return []filter{filterVideoNos, filterStatus, filterVideoNo} }

// FilterState is what the platform is seen to do with a filter.
type FilterState string

// The states of a filter.
const (
	FilterUntried  FilterState = "untried"
	FilterHonoured FilterState = "honoured"
	FilterIgnored  FilterState = "ignored" // or answered wrong; not used for a day
)

func (r *runner) filterState(f filter) FilterState {
	switch {
	case !r.honours(f):
		return FilterIgnored
	case r.proved[f].IsZero():
		return FilterUntried
	default:
		return FilterHonoured
	}
}

const (
	// distrustFor is how long a filter that was ignored is not used.
	distrustFor = 24 * time.Hour
	// maxStrikes is how often a filter may leave out what it should show: once or twice a lagging replica has answered.
	maxStrikes = 3
)

// honours reports whether the platform is not known to ignore a filter.
func (r *runner) honours(f filter) bool {
	at := *ignoredAt(&r.state.Filters, f)
	now := diff.TimeOf(r.poller.wall())
	return at == 0 || at > now || now.Since(at) >= distrustFor // a time in the future was noted by a clock that was ahead
}

func ignoredAt(all *diff.Filters, f filter) *diff.Time {
	switch f {
	case filterVideoNos:
		return &all.VideoNos
	case filterStatus:
		return &all.Status
	default:
		return &all.VideoNo
	}
}

// distrust notes in the source's state that a filter is ignored or answered wrong, and does without it for a day.
func (r *runner) distrust(ctx context.Context, f filter, why string) error {
	all := r.state.Filters
	*ignoredAt(&all, f) = diff.TimeOf(r.poller.wall())
	r.proved[f], r.strikes[f] = time.Time{}, 0
	r.log.Info("filter not honoured by the platform, doing without it", zap.String("filter", string(f)), zap.String("because", why),
		zap.Duration("for", distrustFor))
	_, err := r.commit(ctx, diff.Input{Filters: &all})
	return err
}

// strike counts one more time that a filter was of no use, and gives it up for a day when that goes on.
func (r *runner) strike(ctx context.Context, f filter, why string) error {
	if r.strikes[f]++; r.strikes[f] < maxStrikes {
		return nil
	}
	return r.distrust(ctx, f, why)
}

// deceived takes in an answer that is none to what was asked, and distrusts the filter.
func (r *runner) deceived(ctx context.Context, f filter, page memories.Page, why string) error {
	if err := r.sight(ctx, page); err != nil {
		return err
	}
	return r.distrust(ctx, f, why)
}

// errRefused means that the platform refused a request with a filter. The tick goes on without it.
var errRefused = errors.New("the request with the filter is refused")

// refusedFilter takes a refusal of the request itself for one of the filter, since the same listing is answered without it. A
// filter that is refused again and again is not used for a day. It returns errRefused, or an error of any other kind as it is.
func (r *runner) refusedFilter(ctx context.Context, f filter, err error) error {
	if !refusesRequest(err) || ctx.Err() != nil {
		return err
	}
	if err := r.strike(ctx, f, "it is refused"); err != nil {
		return err
	}
	return errRefused
}

func refusesRequest(err error) bool {
	switch memories.ClassOf(err) {
	case memories.ClassBadRequest, memories.ClassNotFound, memories.ClassUnknown:
		return true
	default:
		return false
	}
}

// ask makes one request of the tick's budget.
func (r *runner) ask(ctx context.Context, l lane, q memories.Query) (memories.Page, error) {
	r.budget--
	return r.fetch(ctx, l, q)
}
