package app

import (
	"fmt"
	"sync/atomic"
	"time"

	"vidbell/diff"
	"vidbell/internal/config"
	"vidbell/internal/web"
	"vidbell/poller"
)

// polling is what the HTTP pages reach of the poller.
type polling interface {
	Status() []poller.Status
	// Hint looks at a video at once, at the heads for the empty id; it returns at how many sources.
	Hint(videoNo string) int
	// Release believes the deletions that a source holds back.
	Release(source string) error
}

// operator is the poller as people and the platform's callbacks reach it over HTTP. The pages are there before
// the poller is.
type operator struct {
	attached atomic.Pointer[attached]
}

// attached is what is there once the state is loaded.
type attached struct {
	polling
	accounts   []config.Account
	configured map[string]config.Source
	quotas     map[string]*poller.Account // by source
}

// attach says that the state is loaded, or that the sources have changed.
func (o *operator) attach(p polling, cfg *config.Config, sources []poller.Source) {
	a := &attached{
		polling: p, accounts: cfg.Accounts, configured: make(map[string]config.Source, len(cfg.Sources)), quotas: make(map[string]*poller.Account, len(sources)),
	}
	for _, s := range cfg.Sources {
		a.configured[s.Name] = s
	}
	for _, s := range sources {
		a.quotas[s.Name] = s.Account
	}
	o.attached.Store(a)
}

// Hint passes a hint on. Before the state is loaded none is needed: the first poll comes at once.
func (o *operator) Hint(videoNo string) int {
	a := o.attached.Load()
	if a == nil {
		return 0
	}
	return a.Hint(videoNo)
}

// Sources shows every source.
func (o *operator) Sources() ([]web.Source, error) {
	a := o.attached.Load()
	if a == nil {
		return nil, web.ErrStarting
	}
	status := a.Status()
	list := make([]web.Source, len(status))
	for i, s := range status {
		list[i] = shown(a.configured[s.Source], s)
		// The status is as old as the source's last tick; one that is throttled may be minutes in this one.
		if quota := a.quotas[s.Source]; quota != nil { // none of a source that has just come
			list[i].RequestsPerSecond = quota.Rate()
		}
	}
	return list, nil
}

// Release believes what a source holds back.
func (o *operator) Release(name string) (web.Hold, error) {
	list, err := o.Sources()
	if err != nil {
		return web.Hold{}, err
	}
	for _, s := range list {
		switch {
		case s.Name != name:
			continue
		case s.Hold == nil:
			return web.Hold{}, web.ErrNothingHeld
		}
		if err := o.attached.Load().Release(name); err != nil {
			return web.Hold{}, fmt.Errorf("%w: %w", web.ErrNothingHeld, err) // it ended this moment
		}
		return *s.Hold, nil
	}
	return web.Hold{}, web.ErrNoSource
}

// shown is a source as the page shows it.
func shown(c config.Source, s poller.Status) web.Source {
	return web.Source{
		Name: s.Source, Account: c.Account, UniqueID: c.UniqueID, VideoName: c.VideoName,
		BaselineAt: moment(s.BaselineAt), Baseline: shownProgress(s.Baseline), Videos: counts(s), InFlight: s.InFlight,
		Parse:      web.Parse{Means: s.Parse, Because: s.ParseWhy},
		LastPollAt: moment(s.LastPoll), NextPollAt: moment(s.NextPoll), LastError: s.LastError, Degraded: string(s.Degraded),
		Requests: s.Requests,
		Sweep: web.Sweep{
			LastCompleteAt: moment(s.LastSweep), UnderWay: s.SweepPage > 0, Pages: s.SweepPage, ExpectedPages: s.SweepPages,
			Suspects: s.Suspects,
		},
		CountMismatch: (*web.CountMismatch)(s.Mismatch), Hold: hold(s), NewestFirst: &s.NewestFirst,
		Filters: &web.Filters{
			VideoNos: web.Filter(s.Filters["video_nos"]), Status: web.Filter(s.Filters["status"]),
			VideoNo: web.Filter(s.Filters["video_no"]),
		},
	}
}

// hold is what a source holds back, if anything.
func hold(s poller.Status) *web.Hold {
	if s.Held.Videos == 0 {
		return nil
	}
	return &web.Hold{Videos: s.Held.Videos, Agreed: s.Held.Agreed, Reason: string(s.Degraded)}
}

func counts(s poller.Status) web.Videos {
	return web.Videos{
		Known: s.Videos, Processing: s.Counts[diff.Processing], Done: s.Counts[diff.Done], Failed: s.Counts[diff.Failed],
		Unknown: s.Counts[diff.Unknown], Deleted: s.Counts[diff.Deleted],
	}
}

// moment is a time for JSON; the zero time is none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
