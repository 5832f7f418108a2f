package web

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// What the operators of endpoints and deliveries say by their errors, besides ErrStarting and *InvalidError.
var (
	ErrNoEndpoint = errors.New("no such endpoint")
	ErrNoEvent    = errors.New("no such event")
	ErrReplayFull = errors.New("the replay queue is full")
	ErrAway       = errors.New("the engine is away")
)

// slowTimeout bounds what goes through the log or to a receiver. A receiver has at most 30 s, a walk through a million events
// takes less than that.
const slowTimeout = 100 * time.Second

// maxReason bounds a reason, in bytes: it is a sentence.
const maxReason = 500

// EndpointOperator is what a person can see and do about the receivers. It is safe for concurrent use.
type EndpointOperator interface {
	// Endpoints returns how every endpoint fares, in the order of the configuration.
	Endpoints(ctx context.Context) ([]Endpoint, error)
	// Enable lets an endpoint have its deliveries again, whatever keeps them from it. The reason is for the log.
	Enable(ctx context.Context, name, reason string) error
	// Disable keeps an endpoint's deliveries until Enable. The reason is shown to people.
	Disable(ctx context.Context, name, reason string) error
	// SendTest makes one signed request that is marked as a test. That the receiver did not take it is no error.
	SendTest(ctx context.Context, name, eventType string) (Test, error)
}

// EndpointList is the body of GET /v1/endpoints.
type EndpointList struct {
	Endpoints []Endpoint `json:"endpoints"`
}

// Endpoint is how one receiver fares. Times are RFC 3339 in UTC; null and the empty text mean that there is none.
type Endpoint struct {
	Name            string     `json:"name"`
	URL             string     `json:"url"` // without what may be secret in it
	Format          string     `json:"format"`
	State           string     `json:"state"` // active, paused, degraded or disabled, as in the metrics
	Since           *time.Time `json:"since"`
	Reason          string     `json:"reason"` // why it is degraded or disabled: failures, gone, ...; empty otherwise
	Detail          string     `json:"detail"` // the same, for people
	Pending         uint64     `json:"pending"`
	Queued          uint64     `json:"queued"` // of a replay
	OldestPendingAt *time.Time `json:"oldest_pending_at"`
	InFlight        int        `json:"in_flight"`
	LastSuccessAt   *time.Time `json:"last_success_at"`
	LastFailure     *Failure   `json:"last_failure"`
	NextAttemptAt   *time.Time `json:"next_attempt_at"`
	DeadLetters     uint64     `json:"dead_letters"`
}

// Failure is an attempt that failed.
type Failure struct {
	At     *time.Time `json:"at"`
	Class  string     `json:"class"`
	Status int        `json:"status"` // 0: no answer
	Detail string     `json:"detail"`
}

// EndpointChanged is the body of an accepted POST /v1/endpoints/{name}/enable or /disable.
type EndpointChanged struct {
	Endpoint string `json:"endpoint"`
	Enabled  bool   `json:"enabled"`
}

// Test is the body of POST /v1/endpoints/{name}/test: what was sent, and what came of it.
type Test struct {
	Delivery
	RequestHeaders map[string]string `json:"request_headers"` // without what is secret in them
	RequestBody    string            `json:"request_body"`
}

// EndpointChange is what enable and disable take. Every field may be left out.
type EndpointChange struct {
	Reason string `json:"reason"`
}

// TestOrder is what a test takes. Every field may be left out.
type TestOrder struct {
	Type string `json:"type"`
}

// HandleEndpoints adds the pages about the endpoints, behind the token.
func (s *Server) HandleEndpoints(operator EndpointOperator) {
	s.Handle("GET /v1/endpoints", page(func(r *http.Request, q *query) (any, error) {
		if err := q.problem(); err != nil {
			return nil, err
		}
		list, err := operator.Endpoints(r.Context())
		return EndpointList{Endpoints: append([]Endpoint{}, list...)}, err
	}))
	s.Handle("POST /v1/endpoints/{name}/enable", change(operator.Enable, true))
	s.Handle("POST /v1/endpoints/{name}/disable", change(operator.Disable, false))
	s.Handle("POST /v1/endpoints/{name}/test", slowly(func(w http.ResponseWriter, r *http.Request) {
		var order TestOrder
		if err := readOrder(w, r, &order); err != nil {
			refuse(w, err)
			return
		}
		if problem := textProblem(order.Type); problem != "" {
			refuse(w, &InvalidError{Field: "type", Problem: problem})
			return
		}
		test, err := operator.SendTest(r.Context(), r.PathValue("name"), order.Type)
		answer(w, http.StatusOK, test, err)
	}))
}

// change is a page that enables or disables.
func change(do func(ctx context.Context, name, reason string) error, enabled bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var order EndpointChange
		if err := readOrder(w, r, &order); err != nil {
			refuse(w, err)
			return
		}
		if len(order.Reason) > maxReason {
			refuse(w, &InvalidError{Field: "reason", Problem: "it is longer than 500 bytes"})
			return
		}
		name := r.PathValue("name")
		err := do(r.Context(), name, order.Reason)
		answer(w, http.StatusOK, EndpointChanged{Endpoint: name, Enabled: enabled}, err)
	})
}

// page is one that only shows something: what look returns for the parameters of the request.
func page(look func(*http.Request, *query) (any, error)) http.Handler {
	return slowly(func(w http.ResponseWriter, r *http.Request) {
		body, err := look(r, newQuery(r.URL.RawQuery))
		answer(w, http.StatusOK, body, err)
	})
}

// slowly gives a page the time that logs and receivers take: the server's own bound is for quick ones.
func slowly(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), slowTimeout)
		defer cancel()
		// A connection that cannot be told keeps the server's bound.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(slowTimeout + stopTimeout))
		next(w, r.WithContext(ctx))
	})
}

func answer(w http.ResponseWriter, status int, body any, err error) {
	if err != nil {
		refuse(w, err)
		return
	}
	writeJSON(w, "application/json", status, body)
}

// refuse answers to an error of an operator, or of the request itself. What it does not know stays inside.
func refuse(w http.ResponseWriter, err error) {
	switch {
	case refuseOrder(w, err):
	case errors.Is(err, ErrNoEndpoint):
		Problem(w, http.StatusNotFound, "no such endpoint, /v1/endpoints lists them")
	case errors.Is(err, ErrNoSource):
		Problem(w, http.StatusNotFound, "no such source, /v1/sources lists them")
	case errors.Is(err, ErrNoVideo):
		Problem(w, http.StatusNotFound, "no source knows this video")
	case errors.Is(err, ErrNoEvent):
		Problem(w, http.StatusNotFound, "no such event or video in the log")
	case errors.Is(err, ErrNothingHeld):
		Problem(w, http.StatusConflict, "this source holds nothing back")
	case errors.Is(err, ErrReplayFull):
		Problem(w, http.StatusConflict, "the replay queue is full, repeat it when there is room: what was added stays and is not added twice")
	case errors.Is(err, ErrStarting):
		Problem(w, http.StatusServiceUnavailable, "the state is not loaded yet, /readyz says what is waited for")
	case errors.Is(err, ErrAway), errors.Is(err, context.DeadlineExceeded):
		Problem(w, http.StatusServiceUnavailable, "the engine does not answer, /readyz says what is waited for")
	default:
		Problem(w, http.StatusInternalServerError, "this cannot be told, the service's log says why")
	}
}
