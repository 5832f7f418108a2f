package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"
)

// Explanation answers why something has not arrived, or when it did.
type Explanation struct {
	Endpoint string
	// Asked is what was asked about, an event id or a video's number.
	Asked string
	// Events are those of the video, or the one asked about, the newest first; at most 50.
	Events []EventFate
}

// EventFate is how one event fares with one endpoint.
type EventFate struct {
	EventID string
	Type    string
	Source  string
	VideoNo string
	// StoredAt is when the log took it; zero for an event that has left the log, of which only the delivery log knows.
	StoredAt time.Time
	// Wanted says whether the endpoint's types, sources and expression ask for the event. Unwanted names the one that does
	// not: types, sources or filter.
	Wanted   bool
	Unwanted string
	// DeliveredAt is when the endpoint took it; zero when it did not, or so long ago that the delivery log has forgotten.
	DeliveredAt time.Time
	// Attempts are those that the delivery log has, the newest first; at most 20.
	Attempts []Attempt
	// AttemptsMade counts all of them, as the delivery itself knows.
	AttemptsMade int
	// Fate is one of the Fate constants.
	Fate string
	// WaitingUntil is when it is tried next, when that is known; WaitingFor is one of the Waiting constants, or empty.
	WaitingUntil time.Time
	WaitingFor   string
	// Ahead is how many events of the endpoint come before it, for one that waits for its turn.
	Ahead uint64
	// Dead is the dead letter, nil when there is none.
	Dead *DeadLetter
	// Replay says that a replay of it is queued or under way.
	Replay bool
	// Sentence says all of it in one plain sentence.
	Sentence string
}

// The fates of an event at an endpoint.
const (
	FateDelivered = "delivered"
	FateWaiting   = "waiting"
	FateDead      = "dead"
	FateUnwanted  = "unwanted"
	FateMissed    = "missed" // stored before the endpoint was there, or when its settings did not ask for it: replay --missing brings it
	FateOver      = "over"   // the endpoint is past it, and the delivery log has no record of it any more
)

// What an event waits for.
const (
	WaitingTurn     = "turn"        // the deliveries before it
	WaitingSchedule = "schedule"    // its next attempt
	WaitingPause    = "retry_after" // the receiver asked for it
	WaitingBreaker  = "breaker"     // the receiver's return
	WaitingOrder    = "order"       // an earlier event of its video
	WaitingRate     = "rate"        // the endpoint's rate limit
	WaitingGroup    = "group"       // others to be told with
	WaitingDisabled = "disabled"    // Enable
	WaitingRequest  = "request"     // nothing: its request is under way, or about to be
)

// Why tells what became of an event, or of all events of a video, at an endpoint: whether it was wanted, when it was stored,
// tried and taken, or what it waits for. The error is ErrNoEvent, a *FieldError of an endpoint that is
// not configured, or the engine's.
func (d *Dispatcher) Why(ctx context.Context, endpoint, eventIDOrVideoNo string) (Explanation, error) {
	l, err := d.asked(endpoint)
	if err != nil {
		return Explanation{}, err
	}
	if !d.isPrepared() {
		return Explanation{}, errNotPrepared
	}
	events, err := d.lookUp(ctx, l, eventIDOrVideoNo, maxExplained)
	if err != nil && !errors.Is(err, ErrNoEvent) {
		return Explanation{}, err
	}
	unknown := err
	if err := d.journal.flush(ctx); err != nil && ctx.Err() != nil {
		return Explanation{}, err
	}
	result := Explanation{Endpoint: endpoint, Asked: eventIDOrVideoNo}
	if unknown != nil {
		if result.Events, err = d.remembered(ctx, endpoint, eventIDOrVideoNo); err == nil && len(result.Events) == 0 {
			err = unknown
		}
		return result, err
	}
	for _, e := range slices.Backward(events) {
		fate, err := d.fateOf(ctx, l, e)
		if err != nil {
			return result, fmt.Errorf("explain event %q: %w", e.id, err)
		}
		result.Events = append(result.Events, fate)
	}
	return result, nil
}

// remembered is what the delivery log still knows of events that have left the log, the newest first.
func (d *Dispatcher) remembered(ctx context.Context, endpoint, asked string) (fates []EventFate, err error) {
	ask := AttemptQuery{Endpoint: endpoint, VideoNo: asked}
	if strings.HasPrefix(asked, eventPrefix) {
		ask.EventID, ask.VideoNo = asked, ""
	}
	err = d.eachAttempt(ctx, ask, func(a Attempt) {
		i := slices.IndexFunc(fates, func(f EventFate) bool { return f.EventID == a.EventID })
		if i < 0 && len(fates) < maxExplained {
			i = len(fates)
			fates = append(fates, EventFate{
				EventID: a.EventID, Type: a.Type, Source: a.Source, VideoNo: a.VideoNo, Wanted: true, Fate: FateOver,
			})
		}
		if i >= 0 {
			fates[i].remember(a)
		}
	})
	if err != nil {
		return nil, err
	}
	for i := range fates {
		if f := &fates[i]; !f.DeliveredAt.IsZero() {
			f.Fate = FateDelivered
		}
		fates[i].Sentence = fates[i].memory(endpoint)
	}
	return fates, nil
}

// remember adds an attempt, which is older than those before it.
func (f *EventFate) remember(a Attempt) {
	f.AttemptsMade++
	if len(f.Attempts) < explainedAttempts {
		f.Attempts = append(f.Attempts, a)
	}
	if a.Result == ResultDelivered && f.DeliveredAt.IsZero() {
		f.DeliveredAt = a.At.Add(a.Duration)
	}
}

const (
	maxExplained      = 50 // events of one video
	explainedAttempts = 20 // of one event
)

// inquiry is what is found out about one event at one endpoint.
type inquiry struct {
	fate   EventFate
	lane   *lane
	event  loggedEvent
	record record // of the delivery that is under way
	now    time.Time
	from   *feed    // nil when the endpoint wants nothing of the event's stream
	at     standing // in that one
	given  bool
	over   bool // for certain
	// earlier is what a delivery waits for with an order, earlierID its event.
	earlier   uint64
	earlierID string
}

func (d *Dispatcher) fateOf(ctx context.Context, l *lane, e loggedEvent) (EventFate, error) {
	q := &inquiry{lane: l, event: e, now: l.now()}
	q.fate.EventID, q.fate.StoredAt = e.id, e.stored
	q.fate.Type, q.fate.Source, q.fate.VideoNo = about(l.names, e.subject, e.body)
	for _, ask := range []func(context.Context, *inquiry) error{
		d.askWanted, d.askAttempts, d.askLetter, d.askRecord, d.askPosition,
	} {
		if err := ask(ctx, q); err != nil {
			return q.fate, err
		}
	}
	q.conclude()
	if f := q.fate; f.Fate == FateWaiting || f.Fate == FateDead && f.Replay {
		if err := q.askWhatFor(ctx); err != nil {
			return q.fate, err
		}
	}
	q.fate.Sentence = q.sentence()
	return q.fate, nil
}

func (d *Dispatcher) askWanted(_ context.Context, q *inquiry) error {
	m, err := q.lane.target.condition().compile()
	q.fate.Unwanted = m.misses(q.fate.Type, q.fate.Source, q.event.body)
	q.fate.Wanted = q.fate.Unwanted == ""
	return err
}

func (d *Dispatcher) askAttempts(ctx context.Context, q *inquiry) error {
	ask := AttemptQuery{
		Endpoint: q.lane.target.Name, EventID: q.event.id, Since: q.event.stored.Add(-clockSlack),
	}
	return d.eachAttempt(ctx, ask, q.fate.remember)
}

func (d *Dispatcher) askLetter(ctx context.Context, q *inquiry) error {
	msg, err := d.letter(ctx, q.lane.target.Name, q.event.id)
	if err != nil || msg == nil {
		return err
	}
	letter := readLetter(q.lane.names, msg)
	q.fate.Dead = &letter
	return nil
}

func (d *Dispatcher) askRecord(ctx context.Context, q *inquiry) (err error) {
	name, id := q.lane.target.Name, q.event.id
	if q.fate.Replay, err = d.isQueued(ctx, name, id); err != nil {
		return err
	}
	if q.fate.Dead != nil {
		q.fate.Dead.Queued = q.fate.Replay
	}
	key, in := name, q.lane.groups
	if q.fate.Replay {
		key, in = q.lane.replays.key, q.lane.replays.groups
	}
	if q.record, err = d.records.load(ctx, key, id); err != nil {
		return err
	}
	if r, ok := in.recordOf(id); ok && !r.over() {
		q.record = r.record
	}
	q.fate.AttemptsMade = max(q.fate.AttemptsMade, q.record.Attempts)
	return nil
}

// recordOf is the record of the group that an event is told in, as far as this process knows.
func (s *groups) recordOf(id string) (groupRecord, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.known[id]
	if g == nil {
		return groupRecord{}, false
	}
	return g.record, true
}

func (d *Dispatcher) askPosition(ctx context.Context, q *inquiry) error {
	v, err := d.records.loadServed(ctx, q.lane.target.Name)
	if err != nil {
		return err
	}
	q.given = v.proof(q.lane.names).given(q.event)
	for _, f := range q.lane.feeds {
		if f.stream == q.event.stream {
			q.from = f
			q.at, err = f.standing(ctx)
			if c := f.cursor(); c != nil {
				q.over = c.isOver(q.event.seq)
			}
			return err
		}
	}
	return nil
}

// conclude takes the first that applies: what is known for certain before what follows.
func (q *inquiry) conclude() {
	f := &q.fate
	pending := q.given && q.from != nil && q.event.seq > q.at.floor && !q.over
	switch {
	case f.Replay && f.Dead == nil:
		f.Fate = FateWaiting
	case f.Dead != nil:
		f.Fate = FateDead
	case !f.DeliveredAt.IsZero():
		f.Fate = FateDelivered
	case !f.Wanted && q.record.Attempts == 0:
		f.Fate = FateUnwanted
	case pending:
		f.Fate = FateWaiting
	case q.given:
		f.Fate = FateOver
	default:
		f.Fate = FateMissed
	}
}

// askWhatFor looks for what holds a delivery up, the gravest first.
func (q *inquiry) askWhatFor(ctx context.Context) error {
	f, l, h := &q.fate, q.lane, q.lane.report()
	rest := time.Duration(0)
	if q.record.Attempts > 0 && !l.early(q.record) {
		rest = q.record.rest(q.now)
	}
	switch {
	case h.State == StateDisabled:
		f.WaitingFor = WaitingDisabled
	case h.State == StateDegraded:
		f.WaitingFor, f.WaitingUntil = WaitingBreaker, h.Next
	case h.State == StatePaused && h.Next.Add(pauseKept).After(q.now.Add(rest)): // what was refused waits about as long
		f.WaitingFor, f.WaitingUntil = WaitingPause, h.Next
	case rest > 0:
		f.WaitingFor, f.WaitingUntil = WaitingSchedule, q.now.Add(rest)
	case f.Replay:
		return q.askQueue(ctx)
	case q.event.seq > q.at.given:
		f.WaitingFor = WaitingTurn
		return q.countAhead(ctx)
	case q.isBehind():
		f.WaitingFor = WaitingOrder
		return q.nameEarlier(ctx)
	default:
		q.askLane(l)
	}
	return nil
}

// askLane looks for what holds up a delivery that the lane has in hand.
func (q *inquiry) askLane(l *lane) {
	f := &q.fate
	until, collecting := l.groups.collecting(f.EventID)
	turns := l.rate.Tokens()
	switch {
	case collecting:
		f.WaitingFor, f.WaitingUntil = WaitingGroup, until
	case l.rate.Limit() != rate.Inf && turns < 0: // all that wait have their times; the last of them is known
		f.WaitingFor, f.WaitingUntil = WaitingRate, q.now.Add(time.Duration(-turns/float64(l.rate.Limit())*float64(time.Second)))
	default:
		f.WaitingFor = WaitingRequest
	}
}

// collecting reports whether an event waits for others to be told with, and until when.
func (s *groups) collecting(id string) (until time.Time, yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil || !slices.ContainsFunc(s.open.present, func(d *delivery) bool { return d.id == id }) {
		return time.Time{}, false
	}
	return s.open.present[0].taken.Add(s.wait), true
}

// isBehind reports whether the event has others before it in the line of its video, and remembers the first.
func (q *inquiry) isBehind() bool {
	if q.lane.line == nil {
		return false
	}
	q.earlier = q.lane.line.before(videoOf(q.event.subject), q.event.seq, q.now)
	return q.earlier != 0
}

// before is the first event that an event of a video waits for, zero for none.
func (l *line) before(video string, seq uint64, now time.Time) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, known := l.find(video, seq)
	if !known {
		return 0
	}
	for _, t := range l.videos[video][:i] {
		if l.waitsFor(t, now) {
			return t.seq
		}
	}
	return 0
}

// nameEarlier looks up which event is waited for; one that has left the log meanwhile has no name.
func (q *inquiry) nameEarlier(ctx context.Context) error {
	stream, err := q.lane.js.Stream(ctx, q.event.stream)
	if err != nil {
		return err
	}
	msg, err := stream.GetMsg(ctx, q.earlier)
	if err == nil {
		q.earlierID = msg.Header.Get(jetstream.MsgIDHeader)
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	return err
}

// askQueue looks where a replay stands in its queue.
func (q *inquiry) askQueue(ctx context.Context) error {
	l := q.lane
	q.fate.WaitingFor = WaitingTurn
	own, err := lastOf(ctx, l.records.queue, l.names.ReplaySubject(l.target.Name, q.fate.EventID))
	if own == nil || err != nil {
		return err
	}
	all, err := countOf(ctx, l.js, l.names.ReplayStream(), replaysOf(l.names, l.target.Name), 0)
	if err != nil {
		return err
	}
	from, err := countOf(ctx, l.js, l.names.ReplayStream(), replaysOf(l.names, l.target.Name), own.Sequence)
	q.fate.Ahead = all - min(all, from)
	return err
}

// countAhead counts what is handed out before the event: all that is not handed out yet, less what comes from it on.
func (q *inquiry) countAhead(ctx context.Context) error {
	from, err := countFrom(ctx, q.lane.js, q.event.stream, q.event.seq, q.from.filters)
	all := q.at.pending()
	q.fate.Ahead = all - min(all, from)
	return err
}
