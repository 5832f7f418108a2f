package notify

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"vidbell/diff"
)

// ErrLost means that the log is not the one that a source's state was read from: its stream is gone, was emptied, or was made
// again and holds nothing of the source. What is in memory is all there is: Rebuild writes it down.
var ErrLost = errors.New("the log was deleted, emptied or made again by others")

// sequenceGap lies between the last sequence known of a lost log and the first of the next: a sequence that anybody remembers
// of the old one then stands before everything in the new one, and skips nothing there.
const sequenceGap = 1_000_000

// rewriteTries bounds how often a state is written behind what others are just writing.
const rewriteTries = 5

// Rebuild makes the log again where it is lost, under a new birth mark, and writes what is known of a source as its baseline:
// what was announced stays announced, and what moves next is news. The events of the lost log, those not delivered yet among
// them, cannot be had back. state is what is in memory; nil when that is nothing. Several processes, and several sources, may
// do so at once. prepare, which may be nil, is called when the streams are there and no event is yet.
func (l *Log) Rebuild(ctx context.Context, source string, state *diff.State, prepare func(context.Context) error) error {
	l.rebuilding.Lock()
	defer l.rebuilding.Unlock()
	want := l.streamConfig(l.replicas)
	want.FirstSeq = l.highest() + sequenceGap
	for _, config := range []jetstream.StreamConfig{want, l.opsConfig(l.replicas)} {
		if _, err := openStream(ctx, l.js, config); err != nil {
			return err
		}
	}
	if prepare != nil {
		if err := prepare(ctx); err != nil {
			return err
		}
	}
	birth, err := l.readBirth(ctx)
	if err != nil {
		return err
	}
	l.renew(birth)
	if state != nil && l.bornOf(source) != birth {
		if err := l.insist(ctx, state); err != nil {
			return fmt.Errorf("write the state of %s again: %w", source, err)
		}
	}
	l.bear(source, birth)
	return nil
}

// insist writes a state, behind what an earlier try has left, unless another process has done it.
func (l *Log) insist(ctx context.Context, state *diff.State) error {
	for range rewriteTries {
		err := l.rewrite(ctx, state)
		if !errors.Is(err, ErrConflict) {
			return err
		}
		there, err := l.readAnew(ctx, state.Source, state.Words())
		if err != nil {
			return err
		}
		if there.state.BaselineAt != 0 || state.BaselineAt == 0 {
			return nil
		}
		l.mu.Lock()
		l.pages[state.Source] = there.pages
		l.mu.Unlock()
	}
	return ErrConflict
}

// rewrite writes a state as pages and a meta record. The meta record comes last: without it the baseline is not over.
func (l *Log) rewrite(ctx context.Context, state *diff.State) error {
	res := &diff.Result{Learned: make([]diff.Learned, 0, state.Len())}
	for no, r := range state.All() {
		res.Learned = append(res.Learned, diff.Learned{VideoNo: no, Record: r})
	}
	if state.BaselineAt != 0 {
		res.Meta = &diff.Meta{BaselineAt: state.BaselineAt, EmptyAtFirst: state.EmptyAtFirst, Evidence: state.Evidence, Filters: state.Filters}
	}
	l.log.Warn("the log was lost and is made again from memory; events of the lost log cannot be had back, and new ones get new ids",
		zap.String("stream", l.names.Stream()), zap.String("source", state.Source), zap.Int("videos", state.Len()))
	return l.Append(ctx, state.Source, res)
}

// renew forgets what was known of a log with another birth mark.
func (l *Log) renew(birth string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if birth == l.birth {
		return
	}
	l.log.Warn("the log was lost and made again, events get new ids", zap.String("stream", l.names.Stream()))
	l.birth = birth
	clear(l.pages)
	clear(l.tails)
	clear(l.foreign)
	clear(l.foldMarks)
	clear(l.refolds)
	l.foldedTo = 0
}

// bear notes which log a source's state is from.
func (l *Log) bear(source, birth string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.births[source] = birth
}

// bornOf is the birth mark of the log that a source's state is from; empty when none was read.
func (l *Log) bornOf(source string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.births[source]
}

// highest is the last sequence that this process has seen.
func (l *Log) highest() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	high := max(l.top, l.seen)
	for _, t := range l.tails {
		high = max(high, t.known)
	}
	return high
}

// missed turns the answer about a stream that is not there into ErrLost.
func missed(err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return err
}
