package webhook

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// While events flow and receivers fail, endpoints come, go and change, again and again. Each has, under one id, every event from
// when it came to when it went, and nothing after.
func TestEndpointsChangeWhileEventsFlow(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	e := startEngine(t)
	const receivers = 4
	var rs []*receiver
	for range receivers {
		var failing sync.Map
		rs = append(rs, startReceiver(t, func(w http.ResponseWriter, in *http.Request) {
			if _, again := failing.LoadOrStore(in.Header.Get("Webhook-Id"), true); !again && in.Header.Get("Webhook-Id")[8]%4 == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
	}
	endpoint := func(i, variant int) Endpoint {
		return Endpoint{
			Name: fmt.Sprintf("r%d", i), URL: rs[i].URL, Events: []string{"video.*"}, Schedule: schedule(t, "0,50ms,50ms,100ms,1s"),
			InFlight: 2 + variant, Secrets: []string{secretText(byte(variant))},
		}
	}
	r := e.dispatch([]Endpoint{endpoint(0, 0)})
	wanted := make([][]string, receivers)
	here, was, variant := map[int]bool{0: true}, map[int]bool{0: true}, make([]int, receivers)
	apply := func() {
		var list []Endpoint
		for i := range receivers {
			if here[i] {
				list = append(list, endpoint(i, variant[i]))
			}
		}
		rng.Shuffle(len(list), func(a, b int) { list[a], list[b] = list[b], list[a] })
		must(t, r.Apply(t.Context(), list))
		if states := r.States(); len(states) != len(list) || states[0].Endpoint != list[0].Name {
			t.Fatalf("%d endpoints, want %d", len(states), len(list))
		}
	}
	n := 0
	for range 25 {
		for range 1 + rng.IntN(8) {
			n++
			id := e.append("done", n)
			for i := range was { // one that is away has it when it is back
				wanted[i] = append(wanted[i], id)
			}
		}
		i := 1 + rng.IntN(receivers-1) // the first one stays as it is
		switch {
		case !here[i]:
			here[i], was[i] = true, true
		case rng.IntN(2) == 0:
			delete(here, i)
		default:
			variant[i]++
		}
		apply()
	}
	for i := range was {
		here[i] = true
	}
	apply()
	for i := range receivers {
		for _, id := range wanted[i] {
			eventually(t, fmt.Sprintf("%s at receiver %d", id, i), func() bool { return rs[i].count(id) > 0 })
		}
	}
	for i, rec := range rs {
		for _, q := range rec.seen() {
			if !slices.Contains(wanted[i], q.header.Get("Webhook-Id")) {
				t.Errorf("receiver %d got %s, which came before it", i, q.header.Get("Webhook-Id"))
			}
		}
	}
}

func TestAnEndpointThatIsLeftOutGetsNothingMoreUntilItIsBack(t *testing.T) {
	e := startEngine(t)
	one, two := startReceiver(t, status(204)), startReceiver(t, status(204))
	first := Endpoint{Name: "one", URL: one.URL, Events: []string{"*"}}
	second := Endpoint{Name: "two", URL: two.URL, Events: []string{"*"}}
	r := e.dispatch([]Endpoint{first, second})
	id := e.append("done", 1)
	eventually(t, "the first event", func() bool { return one.count(id) == 1 && two.count(id) == 1 })
	must(t, r.Apply(t.Context(), []Endpoint{first}))
	id = e.append("done", 2)
	eventually(t, "the second event", func() bool { return one.count(id) == 1 })
	time.Sleep(100 * time.Millisecond) // in which it would come
	if two.count(id) != 0 {
		t.Error("an endpoint that was left out got an event")
	}
	if _, err := r.State("two"); err == nil {
		t.Error("an endpoint that was left out has a state")
	}
	must(t, r.Apply(t.Context(), []Endpoint{second, first}))
	eventually(t, "what waited for it", func() bool { return two.count(id) == 1 })
	must(t, r.Apply(t.Context(), nil))
	id = e.append("done", 3)
	must(t, r.Apply(t.Context(), []Endpoint{first}))
	eventually(t, "what came while there was none", func() bool { return one.count(id) == 1 })
}

// A receiver that hangs holds nobody up when it is changed, and no longer than the grace period.
func TestAHangingEndpointIsChangedWithinItsGrace(t *testing.T) {
	e := startEngine(t)
	release := make(chan struct{})
	slow, well := startReceiver(t, hang(release)), startReceiver(t, status(204))
	defer close(release)
	hanging := Endpoint{Name: "slow", URL: slow.URL, Events: []string{"*"}, Timeout: 30 * time.Second}
	other := Endpoint{Name: "well", URL: well.URL, Events: []string{"*"}}
	r := e.dispatch([]Endpoint{hanging, other}, func(c *Config) { c.Grace = 300 * time.Millisecond })
	id := e.append("done", 1)
	eventually(t, "the request that hangs", func() bool { return slow.count(id) == 1 })
	applied := make(chan error, 1)
	hanging.URL = well.URL
	go func() { applied <- r.Apply(t.Context(), []Endpoint{hanging, other}) }()
	next := e.append("done", 2)
	eventually(t, "the next event at the other one", func() bool { return well.count(next) >= 1 })
	must(t, <-applied)
	eventually(t, "what was broken off, at the new address", func() bool { return well.count(id) >= 2 && well.count(next) >= 2 })
}

func TestNothingIsTouchedWhenAnEndpointIsWrong(t *testing.T) {
	e := startEngine(t)
	one := startReceiver(t, status(204))
	first := Endpoint{Name: "one", URL: one.URL, Events: []string{"*"}}
	r := e.dispatch([]Endpoint{first})
	if err := r.Apply(t.Context(), []Endpoint{{Name: "two", URL: "ftp://x"}}); err == nil {
		t.Error("an endpoint that cannot be was taken")
	}
	id := e.append("done", 1)
	eventually(t, "an event", func() bool { return one.count(id) == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, r.Apply(ctx, []Endpoint{first})) // nothing to do needs no engine
	r.stop()
	if err := r.Apply(t.Context(), []Endpoint{first}); err == nil {
		t.Error("a dispatcher that has ended took endpoints")
	}
}
