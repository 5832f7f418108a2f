package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Order says what an endpoint may count on about the order of its deliveries.
type Order string

// The orders there are.
const (
	OrderAny   Order = ""      // the log's order as far as it costs nothing: several at a time, and a retry is overtaken
	OrderVideo Order = "video" // an event waits until the earlier ones of its video are delivered or given up
)

var orders = []Order{OrderAny, OrderVideo}

const (
	// parkFirst is how long an event is sent away that must wait for an earlier one, and how much longer each time after. It
	// is called back when that is over; the time is for the case that nobody is left to call.
	parkFirst = 5 * time.Second
	parkMost  = 20 * time.Second
	// settling is for how long after a kill something may come back that nobody knows of: parked, or under way.
	settling = parkMost + ackWait + 5*time.Second
	// overdue is how long after its time an event that was sent away is still waited for, unless a cursor knows that it is not over:
	// that one is waited for however long others come first. Without a cursor another process has it, or
	// somebody has deleted it.
	overdue = 30 * time.Second
	// maxSuspects bounds what is asked about a video's earlier events.
	maxSuspects = 16
)

// line keeps, for each video, the events that are not over, in the log's order. It holds what this process was handed since
// it began, and what an earlier one may have left unfinished.
type line struct {
	events jetstream.Stream // the log
	floor  uint64           // of the log at the start: all up to it was over
	handed uint64           // and all behind this had never been handed out

	mu        sync.Mutex
	cursor    *cursor // that gives the events; nil where the engine does
	videos    map[string][]turn
	opened    time.Time       // when the engine was last asked for more: what was sent away comes back after that
	inherited bool            // an earlier run left something unfinished
	settled   time.Time       // until then it is uncertain what
	over      map[uint64]bool // what was inherited, and has ended since; nil when all is certain
}

type turn struct {
	seq   uint64
	until time.Time // believed in until then; zero for one that is here
	back  ticket    // where to call one back that was parked
}

func newLine() *line { return &line{videos: make(map[string][]turn)} }

// by says who gives the events.
func (l *line) by(c *cursor) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursor = c
}

// open notes that the engine is asked for deliveries again, after a start, a pause or a failure.
func (l *line) open(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened = now
	if l.inherited {
		l.inherited, l.settled, l.over = false, now.Add(settling), make(map[uint64]bool)
	}
}

// uncertain reports until when an earlier run's unfinished events may still come back, as long as some may.
func (l *line) uncertain(now time.Time) (until time.Time, yes bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !now.Before(l.settled) {
		l.over = nil
		return time.Time{}, false
	}
	return l.settled, true
}

// join puts an event in line, in its place. It is called in the order in which the engine hands events out.
func (l *line) join(video string, seq uint64) { l.put(video, turn{seq: seq}) }

// suspect puts an event in line that may be unfinished, until a time. What is known already stays as it is.
func (l *line) suspect(video string, seq uint64, until time.Time) {
	l.mu.Lock()
	_, known := l.find(video, seq)
	known = known || l.over[seq]
	l.mu.Unlock()
	if !known {
		l.put(video, turn{seq: seq, until: until})
	}
}

func (l *line) put(video string, t turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, known := l.find(video, t.seq)
	if known {
		l.videos[video][i] = t
		return
	}
	l.videos[video] = slices.Insert(l.videos[video], i, t)
}

func (l *line) find(video string, seq uint64) (int, bool) {
	return slices.BinarySearchFunc(l.videos[video], seq, func(t turn, seq uint64) int {
		switch {
		case t.seq < seq:
			return -1
		case t.seq > seq:
			return 1
		default:
			return 0
		}
	})
}

// first reports whether it is an event's turn. If it is not, park is called before any other event can leave, and back is
// where the event is called back.
func (l *line) first(video string, seq uint64, now time.Time, back ticket, park func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, known := l.find(video, seq)
	if !known {
		return true
	}
	if !slices.ContainsFunc(l.videos[video][:i], func(t turn) bool { return l.waitsFor(t, now) }) {
		return true
	}
	l.videos[video][i].back = back
	park()
	return false
}

// parks notes where an event is called back that was sent away.
func (l *line) parks(video string, seq uint64, back ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i, known := l.find(video, seq); known {
		l.videos[video][i].back = back
	}
}

func (l *line) waitsFor(t turn, now time.Time) bool {
	return t.until.IsZero() || now.Before(t.until) || now.Before(l.opened.Add(overdue)) || l.cursor != nil && l.cursor.isOpen(t.seq)
}

// away notes that an event was sent back to the engine for a time.
func (l *line) away(video string, seq uint64, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i, known := l.find(video, seq); known {
		l.videos[video][i].until = until
	}
}

// leave takes an event that is over out of the line, and those before it that nobody waits for. It returns where the one that
// comes next is called back, if it is parked.
func (l *line) leave(video string, seq uint64, now time.Time) (back ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != nil && seq <= l.handed {
		l.over[seq] = true
	}
	rest := slices.DeleteFunc(l.videos[video], func(t turn) bool {
		return t.seq == seq || t.seq < seq && !l.waitsFor(t, now)
	})
	if len(rest) == 0 {
		delete(l.videos, video)
		return ticket{}
	}
	l.videos[video] = rest
	back, rest[0].back = rest[0].back, ticket{}
	return back
}

// parked returns where all parked events are called back.
func (l *line) parked() (all []ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, turns := range l.videos {
		for i := range turns {
			if turns[i].back.valid() {
				all, turns[i].back = append(all, turns[i].back), ticket{}
			}
		}
	}
	return all
}

// videoOf is what tells videos apart in the subject of an event: source and video.
func videoOf(subject string) string {
	if video := strings.LastIndexByte(subject, '.'); video > 0 {
		return subject[strings.LastIndexByte(subject[:video], '.')+1:]
	}
	return subject
}

// lineUp gives a delivery its place in the line of its video. It runs where deliveries arrive, in their order.
func (l *lane) lineUp(d *delivery) {
	if l.line == nil || d.stream != l.names.Stream() {
		return
	}
	d.video = videoOf(d.subject)
	l.line.join(d.video, d.seq)
}

// inTurn reports whether nothing earlier of the same video is unfinished. If something is, the delivery has been sent away,
// and holds no slot.
func (l *lane) inTurn(d *delivery) bool {
	if d.video == "" {
		return true
	}
	now, wait := l.now(), min(time.Duration(min(d.handed, 100))*parkFirst, parkMost)
	if until, yes := l.line.uncertain(now); yes {
		wait = time.Second // nobody may be there to call it back
		if err := l.askLog(d, until); err != nil {
			l.trouble(err)
			d.later(engineRetry)
			return false
		}
	}
	return l.line.first(d.video, d.seq, now, d.ticket(), func() { d.later(wait) })
}

// park is for a delivery that arrives when the lane stops. It goes back with those that are parked, so that it comes after what
// is before it in the line. It reports false for one that stands in none.
func (l *lane) park(d *delivery) bool {
	if d.video == "" {
		return false
	}
	d.later(parkFirst)
	l.line.parks(d.video, d.seq, d.ticket())
	return true
}

// stepOut takes a delivery that is over out of its line, and calls the next one.
func (l *lane) stepOut(d *delivery) {
	if d.video == "" {
		return
	}
	if back := l.line.leave(d.video, d.seq, l.now()); back.valid() {
		back.hurry(d.conn)
	}
}

// signOff sends all that is parked back to the engine: whoever runs next knows nothing of it. What was under way went before
// it, so that it all comes back in order, and the next run need not wait for more.
func (l *lane) signOff(ctx context.Context, clean bool) error {
	if l.line == nil {
		return nil
	}
	for _, back := range l.line.parked() {
		back.hurry(l.js.Conn())
	}
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	l.health.Clean, l.dirty = clean, true
	return l.flushHealth(ctx)
}

// sentBack notes where a delivery is that is not over.
func (l *lane) sentBack(d *delivery) {
	if d.video != "" {
		l.line.away(d.video, d.seq, l.now().Add(d.wait+overdue))
	}
}

// restoreLine prepares the line after a start: what an earlier run left unfinished comes back within the ack wait, or when it
// is due, or when it is no longer parked; until then nothing later of its video may pass.
func (l *lane) restoreLine(ctx context.Context, inLog *feed, at standing) error {
	if l.line == nil || inLog == nil {
		return nil
	}
	l.line.by(inLog.cursor())
	if l.lineKnown {
		l.wasClean() // which it is no more
		return nil
	}
	stream, err := l.js.Stream(ctx, l.names.Stream())
	if err != nil {
		return err
	}
	l.line.events, l.line.floor, l.line.handed = stream, at.floor, at.given
	if c := inLog.cursor(); c != nil { // which knows all that is unfinished
		l.wasClean()
		return l.lineUpOpen(ctx, c)
	}
	l.line.inherited = at.open > 0 && !l.wasClean()
	for token := range l.unfinished {
		r, err := l.records.loadToken(ctx, l.key, token)
		if err != nil {
			return err
		}
		if r.Video != "" && r.Event > l.line.floor {
			l.line.suspect(r.Video, r.Event, r.NextAt.Add(ackWait+overdue))
		}
	}
	return nil
}

// lineUpOpen puts what an earlier run left unfinished in line, in the order of the log.
func (l *lane) lineUpOpen(ctx context.Context, c *cursor) error {
	for _, w := range c.open() {
		if w.seq <= l.linedUp { // before the engine, or the time, gave out
			continue
		}
		msg, err := l.line.events.GetMsg(ctx, w.seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read what is unfinished: %w", err)
		}
		l.line.put(videoOf(msg.Subject), turn{seq: w.seq, until: later(w.due, l.now()).Add(overdue)})
		l.linedUp = w.seq
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// wasClean reports whether the last run signed off, and takes that back: this one has not.
func (l *lane) wasClean() bool {
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	was := l.health.Clean
	if was {
		l.health.Clean = false
		l.keep()
	}
	return was && !l.dirty
}

// askLog looks for earlier events of a video that an earlier run may have left unfinished.
func (l *lane) askLog(d *delivery, until time.Time) error {
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	all := strings.TrimSuffix(l.names.AllEvents(), ">") + "*." + d.video
	for seq, asked := l.line.floor+1, 0; asked < maxSuspects; asked++ {
		msg, err := l.line.events.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(all))
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && msg.Sequence >= min(d.seq, l.line.handed+1) {
			return nil
		}
		if err != nil {
			return err
		}
		if l.asksFor(msg.Subject) {
			l.line.suspect(d.video, msg.Sequence, until)
		}
		seq = msg.Sequence + 1
	}
	return nil
}

// asksFor reports whether the endpoint's globs match the event of a subject.
func (l *lane) asksFor(subject string) bool {
	kind, _, _ := strings.Cut(strings.TrimPrefix(subject, strings.TrimSuffix(l.names.AllEvents(), ">")), ".")
	return matchesAny(l.target.patterns, "video."+kind)
}
