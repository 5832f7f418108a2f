package poller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"vidbell/poller/memories"
)

// lane is what a request is made for.
type lane string

const (
	laneHead     lane = "head"      // what is new
	laneFlight   lane = "in_flight" // what is known to be in processing
	laneHint     lane = "hint"      // what the platform, or somebody who knows the secret, says has moved
	laneSuspect  lane = "suspect"   // what a sweep did not show
	laneSweep    lane = "sweep"     // everything
	laneBaseline lane = "baseline"  // everything, for the first time
)

func lanesOf() []lane {
	return []lane{laneHead, laneFlight, laneHint, laneSuspect, laneSweep, laneBaseline}
}

func (l lane) urgency() Urgency {
	switch l {
	case laneFlight, laneHint, laneSuspect:
		return UrgentLookup
	case laneHead:
		return UrgentHead
	default:
		return UrgentSweep
	}
}

const (
	// maxTries bounds the requests for one page that fails; maxThrottles those for one that is throttled.
	maxTries     = 4
	maxThrottles = 10
	// maxThrottled bounds how long a page is asked for in place: a source that is throttled for long is in trouble.
	maxThrottled = 2 * time.Minute
	retryMin     = 500 * time.Millisecond
)

// fetch asks for one page, again where asking again may help. Every request, failed or not, passes the account's quota.
func (r *runner) fetch(ctx context.Context, l lane, q memories.Query) (memories.Page, error) {
	q.UniqueID = r.UniqueID
	pause, start := retryMin, time.Now()
	for failures, throttles := 0, 0; ; {
		page, err := r.request(ctx, l, q)
		if err == nil {
			return page, nil
		}
		if ctx.Err() != nil {
			return memories.Page{}, ctx.Err()
		}
		if memories.ClassOf(err) == memories.ClassThrottled {
			if throttles++; throttles >= maxThrottles || throttles > 1 && time.Since(start) > maxThrottled {
				return memories.Page{}, fmt.Errorf("poll %s: throttled %d times: %w", r.Name, throttles, err)
			}
			continue // the account waits
		}
		failures++
		if !memories.Retryable(err) || failures >= maxTries {
			return memories.Page{}, fmt.Errorf("poll %s: %w", r.Name, err)
		}
		r.log.Debug("page failed, trying again", zap.String("lane", string(l)), zap.Int("page", q.Page), zap.Error(err))
		rest := max(retryAfter(err), jittered(pause, r.poller.random()))
		r.pulse.beat(rest)
		if err := sleep(ctx, rest); err != nil {
			return memories.Page{}, err
		}
		pause *= 2
	}
}

// jittered is between half of d and one and a half.
func jittered(d time.Duration, random float64) time.Duration {
	return d/2 + time.Duration(random*float64(d))
}

func retryAfter(err error) time.Duration {
	var e *memories.Error
	if errors.As(err, &e) {
		return min(e.RetryAfter, maxRetryAfter)
	}
	return 0
}

// request makes one request within the quota.
func (r *runner) request(ctx context.Context, l lane, q memories.Query) (memories.Page, error) {
	if err := r.queue(ctx, l.urgency()); err != nil {
		return memories.Page{}, err
	}
	page, err := r.list(ctx, l, q)
	if ctx.Err() != nil {
		return memories.Page{}, ctx.Err()
	}
	class := memories.ClassOf(err)
	r.asked[l]++
	r.poller.metrics.request(r.Name, l, class)
	switch class {
	case "":
		r.Account.Answered()
	case memories.ClassThrottled:
		r.Account.Throttled(retryAfter(err))
		if times, worth := r.throttles.seen("", time.Now()); worth {
			r.log.Info("throttled by the platform", zap.Float64("rate", r.Account.Rate()), zap.Int("times", times), zap.Error(err))
		}
	default: // says nothing about the quota
	}
	return page, err
}

// queue waits for the request's turn in the account's quota.
func (r *runner) queue(ctx context.Context, u Urgency) error {
	start := time.Now()
	r.pulse.queued.Store(true)
	err := r.Account.Wait(ctx, u)
	r.pulse.beat(0)
	r.pulse.queued.Store(false)
	r.poller.metrics.waited.WithLabelValues(r.Name).Add(time.Since(start).Seconds())
	return err
}
