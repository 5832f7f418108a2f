package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func (r *running) attempts(q AttemptQuery) []Attempt {
	r.tb.Helper()
	var all []Attempt
	for {
		list, next, err := r.Attempts(r.tb.Context(), q)
		must(r.tb, err)
		if all = append(all, list...); next == 0 {
			return all
		}
		q.Before = next
	}
}

func TestEveryAttemptIsInTheDeliveryLog(t *testing.T) {
	t.Parallel()
	failures := 2
	in := startReceiver(t, nil)
	in.answers(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Webhook-Id") == "evt_failed2" && failures > 0 {
			failures--
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "no \x1b[31m such thing "+strings.Repeat("x", 8<<10))
			return
		}
		fmt.Fprint(w, "thanks")
	})
	e := startEngine(t)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0,50ms,50ms")}})
	e.append("done", 1)
	e.append("failed", 2)
	eventually(t, "both are delivered", func() bool {
		return slices.ContainsFunc(r.attempts(AttemptQuery{EventID: "evt_failed2"}), func(a Attempt) bool { return a.Result == ResultDelivered }) &&
			len(r.attempts(AttemptQuery{EventID: "evt_done1"})) == 1
	})

	list := r.attempts(AttemptQuery{Endpoint: "a", EventID: "evt_failed2"})
	if len(list) != 3 || list[0].Number != 3 || list[2].Number != 1 || list[0].Result != ResultDelivered || list[0].Status != 200 {
		t.Fatalf("not the three attempts, newest first: %+v", list)
	}
	first := list[2]
	if first.Type != "video.failed" || first.Source != "default" || first.VideoNo != "VI2" || first.Endpoint != "a" {
		t.Errorf("the attempt does not say what it was about: %+v", first)
	}
	if first.Class != string(ClassStatus) || first.Status != 400 || first.Result != ResultRetry || !first.NextAt.After(first.At) {
		t.Errorf("the attempt does not say what came of it: %+v", first)
	}
	if !strings.HasPrefix(first.Excerpt, "no \x1b[31m such") || len(first.Excerpt) != failureExcerpt {
		t.Errorf("not the beginning of the answer: %d bytes, %.20q", len(first.Excerpt), first.Excerpt)
	}
	if list[0].Excerpt != "thanks" {
		t.Errorf("the excerpt of a success is %q", list[0].Excerpt)
	}
}

func TestAttemptsAreFoundByWhatTheyWere(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	r := e.prepare([]Endpoint{{Name: "a", URL: "http://127.0.0.1:1"}, {Name: "b", URL: "http://127.0.0.1:1"}})
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for i := range 20_000 { // several pages
		s := storedAttempt{
			EventID: fmt.Sprint("evt_", i), At: start.Add(time.Duration(i) * time.Second), Type: "video.done", Source: "default",
			VideoNo: fmt.Sprint("VI", i), Number: 1, Result: ResultDelivered,
		}
		if i%100 == 0 {
			s.Class, s.Status, s.Result, s.Type = ClassStatus, 503, ResultRetry, "video.failed"
		}
		endpoint := "a"
		if i%1000 == 7 {
			endpoint = "b"
		}
		r.journal.add(endpoint, s)
		if i%777 == 0 {
			must(t, r.journal.flush(t.Context()))
		}
	}
	for name, c := range map[string]struct {
		query AttemptQuery
		want  int
	}{
		"an endpoint with few":     {AttemptQuery{Endpoint: "b"}, 20},
		"one event":                {AttemptQuery{EventID: "evt_12345"}, 1},
		"no part of an id":         {AttemptQuery{EventID: "evt_"}, 0},
		"one video":                {AttemptQuery{VideoNo: "VI17"}, 1},
		"failures only":            {AttemptQuery{Failed: true}, 200},
		"a class":                  {AttemptQuery{Class: "status"}, 200},
		"another class":            {AttemptQuery{Class: "dns"}, 0},
		"a type":                   {AttemptQuery{Type: "video.failed"}, 200},
		"a glob":                   {AttemptQuery{Type: "video.*", EventID: "evt_9"}, 1},
		"another source":           {AttemptQuery{Source: "marketing"}, 0},
		"a span, its end excluded": {AttemptQuery{Since: start.Add(100 * time.Second), Until: start.Add(200 * time.Second)}, 100},
		"small answers":            {AttemptQuery{Failed: true, Limit: 7}, 200},
		"everything":               {AttemptQuery{Limit: 1000}, 20_000},
	} {
		got := r.attempts(c.query)
		if len(got) != c.want {
			t.Errorf("%s: got %d, want %d", name, len(got), c.want)
		}
		if !slices.IsSortedFunc(got, func(a, b Attempt) int { return int(b.Seq>>1) - int(a.Seq>>1) }) {
			t.Errorf("%s: not newest first", name)
		}
	}
}

func TestQueriesThatCannotBeAreNamed(t *testing.T) {
	t.Parallel()
	e := startEngine(t)
	r := e.prepare([]Endpoint{{Name: "a", URL: "http://127.0.0.1:1"}})
	now := time.Now()
	for field, q := range map[string]AttemptQuery{
		"limit":    {Limit: 1001},
		"type":     {Type: "video.donne"},
		"class":    {Class: "nope"},
		"until":    {Since: now, Until: now},
		"endpoint": {Endpoint: "b"},
	} {
		_, _, err := r.Attempts(t.Context(), q)
		var mistake *FieldError
		if !errors.As(err, &mistake) || mistake.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, _, err := r.Attempts(t.Context(), AttemptQuery{Endpoint: "b"}); !errors.Is(err, ErrNoEndpoint) {
		t.Errorf("an unknown endpoint: %v", err)
	}
}

// A log that cannot be written is no reason to wait, and what it missed is counted.
func TestTheDeliveryLogNeverHoldsUpADelivery(t *testing.T) {
	t.Parallel()
	in := startReceiver(t, nil)
	e := startEngine(t)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}})
	must(t, e.js.DeleteStream(t.Context(), e.names.DeliveriesStream()))
	for i := range 200 {
		e.append("done", i)
	}
	eventually(t, "all are delivered", func() bool { return len(in.seen()) == 200 })
	_, err := e.js.CreateStream(t.Context(), deliveriesStream(e.names, 1))
	must(t, err)
	eventually(t, "the records are there", func() bool { return len(r.attempts(AttemptQuery{Limit: 1000})) >= 200 })

	full := newJournal(r.config, r.journal.lost)
	line := make([]byte, 1<<20)
	for range 2 * journalBytes / len(line) {
		full.line("a", line)
	}
	if full.size > journalBytes || full.missed == 0 {
		t.Errorf("the journal holds %d bytes and missed %d", full.size, full.missed)
	}
}

// Records of the last moment are written when the dispatcher is told to stop.
func TestTheDeliveryLogIsWholeAfterAStop(t *testing.T) {
	t.Parallel()
	in := startReceiver(t, nil)
	e := startEngine(t)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL}})
	for i := range 50 {
		e.append("done", i)
	}
	eventually(t, "all are delivered", func() bool { return len(in.seen()) == 50 })
	r.stop()
	stream, err := e.js.Stream(t.Context(), e.names.DeliveriesStream())
	must(t, err)
	lines := 0
	for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		msg, err := stream.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		must(t, err)
		lines += strings.Count(string(msg.Data), "\n")
	}
	if lines != 50 {
		t.Errorf("%d records of 50", lines)
	}
}

func TestAGroupHasARecordForEachEvent(t *testing.T) {
	t.Parallel()
	in := startReceiver(t, nil)
	e := startEngine(t)
	r := e.dispatch([]Endpoint{grouping(in.URL, 3)})
	for i := range 3 {
		e.append("failed", i)
	}
	eventually(t, "three records", func() bool { return len(r.attempts(AttemptQuery{})) == 3 })
	for i, a := range r.attempts(AttemptQuery{}) {
		if a.GroupSize != 3 || a.Group != in.seen()[0].id || a.EventID != fmt.Sprint("evt_failed", 2-i) || a.VideoNo == "" {
			t.Errorf("record %d: %+v", i, a)
		}
	}
}

// The lines that are written out by hand are those that encoding/json would write.
func TestALineIsTheJSONThatItsTagsSay(t *testing.T) {
	at := time.Date(2026, 11, 23, 22, 4, 5, 123456789, time.UTC)
	for name, s := range map[string]storedAttempt{
		"nothing but what must be": {EventID: "evt_1", At: at, Number: 1, Result: ResultDelivered},
		"everything": {
			EventID: "evt_1", At: at, Type: "video.done", Source: "default", VideoNo: "VI1", Number: 3, Took: time.Second, Status: 503,
			Class: ClassStatus, Detail: "503 Service Unavailable", Result: ResultRetry, NextAt: at.Add(time.Hour), Excerpt: "oh no",
			Replay: true, Group: "grp_1", Size: 7,
		},
		"text that needs escapes": {
			EventID: "evt_\"1\"", At: at, VideoNo: "Film – \\ \x00", Number: 1, Result: ResultRetry, Excerpt: "<b>\x1b[31m\xff\n</b>",
		},
	} {
		want, err := json.Marshal(s)
		must(t, err)
		if got := s.appendTo(nil); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}
