package poller_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vidbell/diff"
	"vidbell/internal/simulator"
	"vidbell/poller"
)

// apply goes on with other sources and wants that to change exactly what is named: "+a ~b -c".
func (r *running) apply(want string, sources ...poller.Source) {
	r.w.t.Helper()
	ctx, cancel := context.WithTimeout(r.w.t.Context(), time.Minute)
	defer cancel()
	c, err := r.poller.Apply(ctx, sources)
	if err != nil {
		r.w.t.Fatalf("apply: %v", err)
	}
	var got []string
	for sign, names := range map[string][]string{"+": c.Added, "~": c.Changed, "-": c.Removed} {
		for _, name := range names {
			got = append(got, sign+name)
		}
	}
	slices.Sort(got)
	if strings.Join(got, " ") != want {
		r.w.t.Errorf("changed %q, want %q", got, want)
	}
}

// askedOf are the moments at which a namespace was asked for, since a time.
func (w *world) askedOf(namespace string, since time.Time) (at []time.Duration) {
	for _, r := range w.sim.Requests() {
		if r.Namespace == namespace && !r.Time.Before(since) {
			at = append(at, r.Time.Sub(w.started))
		}
	}
	return at
}

func TestApplyFromNoSourceToManyAndBack(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		account := poller.NewAccount(w.rate)
		a, b := w.source("a", account, key), w.source("b", account, key)
		r := w.startOf()
		w.expectRequests("nothing to poll", 0)
		if len(r.poller.Status()) != 0 {
			t.Errorf("status of nothing: %+v", r.poller.Status())
		}
		w.sim.Add("a", simulator.Video{No: "one", Raw: w.word("P")})
		r.apply("+a +b", a, b)
		w.pass(2*tick + tick/2)
		w.expectOf("a", "baseline")
		w.sim.Set("a", "one", w.word("R"), "")
		w.ticks(1)
		w.expectOf("a", "polled", "done one")
		if s := r.poller.Status(); len(s) != 2 || s[0].Source != "a" || s[0].Videos != 1 || s[1].Source != "b" {
			t.Errorf("status %+v", s)
		}
		if n := w.counter("vidbell_changes_total", "source", "a"); n != 1 {
			t.Errorf("%v changes counted", n)
		}
		r.apply("-a", b)
		at := time.Now()
		w.ticks(4)
		if asked := w.askedOf("a", at); asked != nil {
			t.Errorf("a removed source was asked for at %v", asked)
		}
		if len(w.askedOf("b", at)) == 0 {
			t.Error("the other one is not polled any more")
		}
		if r.poller.Hint("one"); len(r.poller.Status()) != 1 {
			t.Error("a removed source is shown")
		}
		families, err := w.metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if matches(m, []string{"source", "a"}) {
					t.Errorf("%s still has a removed source", f.GetName())
				}
			}
		}
		r.apply("-b")
		w.ticks(2)
		r.kill()
	})
}

// S36, without a restart.
func TestApplyTakesASourceOutAndBackAndTellsTheNetChange(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.library("a:P", "b:R", "c:P")
		source := w.source("default", poller.NewAccount(w.rate), key)
		r := w.startOf(source)
		w.expect("baseline")
		r.apply("-default")
		w.is("a:F", "b:P")
		w.ticks(3)
		w.is("a:R", "b:R")
		w.add("d", w.word("R"))
		w.ticks(3)
		w.expect("nobody looks")
		r.apply("+default", source)
		w.ticks(2)
		w.expect("back again", "done a", "done d")
		w.is("c:R")
		w.ticks(2)
		w.expect("as ever", "done c")
	})
}

func TestApplyLeavesUnchangedSourcesAlone(t *testing.T) {
	polls := func(change bool) (at []time.Duration) {
		inBubble(t, simulator.Options{}, func(w *world) {
			w.library(many("v", 40)...)
			w.with(pageSize(10))
			account := poller.NewAccount(w.rate)
			source := w.source("default", account, key)
			w.with(func(s *poller.Source) { s.PollInterval, s.MaxInterval = time.Hour, time.Hour })
			guest := w.source("guest", poller.NewAccount(w.rate), other)
			r := w.startOf(source)
			w.hide("v7") // a suspect, which a restart would forget
			for i := range 20 {
				w.pass(tick / 3)
				if change && i%2 == 0 {
					r.apply("+guest", source, guest)
				} else if change {
					r.apply("-guest", w.sourceLike(source))
				}
			}
			at = w.askedOf("default", w.started)
		})
		return at
	}
	calm, changing := polls(false), polls(true)
	if len(calm) < 7 || !slices.Equal(calm, changing) {
		t.Errorf("requests at\n%v\nbut while others came and went at\n%v", calm, changing)
	}
}

// sourceLike is one with the same settings, made anew but for what goes by identity.
func (w *world) sourceLike(s poller.Source) poller.Source {
	words, err := diff.NewWords(nil, nil, nil, diff.ParseAuto)
	if err != nil {
		w.t.Fatal(err)
	}
	s.Words = words
	return s
}

func TestApplyChangesSettingsBetweenTwoPolls(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		source := w.source("default", poller.NewAccount(w.rate), key)
		r := w.startOf(source)
		w.ticks(1)
		before, loads := w.sim.Counts().Total, w.log.loads
		source.PollInterval, source.MaxInterval = 40*time.Second, 40*time.Second
		r.apply("~default", source)
		w.expectRequests("just changed", before)
		w.pass(tick)
		if asked := w.sim.Counts().Total - before; asked == 0 {
			t.Error("the poll that was due did not come")
		}
		before = w.sim.Counts().Total
		w.pass(39*time.Second - tick/2)
		w.expectRequests("the new interval is longer", before)
		w.pass(2*time.Second + tick/2)
		if w.sim.Counts().Total == before {
			t.Error("nothing after the new interval")
		}
		if w.log.loads != loads {
			t.Error("the state was loaded again for an interval")
		}
		source.PollInterval, source.MaxInterval = time.Second, time.Second
		r.apply("~default", source)
		before = w.sim.Counts().Total
		w.pass(5*time.Second + 100*time.Millisecond)
		if asked := w.sim.Counts().Total - before; asked < 4 {
			t.Errorf("%d requests in five seconds at one a second", asked)
		}
		w.is("a:R")
		w.pass(2 * time.Second)
		w.expect("still the same videos", "done a")
	})
}

func TestApplyKeepsDeletionsHeldBack(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library(many("v", 60)...)
		w.rate = 50
		source := w.source("default", poller.NewAccount(w.rate), key)
		r := w.startOf(source)
		w.gone(many("v", 40)...)
		for range 10 {
			if w.ticks(1); r.status().Held.Videos > 0 {
				break
			}
		}
		source.StallAfter = time.Hour
		r.apply("~default", source)
		if s := r.status(); s.Held.Videos != 40 {
			t.Errorf("held %+v", s.Held)
		}
		if err := r.poller.Release("default"); err != nil {
			t.Error(err)
		}
		w.ticks(1)
		if told := w.log.happened("default", 0); len(told) != 40 {
			t.Errorf("%d told after the release", len(told))
		}
	})
}

func TestApplyOfAnotherKeyEndsARefusalAtOnce(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		r := w.startOf(w.source("default", poller.NewAccount(w.rate), "sk-mavi-nobody"))
		w.ticks(2)
		w.expectReports("refused", "degraded unauthorized")
		r.apply("~default", w.source("default", poller.NewAccount(w.rate), key))
		w.pass(2 * time.Second)
		w.expectReports("another key", "degraded unauthorized", "recovered unauthorized")
		w.expect("baseline")
		w.is("a:R")
		w.ticks(2)
		w.expect("polled", "done a")
	})
}

// With other words the state is read again, for its statuses depend on them.
func TestApplyOfOtherWordsJudgesAnew(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.sim.Add("default", simulator.Video{No: "a", Raw: "REVIEW"})
		source := w.source("default", poller.NewAccount(w.rate), key)
		r := w.startOf(source)
		w.sim.Add("default", simulator.Video{No: "b", Raw: "REVIEW"})
		w.ticks(2)
		w.expect("an unknown word", "processing b")
		words, err := diff.NewWords([]string{"REVIEW"}, nil, nil, diff.ParseAuto)
		if err != nil {
			t.Fatal(err)
		}
		loads := w.log.loads
		source.Words = words
		r.apply("~default", source)
		if w.log.loads != loads+1 {
			t.Errorf("%d loads", w.log.loads-loads)
		}
		w.ticks(2)
		w.expect("with REVIEW for done", "done b")
		w.add("c", "REVIEW")
		w.ticks(2)
		w.expect("from now on", "done c")
	})
}

func TestApplyThatFailsChangesNothing(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P", "b:P", "c:P")
		account := poller.NewAccount(w.rate)
		source, guest := w.source("default", account, key), w.source("guest", account, key)
		r := w.startOf(source)
		changed := source
		changed.UniqueID, changed.PollInterval = "elsewhere", time.Second
		refused := func(what string, want error, sources ...poller.Source) {
			t.Helper()
			ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
			defer cancel()
			if _, err := r.poller.Apply(ctx, sources); err == nil || want != nil && !errors.Is(err, want) {
				t.Errorf("%s: %v", what, err)
			}
			if s := r.poller.Status(); len(s) != 1 || s[0].Source != "default" {
				t.Errorf("%s: %+v", what, s)
			}
		}
		refused("twice", nil, source, source)
		refused("no name", nil, source, poller.Source{})
		w.log.set(func() { w.log.unreadable = true })
		refused("an added one cannot be read", poller.ErrUnreadable, source, guest)
		refused("a changed one cannot be read", poller.ErrUnreadable, changed)
		w.log.set(func() { w.log.unreadable, w.log.away = false, true })
		refused("the engine is away", context.DeadlineExceeded, source, guest)
		refused("the engine is away for the changed", context.DeadlineExceeded, changed)
		w.log.set(func() { w.log.away = false })
		w.is("a:R")
		w.ticks(2)
		w.expect("goes on", "done a")
		if asked := w.askedOf("elsewhere", w.started); asked != nil {
			t.Errorf("settings that were refused were used at %v", asked)
		}
		if n := w.counter("vidbell_polls_total", "source", "guest"); n != 0 {
			t.Errorf("%v polls of one that was refused", n)
		}
		r.kill()
		if _, err := r.poller.Apply(w.t.Context(), nil); err == nil {
			t.Error("applied after the end")
		}
	})
}

// An append under way is finished before Apply returns; nothing is told twice when the source comes back.
func TestApplyWaitsForAnAppend(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		source := w.source("default", poller.NewAccount(w.rate), key)
		r := w.startOf(source)
		w.log.set(func() { w.log.delay = 3 * time.Second })
		w.is("a:R")
		w.pass(tick/2 + time.Second) // in the middle of the append
		w.expect("under way")
		began := time.Now()
		r.apply("-default")
		w.expect("when Apply returned", "done a")
		if took := time.Since(began); took == 0 || took > 3*time.Second {
			t.Errorf("took %s", took)
		}
		w.log.set(func() { w.log.delay = 0 })
		r.apply("+default", source)
		w.ticks(3)
		w.expect("once")
	})
}

func TestApplyKeepsOneQuotaAcrossChanges(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		account := poller.NewAccount(2)
		w.with(func(s *poller.Source) { s.PollInterval, s.MaxInterval = time.Second, time.Second })
		a, b := w.source("a", account, key), w.source("b", account, key)
		r := w.startOf(a)
		for i := range 30 {
			changed := b
			changed.SweepInterval += time.Duration(i) * time.Second
			want := "~b"
			if i == 0 {
				want = "+b"
			}
			r.apply(want, a, changed)
			w.pass(700 * time.Millisecond)
		}
		if most := w.most(key, time.Second); most > 3 {
			t.Errorf("%d requests in a second, the quota is 2", most)
		}
		account.SetRate(10)
		w.sim.ResetRequests()
		w.pass(10 * time.Second)
		fast := w.sim.Counts().Total
		account.SetRate(1)
		w.sim.ResetRequests()
		w.pass(10 * time.Second)
		if slow := w.sim.Counts().Total; slow > 11 || fast < 15 {
			t.Errorf("%d requests in ten seconds at ten a second, and %d at one", fast, slow)
		}
	})
}

func TestSetRateIsHeardByWhoWaitsAndLeavesAThrottleAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := poller.NewAccount(1.0 / 60)
		if err := a.Wait(t.Context(), poller.UrgentHead); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		time.AfterFunc(5*time.Second, func() { a.SetRate(1) })
		if err := a.Wait(t.Context(), poller.UrgentHead); err != nil || time.Since(began) != 5*time.Second {
			t.Errorf("waited %s, %v", time.Since(began), err)
		}
		a.Throttled(time.Second)
		if a.SetRate(4); a.Rate() != 0.5 {
			t.Errorf("rate %v of a throttled account", a.Rate())
		}
		if a.SetRate(0.25); a.Rate() != 0.25 {
			t.Errorf("rate %v above the limit", a.Rate())
		}
	})
}

// A setting that Apply does not look at would never change.
func TestEverySettingOfASourceIsLookedAt(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		account := poller.NewAccount(w.rate)
		source := w.source("default", account, key)
		source.PageSize, source.BaselineRetries, source.MaxInterval = 200, 3, 10*time.Minute
		r := w.startOf(source)
		words, err := diff.NewWords([]string{"REVIEW"}, nil, nil, diff.ParseDone)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]any{
			"UniqueID": "x", "Lister": w.source("default", account, other).Lister, "Account": poller.NewAccount(3),
			"PollInterval": time.Minute, "MaxInterval": time.Hour, "SweepInterval": time.Hour, "PageSize": 7, "Words": words,
			"Emit": true, "StallAfter": time.Hour, "VideoName": "x", "BaselineRetries": 9,
		} {
			changed := source
			reflect.ValueOf(&changed).Elem().FieldByName(name).Set(reflect.ValueOf(value))
			r.apply("~default", changed)
			r.apply("~default", source)
		}
		if n := reflect.TypeFor[poller.Source]().NumField(); n != 13 {
			t.Errorf("a source has %d fields, this test knows of 13", n)
		}
	})
}
