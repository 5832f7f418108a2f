package poller_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vidbell/diff"
	"vidbell/internal/simulator"
	"vidbell/poller"
)

// life is what the platform has said of one video, in order.
type life struct {
	raw []string
	at  []time.Time
}

func (l *life) said(raw string, before time.Time) bool {
	for i, r := range l.raw {
		if r == raw && !l.at[i].After(before) {
			return true
		}
	}
	return false
}

// storm is a seeded run: a random platform, random faults, an engine that comes and goes, and processes that are killed and
// doubled. The slow model beside it remembers all that was ever true.
type storm struct {
	*world
	random *rand.Rand
	lives  map[string]*life
	ids    []string
	alive  []*running
	n      int
}

func TestNothingIsLostRepeatedOrInventedInAStorm(t *testing.T) {
	seeds := uint64(24)
	if testing.Short() {
		seeds = 6
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			words := []simulator.Words{simulator.WordsPlain(), simulator.WordsLegacy(), simulator.WordsCode()}[seed%3]
			forms := []simulator.Form{simulator.FormV12, simulator.Form2026, simulator.FormMixed}
			options := simulator.Options{
				Words: words, Form: forms[seed/3%3], Cause: simulator.CauseMixed, Casing: simulator.CasingMixed, Seed: seed,
				QuotaPerSecond: 3, Throttle: []simulator.ThrottleForm{simulator.ThrottleCode, simulator.ThrottleHTTP}[seed%2],
				Shuffled: seed%5 == 4,
			}
			inBubble(t, options, func(w *world) {
				s := &storm{world: w, random: rand.New(rand.NewPCG(seed, 7)), lives: make(map[string]*life)}
				s.run()
			})
		})
	}
}

func (s *storm) run() {
	s.rate = 2
	s.with(pageSize(3 + s.random.IntN(8)))
	s.with(func(src *poller.Source) { src.SweepInterval = time.Minute })
	// Both words of the vocabulary are there from the start, so that what PARSE means is never in doubt.
	old := time.Now().Add(-72 * time.Hour)
	s.upload(s.words.Processing, old)
	s.upload(s.words.Done, old.Add(time.Hour))
	for range s.random.IntN(40) {
		s.upload(s.anyWord(), old.Add(time.Duration(len(s.ids)+2)*time.Hour))
	}
	s.alive = append(s.alive, s.start())
	for range 400 {
		s.step()
		s.pass(time.Duration(s.random.Int64N(int64(8 * time.Second))))
	}
	s.calm()
	s.check()
}

func (s *storm) anyWord() string {
	return []string{s.words.Processing, s.words.Processing, s.words.Done, s.words.Failed}[s.random.IntN(4)]
}

func (s *storm) upload(raw string, at time.Time) {
	s.n++
	no := fmt.Sprintf("v%d", s.n)
	s.sim.Add("default", simulator.Video{No: no, Raw: raw, CreatedAt: at})
	s.lives[no] = &life{raw: []string{raw}, at: []time.Time{time.Now()}}
	s.ids = append(s.ids, no)
}

func (s *storm) step() {
	switch s.random.IntN(12) {
	case 0, 1:
		s.upload(s.anyWord(), time.Now())
	case 2, 3, 4, 5, 6:
		no := s.ids[s.random.IntN(len(s.ids))]
		raw := s.anyWord()
		if s.sim.Set("default", no, raw, "") {
			s.lives[no].raw = append(s.lives[no].raw, raw)
			s.lives[no].at = append(s.lives[no].at, time.Now())
		}
	case 7, 8:
		s.fail(s.anyFault())
	case 9:
		s.disturbEngine()
	case 10:
		i := s.random.IntN(len(s.alive))
		s.alive[i].kill()
		s.alive = slices.Delete(s.alive, i, i+1)
		if len(s.alive) == 0 {
			s.alive = append(s.alive, s.resume())
		}
	case 11:
		if len(s.alive) < 2 {
			s.alive = append(s.alive, s.resume())
		}
	}
}

// resume starts another process; the engine is there by then.
func (s *storm) resume() *running {
	s.log.set(func() { s.log.away = false })
	return s.start()
}

func (s *storm) anyFault() simulator.Fault {
	kinds := []simulator.FaultKind{
		simulator.FaultCode, simulator.FaultHTTP, simulator.FaultHTML, simulator.FaultReset, simulator.FaultHang, simulator.FaultEmpty,
		simulator.FaultNullData, simulator.FaultSlow, simulator.FaultCut, simulator.FaultBroken, simulator.FaultRepeat,
		simulator.FaultShort, simulator.FaultTotal, simulator.FaultNoID, simulator.FaultContradicted, simulator.FaultStale,
	}
	codes := []string{"0001", "0003", "0401", "0402", "0429", "9009", "7777"}
	return simulator.Fault{
		Kind: kinds[s.random.IntN(len(kinds))], Times: 1 + s.random.IntN(12), Page: s.random.IntN(4), Skip: s.random.IntN(3),
		Code: codes[s.random.IntN(len(codes))], HTTPStatus: 503, Delay: time.Second, Age: time.Duration(1+s.random.IntN(40)) * time.Second,
		Keep: s.random.IntN(3), Delta: 1 - s.random.IntN(3)*2,
	}
}

func (s *storm) disturbEngine() {
	s.log.set(func() {
		switch s.random.IntN(4) {
		case 0:
			s.log.away = true
		case 1:
			s.log.delay = time.Duration(s.random.Int64N(int64(3 * time.Second)))
		case 2: // the next ack is lost
			s.log.afterAppend = func(*diff.Result) error { s.log.afterAppend = nil; return errAway }
		default:
			s.log.away, s.log.delay = false, 0
		}
	})
}

// calm ends all faults and gives three sweeps to whoever is left.
func (s *storm) calm() {
	s.sim.ClearFaults()
	s.log.set(func() { s.log.away, s.log.delay, s.log.afterAppend = false, 0, nil })
	s.pass(12 * time.Minute)
	for _, r := range s.alive {
		r.kill()
	}
}

func (s *storm) check() {
	s.t.Helper()
	state, err := s.log.process().Load(s.t.Context(), "default", diff.DefaultWords())
	if err != nil {
		s.t.Fatal(err)
	}
	meaning := map[string]diff.Status{
		s.words.Processing: diff.Processing, s.words.Done: diff.Done, s.words.Failed: diff.Failed,
	}
	for _, v := range s.sim.List("default") {
		if got, want := state.Status(v.No), meaning[v.Raw]; got != want {
			s.t.Errorf("%s is %s for the world and %s (%s) on the platform", v.No, got, want, v.Raw)
		}
	}
	last := make(map[string]stored)
	events, _, _ := s.log.content()
	for _, e := range events {
		c := e.change
		if !s.lives[c.VideoNo].said(c.Record.Raw, c.At.Time().Add(time.Millisecond)) {
			s.t.Errorf("%s: %s was told at %s, and never true before", c.VideoNo, c.Record.Raw, c.At.Time())
		}
		if before, ok := last[c.VideoNo]; ok {
			if before.change.Kind == c.Kind {
				s.t.Errorf("%s: %s was told twice in a row", c.VideoNo, c.Kind)
			}
			if before.change.At >= c.At {
				s.t.Errorf("%s: version %d is not later than the one before", c.VideoNo, c.Record.Version)
			}
		}
		last[c.VideoNo] = e
	}
	if most := s.most(key, time.Second); most > 3*2 { // two processes at most, each at 2 a second
		s.t.Errorf("%d requests within a second", most)
	}
	if len(events) < 50 {
		s.t.Errorf("only %d events: this was no storm", len(events))
	}
}
