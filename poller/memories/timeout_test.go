package memories

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// silent is a platform that never answers.
func silent(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// stalling answers at once, and never ends its body.
func stalling(r *http.Request) (*http.Response, error) {
	body, w := io.Pipe()
	context.AfterFunc(r.Context(), func() { _ = w.CloseWithError(r.Context().Err()) })
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, ContentLength: -1}, nil
}

func TestTimeouts(t *testing.T) {
	background := func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }
	cancelled := func() (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(2*time.Second, cancel)
		return ctx, cancel
	}
	deadline := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), 3*time.Second)
	}
	tests := []struct {
		name      string
		transport roundTripper
		caller    func() (context.Context, context.CancelFunc)
		want      Class
		after     time.Duration
		is        error
	}{
		{"a platform that never answers", silent, background, ClassTimeout, 30 * time.Second, context.DeadlineExceeded},
		{"a body that never ends", stalling, background, ClassTimeout, 30 * time.Second, context.DeadlineExceeded},
		{"a caller that gives up while waiting", silent, cancelled, ClassCanceled, 2 * time.Second, context.Canceled},
		{"a caller that gives up during the body", stalling, cancelled, ClassCanceled, 2 * time.Second, context.Canceled},
		{"a caller whose deadline is nearer", silent, deadline, ClassTimeout, 3 * time.Second, context.DeadlineExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := clientFor(t, "http://platform.invalid", func(c *Config) { c.Transport, c.Timeout = tt.transport, 0 })
				ctx, cancel := tt.caller()
				defer cancel()
				page, err := client.List(ctx, Query{})
				fault := checkFault(t, page, err, tt.want)
				if !errors.Is(fault, tt.is) {
					t.Errorf("%v is not %v", fault, tt.is)
				}
				if page.Elapsed != tt.after {
					t.Errorf("ended after %s, want %s", page.Elapsed, tt.after)
				}
			})
		})
	}
}

func TestAnswerJustInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := clientFor(t, "http://platform.invalid", func(c *Config) {
			c.Timeout = 10 * time.Second
			c.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
				time.Sleep(10*time.Second - 1) // the bubble's clock
				return nil, errors.New("late but distinct")
			})
		})
		_, err := client.List(context.Background(), Query{})
		if ClassOf(err) != ClassNetwork {
			t.Errorf("got %v", err)
		}
	})
}

// slowDial is an error with a timeout of its own, such as a dialler's.
type slowDial struct{ error }

func (slowDial) Timeout() bool { return true }

func TestTimeoutOfAPartIsATimeout(t *testing.T) {
	client := clientFor(t, "http://platform.invalid", func(c *Config) {
		c.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, slowDial{errors.New("dial tcp: i/o timeout")}
		})
	})
	mustFail(t, client, ClassTimeout)
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2025, 11, 24, 2, 0, 0, 0, time.UTC)
	throttle, down := `{"code":"0429","msg":"busy"}`, springBody(503, "Service Unavailable")
	tests := []struct {
		name   string
		status int
		body   string
		header string
		want   time.Duration
	}{
		{"seconds on a throttle inside HTTP 200", 200, throttle, "7", 7 * time.Second},
		{"seconds on HTTP 429", 429, "", "7", 7 * time.Second},
		{"seconds on HTTP 503", 503, down, " 7 ", 7 * time.Second},
		{"a date", 429, "", now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		{"an old form of date", 429, "", now.Add(90 * time.Second).Format("Monday, 02-Jan-06 15:04:05 GMT"), 90 * time.Second},
		{"more than the cap", 429, "", "86400", 5 * time.Minute},
		{"a date beyond the cap", 429, "", now.AddDate(50, 0, 0).Format(http.TimeFormat), 5 * time.Minute},
		{"seconds that would overflow a duration", 429, "", "9223372036854775807", 5 * time.Minute},
		{"no header", 429, "", "", 0},
		{"zero", 429, "", "0", 0},
		{"a negative number", 429, "", "-7", 0},
		{"a date in the past", 429, "", now.Add(-time.Hour).Format(http.TimeFormat), 0},
		{"a number beyond all numbers", 429, "", "99999999999999999999999", 0},
		{"prose", 429, "", "soon", 0},
		{"on a refused key", 401, "", "7", 0},
		{"on another server error", 502, "", "7", 0},
		{"on a refused key under HTTP 503", 503, `{"code":"0401"}`, "7", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				answering(tt.status, "application/json", tt.body)(w, r)
			}, func(c *Config) { c.Now = func() time.Time { return now } })
			_, err := client.List(context.Background(), Query{})
			var fault *Error
			if !errors.As(err, &fault) || fault.RetryAfter != tt.want {
				t.Errorf("got %+v, want %s", fault, tt.want)
			}
		})
	}
}
