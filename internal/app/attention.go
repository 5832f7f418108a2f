package app

import (
	"fmt"
	"time"

	"vidbell/internal/web"
	"vidbell/poller/memories"
)

// slowedTo is the share of its rate below which an account is worth a word. One throttle halves it, and is soon forgotten.
const slowedTo = 0.5

// attention is what a person should look at, each a sentence that says what to do. What mends itself is not in it: a poll that
// failed once, a receiver that asked for a pause, a baseline that is being walked.
func attention(s web.Status) (list []string) {
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	for _, c := range s.Checks {
		if !c.OK {
			say("not ready: %s: %s", c.Name, c.Detail)
		}
	}
	for _, a := range s.Accounts {
		accountAttention(a, say)
	}
	for _, src := range s.Sources {
		switch {
		case src.Degraded != "" && src.Hold == nil && !memories.Class(src.Degraded).Account():
			say("source %s is degraded (%s): its videos are not seen as they should be: vidbell sources", src.Name, src.Degraded)
		case src.Hold != nil:
			say("source %s holds back %s: if they are right, vidbell sources release %s", src.Name, plural(src.Hold.Videos, "change"), src.Name)
		}
	}
	for _, e := range s.Endpoints {
		switch e.State {
		case endpointDisabled:
			say("endpoint %s is disabled (%s) and keeps its deliveries: when it is right again, vidbell endpoints enable %s", e.Name, e.Reason, e.Name)
		case endpointActive, endpointPaused:
		default:
			say("endpoint %s is %s (%s): what waits is sent when it is back: vidbell deliveries --endpoint %s --failed", e.Name, e.State, e.Reason, e.Name)
		}
		if e.DeadLetters > 0 {
			say("endpoint %s has %s: vidbell dead-letters --endpoint %s says why, vidbell replay --dead --endpoint %s delivers them", e.Name,
				plural(int(e.DeadLetters), "dead letter"), e.Name, e.Name)
		}
	}
	return list
}

func accountAttention(a web.Account, say func(string, ...any)) {
	switch {
	case a.Refused != "":
		say("account %s: the platform refuses its key (%s): look at VIDBELL_API_KEY, or api_key of the account, and at the account there",
			a.Name, a.Refused)
	case a.ThrottledUntil != nil && time.Until(*a.ThrottledUntil) > time.Minute:
		say("account %s is throttled by the platform until %s: others may use its key too", a.Name, a.ThrottledUntil.Format(time.TimeOnly)+" UTC")
	case a.RequestsPerSecond < slowedTo*a.RateLimit:
		say("account %s is throttled by the platform to %.3g of %.3g requests a second: others may use its key too, or VIDBELL_RATE_LIMIT is too high",
			a.Name, a.RequestsPerSecond, a.RateLimit)
	}
}
