package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"vidbell/diff"
	"vidbell/internal/engine"
)

// run drives a world through random cycles: all vocabularies, hostile ids, replaced videos, stalls, deletions, filters, before
// and after the baseline.
func run(t *rapid.T, w *world, steps int) {
	pool := rapid.SliceOfNDistinct(videoIDs(), 1, 12, rapid.ID).Draw(t, "ids")
	words := rapid.SampledFrom([][]string{
		{"PARSE", "DONE", "FAILED"},
		{"UNPARSE", "PARSE", "FAIL"},
		{"UNPARSE", "PARSE", "PARSE_ERROR"},
		{"", "PENDING", "UPLOADING", "UNPARSE", "PARSE", "DONE", "FAIL", "TRANSCODING", " done "},
	}).Draw(t, "words")
	policy := diff.Policy{Emit: rapid.Bool().Draw(t, "emit"), Confirm: 10 * time.Second, StallAfter: time.Hour}
	now := 0
	for step := range steps {
		now += rapid.SampledFrom([]int{1, 15, 600, 3600, 90_000}).Draw(t, "wait")
		var in diff.Input
		for range rapid.IntRange(0, 2*len(pool)).Draw(t, "seen") {
			in.Observations = append(in.Observations, diff.Observation{
				VideoNo: rapid.SampledFrom(pool).Draw(t, "id"), Raw: rapid.SampledFrom(words).Draw(t, "raw"),
				Name: rapid.SampledFrom([]string{"", "film", "<b>\x00"}).Draw(t, "name"), Cause: rapid.SampledFrom([]string{"", "why"}).Draw(t, "cause"),
				Duration: rapid.Int64Range(0, 9).Draw(t, "duration"), Size: rapid.Int64Range(0, 9).Draw(t, "size"),
				CreatedAt: rapid.SampledFrom([]diff.Time{0, at(-9), at(-9), at(-9), at(5)}).Draw(t, "created"),
				At:        at(now) + diff.Time(rapid.IntRange(0, 1500).Draw(t, "ms")),
			})
		}
		for range rapid.IntRange(0, len(pool)).Draw(t, "missed") {
			in.Misses = append(in.Misses, diff.Miss{
				VideoNo: rapid.SampledFrom(pool).Draw(t, "gone"), At: at(now + 2),
				Sweep: uint32(2*step + rapid.IntRange(1, 2).Draw(t, "sweep")),
			})
		}
		in.Judged = uint32(2*step + 2)
		in.Release = rapid.Bool().Draw(t, "release")
		if rapid.Bool().Draw(t, "filters") {
			in.Filters = &diff.Filters{VideoNos: rapid.SampledFrom([]diff.Time{0, at(now)}).Draw(t, "ignored"), Status: at(now)}
		}
		if step >= 2 && rapid.Bool().Draw(t, "complete") {
			in.SweepComplete = at(now + 2)
		}
		res := diff.Reconcile(w.state, in, policy)
		if err := w.log.Append(context.Background(), w.state.Source, res); err != nil {
			t.Fatal(err)
		}
		w.state.Apply(res)
	}
}

// videoIDs are ids as a JSON decoder gives them: hostile, but UTF-8.
func videoIDs() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`VI[0-9]{3}`),
		rapid.SampledFrom([]string{">", "*", "a.b", "a b", "\x00", "=", "=h", "\"", "火", strings.Repeat("x", 4096), strings.Repeat(".", 300)}),
		rapid.StringN(1, 20, -1),
	)
}

func TestLoadedStateIsTheLiveOne(t *testing.T) {
	l := newLog(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		name := fmt.Sprintf("source%d", n)
		w := &world{tb: nil, log: l, state: diff.NewState(name, diff.DefaultWords())}
		for range 2 {
			run(t, w, 4)
			state, err := l.Load(context.Background(), name, diff.DefaultWords())
			if err != nil {
				t.Fatal(err)
			}
			same(t, w.state, state)
			w.state = state // go on as after a restart
		}
	})
}

func TestLoadedStateSurvivesTheEngine(t *testing.T) {
	dir := t.TempDir()
	e := startEngine(t, dir)
	w := load(t, open(t, e))
	w.baseline(seen("old", "DONE", 0), seen("a", "UNPARSE", 0), seen("b", "PARSE", 0))
	w.see(seen("a", "PARSE", 10), seen("new", "UNPARSE", 10))
	w.see(seen("new", "PENDING", 20))
	birth := w.log.identity()
	for range 2 {
		e.Close()
		e = startEngine(t, dir)
		l := open(t, e)
		if l.identity() != birth {
			t.Error("another birth mark after a restart")
		}
		again := load(t, l)
		same(t, w.state, again.state)
		w = again
	}
	w.see(seen("new", "PARSE", 30))
	same(t, w.state, w.reload().state)
}

func TestLoadedStateAfterDeletionsIsTheLiveOne(t *testing.T) {
	w := load(t, newLog(t))
	w.baseline(seen("quiet", "DONE", 0), seen("told", "UNPARSE", 0), seen("working", "PENDING", 0), seen("back", "FAILED", 0), seen("stays", "DONE", 0))
	w.see(seen("told", "FAIL", 10))
	w.see(seen("working", "UPLOADING", 20))
	w.see(seen("working", "UNPARSE", 25))
	res := w.gone(40, "quiet", "told", "working", "back")
	if len(res.Changes) != 4 || w.state.Count(diff.Deleted) != 4 {
		t.Fatalf("%d changes", len(res.Changes))
	}
	again := w.reload()
	same(t, w.state, again.state)
	for _, w := range []*world{w, again} { // a note from before a deletion says nothing any more
		if r, _ := w.state.Get("working"); r.Status != diff.Deleted || r.Version != 1 || r.ChangedAt != at(40) || r.NotedAt != 0 || r.RunStart != 0 {
			t.Errorf("got %+v", r)
		}
	}
	again.see(seen("back", "UNPARSE", 50))
	same(t, again.state, again.reload().state)
	again.gone(70, "back")
	last := again.reload()
	same(t, again.state, last.state)
	if r, _ := last.state.Get("back"); r.Version != 3 || r.Status != diff.Deleted {
		t.Errorf("got %+v", r)
	}
}

func TestDeletionsOfAnotherProcessAreTakenOver(t *testing.T) {
	l := newLog(t)
	w := load(t, l)
	w.baseline(seen("a", "DONE", 0), seen("b", "UNPARSE", 0), seen("c", "DONE", 0))
	behind := w.reload()
	w.gone(20, "b")
	res := behind.decide(diff.Input{Observations: []diff.Observation{seen("b", "PARSE", 5)}})
	if err := behind.log.Append(t.Context(), source, res); !errors.Is(err, ErrConflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
	state, err := behind.log.Refresh(t.Context(), behind.state, res)
	must(t, err)
	same(t, w.state, state)
	behind.state = state
	if res := behind.see(seen("b", "PARSE", 5)); len(res.Changes) != 0 {
		t.Errorf("an observation from before the deletion: %+v", res.Changes)
	}
}

func TestFiltersAreReadBack(t *testing.T) {
	w := load(t, newLog(t))
	filters := diff.Filters{VideoNos: at(1), Status: at(2), VideoNo: at(3)}
	w.store(w.decide(diff.Input{Filters: &filters}))
	if again := w.reload(); again.state.Filters != filters || again.state.BaselineAt != 0 {
		t.Errorf("got %+v", again.state.Filters)
	}
	w.baseline(seen("a", "UNPARSE", 0))
	if again := w.reload(); again.state.Filters != filters || again.state.BaselineAt != at(0) {
		t.Errorf("after the baseline %+v", again.state.Filters)
	}
	w.store(w.decide(diff.Input{Filters: &diff.Filters{Status: at(9)}}))
	same(t, w.state, w.reload().state)
	if res := w.decide(diff.Input{Filters: &diff.Filters{Status: at(9)}}); !res.Empty() {
		t.Errorf("the same filters again: %+v", res.Meta)
	}
	w.store(w.decide(diff.Input{Filters: &diff.Filters{}}))
	same(t, w.state, w.reload().state)
	body := stored(t, w.log, "vidbell.state.default.meta")[0].Data
	if bytes.Contains(body, []byte("filters")) {
		t.Errorf("filters that are all honoured are written: %s", body)
	}
}

func TestSourcesDoNotMix(t *testing.T) {
	l := newLog(t)
	names := []string{"a", "b", "a-b", "a_", "A", "meta", "baseline"}
	worlds := map[string]*world{}
	for i, name := range names {
		w := loadSource(t, l, name)
		w.baseline(seen("same", "UNPARSE", 0))
		w.see(seen("same", "PENDING", 5))
		for n := range i {
			w.see(seen(fmt.Sprintf("v%d", n), "UNPARSE", 10+n))
		}
		worlds[name] = w
	}
	for _, name := range names {
		same(t, worlds[name].state, worlds[name].reload().state)
	}
}

func TestSourceThatNeverRanIsEmpty(t *testing.T) {
	w := load(t, newLog(t))
	if w.state.Len() != 0 || w.state.BaselineAt != 0 || w.state.MetaRevision != 0 || w.state.Evidence != (diff.Evidence{}) {
		t.Errorf("got %+v", w.state)
	}
}

func TestLogWithPagesAlone(t *testing.T) {
	w := load(t, newLog(t))
	for page := range 3 {
		w.store(w.decide(diff.Input{Observations: []diff.Observation{seen(fmt.Sprintf("v%d", page), "DONE", page)}}))
	}
	again := w.reload()
	same(t, w.state, again.state)
	again.store(again.decide(diff.Input{Observations: []diff.Observation{seen("v3", "DONE", 3)}, SweepComplete: at(4)}))
	if n := len(stored(t, w.log, "vidbell.state.default.baseline.>")); n != 4 {
		t.Errorf("%d pages, want 4", n)
	}
	same(t, again.state, again.reload().state)
}

// What an event shows is not forgotten when the meta record that came after it in another batch was never stored.
func TestEvidenceIsReadFromRecordsToo(t *testing.T) {
	w := load(t, newLog(t))
	w.baseline(seen("a", "UNPARSE", 0))
	res := w.decide(diff.Input{Observations: []diff.Observation{seen("b", "DONE", 10)}})
	if res.Meta == nil {
		t.Fatal("a first DONE is no evidence")
	}
	res.Meta = nil
	must(t, w.log.Append(t.Context(), source, res))
	again := w.reload()
	if again.state.Evidence.SawDone.VideoNo != "b" || again.state.Evidence.SawUnparse.VideoNo != "a" {
		t.Errorf("evidence %+v", again.state.Evidence)
	}
}

func TestUnreadableLogIsNamedAndLeftAlone(t *testing.T) {
	e := startEngine(t, t.TempDir())
	l := open(t, e)
	w := load(t, l)
	w.baseline(seen("a", "UNPARSE", 0))
	for name, c := range map[string]struct{ subject, body, says string }{
		"an event that is none":    {"vidbell.append.done.default.x", "rubbish", "invalid character"},
		"an event of nobody":       {"vidbell.append.done.default.x", `{"specversion":"1.0"}`, "not an event of ours"},
		"an event of a new status": {"vidbell.append.done.default.x", eventOf("video.archived", "archived"), "newer vidbell"},
		"a newer meta record":      {"vidbell.state.default.meta", `{"schema":2}`, "schema 2, this one knows 1"},
		"a meta record of nobody":  {"vidbell.state.default.meta", `{}`, "schema 0"},
		"a meta record cut short":  {"vidbell.state.default.meta", `{"sch`, "unexpected end"},
		"a newer page":             {"vidbell.state.default.baseline.1", `{"schema":2}`, "newer vidbell"},
		"a page cut short":         {"vidbell.state.default.baseline.1", `{`, "unexpected end"},
		"a page of no number":      {"vidbell.state.default.baseline.one", `{"schema":1}`, "page number"},
		"a newer note":             {"vidbell.state.default.note.a", `{"schema":2}`, "newer vidbell"},
		"a note cut short":         {"vidbell.state.default.note.a", `{`, "unexpected end"},
		"a new kind of state":      {"vidbell.state.default.archive.1", `{"schema":1}`, "newer vidbell"},
	} {
		t.Run(name, func(t *testing.T) {
			ack, err := l.js.PublishMsg(t.Context(), asOurs(c.subject, c.body))
			must(t, err)
			defer func() { must(t, l.stream.DeleteMsg(context.Background(), ack.Sequence)) }()
			before := len(stored(t, l, ">"))

			_, err = l.Load(t.Context(), source, diff.DefaultWords())
			var unreadable *LoadError
			if !errors.As(err, &unreadable) {
				t.Fatalf("got %v", err)
			}
			subject := strings.Replace(c.subject, "vidbell.append.", "video.", 1)
			if unreadable.Stream != "VIDEOS" || unreadable.Seq != ack.Sequence || unreadable.Subject != subject {
				t.Errorf("names %+v, want message %d %s", unreadable, ack.Sequence, subject)
			}
			for _, part := range []string{"VIDEOS", fmt.Sprint(ack.Sequence), subject, c.says} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v does not say %q", err, part)
				}
			}
			if after := len(stored(t, l, ">")); after != before {
				t.Errorf("the log went from %d to %d messages", before, after)
			}
			if _, err := l.Load(t.Context(), "other", diff.DefaultWords()); err != nil {
				t.Errorf("another source: %v", err)
			}
		})
	}
	same(t, w.state, w.reload().state)
}

func eventOf(kind, status string) string {
	return `{"specversion":"1.0","type":"` + kind + `","time":"2026-11-23T22:04:05.123Z","data":{"video_no":"x","status":"` + status +
		`","version":1,"first_seen_at":"2026-11-23T22:04:05.123Z"}}`
}

// A kind that a newer version announces about a status we know says what it says.
func TestEventOfAnUnknownKind(t *testing.T) {
	l := newLog(t)
	_, err := l.js.PublishMsg(t.Context(), asOurs("vidbell.append.renamed.default.x", eventOf("video.renamed", "done")))
	must(t, err)
	w := load(t, l)
	if r, ok := w.state.Get("x"); !ok || r.Status != diff.Done || r.Version != 1 {
		t.Errorf("got %+v", r)
	}
}

// The server skips a message whose bytes on disk are damaged, as if it was never there.
func TestMessageThatTheServerSkipsIsMissed(t *testing.T) {
	dir := t.TempDir()
	e := startEngine(t, dir)
	w := load(t, open(t, e))
	w.baseline(seen("a", "UNPARSE", 0), seen("b", "UNPARSE", 0), seen("c", "UNPARSE", 0))
	w.see(seen("a", "PARSE", 10), seen("b", "PARSE", 10), seen("c", "PARSE", 10))
	e.Close()
	file := filepath.Join(dir, "jetstream", "jetstream", "$G", "streams", "VIDEOS", "msgs", "1.blk")
	text, err := os.ReadFile(file)
	must(t, err)
	i := bytes.Index(text, []byte(`"video_no":"b"`))
	if i < 0 {
		t.Fatal("the event is not in the file")
	}
	text[i] ^= 0xff
	must(t, os.WriteFile(file, text, 0o600))

	_, err = engine.Start(engine.Config{DataDir: dir})
	var refused *engine.Error
	if !errors.As(err, &refused) {
		t.Fatalf("our own engine started on it: %v", err)
	}
	l, err := OpenLog(t.Context(), LogConfig{JetStream: startPlain(t, filepath.Join(dir, "jetstream"))})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	state, err := l.Load(ctx, source, diff.DefaultWords())
	if err == nil {
		t.Fatalf("loaded %d videos without a word about the one that is lost", state.Len())
	}
	if !strings.Contains(err.Error(), "of 5 messages") {
		t.Errorf("got %v", err)
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	e := startEngine(t, t.TempDir())
	l := open(t, e)
	w, in := many(t, l, 500)
	w.store(w.decide(in))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Load(ctx, source, diff.DefaultWords()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	n := 0
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	err := l.read(ctx, jetstream.DeliverLastPerSubjectPolicy, []string{"video.>"}, func(message) error {
		if n++; n == 10 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n > 20 {
		t.Errorf("got %v after %d messages", err, n)
	}
	same(t, w.state, w.reload().state)
	eventually(t, "no reader is left", func() bool {
		info, err := l.stream.Info(t.Context())
		return err == nil && info.State.Consumers == 0
	})
}

func TestLoadWithoutAnEngine(t *testing.T) {
	e := startEngine(t, t.TempDir())
	l := open(t, e)
	e.Close()
	var unreadable *LoadError
	if _, err := l.Load(t.Context(), source, diff.DefaultWords()); err == nil || errors.As(err, &unreadable) {
		t.Errorf("got %v: an engine that is away is no unreadable log", err)
	}
}

// Appends of others, and of the same source, go on while a state is read.
func TestLoadWhileOthersAppend(t *testing.T) {
	l := newLog(t)
	w, in := many(t, l, 300)
	w.store(w.decide(in))
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			m := asOurs("vidbell.state.default.note.v00001", `{"schema":1,"video":{"no":"v00001","raw":"X","seen":1,"version":99}}`)
			m.Header.Set(headerRollup, "sub")
			if _, err := l.js.PublishMsg(context.Background(), m); err != nil {
				stopped <- err
				return
			}
		}
	}()
	for range 20 {
		if again := w.reload(); again.state.Len() != 300 {
			t.Errorf("%d videos", again.state.Len())
		}
	}
	close(stop)
	must(t, <-stopped)
}

func TestRefreshReadsNotes(t *testing.T) {
	e := startEngine(t, t.TempDir())
	w := load(t, open(t, e))
	w.baseline(seen("old", "DONE", 0), seen("older", "UNPARSE", 0))
	w.see(seen("a", "UNPARSE", 5))
	behind := w.reload()
	w.see(seen("a", "PENDING", 10))
	w.see(seen("a", "DONE", 20))
	w.see(seen("a", "UNPARSE", 30))
	w.see(seen("a", "UNPARSE", 60))
	w.see(seen("a", "UPLOADING", 70))

	res := behind.decide(diff.Input{Observations: []diff.Observation{seen("a", "FAILED", 15)}})
	if err := behind.log.Append(t.Context(), source, res); !errors.Is(err, ErrConflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
	state, err := behind.log.Refresh(t.Context(), behind.state, res)
	must(t, err)
	if state != behind.state {
		t.Error("one video made it read everything")
	}
	same(t, w.state, state)
}

func TestRefreshOfAStall(t *testing.T) {
	l := newLog(t)
	w := load(t, l)
	w.baseline(seen("old", "DONE", 0))
	w.see(seen("a", "PARSE", 5))
	behind := w.reload()
	w.see(seen("a", "PARSE", 4000))
	w.see(seen("a", "PARSE", 4020))
	if r, _ := w.state.Get("a"); !r.Stalled {
		t.Fatal("no stall")
	}
	same(t, w.state, w.reload().state)
	res := behind.decide(diff.Input{Observations: []diff.Observation{seen("a", "DONE", 4030)}})
	state, err := l.Refresh(t.Context(), behind.state, res)
	must(t, err)
	same(t, w.state, state)
}

func TestRefreshOfWhatIsUnreadable(t *testing.T) {
	l := newLog(t)
	w := load(t, l)
	w.baseline(seen("old", "DONE", 0))
	w.see(seen("a", "PARSE", 5))
	res := w.decide(diff.Input{Observations: []diff.Observation{seen("a", "DONE", 10)}})
	for _, subject := range []string{"vidbell.state.default.note.a", "vidbell.append.done.default.a"} {
		_, err := l.js.PublishMsg(t.Context(), asOurs(subject, "rubbish"))
		must(t, err)
		if subject == "vidbell.state.default.note.a" {
			_, err = l.js.PublishMsg(t.Context(), asOurs("vidbell.append.processing.default.a", strings.ReplaceAll(eventOf("video.processing", "processing"), `"x"`, `"a"`)))
			must(t, err)
		}
		var unreadable *LoadError
		if _, err := l.Refresh(t.Context(), w.state, res); !errors.As(err, &unreadable) {
			t.Errorf("%s: got %v", subject, err)
		}
	}
}

func TestRefreshOfManyReadsEverything(t *testing.T) {
	l := newLog(t)
	w, in := many(t, l, maxRefresh+1)
	other := w.reload()
	other.store(other.decide(in))
	res := w.decide(in)
	state, err := l.Refresh(t.Context(), w.state, res)
	must(t, err)
	same(t, other.state, state)
}

// eventually polls until a condition holds.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	tb.Fatalf("never came true: %s", what)
}
