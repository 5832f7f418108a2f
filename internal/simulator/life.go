package simulator

import (
	"container/heap"
	"time"
)

// agenda holds, for every video with a life, the instant of its next step. Requests settle what is due; nothing else
// costs anything, however large the library.
type agenda struct{ entries turns }

type turn struct {
	due   time.Time
	order uint64 // ties go in the order they were planned
	ns    string
	rec   *record
	life  uint64 // the life this turn belongs to; an outdated one is dropped
}

type turns []turn

func (t turns) Len() int      { return len(t) }
func (t turns) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t turns) Less(i, j int) bool {
	if t[i].due.Equal(t[j].due) {
		return t[i].order < t[j].order
	}
	return t[i].due.Before(t[j].due)
}
func (t *turns) Push(x any) { *t = append(*t, x.(turn)) }
func (t *turns) Pop() any {
	last := len(*t) - 1
	popped := (*t)[last]
	(*t)[last] = turn{}
	*t = (*t)[:last]
	return popped
}

func (a *agenda) plan(t turn) { heap.Push(&a.entries, t) }

// next is the instant of the earliest turn.
func (a *agenda) next() (time.Time, bool) {
	if len(a.entries) == 0 {
		return time.Time{}, false
	}
	return a.entries[0].due, true
}

// due takes the earliest turn if its time has come.
func (a *agenda) due(now time.Time) (turn, bool) {
	if at, ok := a.next(); !ok || at.After(now) {
		return turn{}, false
	}
	return heap.Pop(&a.entries).(turn), true
}

// begin gives a record a life that counts from an instant, in place of the one it had.
func (s *Simulator) begin(ns string, rec *record, life []Step, from time.Time) {
	rec.video.Life = life
	rec.life++
	s.planNext(ns, rec, from)
}

func (s *Simulator) planNext(ns string, rec *record, from time.Time) {
	if len(rec.video.Life) == 0 {
		return
	}
	s.planned++
	due := from.Add(rec.video.Life[0].After)
	s.agenda.plan(turn{due: due, order: s.planned, ns: ns, rec: rec, life: rec.life})
	s.outbox.wake() // Run may have to get up earlier
}

// settle plays every step that is due. Each is stamped with its own instant, not with that of the request.
func (s *Simulator) settle(now time.Time) {
	for {
		t, ok := s.agenda.due(now)
		if !ok {
			return
		}
		if t.rec.gone || t.rec.life != t.life {
			continue
		}
		s.step(t)
	}
}

func (s *Simulator) step(t turn) {
	step := t.rec.video.Life[0]
	t.rec.video.Life = t.rec.video.Life[1:]
	if step.Delete {
		s.library(t.ns).remove(t.rec, t.due)
		return
	}
	s.move(t.ns, t.rec, orElse(step.Raw, t.rec.video.Raw), step.Cause, t.due)
	s.planNext(t.ns, t.rec, t.due)
}

// move changes the state of a video and queues the callback that goes with it.
func (s *Simulator) move(ns string, rec *record, raw, cause string, at time.Time) {
	was := rec.video.Raw
	s.library(ns).change(rec, raw, cause, at)
	if raw != was {
		s.queueMove(ns, rec.video)
	}
}
