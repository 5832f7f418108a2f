package webhook

import (
	"context"
	"sync"
	"time"
)

// readPending shows what waits for each endpoint. What the engine does not tell now stays as it was last known, which says more
// than a guess.
func (d *Dispatcher) readPending(ctx context.Context) {
	for _, l := range d.roster().lanes {
		pending, at, err := d.backlog(ctx, l)
		if err != nil {
			continue
		}
		l.metrics.pending.Set(float64(pending))
		l.metrics.oldest.Set(timestamp(at))
	}
}

// backlog counts what waits for an endpoint, and tells when the oldest of it was stored; zero for none, or when it is not known.
func (d *Dispatcher) backlog(ctx context.Context, l *lane) (pending uint64, at time.Time, err error) {
	for _, f := range l.feeds {
		where, err := f.standing(ctx)
		if err != nil {
			return 0, time.Time{}, err
		}
		n := where.pending()
		if pending += n; n == 0 || len(f.filters) > maxAskedFilters {
			continue
		}
		first, err := f.firstWaiting(ctx)
		if err != nil {
			return 0, time.Time{}, err
		}
		if at.IsZero() || !first.IsZero() && first.Before(at) {
			at = first
		}
	}
	return pending, at, nil
}

// firstStored is when the first event behind a consumer's floor was stored. While the floor stays, so does that.
type firstStored struct {
	mu    sync.Mutex
	floor uint64
	at    time.Time // zero when it is not known
}

// firstWaiting is oldestPending, asked once for each floor: a backlog that does not move is not asked about again and again.
func (f *feed) firstWaiting(ctx context.Context) (time.Time, error) {
	floor, w := f.floor.Load(), &f.first
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.floor == floor && !w.at.IsZero() {
		return w.at, nil
	}
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	at, err := f.oldestPending(ctx)
	if err != nil {
		return at, err
	}
	w.floor, w.at = floor, at
	return at, nil
}

// timestamp is a time as a metric shows it, in seconds; 0 for none.
func timestamp(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixMilli()) / 1e3
}
