package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// What is written of positions is read as it was, and what is none is refused.
func FuzzPositions(f *testing.F) {
	f.Add(waits{{seq: 1}, {seq: 7, due: time.UnixMilli(1_800_000_000_000)}, {seq: 1 << 40}}.pack())
	f.Add([]byte{0, 0})
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, packed []byte) {
		list, err := unpackWaits(packed)
		if err != nil {
			return
		}
		again, err := unpackWaits(list.pack())
		if err != nil || !slices.Equal(again, list) {
			t.Fatalf("%v became %v: %v", list, again, err)
		}
	})
}

// What is written by hand reads as what the library writes.
func TestASheetIsJSON(t *testing.T) {
	t.Parallel()
	for _, e := range []positionEntry{
		{Endpoint: "a", Stream: "VIDEOS", Next: 1},
		{
			Endpoint: `odd "name" <é>`, Stream: "S", Log: 5, Made: 7, Began: 9, Next: 1 << 50, Page: 3, At: 1_800_000_000_000, Floor: 8, Left: true,
			Consumer: true, Open: waits{{seq: 10}, {seq: 12, due: time.UnixMilli(1_800_000_000_001)}}, Gone: sequences{4, 2},
		},
	} {
		var got, want positionEntry
		must(t, json.Unmarshal(e.appendTo(nil, newCursor(e.Endpoint, e.Stream, nil).head), &got))
		library, err := json.Marshal(e)
		must(t, err)
		must(t, json.Unmarshal(library, &want))
		if !reflect.DeepEqual(got, want) || got.Next != e.Next {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// A hundred thousand deliveries that wait fit into one message of the engine, which takes a mebibyte.
func TestAPageOfAllThatMayWaitFitsIntoAMessage(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	page := make(waits, maxAckPending)
	for i := range page {
		page[i] = openEvent{seq: 1<<40 + uint64(i*100), due: time.UnixMilli(1_800_000_000_000 + random.Int64N(24*3600*1000))}
	}
	if n := len(page.pack()); n > 1<<20-4096 {
		t.Errorf("%d bytes", n)
	}
}

// world is what is true of events, whatever a cursor says.
type world struct {
	given map[uint64]bool
	over  map[uint64]bool
	last  uint64
}

func (w *world) open() []uint64 {
	var open []uint64
	for seq := range w.given {
		if !w.over[seq] {
			open = append(open, seq)
		}
	}
	slices.Sort(open)
	return open
}

// A dispatcher that dies at any moment, between any two writes, leaves positions from which every event that is not over is given
// again. One that stops leaves them exact.
func TestFromWhatIsWrittenNothingIsLost(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	for _, seed := range []uint64{1, 2, 3, 4} {
		random := rand.New(rand.NewPCG(seed, 1))
		ctx, name := t.Context(), fmt.Sprintf("e%d", seed)
		w := world{given: make(map[uint64]bool), over: make(map[uint64]bool)}
		p := e.positions()
		must(t, p.load(ctx))
		c := p.add(name, "S")
		c.begin(time.Unix(0, 0), 1, 0)
		for round := range 40 {
			for range random.IntN(400) {
				w.step(random, c)
			}
			switch random.IntN(4) {
			case 0: // dies between the page and the sheet
				e, page := c.entry(time.Now())
				if page != nil {
					_, err := p.entryOf(ctx, c)
					must(t, err)
				}
				_ = e
			case 1:
				must(t, p.flush(ctx))
			case 2: // is written once and goes on
				must(t, p.flush(ctx))
				w.step(random, c)
			default:
			}
			exact := random.IntN(2) == 0
			if exact {
				must(t, p.flush(ctx))
			}
			p = e.positions()
			must(t, p.load(ctx))
			before := c
			if c = p.find(name, "S"); c == nil {
				if round == 0 && !exact {
					c = p.add(name, "S")
					c.begin(time.Unix(0, 0), 1, 0)
					w = world{given: make(map[uint64]bool), over: make(map[uint64]bool)}
					continue
				}
				t.Fatal("the cursor is gone")
			}
			knows := make(map[uint64]bool)
			for _, o := range c.open() {
				knows[o.seq] = true
			}
			for _, seq := range w.open() {
				if !knows[seq] && seq < c.unread() {
					t.Fatalf("seed %d, round %d: %d is lost: next %d, was %d", seed, round, seq, c.unread(), before.unread())
				}
			}
			if exact && (c.unread() != before.unread() || !slices.Equal(slices.Sorted(maps.Keys(knows)), w.open())) {
				t.Fatalf("seed %d, round %d: a stop left %d of %d open, next %d instead of %d",
					seed, round, len(knows), len(w.open()), c.unread(), before.unread())
			}
			w.goOn(c)
		}
	}
}

// step is something that happens to a cursor.
func (w *world) step(random *rand.Rand, c *cursor) {
	switch open := w.open(); {
	case random.IntN(3) > 0 || len(open) == 0:
		w.last = c.unread() + random.Uint64N(3) // the others are not asked for
		c.give(w.last)
		w.given[w.last] = true
	case random.IntN(3) > 0:
		seq := open[random.IntN(len(open))]
		c.done(seq, c.epoch)
		w.over[seq] = true
	default:
		c.later(open[random.IntN(len(open))], c.epoch, time.Duration(random.IntN(int(time.Hour))))
	}
}

// goOn is what is true after a start: all that is not written down as over may come again.
func (w *world) goOn(c *cursor) {
	w.given, w.over = make(map[uint64]bool), make(map[uint64]bool)
	for _, o := range c.open() {
		w.given[o.seq] = true
	}
	w.last = c.unread() - 1
	for range w.given { // all of it is in somebody's hands now
		c.giveDue(time.Now().Add(24*time.Hour), len(w.given))
	}
}

func (e *engine) positions() *positions {
	return newPositions(Config{JetStream: e.js, Names: e.names, Replicas: 1})
}

// givenThousand is a cursor with a thousand events open, which is more than a sheet takes.
func (e *engine) givenThousand() (*positions, *cursor) {
	e.tb.Helper()
	p := e.positions()
	must(e.tb, p.load(e.tb.Context()))
	c := p.add("a", "S")
	c.begin(time.Unix(0, 0), 1, 0)
	for seq := range uint64(1000) {
		c.give(seq + 1)
	}
	return p, c
}

// A page that is lost costs repeats, and no event.
func TestWithoutItsPageACursorGoesBackToItsFloor(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	p, c := e.givenThousand()
	for seq := range uint64(100) {
		c.done(seq+1, c.epoch)
	}
	must(t, p.flush(t.Context()))
	for seq := range uint64(300) { // those of the page, in the sheet and in a page that is damaged
		c.done(seq+101, c.epoch)
	}
	must(t, p.flush(t.Context()))
	subject := e.names.PositionPageSubject("a", "S")
	for name, damage := range map[string]func(){
		"damaged": func() {
			must(t, func() error { _, err := e.js.Publish(t.Context(), subject, []byte{0}); return err }())
		},
		"gone": func() {
			s, err := e.js.Stream(t.Context(), e.names.PositionsStream())
			must(t, err)
			must(t, s.Purge(t.Context(), jetstream.WithPurgeSubject(subject)))
		},
	} {
		damage()
		after := e.positions()
		must(t, after.load(t.Context()))
		got := after.find("a", "S")
		if next := got.unread(); next <= 1 || next > 401 || len(got.open()) != 0 {
			t.Errorf("%s: goes on at %d with %d open, 401 is the first that is open", name, next, len(got.open()))
		}
		handed, epoch := got.give(got.unread())
		if handed != 2 {
			t.Errorf("%s: what may have been tried counts as given %d times", name, handed)
		}
		for got.unread() < 1001 {
			seq := got.unread()
			got.give(seq)
			got.done(seq, epoch)
		}
		must(t, after.flush(t.Context()))
		once := e.positions()
		must(t, once.load(t.Context()))
		if next := once.find("a", "S").unread(); next != 1001 {
			t.Errorf("%s: one start later it goes back again, to %d", name, next)
		}
		must(t, p.remake(t.Context())) // for the next
		must(t, p.flush(t.Context()))
	}
}

// What is written is written again when the stream was deleted meanwhile, pages included.
func TestPositionsAreMadeAgainWhenTheirStreamWasDeleted(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	p, c := e.givenThousand()
	must(t, p.flush(t.Context()))
	must(t, e.js.DeleteStream(t.Context(), e.names.PositionsStream()))
	c.done(500, c.epoch)
	must(t, p.flush(t.Context()))
	after := e.positions()
	must(t, after.load(t.Context()))
	got := after.find("a", "S")
	if got == nil || got.unread() != 1001 || len(got.open()) != 999 {
		t.Fatalf("%+v", got)
	}
}

func TestACursorFollowsItsStream(t *testing.T) {
	t.Parallel()
	made := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		created time.Time
		state   jetstream.StreamState
		next    uint64
		open    int
		changed bool
	}{
		"as it was":                      {made, jetstream.StreamState{Msgs: 20, FirstSeq: 1, LastSeq: 20, FirstTime: made.Add(time.Second)}, 11, 2, false},
		"its end was lost":               {made, jetstream.StreamState{Msgs: 4, FirstSeq: 1, LastSeq: 4, FirstTime: made.Add(time.Second)}, 5, 1, true},
		"another one":                    {made.Add(time.Hour), jetstream.StreamState{Msgs: 30, FirstSeq: 1, LastSeq: 30, FirstTime: made.Add(2 * time.Hour)}, 1, 0, true},
		"another one, with nothing":      {made.Add(time.Hour), jetstream.StreamState{}, 1, 0, true},
		"the same, restored elsewhere":   {made.Add(time.Hour), jetstream.StreamState{Msgs: 20, FirstSeq: 1, LastSeq: 20, FirstTime: made.Add(time.Second)}, 11, 2, true},
		"the same, all of it was folded": {made, jetstream.StreamState{FirstSeq: 21, LastSeq: 20}, 11, 2, false},
	} {
		p := newPositions(Config{})
		cur := p.add("a", "S")
		cur.begin(made, 1, 0)
		for seq := range uint64(10) {
			cur.give(seq + 1)
		}
		for seq := range uint64(10) {
			if seq+1 != 3 && seq+1 != 7 {
				cur.done(seq+1, cur.epoch)
			}
		}
		changed := cur.follow(&jetstream.StreamInfo{Created: c.created, State: c.state})
		if cur.unread() != c.next || len(cur.open()) != c.open || changed != c.changed {
			t.Errorf("%s: next %d, %d open, changed %t; want %d, %d, %t", name, cur.unread(), len(cur.open()), changed, c.next, c.open, c.changed)
		}
	}
}

// Waits are served in the order in which they are over, each once, and one that is called back at once.
func TestACursorGivesAgainWhatIsDue(t *testing.T) {
	t.Parallel()
	p := newPositions(Config{})
	c := p.add("a", "S")
	c.begin(time.Unix(0, 0), 1, 0)
	now := time.Now()
	for seq := range uint64(5) {
		c.give(seq + 1)
	}
	for seq, wait := range map[uint64]time.Duration{1: 3 * time.Hour, 2: time.Hour, 3: 2 * time.Hour, 4: 0} {
		c.later(seq, c.epoch, wait)
	}
	c.later(3, c.epoch, 0) // is not in anybody's hands
	if got, _ := c.giveDue(now.Add(time.Second), 9); !slices.Equal(got, []uint64{4}) {
		t.Errorf("at first %v", got)
	}
	c.hurry(1, c.epoch)
	c.hurry(5, c.epoch) // is in somebody's hands
	if got, _ := c.giveDue(now.Add(time.Second), 9); !slices.Equal(got, []uint64{1}) {
		t.Errorf("called back %v", got)
	}
	if at, some := c.nextDue(); !some || at.Before(now.Add(time.Hour)) {
		t.Errorf("next %v, %t", at, some)
	}
	if got, _ := c.giveDue(now.Add(4*time.Hour), 1); !slices.Equal(got, []uint64{2}) {
		t.Errorf("one at a time %v", got)
	}
	c.done(3, c.epoch)
	if got, _ := c.giveDue(now.Add(4*time.Hour), 9); len(got) != 0 {
		t.Errorf("what is over comes again: %v", got)
	}
	if at := c.standing(); at.floor != 0 || at.given != 5 || at.open != 4 {
		t.Errorf("%+v", at)
	}
	if handed, open := c.handedOut(1, c.epoch); handed != 2 || !open {
		t.Errorf("handed out %d times, %t", handed, open)
	}
}

// A clock that was set back between two runs holds nothing for longer than was decided.
func TestAClockSetBackHoldsNothing(t *testing.T) {
	t.Parallel()
	wrote := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	e := positionEntry{Next: 10, At: wrote.UnixMilli(), Open: waits{{seq: 3, due: wrote.Add(time.Minute)}, {seq: 4}}}
	for name, c := range map[string]struct{ now, due time.Time }{
		"on time":   {wrote.Add(10 * time.Second), wrote.Add(time.Minute)},
		"late":      {wrote.Add(time.Hour), wrote.Add(time.Hour)},
		"set back":  {wrote.Add(-24 * time.Hour), wrote.Add(-24 * time.Hour).Add(time.Minute)},
		"set ahead": {wrote.Add(24 * time.Hour), wrote.Add(24 * time.Hour)},
	} {
		cur := newPositions(Config{}).add("a", "S")
		cur.restore(e, nil, 0, c.now)
		if got, _ := cur.giveDue(c.now, 9); !slices.Contains(got, 4) {
			t.Errorf("%s: what was in hand is not due at once: %v", name, got)
		}
		if at := cur.fresh[3].at; !at.Equal(c.due) {
			t.Errorf("%s: due %s, want %s", name, at, c.due)
		}
	}
}

// What another log's events come to is none of the business of a cursor that began anew.
func TestAnswersToAnotherLogMeanNothing(t *testing.T) {
	t.Parallel()
	made := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	c := newPositions(Config{}).add("a", "S")
	c.begin(made, 1, 0)
	_, old := c.give(1)
	c.follow(&jetstream.StreamInfo{Created: made.Add(time.Hour), State: jetstream.StreamState{Msgs: 1, LastSeq: 1, FirstTime: made.Add(time.Hour)}})
	_, epoch := c.give(1)
	c.later(1, old, 0)
	c.done(1, old)
	if c.isOver(1) || epoch == old {
		t.Error("an event was over before it was delivered")
	}
	if got, _ := c.giveDue(time.Now().Add(time.Hour), 9); len(got) != 0 {
		t.Errorf("%v were sent back", got)
	}
	c.done(1, epoch)
	if !c.isOver(1) {
		t.Error("it is not over")
	}
}

// Positions of more endpoints than a sheet holds are all kept.
func TestManyEndpointsKeepTheirPositions(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	p := e.positions()
	must(t, p.load(t.Context()))
	const many = 2*sheetSize + 10
	for i := range many {
		p.add(fmt.Sprintf("e%d", i), "S").begin(time.Unix(0, 0), uint64(i+1), 0)
	}
	must(t, p.flush(t.Context()))
	if n := len(e.messages(e.names.PositionsStream(), ">")); n != 3 {
		t.Errorf("%d sheets", n)
	}
	p.find("e5", "S").pass(1000)
	must(t, p.flush(t.Context()))
	after := e.positions()
	must(t, after.load(t.Context()))
	for i := range many {
		want := uint64(i + 1)
		if i == 5 {
			want = 1001
		}
		if c := after.find(fmt.Sprintf("e%d", i), "S"); c == nil || c.unread() != want {
			t.Errorf("e%d: %+v", i, c)
		}
	}
	if !after.isWhole() {
		t.Error("some are said to be missing")
	}
	subject := e.names.PositionSheetSubject("1")
	_, err := e.js.Publish(context.Background(), subject, bytes.Repeat([]byte("x"), 10))
	must(t, err)
	damaged := e.positions()
	must(t, damaged.load(t.Context()))
	if damaged.isWhole() || damaged.find("e130", "S") != nil || damaged.find("e260", "S") == nil {
		t.Error("a damaged sheet is read as if it were none, or takes others along")
	}
}
