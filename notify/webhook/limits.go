package webhook

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"golang.org/x/time/rate"
)

const (
	maxSources = 64 // each is a subject per event type in the engine's filter
	minRate    = 0.001
	maxRate    = 10_000
)

// compileLane checks what an endpoint says about how it is served.
func (t *target) compileLane() []error {
	var problems []error
	if t.PublicOnly && t.InsecureHTTP {
		problems = append(problems, errors.New("insecure_http: the endpoint is held to https, leave it out"))
	}
	if t.PublicOnly && t.url != nil && t.url.Scheme != "https" {
		problems = append(problems, errors.New("url: begin it with https://"))
	}
	for i, name := range t.Sources {
		if !namePattern.MatchString(name) {
			problems = append(problems, fmt.Errorf("sources[%d]: not the name of a source, use 1 to 64 letters, digits, - or _", i))
		}
	}
	if len(t.Sources) > maxSources {
		problems = append(problems, fmt.Errorf("sources: %d are too many, use at most %d", len(t.Sources), maxSources))
	}
	if t.RateLimit != 0 && (t.RateLimit < minRate || t.RateLimit > maxRate || math.IsNaN(t.RateLimit)) {
		problems = append(problems, fmt.Errorf("rate_limit: %g is out of range, use %g to %d a second", t.RateLimit, minRate, maxRate))
	}
	if !slices.Contains(orders, t.Order) {
		problems = append(problems, fmt.Errorf("order: there is none by that name, use %s or leave it out", OrderVideo))
	}
	var err error
	if t.filter, err = compileFilter(t.Filter); err != nil {
		problems = append(problems, fmt.Errorf("filter: %w", err))
	}
	return problems
}

// limiter spreads requests evenly: a burst is what a receiver with a limit of its own would answer with 429.
func (t *target) limiter() *rate.Limiter { return rate.NewLimiter(t.limit(), 1) }

// limit is the endpoint's own rate.
func (t *target) limit() rate.Limit {
	if t.RateLimit == 0 {
		return rate.Inf
	}
	return rate.Limit(t.RateLimit)
}

func (t *target) policy() policy {
	return policy{insecureHTTP: t.InsecureHTTP && !t.PublicOnly, publicOnly: t.PublicOnly}
}
