package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"vidbell/diff"
)

// mark ends what a listener is asked about.
func mark(tb testing.TB, l *Log) string {
	tb.Helper()
	_, err := l.js.Publish(tb.Context(), l.names.AppendSubject("done", "mark", "m"), []byte("{}"))
	must(tb, err)
	return l.names.EventSubject("done", "mark", "m")
}

func TestSubscribersSeeEachEventOnceAndOnlyWhenStored(t *testing.T) {
	e := startEngine(t, t.TempDir())
	l := open(t, e)
	plain := listen(t, e, "video.>")
	w := load(t, l)
	w.baseline(seen("a", "UNPARSE", 0), seen("b", "UNPARSE", 0))
	w.see(seen("a", "PARSE", 10), seen("b", "FAIL", 10), seen("c", "UNPARSE", 10))
	want := []string{"video.done.default.a", "video.failed.default.b", "video.processing.default.c"}
	if got := plain.heard(mark(t, l)); !slices.Equal(got, want) {
		t.Errorf("a plain subscriber heard %v, want %v", got, want)
	}

	c, err := l.stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{FilterSubject: "video.*.default.>", AckPolicy: jetstream.AckExplicitPolicy})
	must(t, err)
	var got []string
	for range want {
		m, err := c.Next(jetstream.FetchMaxWait(patience))
		must(t, err)
		must(t, m.DoubleAck(t.Context()))
		got = append(got, m.Subject())
		var ev VideoEvent
		must(t, json.Unmarshal(m.Data(), &ev))
		if m.Headers().Get("Nats-Msg-Id") != ev.ID || m.Headers().Get("Content-Type") != ContentType {
			t.Errorf("headers %v of %s", m.Headers(), ev.ID)
		}
		for name := range m.Headers() {
			if strings.HasPrefix(strings.ToLower(name), "ce-") {
				t.Errorf("header %s: readers would take the envelope for the data", name)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("a consumer got %v, want %v", got, want)
	}
	if info, err := c.Info(t.Context()); err != nil || info.NumPending != 0 {
		t.Errorf("and there are %d more, %v", info.NumPending, err)
	}
}

func TestRefusedBatchShowsAndStoresNothing(t *testing.T) {
	e := startEngine(t, t.TempDir())
	l := open(t, e)
	ours := load(t, l)
	ours.baseline(seen("a", "UNPARSE", 0), seen("b", "UNPARSE", 0), seen("c", "UNPARSE", 0))
	theirs := load(t, open(t, e))
	theirs.see(seen("b", "PARSE", 5))
	plain := listen(t, e, "video.>")
	before := len(stored(t, l, ">"))

	stale := ours.decide(diff.Input{Observations: []diff.Observation{seen("a", "PARSE", 10), seen("b", "PARSE", 10), seen("c", "PENDING", 10)}})
	if err := l.Append(t.Context(), source, stale); !errors.Is(err, ErrConflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
	if after := len(stored(t, l, ">")); after != before {
		t.Errorf("%d messages were stored", after-before)
	}
	if got := plain.heard(mark(t, l)); len(got) != 0 {
		t.Errorf("a plain subscriber heard %v", got)
	}

	state, err := l.Refresh(t.Context(), ours.state, stale)
	must(t, err)
	ours.state = state
	res := ours.see(seen("a", "PARSE", 10), seen("b", "PARSE", 10), seen("c", "PENDING", 10))
	if len(res.Changes) != 1 || res.Changes[0].VideoNo != "a" || len(res.Notes) != 1 {
		t.Errorf("decided %+v again", res)
	}
	same(t, ours.state, ours.reload().state)
}

func TestRevisionsAllowTheNextAppend(t *testing.T) {
	w := load(t, newLog(t))
	w.baseline(seen("a", "UNPARSE", 0), seen("b", "UNPARSE", 0))
	for run := range 5 {
		w.see(seen("a", "PARSE", 100*run+10), seen("b", "PARSE", 100*run+10))
		w.see(seen("a", "UNPARSE", 100*run+20), seen("b", "UNPARSE", 100*run+20))
		w.see(seen("a", "UNPARSE", 100*run+50), seen("b", "UNPARSE", 100*run+50))
	}
	if r, _ := w.state.Get("a"); r.Version != 10 {
		t.Errorf("version %d, want 10", r.Version)
	}
	same(t, w.state, w.reload().state)
}

func TestTwoChangesOfOneVideoInOneBatch(t *testing.T) {
	w := load(t, newLog(t))
	w.baseline(seen("a", "UNPARSE", 0), seen("b", "UNPARSE", 0))
	w.see(seen("a", "PARSE", 10))
	replaced := seen("a", "UNPARSE", 40)
	replaced.CreatedAt = at(30)
	w.see(replaced)
	replaced.At = at(60)
	res := w.see(replaced, seen("b", "PARSE", 60))
	var kinds []string
	for _, c := range res.Changes {
		kinds = append(kinds, string(c.Kind)+" "+c.VideoNo+fmt.Sprint(c.Record.Version))
	}
	if want := []string{"deleted a2", "processing a3", "done b1"}; !slices.Equal(kinds, want) {
		t.Fatalf("changes %v, want %v", kinds, want)
	}
	same(t, w.state, w.reload().state)
	replaced.At, replaced.Raw = at(90), "PARSE"
	w.see(replaced)
	same(t, w.state, w.reload().state)
}

// many is a source whose videos all finish at once.
func many(tb testing.TB, l *Log, n int) (*world, diff.Input) {
	tb.Helper()
	w := load(tb, l)
	first, then := make([]diff.Observation, n), make([]diff.Observation, n)
	for i := range n {
		no := fmt.Sprintf("v%05d", i)
		first[i], then[i] = seen(no, "UNPARSE", 0), seen(no, "PARSE", 10)
	}
	w.baseline(first...)
	return w, diff.Input{Observations: then}
}

func TestMoreThanOneBatchHolds(t *testing.T) {
	w, in := many(t, newLog(t), 2*maxBatch+500)
	w.store(w.decide(in))
	if got := len(stored(t, w.log, "video.done.>")); got != len(in.Observations) {
		t.Errorf("%d events, want %d", got, len(in.Observations))
	}
	same(t, w.state, w.reload().state)
	w.see(seen("v00000", "FAIL", 20), seen("v02499", "FAIL", 20)) // revisions are those of the right batch
	w.see(seen("v00000", "FAIL", 50), seen("v02499", "FAIL", 50))
	same(t, w.state, w.reload().state)
}

func TestConflictBetweenTwoBatchesLosesNothing(t *testing.T) {
	e := startEngine(t, t.TempDir())
	w, in := many(t, open(t, e), maxBatch+200)
	theirs := load(t, open(t, e))
	theirs.see(seen("v01100", "PARSE", 5))

	res := w.decide(in)
	if err := w.log.Append(t.Context(), source, res); !errors.Is(err, ErrConflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
	if got := len(stored(t, w.log, "video.done.>")); got != maxBatch+1 {
		t.Errorf("%d events after the conflict, want the first batch and theirs", got)
	}
	state, err := w.log.Refresh(t.Context(), w.state, res)
	must(t, err)
	w.state = state
	res = w.store(w.decide(in))
	if len(res.Changes) != 199 {
		t.Errorf("%d changes at the second try, want 199", len(res.Changes))
	}
	once(t, w.log, maxBatch+200)
	same(t, w.state, w.reload().state)
}

// once checks that each video has one event.
func once(tb testing.TB, l *Log, want int) {
	tb.Helper()
	videos, ids := map[string]int{}, map[string]int{}
	for _, m := range stored(tb, l, "video.*.default.>") {
		var ev VideoEvent
		must(tb, json.Unmarshal(m.Data, &ev))
		videos[ev.Subject]++
		ids[ev.ID]++
	}
	if len(videos) != want || len(ids) != want {
		tb.Errorf("%d videos and %d ids, want %d", len(videos), len(ids), want)
	}
	for no, n := range videos {
		if n != 1 {
			tb.Errorf("%s has %d events", no, n)
		}
	}
}

// cutting lets some batches pass and then acts as if the process had died.
type cutting struct {
	context.Context
	after func() bool
}

var errKilled = errors.New("killed")

func (c cutting) Err() error {
	if c.after() {
		return errKilled
	}
	return nil
}

func (c cutting) Done() <-chan struct{} {
	if c.after() {
		done := make(chan struct{})
		close(done)
		return done
	}
	return c.Context.Done()
}

// A crash in the middle of a baseline that emits announces nothing twice: the meta record, which ends it, comes last.
func TestCrashBetweenBatchesOfABaseline(t *testing.T) {
	l := newLog(t)
	n := 2*maxBatch + 300
	obs := make([]diff.Observation, n)
	for i := range obs {
		obs[i] = seen(fmt.Sprintf("v%05d", i), "DONE", 0)
	}
	in := diff.Input{Observations: obs, SweepComplete: at(1)}
	emit := diff.Policy{Emit: true}
	for batches := range 3 {
		w := load(t, l)
		if w.state.BaselineAt != 0 {
			t.Fatal("the baseline ended before all of it was stored")
		}
		before := len(stored(t, l, "video.done.>"))
		ctx := cutting{t.Context(), func() bool { return len(stored(t, l, "video.done.>")) >= before+maxBatch || batches == 2 }}
		if batches < 2 {
			if err := l.Append(ctx, source, diff.Reconcile(w.state, in, emit)); err == nil {
				t.Fatal("the append went through")
			}
			continue
		}
		res := diff.Reconcile(w.state, in, emit)
		w.store(res)
		if w.state.BaselineAt == 0 {
			t.Error("the baseline did not end")
		}
	}
	once(t, l, n)
	for _, m := range stored(t, l, "video.done.default.>") {
		if !strings.Contains(string(m.Data), `"initial":true`) {
			t.Fatalf("not initial: %s", m.Data)
		}
	}
	w := load(t, l)
	if res := diff.Reconcile(w.state, in, emit); !res.Empty() {
		t.Errorf("%d changes, %d learnt after all", len(res.Changes), len(res.Learned))
	}
}

func TestBatchesAreBoundedByBytesToo(t *testing.T) {
	w := load(t, newLog(t))
	obs := make([]diff.Observation, 300)
	for i := range obs {
		obs[i] = seen(fmt.Sprintf("v%03d", i), "DONE", 0)
		obs[i].Name = strings.Repeat("\x01", 10_000) // 60 kB in JSON
	}
	res := w.baseline(obs...)
	if n := len(res.Changes); n != 0 {
		t.Errorf("%d changes", n)
	}
	for i := range obs {
		obs[i].Raw, obs[i].At = "FAIL", at(10)
	}
	w.see(obs...)
	for i := range obs {
		obs[i].At = at(40)
	}
	res = w.decide(diff.Input{Observations: obs})
	entries, _, err := w.log.entries(source, res)
	must(t, err)
	if n := batchLen(entries); n >= len(entries) || n < 100 {
		t.Errorf("%d of %d in the first batch", n, len(entries))
	}
	w.store(res)
	once(t, w.log, len(obs))
	same(t, w.state, w.reload().state)
}

func TestTheSameResultAgain(t *testing.T) {
	w := load(t, newLog(t))
	w.baseline(seen("a", "UNPARSE", 0))
	for name, in := range map[string]diff.Input{
		"a change":      {Observations: []diff.Observation{seen("a", "PARSE", 10)}},
		"a new witness": {Observations: []diff.Observation{seen("b", "FAIL", 10)}},
	} {
		res := w.decide(in)
		must(t, w.log.Append(t.Context(), source, res))
		before := len(stored(t, w.log, ">"))
		again := diff.Reconcile(w.state, in, diff.Policy{}) // as after an append whose answer was lost
		if err := w.log.Append(t.Context(), source, again); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: got %v, want a conflict", name, err)
		}
		state, err := w.log.Refresh(t.Context(), w.state, again)
		must(t, err)
		w.state = state
		if res := w.decide(in); !res.Empty() {
			t.Errorf("%s: still decides %+v", name, res)
		}
		if after := len(stored(t, w.log, ">")); after != before {
			t.Errorf("%s: %d more messages", name, after-before)
		}
	}
}

func TestStatesThatReplaceKeepOneMessage(t *testing.T) {
	w := load(t, newLog(t))
	w.baseline(seen("a", "UNPARSE", 0), seen("b", "UNPARSE", 0))
	for i, word := range []string{"PENDING", "UPLOADING", "UNPARSE", "PENDING"} {
		w.see(seen("a", word, 10*i+10))
	}
	w.see(seen("a", "PARSE", 90))
	w.see(seen("b", "FAIL", 95)) // another witness, another meta record
	for _, subject := range []string{"vidbell.state.default.note.a", "vidbell.state.default.meta"} {
		if n := len(stored(t, w.log, subject)); n != 1 {
			t.Errorf("%s holds %d messages", subject, n)
		}
	}
	same(t, w.state, w.reload().state)
}

func TestPagesAreNeverWrittenAgain(t *testing.T) {
	e := startEngine(t, t.TempDir())
	one, two := load(t, open(t, e)), load(t, open(t, e))
	page := func(n int) diff.Input {
		return diff.Input{Observations: []diff.Observation{seen(fmt.Sprintf("p%d", n), "DONE", n)}}
	}
	one.store(one.decide(page(1)))
	res := two.decide(page(2))
	if err := two.log.Append(t.Context(), source, res); !errors.Is(err, ErrConflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
	state, err := two.log.Refresh(t.Context(), two.state, res)
	must(t, err)
	two.state = state
	two.store(two.decide(page(2)))
	again := one.decide(page(3))
	if err := one.log.Append(t.Context(), source, again); !errors.Is(err, ErrConflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
	pages := stored(t, one.log, "vidbell.state.default.baseline.>")
	if len(pages) != 2 || !strings.Contains(string(pages[0].Data), `"p1"`) || !strings.Contains(string(pages[1].Data), `"p2"`) {
		t.Errorf("%d pages: %s", len(pages), pages[0].Data)
	}
	same(t, two.state, two.reload().state)
}

// Two processes that see the same change: one wins, the other learns of it, and there is one event.
func TestTwoProcessesRace(t *testing.T) {
	e := startEngine(t, t.TempDir())
	load(t, open(t, e)).baseline(seen("a", "UNPARSE", 0), seen("b", "UNPARSE", 0))
	worlds := []*world{load(t, open(t, e)), load(t, open(t, e))}
	for round := range 30 {
		obs := []diff.Observation{seen("a", "PARSE", 100*round+10), seen("b", "PARSE", 100*round+10)}
		errs := make(chan error, len(worlds))
		results := make([]*diff.Result, len(worlds))
		for i, w := range worlds {
			results[i] = w.decide(diff.Input{Observations: obs})
			go func() { errs <- w.log.Append(t.Context(), source, results[i]) }()
		}
		won := 0
		for range worlds {
			err := <-errs
			if err == nil {
				won++
			} else if !errors.Is(err, ErrConflict) {
				t.Fatal(err)
			}
		}
		if won != 1 {
			t.Fatalf("round %d: %d winners", round, won)
		}
		for i, w := range worlds {
			state, err := w.log.Refresh(t.Context(), w.state, results[i])
			must(t, err)
			w.state = state
			if res := w.decide(diff.Input{Observations: obs}); len(res.Changes) != 0 {
				t.Fatalf("round %d: decides again %+v", round, res.Changes)
			}
			same(t, w.state, w.reload().state)
		}
		back := func(s int) diff.Input {
			return diff.Input{Observations: []diff.Observation{seen("a", "UNPARSE", 100*round+s), seen("b", "UNPARSE", 100*round+s)}}
		}
		worlds[0].store(worlds[0].decide(back(30)))
		worlds[0].store(worlds[0].decide(back(60)))
		worlds[1] = worlds[1].reload()
	}
	for _, no := range []string{"a", "b"} {
		if n := len(stored(t, worlds[0].log, "video.done.default."+no)); n != 30 {
			t.Errorf("%s has %d done events, want 30", no, n)
		}
	}
}

// A server takes 50 batches at once for a stream; more sources than that may append together.
func TestManySourcesAppendAtOnce(t *testing.T) {
	l := newLog(t)
	const n = 200
	errs := make(chan error, n)
	for i := range n {
		go func() {
			name := fmt.Sprintf("s%d", i)
			state := diff.NewState(name, diff.DefaultWords())
			res := diff.Reconcile(state, diff.Input{Observations: []diff.Observation{seen("a", "DONE", 0)}, SweepComplete: at(0)}, diff.Policy{Emit: true})
			errs <- l.Append(t.Context(), name, res)
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := len(stored(t, l, "video.done.>")); got != n {
		t.Errorf("%d events, want %d", got, n)
	}
}

func TestAppendEndsWithItsContext(t *testing.T) {
	w := load(t, newLog(t))
	res := w.decide(diff.Input{Observations: []diff.Observation{seen("a", "DONE", 0)}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.log.Append(ctx, source, res); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for range maxFlights { // no slot was lost
		w.log.flights <- struct{}{}
	}
}

func TestAppendIsCounted(t *testing.T) {
	e := startEngine(t, t.TempDir())
	r := prometheus.NewPedanticRegistry()
	l, err := OpenLog(t.Context(), LogConfig{JetStream: e.JetStream, Registerer: r})
	must(t, err)
	l.AddSource(source)
	if n := testutil.CollectAndCount(l.metrics.events); n != len(diff.Kinds()) {
		t.Errorf("%d counters at the start", n)
	}
	w := load(t, l)
	w.baseline(seen("a", "UNPARSE", 0))
	other := w.reload()
	other.see(seen("a", "PARSE", 10))
	if n := testutil.ToFloat64(l.metrics.events.WithLabelValues(source, "video.done")); n != 1 {
		t.Errorf("%v done events counted", n)
	}
	res := w.decide(diff.Input{Observations: []diff.Observation{seen("a", "PARSE", 10)}})
	_ = l.Append(t.Context(), source, res)
	if n := testutil.ToFloat64(l.metrics.errors.WithLabelValues("conflict")); n != 1 {
		t.Errorf("%v conflicts counted", n)
	}
	e.Close()
	if err := l.Append(t.Context(), source, res); err == nil || errors.Is(err, ErrConflict) {
		t.Errorf("an append without an engine: %v", err)
	}
	if n := testutil.ToFloat64(l.metrics.errors.WithLabelValues("unavailable")); n != 1 {
		t.Errorf("%v failures counted", n)
	}
	if problems, err := testutil.GatherAndLint(r); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
