package webhook

import (
	"cmp"
	"container/heap"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// cursor is where an endpoint stands in a stream, for a process that has the engine to itself: the first event that it was never
// given, and those before that are not over. It does what a durable consumer does, without a message to the engine for each event
// and a file for each endpoint; positions writes it down. It outlives the lanes and feeds that use it.
type cursor struct {
	endpoint, stream string
	sheet            *sheet        // where it is written down
	head             []byte        // what every writing begins with
	due              chan struct{} // something may be due earlier than was known

	mu       sync.Mutex
	log      time.Time // when the stream was made
	made     time.Time
	began    uint64 // the first event that is its own; zero when that is not known
	next     uint64 // behind the last that was given; what was not asked for before that one counts as given, what comes after does not
	epoch    uint64 // grows when all that is open is forgotten: what was given before is none of its business then
	suspects uint64 // what was given up to here may have been given before
	left     bool   // nothing of the stream is wanted any more
	moved    bool   // as it was read, a consumer had gone on from here

	// What is not over stands in one of two: based in the last page that was written, or fresh since.
	based, fresh map[uint64]*unfinished
	gone         []uint64 // what is over since that page
	page         uint64   // its number; zero for none
	floor        uint64   // all up to it was over then
	waiting      dueHeap
}

// unfinished is one event that was given and is not over.
type unfinished struct {
	handed uint64
	held   bool      // by a feed
	at     time.Time // when it is due, unless it is held
}

// dueEntry is a wait; one that its event no longer has means nothing.
type dueEntry struct {
	at  time.Time
	seq uint64
}

type dueHeap []dueEntry

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	return cmp.Or(h[i].at.Compare(h[j].at), cmp.Compare(h[i].seq, h[j].seq)) < 0
}
func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)   { *h = append(*h, x.(dueEntry)) }
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

func newCursor(endpoint, stream string, on *sheet) *cursor {
	name, _ := json.Marshal(endpoint) // of strings it never fails
	from, _ := json.Marshal(stream)
	return &cursor{
		endpoint: endpoint, stream: stream, sheet: on, head: fmt.Appendf(nil, `{"endpoint":%s,"stream":%s`, name, from), due: make(chan struct{}, 1),
		based: make(map[uint64]*unfinished), fresh: make(map[uint64]*unfinished),
	}
}

// begin has the cursor stand before an event, with nothing open. What comes up to suspects may have been given before.
func (c *cursor) begin(log time.Time, next, suspects uint64) {
	c.mu.Lock()
	c.log, c.made, c.next, c.began, c.left, c.moved = log, time.Now().UTC().Round(0), next, next, false, false
	c.clear()
	c.suspects = suspects
	c.mu.Unlock()
	c.sheet.touch()
}

// takeOver goes on where a durable consumer stands. Which events behind its floor are over it does not tell: they come again.
func (c *cursor) takeOver(info *jetstream.StreamInfo, at standing) {
	c.begin(info.Created, at.floor+1, at.given)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made, c.began = at.made, at.began
}

func (c *cursor) hasLeft() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left
}

func (c *cursor) hasMoved() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moved
}

// clear forgets what is open. The mutex is held.
func (c *cursor) clear() {
	clear(c.fresh)
	for seq := range c.based {
		c.gone = append(c.gone, seq)
	}
	clear(c.based)
	c.waiting, c.suspects = nil, 0
	c.epoch++
}

// leave is for an endpoint that wants nothing of the stream any more. On the day it does again it begins anew.
func (c *cursor) leave() (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return false
	}
	c.left = true
	c.clear()
	return true
}

// follow brings the cursor in line with the stream as it is. Another stream by the same name is new from its first event on. It
// reports whether anything had to change.
func (c *cursor) follow(info *jetstream.StreamInfo) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := info.State
	if !info.Created.Equal(c.log) {
		// One that was restored from a copy has events from before it was made.
		if other := state.Msgs > 0 && !state.FirstTime.Before(info.Created); other {
			c.next, c.began = 1, 1
			c.clear()
		}
		c.log, changed = info.Created, true
	}
	if c.next > state.LastSeq+1 { // its end was lost
		c.next, changed = state.LastSeq+1, true
		for _, w := range c.all() {
			if w.seq > state.LastSeq {
				c.remove(w.seq)
			}
		}
	}
	return changed
}

func (c *cursor) find(seq uint64) *unfinished {
	if u := c.fresh[seq]; u != nil {
		return u
	}
	return c.based[seq]
}

func (c *cursor) remove(seq uint64) {
	if _, based := c.based[seq]; based {
		delete(c.based, seq)
		c.gone = append(c.gone, seq)
		return
	}
	delete(c.fresh, seq)
}

// isNew reports whether an event was never given.
func (c *cursor) isNew(seq uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return seq >= c.next
}

// give hands a new event out, and reports how often that was done, this time included.
func (c *cursor) give(seq uint64) (handed, epoch uint64) {
	c.mu.Lock()
	c.next, handed, epoch = seq+1, 1, c.epoch
	if seq <= c.suspects {
		handed++
	}
	c.fresh[seq] = &unfinished{handed: handed, held: true}
	c.mu.Unlock()
	c.sheet.touch()
	return handed, epoch
}

// pass goes on behind an event that is given to nobody.
func (c *cursor) pass(seq uint64) {
	c.mu.Lock()
	c.next = seq + 1
	c.mu.Unlock()
	c.sheet.touch()
}

// done is for an event that is over.
func (c *cursor) done(seq, epoch uint64) {
	c.mu.Lock()
	if epoch == c.epoch {
		c.remove(seq)
	}
	c.mu.Unlock()
	c.sheet.touch()
}

// later is for an event that is due again after a wait.
func (c *cursor) later(seq, epoch uint64, wait time.Duration) { c.wait(seq, epoch, wait, true) }

// hurry ends the wait of an event that was sent back.
func (c *cursor) hurry(seq, epoch uint64) { c.wait(seq, epoch, 0, false) }

func (c *cursor) wait(seq, epoch uint64, wait time.Duration, held bool) {
	c.mu.Lock()
	u := c.find(seq)
	if u == nil || u.held != held || epoch != c.epoch {
		c.mu.Unlock()
		return
	}
	u.held, u.at = false, time.Now().Add(wait)
	heap.Push(&c.waiting, dueEntry{u.at, seq})
	c.mu.Unlock()
	c.sheet.touch()
	select {
	case c.due <- struct{}{}:
	default:
	}
}

// nextDue is when the next event is due that was given before; false when none waits.
func (c *cursor) nextDue() (at time.Time, some bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.top()
}

// top drops the waits that mean nothing any more. The mutex is held.
func (c *cursor) top() (at time.Time, some bool) {
	for len(c.waiting) > 0 {
		first := c.waiting[0]
		if u := c.find(first.seq); u != nil && !u.held && u.at.Equal(first.at) {
			return first.at, true
		}
		heap.Pop(&c.waiting)
	}
	return time.Time{}, false
}

// giveDue hands out events that are due, in the order in which they are, and at most so many.
func (c *cursor) giveDue(now time.Time, most int) (seqs []uint64, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(seqs) < most {
		at, some := c.top()
		if !some || at.After(now) {
			break
		}
		seq := heap.Pop(&c.waiting).(dueEntry).seq
		u := c.find(seq)
		u.held = true
		u.handed++
		seqs = append(seqs, seq)
	}
	return seqs, c.epoch
}

// handedOut is how often an open event was given.
func (c *cursor) handedOut(seq, epoch uint64) (handed uint64, open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if u := c.find(seq); u != nil && epoch == c.epoch {
		return u.handed, true
	}
	return 0, false
}

// isOpen reports whether an event was given and is not over.
func (c *cursor) isOpen(seq uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.find(seq) != nil
}

// isOver reports whether an event was given and is over.
func (c *cursor) isOver(seq uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return seq < c.next && c.find(seq) == nil
}

// unread is where to read on.
func (c *cursor) unread() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next
}

// opened counts what is not over.
func (c *cursor) opened() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size()
}

func (c *cursor) size() int { return len(c.fresh) + len(c.based) }

// standing is where an endpoint stands in a stream.
type standing struct {
	made   time.Time // when its consumer or cursor was made
	began  uint64    // the first event that is its own; zero when that is not known
	floor  uint64    // all up to it is over
	given  uint64    // all behind it was never given
	open   int       // given and not over
	unread uint64    // not given, when it was counted
}

func (s standing) pending() uint64 { return s.unread + uint64(max(0, s.open)) }

func (c *cursor) standing() standing {
	c.mu.Lock()
	defer c.mu.Unlock()
	lowest := c.next
	for seq := range c.fresh {
		lowest = min(lowest, seq)
	}
	for seq := range c.based {
		lowest = min(lowest, seq)
	}
	return standing{made: c.made, began: c.began, floor: lowest - 1, given: c.next - 1, open: c.size()}
}

// open lists what is not over, in the log's order, and when each is due.
func (c *cursor) open() waits {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all()
}

// all is open for who holds the mutex.
func (c *cursor) all() waits {
	list := make(waits, 0, c.size())
	list = appendWaits(list, c.fresh)
	list = appendWaits(list, c.based)
	slices.SortFunc(list, bySequence)
	return list
}

func appendWaits(list waits, of map[uint64]*unfinished) waits {
	for seq, u := range of {
		w := openEvent{seq: seq}
		if !u.held {
			w.due = u.at
		}
		list = append(list, w)
	}
	return list
}

func bySequence(a, b openEvent) int { return cmp.Compare(a.seq, b.seq) }

// maxFresh is how much may have changed since the last page before another one is due. A sheet of entries stays below the largest
// message that way.
const maxFresh = 256

// entry is what to write down of the cursor now. With a page its number is that of the next one.
func (c *cursor) entry(now time.Time) (e positionEntry, page waits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e = positionEntry{
		Endpoint: c.endpoint, Stream: c.stream, Log: nanoseconds(c.log), Made: nanoseconds(c.made), Began: c.began, Next: c.next, Left: c.left, Page: c.page, At: now.UnixMilli(),
	}
	if len(c.fresh)+len(c.gone) > maxFresh {
		return e, c.all()
	}
	e.Open = slices.SortedFunc(slices.Values(appendWaits(nil, c.fresh)), bySequence)
	e.Gone, e.Floor = slices.Clone(c.gone), c.floor
	return e, nil
}

func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).UTC()
}

// paged notes that a page was written, which has what was open at that time.
func (c *cursor) paged(number uint64, page waits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.based
	c.based, c.gone, c.page, c.floor = make(map[uint64]*unfinished, len(page)), nil, number, floorOf(page)
	for _, w := range page {
		u := c.fresh[w.seq]
		delete(c.fresh, w.seq)
		if u == nil {
			u = before[w.seq]
		}
		if u == nil { // over since
			c.gone = append(c.gone, w.seq)
			continue
		}
		c.based[w.seq] = u
	}
}

// unpage is for a page that was lost.
func (c *cursor) unpage() {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(c.fresh, c.based)
	clear(c.based)
	c.gone, c.floor, c.page = nil, 0, 0
}

// floorOf is what is over for certain when all that a page has is open.
func floorOf(page waits) uint64 {
	if len(page) == 0 {
		return 0
	}
	return page[0].seq - 1
}

// restore has the cursor stand where an entry says. What is open came from a page, or is fresh.
func (c *cursor) restore(e positionEntry, page waits, suspects uint64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log, c.made, c.began, c.next, c.left, c.page = moment(e.Log), moment(e.Made), e.Began, e.Next, e.Left, e.Page
	c.moved = e.Consumer
	c.gone, c.floor, c.suspects = slices.Clone(e.Gone), floorOf(page), suspects
	for _, w := range page {
		c.based[w.seq] = c.restored(w, e.At, now)
	}
	for _, seq := range e.Gone {
		delete(c.based, seq)
	}
	for _, w := range e.Open {
		c.fresh[w.seq] = c.restored(w, e.At, now)
	}
}

// restored waits for what is left, and for no longer than was left when that was written, at a time in milliseconds: a clock that
// was set back does not hold an event for ever.
func (c *cursor) restored(w openEvent, written int64, now time.Time) *unfinished {
	u := &unfinished{handed: 1, at: now}
	if !w.due.IsZero() {
		rest := min(w.due.Sub(now), w.due.Sub(time.UnixMilli(written)))
		u.at = now.Add(max(0, rest))
	}
	heap.Push(&c.waiting, dueEntry{u.at, w.seq})
	return u
}
