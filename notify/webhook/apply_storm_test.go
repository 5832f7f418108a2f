package webhook

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Endpoints come, go and change at random while events flow and receivers fail. In the end each has had every event since it
// first came, taken, under one id, signed by the secret that belonged to its address; and none got anything while it was
// away, or under settings that were no longer in force.
func TestThroughManyChangesNothingIsLost(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 3, 4} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			stormOfChanges(t, rand.New(rand.NewPCG(seed, seed)))
		})
	}
}

// stage is what is in force: an address for each endpoint that is there. While Apply is at work, that before and that after are.
type stage struct {
	t *testing.T

	mu      sync.Mutex
	allowed map[string]bool     // paths, /name/version
	taken   map[string][]string // ids in their order, by name
	foul    bool
	random  *rand.Rand
}

func (s *stage) allow(endpoints []Endpoint, only bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if only {
		clear(s.allowed)
	}
	for _, e := range endpoints {
		s.allowed[e.URL[strings.LastIndex(e.URL, "/at/"):]] = true
	}
}

// versionSecret belongs to the version of an address.
func versionSecret(version int) string { return secretText(byte(version % 20)) }

func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // broken off
	}
	parts := strings.Split(r.URL.Path, "/") // "", at, name, version
	name, id := parts[2], r.Header.Get("Webhook-Id")
	version, _ := strconv.Atoi(parts[3])
	official, err := standardwebhooks.NewWebhook(versionSecret(version))
	if err != nil || official.Verify(body, r.Header) != nil {
		s.t.Errorf("%s: not signed by the secret of its address", r.URL.Path)
	}
	s.mu.Lock()
	if !s.allowed[r.URL.Path] {
		s.t.Errorf("%s got %s, and is not there", r.URL.Path, id)
	}
	verdict := 0
	if s.foul {
		verdict = s.random.IntN(5)
	}
	if verdict <= 1 {
		s.taken[name] = append(s.taken[name], id)
	}
	s.mu.Unlock()
	switch verdict {
	case 1:
		time.Sleep(10 * time.Millisecond)
	case 2:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case 3:
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case 4:
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *stage) weather(foul bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foul = foul
}

func stormOfChanges(t *testing.T, random *rand.Rand) {
	t.Helper()
	const rounds, events = 30, 8
	s := &stage{
		t: t, allowed: make(map[string]bool), taken: make(map[string][]string), random: rand.New(rand.NewPCG(random.Uint64(), 0)),
	}
	in := httptest.NewServer(s)
	defer in.Close()
	e := startEngine(t)
	r := e.dispatch(nil)
	often := schedule(t, "0"+strings.Repeat(",100ms", 49))
	names := []string{"a", "b", "c", "d", "ordered"}
	version := make(map[string]int)
	settings := make(map[string]Endpoint)
	since := make(map[string]int) // the first event that belongs to an endpoint
	var ids []string
	var writing sync.WaitGroup
	apply := func(list []Endpoint, before []Endpoint) {
		s.allow(append(before, list...), true)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := r.Apply(ctx, list, nil); err != nil {
			t.Errorf("apply: %v", err)
		}
		s.allow(list, true)
	}
	var present []Endpoint
	for round := range rounds {
		s.weather(random.IntN(3) > 0)
		var list []Endpoint
		for _, name := range names {
			if random.IntN(4) == 0 {
				continue // away
			}
			if _, known := settings[name]; !known || random.IntN(2) == 0 {
				settings[name] = redraw(random, in.URL, name, version, often)
			}
			list = append(list, settings[name])
		}
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		writing.Go(func() { // while the change is made
			for n := range events {
				e.appendOf(fmt.Sprintf("v%d", n%3), round*1000+n)
				time.Sleep(time.Millisecond)
			}
		})
		apply(list, present)
		writing.Wait()
		for _, ep := range list {
			if _, known := since[ep.Name]; !known {
				since[ep.Name] = len(ids) + events // what was written during the change may count or not
			}
		}
		for n := range events {
			ids = append(ids, fmt.Sprintf("evt_v%dx%d", n%3, round*1000+n))
		}
		present = list
		if random.IntN(3) == 0 && len(list) > 0 {
			must(t, r.Disable(t.Context(), list[0].Name, "storm"))
		}
		time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond)
	}
	s.weather(false)
	list := slices.Collect(maps.Values(settings))
	apply(list, present)
	for _, ep := range list {
		must(t, r.Enable(t.Context(), ep.Name))
	}
	eventually(t, "nothing is left", func() bool {
		all, err := r.Endpoints(t.Context())
		must(t, err)
		return !slices.ContainsFunc(all, func(s EndpointState) bool { return s.Pending > 0 })
	})
	r.stop()
	s.check(since, ids)
	if n := len(e.messages(e.names.DeadStream(), ">")); n != 0 {
		t.Errorf("%d were given up", n)
	}
}

// redraw draws other settings; another address now and then, with a secret of its own.
func redraw(random *rand.Rand, url, name string, version map[string]int, often Schedule) Endpoint {
	if random.IntN(2) == 0 {
		version[name]++
	}
	ep := Endpoint{
		Name: name, URL: fmt.Sprintf("%s/at/%s/%d", url, name, version[name]), Secrets: []string{versionSecret(version[name])},
		InFlight: 1 + random.IntN(6), Schedule: often, RateLimit: []float64{0, 0, 500}[random.IntN(3)],
		Format: []Format{FormatStandard, FormatCloudEvents}[random.IntN(2)],
		Filter: []string{"", `data.video_no != "nobody"`}[random.IntN(2)],
	}
	if name == "ordered" {
		ep.Order = OrderVideo
	}
	return ep
}

func (s *stage) check(since map[string]int, ids []string) {
	var repeats []string
	for name, first := range since {
		count := make(map[string]int)
		for _, id := range s.taken[name] {
			count[id]++
		}
		for i, id := range ids {
			switch n := count[id]; {
			case n == 0 && i >= first:
				s.t.Errorf("%s never had %s", name, id)
			case n > 1:
				repeats = append(repeats, name+" "+id)
			}
		}
		if len(count) > len(ids) {
			s.t.Errorf("%s had %d ids of %d events", name, len(count), len(ids))
		}
	}
	// A delivery that is called back after an outage may cross its own acknowledgement. That takes a busy machine, and is seldom.
	if len(repeats) > 3 {
		s.t.Errorf("taken more than once: %q", repeats)
	}
	for _, video := range []string{"v0", "v1", "v2"} {
		last := -1
		for _, id := range s.taken["ordered"] {
			if !strings.HasPrefix(id, "evt_"+video+"x") {
				continue
			}
			n, err := strconv.Atoi(id[strings.IndexByte(id, 'x')+1:])
			if err != nil || n < last {
				s.t.Errorf("order: %s after %d", id, last)
			}
			last = n
		}
	}
}
