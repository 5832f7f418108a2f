package poller_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"vidbell/diff"
	"vidbell/poller"
)

var errAway = errors.New("the engine is away")

// stored is one event of a video in the log.
type stored struct {
	change diff.Change
	seq    uint64
	source string
	at     time.Time // when it was stored
	by     *process  // which stored it
}

// note is one as it is stored.
type note struct{ diff.Note }

// logStore behaves like the log: one sequence, compare-and-set per video, per baseline page and per source, all or nothing.
type logStore struct {
	t  *testing.T
	mu sync.Mutex

	seq    uint64
	events []stored
	last   map[string]stored // by source/video
	notes  map[string]note   // by source/video
	pages  map[string][][]diff.Learned
	meta   map[string]diff.Meta

	appends    int // that were stored
	loads      int
	away       bool
	unreadable bool
	delay      time.Duration
	// onAppend runs before an append is stored; its error refuses it. afterAppend runs when it is stored; its error is what
	// the caller gets instead of the ack.
	onAppend    func(res *diff.Result) error
	afterAppend func(res *diff.Result) error
}

func newLogStore(t *testing.T) *logStore {
	return &logStore{
		t: t, last: make(map[string]stored), notes: make(map[string]note),
		pages: make(map[string][][]diff.Learned), meta: make(map[string]diff.Meta),
	}
}

// process is the log as one process holds it: it counts the baseline pages for itself.
type process struct {
	*logStore
	mu    sync.Mutex
	pages map[string]int
	known map[string]uint64 // up to where the events of a source were read
}

func (s *logStore) process() *process {
	return &process{logStore: s, pages: make(map[string]int), known: make(map[string]uint64)}
}

func (p *process) Load(_ context.Context, source string, words diff.Words) (*diff.State, error) {
	s := p.logStore
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	switch {
	case s.unreadable:
		return nil, fmt.Errorf("%w: message 7", poller.ErrUnreadable)
	case s.away:
		return nil, errAway
	}
	state := diff.NewState(source, words)
	if m, ok := s.meta[source]; ok {
		state.SetMeta(m)
	}
	for key, e := range s.last {
		if e.source == source {
			r := e.change.Record
			r.Revision = e.seq
			state.Put(key[len(source)+1:], r)
		}
	}
	for _, page := range s.pages[source] {
		for _, l := range page {
			if _, known := state.Get(l.VideoNo); !known {
				state.Put(l.VideoNo, l.Record)
			}
		}
	}
	for key, n := range s.notes {
		if key != source+"/"+n.VideoNo {
			continue
		}
		if r, ok := state.Get(n.VideoNo); ok {
			state.Put(n.VideoNo, n.over(r))
		}
	}
	p.mu.Lock()
	p.pages[source] = len(s.pages[source])
	p.known[source] = s.seq
	p.mu.Unlock()
	return state, nil
}

// over lays a note over the record that it was made beside.
func (n note) over(r diff.Record) diff.Record {
	if r.Version != n.Record.Version || n.At < r.ChangedAt {
		return r
	}
	noted := n.Record
	noted.Revision = r.Revision
	return noted
}

// newest is a video as its last event left it, and the notes since. The log is locked.
func (s *logStore) newest(key string, e stored) diff.Record {
	r := e.change.Record
	r.Revision = e.seq
	if n, ok := s.notes[key]; ok {
		return n.over(r)
	}
	return r
}

func (p *process) Refresh(ctx context.Context, state *diff.State, res *diff.Result) (*diff.State, error) {
	if len(res.Learned) > 0 || res.Meta != nil {
		return p.Load(ctx, state.Source, state.Words())
	}
	s := p.logStore
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errAway
	}
	for _, c := range res.Changes {
		e, ok := s.last[state.Source+"/"+c.VideoNo]
		if !ok {
			continue
		}
		if have, ok := state.Get(c.VideoNo); !ok || have.Revision != e.seq {
			state.Put(c.VideoNo, s.newest(state.Source+"/"+c.VideoNo, e))
		}
	}
	return state, nil
}

func (p *process) Follow(_ context.Context, state *diff.State) (*diff.State, error) {
	s := p.logStore
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return state, errAway
	}
	p.mu.Lock()
	known := p.known[state.Source]
	p.known[state.Source] = s.seq
	p.mu.Unlock()
	for _, e := range s.events {
		c := e.change
		if have, _ := state.Get(c.VideoNo); e.source == state.Source && e.seq > known && e.seq > have.Revision {
			state.Put(c.VideoNo, s.newest(state.Source+"/"+c.VideoNo, e))
		}
	}
	return state, nil
}

func (p *process) Append(ctx context.Context, source string, res *diff.Result) error {
	s := p.logStore
	s.mu.Lock()
	delay := s.delay
	s.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	if s.onAppend != nil {
		if err := s.onAppend(res); err != nil {
			return err
		}
	}
	if err := p.check(source, res); err != nil {
		return err
	}
	p.store(source, res)
	if s.afterAppend != nil {
		return s.afterAppend(res)
	}
	return nil
}

// check is the compare-and-set.
func (p *process) check(source string, res *diff.Result) error {
	s := p.logStore
	mine := make(map[string]bool)
	for _, c := range res.Changes {
		if !mine[c.VideoNo] && s.last[source+"/"+c.VideoNo].seq != c.Record.Revision {
			return fmt.Errorf("%w: video %s", poller.ErrConflict, c.VideoNo)
		}
		mine[c.VideoNo] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(res.Learned) > 0 && p.pages[source] != len(s.pages[source]) {
		return fmt.Errorf("%w: baseline page", poller.ErrConflict)
	}
	if res.Meta != nil && res.Meta.Revision != s.meta[source].Revision {
		return fmt.Errorf("%w: meta", poller.ErrConflict)
	}
	return nil
}

func (p *process) store(source string, res *diff.Result) {
	s := p.logStore
	s.appends++
	for i := range res.Changes {
		c := &res.Changes[i]
		key := source + "/" + c.VideoNo
		if want := s.last[key].change.Record.Version + 1; c.Record.Version != want {
			s.t.Errorf("video %s: version %d was stored where %d is next", key, c.Record.Version, want)
		}
		s.seq++
		c.Record.Revision = s.seq
		s.last[key] = stored{change: *c, seq: s.seq, source: source, at: time.Now(), by: p}
		s.events = append(s.events, s.last[key])
	}
	for _, n := range res.Notes {
		s.seq++
		s.notes[source+"/"+n.VideoNo] = note{n}
	}
	if len(res.Learned) > 0 {
		s.seq++
		s.pages[source] = append(s.pages[source], slices.Clone(res.Learned))
		p.mu.Lock()
		p.pages[source]++
		p.mu.Unlock()
	}
	if res.Meta != nil {
		s.seq++
		res.Meta.Revision = s.seq
		s.meta[source] = *res.Meta
	}
}

func (s *logStore) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// happened lists the events of a source from the nth on, as "done a".
func (s *logStore) happened(source string, from int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := []string{}
	n := 0
	for _, e := range s.events {
		if e.source != source {
			continue
		}
		if n++; n > from {
			lines = append(lines, string(e.change.Kind)+" "+e.change.VideoNo)
		}
	}
	return lines
}

// all is every event.
func (s *logStore) all() []stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// content is all that the log holds, for comparing.
func (s *logStore) content() (events []stored, notes map[string]note, pages int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pages {
		pages += len(p)
	}
	return slices.Clone(s.events), maps.Clone(s.notes), pages
}

// reports keeps what was told about the health of sources.
type reports struct {
	mu      sync.Mutex
	all     []poller.Report
	failing error
	loseAck bool // store it and fail once
}

func (r *reports) Report(_ context.Context, rep poller.Report) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing != nil {
		return r.failing
	}
	r.all = append(r.all, rep)
	if r.loseAck {
		r.loseAck = false
		return errAway
	}
	return nil
}

func (r *reports) Last(_ context.Context, source string) (poller.Report, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing != nil {
		return poller.Report{}, r.failing
	}
	for _, rep := range slices.Backward(r.all) {
		if rep.Source == source {
			return rep, nil
		}
	}
	return poller.Report{}, nil
}

func (r *reports) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failing = err
}

// lines are the reports as "degraded network".
func (r *reports) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := []string{}
	for _, rep := range r.all {
		what := "degraded "
		if rep.Recovered {
			what = "recovered "
		}
		lines = append(lines, what+string(rep.Reason))
	}
	return lines
}
