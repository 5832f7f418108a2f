package webhook

import (
	"context"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// apply goes on with other endpoints, and wants that to change exactly what is named: "+a ~b -c".
func (r *running) apply(want string, endpoints ...Endpoint) {
	r.tb.Helper()
	ctx, cancel := context.WithTimeout(r.tb.Context(), patience)
	defer cancel()
	c, err := r.Apply(ctx, endpoints, nil)
	must(r.tb, err)
	if got := c.text(); got != want {
		r.tb.Errorf("changed %q, want %q", got, want)
	}
}

func (c Change) text() string {
	var all []string
	for _, name := range c.Added {
		all = append(all, "+"+name)
	}
	for _, name := range c.Changed {
		all = append(all, "~"+name)
	}
	for _, name := range c.Removed {
		all = append(all, "-"+name)
	}
	return strings.Join(all, " ")
}

// shows tells whether any metric is about an endpoint.
func (r *running) shows(endpoint string) bool {
	r.tb.Helper()
	families, err := r.registry.Gather()
	must(r.tb, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "endpoint" && l.GetValue() == endpoint {
					return true
				}
			}
		}
	}
	return false
}

func TestApplyFromNoEndpointToSomeAndBack(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, nil)
	r := e.dispatch(nil)
	if list, err := r.Endpoints(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("endpoints of nothing: %v, %v", list, err)
	}
	if list, _, err := r.Attempts(t.Context(), AttemptQuery{}); err != nil || len(list) != 0 {
		t.Errorf("attempts of nothing: %v, %v", list, err)
	}
	early := e.append("done", 1)
	a, b := Endpoint{Name: "a", URL: in.URL + "/a"}, Endpoint{Name: "b", URL: in.URL + "/b", Format: FormatCloudEvents}
	r.apply("+a +b", a, b)
	first := e.append("done", 2)
	eventually(t, "the first event at both", func() bool { return in.count(first) == 2 })
	if in.count(early) != 0 {
		t.Error("what came before the endpoints was delivered")
	}
	if list, err := r.Endpoints(t.Context()); err != nil || len(list) != 2 || list[0].Name != "a" || list[1].Name != "b" {
		t.Errorf("endpoints %+v, %v", list, err)
	}
	r.apply("-a", b)
	if r.shows("a") || !r.shows("b") {
		t.Error("metrics of what is removed stay, or others go")
	}
	second := e.append("done", 3)
	eventually(t, "the second event at the one left", func() bool { return in.count(second) == 1 })
	if err := r.Disable(t.Context(), "a", "x"); err == nil {
		t.Error("a removed endpoint can be disabled")
	}
	r.apply("+a", b, a) // back again: what came meanwhile is its backlog, as after a restart
	eventually(t, "the second event at the one that came back", func() bool { return in.count(second) == 2 })
	if states := r.States(); states[0].Endpoint != "b" || states[1].Endpoint != "a" {
		t.Errorf("order of %+v", states)
	}
	r.apply("-b -a")
	e.append("done", 4)
	r.stop()
	if n := len(in.seen()); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
	if _, err := r.Apply(t.Context(), nil, nil); err == nil {
		t.Error("applied after the end")
	}
}

// A request under way ends under the settings it began with, the next one has the new ones, and an endpoint that is the same
// notices nothing.
func TestApplyBreaksOffNoRequest(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	e, in := startEngine(t), startReceiver(t, hang(release))
	a := Endpoint{Name: "a", URL: in.URL + "/old", InFlight: 1, Secrets: []string{secretText(1)}}
	same := Endpoint{Name: "same", URL: in.URL + "/same", InFlight: 1}
	gone := Endpoint{Name: "gone", URL: in.URL + "/gone", InFlight: 1}
	r := e.dispatch([]Endpoint{a, same, gone})
	kept := r.all()[1]
	ids := []string{e.append("done", 1)}
	eventually(t, "all three to be under way", func() bool { return len(in.seen()) == 3 })
	ids = append(ids, e.append("done", 2))
	a.URL, a.Secrets = in.URL+"/new", []string{secretText(2)}
	done := make(chan Change, 1)
	go func() {
		c, err := r.Apply(context.Background(), []Endpoint{a, same}, nil)
		if err != nil {
			t.Error(err)
		}
		done <- c
	}()
	select {
	case <-done:
		t.Fatal("did not wait for the requests under way")
	case <-time.After(100 * time.Millisecond):
	}
	if list, err := r.Endpoints(t.Context()); err != nil || len(list) != 3 {
		t.Errorf("in the middle of it: %+v, %v", list, err)
	}
	close(release)
	if c := <-done; c.text() != "~a -gone" {
		t.Errorf("changed %q", c.text())
	}
	if r.all()[1] != kept {
		t.Error("the endpoint that is the same was made anew")
	}
	eventually(t, "the rest", func() bool { return len(in.seen()) == 5 })
	r.stop()
	var paths []string
	for _, q := range in.seen() {
		paths = append(paths, q.path+" "+q.id)
		switch q.path {
		case "/old":
			verify(t, q, secretText(1))
		case "/new":
			verify(t, q, secretText(2))
		}
	}
	slices.Sort(paths)
	if want := []string{"/gone " + ids[0], "/new " + ids[1], "/old " + ids[0], "/same " + ids[0], "/same " + ids[1]}; !slices.Equal(paths, want) {
		t.Errorf("requests %q, want %q", paths, want)
	}
}

// A receiver that hangs for good keeps Apply for its timeout, and no other endpoint waits for it.
func TestApplyIsBoundedByTheTimeoutOfAReceiverThatHangs(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	release := make(chan struct{})
	in := startReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/hangs" {
			hang(release)(w, q)
		}
	})
	defer close(release)
	a, b := Endpoint{Name: "a", URL: in.URL + "/hangs", Timeout: 3 * time.Second}, Endpoint{Name: "b", URL: in.URL + "/b"}
	r := e.dispatch([]Endpoint{a, b})
	id := e.append("done", 1)
	eventually(t, "both requests", func() bool { return in.count(id) == 2 })
	began := time.Now()
	go r.apply("~b -a", Endpoint{Name: "b", URL: in.URL + "/b2"})
	next := e.append("done", 2)
	eventually(t, "the next event at the other", func() bool { return in.count(next) >= 1 })
	if took := time.Since(began); took > 2500*time.Millisecond {
		t.Errorf("the other one waited %s", took)
	}
	eventually(t, "the end of it", func() bool { return len(r.States()) == 1 })
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestApplyKeepsHealthUnlessTheURLIsAnother(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, status(http.StatusInternalServerError))
	a, b := Endpoint{Name: "a", URL: in.URL + "/a", InFlight: 4}, Endpoint{Name: "b", URL: in.URL + "/b"}
	r := e.dispatch([]Endpoint{a, b}, func(c *Config) { c.timing = timing{first: time.Hour, most: time.Hour, giveUp: giveUpAfter} })
	for n := range 8 {
		e.append("done", n)
	}
	state := func(name string) State {
		h, err := r.State(name)
		must(t, err)
		return h.State
	}
	eventually(t, "the breakers to open", func() bool { return state("a") == StateDegraded && state("b") == StateDegraded })
	in.answers(nil)
	requests := len(in.seen())
	a.Secrets = []string{secretText(1)}
	must(t, r.Disable(t.Context(), "b", "for a while"))
	b.Timeout = 5 * time.Second
	r.apply("~a ~b", a, b)
	if state("a") != StateDegraded || state("b") != StateDisabled {
		t.Errorf("after other settings: %+v", r.States())
	}
	if h, err := r.State("a"); err != nil || h.FailuresInRow < breakerAfter || h.Next.IsZero() || h.Cause != CauseFailing {
		t.Errorf("what is known of the outage: %+v, %v", h, err)
	}
	<-time.After(200 * time.Millisecond)
	if n := len(in.seen()); n != requests {
		t.Errorf("%d requests to endpoints that wait", n-requests)
	}
	a.URL, b.URL = in.URL+"/a2", in.URL+"/b2"
	r.apply("~a ~b", a, b)
	eventually(t, "all of the backlog at both", func() bool {
		fresh := make(map[string]int)
		for _, q := range in.seen() {
			if strings.HasSuffix(q.path, "2") {
				fresh[q.path]++
			}
		}
		return fresh["/a2"] == 8 && fresh["/b2"] == 8
	})
	if state("a") != StateActive || state("b") != StateActive {
		t.Errorf("after other URLs: %+v", r.States())
	}
}

func TestApplyOfOtherTypesBeginsNow(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, nil)
	a := Endpoint{Name: "a", URL: in.URL, Events: []string{"video.done"}}
	r := e.dispatch([]Endpoint{a})
	unwanted, ops := e.append("failed", 1), e.appendOps("source.degraded", "default")
	first := e.append("done", 1)
	eventually(t, "what is asked for", func() bool { return in.count(first) == 1 })
	a.Events = []string{"video.failed", "source.*"}
	r.apply("~a", a)
	e.append("done", 2)
	wanted, told := e.append("failed", 3), e.appendOps("source.recovered", "default")
	eventually(t, "what is asked for now", func() bool { return in.count(wanted) == 1 && in.count(told) == 1 })
	a.Events = []string{"video.failed"}
	r.apply("~a", a)
	e.appendOps("source.degraded", "other")
	last := e.append("failed", 4)
	eventually(t, "the last", func() bool { return in.count(last) == 1 })
	if n := len(in.seen()); n != 4 || in.count(unwanted)+in.count(ops) != 0 {
		t.Errorf("%d requests, want 4", n)
	}
	found := r.replay(ReplayRequest{Endpoint: "a", Missing: true, DryRun: true})
	if found.Matched != 1 { // the first failure, which came when it was not asked for
		t.Errorf("%d events are missing, want 1", found.Matched)
	}
}

func TestApplyTakesReplaysAlong(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, status(http.StatusUnsupportedMediaType))
	a := Endpoint{Name: "a", URL: in.URL}
	r := e.dispatch([]Endpoint{a}, func(c *Config) { c.ReplayRate = 20 })
	for n := range 30 {
		e.append("done", n)
	}
	eventually(t, "all to be dead", func() bool { return r.endpoint("a").DeadLetters == 30 })
	in.answers(nil)
	if n := r.replay(ReplayRequest{Endpoint: "a", Dead: true}).Queued; n != 30 {
		t.Fatalf("%d queued", n)
	}
	for n := range 4 {
		a.InFlight = n + 1
		r.apply("~a", a)
		<-time.After(100 * time.Millisecond)
	}
	eventually(t, "no letter is left", func() bool { return r.endpoint("a").DeadLetters == 0 && r.endpoint("a").Queued == 0 })
	if n := len(in.seen()); n != 60 {
		t.Errorf("%d requests, want 60", n)
	}
}

func TestApplyThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, nil)
	a, b := Endpoint{Name: "a", URL: in.URL + "/a"}, Endpoint{Name: "b", URL: in.URL + "/b"}
	changed := Endpoint{Name: "a", URL: in.URL + "/changed"}
	unprepared, err := New(Config{JetStream: e.js, Names: e.names})
	must(t, err)
	if _, err := unprepared.Apply(t.Context(), nil, nil); err == nil {
		t.Error("applied before Prepare")
	}
	r := e.dispatch([]Endpoint{a})
	kept := r.all()[0]
	refused := func(what, says string, endpoints ...Endpoint) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := r.Apply(ctx, endpoints, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", what, err)
		}
		if now := r.all(); len(now) != 1 || now[0] != kept {
			t.Errorf("%s has changed something", what)
		}
		if r.shows("b") {
			t.Errorf("%s: metrics of what is not there", what)
		}
	}
	refused("twice", "taken", changed, changed)
	refused("a mistake", "secrets[0]", changed, Endpoint{Name: "b", URL: in.URL, Secrets: []string{"x"}})
	e.halt()
	refused("without the engine", "prepare endpoint", changed, b)
	must(t, e.boot())
	id := e.appendWhenBack("done", 1)
	eventually(t, "the event where it went before", func() bool { return in.count(id) == 1 })
	if q := in.seen()[0]; q.path != "/a" {
		t.Errorf("it went to %s", q.path)
	}
	r.apply("+b ~a", changed, b)
}

// appendWhenBack writes an event to an engine that is just coming back.
func (e *engine) appendWhenBack(kind string, n int) string {
	e.tb.Helper()
	id, msg := e.event(kind, n)
	eventually(e.tb, "the engine to be back", func() bool {
		ctx, cancel := context.WithTimeout(e.tb.Context(), time.Second)
		defer cancel()
		_, err := e.js.PublishMsg(ctx, msg)
		return err == nil
	})
	return id
}

// Nothing is missing for a change of what is there already, so it is made without the engine, and waits for it.
func TestApplyWithoutTheEngineHoldsWhenItIsBack(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, nil)
	a := Endpoint{Name: "a", URL: in.URL + "/old"}
	r := e.dispatch([]Endpoint{a})
	e.halt()
	a.URL = in.URL + "/new"
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if c, err := r.Apply(ctx, []Endpoint{a}, nil); err != nil || c.text() != "~a" {
		t.Fatalf("%v, %v", c, err)
	}
	a.Secrets = []string{secretText(1)}
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if c, err := r.Apply(ctx, []Endpoint{a}, nil); err != nil || c.text() != "~a" { // once more, on what never began
		t.Fatalf("%v, %v", c, err)
	}
	must(t, e.boot())
	id := e.appendWhenBack("done", 1)
	eventually(t, "the event", func() bool { return in.count(id) == 1 })
	q := in.seen()[0]
	if q.path != "/new" {
		t.Errorf("it went to %s", q.path)
	}
	verify(t, q, secretText(1))
}

func TestApplyOfOtherNetworks(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, nil)
	zero := strings.Replace(in.URL, "127.0.0.1", "0.0.0.0", 1) // this machine, by a name that is forbidden
	a := Endpoint{Name: "a", URL: zero}
	all := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/8")}
	r := e.dispatch([]Endpoint{a})
	e.append("done", 1)
	eventually(t, "the dead letter", func() bool { return r.endpoint("a").DeadLetters == 1 })
	kept := r.all()[0]
	c, err := r.Apply(t.Context(), []Endpoint{a}, all)
	if must(t, err); c.text() != "" || r.all()[0] != kept {
		t.Errorf("changed %q", c.text())
	}
	id := e.append("done", 2)
	eventually(t, "the delivery", func() bool { return in.count(id) == 1 })
	// The endpoint moves out of the network as the network is forbidden: at no moment is one under the other's rule.
	moved := a
	moved.URL = in.URL
	_, err = r.Apply(t.Context(), []Endpoint{moved}, nil)
	must(t, err)
	id = e.append("done", 3)
	eventually(t, "the delivery elsewhere", func() bool { return in.count(id) == 1 })
	_, err = r.Apply(t.Context(), []Endpoint{a}, nil)
	must(t, err)
	e.append("done", 4)
	eventually(t, "another dead letter", func() bool { return r.endpoint("a").DeadLetters == 2 })
}

// A setting that Apply does not look at would never change.
func TestEverySettingOfAnEndpointIsLookedAt(t *testing.T) {
	t.Parallel()
	base := Endpoint{Name: "a", URL: "https://a.example/"}.WithDefaults()
	kind := reflect.TypeFor[Endpoint]()
	for i := range kind.NumField() {
		other := base
		f := reflect.ValueOf(&other).Elem().Field(i)
		switch f.Kind() {
		case reflect.String:
			f.SetString(f.String() + "x")
		case reflect.Int, reflect.Int64:
			f.SetInt(f.Int() + 1)
		case reflect.Float64:
			f.SetFloat(7)
		case reflect.Bool:
			f.SetBool(!f.Bool())
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"x"}))
		case reflect.Map:
			f.Set(reflect.ValueOf(map[string]string{"x": "y"}))
		default:
			other.Schedule = schedule(t, "fast")
		}
		if base.equal(other) || other.equal(base) {
			t.Errorf("another %s makes no difference", kind.Field(i).Name)
		}
	}
	same := base
	same.Secrets, same.Headers, same.Sources = []string{}, map[string]string{}, []string{}
	if !base.equal(same) {
		t.Error("an empty list is not none")
	}
}

// verify checks a signature as a receiver does.
func verify(t *testing.T, q request, secret string) {
	t.Helper()
	official, err := standardwebhooks.NewWebhook(secret)
	must(t, err)
	if err := official.Verify(q.body, q.header); err != nil {
		t.Errorf("%s at %s: %v", q.id, q.path, err)
	}
}
