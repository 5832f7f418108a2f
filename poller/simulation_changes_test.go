package poller_test

import (
	"context"
	"time"

	"vidbell/poller"
)

// alias is the same lister as another object, as after a change of the key.
type alias struct{ *program }

// change gives a process other settings of its source, now and then. None of them changes what is true of it.
func (s *simulation) change() {
	if s.changes == nil || len(s.alive) == 0 || s.changes.IntN(3) > 0 {
		return
	}
	p := s.alive[s.changes.IntN(len(s.alive))]
	if !p.loaded.Load() {
		return
	}
	source := s.asIs(p)
	switch s.changes.IntN(6) {
	case 0:
		source.MaxInterval = source.PollInterval * time.Duration(1+s.changes.IntN(3))
	case 1:
		source.SweepInterval = source.SweepInterval * time.Duration(50+s.changes.IntN(50)) / 100
	case 2:
		source.PageSize = 3 + s.changes.IntN(12)
	case 3:
		source.Lister = &alias{p}
	case 4:
		source.VideoName += "*" // the same names, but who can tell
	default:
		if s.apply(p) {
			s.pass(time.Duration(s.changes.Int64N(int64(2 * source.PollInterval))))
		}
	}
	s.apply(p, source)
}

// asIs is the source as it was first given to a process.
func (s *simulation) asIs(p *program) poller.Source {
	source := s.source
	source.Lister, source.Account = p, p.account
	return source
}

func (s *simulation) apply(p *program, sources ...poller.Source) bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	c, err := p.poller.Apply(ctx, sources)
	s.tell("%s is changed: %+v, %v", p.key, c, err)
	return err == nil
}

// undoChanges waits as long as the engine needs.
func (s *simulation) undoChanges(p *program) {
	if s.changes == nil || !p.loaded.Load() {
		return
	}
	s.await("an end of changes", func() bool { return s.apply(p, s.asIs(p)) || p.dead.Load() })
}
