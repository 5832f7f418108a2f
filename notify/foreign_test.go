package notify

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"vidbell/diff"
	"vidbell/internal/engine"
)

// answerTo has the server itself write to a subject: a listener asks JetStream, and names the subject for the answer.
func answerTo(tb testing.TB, e *engine.Engine, l *Log, subject string) {
	tb.Helper()
	nc, err := nats.Connect("nats://" + e.ListenAddr())
	must(tb, err)
	defer nc.Close()
	before, err := l.stream.Info(tb.Context())
	must(tb, err)
	must(tb, nc.PublishRequest("$JS.API.INFO", subject, nil))
	eventually(tb, "the answer is in the log", func() bool {
		now, err := l.stream.Info(tb.Context())
		return err == nil && now.State.LastSeq > before.State.LastSeq
	})
}

func TestForeignMessageHidesNothing(t *testing.T) {
	for what, subject := range map[string]string{
		"on a video that was never seen":      "vidbell.append.done.default.strange",
		"on an event of a video":              "vidbell.append.done.default.a",
		"as another kind of event of a video": "vidbell.append.failed.default.a",
		"on a video of the baseline":          "vidbell.append.done.default.old",
		"on the meta record":                  "vidbell.state.default.meta",
		"on a baseline page":                  "vidbell.state.default.baseline.1",
		"on the page that is written next":    "vidbell.state.default.baseline.2",
		"on a note":                           "vidbell.state.default.note.noted",
		"as a kind of state that is none":     "vidbell.state.default.strange",
		"on the birth mark":                   "vidbell.log.birth",
	} {
		t.Run(what, func(t *testing.T) {
			e := startEngine(t, t.TempDir())
			l := open(t, e)
			w := load(t, l)
			w.baseline(seen("old", "UNPARSE", 0), seen("noted", "UNPARSE", 0))
			w.see(seen("a", "UNPARSE", 5), seen("noted", "PENDING", 5))
			w.see(seen("a", "PARSE", 10), seen("noted", "FAIL", 10))
			w.see(seen("noted", "ERROR", 20)) // a note beside its event
			behind := w.reload()
			answerTo(t, e, l, subject)

			// Who had the state before goes on,
			w.follow()
			same(t, behind.state, w.state)
			// who starts now finds what was there,
			again := load(t, open(t, e))
			same(t, w.state, again.state)
			if again.log.identity() != l.identity() {
				t.Error("another birth mark")
			}
			// and whatever happens next can be stored.
			for i, world := range []*world{behind, again} {
				world.until(diff.Input{Observations: []diff.Observation{
					seen("old", "PARSE", 100+100*i), seen("noted", "UNPARSE", 100+100*i), seen("strange", "PARSE", 100+100*i),
					seen("a", "UNPARSE", 100+100*i), seen("noted", "UNPARSE", 150+100*i), seen("a", "UNPARSE", 150+100*i),
				}})
				world.until(diff.Input{Observations: []diff.Observation{seen("a", "FAIL", 160+100*i)}, Filters: &diff.Filters{Status: at(i + 1)}})
			}
			same(t, again.state, load(t, open(t, e)).state)
		})
	}
}

// until stores what an input leads to as the poller does: after a conflict it decides again.
func (w *world) until(in diff.Input) {
	w.tb.Helper()
	for range 5 {
		res := w.decide(in)
		err := w.log.Append(w.tb.Context(), w.state.Source, res)
		if err == nil {
			w.state.Apply(res)
			return
		}
		w.state, err = w.log.Refresh(w.tb.Context(), w.state, res)
		must(w.tb, err)
	}
	w.tb.Fatal("conflicts without end")
}

func TestForeignMessageIsCountedOnce(t *testing.T) {
	e := startEngine(t, t.TempDir())
	l := open(t, e)
	w := load(t, l)
	w.baseline(seen("a", "UNPARSE", 0))
	for n, subject := range []string{"vidbell.append.done.default.a", "vidbell.append.done.default.a", "vidbell.append.done.default.b"} {
		answerTo(t, e, l, subject)
		w.follow()
		w = w.reload()
		if got := testutil.ToFloat64(l.metrics.foreign); got != float64(n+1) {
			t.Errorf("%v foreign messages counted, want %d", got, n+1)
		}
	}
}

func TestForeignMessageBeforeTheBirthMark(t *testing.T) {
	e := startEngine(t, t.TempDir())
	l := open(t, e)
	must(t, l.stream.Purge(t.Context()))
	answerTo(t, e, l, "vidbell.log.birth")
	first, second := open(t, e), open(t, e)
	if birth := first.identity(); !birthPattern.MatchString(birth) || second.identity() != birth {
		t.Errorf("birth marks %q and %q", birth, second.identity())
	}
}
