package poller_test

import (
	"fmt"
	"slices"
	"time"

	"vidbell/diff"
	"vidbell/internal/simulator"
	"vidbell/poller"
)

// maxLag is how old the oldest answer of a lagging replica is.
const maxLag = 20 * time.Second

// happening is something that may happen, as often as its weight says.
type happening struct {
	weight int
	happen func(*simulation)
}

// happenings are all that may happen.
func happenings() []happening {
	return []happening{
		{18, (*simulation).uploads},
		{30, (*simulation).moves},
		{8, (*simulation).deletes},
		{3, (*simulation).deletesMany},
		{5, (*simulation).returns},
		{3, (*simulation).renames},
		{8, (*simulation).drifts},
		{16, (*simulation).fails},
		{3, (*simulation).recovers},
		{8, (*simulation).disturbs},
		{4, (*simulation).stops},
		{4, (*simulation).joins},
		{8, (*simulation).hints},
		{2, (*simulation).believes},
	}
}

// happen draws one of them.
func (s *simulation) happen() {
	all := happenings()
	sum := 0
	for _, h := range all {
		sum += h.weight
	}
	n := s.random.IntN(sum)
	for _, h := range all {
		if n -= h.weight; n < 0 {
			h.happen(s)
			return
		}
	}
}

// settle fills the library before the first process starts. Where it is young, what PARSE means may be in doubt for long.
func (s *simulation) settle() {
	s.erased = s.chance(12)
	age := 72 * time.Hour
	if s.chance(4) {
		age = time.Hour
	} else {
		s.teach(age)
	}
	for range s.random.IntN(oneOf(s, 3, 12, 40)) {
		age -= time.Minute
		s.add(s.word(), age)
	}
}

// teach makes sure that nobody can be in doubt about what PARSE means.
func (s *simulation) teach(age time.Duration) {
	for _, raw := range []string{s.options.Words.Done, s.options.Words.Processing} {
		s.uploadAs(simulator.Video{No: s.fresh(), Name: "clip-0", Raw: raw, CreatedAt: time.Now().Add(-age)})
	}
}

// word draws a word of the vocabulary, and now and then another.
func (s *simulation) word() string {
	w := s.options.Words
	if s.chance(12) {
		return oneOf(s, "QUEUED", "review", simulator.Null, simulator.Absent, simulator.Empty)
	}
	return oneOf(s, w.Processing, w.Processing, w.Done, w.Done, w.Failed)
}

// add uploads a new video, as long ago as it says it is.
func (s *simulation) add(raw string, age time.Duration) {
	s.uploadAs(simulator.Video{No: s.fresh(), Name: s.name(), Raw: raw, CreatedAt: time.Now().Add(-age)})
}

// fresh is an id that was never used.
func (s *simulation) fresh() string {
	s.given++
	return fmt.Sprint("v", s.given)
}

func (s *simulation) uploadAs(v simulator.Video) {
	s.tell("upload %s %q %s", v.No, v.Raw, v.Name)
	s.upload(v)
}

func (s *simulation) name() string {
	if s.chance(6) {
		return "other"
	}
	return "clip-1"
}

// any draws a living video; the young more often than the old.
func (s *simulation) any() string {
	all := s.living()
	if len(all) == 0 {
		return ""
	}
	if s.chance(2) {
		all = all[len(all)-min(len(all), 5):]
	}
	return oneOf(s, all...)
}

func (s *simulation) uploads() { s.add(s.word(), 0) }

func (s *simulation) moves() {
	no, raw := s.any(), s.word()
	s.tell("move %s %q", no, raw)
	s.move(no, raw, oneOf(s, "", "", "too long", simulator.Null, "null"))
}

func (s *simulation) deletes() {
	no := s.any()
	s.tell("delete %s", no)
	s.remove(no)
}

// deletesMany deletes half of the library, or nearly all of it, or all.
func (s *simulation) deletesMany() {
	all := s.living()
	s.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = all[:oneOf(s, len(all)/2, max(0, len(all)-1), len(all))]
	s.tell("delete %q", all)
	s.remove(all...)
}

// returns uploads a video under an id that was used before: one that was deleted, or a live one that nobody saw deleted.
func (s *simulation) returns() {
	if len(s.ids) > 0 {
		s.uploadAs(simulator.Video{No: oneOf(s, s.ids...), Name: s.name(), Raw: s.word(), CreatedAt: time.Now()})
	}
}

func (s *simulation) renames() {
	no, name := s.any(), s.name()
	s.tell("rename %s %s", no, name)
	s.rename(no, name)
}

// drifts makes lists shift between two pages, once a page is read.
func (s *simulation) drifts() {
	no, raw, page := s.any(), s.word(), 1+s.random.IntN(3)
	fresh := s.fresh()
	s.tell("after page %d delete %q, or upload %s %q", page, no, fresh, raw)
	upload := s.chance(2)
	s.sim.AfterPage("default", page, func() {
		switch {
		case s.isStill():
		case upload:
			s.upload(simulator.Video{No: fresh, Name: "clip-2", Raw: raw, CreatedAt: time.Now()})
		default:
			s.remove(no)
		}
	})
}

func (s *simulation) isStill() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.still
}

// fails puts a fault before the platform, for some requests or until somebody recovers it.
func (s *simulation) fails() {
	f := s.fault()
	s.tell("fault %s lane %q page %d skip %d times %d code %s age %s hidden %q delta %d",
		f.Kind, f.Lane, f.Page, f.Skip, f.Times, f.Code, f.Age, f.Hidden, f.Delta)
	if err := s.sim.Fail(f); err != nil {
		s.t.Fatal(err)
	}
}

func (s *simulation) fault() simulator.Fault {
	hidden := s.living()
	s.random.Shuffle(len(hidden), func(i, j int) { hidden[i], hidden[j] = hidden[j], hidden[i] })
	f := simulator.Fault{
		Kind: oneOf(s, kinds()...), Times: oneOf(s, 1, 1, 2, 3, 5, 12, -1), Skip: s.random.IntN(3),
		Lane: oneOf(s, "", "", simulator.LaneWalk, simulator.LaneVideoNos, simulator.LaneVideoNo, simulator.LaneStatus),
		Page: oneOf(s, 0, 0, 1, 2), Code: oneOf(s, "0001", "0003", "0401", "0402", "0403", "0429", "9009", "7777"),
		HTTPStatus: oneOf(s, 404, 429, 502, 503), Minimal: s.chance(2), RetryAfter: oneOf(s, 0, 0, 5*time.Second),
		Age: s.between(time.Second, maxLag), Keep: s.random.IntN(3), Delta: 1 - 2*s.random.IntN(2),
		Delay: s.between(time.Millisecond, 4*time.Second), Pause: 100 * time.Millisecond,
		Hidden: append(hidden[:oneOf(s, min(len(hidden), 1), len(hidden)/2, len(hidden))], "nobody"),
	}
	if f.Kind != simulator.FaultHTTP && f.Kind != simulator.FaultHTML {
		f.HTTPStatus = 0
	}
	if f.Kind == simulator.FaultHide {
		f.Delta = oneOf(s, 0, 0, 1)
	}
	return f
}

// kinds are all faults but the one that costs memory.
func kinds() []simulator.FaultKind {
	return []simulator.FaultKind{
		simulator.FaultCode, simulator.FaultCode, simulator.FaultCode, simulator.FaultHTTP, simulator.FaultHTML, simulator.FaultReset,
		simulator.FaultHang, simulator.FaultEmpty, simulator.FaultEmpty, simulator.FaultNullData, simulator.FaultSlow, simulator.FaultDrip,
		simulator.FaultCut, simulator.FaultBroken, simulator.FaultStale, simulator.FaultStale, simulator.FaultStale, simulator.FaultRepeat,
		simulator.FaultShort, simulator.FaultTotal, simulator.FaultHide, simulator.FaultHide, simulator.FaultHide, simulator.FaultNoID,
		simulator.FaultContradicted,
	}
}

func (s *simulation) recovers() {
	s.tell("all faults end")
	s.sim.ClearFaults()
}

// disturbs does something to the engine, or ends it.
func (s *simulation) disturbs() {
	what, delay := s.random.IntN(6), s.between(0, 3*time.Second)
	s.tell("engine: %s", []string{"away", "slow", "loses an ack", "conflicts", "well", "well"}[what])
	once := func(err error) func(*diff.Result) error {
		done := false
		return func(*diff.Result) error {
			if done {
				return nil
			}
			done = true
			return err
		}
	}
	s.log.set(func() {
		switch what {
		case 0:
			s.log.away = true
		case 1:
			s.log.delay = delay
		case 2:
			s.log.afterAppend = once(errAway)
		case 3:
			s.log.onAppend = once(poller.ErrConflict)
		default:
			s.log.away, s.log.delay = false, 0
		}
	})
}

// stops ends a process: as it should be, at once, or at an append to come.
func (s *simulation) stops() {
	if len(s.alive) == 0 {
		return
	}
	p := oneOf(s, s.alive...)
	switch s.random.IntN(3) {
	case 0:
		s.tell("%s is stopped", p.key)
		s.bury(p)
	case 1:
		s.tell("%s dies", p.key)
		p.die()
	default:
		p.crash.Store(1 + s.random.Int32N(crashes-1))
		s.tell("%s will die at its next append: %d", p.key, p.crash.Load())
	}
}

// reap buries the dead; somebody must be alive.
func (s *simulation) reap() {
	for _, p := range slices.Clone(s.alive) {
		if p.dead.Load() {
			s.tell("%s is dead", p.key)
			s.bury(p)
		}
	}
	if len(s.alive) == 0 {
		s.joins()
	}
}

// joins starts a process, beside one that may be there.
func (s *simulation) joins() {
	if len(s.alive) < 2 && len(s.programs) < maxPrograms {
		s.launch()
		s.tell("%s starts", s.alive[len(s.alive)-1].key)
	}
}

// hints says that something may have moved: mostly somebody who does not know.
func (s *simulation) hints() {
	no := oneOf(s, s.any(), s.any(), s.any(), "", "forged")
	if s.chance(2) && no != "" && no != "forged" {
		s.move(no, s.word(), "")
	}
	raw, _ := s.is(no)
	s.tell("hint %q, which is %q", no, raw)
	for range 1 + s.random.IntN(3) {
		oneOf(s, s.alive...).poller.Hint(no)
	}
}

// believes is the operator, who believes deletions that are held back.
func (s *simulation) believes() {
	p := oneOf(s, s.alive...)
	if err := p.poller.Release("default"); err == nil {
		s.tell("deletions are released at %s", p.key)
		s.released = append(s.released, time.Now())
	}
}
