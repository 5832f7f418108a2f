package webhook

import (
	"net/http"
	"testing"
)

// While the letter of a replay cannot be removed, the replay is not over; the receiver, which has it, is not asked again.
func TestAReplayIsOverWhenItsLetterIsGone(t *testing.T) {
	t.Parallel()
	in := startReceiver(t, status(http.StatusUnsupportedMediaType))
	e := startEngine(t)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}})
	id := e.append("done", 1)
	eventually(t, "the letter", func() bool { return len(r.letters(DeadQuery{})) == 1 })
	stream, err := e.js.Stream(t.Context(), e.names.DeadStream())
	must(t, err)
	config := stream.CachedInfo().Config
	config.DenyPurge = true
	_, err = e.js.UpdateStream(t.Context(), config)
	must(t, err)
	in.answers(nil)
	r.replay(ReplayRequest{Endpoint: "a", EventIDs: []string{id}})
	eventually(t, "the replay", func() bool { return in.count(id) == 2 })
	eventually(t, "it comes again", func() bool {
		info, err := e.js.Consumer(t.Context(), e.names.ReplayStream(), e.names.Consumer("a"))
		return err == nil && info.CachedInfo().NumRedelivered == 1
	})
	if letters := r.letters(DeadQuery{}); len(letters) != 1 || !letters[0].Queued {
		t.Errorf("while it cannot be removed the letters are %+v", letters)
	}
	must(t, e.js.DeleteStream(t.Context(), e.names.DeadStream()))
	eventually(t, "the queue lets go", func() bool {
		queue, err := e.js.Stream(t.Context(), e.names.ReplayStream())
		return err == nil && queue.CachedInfo().State.Msgs == 0
	})
	if n := in.count(id); n != 2 {
		t.Errorf("%d requests, want the first and one replay", n)
	}
}

// A kill may come between a letter and the acknowledgement of its event: the event is handed out again, as if for the first time,
// and is over.
func TestWhatWasBuriedStaysBuried(t *testing.T) {
	t.Parallel()
	keepers(t, buriedTwice)
}

func buriedTwice(t *testing.T, e *engine) {
	t.Helper()
	in := startReceiver(t, status(http.StatusUnsupportedMediaType))
	endpoints := []Endpoint{{Name: "a", URL: in.URL}}
	first := e.dispatch(endpoints)
	id := e.append("done", 1)
	eventually(t, "the letter", func() bool { return len(first.letters(DeadQuery{})) == 1 })
	first.stop()
	e.rewind("a")
	in.answers(nil)
	second := e.dispatch(endpoints)
	next := e.append("done", 2)
	eventually(t, "the next event", func() bool { return in.count(next) == 1 && second.endpoint("a").Pending == 0 })
	if n, letters := in.count(id), second.letters(DeadQuery{}); n != 1 || len(letters) != 1 || letters[0].EventID != id {
		t.Errorf("%d requests, letters %+v", n, letters)
	}
	second.replay(ReplayRequest{Endpoint: "a", Dead: true})
	eventually(t, "its replay", func() bool { return in.count(id) == 2 && len(second.letters(DeadQuery{})) == 0 })
}
