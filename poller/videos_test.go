package poller_test

import (
	"fmt"
	"slices"
	"testing"

	"vidbell/diff"
	"vidbell/internal/simulator"
	"vidbell/poller"
)

func keysOf(list []poller.Video) (keys []string) {
	for _, v := range list {
		keys = append(keys, v.Source+"/"+v.VideoNo)
	}
	return keys
}

func TestVideosAreListedInPagesThatMissNothing(t *testing.T) {
	onEveryVocabulary(t, simulator.Options{}, func(w *world) {
		var items []string
		for i := range 25 {
			items = append(items, fmt.Sprintf("v%02d:%s", i, []string{"P", "R", "F"}[i%3]))
		}
		w.library(items...)
		r := w.start()
		w.ticks(4)
		whole, more := r.poller.Videos(poller.VideoQuery{Limit: 100})
		if len(whole) != 25 || more {
			t.Fatalf("%d videos, more %v", len(whole), more)
		}
		for _, limit := range []int{1, 4, 24, 25} {
			var paged []string
			q := poller.VideoQuery{Limit: limit}
			for more := true; more; {
				var list []poller.Video
				list, more = r.poller.Videos(q)
				paged = append(paged, keysOf(list)...)
				q.After = list[len(list)-1].VideoKey
			}
			if !slices.Equal(paged, keysOf(whole)) {
				t.Errorf("in pages of %d: %q", limit, paged)
			}
		}
		status := r.status()
		for _, st := range []diff.Status{diff.Processing, diff.Done, diff.Failed} {
			if list, _ := r.poller.Videos(poller.VideoQuery{Status: st, Limit: 100}); len(list) != status.Counts[st] {
				t.Errorf("%d videos are %s, the status says %d", len(list), st, status.Counts[st])
			}
		}
		if list := r.poller.Video("", whole[3].VideoNo); len(list) != 1 || list[0] != whole[3] {
			t.Errorf("one video: %+v, want %+v", list, whole[3])
		}
		if list, _ := r.poller.Videos(poller.VideoQuery{Source: "elsewhere", Limit: 10}); len(list) != 0 {
			t.Errorf("%d videos of a source that there is not", len(list))
		}
		if list := r.poller.Video("", "v99"); len(list) != 0 {
			t.Errorf("a video that there is not: %+v", list)
		}
	})
}
