package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"vidbell/internal/config"
)

const (
	askTimeout = 5 * time.Second
	// maxAnswer bounds what is read of an answer: a thousand sources are less than 2 MB.
	maxAnswer = 16 << 20
)

// running is the service that runs already, as the commands reach it: by the address and the token that it was started with.
type running struct {
	address string
	token   config.Secret
	client  *http.Client
}

// findRunning reads where the service listens, and the token where a page asks for one.
func findRunning(settings ...string) (*running, error) {
	cfg, err := config.LoadOnly(append(settings, "VIDBELL_HTTP_LISTEN")...)
	if err != nil {
		return nil, err
	}
	if cfg.HTTP.Listen == "" {
		return nil, errors.New("VIDBELL_HTTP_LISTEN is off, there is nothing to ask: set it to an address, for the service and for this command")
	}
	return newRunning(cfg.HTTP.Listen, cfg.HTTP.Token), nil
}

func newRunning(listen string, token config.Secret) *running {
	return &running{
		address: dialable(listen), token: token,
		client: &http.Client{
			Transport:     &http.Transport{DisableKeepAlives: true}, // and no proxy: it would learn the token
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       askTimeout,
		},
	}
}

// ask sends a request with the token and returns status and body of the answer.
func (r *running) ask(ctx context.Context, method, path string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.address+path, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	if r.token.IsSet() {
		req.Header.Set("Authorization", "Bearer "+r.token.Reveal())
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return 0, nil, r.unreached(ctx, err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, r.unreached(ctx, err)
	}
	return resp.StatusCode, body, nil
}

func (r *running) unreached(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("no vidbell answers at %s: start it with vidbell run, or set VIDBELL_HTTP_LISTEN to the address it listens on: %w",
		r.address, err)
}

// refused turns an answer that is no success into an error that says what to do.
func (r *running) refused(status int, body []byte) error {
	if status == http.StatusUnauthorized {
		return &ExitError{Code: ExitConfig, Err: errors.New(
			"the service asks for its token: set VIDBELL_HTTP_TOKEN, or VIDBELL_HTTP_TOKEN_FILE, as it is set for the service")}
	}
	var problem struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &problem) != nil || problem.Detail == "" {
		return fmt.Errorf("what answers at %s with status %d is no vidbell: set VIDBELL_HTTP_LISTEN to the address it listens on",
			r.address, status)
	}
	return fmt.Errorf("the service at %s refuses: %s", r.address, safe(problem.Detail))
}

// dialable turns a listening address into one to connect to: all interfaces include loopback.
func dialable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}
