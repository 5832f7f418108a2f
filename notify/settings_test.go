package notify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vidbell/diff"
)

func refused(tb testing.TB, l LogConfig, parts ...string) {
	tb.Helper()
	_, err := OpenLog(tb.Context(), l)
	if err == nil {
		tb.Fatal("opened")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			tb.Errorf("%v does not say %q", err, part)
		}
	}
}

func TestSettingsOfTheLogAreChecked(t *testing.T) {
	refused(t, LogConfig{}, "JetStream")
	e := startEngine(t, t.TempDir())
	refused(t, LogConfig{JetStream: e.JetStream, Names: Names{Instance: "a b"}}, "instance")
}

func TestPrefixOfALogCannotChange(t *testing.T) {
	e := startEngine(t, t.TempDir())
	l := open(t, e)
	load(t, l).baseline(seen("a", "DONE", 0))
	before := len(stored(t, l, ">"))
	refused(t, LogConfig{JetStream: e.JetStream, Names: Names{Prefix: "other"}},
		"VIDEOS", "video.>", "other.>", "VIDBELL_SUBJECT_PREFIX", "VIDBELL_INSTANCE")
	if after := len(stored(t, l, ">")); after != before {
		t.Error("the log was touched")
	}
	openAs(t, e, Names{Prefix: "other", Instance: "two"})
	open(t, e)
}

func TestStreamOfSomebodyElse(t *testing.T) {
	for _, name := range []string{"VIDEOS", "VIDBELL_OPS"} {
		e := startEngine(t, t.TempDir())
		theirs := jetstream.StreamConfig{Name: name, Subjects: []string{"films.>"}}
		_, err := e.JetStream.CreateStream(t.Context(), theirs)
		must(t, err)
		refused(t, LogConfig{JetStream: e.JetStream}, name, "not ours", "films.>", "VIDBELL_INSTANCE")
		s, err := e.JetStream.Stream(t.Context(), name)
		must(t, err)
		if got := s.CachedInfo().Config; !slices.Equal(got.Subjects, theirs.Subjects) || s.CachedInfo().State.Msgs != 0 {
			t.Errorf("their stream was touched: %+v", got)
		}
		openAs(t, e, Names{Instance: "two"})
	}
}

func TestSubjectsOfSomebodyElse(t *testing.T) {
	e := startEngine(t, t.TempDir())
	_, err := e.JetStream.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ALL", Subjects: []string{"vidbell.>"}})
	must(t, err)
	refused(t, LogConfig{JetStream: e.JetStream}, "VIDEOS", "overlap")
}

// The log is the state: a stream that was set to forget would start baselines again, and number events anew.
func TestStreamThatForgetsIsRefused(t *testing.T) {
	for name, change := range map[string]func(*jetstream.StreamConfig){
		"max_age":              func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"max_bytes":            func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 },
		"max_msgs":             func(c *jetstream.StreamConfig) { c.MaxMsgs = 100 },
		"max_msgs_per_subject": func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			e := startEngine(t, t.TempDir())
			l := open(t, e)
			cfg := l.stream.CachedInfo().Config
			change(&cfg)
			_, err := e.JetStream.UpdateStream(t.Context(), cfg)
			must(t, err)
			refused(t, LogConfig{JetStream: e.JetStream}, "VIDEOS", "the state of vidbell", name)
		})
	}
	t.Run("full, but refusing", func(t *testing.T) {
		e := startEngine(t, t.TempDir())
		l := open(t, e)
		cfg := l.stream.CachedInfo().Config
		cfg.MaxMsgs, cfg.Discard = 5, jetstream.DiscardNew
		_, err := e.JetStream.UpdateStream(t.Context(), cfg)
		must(t, err)
		w := load(t, open(t, e))
		w.baseline(seen("a", "UNPARSE", 0), seen("b", "UNPARSE", 0), seen("c", "UNPARSE", 0))
		res := w.decide(diff.Input{Observations: []diff.Observation{seen("a", "PARSE", 5), seen("b", "PARSE", 5), seen("c", "PARSE", 5)}})
		if err := w.log.Append(t.Context(), source, res); err == nil {
			t.Fatal("stored more than it may hold")
		}
		if n := len(stored(t, l, "video.>")); n != 0 {
			t.Errorf("%d events of a batch that did not fit", n)
		}
	})
}

func TestStreamIsMended(t *testing.T) {
	e := startEngine(t, t.TempDir())
	l := open(t, e)
	cfg := l.stream.CachedInfo().Config
	cfg.AllowAtomicPublish, cfg.AllowRollup, cfg.Description = false, false, "mine"
	_, err := e.JetStream.UpdateStream(t.Context(), cfg)
	must(t, err)
	w := load(t, open(t, e))
	w.baseline(seen("a", "UNPARSE", 0))
	w.see(seen("a", "PENDING", 5))
	same(t, w.state, w.reload().state)
	s, err := e.JetStream.Stream(t.Context(), "VIDEOS")
	must(t, err)
	if s.CachedInfo().Config.Description != "mine" {
		t.Error("what needs no mending was changed")
	}
}

func TestTooManyReplicasForTheServer(t *testing.T) {
	e := startEngine(t, t.TempDir())
	refused(t, LogConfig{JetStream: e.JetStream, Replicas: 3}, "make stream VIDEOS", "replicas")
	open(t, e)
	refused(t, LogConfig{JetStream: e.JetStream, Replicas: 3}, "set stream VIDEOS to 3 replicas")
}

func TestInstancesDoNotSeeEachOther(t *testing.T) {
	e := startEngine(t, t.TempDir())
	one := load(t, open(t, e))
	two := load(t, openAs(t, e, Names{Instance: "two", Prefix: "other.films"}))
	three := load(t, openAs(t, e, Names{Instance: "three"}))
	plain := listen(t, e, "other.films.>")
	ids := map[string]bool{}
	for _, w := range []*world{one, two, three} {
		w.baseline(seen("a", "UNPARSE", 0))
		w.see(seen("a", "PENDING", 5))
		id := w.log.names.EventSubject("done", source, "a")
		w.see(seen("a", "PARSE", 10))
		events := stored(t, w.log, w.log.names.AllEvents())
		if len(events) != 1 || events[0].Subject != id {
			t.Errorf("%+v holds %v", w.log.names, events)
		}
		ids[events[0].Header.Get("Nats-Msg-Id")] = true
	}
	if len(ids) != 3 {
		t.Errorf("%d ids for the same change in three logs", len(ids))
	}
	for _, w := range []*world{one, two, three} {
		same(t, w.state, w.reload().state)
	}
	if got := plain.heard(mark(t, two.log)); !slices.Equal(got, []string{"other.films.done.default.a"}) {
		t.Errorf("a subscriber of the second heard %v", got)
	}
	must(t, one.log.ReportSource(t.Context(), false, Trouble{Source: source, Reason: "r", At: at(0)}))
	if _, _, ok, err := two.log.LastSourceReport(t.Context(), source); ok || err != nil {
		t.Errorf("the report of one is seen by another: %v", err)
	}
}

func TestBirthMarkIsMadeOnce(t *testing.T) {
	for range 10 {
		e := startEngine(t, t.TempDir())
		const n = 8
		marks := make(chan string, n)
		for range n {
			go func() {
				l, err := OpenLog(t.Context(), LogConfig{JetStream: e.JetStream})
				if err != nil {
					marks <- err.Error()
					return
				}
				marks <- l.identity()
			}()
		}
		first := <-marks
		for range n - 1 {
			if m := <-marks; m != first {
				t.Fatalf("marks %q and %q", first, m)
			}
		}
		if len(first) != 26 {
			t.Fatalf("mark %q", first)
		}
	}
}

func TestReports(t *testing.T) {
	e := startEngine(t, t.TempDir())
	l := open(t, e)
	plain := listen(t, e, "vidbell.ops.>")
	if _, _, ok, err := l.LastSourceReport(t.Context(), source); ok || err != nil {
		t.Errorf("a report of nothing, %v", err)
	}
	down := Trouble{Source: source, Reason: "throttled", Detail: `asked to <wait> "long"`, Since: at(-60), At: at(0)}
	for range 2 { // the same again is stored once
		must(t, l.ReportSource(t.Context(), false, down))
	}
	got, recovered, ok, err := l.LastSourceReport(t.Context(), source)
	if err != nil || !ok || recovered || got != down {
		t.Errorf("got %+v recovered %v, %v", got, recovered, err)
	}
	up := down
	up.At = at(90)
	must(t, l.ReportSource(t.Context(), true, up))
	got, recovered, ok, err = l.LastSourceReport(t.Context(), source)
	if err != nil || !ok || !recovered || got != up {
		t.Errorf("got %+v recovered %v, %v", got, recovered, err)
	}
	must(t, l.ReportSource(t.Context(), false, Trouble{Source: "end", At: at(0)}))
	want := []string{"vidbell.ops.source.degraded.default", "vidbell.ops.source.recovered.default"}
	if heard := plain.heard("vidbell.ops.source.degraded.end"); !slices.Equal(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
	ops, err := e.JetStream.Stream(t.Context(), "VIDBELL_OPS")
	must(t, err)
	for i, m := range storedIn(t, ops, "vidbell.ops.source.*.default") {
		valid(t, m.Data)
		if m.Subject != want[i] || m.Header.Get("Content-Type") != ContentType {
			t.Errorf("stored %s with %v", m.Subject, m.Header)
		}
	}
	_, err = e.JetStream.Publish(t.Context(), "vidbell.report.source.degraded.default", []byte("rubbish"))
	must(t, err)
	if _, _, _, err := l.LastSourceReport(t.Context(), source); err == nil || !strings.Contains(err.Error(), "VIDBELL_OPS, message 4") {
		t.Errorf("got %v", err)
	}
}

func TestReportsAreByteForByteTheSame(t *testing.T) {
	tr := Trouble{Source: "default", Reason: "throttled", Detail: `asked to <wait>`, Since: at(-60), At: at(0)}
	for name, recovered := range map[string]bool{"source-degraded": false, "source-recovered": true} {
		body, err := encode(newSourceEvent(birth, recovered, tr))
		must(t, err)
		golden(t, name, body)
		e := valid(t, body)
		if want := "source." + strings.TrimPrefix(name, "source-"); e.Type() != want || e.Subject() != "default" {
			t.Errorf("read as %v", e)
		}
	}
	if a, b := newSourceEvent(birth, false, tr).ID, newSourceEvent("other", false, tr).ID; a == b || !strings.HasPrefix(a, "evt_") {
		t.Errorf("ids %s %s", a, b)
	}
}

func TestEndpointReportsAreByteForByteTheSame(t *testing.T) {
	for name, tr := range map[string]EndpointTrouble{
		"endpoint-degraded":  {Reason: "failing", Detail: "the receiver answered 502 Bad Gateway"},
		"endpoint-disabled":  {Reason: "gone", Detail: "the receiver answered 410 Gone"},
		"endpoint-recovered": {Reason: "failing", Detail: "the receiver answered 502 Bad Gateway"},
	} {
		tr.Endpoint, tr.Since, tr.At = "ops", at(-60).Time(), at(0).Time()
		ev := NewEndpointEvent(strings.Replace(name, "-", ".", 1), tr)
		ev.ID = "evt_uaooxw6dyqf3hyk6xwwiyathbgalsvrf" // a real one is random
		body, err := encode(ev)
		must(t, err)
		golden(t, name, body)
		valid(t, body)
	}
}

func TestEveryVideoTypeHasAGolden(t *testing.T) {
	all := changes()
	for _, kind := range VideoTypes() {
		if _, ok := all[strings.TrimPrefix(kind, "video.")]; !ok {
			t.Error(fmt.Sprint("no example of ", kind))
		}
	}
}
