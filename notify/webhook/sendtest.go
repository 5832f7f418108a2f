package webhook

import "context"

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
	return TestResult{}, errNotYet
}
