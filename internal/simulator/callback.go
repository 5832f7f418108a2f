package simulator

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
	"sync"
	"syscall"
	"time"
)

// Bounds of sending.
const (
	maxOutbox       = 10_000 // callbacks waiting to be sent; more are lost, as on a busy platform
	callbackTimeout = 10 * time.Second
)

// Callbacks say who is called when a video is uploaded and when it is parsed. They go out while Run runs, once each,
// in order, unsigned, with no retry: as far as is known, that is what the platform does. Both carry the word PARSE.
type Callbacks struct {
	URLs       map[string]string // by namespace; on loopback, others are refused
	DropUpload bool              // none on upload
	DropParse  bool              // none on parse or failure
	Repeat     int               // further copies of each
	Transport  http.RoundTripper // nil: a real one that connects to loopback only
}

func (c Callbacks) validate() error {
	for ns, address := range c.URLs {
		if err := validateLoopback(address); err != nil {
			return fmt.Errorf("Callbacks.URLs[%q]: %w", ns, err)
		}
	}
	return notNegative("Callbacks.Repeat", float64(c.Repeat))
}

// validateLoopback refuses an address on any other machine.
func validateLoopback(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("not a URL: %w", errors.Unwrap(err))
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("not an http or https URL")
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && !ip.IsLoopback() {
		return errors.New("callbacks go to loopback only: use 127.0.0.1, ::1 or localhost")
	}
	return nil
}

// callback is one notice: camelCase, no cause, no namespace.
type callback struct {
	address string
	VideoNo string `json:"videoNo"`
	Status  string `json:"status"`
}

// outbox is where callbacks wait for Run.
type outbox struct {
	mu      sync.Mutex
	waiting []callback
	lost    int
	signal  chan struct{}
}

func newOutbox() outbox { return outbox{signal: make(chan struct{}, 1)} }

func (o *outbox) put(c callback) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) >= maxOutbox {
		o.lost++
		return
	}
	o.waiting = append(o.waiting, c)
	o.wake()
}

func (o *outbox) wake() {
	select {
	case o.signal <- struct{}{}:
	default:
	}
}

func (o *outbox) take() []callback {
	o.mu.Lock()
	defer o.mu.Unlock()
	taken := o.waiting
	o.waiting = nil
	return taken
}

// queueUpload calls nobody for a video that is added as finished: it was there before.
func (s *Simulator) queueUpload(ns string, v Video) {
	finished := v.Raw == s.opts.Words.Done || v.Raw == s.opts.Words.Failed
	if !finished && !s.opts.Callbacks.DropUpload {
		s.queueCallback(ns, v, "PARSE")
	}
}

func (s *Simulator) queueMove(ns string, v Video) {
	if s.opts.Callbacks.DropParse {
		return
	}
	switch v.Raw {
	case s.opts.Words.Done:
		s.queueCallback(ns, v, "PARSE")
	case s.opts.Words.Failed:
		s.queueCallback(ns, v, "FAIL")
	}
}

func (s *Simulator) queueCallback(ns string, v Video, status string) {
	address := orElse(v.Callback, s.opts.Callbacks.URLs[ns])
	if address == "" || validateLoopback(address) != nil {
		return
	}
	for range 1 + s.opts.Callbacks.Repeat {
		s.outbox.put(callback{address, v.No, status})
	}
}

// Run plays lives when they are due, not only when somebody asks, and sends callbacks, until ctx is done. Without it
// lives are right at every request and no callback is sent. To be asked to stop is no error.
func (s *Simulator) Run(ctx context.Context) error {
	client := s.callbackClient()
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		for _, c := range s.outbox.take() {
			s.sendCallback(ctx, client, c)
		}
		s.waitForTurn(ctx)
	}
	return nil
}

// waitForTurn settles what is due and waits for the next step or for a callback.
func (s *Simulator) waitForTurn(ctx context.Context) {
	wait := time.Hour
	s.locked(func(now time.Time) {
		if due, ok := s.agenda.next(); ok {
			wait = due.Sub(now)
		}
	})
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		s.locked(func(time.Time) {})
	case <-s.outbox.signal:
	case <-ctx.Done():
	}
}

func (s *Simulator) callbackClient() *http.Client {
	transport := s.opts.Callbacks.Transport
	if transport == nil {
		dialer := &net.Dialer{Timeout: callbackTimeout, Control: loopbackOnly}
		transport = &http.Transport{DialContext: dialer.DialContext}
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       callbackTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// loopbackOnly checks the address that a name was resolved to.
func loopbackOnly(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil || !net.ParseIP(host).IsLoopback() {
		return fmt.Errorf("callback to %s: not loopback", address)
	}
	return nil
}

func (s *Simulator) sendCallback(ctx context.Context, client *http.Client, c callback) {
	body, _ := json.Marshal(c) // two strings cannot fail
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address, bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return // lost: the platform does not retry
	}
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10) // for the connection to be used again
	_ = res.Body.Close()
}
