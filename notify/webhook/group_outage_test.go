package webhook

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// Groups that failed in an outage are told as they were when it is over, without waiting for their schedules.
func TestAfterAnOutageGroupsAreToldAtOnceAndAsTheyWere(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, status(http.StatusServiceUnavailable))
	endpoint := grouping(in.URL, 20)
	endpoint.Schedule = schedule(t, "0,1h,1h")
	r := e.dispatch([]Endpoint{endpoint}, func(c *Config) {
		c.timing = timing{first: 50 * time.Millisecond, most: 100 * time.Millisecond, giveUp: giveUpAfter}
	})
	e.appendRange("done", 0, 200)
	eventually(t, "the breaker to open", func() bool { return r.roster().lanes[0].gate.isOpen() })
	eventually(t, "some probes", func() bool { return len(in.seen()) > 8 })
	in.answers(nil)
	start := time.Now()
	eventually(t, "every event", func() bool { return e.unanswered("a") == 0 })
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	messages, _ := toldIn(t, in)
	told := 0
	for _, ids := range messages {
		told += len(ids)
	}
	if told != 200 || len(messages) > 30 {
		t.Errorf("%d events in %d messages", told, len(messages))
	}
	for _, letter := range e.messages(e.names.DeadStream(), ">") {
		t.Errorf("a letter: %v", letter.Header)
	}
}

// Of one video a later event is never told in an earlier message, whatever fails in between.
func TestGroupsKeepTheOrderOfAVideo(t *testing.T) {
	t.Parallel()
	e, in := startEngine(t), startReceiver(t, nil)
	in.answers(func(w http.ResponseWriter, _ *http.Request) {
		if len(in.seen()) <= 2 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	endpoint := grouping(in.URL, 20)
	endpoint.Order, endpoint.Schedule = OrderVideo, schedule(t, "0,200ms,200ms,200ms,200ms,200ms")
	e.dispatch([]Endpoint{endpoint})
	for i := range 15 {
		e.append("failed", i)
		e.append("done", i)
	}
	eventually(t, "every event", func() bool { return e.unanswered("a") == 0 })
	toldIn(t, in)
	at := map[string]int{} // the last request that told an event: the one that was answered well
	for n, q := range in.seen() {
		var ids []string
		must(t, json.Unmarshal(q.body, &ids))
		for _, id := range ids {
			at[id] = n + 1
		}
	}
	for i := range 15 {
		failed, done := at["evt_failed"+strconv.Itoa(i)], at["evt_done"+strconv.Itoa(i)]
		if failed == 0 || done <= failed {
			t.Errorf("video %d: failed in request %d, done in %d", i, failed, done)
		}
	}
}
