package webhook

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	minGroupWait = 100 * time.Millisecond
	maxGroupWait = 10 * time.Minute
	maxGroupMax  = 1000 // as many events are held here, unacknowledged, while a group is collected

	groupPrefix = "grp_"
	// busyMargin is how long past the attempt's own timeout a claim stands: for writing its result down.
	busyMargin = 5 * time.Second
	// claimRetry is when a member asks again whose group another process has just taken a step with.
	claimRetry = time.Second
	// keepOver is how long the record of a group that is over is kept: a kill may take back acknowledgements of the last
	// tenth of a second, a consumer that was deleted those of the last five seconds, and what then comes again must find that
	// it was told.
	keepOver = 2 * pendingEvery
)

// groups are a lane's messages that tell several events at once.
//
// A group's life: it collects deliveries for group_wait, or until there are group_max. Then its membership and its body are
// written down as one record, and only after that is it sent, under an id of its own. From then on an event of it is never
// told in another message: whoever gets the event handed out again, in this process or another one, finds the record. The
// events stay unacknowledged until the message was answered, so that a group can be lost no more than an event can. A record
// is claimed by compare-and-set before each attempt, so that of several processes that hold events of the group one sends.
type groups struct {
	wait  time.Duration // zero: the endpoint does not group, but an earlier setting may have left some
	most  int
	style string // of the bodies that are made now
	owner string // this process, in claims

	reading sync.Mutex // one reads the records, the others wait for what it finds

	mu    sync.Mutex
	open  *group            // collecting
	known map[string]*group // by event, those with a record
	read  time.Time         // known has every group that had a record then
	past  []*group          // over, their records not yet dropped

	skipped map[string]bool // subjects of records that other settings made
}

// group is guarded by the mutex of its groups.
type group struct {
	full    chan struct{} // closed when there are as many events as there may be
	over    chan struct{} // closed when those present are answered for
	driven  bool          // one goroutine sees to those present
	present []*delivery   // handed out to this process, waiting for what becomes of the group
	record  groupRecord
	left    map[string]struct{} // events not known to be settled
	overAt  time.Time
}

func newGroups(t *target, owner string) *groups {
	s := &groups{known: make(map[string]*group), skipped: make(map[string]bool), owner: owner, style: t.style()}
	if t.GroupMax > 1 {
		s.wait, s.most = t.GroupWait, t.GroupMax
	}
	return s
}

// style tells bodies apart that different settings made. A group made by other settings is taken apart and told anew.
func (t *target) style() string {
	h := sha256.New()
	for _, part := range []string{string(t.Format), t.Link, t.Template, t.ContentType, t.AlertFor.String()} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func checkGrouping(p preset, wait time.Duration, most int) error {
	switch {
	case !p.groups && (wait != 0 || most != 0):
		return fmt.Errorf("the %s format sends one event a request, leave group_wait and group_max out", p.name)
	case most < 0 || most > maxGroupMax:
		return fmt.Errorf("group_max %d is out of range, use 2 to %d, or 1 for no groups", most, maxGroupMax)
	case most > 1 && wait == 0:
		return errors.New("group_max says how many events a message may tell, set group_wait to how long it waits for them")
	case wait != 0 && (wait < minGroupWait || wait > maxGroupWait):
		return fmt.Errorf("group_wait %s is out of range, use %s to %s", wait, minGroupWait, maxGroupWait)
	}
	return nil
}

// bundled sees a delivery through as part of a group. It reports false for one that goes alone.
func (l *lane) bundled(ctx context.Context, shut <-chan struct{}, d *delivery) bool {
	g, err := l.groupOf(d)
	if err == nil && g == nil {
		var alone bool
		if alone, err = l.goesAlone(d); alone && err == nil {
			return false
		}
	}
	switch {
	case err != nil:
		l.trouble(err)
		d.later(engineRetry)
	case g != nil: // it was asked about, and had its turn, when it joined
		l.seenAgain(d)
		l.ride(ctx, shut, g, d)
	case !l.wants(d):
		l.finish(d)
	case l.inTurn(d):
		l.collect(ctx, shut, d)
	}
	return true
}

// groupOf finds the group that an event was told in, or is being told in. An event that comes for the first time is in none.
func (l *lane) groupOf(d *delivery) (*group, error) {
	g, sure := l.groups.of(d)
	if sure {
		return g, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	if err := l.readGroups(ctx, d.taken); err != nil {
		return nil, err
	}
	g, _ = l.groups.of(d)
	return g, nil
}

// of looks an event up. It is sure of what it finds, and of finding nothing unless another process may have made the group.
func (s *groups) of(d *delivery) (g *group, sure bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.known[d.id]; g != nil {
		return g, true
	}
	never := s.wait == 0 && len(s.known) == 0
	return nil, never || d.handed <= 1 || s.read.After(d.taken)
}

// goesAlone is for endpoints without groups, and for what has attempts of its own from before there were any.
func (l *lane) goesAlone(d *delivery) (bool, error) {
	if l.groups.wait == 0 {
		return true, nil
	}
	if d.handed <= 1 && !l.wasUnfinished(d.id) {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	past, err := l.records.load(ctx, l.key, d.id)
	return past.seq != 0, err
}

// collect waits with a delivery for others. The first one leads: the others wait for what it makes of them.
func (l *lane) collect(ctx context.Context, shut <-chan struct{}, d *delivery) {
	g, leads := l.groups.join(d)
	if !leads {
		<-g.over
		return
	}
	wait := time.NewTimer(l.groups.wait)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-g.full:
	case <-shut:
	}
	l.groups.seal(g)
	if closed(shut) || !l.form(g) {
		l.answer(g, g.record, handedBack)
		return
	}
	l.drive(ctx, shut, g)
}

func (s *groups) join(d *delivery) (g *group, leads bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = &group{full: make(chan struct{}), over: make(chan struct{}), driven: true}
		leads = true
	}
	g = s.open
	if g.present = append(g.present, d); len(g.present) >= s.most {
		close(g.full)
		s.open = nil
	}
	return g, leads
}

// seal ends the collecting.
func (s *groups) seal(g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == g {
		s.open = nil
	}
}

// form makes one message of those present, in the log's order. What cannot be rendered is given up by itself and does not
// take the others with it. It reports false when nothing is left.
func (l *lane) form(g *group) bool {
	members := g.present // sealed and not known yet: nobody else looks
	slices.SortFunc(members, func(a, b *delivery) int {
		return cmp.Or(a.stored.Compare(b.stored), cmp.Compare(a.seq, b.seq))
	})
	body, err := l.target.compose(bodiesOf(members)...)
	if err != nil {
		members = l.cull(members)
		if len(members) > 0 {
			body, err = l.target.compose(bodiesOf(members)...)
		}
	}
	if err != nil {
		for _, d := range members { // each by itself would do, but not together
			l.unrenderable(d, record{}, err)
		}
		members = nil
	}
	l.groups.formed(g, members, body)
	return len(members) > 0
}

func bodiesOf(members []*delivery) [][]byte {
	bodies := make([][]byte, len(members))
	for i, d := range members {
		bodies[i] = d.body
	}
	return bodies
}

func (l *lane) cull(members []*delivery) []*delivery {
	return slices.DeleteFunc(members, func(d *delivery) bool {
		_, err := l.target.compose(d.body)
		if err != nil {
			l.unrenderable(d, record{}, err)
		}
		return err != nil
	})
}

func (s *groups) formed(g *group, members []*delivery, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g.present = members
	if len(members) == 0 {
		return
	}
	g.record = groupRecord{ID: groupID(members), Body: body, Style: s.style}
	for _, d := range members {
		g.record.Events = append(g.record.Events, d.id)
	}
	s.learn(g)
}

// learn makes a group known by its events. The mutex is held.
func (s *groups) learn(g *group) {
	g.left = make(map[string]struct{}, len(g.record.Events))
	for _, id := range g.record.Events {
		g.left[id] = struct{}{}
		s.known[id] = g
	}
}

// forget is for a group that has no record: its events may be told in another one.
func (s *groups) forget(g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlearn(g)
}

// unlearn is learn undone. The mutex is held.
func (s *groups) unlearn(g *group) {
	for _, id := range g.record.Events {
		if s.known[id] == g {
			delete(s.known, id)
		}
	}
}

// groupID is the webhook-id of a group's message: the event's own when it is alone in it, else of all of them.
func groupID(members []*delivery) string {
	if len(members) == 1 {
		return members[0].id
	}
	ids := make([]string, len(members))
	for i, d := range members {
		ids[i] = d.id
	}
	slices.Sort(ids)
	sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
	return groupPrefix + hex.EncodeToString(sum[:16])
}

// ride waits for what becomes of a group that is already written down, and sees to it if nobody does.
func (l *lane) ride(ctx context.Context, shut <-chan struct{}, g *group, d *delivery) {
	over, drives := l.groups.board(g, d)
	if !drives {
		<-over
		return
	}
	l.drive(ctx, shut, g)
}

func (s *groups) board(g *group, d *delivery) (over <-chan struct{}, drives bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g.present = append(g.present, d)
	if drives = !g.driven; drives {
		g.driven, g.over = true, make(chan struct{})
	}
	return g.over, drives
}

// drive takes the next step with a group, and answers for those present.
func (l *lane) drive(ctx context.Context, shut <-chan struct{}, g *group) {
	r := g.record // only who drives writes it
	switch now := l.now(); {
	case r.over():
		l.answer(g, r, l.ended(r))
	case r.rest(now) > 0 && !l.early(r.record):
		l.answer(g, r, putOff(r.rest(now)))
	case r.busy(now, l.groups.owner) > 0:
		l.reconsider(g, r.busy(now, l.groups.owner))
	default:
		l.attemptGroup(ctx, shut, g)
	}
}

func (l *lane) attemptGroup(ctx context.Context, shut <-chan struct{}, g *group) {
	pass, ok := l.acquire(shut)
	if !ok {
		l.answer(g, g.record, handedBack)
		return
	}
	r, err := l.claim(g.record)
	if err != nil {
		if pass.probe {
			l.gate.abandon()
		}
		pass.release()
		l.trouble(err)
		l.reconsider(g, claimRetry)
		return
	}
	next := l.decide(r.record, l.attempt(ctx, r.mission(), r.Body), pass.probe)
	l.heed(next)
	pass.release()
	l.settleGroup(g, r, next)
}

// settleGroup is settle, for all events of a group: first the record says what became of it, then each event is answered for.
func (l *lane) settleGroup(g *group, r groupRecord, next decision) {
	r.Busy, r.By = time.Time{}, ""
	if next.aborted {
		l.answer(g, l.saveGroup(r), handedBack) // the claim is given up as well: the next start need not wait for it
		return
	}
	l.metrics.attempt(next.verdict, next.took)
	l.noteGroupAttempt(r, l.groups.boarded(g), next)
	r.record = next.record
	carrier := &delivery{id: r.ID}
	var how answering
	switch next.verdict {
	case verdictDelivered:
		r.Delivered, r.LastAt = true, l.now()
		l.recovered()
		l.log.Debug("webhook group delivered", zap.String("webhook_id", r.ID), zap.Int("events", len(r.Events)), zap.Duration("took", next.took))
		how = l.ended(r)
	case verdictDead:
		l.fail(carrier, r.record, "")
		r.Excerpt = next.excerpt[:min(len(next.excerpt), groupExcerpt)]
		how = l.ended(r)
	case verdictDisable:
		how = handedBack
	case verdictRetry:
		l.fail(carrier, r.record, next.wait.String())
		how = func(d *delivery) bool { l.comeAgain(d, r.record); return false }
	}
	if r.over() {
		r.Body = nil
	}
	l.answer(g, l.saveGroup(r), how)
}

// answering is what those present are told. It reports whether the event is settled for good.
type answering func(*delivery) bool

func handedBack(d *delivery) bool { d.handBack(); return false }

func putOff(wait time.Duration) answering {
	return func(d *delivery) bool { d.later(wait); return false }
}

// ended is for the events of a group that was delivered, or is dead: then each becomes a letter of its own, which names the
// group, so that letters are listed and replayed by event like all others.
func (l *lane) ended(r groupRecord) answering {
	if r.Delivered {
		return l.taken
	}
	r.seq = 0 // the record is needed until all events are settled: no letter is to take it along
	return func(d *delivery) bool {
		if len(r.Events) > 1 {
			d.group, d.groupSize = r.ID, len(r.Events)
		}
		return l.buryAndFinish(d, r.record)
	}
}

// answer ends a round: the group's record is as given, and those present are told what that means for them. Who comes later
// finds the record.
func (l *lane) answer(g *group, r groupRecord, how answering) {
	if r.seq == 0 { // never written down, so never sent
		l.groups.forget(g)
	}
	present, over := l.groups.dismiss(g, r)
	defer close(over)
	var settled []string
	for _, d := range present {
		if !d.answered.Load() && how(d) {
			settled = append(settled, d.id)
		}
	}
	l.dropPast(l.groups.settle(g, settled, l.now()))
}

// boarded lists those present.
func (s *groups) boarded(g *group) []*delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(g.present)
}

func (s *groups) dismiss(g *group, r groupRecord) ([]*delivery, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	present := g.present
	g.present, g.driven, g.record = nil, false, r
	return present, g.over
}

// settle notes which events are over, and returns the records that nobody needs any more.
func (s *groups) settle(g *group, settled []string, now time.Time) (done []groupRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range settled {
		delete(g.left, id)
	}
	if len(settled) > 0 && len(g.left) == 0 && g.record.over() && g.overAt.IsZero() {
		g.overAt = now
		s.past = append(s.past, g)
	}
	for len(s.past) > 0 && now.Sub(s.past[0].overAt) > keepOver {
		done = append(done, s.past[0].record)
		s.unlearn(s.past[0])
		s.past = s.past[1:]
	}
	return done
}
