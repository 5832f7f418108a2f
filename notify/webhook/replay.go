package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// ReplayRequest says what to deliver once more. All conditions that are set must hold; at least one of EventIDs, Types,
// Sources, Since, Until, Filter, Dead and Missing is needed, so that nobody replays the whole log by leaving all out.
//
// Only what the endpoint asks for by its types is replayed, because its format may have no words for anything else; its
// sources and its expression are asked with Missing only: who names an event may want it in spite of them.
type ReplayRequest struct {
	// Endpoint is the one that gets them. Required.
	Endpoint string
	// EventIDs are at most 1000 event ids.
	EventIDs []string
	// Types are event types or globs, Sources the names of sources.
	Types   []string
	Sources []string
	// Since and Until are bounds of the time when the event was stored, Until excluded.
	Since time.Time
	Until time.Time
	// Filter is an expression in the language of Endpoint.Filter.
	Filter string
	// Dead takes only what the endpoint has dead letters of.
	Dead bool
	// Missing takes only what the endpoint wants and was never given: what is older than the endpoint, or came when its
	// settings did not ask for it, and what was given up. What is under way is not missing.
	Missing bool
	// DryRun counts, and changes nothing.
	DryRun bool
}

// ReplayResult says what a replay comes to.
type ReplayResult struct {
	// Matched is how many events the request chose.
	Matched int
	// Queued is how many of them were added, or would be in a dry run: those that are queued already are not added again.
	Queued int
	// First and Last are when the earliest and latest of the matched were stored; zero for none.
	First time.Time
	Last  time.Time
}

// ErrNoEvent means that the log holds no such event, or none any more.
var ErrNoEvent = errors.New("there is no such event in the log")

// ErrReplayFull means that as much is queued for replay as may be. What was queued before stays queued, and the same request
// adds the rest when there is room.
var ErrReplayFull = errors.New("the replay queue is full")

// Replay queues events to be delivered to an endpoint once more: the same ids, the same bytes, in the order of the log.
//
// The queue is a stream: a replay goes on after a restart, and a request that is repeated while it is under way adds nothing
// twice. Requests for one endpoint are worked on one after the other, those of other processes included: a process that is gone
// in the middle of one keeps the next waiting for some seconds. It has the same rules as live deliveries (schedule, breaker, rate, groups, dead letters), at most a quarter of the
// endpoint's requests under way, 50 requests a second by default and at most half of its rate, and lets live deliveries go
// first. A dead letter is removed when its replay is delivered.
//
// The error is ErrNoEvent when one of EventIDs is not found (nothing is queued then), ErrReplayFull, a *FieldError, of an endpoint
// too that is not configured, or the engine's. Beside an error the result says what was queued.
func (d *Dispatcher) Replay(ctx context.Context, r ReplayRequest) (ReplayResult, error) {
	l, err := d.asked(r.Endpoint)
	if err != nil {
		return ReplayResult{}, err
	}
	ask, err := r.checked()
	if err != nil {
		return ReplayResult{}, err
	}
	if !d.isPrepared() {
		return ReplayResult{}, errNotPrepared
	}
	d.replaying.Lock()
	defer d.replaying.Unlock()
	if !r.DryRun {
		var over func()
		if ctx, over, err = d.replayTurn(ctx, r.Endpoint); err != nil {
			return ReplayResult{}, fmt.Errorf("replay to endpoint %q: %w", r.Endpoint, err)
		}
		defer over()
	}
	p := &replay{d: d, lane: l, request: r, ask: ask}
	if err := p.run(ctx); err != nil {
		return p.result, fmt.Errorf("replay to endpoint %q: %w", r.Endpoint, err)
	}
	return p.result, nil
}

const (
	maxReplayIDs = 1000
	// replayBatch events are queued under one fsync.
	replayBatch = 250
	// codes with which the engine refuses what is queued already, and what is too much.
	codeQueuedAlready = 10077
)

// checked names what cannot be asked for, and what was forgotten.
func (r ReplayRequest) checked() (matcher, error) {
	if len(r.EventIDs) > maxReplayIDs {
		return matcher{}, &FieldError{"event_ids", fmt.Errorf("%d are too many, use at most %d", len(r.EventIDs), maxReplayIDs)}
	}
	for _, kind := range r.Types {
		if err := checkPattern(kind); err != nil {
			return matcher{}, &FieldError{"types", err}
		}
	}
	for _, source := range r.Sources {
		if !namePattern.MatchString(source) {
			return matcher{}, &FieldError{"sources", errors.New("not the name of a source, use 1 to 64 letters, digits, - or _")}
		}
	}
	if err := checkSpan(r.Since, r.Until); err != nil {
		return matcher{}, err
	}
	if len(r.EventIDs)+len(r.Types)+len(r.Sources) == 0 && r.Since.IsZero() && r.Until.IsZero() && r.Filter == "" && !r.Dead && !r.Missing {
		return matcher{}, &FieldError{"request", errors.New("say what to replay: event ids, types, sources, since, until, a filter, dead or missing")}
	}
	ask, err := condition{Types: r.Types, Sources: r.Sources, Filter: r.Filter}.compile()
	if err != nil {
		return matcher{}, &FieldError{"filter", err}
	}
	return ask, nil
}

// replay is one request at work.
type replay struct {
	d       *Dispatcher
	lane    *lane
	request ReplayRequest
	ask     matcher
	result  ReplayResult

	wanted    matcher // what the endpoint asks for
	proof     proof
	dead      map[string]bool // letters, by subject; nil until it is needed
	delivered map[string]bool // by the delivery log, for what is not proved otherwise; nil until it is needed
	waiting   map[string]bool // in the queue, by subject
	batch     []*nats.Msg
	err       error
}

func (p *replay) run(ctx context.Context) error {
	if err := p.prepare(ctx); err != nil {
		return err
	}
	var err error
	switch {
	case p.request.Dead:
		err = p.letters(ctx)
	case len(p.request.EventIDs) > 0:
		err = p.named(ctx)
	default:
		err = p.logs(ctx)
	}
	return errors.Join(err, p.flush(ctx))
}

func (p *replay) prepare(ctx context.Context) (err error) {
	l := p.lane
	if p.wanted, err = l.target.condition().compile(); err != nil {
		return err
	}
	v, err := l.records.loadServed(ctx, l.target.Name)
	if err != nil {
		return err
	}
	p.proof = v.proof(l.names)
	info, err := p.d.records.queue.Info(ctx, jetstream.WithSubjectFilter(replaysOf(l.names, l.target.Name)))
	if err != nil {
		return fmt.Errorf("list what is queued: %w", err)
	}
	p.waiting = make(map[string]bool, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		p.waiting[subject] = true
	}
	return nil
}

// letters replays from dead letters, which have the events' bodies.
func (p *replay) letters(ctx context.Context) error {
	names, name := p.lane.names, p.lane.target.Name
	var seqs []uint64
	letters := backwards{js: p.lane.js, stream: names.DeadStream(), subject: below(names.DeadSubject(name, "x"))}
	if _, err := letters.each(ctx, func(msg *jetstream.RawStreamMsg) bool {
		seqs = append(seqs, msg.Sequence)
		return true
	}); err != nil {
		return err
	}
	slices.Reverse(seqs) // the oldest first, as in the log
	for _, seq := range seqs {
		msg, err := p.d.records.dead.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // gone since
		}
		if err != nil {
			return fmt.Errorf("read dead letter: %w", err)
		}
		if !isLetter(names, msg) {
			continue
		}
		if !p.consider(ctx, letterEvent(msg)) {
			return p.err
		}
	}
	return nil
}

func letterEvent(msg *jetstream.RawStreamMsg) loggedEvent {
	stored, err := time.Parse(time.RFC3339Nano, msg.Header.Get(HeaderEventStored))
	if err != nil {
		stored = msg.Time
	}
	return loggedEvent{
		id: msg.Header.Get(HeaderEventID), subject: msg.Header.Get(HeaderEventSubject),
		contentType: msg.Header.Get(contentTypeHeader), stored: stored, body: msg.Data,
	}
}

// named replays events by their ids, all of them or none.
func (p *replay) named(ctx context.Context) error {
	events, err := p.d.find(ctx, p.lane, p.request.EventIDs)
	if err != nil {
		return err
	}
	for _, e := range events {
		if !p.consider(ctx, e) {
			return p.err
		}
	}
	return nil
}

// logs replays from the log and from the stream of ops events, as far as the endpoint asks for either. What was queued by
// conditions is written down, as given.
func (p *replay) logs(ctx context.Context) error {
	for _, f := range p.lane.feeds {
		last := uint64(0)
		log := forwards{js: f.js, stream: f.stream, filters: p.d.allSources(f), since: p.request.Since}
		if err := log.each(ctx, func(e loggedEvent) bool { last = e.seq; return p.consider(ctx, e) }); err != nil {
			return err
		}
		if err := errors.Join(p.err, p.flush(ctx)); err != nil {
			return err
		}
		if last == 0 || p.request.DryRun {
			continue
		}
		if err := p.noteGiven(ctx, f.stream, last); err != nil {
			return err
		}
	}
	return nil
}

func (p *replay) noteGiven(ctx context.Context, stream string, last uint64) error {
	given := span{
		Stream: stream, From: 1, To: last, Since: p.request.Since, Until: p.request.Until, Wants: []condition{{Types: p.wanted.Types}, p.ask.condition},
	}
	if p.request.Missing {
		given.Wants[0] = p.wanted.condition
	}
	return p.lane.records.changeServed(ctx, p.lane.target.Name, func(v *served) bool {
		if slices.ContainsFunc(v.Spans, func(s span) bool { return s.covers(given) }) {
			return false
		}
		v.Spans = slices.DeleteFunc(v.Spans, func(s span) bool { return s.To > 0 && given.covers(s) })
		v.add(given)
		return true
	})
}

// covers reports whether all that o has is here, as far as that is plain to see.
func (s span) covers(o span) bool {
	return s.Stream == o.Stream && s.To >= o.To && s.From <= o.From && s.Since.Equal(o.Since) && s.Until.Equal(o.Until) &&
		slices.EqualFunc(s.Wants, o.Wants, condition.equal)
}

// allSources are the subjects of the endpoint's types, of whatever source.
func (d *Dispatcher) allSources(f *feed) []string {
	names, patterns := d.config.Names, f.lane.target.patterns
	if f.stream == names.OpsStream() {
		return opsFilters(names, patterns, nil)
	}
	return videoFilters(names, patterns, nil)
}

// consider counts an event and queues it, if it is asked for. It reports whether to go on.
func (p *replay) consider(ctx context.Context, e loggedEvent) bool {
	chosen, err := p.chooses(ctx, e)
	if err != nil || !chosen {
		p.err = err
		return err == nil
	}
	r := &p.result
	r.Matched++
	if r.First.IsZero() || e.stored.Before(r.First) {
		r.First = e.stored
	}
	if e.stored.After(r.Last) {
		r.Last = e.stored
	}
	msg := queued(p.lane.names, p.lane.target.Name, e)
	if p.waiting[msg.Subject] {
		return true
	}
	p.waiting[msg.Subject] = true
	if p.request.DryRun {
		r.Queued++
		return true
	}
	if p.batch = append(p.batch, msg); len(p.batch) >= replayBatch {
		p.err = p.flush(ctx)
	}
	return p.err == nil
}

func (p *replay) chooses(ctx context.Context, e loggedEvent) (bool, error) {
	kind, source, _ := about(p.lane.names, e.subject, e.body)
	if !within(e.stored, p.request.Since, p.request.Until) || !matchesAny(p.wanted.Types, kind) || p.ask.misses(kind, source, e.body) != "" {
		return false, nil
	}
	if ids := p.request.EventIDs; len(ids) > 0 && !slices.Contains(ids, e.id) {
		return false, nil
	}
	if !p.request.Missing || p.request.Dead { // what is dead is missing
		return true, nil
	}
	if p.wanted.misses(kind, source, e.body) != "" {
		return false, nil
	}
	return p.isMissing(ctx, e)
}

// isMissing is for events that the endpoint wants.
func (p *replay) isMissing(ctx context.Context, e loggedEvent) (bool, error) {
	if p.dead == nil {
		if err := p.readDead(ctx); err != nil {
			return false, err
		}
	}
	if p.dead[p.lane.names.DeadSubject(p.lane.target.Name, e.id)] {
		if letter, err := p.d.letter(ctx, p.lane.target.Name, e.id); letter != nil || err != nil {
			return letter != nil, err
		}
	}
	if p.proof.given(e) {
		return false, nil
	}
	if p.delivered == nil {
		if err := p.readDelivered(ctx, e.stored); err != nil {
			return false, err
		}
	}
	return !p.delivered[e.id], nil
}

func (p *replay) readDead(ctx context.Context) error {
	info, err := p.d.records.dead.Info(ctx, jetstream.WithSubjectFilter(below(p.lane.names.DeadSubject(p.lane.target.Name, "x"))))
	if err != nil {
		return fmt.Errorf("list dead letters: %w", err)
	}
	p.dead = make(map[string]bool, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		p.dead[subject] = true
	}
	return nil
}

// readDelivered reads what the delivery log says was delivered since a time. Events come in the order of the log, so that the
// first one asked about is the oldest.
func (p *replay) readDelivered(ctx context.Context, since time.Time) error {
	p.delivered = make(map[string]bool)
	q := AttemptQuery{Endpoint: p.lane.target.Name, Since: since.Add(-clockSlack)}
	return p.d.eachAttempt(ctx, q, func(a Attempt) {
		if a.Result == ResultDelivered {
			p.delivered[a.EventID] = true
		}
	})
}

// flush queues what was collected. A batch is all or nothing; when one of its events is in the queue already, by another
// process, they are queued one by one.
func (p *replay) flush(ctx context.Context) error {
	batch := p.batch
	p.batch = nil
	if len(batch) == 0 {
		return nil
	}
	if len(batch) > 1 {
		_, err := jetstreamext.PublishMsgBatch(ctx, p.lane.js, batch)
		if err == nil {
			p.result.Queued += len(batch)
			return nil
		}
		if refusal(err) == 0 {
			return fmt.Errorf("queue events: %w", err)
		}
	}
	for _, msg := range batch {
		for _, key := range []string{jetstreamext.BatchIDHeader, jetstreamext.BatchSeqHeader, jetstreamext.BatchCommitHeader} {
			delete(msg.Header, key)
		}
		msg.Reply = ""
		_, err := p.lane.js.PublishMsg(ctx, msg, jetstream.WithExpectStream(p.lane.names.ReplayStream()))
		switch {
		case err == nil:
			p.result.Queued++
		case refusal(err) == codeQueuedAlready && strings.Contains(err.Error(), "per subject"):
		case refusal(err) == codeQueuedAlready:
			return ErrReplayFull
		default:
			return fmt.Errorf("queue events: %w", err)
		}
	}
	return nil
}

// refusal is the code of an engine's refusal, zero for another error.
func refusal(err error) jetstream.ErrorCode {
	var api interface{ APIError() *jetstream.APIError }
	if errors.As(err, &api) && api.APIError() != nil {
		return api.APIError().ErrorCode
	}
	return 0
}
