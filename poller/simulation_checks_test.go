package poller_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"vidbell/diff"
	"vidbell/internal/simulator"
)

// calm ends all trouble and all movement. What PARSE means is no longer in doubt then.
func (s *simulation) calm() {
	s.mu.Lock()
	s.still = true
	s.mu.Unlock()
	s.sim.ClearFaults()
	s.log.set(func() { s.log.away, s.log.delay, s.log.afterAppend, s.log.onAppend = false, 0, nil, nil })
	for _, p := range s.alive {
		p.crash.Store(crashNever)
		s.undoChanges(p)
	}
	s.teach(0)
	if s.erased {
		s.tell("everything is deleted")
		s.remove(s.living()...)
	}
	s.tell("calm")
}

// converge gives the processes three whole sweeps, and more for what is gone.
func (s *simulation) converge() {
	s.pass(time.Minute) // whoever waits for the engine or the account is back then
	if !s.erased {
		ended := s.sweeps()
		s.await("two sweeps and the one under way", func() bool { return ended() >= 3 })
		s.complete()
		s.await("three sweeps and the one under way", func() bool { return ended() >= 4 })
		s.compare()
	}
	s.await("deletions", func() bool { return s.ghosts() == nil })
	if ghosts := s.ghosts(); ghosts != nil {
		s.t.Errorf("%q are gone, and the world was not told", ghosts)
	}
	if !s.erased {
		s.await("health", s.healthy)
	}
	told := len(s.log.all())
	s.pass(3 * s.source.SweepInterval)
	for _, e := range s.log.all()[told:] {
		if e.change.Kind != diff.KindStalled { // which is news because nothing moves
			s.t.Errorf("%s %s (%s) was told when nothing moved", e.change.Kind, e.change.VideoNo, e.change.Reason)
		}
	}
	s.repeat()
}

// patience is how long anything may take in peace: a throttled account needs minutes to recover, a mass deletion five sweeps.
const patience = 15 * time.Minute

// await waits until something is so.
func (s *simulation) await(what string, so func() bool) {
	for end := time.Now().Add(patience); !so(); {
		if time.Now().After(end) {
			s.t.Errorf("waited in vain for %s", what)
			return
		}
		s.pass(s.source.PollInterval)
	}
}

// sweeps returns what counts the sweeps that every process has ended.
func (s *simulation) sweeps() func() int {
	last, count := make(map[*program]time.Time), make(map[*program]int)
	return func() int {
		least := math.MaxInt
		for _, p := range s.alive {
			at := p.poller.Status()[0].LastSweep
			if before, counted := last[p]; counted && at != before {
				count[p]++
			}
			last[p] = at
			least = min(least, count[p])
		}
		return least
	}
}

// healthy is true when every process says so, and so does what was told last.
func (s *simulation) healthy() bool {
	if told, _ := s.reports.Last(s.t.Context(), "default"); told.Reason != "" && !told.Recovered {
		return false
	}
	for _, p := range s.alive {
		if st := p.poller.Status()[0]; st.Degraded != "" || st.Held.Videos > 0 || st.LastError != "" {
			return false
		}
	}
	return true
}

// state is what the log says.
func (s *simulation) state() *diff.State {
	state, err := s.log.process().Load(s.t.Context(), "default", s.source.Words)
	if err != nil {
		s.t.Fatal(err)
	}
	return state
}

// watched reports whether a video belongs to the source: by its name, or since it is known under another.
func (s *simulation) watched(no string, state *diff.State) bool {
	st := state.Status(no)
	return s.source.VideoName == "" || s.names[no] != "other" || st != diff.None && st != diff.Deleted
}

// complete wants every video to be known.
func (s *simulation) complete() {
	state := s.state()
	for _, no := range s.living() {
		if _, known := state.Get(no); !known && s.watched(no, state) {
			s.t.Errorf("%s is not known after two sweeps", no)
		}
	}
}

// compare wants every video to be for the world what it is on the platform.
func (s *simulation) compare() {
	state := s.state()
	for _, no := range s.living() {
		raw, _ := s.is(no)
		got, want := state.Status(no), s.meaning(raw)
		if s.watched(no, state) && got != want && (!inFlight(got) || !inFlight(want)) {
			s.t.Errorf("%s is %q for the world and %s (%q) on the platform", no, got, want, raw)
		}
	}
}

// meaning is what a word means on this platform.
func (s *simulation) meaning(raw string) diff.Status {
	switch raw {
	case s.options.Words.Done:
		return diff.Done
	case s.options.Words.Failed:
		return diff.Failed
	case s.options.Words.Processing, "":
		return diff.Processing
	default:
		return diff.Unknown
	}
}

func inFlight(st diff.Status) bool { return st == diff.Processing || st == diff.Unknown }

// ghosts are the videos that the world takes for live and that are gone.
func (s *simulation) ghosts() []string {
	var list []string
	for no := range s.state().All() {
		if _, there := s.is(no); !there && s.state().Status(no) != diff.Deleted {
			list = append(list, no)
		}
	}
	slices.Sort(list)
	return list
}

// repeat shows everything once more, in another order: no news.
func (s *simulation) repeat() {
	state := s.state()
	var obs []diff.Observation
	for _, v := range s.sim.List("default") {
		if rec, known := state.Get(v.No); known && s.watched(v.No, state) {
			obs = append(obs, diff.Observation{VideoNo: v.No, Raw: read(v.Raw), CreatedAt: rec.CreatedAt, At: diff.TimeOf(time.Now())})
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(obs), func(i, j int) { obs[i], obs[j] = obs[j], obs[i] })
	if res := diff.Reconcile(state, diff.Input{Observations: obs}, diff.Policy{}); len(res.Changes) > 0 {
		s.t.Errorf("the same again is news: %+v", res.Changes)
	}
}

// check goes through all that was told.
func (s *simulation) check() {
	last := make(map[string]stored)
	for _, e := range s.log.all() {
		before, known := last[e.change.VideoNo]
		if known {
			s.checkOrder(before, e)
		}
		s.checkTruth(e)
		s.checkConfirmed(before, e)
		last[e.change.VideoNo] = e
	}
	s.checkDeletions()
	for _, p := range s.programs {
		p.checkQuota()
		p.checkCost()
	}
}

// checkOrder wants news, and none older than the news before. Versions are checked by the log.
func (s *simulation) checkOrder(before, e stored) {
	a, b := before.change, e.change
	if a.Kind == b.Kind {
		s.t.Errorf("%s: %s was told twice in a row", b.VideoNo, b.Kind)
	}
	together := b.Reason == diff.ReasonReplaced && a.Reason == diff.ReasonReplaced
	if b.At < a.At || b.At == a.At && !together {
		s.t.Errorf("%s: version %d (%s) is not later than the one before", b.VideoNo, b.Record.Version, b.Kind)
	}
}

// checkTruth wants what was told to be what the one who told it was answered, and that to be true, but for lagging replicas.
func (s *simulation) checkTruth(e stored) {
	c := e.change
	switch c.Reason {
	case diff.ReasonGone:
		return
	case diff.ReasonInitial, diff.ReasonInferred, diff.ReasonStalled:
		if !s.was(c.VideoNo, c.Record.Raw, s.began.Add(-maxLag), c.At.Time().Add(time.Millisecond)) {
			s.t.Errorf("%s: %s was told of %q at %s, which was not true before", c.VideoNo, c.Kind, c.Record.Raw, c.At.Time())
		}
		return
	default:
	}
	a := s.told(e).answerAt(c.At, c.VideoNo)
	if a == nil {
		s.t.Errorf("%s: %s was told of %s, and no answer of then showed it", c.VideoNo, c.Kind, c.At.Time())
		return
	}
	v, _ := a.shows(c.VideoNo)
	if c.Kind != diff.KindDeleted && v.RawStatus != c.Record.Raw {
		s.t.Errorf("%s: %q was told where %q was answered", c.VideoNo, c.Record.Raw, v.RawStatus)
	}
	from := a.at
	if a.fault == simulator.FaultStale {
		from = a.at.Add(-maxLag)
	}
	if !s.was(c.VideoNo, v.RawStatus, from, a.at) {
		s.t.Errorf("%s: %q was answered at %s, which was not true", c.VideoNo, v.RawStatus, a.at)
	}
}

// checkConfirmed wants a move back or sideways to be told only of what was answered twice, a poll interval apart, since what was
// told before.
func (s *simulation) checkConfirmed(before, e stored) {
	c := e.change
	if c.Reason != diff.ReasonRegressed && c.Reason != diff.ReasonCorrected {
		return
	}
	since := before.change.At
	if r := before.change.Reason; r == diff.ReasonInferred || r == diff.ReasonInitial { // which leave open what is open
		since = 0
	}
	for i := range s.told(e).asked {
		a := &s.told(e).asked[i]
		at := diff.TimeOf(a.at)
		v, shown := a.shows(c.VideoNo)
		if shown && at > since && c.At.Since(at) >= s.source.PollInterval && s.alike(v.RawStatus, c.Record.Raw) {
			return
		}
	}
	s.t.Errorf("%s: %s was told of %s, and only one answer had shown it", c.VideoNo, c.Kind, c.At.Time())
}

// alike reports whether two words mean the same, whatever PARSE means.
func (s *simulation) alike(a, b string) bool {
	x, y := s.meaning(a), s.meaning(b)
	return x == y || inFlight(x) && inFlight(y) || a == "PARSE" || b == "PARSE"
}

// told is the process that told something.
func (s *simulation) told(e stored) *program {
	i := slices.IndexFunc(s.programs, func(p *program) bool { return p.process == e.by })
	return s.programs[i]
}

// answerAt is the answer to the request of a millisecond, if it shows a video.
func (p *program) answerAt(at diff.Time, no string) *asked {
	for i := range p.asked {
		if a := &p.asked[i]; diff.TimeOf(a.at) == at {
			if _, shown := a.shows(no); shown {
				return a
			}
		}
	}
	return nil
}

// checkQuota wants requests to be as far apart as the quota says, which keeps it in every window.
func (p *program) checkQuota() {
	least := time.Duration(float64(time.Second)/p.rate) - time.Microsecond
	for i := 1; i < len(p.asked); i++ {
		if d := p.asked[i].at.Sub(p.asked[i-1].at); d < least {
			p.sim.t.Errorf("%s: two requests within %s at %v a second", p.key, d, p.rate)
			return
		}
	}
}

// checkCost bounds what a process asks within a poll interval: what the videos cost when all is well, twice, since two ticks may
// touch it, and for failures a number that depends on nothing.
func (p *program) checkCost() {
	const (
		failures = 2 * 60
		slack    = 2 * 20
	)
	size := p.sim.source.PageSize
	if limit := p.sim.options.MaxPageSize; limit > 0 {
		size = min(size, limit)
	}
	pages := len(p.sim.ids)/size + 2
	most := 2*(2*pages+len(p.sim.ids)) + slack
	first, failed := 0, 0
	for i := range p.asked {
		failed += failure(p.asked[i])
		for ; p.asked[i].at.Sub(p.asked[first].at) >= p.sim.source.PollInterval; first++ {
			failed -= failure(p.asked[first])
		}
		if n := i - first + 1 - failed; n > most || failed > failures {
			p.sim.t.Errorf("%s: %d requests answered and %d failed in an interval, %d videos on pages of %d",
				p.key, n, failed, len(p.sim.ids), size)
			return
		}
	}
}

func failure(a asked) int {
	if a.err != nil {
		return 1
	}
	return 0
}
