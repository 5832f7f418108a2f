package poller_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"vidbell/internal/simulator"
	"vidbell/poller"
)

// gone deletes videos on the platform.
func (w *world) gone(videos ...string) {
	w.t.Helper()
	for _, no := range videos {
		if w.sim.Delete("default", no) != 1 {
			w.t.Fatalf("no video %s", no)
		}
	}
}

// hide makes every listing leave videos out, while look-ups find them.
func (w *world) hide(videos ...string) {
	w.t.Helper()
	w.fail(simulator.Fault{Kind: simulator.FaultHide, Hidden: videos, Times: -1, Lane: simulator.LaneWalk})
}

func many(letter string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s%d", letter, i)
	}
	return list
}

func TestS20AVideoThatIsGoneIsToldAtTheSecondSweep(t *testing.T) {
	for _, form := range []simulator.Form{simulator.FormV12, simulator.Form2026} {
		t.Run(string(form), func(t *testing.T) {
			onEveryVocabulary(t, simulator.Options{Form: form}, func(w *world) {
				w.library("a:R", "b:R", "c:F")
				w.start()
				w.expect("baseline")
				w.gone("b")
				w.ticks(1)
				w.expect("the first sweep")
				w.ticks(1)
				w.expect("the second", "deleted b")
				w.ticks(40)
				w.expect("once")
				w.add("b", w.word("P"))
				w.ticks(2)
				w.expect("another life", "processing b")
				w.expectReports("all is well")
			})
		})
	}
}

func TestS21AVideoThatALookUpFindsIsNotGone(t *testing.T) {
	for _, form := range []simulator.Form{simulator.FormV12, simulator.Form2026} {
		t.Run(string(form), func(t *testing.T) {
			onEveryVocabulary(t, simulator.Options{Form: form}, func(w *world) {
				w.library("a:R", "b:P", "c:F")
				w.start()
				w.hide("b")
				w.ticks(20)
				w.expect("there, though no listing shows it")
				w.is("b:R")
				w.ticks(1)
				w.expect("what the look-up shows is news", "done b")
			})
		})
	}
}

func TestS19ManyDeletionsAtOnceAreHeldBack(t *testing.T) {
	for _, form := range []simulator.Form{simulator.FormV12, simulator.Form2026} {
		t.Run(string(form), func(t *testing.T) {
			onEveryVocabulary(t, simulator.Options{Form: form}, func(w *world) {
				w.with(func(s *poller.Source) { s.SweepInterval = time.Minute })
				for _, no := range many("v", 100) {
					w.add(no, w.word("R"))
				}
				w.sim.Add("default", simulator.Video{No: "old", Raw: w.words.Done, CreatedAt: time.Now().Add(-72 * time.Hour)})
				r := w.start()
				w.gone(many("v", 40)...)
				for range 8 { // two sweeps, and the time to look forty videos up
					if w.ticks(1); r.status().Held.Videos > 0 {
						break
					}
				}
				w.expect("two sweeps")
				w.expectReports("held", "degraded mass_deletion")
				if s := r.status(); s.Held.Videos != 40 {
					t.Errorf("held %+v", s.Held)
				}
				w.pass(2*time.Minute + 30*time.Second)
				w.expect("two further sweeps")
				w.pass(4 * time.Minute)
				got := w.log.happened("default", 0)
				slices.Sort(got)
				want := many("deleted v", 40)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("events %q", got)
				}
				w.expectReports("over", "degraded mass_deletion", "recovered mass_deletion")
				w.pass(10 * time.Minute)
				if n := len(w.log.happened("default", 0)); n != 40 {
					t.Errorf("%d events", n)
				}
			})
		})
	}
}

func TestManyDeletionsThatWereNoneAreNeverTold(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{Form: simulator.Form2026}, func(w *world) {
		w.with(func(s *poller.Source) { s.SweepInterval = time.Minute })
		w.library(many("v", 100)...)
		w.start()
		// A replica that has lost half of the library, and is repaired piece by piece.
		for left := 50; left > 0; left -= 10 {
			w.fail(simulator.Fault{Kind: simulator.FaultHide, Hidden: many("v", left), Times: -1})
			w.pass(30 * time.Second)
			w.sim.ClearFaults()
		}
		w.pass(10 * time.Minute)
		w.expect("nothing was deleted")
		w.expectReports("told once", "degraded mass_deletion", "recovered mass_deletion")
	})
}

func TestARestartWhileDeletionsAreHeldIsNoRecovery(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{Form: simulator.Form2026}, func(w *world) {
		w.library(many("v", 100)...)
		r := w.start()
		w.ticks(3)
		w.fail(simulator.Fault{Kind: simulator.FaultHide, Hidden: many("v", 40), Times: -1})
		w.ticks(6)
		w.expectReports("held", "degraded mass_deletion")
		r.kill()
		w.start()
		w.pass(20 * time.Minute)
		w.expectReports("still so", "degraded mass_deletion")
		w.sim.ClearFaults()
		w.pass(25 * time.Minute)
		w.expectReports("there again", "degraded mass_deletion", "recovered mass_deletion")
		w.expect("nothing was deleted")
	})
}

func TestTheOperatorBelievesDeletionsThatAreHeldBack(t *testing.T) {
	inBubble(t, simulator.Options{Words: simulator.WordsLegacy()}, func(w *world) {
		w.library(many("v", 30)...)
		r := w.start()
		if err := r.poller.Release("default"); !errors.Is(err, poller.ErrNothingHeld) {
			t.Errorf("Release returned %v", err)
		}
		if err := r.poller.Release("nobody"); err == nil || errors.Is(err, poller.ErrNothingHeld) {
			t.Errorf("Release returned %v", err)
		}
		w.gone(many("v", 20)...)
		w.ticks(6)
		w.expect("held")
		if err := r.poller.Release("default"); err != nil {
			t.Errorf("Release returned %v", err)
		}
		w.ticks(1)
		if n := len(w.log.happened("default", 0)); n != 20 {
			t.Errorf("%d events after the operator has spoken, want 20", n)
		}
		w.expectReports("over", "degraded mass_deletion", "recovered mass_deletion")
	})
}

func TestASourceThatIsEmptiedIsDoubtedForLong(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{Form: simulator.Form2026}, func(w *world) {
		w.library("a:R", "b:F", "c:P", "d:R")
		w.start()
		w.gone("a", "b", "c", "d")
		w.pass(29 * time.Minute)
		w.expect("nothing yet")
		w.expectReports("told once", "degraded empty")
		w.pass(40 * time.Minute)
		got := w.log.happened("default", 0)
		slices.Sort(got)
		if !slices.Equal(got, []string{"deleted a", "deleted b", "deleted c", "deleted d"}) {
			t.Errorf("events %q", got)
		}
		w.add("e", w.word("P"))
		w.ticks(4)
		w.expectReports("and over", "degraded empty", "recovered empty")
	})
}

func TestAnEmptyListingThatLastsIsNoDeletionWhileLookUpsFindTheVideos(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{Form: simulator.Form2026}, func(w *world) {
		w.library("a:R", "b:F", "c:P", "d:R")
		w.start()
		w.hide("a", "b", "c", "d")
		w.pass(3 * time.Hour)
		w.expect("they are there")
		w.expectReports("told once", "degraded empty")
	})
}

func TestDeletionsWhereNoLookUpIsHonouredNeedAnUnchangedCount(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{IgnoredFilters: []string{"video_nos", "status", "video_no"}}, func(w *world) {
		w.with(pageSize(2))
		w.with(func(s *poller.Source) { s.SweepInterval = time.Minute })
		w.library("a:R", "b:R", "c:F", "d:R", "e:R")
		w.start()
		w.pass(5 * time.Minute)
		w.gone("b")
		w.pass(6 * time.Minute)
		w.expect("after two sweeps that count right", "deleted b")
		w.fail(simulator.Fault{Kind: simulator.FaultHide, Hidden: []string{"d"}, Delta: 1, Times: -1}) // the count says that it is there
		w.pass(10 * time.Minute)
		w.expect("a listing that leaves one out")
	})
}

func TestASourceThatIsEmptiedIsBelievedAlsoWithoutLookUpsAndWithoutAHead(t *testing.T) {
	for name, options := range map[string]simulator.Options{
		"no look-up is honoured":        {IgnoredFilters: []string{"video_nos", "status", "video_no"}},
		"the order is not newest first": {Shuffled: true, Form: simulator.Form2026},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryVocabulary(t, options, func(w *world) {
				w.with(pageSize(2))
				w.with(func(s *poller.Source) { s.SweepInterval = time.Minute })
				videos := many("v", 14)
				w.library(videos...)
				w.start()
				w.pass(10 * time.Minute)
				w.gone(videos...)
				w.pass(4 * time.Minute)
				w.expect("held")
				w.pass(20 * time.Minute)
				if n := len(w.log.happened("default", 0)); n != len(videos) {
					t.Errorf("%d events, want %d deletions", n, len(videos))
				}
			})
		})
	}
}

func TestSuspectsAreLookedUpHoweverSmallTheQuota(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.rate = 0.2
		w.library("a:R", "b:R", "c:F", "d:P")
		w.start()
		w.gone("b")
		w.pass(10 * time.Minute)
		w.expect("a witness is asked for once", "deleted b")
	})
}

func TestARestartForgetsMissesAndDeletesNothingTooSoon(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.library("a:R", "b:R", "c:F")
		r := w.start()
		w.gone("b")
		w.ticks(1)
		r.kill()
		w.start()
		w.expect("one sweep before, one after")
		w.ticks(1)
		w.expect("the second after", "deleted b")
	})
}

func TestANamespaceThatStaysEmptyForADayGetsOneNotice(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.with(func(s *poller.Source) { s.MaxInterval = time.Minute })
		r := w.start()
		w.pass(23 * time.Hour)
		w.expectReports("it may be empty")
		r.kill()
		w.start()
		w.pass(2 * time.Hour)
		w.expectReports("a day has gone by", "degraded empty")
		w.pass(48 * time.Hour)
		w.add("a", w.word("P"))
		w.pass(5 * time.Minute)
		w.expectReports("a video at last", "degraded empty", "recovered empty")
		w.expect("and it is news", "processing a")
	})
}

func TestAVideoThatIsRenamedStaysWatched(t *testing.T) {
	for name, ignored := range map[string][]string{
		"look-ups are honoured":  nil,
		"no look-up is honoured": {"video_nos", "status", "video_no"},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryVocabulary(t, simulator.Options{IgnoredFilters: ignored}, func(w *world) {
				w.with(func(s *poller.Source) { s.VideoName = "intake-*" })
				for _, no := range []string{"a", "b"} {
					w.sim.Add("default", simulator.Video{No: no, Name: "intake-" + no, Raw: w.words.Processing})
				}
				w.start()
				w.sim.Rename("default", "a", "renamed")
				w.ticks(8)
				w.expect("it is not gone")
				w.is("a:F")
				w.ticks(1)
				w.expect("whoever waits for it hears how it ends", "failed a")
			})
		})
	}
}

func TestAVideoWhoseNameIsNotWatchedIsNoVideoOfOurs(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		w.with(func(s *poller.Source) { s.VideoName = "intake-*" })
		add := func(no, name, raw string) {
			w.sim.Add("default", simulator.Video{No: no, Name: name, Raw: raw})
		}
		add("a", "intake-1", w.words.Processing)
		add("b", "other-1", w.words.Processing)
		r := w.start()
		w.is("a:F", "b:F")
		w.ticks(1)
		w.expect("only what is watched", "failed a")
		add("c", "other-2", w.words.Failed)
		add("d", "intake-2", w.words.Failed)
		w.ticks(4)
		w.expect("only what is watched", "failed d")
		if s := r.status(); s.Videos != 2 {
			t.Errorf("%d videos known", s.Videos)
		}
		w.expectReports("all is well")
	})
}
