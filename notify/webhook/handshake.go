package webhook

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The CloudEvents web hook specification (cloudevents/spec, cloudevents/http-webhook.md, version 1.0.2, "Abuse Protection")
// asks the sender to hold off until the target agreed: OPTIONS with WebHook-Request-Origin, answered by WebHook-Allowed-Origin.
// Only the headers count, no status: many servers answer 200 to any OPTIONS.
const (
	headerRequestOrigin = "Webhook-Request-Origin" // canonical form, as net/http writes it
	headerRequestRate   = "Webhook-Request-Rate"
	headerAllowedOrigin = "Webhook-Allowed-Origin"
	headerAllowedRate   = "Webhook-Allowed-Rate"

	consentFor       = 24 * time.Hour // a consent is asked for again after this, and at each start
	maxHandshakeRate = 1_000_000      // a minute
	maxOriginBytes   = 253            // of a DNS name
)

var originPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)

func checkOrigin(origin string) error {
	if len(origin) > maxOriginBytes || !originPattern.MatchString(origin) {
		return errors.New("use the DNS name that receivers know this installation by, like vidbell.example.com")
	}
	return nil
}

// consent is what an endpoint's receiver agreed to. Deliveries that find none share one request for it.
type consent struct {
	onGrant func(perMinute int) // told of the rate that each consent names, zero for none

	mu    sync.Mutex
	until time.Time
	rate  int // requests a minute; zero: no limit was named
	asked *asking
}

type asking struct {
	done chan struct{}
	out  outcome
}

// granted is the rate that the receiver granted, in requests a minute; false while there is none, or no limit.
func (c *consent) granted() (perMinute int, limited bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rate, c.rate > 0
}

// seek reports a failed outcome when the receiver did not agree to being sent to; otherwise the delivery may go on.
func (c *consent) seek(ctx context.Context, now time.Time, ask func() (outcome, int)) outcome {
	c.mu.Lock()
	if now.Before(c.until) {
		c.mu.Unlock()
		return outcome{}
	}
	if a := c.asked; a != nil {
		c.mu.Unlock()
		return a.wait(ctx)
	}
	a := &asking{done: make(chan struct{})}
	c.asked = a
	c.mu.Unlock()

	out, rate := ask()
	c.mu.Lock()
	a.out, c.asked = out, nil
	if out.delivered() {
		c.until, c.rate = now.Add(consentFor), rate
	}
	c.mu.Unlock()
	if out.delivered() && c.onGrant != nil {
		c.onGrant(rate)
	}
	close(a.done)
	return out
}

func (a *asking) wait(ctx context.Context) outcome {
	select {
	case <-a.done:
		return a.out
	case <-ctx.Done():
		return outcome{class: ClassTimeout, detail: "handshake: " + ctx.Err().Error()}
	}
}

// handshake asks the receiver for its consent, if the endpoint wants that and there is none yet. A refusal is the outcome of
// the attempt: it goes by the schedule, so that a receiver that learns to agree gets everything.
func (s *sender) handshake(ctx context.Context, t *target) outcome {
	if t.HandshakeOrigin == "" {
		return outcome{}
	}
	return t.consent.seek(ctx, s.now(), func() (outcome, int) { return s.askConsent(ctx, t) })
}

func (s *sender) askConsent(ctx context.Context, t *target) (outcome, int) {
	answer, err := s.transport.RoundTrip(s.optionsRequest(ctx, t))
	if err != nil {
		return outcome{class: classifyError(err), detail: "handshake: " + detailOf(err)}, 0
	}
	defer answer.Body.Close()
	_, _ = readAnswer(answer.Body, 0) // for the connection's sake: only the headers count
	rate, why := readConsent(answer.Header, t.HandshakeOrigin)
	if why == "" {
		return outcome{status: answer.StatusCode}, rate
	}
	out := outcome{class: ClassStatus, detail: "handshake: " + explain(answer) + ", " + why}
	// Only these speak of the receiver; 405 or 501, say, mean the method OPTIONS, and must not end the delivery.
	switch answer.StatusCode {
	case http.StatusGone, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		out.status = answer.StatusCode
		out.retryAfter = parseRetryAfter(answer.Header.Get("Retry-After"), s.now())
	}
	return out, 0
}

func (s *sender) optionsRequest(ctx context.Context, t *target) *http.Request {
	header := t.header.Clone()
	header["User-Agent"] = s.agent
	header[headerRequestOrigin] = []string{t.HandshakeOrigin}
	if t.HandshakeRate > 0 {
		header[headerRequestRate] = []string{strconv.Itoa(t.HandshakeRate)}
	}
	if t.basic != "" {
		header["Authorization"] = []string{t.basic}
	}
	r := &http.Request{Method: http.MethodOptions, URL: t.url, Host: t.url.Host, Header: header}
	return r.WithContext(ctx)
}

// readConsent returns the granted rate, zero for none named, or why the answer is no consent.
func readConsent(h http.Header, origin string) (perMinute int, why string) {
	switch allowed := h.Get(headerAllowedOrigin); {
	case allowed == "":
		return 0, "no WebHook-Allowed-Origin in the answer"
	case allowed != "*" && !strings.EqualFold(allowed, origin):
		return 0, fmt.Sprintf("WebHook-Allowed-Origin is %s", strconv.QuoteToASCII(printable(allowed, maxDetailBytes/4)))
	}
	rate := strings.TrimSpace(h.Get(headerAllowedRate))
	if rate == "" || rate == "*" {
		return 0, ""
	}
	n, err := strconv.ParseUint(rate, 10, 63)
	if err != nil || n == 0 {
		return 0, fmt.Sprintf("WebHook-Allowed-Rate is %s", strconv.QuoteToASCII(printable(rate, maxDetailBytes/4)))
	}
	return int(min(n, math.MaxInt32)), ""
}

// heedGrants has the endpoint's limiter keep to what its receiver grants, where that is less than its own rate.
func (l *lane) heedGrants() {
	own := l.rate.Limit()
	l.target.consent.onGrant = func(perMinute int) {
		granted := own
		if perMinute > 0 {
			granted = min(own, rate.Limit(float64(perMinute)/time.Minute.Seconds()))
		}
		l.rate.SetLimit(granted)
	}
}
