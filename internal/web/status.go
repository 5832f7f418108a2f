package web

import (
	"context"
	"net/http"
	"time"
)

// Overseer is what a person can see of the whole. It is safe for concurrent use.
type Overseer interface {
	// Status returns what the service and its parts are doing. Parts that cannot be asked are left out, and said to need
	// attention: it answers also while the state is not loaded, or the engine is away.
	Status(ctx context.Context) Status
	// Accounts returns how every account is used, in the order of the configuration, or ErrStarting.
	Accounts() ([]Account, error)
}

// Status is the body of GET /v1/status.
type Status struct {
	Version       string     `json:"version"`
	Commit        string     `json:"commit"`
	Instance      string     `json:"instance"` // VIDBELL_INSTANCE
	StartedAt     *time.Time `json:"started_at"`
	UptimeSeconds float64    `json:"uptime_seconds"`
	Ready         bool       `json:"ready"`
	Checks        []Check    `json:"checks"` // as /readyz has them
	Engine        Engine     `json:"engine"`
	Accounts      []Account  `json:"accounts"`
	Sources       []Source   `json:"sources"`
	Endpoints     []Endpoint `json:"endpoints"`
	Streams       []Stream   `json:"streams"`
	Attention     []string   `json:"attention"` // what a person should look at, each a sentence; empty: nothing
}

// Engine is where the log is.
type Engine struct {
	Mode      string `json:"mode"` // embedded or external
	Connected bool   `json:"connected"`
	Server    string `json:"server"`  // address of the external server that is connected to
	Listen    string `json:"listen"`  // where the embedded one listens for subscribers; empty: nowhere
	Version   string `json:"version"` // of the server
}

// Stream is how large one stream of the engine is.
type Stream struct {
	Name     string     `json:"name"`
	Holds    string     `json:"holds"` // for people
	Messages uint64     `json:"messages"`
	Bytes    uint64     `json:"bytes"`
	MaxBytes int64      `json:"max_bytes"` // 0: no limit
	FirstAt  *time.Time `json:"first_at"`
	LastAt   *time.Time `json:"last_at"`
}

// AccountList is the body of GET /v1/accounts.
type AccountList struct {
	Accounts []Account `json:"accounts"`
}

// Account is how one key to the platform is used. Accounts with the same address and key share their quota, and show the same
// numbers.
type Account struct {
	Name               string     `json:"name"`
	URL                string     `json:"url"` // scheme and host of the platform
	Sources            []string   `json:"sources"`
	RateLimit          float64    `json:"rate_limit"`           // requests a second that are allowed
	RequestsPerSecond  float64    `json:"requests_per_second"`  // what it allows itself now: less after the platform throttled it
	RequestsLastMinute int        `json:"requests_last_minute"` // all of its sources
	ThrottledUntil     *time.Time `json:"throttled_until"`      // no request before
	Refused            string     `json:"refused"`              // why the platform serves it nothing: unauthorized, ...; empty: it does
}

// HandleStatus adds the pages about the whole, behind the token.
func (s *Server) HandleStatus(o Overseer) {
	s.Handle("GET /v1/status", page(func(r *http.Request, q *query) (any, error) {
		if err := q.problem(); err != nil {
			return nil, err
		}
		return o.Status(r.Context()).whole(), nil
	}))
	s.Handle("GET /v1/accounts", page(func(_ *http.Request, q *query) (any, error) {
		if err := q.problem(); err != nil {
			return nil, err
		}
		list, err := o.Accounts()
		return AccountList{Accounts: append([]Account{}, list...)}, err
	}))
}

// whole has empty lists where there is nothing, and no null.
func (s Status) whole() Status {
	s.Checks = append([]Check{}, s.Checks...)
	s.Accounts = append([]Account{}, s.Accounts...)
	s.Sources = append([]Source{}, s.Sources...)
	s.Endpoints = append([]Endpoint{}, s.Endpoints...)
	s.Streams = append([]Stream{}, s.Streams...)
	s.Attention = append([]string{}, s.Attention...)
	return s
}
