package webhook

import (
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
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

// fail reports a failed attempt: loudly at first, then once a minute, each one at debug level.
func (l *lane) fail(d *delivery, r record, next string) {
	fields := func() []zap.Field {
		return []zap.Field{
			zap.String("event_id", d.id), zap.Int("attempt", r.Attempts), zap.String("class", string(r.LastClass)),
			zap.Int("status", r.LastStatus), zap.String("detail", r.LastDetail), zap.String("next_in", next),
		}
	}
	if n, ok := l.failures.hit(string(r.LastClass)+strconv.Itoa(r.LastStatus), l.now()); ok {
		l.log.Warn("webhook attempt failed", append(fields(), zap.Int("count", n))...)
		return
	}
	if c := l.log.Check(zap.DebugLevel, "webhook attempt failed"); c != nil {
		c.Write(fields()...)
	}
}

// trouble reports a failure between us and the engine, calm the end of it.
func (l *lane) trouble(err error) {
	if n, ok := l.troubles.hit(err.Error(), l.now()); ok {
		l.log.Warn("webhook delivery is held up by the engine, trying on", zap.Error(err), zap.Int("count", n))
	}
}

func (l *lane) calm() {
	if total, since := l.troubles.clear(); total > 0 {
		l.log.Info("webhook deliveries flow again", zap.Int("failures", total), zap.Time("failing_since", since))
	}
}
