package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vidbell/diff"
)

// maxFollow is how many events of others are taken over one by one; beyond it all is read at once.
const maxFollow = 100

// tail is how far the events of one source are known to this process: all up to a sequence, and those it wrote itself after.
type tail struct {
	known uint64
	own   []span
}

// span is a batch of our own, first and last sequence.
type span struct{ first, last uint64 }

// wrote notes a batch of ours.
func (t *tail) wrote(first, last uint64) { t.own = append(t.own, span{first, last}) }

// pass moves on beyond a sequence. It reports whether that was ours.
func (t *tail) pass(seq uint64) (ours bool) {
	t.known = max(t.known, seq)
	for len(t.own) > 0 && t.own[0].first <= t.known {
		if seq >= t.own[0].first && seq <= t.own[0].last {
			ours = true
		}
		t.known = max(t.known, t.own[0].last)
		t.own = t.own[1:]
	}
	return ours
}

// Follow takes over what other processes wrote about a source since it was last read, and returns the state to go on with.
// Compare-and-set catches them only where a video moves for us too: one that another process told as done, and that is
// processing again when we look, would look to us as if nothing had happened. Where nobody else writes it costs one look at
// the end of the log, and now and then one at its birth mark. Errors are those of Load.
func (l *Log) Follow(ctx context.Context, state *diff.State) (*diff.State, error) {
	source := state.Source
	if err := l.stillOurs(ctx, source); err != nil {
		return state, fmt.Errorf("follow the log of %s: %w", source, err)
	}
	current, err := l.refold(ctx, state)
	if err != nil {
		return state, fmt.Errorf("follow the log of %s: %w", source, err)
	}
	if !current {
		return l.Load(ctx, source, state.Words())
	}
	for range maxFollow {
		t, top := l.tailOf(source)
		m, err := l.stream.GetMsg(ctx, t.known+1, jetstream.WithGetMsgSubject(l.names.SourceEvents(source)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			l.passed(source, top)
			return state, nil
		}
		if err != nil {
			return state, fmt.Errorf("follow the log of %s: %w", source, missed(err))
		}
		if l.passed(source, m.Sequence) {
			continue
		}
		if !l.ours(raw(m)) {
			l.ignore(raw(m))
			continue
		}
		if err := l.takeOver(ctx, state, m); err != nil {
			return state, fmt.Errorf("follow the log of %s: %w", source, err)
		}
	}
	l.metrics.reloads.Inc()
	return l.Load(ctx, source, state.Words())
}

// birthEvery is how often the birth mark is looked at: a log that somebody emptied takes what is new as if nothing had happened.
const birthEvery = 5 * time.Second

// stillOurs returns ErrLost when the log is not the one that a source's state is from.
func (l *Log) stillOurs(ctx context.Context, source string) error {
	l.mu.Lock()
	due := time.Since(l.confirmed) >= birthEvery
	if due {
		l.confirmed = time.Now()
	}
	l.mu.Unlock()
	if due {
		if _, err := l.confirmBirth(ctx); err != nil {
			return err
		}
	}
	if l.bornOf(source) != l.identity() {
		return ErrLost
	}
	return nil
}

// takeOver puts another process's event into the state, unless a newer one of the video is known.
func (l *Log) takeOver(ctx context.Context, state *diff.State, m *jetstream.RawStreamMsg) error {
	no, r, err := decodeEvent(m.Data)
	if err != nil {
		return &LoadError{Stream: l.names.Stream(), Subject: m.Subject, Seq: m.Sequence, Err: err}
	}
	if have, _ := state.Get(no); have.Revision >= m.Sequence {
		return nil
	}
	r.Revision = m.Sequence
	if _, err := l.layNote(ctx, state.Source, no, &r); err != nil {
		return err
	}
	state.Put(no, r)
	return nil
}

// tailOf returns how far a source is known, and the newest sequence that this process has seen of any.
func (l *Log) tailOf(source string) (t tail, top uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if have := l.tails[source]; have != nil {
		t = *have
	}
	return t, l.top
}

func (l *Log) passed(source string, seq uint64) (ours bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tails[source]
	if t == nil {
		t = &tail{}
		l.tails[source] = t
	}
	return t.pass(seq)
}

// wrote notes that this process stored a batch.
func (l *Log) wrote(source string, first, last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.top = max(l.top, last)
	if t := l.tails[source]; t != nil {
		t.wrote(first, last)
	}
}
