package notify

import (
	"context"
	"errors"
	"testing"

	"vidbell/diff"
	"vidbell/internal/engine"
)

// lived is a source with a video in each condition.
func lived(t *testing.T, l *Log) *world {
	w := load(t, l)
	w.baseline(seen("old", "PARSE", 0), seen("stays", "UNPARSE", 0))
	w.see(seen("done", "UNPARSE", 5), seen("failed", "UNPARSE", 5), seen("works", "UNPARSE", 5), seen("parsed", "UNPARSE", 5))
	w.see(seen("done", "DONE", 10), seen("failed", "FAIL", 10), seen("parsed", "PARSE", 10))
	w.see(seen("works", "UNPARSE", 4000))
	w.see(seen("works", "UPLOADING", 4020)) // stalled, and a note
	return w
}

// known is what a state says, but for where the log holds it.
func known(s *diff.State) map[string]diff.Record {
	all := make(map[string]diff.Record)
	for no, r := range s.All() {
		all[no] = diff.Record{
			Name: r.Name, Raw: r.Raw, Cause: r.Cause, Duration: r.Duration, Size: r.Size, CreatedAt: r.CreatedAt, FirstSeen: r.FirstSeen,
			ChangedAt: r.ChangedAt, NotedAt: r.NotedAt, RunStart: r.RunStart, Version: r.Version, Status: s.Status(no), Stalled: r.Stalled,
		}
	}
	return all
}

var losses = map[string]func(t *testing.T, e *engine.Engine, l *Log){
	"its stream is deleted": func(t *testing.T, e *engine.Engine, _ *Log) {
		must(t, e.JetStream.DeleteStream(t.Context(), "VIDEOS"))
	},
	"all streams are deleted": func(t *testing.T, e *engine.Engine, _ *Log) {
		must(t, e.JetStream.DeleteStream(t.Context(), "VIDEOS"))
		must(t, e.JetStream.DeleteStream(t.Context(), "VIDBELL_OPS"))
	},
	"its stream is purged": func(t *testing.T, _ *engine.Engine, l *Log) { must(t, l.stream.Purge(t.Context())) },
	"another process made it again": func(t *testing.T, e *engine.Engine, _ *Log) {
		must(t, e.JetStream.DeleteStream(t.Context(), "VIDEOS"))
		open(t, e)
	},
}

func TestLostLogIsMadeAgainFromMemory(t *testing.T) {
	for what, lose := range losses {
		t.Run(what, func(t *testing.T) {
			e := startEngine(t, t.TempDir())
			l := open(t, e)
			w := lived(t, l)
			before, birth := known(w.state), l.identity()
			first := stored(t, l, "video.done.default.done")[0].Header.Get("Nats-Msg-Id")
			lose(t, e, l)

			if _, err := l.Load(t.Context(), source, diff.DefaultWords()); !errors.Is(err, ErrLost) {
				t.Fatalf("got %v", err)
			}
			asked := 0
			must(t, l.Rebuild(t.Context(), source, w.state, func(context.Context) error { asked++; return nil }))
			again := w.reload()
			if got := known(again.state); len(got) != len(before) || again.state.BaselineAt != w.state.BaselineAt || again.state.Evidence != w.state.Evidence {
				t.Errorf("%d videos, baseline %v", len(got), again.state.BaselineAt)
			}
			for no, r := range known(again.state) {
				if r != before[no] {
					t.Errorf("%s is\n%+v, was\n%+v", no, r, before[no])
				}
			}
			if l.identity() == birth || asked != 1 {
				t.Errorf("birth mark %s after %s, prepared %d times", l.identity(), birth, asked)
			}
			// What was told stays told, what moves is told, with the next version under another id.
			res := again.see(seen("done", "DONE", 5000), seen("parsed", "PARSE", 5000), seen("works", "DONE", 5000), seen("old", "PARSE", 5000))
			if len(res.Changes) != 1 || res.Changes[0].VideoNo != "works" || res.Changes[0].Record.Version != 3 {
				t.Errorf("told %+v", res.Changes)
			}
			again.see(seen("done", "UNPARSE", 5010))
			again.see(seen("done", "UNPARSE", 5060))
			again.see(seen("done", "DONE", 5070))
			if id := stored(t, l, "video.done.default.done")[0].Header.Get("Nats-Msg-Id"); id == first {
				t.Error("an id was used again")
			}
			same(t, again.state, load(t, open(t, e)).state)
		})
	}
}

// A position that somebody remembers of the lost log skips nothing in the new one.
func TestLogMadeAgainGoesOnBehindAllOldSequences(t *testing.T) {
	e := startEngine(t, t.TempDir())
	l := open(t, e)
	w := lived(t, l)
	last := lastOf(t, l)
	must(t, e.JetStream.DeleteStream(t.Context(), "VIDEOS"))
	must(t, l.Rebuild(t.Context(), source, w.state, nil))
	if s := load(t, l).state; s.MetaRevision <= last {
		t.Errorf("the meta record is message %d, the lost log ended at %d", s.MetaRevision, last)
	}
}

func lastOf(t *testing.T, l *Log) uint64 {
	info, err := l.stream.Info(t.Context())
	must(t, err)
	return info.State.LastSeq
}

func TestTwoProcessesAndSourcesMakeALogAgain(t *testing.T) {
	e := startEngine(t, t.TempDir())
	one, two := open(t, e), open(t, e)
	worlds := []*world{lived(t, one), load(t, two), loadSource(t, one, "other")}
	worlds[2].baseline(seen("x", "UNPARSE", 0))
	must(t, e.JetStream.DeleteStream(t.Context(), "VIDEOS"))
	for _, w := range worlds {
		if _, err := w.log.Follow(t.Context(), w.state); !errors.Is(err, ErrLost) && w.log == one {
			t.Errorf("Follow of %s: %v", w.state.Source, err)
		}
		must(t, w.log.Rebuild(t.Context(), w.state.Source, w.state, nil))
	}
	for i, w := range worlds {
		again, err := w.log.Load(t.Context(), w.state.Source, diff.DefaultWords())
		must(t, err)
		if again.Len() != w.state.Len() || again.BaselineAt == 0 {
			t.Errorf("process %d has %d videos of %s", i, again.Len(), w.state.Source)
		}
	}
	if n := len(stored(t, one, "vidbell.state.default.baseline.>")); n != 1 {
		t.Errorf("%d pages: it was written twice", n)
	}
}

func TestBaselineThatWasNotOverGoesOnInALogMadeAgain(t *testing.T) {
	e := startEngine(t, t.TempDir())
	l := open(t, e)
	w := load(t, l)
	w.see(seen("a", "UNPARSE", 0)) // a page, and the walk is not over
	must(t, e.JetStream.DeleteStream(t.Context(), "VIDEOS"))
	must(t, l.Rebuild(t.Context(), source, w.state, nil))
	again := w.reload()
	if again.state.Len() != 1 || again.state.BaselineAt != 0 {
		t.Errorf("%d videos, baseline %v", again.state.Len(), again.state.BaselineAt)
	}
}
