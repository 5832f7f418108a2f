package webhook

import (
	"slices"
	"testing"

	"vidbell/notify/event"
)

// What subscribers import knows every type that endpoints may ask for, and every reason that is told of them.
func TestSubscribersKnowOurWords(t *testing.T) {
	if got := knownTypes(); !slices.Equal(got, event.Types()) {
		t.Errorf("endpoints may ask for %v, subscribers know %v", got, event.Types())
	}
	want := []string{string(CauseFailing), string(CauseGone), string(CauseNoSuccess), string(CauseOperator), event.ReasonTest}
	if !slices.Equal(event.EndpointReasons(), want) {
		t.Errorf("the reasons are %v, subscribers know %v", want, event.EndpointReasons())
	}
}
