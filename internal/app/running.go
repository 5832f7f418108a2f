package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vidbell/internal/config"
	"vidbell/internal/web"
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
		},
	}
}

// call is one request to the running service.
type call struct {
	method, path string
	query        url.Values
	body         any           // sent as JSON; nil for none
	timeout      time.Duration // askTimeout when zero
}

// ask sends a request with the token and returns status and body of the answer.
func (r *running) ask(ctx context.Context, method, path string) (status int, body []byte, err error) {
	return r.call(ctx, call{method: method, path: path})
}

func (r *running) call(ctx context.Context, c call) (status int, body []byte, err error) {
	if c.timeout == 0 {
		c.timeout = askTimeout
	}
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := r.request(bounded, c)
	if err != nil {
		return 0, nil, err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return 0, nil, r.unreached(ctx, c, err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, r.unreached(ctx, c, err)
	}
	return resp.StatusCode, body, nil
}

func (r *running) request(ctx context.Context, c call) (*http.Request, error) {
	address := "http://" + r.address + c.path
	if len(c.query) > 0 {
		address += "?" + c.query.Encode()
	}
	var content io.Reader = http.NoBody
	if c.body != nil {
		text, err := json.Marshal(c.body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, address, content)
	if err != nil {
		return nil, err
	}
	if c.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.token.IsSet() {
		req.Header.Set("Authorization", "Bearer "+r.token.Reveal())
	}
	return req, nil
}

func (r *running) unreached(ctx context.Context, c call, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("what listens at %s does not answer within %s: look at its log, or set VIDBELL_HTTP_LISTEN to the address of vidbell",
			r.address, c.timeout)
	case strings.Contains(err.Error(), "malformed HTTP response"):
		return r.notOurs("speaks TLS, or no HTTP")
	}
	return fmt.Errorf("no vidbell answers at %s: start it with vidbell run, or set VIDBELL_HTTP_LISTEN to the address it listens on: %w",
		r.address, err)
}

// notOurs says that somebody else is at the address.
func (r *running) notOurs(how string) error {
	return fmt.Errorf("what listens at %s %s, and is no vidbell: set VIDBELL_HTTP_LISTEN to the address that vidbell itself listens on", r.address, how)
}

// fetch asks for something and reads the answer; it returns the answer as it came too.
func fetch[T any](ctx context.Context, r *running, c call) (answer T, body []byte, err error) {
	status, body, err := r.call(ctx, c)
	if err != nil {
		return answer, nil, err
	}
	if status/100 != 2 {
		return answer, nil, r.refused(status, body)
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return answer, nil, r.notOurs("answers with something else")
	}
	return answer, body, nil
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
		if strings.Contains(string(body), "HTTPS server") {
			return r.notOurs("speaks TLS")
		}
		return r.notOurs("answers with status " + strconv.Itoa(status))
	}
	if status == http.StatusNotFound && problem.Detail == web.NoSuchPage {
		return fmt.Errorf("the service at %s has no such page: it is older than this command, or does not offer this: compare its version at http://%s/healthz with vidbell version",
			r.address, r.address)
	}
	err := fmt.Errorf("the service at %s refuses: %s", r.address, safeLines(problem.Detail))
	switch status {
	case http.StatusBadRequest:
		return &ExitError{Code: ExitUsage, Err: err}
	case http.StatusNotFound:
		return &notFoundError{err}
	}
	return err
}

// notFoundError says that what was asked about is not there.
type notFoundError struct{ error }

func (e *notFoundError) Unwrap() error { return e.error }

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
