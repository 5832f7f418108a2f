package simulator

import (
	"math"
	"strconv"
	"time"

	"golang.org/x/time/rate"
)

// quota is a token bucket per account, filled by the simulator's clock.
type quota struct {
	perSecond float64
	burst     int
	buckets   map[string]*rate.Limiter
}

func newQuota(perSecond float64, burst int) quota {
	if burst == 0 {
		burst = int(math.Max(1, math.Ceil(perSecond)))
	}
	return quota{perSecond: perSecond, burst: burst, buckets: map[string]*rate.Limiter{}}
}

// take spends a token of an account, if it has one.
func (q *quota) take(account string, now time.Time) bool {
	if q.perSecond == 0 {
		return true
	}
	bucket, ok := q.buckets[account]
	if !ok {
		bucket = rate.NewLimiter(rate.Limit(q.perSecond), q.burst)
		q.buckets[account] = bucket
	}
	return bucket.AllowN(now, 1)
}

// throttle is the refusal of a request beyond the quota.
func (o Options) throttle() reply {
	var r reply
	switch o.Throttle {
	case ThrottleHTTP:
		r = springReply(429, ListPath)
	case ThrottleInteger:
		r = envelope(200, verdict{"0429", messageOf("0429"), true}, true)
	case ThrottleText:
		r = envelope(200, verdict{"0001", messageOf("0429"), o.IntegerCode}, false)
	default:
		r = envelope(200, verdict{"0429", messageOf("0429"), o.IntegerCode}, true)
	}
	r.throttled = true
	r.retryAfter(o.RetryAfter)
	return r
}

func (r *reply) retryAfter(d time.Duration) {
	if d > 0 {
		r.header.Set("Retry-After", strconv.Itoa(int(math.Ceil(d.Seconds()))))
	}
}
