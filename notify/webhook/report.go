package webhook

import (
	"sync"
	"time"
)

const (
	repeatEvery = time.Minute
	maxKinds    = 64 // beyond that complaints are thrown together: an error's text may hold a number
)

// repeats thins out a complaint that may come with every delivery: each kind is passed on when it first comes, and then once
// a minute with its count. Kinds are few: a class and a status.
type repeats struct {
	mu    sync.Mutex
	kinds map[string]*tally
	since time.Time
	total int
}

type tally struct {
	next  time.Time
	count int // since it was last passed on
}

// hit counts a complaint. It reports whether to log it, and how many it then stands for.
func (r *repeats) hit(kind string, now time.Time) (count int, log bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.total == 0 {
		r.since, r.kinds = now, make(map[string]*tally)
	}
	r.total++
	if len(r.kinds) >= maxKinds && r.kinds[kind] == nil {
		kind = ""
	}
	t := r.kinds[kind]
	if t == nil {
		t = &tally{}
		r.kinds[kind] = t
	}
	t.count++
	if now.Before(t.next) {
		return 0, false
	}
	count, t.count, t.next = t.count, 0, now.Add(repeatEvery)
	return count, true
}

// clear ends a run of complaints. It reports how many there were and since when; zero when there was none.
func (r *repeats) clear() (total int, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	total, since = r.total, r.since
	r.total, r.kinds = 0, nil
	return total, since
}
