package poller_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"vidbell/diff"
	"vidbell/internal/simulator"
	"vidbell/poller"
	"vidbell/poller/memories"
)

// asked is one request of a process and what came of it.
type asked struct {
	memories.Query

	at    time.Time
	err   error
	page  memories.Page
	fault simulator.FaultKind // that was played on it
}

func (a *asked) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, " page %d %s%v%s %s:", a.Page, a.VideoNo, a.VideoNos, a.Status, a.fault)
	if a.err != nil {
		return b.String() + " " + a.err.Error()
	}
	for _, v := range a.page.Videos {
		fmt.Fprintf(&b, " %s %q", v.VideoNo, v.RawStatus)
	}
	return b.String() + fmt.Sprintf(" of %d", a.page.Total)
}

// shows returns a video as the answer shows it.
func (a *asked) shows(no string) (memories.Video, bool) {
	i := slices.IndexFunc(a.page.Videos, func(v memories.Video) bool { return v.VideoNo == no })
	if i < 0 {
		return memories.Video{}, false
	}
	return a.page.Videos[i], true
}

// denies reports whether a look-up for a video was answered without it.
func (a *asked) denies(no string) bool {
	if a.err != nil || a.VideoNo != no && !slices.Contains(a.VideoNos, no) {
		return false
	}
	_, shown := a.shows(no)
	return !shown
}

// walks reports whether it is a page of everything.
func (a *asked) walks() bool { return a.VideoNo == "" && len(a.VideoNos) == 0 && a.Status == "" }

// The moments at which a process dies by itself.
const (
	crashNever int32 = iota
	crashBeforeAppend
	crashAfterAppend
	crashes
)

// program is one process that polls: it has a key, an account and a place in the log of its own, and remembers all its
// requests.
type program struct {
	*process

	sim     *simulation
	key     string
	client  *memories.Client
	account *poller.Account
	poller  *poller.Poller
	rate    float64
	stop    context.CancelFunc
	ended   chan error
	started time.Time
	asked   []asked        // by its own goroutine; others look when that has ended
	knew    map[string]int // how many requests it had made when it decided about a version of a video

	loaded atomic.Bool
	dead   atomic.Bool
	crash  atomic.Int32 // a moment
}

// List is the client's, written down.
func (p *program) List(ctx context.Context, q memories.Query) (memories.Page, error) {
	page, err := p.client.List(ctx, q)
	p.asked = append(p.asked, asked{Query: q, at: page.StartedAt, err: err, page: page, fault: p.sim.playedOn(p.key)})
	return page, err
}

// Append is the log's, and where a process dies that is to die there. What the dead write arrives nowhere.
func (p *program) Append(ctx context.Context, source string, res *diff.Result) error {
	if p.crash.Load() == crashBeforeAppend {
		p.die()
	}
	if p.dead.Load() {
		return errAway
	}
	for _, c := range res.Changes {
		p.knew[versionOf(c)] = len(p.asked)
	}
	err := p.process.Append(ctx, source, res)
	p.sim.noteFilters()
	if err == nil && p.crash.Load() == crashAfterAppend {
		p.die()
		return errAway
	}
	return err
}

func versionOf(c diff.Change) string { return fmt.Sprint(c.VideoNo, " ", c.Record.Version) }

func (p *program) die() {
	p.dead.Store(true)
	p.stop()
}

// launch starts another process.
func (s *simulation) launch() {
	p := &program{
		process: s.log.process(), sim: s, key: s.keys[len(s.programs)], rate: s.rate, ended: make(chan error, 1), started: time.Now(),
		knew: make(map[string]int),
	}
	var err error
	p.client, err = memories.New(memories.Config{
		BaseURL: "http://platform", APIKey: p.key, Transport: s.sim.RoundTripper(), Timeout: 10 * time.Second,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	p.account = poller.NewAccount(s.rate)
	source := s.source
	source.Lister, source.Account = p, p.account
	p.poller, err = poller.New(poller.Config{
		Sources: []poller.Source{source}, Store: p, Reporter: s.reports, Logger: zap.NewNop(), Random: s.jitter,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	var ctx context.Context
	ctx, p.stop = context.WithCancel(s.t.Context())
	go func() {
		err := p.poller.Load(ctx)
		if err == nil {
			p.loaded.Store(true)
			err = p.poller.Run(ctx)
		}
		if ctx.Err() != nil {
			err = nil
		}
		p.ended <- err
	}()
	s.programs, s.alive = append(s.programs, p), append(s.alive, p)
}

// bury waits for the end of a process, and takes it out of those alive.
func (s *simulation) bury(p *program) {
	p.stop()
	if err := <-p.ended; err != nil {
		s.t.Errorf("a process ended with %v", err)
	}
	s.alive = slices.DeleteFunc(s.alive, func(other *program) bool { return other == p })
}

// playedOn is the fault that the last request with a key met.
func (s *simulation) playedOn(key string) simulator.FaultKind {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.played[key]
}
