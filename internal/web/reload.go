package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// Reloader reads the configuration again. Its errors are ErrStarting, *RefusedError, and ctx's.
type Reloader interface {
	Reload(ctx context.Context) (Reloaded, error)
}

// Reloaded is the body of POST /v1/reload: what changed, by names.
type Reloaded struct {
	Sources   Difference `json:"sources"`
	Endpoints Difference `json:"endpoints"`
}

// Difference is what changed.
type Difference struct {
	Added   []string `json:"added"`
	Changed []string `json:"changed"`
	Removed []string `json:"removed"`
}

// RefusedError says what is wrong with a configuration. Whoever may ask for it may read that: no secret is repeated.
type RefusedError struct{ Problems []string }

// Error is one line for each problem.
func (e *RefusedError) Error() string { return strings.Join(e.Problems, "\n") }

// HandleReload adds the page that has the configuration read again, behind the token.
func (s *Server) HandleReload(reloader Reloader) {
	s.Handle("POST /v1/reload", slowly(func(w http.ResponseWriter, r *http.Request) {
		if err := readOrder(w, r, &struct{}{}); err != nil {
			refuse(w, err)
			return
		}
		change, err := reloader.Reload(r.Context())
		var refused *RefusedError
		if errors.As(err, &refused) {
			Problem(w, http.StatusConflict, refused.Error())
			return
		}
		answer(w, http.StatusOK, change, err)
	}))
}
