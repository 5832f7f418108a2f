package webhook

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"vidbell/notify"
)

// TestResult is what a test delivery came to.
type TestResult struct {
	Attempt

	// RequestHeaders are those that were sent. Authorization and the endpoint's own headers show *** in place of their values.
	RequestHeaders map[string]string
	// RequestBody is what was sent, in the endpoint's format.
	RequestBody string
	// ResponseStatus is Attempt.Status.
	ResponseStatus int
}

// SendTest makes one real, signed request to an endpoint for an event that is made up: its id begins with evt_test_, its data
// say "test":true, and it is in no log. It goes out whatever the endpoint's state is, has no second try, and counts for
// nothing: not for the breaker, not in the delivery log. eventType is one of the types that the endpoint's format has words
// for; empty means video.done.
//
// A receiver that fails is no error: the result says so. The error is ErrNoEndpoint or a *FieldError, or ctx's.
func (d *Dispatcher) SendTest(ctx context.Context, endpoint, eventType string) (TestResult, error) {
	l, err := d.lane(endpoint)
	if err != nil {
		return TestResult{}, fmt.Errorf("test endpoint %q: %w", endpoint, err)
	}
	if eventType == "" {
		eventType = "video.done"
	}
	if err := l.target.checkTest(eventType); err != nil {
		return TestResult{}, &FieldError{"type", err}
	}
	now := l.now()
	id := testPrefix + strings.ToLower(rand.Text())
	result := TestResult{Attempt: Attempt{At: now, Endpoint: endpoint, EventID: id, Type: eventType, Number: 1}}
	event, err := notify.TestEvent(id, eventType, endpoint, now)
	if err != nil {
		return TestResult{}, err
	}
	body, err := l.target.compose(event)
	if err != nil {
		result.Class, result.Detail, result.Result = string(ClassRender), printable(err.Error(), maxDetailBytes), ResultFailed
		return result, nil
	}
	result.RequestBody = string(l.target.hidden.from(body)) // PagerDuty's key is in there
	result.RequestHeaders = l.target.shown(l.sender.request(ctx, l.target, id, body).Header)
	out := l.sender.send(withScheme(ctx, l.target.url.Scheme), l.target, id, body)
	if out.aborted {
		return result, fmt.Errorf("test endpoint %q: %w", endpoint, context.Cause(ctx))
	}
	result.fill(out)
	return result, nil
}

const testPrefix = "evt_test_"

func (r *TestResult) fill(out outcome) {
	r.Duration, r.Status, r.ResponseStatus = out.took, out.status, out.status
	r.Class, r.Detail, r.Excerpt, r.Result = string(out.class), out.detail, string(out.excerpt), ResultDelivered
	if !out.delivered() {
		r.Result = ResultFailed
	}
}

// checkTest refuses a type that there is not, or that the endpoint's format has no words for.
func (t *target) checkTest(eventType string) error {
	if !slices.Contains(knownTypes(), eventType) {
		return fmt.Errorf("%q is no event type, there are %s", eventType, strings.Join(knownTypes(), ", "))
	}
	return t.preset.checkSpeaks(eventType)
}

// shown are headers fit for people: those that may be secret show that they are there, not what they are.
func (t *target) shown(header http.Header) map[string]string {
	shown := make(map[string]string, len(header))
	for name := range header {
		shown[name] = header.Get(name)
		if _, own := t.header[name]; own || name == "Authorization" {
			shown[name] = "***"
		}
	}
	return shown
}
