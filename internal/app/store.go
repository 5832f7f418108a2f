package app

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"vidbell/diff"
	"vidbell/notify"
	"vidbell/poller"
)

// store is the log as the poller sees it: poller and notify do not know each other. A log that was lost while we are at work is
// made again from the states in memory, so the store keeps in mind which those are.
type store struct {
	log *notify.Log
	// prepare makes what else was lost with the log.
	prepare func(context.Context) error
	explain func(error) error // says more of why the log cannot be written; nil says nothing

	mu     sync.Mutex
	states map[string]*diff.State // as the poller of each source holds it
}

func newStore(log *notify.Log, prepare func(context.Context) error, explain func(error) error) *store {
	return &store{log: log, prepare: prepare, explain: explain, states: make(map[string]*diff.State)}
}

// Load rebuilds a source's state.
func (s *store) Load(ctx context.Context, source string, words diff.Words) (*diff.State, error) {
	state, err := s.log.Load(ctx, source, words)
	if errors.Is(err, notify.ErrLost) {
		return s.recover(ctx, source, words)
	}
	return s.keep(state, err)
}

// Append stores a result.
func (s *store) Append(ctx context.Context, source string, res *diff.Result) error {
	err := s.log.Append(ctx, source, res)
	if err != nil && s.explain != nil && !errors.Is(err, notify.ErrConflict) {
		err = s.explain(err)
	}
	return translate(err)
}

// Refresh brings a state up to date.
func (s *store) Refresh(ctx context.Context, state *diff.State, res *diff.Result) (*diff.State, error) {
	fresh, err := s.log.Refresh(ctx, state, res)
	if errors.Is(err, notify.ErrLost) {
		return s.recover(ctx, state.Source, state.Words())
	}
	return s.keep(fresh, err)
}

// Follow takes over what other processes wrote.
func (s *store) Follow(ctx context.Context, state *diff.State) (*diff.State, error) {
	fresh, err := s.log.Follow(ctx, state)
	if errors.Is(err, notify.ErrLost) {
		return s.recover(ctx, state.Source, state.Words())
	}
	return s.keep(fresh, err)
}

// recover makes the log again from what is in memory, and reads it.
func (s *store) recover(ctx context.Context, source string, words diff.Words) (*diff.State, error) {
	s.mu.Lock()
	state := s.states[source]
	s.mu.Unlock()
	if err := s.log.Rebuild(ctx, source, state, s.prepare); err != nil {
		return nil, translate(err)
	}
	return s.keep(s.log.Load(ctx, source, words))
}

// forget lets go of the state of a source that is not polled any more.
func (s *store) forget(source string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.states, source)
}

// keep notes the state that a poller goes on with.
func (s *store) keep(state *diff.State, err error) (*diff.State, error) {
	if err != nil {
		return state, translate(err)
	}
	s.mu.Lock()
	s.states[state.Source] = state
	s.mu.Unlock()
	return state, nil
}

func translate(err error) error {
	var unreadable *notify.LoadError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, notify.ErrConflict):
		return fmt.Errorf("%w: %w", poller.ErrConflict, err)
	case errors.As(err, &unreadable):
		return fmt.Errorf("%w: %w", poller.ErrUnreadable, err)
	default:
		return err
	}
}
