package app

import (
	"errors"
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
	configured map[string]config.Source
	attached   atomic.Pointer[attached]
}

// attached is what is there once the state is loaded.
type attached struct {
	polling
	quotas map[string]*poller.Account // by source
}

func newOperator(cfg *config.Config) *operator {
	o := &operator{configured: make(map[string]config.Source, len(cfg.Sources))}
	for _, s := range cfg.Sources {
		o.configured[s.Name] = s
	}
	return o
}

// attach says that the state is loaded.
func (o *operator) attach(p polling, sources []poller.Source) {
	a := &attached{polling: p, quotas: make(map[string]*poller.Account, len(sources))}
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
		list[i] = shown(o.configured[s.Source], s)
		// The status is as old as the source's last tick; one that is throttled may be minutes in this one.
		list[i].RequestsPerSecond = a.quotas[s.Source].Rate()
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
		return *s.Hold, o.attached.Load().Release(name)
	}
	return web.Hold{}, web.ErrNoSource
}

// shown is a source as the page shows it.
func shown(c config.Source, s poller.Status) web.Source {
	return web.Source{
		Name: s.Source, Account: c.Account, UniqueID: c.UniqueID, VideoName: c.VideoName,
		BaselineAt: moment(s.BaselineAt), Videos: counts(s), InFlight: s.InFlight,
		Parse:      web.Parse{Means: s.Parse, Because: s.ParseWhy},
		LastPollAt: moment(s.LastPoll), NextPollAt: moment(s.NextPoll), LastError: s.LastError, Degraded: string(s.Degraded),
	}
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

// untilThePollerCan stands in for what the poller cannot do yet.
type untilThePollerCan struct{ *poller.Poller }

// Hint takes nothing up.
func (untilThePollerCan) Hint(string) int { return 0 }

// Release has nothing to release.
func (untilThePollerCan) Release(string) error { return errors.New("nothing is held back yet") }
