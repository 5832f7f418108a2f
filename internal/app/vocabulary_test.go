package app

import (
	"slices"
	"testing"

	"vidbell/notify/event"
	"vidbell/poller"
	"vidbell/poller/memories"
)

// What subscribers import knows every type, and every reason that is told of a source.
func TestSubscribersKnowOurWords(t *testing.T) {
	if got := EventTypes(); !slices.Equal(got, event.Types()) {
		t.Errorf("the types are %v, subscribers know %v", got, event.Types())
	}
	want := []string{event.ReasonTest}
	for _, class := range memories.Classes() {
		if class != memories.ClassCanceled { // our own doing, never told
			want = append(want, string(class))
		}
	}
	want = append(want, texts(poller.ReasonCountMismatch, poller.ReasonEmpty, poller.ReasonDeletions, poller.ReasonListing)...)
	if got := event.SourceReasons(); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Errorf("the reasons are %v, subscribers know %v", want, got)
	}
}
