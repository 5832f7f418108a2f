package simulator

import (
	"maps"
	"slices"
)

// Counts are totals since the start or the last ResetRequests.
type Counts struct {
	Total     int               `json:"total"`
	Throttled int               `json:"throttled"`
	Lanes     map[Lane]int      `json:"lanes"`
	Codes     map[string]int    `json:"codes"` // by code of the envelope; answers without one under ""
	Faults    map[FaultKind]int `json:"faults"`
}

// requestLog remembers the last requests and counts all.
type requestLog struct {
	limit  int
	kept   []Request
	counts Counts
}

func newRequestLog(limit int) requestLog {
	return requestLog{limit: limit, counts: Counts{
		Lanes: map[Lane]int{}, Codes: map[string]int{}, Faults: map[FaultKind]int{},
	}}
}

func (l *requestLog) add(r Request) {
	if len(l.kept) >= 2*l.limit {
		l.kept = slices.Delete(l.kept, 0, len(l.kept)-l.limit)
	}
	l.kept = append(l.kept, r)
	l.counts.Total++
	l.counts.Lanes[r.Lane]++
	l.counts.Codes[r.Code]++
	if r.Throttled {
		l.counts.Throttled++
	}
	if r.Fault != "" {
		l.counts.Faults[r.Fault]++
	}
}

func (l *requestLog) last() []Request {
	return append([]Request{}, l.kept[max(0, len(l.kept)-l.limit):]...)
}

func (c Counts) clone() Counts {
	c.Lanes, c.Codes, c.Faults = maps.Clone(c.Lanes), maps.Clone(c.Codes), maps.Clone(c.Faults)
	return c
}

// Requests returns the last requests, oldest first, at most Options.RequestLog of them.
func (s *Simulator) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.last()
}

// Counts returns the totals of all requests.
func (s *Simulator) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.counts.clone()
}

// ResetRequests forgets all requests and counts.
func (s *Simulator) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = newRequestLog(s.opts.RequestLog)
}

// hooks are functions to call once a request is answered.
type hooks struct {
	always []func(Request)
	once   []pageHook
}

type pageHook struct {
	ns   string
	page int
	call func()
}

// pick takes the hooks that a request sets off.
func (h *hooks) pick(r Request) []func(Request) {
	picked := slices.Clone(h.always)
	if r.Lane != LaneWalk || r.Code != codeSuccess {
		return picked
	}
	h.once = slices.DeleteFunc(h.once, func(hook pageHook) bool {
		if hook.ns != r.Namespace || hook.page != r.Page {
			return false
		}
		picked = append(picked, func(Request) { hook.call() })
		return true
	})
	return picked
}

// OnServe calls fn after every request is answered and before the answer is sent. It may use the simulator.
func (s *Simulator) OnServe(fn func(Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks.always = append(s.hooks.always, fn)
}

// AfterPage calls fn once, after a page of a walk through a namespace is settled and before it is sent: what fn changes
// shows from the next request on.
func (s *Simulator) AfterPage(ns string, page int, fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks.once = append(s.hooks.once, pageHook{ns, page, fn})
}
