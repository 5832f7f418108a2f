package notify

import (
	"errors"
	"fmt"
	"testing"

	"vidbell/diff"
)

func (w *world) follow() {
	w.tb.Helper()
	state, err := w.log.Follow(w.tb.Context(), w.state)
	must(w.tb, err)
	w.state = state
}

func TestFollowTakesOverWhatAnotherProcessWrote(t *testing.T) {
	e := startEngine(t, t.TempDir())
	one := load(t, open(t, e))
	one.baseline(seen("a", "UNPARSE", 0), seen("b", "UNPARSE", 0))
	two := load(t, open(t, e))
	apart := loadSource(t, two.log, "apart")
	for i := range 5 { // each writes, and neither has what the other wrote in its own batches
		one.see(seen(fmt.Sprint("one", i), "UNPARSE", 10*i+1))
		two.see(seen(fmt.Sprint("two", i), "UNPARSE", 10*i+2))
		apart.see(seen("a", "UNPARSE", 10*i+3))
		if i%2 == 0 {
			two.follow()
		}
	}
	two.see(seen("a", "PARSE", 100))
	one.follow()
	two.follow()
	same(t, two.reload().state, one.state)
	same(t, one.reload().state, two.state)
	if got := one.state.Status("a"); got != diff.Done {
		t.Errorf("a is %v for the process that did not see it done", got)
	}
	// Processing again: the process that only heard of done must doubt it, and tell it in the end.
	one.see(seen("a", "UNPARSE", 110))
	if res := one.see(seen("a", "UNPARSE", 130)); len(res.Changes) != 1 || res.Changes[0].Kind != diff.KindProcessing {
		t.Errorf("changes %+v", res.Changes)
	}
}

func TestFollowOfMuchReadsEverything(t *testing.T) {
	e := startEngine(t, t.TempDir())
	one := load(t, open(t, e))
	one.baseline(seen("a", "UNPARSE", 0))
	two := load(t, open(t, e))
	var obs []diff.Observation
	for i := range maxFollow + 1 {
		obs = append(obs, seen(fmt.Sprint("v", i), "UNPARSE", 10))
	}
	one.see(obs...)
	before := two.state
	two.follow()
	if two.state == before {
		t.Error("taken over one by one")
	}
	same(t, one.state, two.state)
	before = one.state
	one.follow()
	if one.state != before {
		t.Error("its own events are no reason to read everything")
	}
	one.see(seen("v1", "PARSE", 20))
	two.follow()
	same(t, one.state, two.state)
}

func TestFollowOfWhatIsUnreadable(t *testing.T) {
	e := startEngine(t, t.TempDir())
	w := load(t, open(t, e))
	w.baseline(seen("a", "UNPARSE", 0))
	_, err := e.JetStream.PublishMsg(t.Context(), asOurs("vidbell.append.done.default.a", `{"specversion":"9"}`))
	must(t, err)
	_, err = w.log.Follow(t.Context(), w.state)
	var unreadable *LoadError
	if !errors.As(err, &unreadable) {
		t.Errorf("Follow returned %v", err)
	}
}

func TestFollowWithoutAnEngineLeavesTheStateAlone(t *testing.T) {
	e := startEngine(t, t.TempDir())
	w := load(t, open(t, e))
	w.baseline(seen("a", "UNPARSE", 0))
	e.Close()
	state, err := w.log.Follow(t.Context(), w.state)
	if err == nil || state != w.state {
		t.Errorf("Follow returned another state: %v, %v", state != w.state, err)
	}
}
