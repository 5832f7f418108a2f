package webhook

import (
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// spareIdle is how many idle connections to one host are kept beyond the global limit: each endpoint there has one request that
// the limit does not count.
const spareIdle = 1024

// exits are the ways out to receivers, one for each policy, so that no endpoint takes over a pooled connection that its own policy
// would not have let be made.
type exits struct {
	idle int

	mu    sync.Mutex
	allow []netip.Prefix
	ways  map[policy]*way
}

// way is the transport of a policy. It is replaced when other networks are allowed, with its connections.
type way struct{ atomic.Pointer[http.Transport] }

// RoundTrip makes a request.
func (w *way) RoundTrip(r *http.Request) (*http.Response, error) { return w.Load().RoundTrip(r) }

func newExits(allow []netip.Prefix, globalInFlight int) *exits {
	return &exits{idle: globalInFlight + spareIdle, allow: slices.Clone(allow), ways: make(map[policy]*way)}
}

func (e *exits) way(p policy) *way {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ways[p] == nil {
		e.ways[p] = &way{}
		e.ways[p].Store(newTransport(newGuard(e.allow, p), e.idle))
	}
	return e.ways[p]
}

// open allows these networks from the next request on, and no others. It returns those that were allowed before.
func (e *exits) open(allow []netip.Prefix) (before []netip.Prefix) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before = e.allow
	if slices.Equal(before, allow) {
		return before
	}
	e.allow = slices.Clone(allow)
	for p, w := range e.ways {
		w.Swap(newTransport(newGuard(e.allow, p), e.idle)).CloseIdleConnections() // those in use go a moment after they are idle
	}
	return before
}

func (e *exits) allowed() []netip.Prefix {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.allow
}

// close lets go of idle connections.
func (e *exits) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.ways {
		w.Load().CloseIdleConnections()
	}
}
