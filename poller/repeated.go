package poller

import "time"

// repeatEvery is how often an error that keeps coming is logged.
const repeatEvery = time.Minute

// repeated decides whether something that keeps coming is worth a line in the log: when it changes, and then once a minute.
// Its zero value has seen nothing.
type repeated struct {
	what   string
	logged time.Time
	times  int
}

// seen counts one more, and returns how many came since the last line if now is the time for another.
func (r *repeated) seen(what string, now time.Time) (times int, worth bool) {
	r.times++
	if what == r.what && !r.logged.IsZero() && now.Sub(r.logged) < repeatEvery {
		return 0, false
	}
	times = r.times
	*r = repeated{what: what, logged: now}
	return times, true
}

// over forgets what was seen: the next one is new.
func (r *repeated) over() { *r = repeated{} }
