package e2e

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vidbell/internal/engine"
)

// The names that the README gives to users.
const (
	logStream  = "VIDEOS"
	deadStream = "VIDBELL_DEAD"
	allEvents  = "video.>"
)

// stored is one event in the log.
type stored struct {
	event
	subject string
	header  nats.Header
	body    string
}

// openData opens the data directory of a process that has ended: what is really on disk.
func openData(t *testing.T, dir string) jetstream.JetStream {
	t.Helper()
	e, err := engine.Start(engine.Config{DataDir: dir})
	must(t, err)
	t.Cleanup(e.Close)
	must(t, e.WaitReady(t.Context(), nil))
	return e.JetStream
}

// readLog returns all events in the log, in their order.
func readLog(t *testing.T, js jetstream.JetStream) []stored {
	t.Helper()
	var events []stored
	for _, m := range messages(t, js, logStream) {
		if !strings.HasPrefix(m.Subject, "video.") {
			continue // state that is no news
		}
		s := stored{subject: m.Subject, header: m.Header, body: string(m.Data)}
		must(t, json.Unmarshal(m.Data, &s.event))
		events = append(events, s)
	}
	return events
}

// readDead returns the ids of the events that were given up.
func readDead(t *testing.T, js jetstream.JetStream) map[string]bool {
	t.Helper()
	dead := map[string]bool{}
	for _, m := range messages(t, js, deadStream) {
		dead[m.Header.Get("Vidbell-Event-Id")] = true
	}
	return dead
}

func messages(t *testing.T, js jetstream.JetStream, name string) []*jetstream.RawStreamMsg {
	t.Helper()
	stream, err := js.Stream(t.Context(), name)
	must(t, err)
	state := stream.CachedInfo().State
	var list []*jetstream.RawStreamMsg
	for seq := max(1, state.FirstSeq); seq <= state.LastSeq; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // replaced by a newer one on its subject
		}
		must(t, err)
		list = append(list, m)
	}
	return list
}

// ledger is everything that is known at the end of a test.
type ledger struct {
	truth    map[string]story
	stored   []stored
	arrivals []arrival
	dead     map[string]bool
}

// check holds the promises against the truth.
func (l ledger) check(t *testing.T) {
	t.Helper()
	byID := l.checkStored(t)
	l.checkStories(t)
	l.checkArrivals(t, byID)
}

// checkStored: one stored copy of each event, under its one id, on its own subject, and the versions of a video without a
// gap in the order of the log.
func (l ledger) checkStored(t *testing.T) map[string]stored {
	t.Helper()
	byID, versions := map[string]stored{}, map[string]int{}
	for _, s := range l.stored {
		if first, twice := byID[s.ID]; twice {
			t.Errorf("stored twice: %s and %s", first.body, s.body)
		}
		byID[s.ID] = s
		if want := "video." + s.kind() + "." + s.Data.Source + "." + s.Data.VideoNo; s.subject != want {
			t.Errorf("stored under %s, not %s", s.subject, want)
		}
		if id := s.header.Get(jetstream.MsgIDHeader); id != s.ID {
			t.Errorf("Nats-Msg-Id %q of %s", id, s.body)
		}
		versions[s.Data.VideoNo]++
		if s.Data.Version != versions[s.Data.VideoNo] {
			t.Errorf("version %d comes where %d should: %s", s.Data.Version, versions[s.Data.VideoNo], s.body)
		}
		if (s.Data.Cause != nil) != (s.kind() == failed) || s.Data.Cause != nil && *s.Data.Cause != cause {
			t.Errorf("the cause is not the platform's: %s", s.body)
		}
	}
	return byID
}

// checkStories: each video's events are what happened to it on the platform, no more and no fewer.
func (l ledger) checkStories(t *testing.T) {
	t.Helper()
	byVideo := map[string][]event{}
	for _, s := range l.stored {
		byVideo[s.Data.VideoNo] = append(byVideo[s.Data.VideoNo], s.event)
	}
	for no, s := range l.truth {
		if got := kinds(byVideo[no]); !s.accepts(got) {
			t.Errorf("%s: announced %v, but on the platform it went %v", no, got, s.kinds)
		}
		delete(byVideo, no)
	}
	for no, events := range byVideo {
		t.Errorf("%s: announced %v, but it never moved", no, kinds(events))
	}
}

// checkArrivals: whatever arrived is in the log, with the same bytes each time; whatever is in the log arrived, or was given
// up for good.
func (l ledger) checkArrivals(t *testing.T, byID map[string]stored) {
	t.Helper()
	type change struct {
		no      string
		version int
	}
	taken, ids, repeats := map[string]bool{}, map[change]string{}, 0
	for _, a := range l.arrivals {
		if s, ok := byID[a.ID]; !ok {
			t.Errorf("delivered, but not in the log: %s", a.body)
		} else if s.body != a.body {
			t.Errorf("delivered %s, stored %s", a.body, s.body)
		}
		at := change{a.Data.VideoNo, a.Data.Version}
		if id, known := ids[at]; known && id != a.ID {
			t.Errorf("version %d of %s was delivered as %s and as %s", at.version, at.no, id, a.ID)
		}
		ids[at] = a.ID
		if taken[a.ID] {
			repeats++
		}
		taken[a.ID] = taken[a.ID] || a.taken()
	}
	for id, s := range byID {
		if !taken[id] && !l.dead[id] {
			t.Errorf("stored, but neither delivered nor a dead letter: %s", s.body)
		}
	}
	t.Logf("%d videos moved, %d events stored, %d requests, %d of them repeats, %d dead letters",
		len(l.truth), len(byID), len(l.arrivals), repeats, len(l.dead))
}
