package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"vidbell/internal/web"
	"vidbell/notify/webhook"
)

// fakeDispatcher is the dispatcher as the pages reach it. It has two endpoints, ops and chat.
type fakeDispatcher struct {
	err       error
	endpoints []webhook.EndpointState
	attempts  []webhook.Attempt // the newest first
	letters   []webhook.DeadLetter
	replay    webhook.ReplayResult
	test      webhook.TestResult
	why       webhook.Explanation
	page      int // entries on a page, 0: as many as were asked for

	asked   []string
	query   webhook.AttemptQuery
	dead    webhook.DeadQuery
	replays []webhook.ReplayRequest
}

func (f *fakeDispatcher) note(format string, args ...any) error {
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fakeDispatcher) known(name string) error {
	if f.err == nil && name != "" && name != "ops" && name != "chat" {
		return fmt.Errorf("endpoint %q: %w", name, webhook.ErrNoEndpoint)
	}
	return f.err
}

func (f *fakeDispatcher) Endpoints(context.Context) ([]webhook.EndpointState, error) {
	return f.endpoints, f.err
}

func (f *fakeDispatcher) Enable(_ context.Context, name string) error {
	return errors.Join(f.note("enable %s", name), f.known(name))
}

func (f *fakeDispatcher) Disable(_ context.Context, name, why string) error {
	return errors.Join(f.note("disable %s: %s", name, why), f.known(name))
}

func (f *fakeDispatcher) SendTest(_ context.Context, name, eventType string) (webhook.TestResult, error) {
	return f.test, errors.Join(f.note("test %s: %s", name, eventType), f.known(name))
}

func (f *fakeDispatcher) Attempts(_ context.Context, q webhook.AttemptQuery) (list []webhook.Attempt, next uint64, err error) {
	f.query = q
	for i, a := range f.attempts {
		if q.Before > 0 && a.Seq >= q.Before {
			continue
		}
		list = append(list, a)
		if len(list) == q.Limit || len(list) == f.page {
			if i+1 < len(f.attempts) {
				next = a.Seq
			}
			break
		}
	}
	return list, next, f.known(q.Endpoint)
}

func (f *fakeDispatcher) DeadLetters(_ context.Context, q webhook.DeadQuery) ([]webhook.DeadLetter, uint64, error) {
	f.dead = q
	return f.letters, 0, f.known(q.Endpoint)
}

func (f *fakeDispatcher) Replay(_ context.Context, r webhook.ReplayRequest) (webhook.ReplayResult, error) {
	f.replays = append(f.replays, r)
	return f.replay, f.known(r.Endpoint)
}

func (f *fakeDispatcher) Why(_ context.Context, name, about string) (webhook.Explanation, error) {
	return f.why, errors.Join(f.note("why %s: %s", name, about), f.known(name))
}

// serveDispatcher points the commands to a service with this dispatcher.
func serveDispatcher(t *testing.T, f *fakeDispatcher) {
	t.Helper()
	c := &courier{log: zap.NewNop()}
	c.attach(f)
	servePages(t, func(s *web.Server) {
		s.HandleEndpoints(c)
		s.HandleDeliveries(c)
	})
}

// filled sets every field of a struct to a value of its own, so that a field that is not passed on shows.
func filled[T any](t *testing.T) T {
	t.Helper()
	var v T
	n := 0
	fill(t, reflect.ValueOf(&v).Elem(), &n)
	return v
}

func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 11, 23, 0, 0, *n, 0, time.UTC)))
		return
	case time.Duration:
		v.SetInt(int64(*n) * int64(time.Second))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0), n)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"name": "value"}))
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(int64(*n))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	default:
		t.Fatalf("a field of kind %s", v.Kind())
	}
}

// mustHaveNoHole: what the pages show of a struct whose fields are all set has no empty field.
func mustHaveNoHole(t *testing.T, shown any) {
	t.Helper()
	text, err := json.Marshal(shown)
	must(t, err)
	for _, hole := range []string{`:""`, `:null`, `:0,`, `:0}`, `:false`, `:[]`, `:{}`} {
		if i := bytes.Index(text, []byte(hole)); i >= 0 {
			t.Errorf("%s in %s", text[max(0, i-30):i+len(hole)], text)
		}
	}
}

func TestCourierShowsEverything(t *testing.T) {
	mustHaveNoHole(t, shownEndpoint(filled[webhook.EndpointState](t)))
	mustHaveNoHole(t, shownAttempt(filled[webhook.Attempt](t)))
	mustHaveNoHole(t, shownLetter(filled[webhook.DeadLetter](t)))
	mustHaveNoHole(t, shownFate(filled[webhook.EventFate](t)))
	if e := shownEndpoint(webhook.EndpointState{Name: "new"}); e.LastFailure != nil || e.Since != nil {
		t.Errorf("an endpoint without a past is %+v", e)
	}
	if text := asText(t, shownFate(webhook.EventFate{})); !strings.Contains(text, `"dead_letter":null,"attempts":[]`) {
		t.Errorf("an event without a past is %s", text)
	}
}

func TestCourierPassesFiltersOn(t *testing.T) {
	f := &fakeDispatcher{}
	c := &courier{log: zap.NewNop()}
	c.attach(f)
	filter, letters := filled[web.DeliveryFilter](t), filled[web.DeadLetterFilter](t)
	filter.Endpoint, letters.Endpoint = "ops", "ops"
	_, err := c.Deliveries(t.Context(), filter)
	must(t, err)
	mustHaveNoHole(t, f.query)
	_, err = c.DeadLetters(t.Context(), letters)
	must(t, err)
	mustHaveNoHole(t, f.dead)
	replay := filled[web.Replay](t)
	replay.Endpoint = "ops"
	_, err = c.Replay(t.Context(), replay)
	must(t, err)
	mustHaveNoHole(t, f.replays[0])
}

// What went wrong is said in the words of the pages; what they have no words for is in the log.
func TestCourierTranslatesTrouble(t *testing.T) {
	odd := errors.New("odd")
	for _, tc := range []struct {
		err    error
		want   error
		logged bool
	}{
		{fmt.Errorf("x: %w", webhook.ErrNoEndpoint), web.ErrNoEndpoint, false},
		{fmt.Errorf("x: %w", webhook.ErrNoEvent), web.ErrNoEvent, false},
		{webhook.ErrReplayFull, web.ErrReplayFull, false},
		{nats.ErrTimeout, web.ErrAway, false},
		{context.DeadlineExceeded, web.ErrAway, false},
		{odd, odd, true},
	} {
		core, logs := observer.New(zap.InfoLevel)
		c := &courier{log: zap.New(core)}
		if _, err := c.Endpoints(t.Context()); !errors.Is(err, web.ErrStarting) {
			t.Errorf("before the consumers exist: %v", err)
		}
		c.attach(&fakeDispatcher{err: tc.err})
		for _, err := range c.everything(t.Context()) {
			if !errors.Is(err, tc.want) {
				t.Errorf("%v becomes %v", tc.err, err)
			}
		}
		if (logs.Len() > 0) != tc.logged {
			t.Errorf("%v: %d lines in the log", tc.err, logs.Len())
		}
	}
	c := &courier{log: zap.NewNop()}
	c.attach(&fakeDispatcher{err: fmt.Errorf("replay: %w", &webhook.FieldError{Field: "filter", Err: odd})})
	var invalid *web.InvalidError
	if _, err := c.Replay(t.Context(), web.Replay{}); !errors.As(err, &invalid) || *invalid != (web.InvalidError{Field: "filter", Problem: "odd"}) {
		t.Errorf("a wrong field becomes %v", err)
	}
}

// everything asks for all there is, the lists first.
func (c *courier) everything(ctx context.Context) (errs []error) {
	_, err := c.Endpoints(ctx)
	errs = append(errs, err)
	_, err = c.Deliveries(ctx, web.DeliveryFilter{})
	errs = append(errs, err)
	_, err = c.DeadLetters(ctx, web.DeadLetterFilter{})
	errs = append(errs, err, c.Enable(ctx, "ops", ""), c.Disable(ctx, "ops", ""))
	_, err = c.SendTest(ctx, "ops", "")
	errs = append(errs, err)
	_, err = c.Replay(ctx, web.Replay{Endpoint: "ops"})
	errs = append(errs, err)
	_, err = c.Why(ctx, "ops", "VI1")
	return append(errs, err)
}
