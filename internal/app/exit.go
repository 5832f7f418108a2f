package app

import (
	"context"
	"errors"

	"vidbell/internal/config"
	"vidbell/internal/engine"
	"vidbell/notify"
	"vidbell/poller"
)

// Exit codes, as documented in the README. A unit should not restart on 2 and 3.
const (
	ExitOK          = 0
	ExitFailed      = 1 // at run time
	ExitUsage       = 2
	ExitConfig      = 3 // configuration or environment
	ExitPlatform    = 4 // refused, or cannot be reached
	ExitEngine      = 5 // cannot be reached, or not fit
	ExitCheck       = 6 // a check or a test delivery failed
	ExitInterrupted = 130
)

// ExitError is an error with the exit code it should lead to. Err may be nil when everything was said already.
type ExitError struct {
	Code int
	Err  error
}

// Error is the text of the cause.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *ExitError) Unwrap() error { return e.Err }

// ExitCode says how the process should end. What is no error of ours is wrong usage, which the command line found.
func ExitCode(err error) int {
	var exit *ExitError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		return exit.Code
	default:
		return ExitUsage
	}
}

// failed gives an error of a running part its exit code.
func failed(err error) error {
	var (
		exit     *ExitError
		problems config.Problems
		engineAt *engine.Error
		unfit    *notify.UnfitError
	)
	switch {
	case err == nil, errors.As(err, &exit):
		return err
	case errors.As(err, &problems), errors.As(err, &unfit):
		return &ExitError{Code: ExitConfig, Err: err}
	case errors.As(err, &engineAt):
		return &ExitError{Code: ExitEngine, Err: err}
	case errors.Is(err, context.Canceled):
		return &ExitError{Code: ExitInterrupted, Err: errors.New("interrupted")}
	case errors.Is(err, poller.ErrUnreadable):
		return &ExitError{Code: ExitEngine, Err: err}
	default:
		return &ExitError{Code: ExitFailed, Err: err}
	}
}
