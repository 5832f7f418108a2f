package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vidbell/notify"
)

const (
	// maxSpans bounds what is remembered of an endpoint's settings and replays of each stream. Each change of its types,
	// sources or filter is one, and each replay by more than ids. The oldest goes first; what it covered may be replayed again.
	maxSpans = 100
	// floorEvery is how often an endpoint's position is written down, for the day its consumer is lost.
	floorEvery = time.Minute
)

// served is what an endpoint was given, for good: by ranges of the log and by conditions, not by event, so that it stays small
// while the log grows. It is what proves that something was not missed when the delivery log has long forgotten it. Given
// means that it was handed to the endpoint's consumer or queue, which let go of nothing that is neither delivered nor dead.
type served struct {
	Spans []span `json:"spans"`

	seq uint64
}

// span says that an endpoint was given all events of a stream, from one place to another, that meet conditions.
type span struct {
	Stream string      `json:"stream"`
	From   uint64      `json:"from,omitempty"` // the first
	To     uint64      `json:"to,omitempty"`   // the last; zero while it goes on
	Since  time.Time   `json:"since,omitzero"` // bounds of when the event was stored
	Until  time.Time   `json:"until,omitzero"`
	Wants  []condition `json:"wants"` // all of them
	// Consumer is when the consumer or cursor was made, Floor what it had let go of when this was written: of a span that goes on.
	Consumer time.Time `json:"consumer,omitzero"`
	Floor    uint64    `json:"floor,omitempty"`
}

// condition is what an endpoint, or a replay, asks of an event. What is empty asks nothing.
type condition struct {
	Types   []string `json:"types,omitempty"`
	Sources []string `json:"sources,omitempty"`
	Filter  string   `json:"filter,omitempty"`
}

func (c condition) equal(o condition) bool {
	return slices.Equal(c.Types, o.Types) && slices.Equal(c.Sources, o.Sources) && c.Filter == o.Filter
}

func (t *target) condition() condition {
	return condition{Types: t.patterns, Sources: t.Sources, Filter: t.Filter}
}

func (s *records) loadServed(ctx context.Context, endpoint string) (served, error) {
	var v served
	msg, err := lastOf(ctx, s.health, s.names.ServedSubject(endpoint))
	if err != nil || msg == nil {
		return v, err
	}
	decode(msg.Data, &v)
	v.seq = msg.Sequence
	return v, nil
}

// changeServed writes down what change makes of what an endpoint was given, again if another process came first.
func (s *records) changeServed(ctx context.Context, endpoint string, change func(*served) bool) error {
	for {
		v, err := s.loadServed(ctx, endpoint)
		if err != nil {
			return err
		}
		if !change(&v) {
			return nil
		}
		data, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("write what endpoint %q was given: %w", endpoint, err)
		}
		_, err = s.js.Publish(ctx, s.names.ServedSubject(endpoint), data,
			jetstream.WithExpectStream(s.names.HealthStream()), jetstream.WithExpectLastSequencePerSubject(v.seq))
		if !isWrongLast(err) {
			return err
		}
	}
}

func isWrongLast(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// noteServed writes down what an endpoint is given from now on.
func (f *feed) noteServed(ctx context.Context, at standing) error {
	want := f.lane.target.condition()
	return f.lane.records.changeServed(ctx, f.lane.target.Name, func(v *served) bool {
		return !f.lane.isRetired() && v.goOn(f.stream, want, at)
	})
}

// goOn brings the span that goes on in line with the consumer and the settings. It reports whether anything is new.
func (v *served) goOn(stream string, want condition, at standing) bool {
	i := v.goingOn(stream)
	next := span{Stream: stream, Wants: []condition{want}, Consumer: at.made, Floor: at.floor}
	if i >= 0 {
		open := &v.Spans[i]
		same := open.Consumer.Equal(at.made)
		if same && open.Wants[0].equal(want) {
			moved := open.Floor != at.floor
			open.Floor = at.floor
			return moved
		}
		if open.To = open.Floor; same { // other settings: they hold for what has not been handed out
			open.To = at.given
		}
		if open.To == 0 || open.To < open.From {
			v.Spans = slices.Delete(v.Spans, i, i+1)
		}
		next.From = at.given + 1
		if !same {
			next.begin(at)
		}
	} else {
		next.begin(at)
	}
	v.add(next)
	return true
}

// goingOn is the index of the span of a stream that goes on, -1 for none.
func (v *served) goingOn(stream string) int {
	return slices.IndexFunc(v.Spans, func(s span) bool { return s.Stream == stream && s.To == 0 })
}

// begin says where a consumer began that nothing is known of.
func (s *span) begin(at standing) {
	if s.From = at.began; s.From == 0 {
		s.Since = at.made
	}
}

func (v *served) add(s span) {
	v.Spans = append(v.Spans, s)
	same := 0
	for i := len(v.Spans) - 1; i >= 0; i-- {
		if v.Spans[i].Stream != s.Stream {
			continue
		}
		if same++; same > maxSpans && v.Spans[i].To != 0 {
			v.Spans = slices.Delete(v.Spans, i, i+1)
		}
	}
}

// matcher asks a condition of events.
type matcher struct {
	condition

	filter *filter
}

func (c condition) compile() (matcher, error) {
	f, err := compileFilter(c.Filter)
	return matcher{c, f}, err
}

// misses names what an event does not meet: types, sources or filter; empty when it meets all. A filter that cannot be asked is
// met, as in a delivery.
func (m matcher) misses(kind, source string, body []byte) string {
	if len(m.Types) > 0 && !matchesAny(m.Types, kind) {
		return "types"
	}
	// Events about endpoints come from no source.
	if len(m.Sources) > 0 && !slices.Contains(m.Sources, source) && (source != "" || videoOrSource(kind)) {
		return "sources"
	}
	if yes, _ := m.filter.passes(body); !yes {
		return "filter"
	}
	return ""
}

func videoOrSource(kind string) bool {
	return len(kind) < len("endpoint.") || kind[:len("endpoint.")] != "endpoint."
}

// proof asks of events whether an endpoint was given them.
type proof struct {
	names notify.Names
	spans []span
	asks  [][]matcher
}

func (v served) proof(names notify.Names) proof {
	p := proof{names: names}
	for _, s := range v.Spans {
		var asks []matcher
		for _, c := range s.Wants {
			m, err := c.compile()
			if err != nil { // an expression that a later version does not know: nothing is proved
				asks = nil
				break
			}
			asks = append(asks, m)
		}
		if asks != nil {
			p.spans, p.asks = append(p.spans, s), append(p.asks, asks)
		}
	}
	return p
}

func (p proof) given(e loggedEvent) bool {
	kind, source, _ := about(p.names, e.subject, e.body)
	for i, s := range p.spans {
		if s.Stream != e.stream || e.seq < s.From || s.To > 0 && e.seq > s.To || !within(e.stored, s.Since, s.Until) {
			continue
		}
		if !slices.ContainsFunc(p.asks[i], func(m matcher) bool { return m.misses(kind, source, e.body) != "" }) {
			return true
		}
	}
	return false
}

// tendServed writes the positions down now and then.
func (d *Dispatcher) tendServed(ctx context.Context) {
	for _, f := range d.roster().feeds {
		at, err := f.standing(ctx)
		if err == nil {
			err = f.noteServed(ctx, at)
		}
		if err != nil && ctx.Err() == nil {
			f.lane.trouble(err)
			return
		}
	}
}
