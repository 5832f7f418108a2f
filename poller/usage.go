package poller

import "time"

// Usage is how an account is used, for people.
type Usage struct {
	Limit      float64   // requests a second that it may make
	Rate       float64   // requests a second that it allows itself now
	LastMinute int       // requests made in the last minute, the present second included
	Throttled  time.Time // no request before, since the platform asked for a pause; zero: now
}

// Usage returns how the account is used.
func (a *Account) Usage() Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	u := Usage{Limit: a.full, Rate: a.rate, LastMinute: a.minute.count(now)}
	if a.pause.After(now) {
		u.Throttled = a.pause
	}
	return u
}

// minute counts what happened in each of the last sixty seconds.
type minute struct {
	counts [60]int
	second [60]int64 // to which second a count belongs
}

func (m *minute) add(now time.Time) {
	at := now.Unix()
	if m.second[at%60] != at {
		m.second[at%60], m.counts[at%60] = at, 0
	}
	m.counts[at%60]++
}

func (m *minute) count(now time.Time) (n int) {
	for i, at := range m.second {
		if age := now.Unix() - at; age >= 0 && age < 60 {
			n += m.counts[i]
		}
	}
	return n
}
