package webhook

import (
	"context"
	"strconv"
	"time"

	"go.uber.org/zap"
)

// pauseKept is the least change of a pause worth a write: sixteen answers in a row ask for about the same moment.
const pauseKept = time.Second

func (l *lane) pause(until time.Time, status int, now time.Time) {
	l.holdMu.Lock()
	defer l.holdMu.Unlock()
	if later := l.gate.pause(until); later < pauseKept {
		return
	}
	l.showState()
	if n, ok := l.pauses.hit(strconv.Itoa(status), now); ok {
		l.log.Info("webhook endpoint asked for a pause", zap.Int("status", status), zap.Time("until", until), zap.Int("count", n))
	}
	l.keepHold(hold{Until: until, Since: now, Status: status, URLHash: l.target.urlHash})
}

// disable closes the lane after a 410: the receiver says that it is gone for good.
func (l *lane) disable(status int, now time.Time) {
	l.holdMu.Lock()
	defer l.holdMu.Unlock()
	if !l.gate.disable() {
		return
	}
	l.showState()
	l.log.Error("webhook endpoint disabled, its events are kept",
		zap.Int("status", status), zap.String("to_resume", "change the endpoint's URL or enable it"))
	l.keepHold(hold{Disabled: true, Since: now, Status: status, URLHash: l.target.urlHash})
}

func (l *lane) keepHold(h hold) {
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	if err := l.records.saveHold(ctx, l.target.Name, h); err != nil {
		l.trouble(err)
	}
}

// enable opens the lane again, whatever closed it.
func (l *lane) enable(ctx context.Context) error {
	l.holdMu.Lock()
	defer l.holdMu.Unlock()
	if err := l.records.dropHold(ctx, l.target.Name); err != nil {
		return err
	}
	l.gate.enable()
	l.showState()
	l.log.Info("webhook endpoint enabled")
	return nil
}

func (l *lane) showState() { l.metrics.enter(l.gate.name(l.now())) }

// restore brings back what an earlier run knew: the hold, unless the URL is another one now, and which events have records.
func (l *lane) restore(ctx context.Context) error {
	l.holdMu.Lock()
	defer l.holdMu.Unlock()
	defer l.showState()
	unfinished, err := l.records.unfinished(ctx, l.target.Name)
	if err != nil {
		return err
	}
	delete(unfinished, holdKey)
	l.mu.Lock()
	l.unfinished = unfinished
	l.mu.Unlock()
	h, err := l.records.loadHold(ctx, l.target.Name)
	if err != nil {
		return err
	}
	switch {
	case h.Since.IsZero():
		return nil
	case h.URLHash != l.target.urlHash:
		l.log.Info("webhook endpoint has a new URL, its hold is lifted")
		return l.records.dropHold(ctx, l.target.Name)
	case h.Disabled:
		l.gate.disable()
		l.log.Error("webhook endpoint is still disabled, its events are kept", zap.Int("status", h.Status), zap.Time("since", h.Since))
	}
	now := l.now()
	if rest := h.rest(now); rest > 0 {
		l.gate.pause(now.Add(rest))
	}
	return nil
}
