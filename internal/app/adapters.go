package app

import (
	"context"
	"errors"
	"fmt"

	"vidbell/diff"
	"vidbell/notify"
	"vidbell/poller"
)

// store is the log as the poller sees it: poller and notify do not know each other.
type store struct{ log *notify.Log }

// Load rebuilds a source's state.
func (s store) Load(ctx context.Context, source string, words diff.Words) (*diff.State, error) {
	state, err := s.log.Load(ctx, source, words)
	return state, translate(err)
}

// Append stores a result.
func (s store) Append(ctx context.Context, source string, res *diff.Result) error {
	return translate(s.log.Append(ctx, source, res))
}

// Refresh brings a state up to date.
func (s store) Refresh(ctx context.Context, state *diff.State, res *diff.Result) (*diff.State, error) {
	state, err := s.log.Refresh(ctx, state, res)
	return state, translate(err)
}

// Follow takes over what other processes wrote.
func (s store) Follow(ctx context.Context, state *diff.State) (*diff.State, error) {
	state, err := s.log.Follow(ctx, state)
	return state, translate(err)
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

// reporter tells about the health of sources.
type reporter struct{ log *notify.Log }

// Report stores a report.
func (r reporter) Report(ctx context.Context, rep poller.Report) error {
	return r.log.ReportSource(ctx, rep.Recovered, notify.Trouble{
		Source: rep.Source, Reason: string(rep.Reason), Detail: rep.Detail, Since: rep.Since, At: rep.At,
	})
}

// Last returns the newest report about a source.
func (r reporter) Last(ctx context.Context, source string) (poller.Report, error) {
	t, recovered, ok, err := r.log.LastSourceReport(ctx, source)
	if err != nil || !ok {
		return poller.Report{}, err
	}
	return poller.Report{
		Source: source, Recovered: recovered, Reason: poller.Reason(t.Reason), Detail: t.Detail, Since: t.Since, At: t.At,
	}, nil
}
