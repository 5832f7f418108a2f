package history

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"time"

	"vidbell/notify"
	"vidbell/notify/event"
)

// Event is one stored event.
type Event struct {
	Seq      uint64    // its place in its stream
	StoredAt time.Time // by the engine's clock
	ID       string
	Type     string
	Source   string // of a video or source; empty for endpoint.* events
	VideoNo  string // empty for events about no video
	Body     []byte // as it was stored
	ops      bool
}

// Filter chooses events. What is empty lets everything through.
type Filter struct {
	Types   []string // event types or globs
	Source  string
	VideoNo string
}

// Check returns the first glob that matches no type, "" when all do.
func (f Filter) Check() string {
	for _, glob := range f.Types {
		if !slices.ContainsFunc(event.Types(), func(kind string) bool { return matches(glob, kind) }) {
			return glob
		}
	}
	return ""
}

func matches(glob, kind string) bool {
	ok, err := path.Match(glob, kind)
	return ok && err == nil
}

func (f Filter) wants(kind string) bool {
	return len(f.Types) == 0 || slices.ContainsFunc(f.Types, func(glob string) bool { return matches(glob, kind) })
}

func (f Filter) passes(e Event) bool {
	return f.wants(e.Type) && (f.Source == "" || f.Source == e.Source) && (f.VideoNo == "" || f.VideoNo == e.VideoNo)
}

// videos is the narrowest subject that has all events about videos that pass, "" when none can.
func (f Filter) videos(names notify.Names) string {
	var kinds []string
	for _, kind := range event.VideoTypes() {
		if f.wants(kind) {
			kinds = append(kinds, kind)
		}
	}
	about := event.Filter{Source: f.Source, VideoNo: f.VideoNo}
	switch len(kinds) {
	case 0:
		return ""
	case 1:
		about.Type = kinds[0]
	}
	return event.Names(names).Videos(about)
}

// ops is the same for events about sources and endpoints. They are asked for by their types, or come with no filter at all.
func (f Filter) ops(names notify.Names) string {
	if f.VideoNo != "" || len(f.Types) == 0 && f.Source != "" {
		return ""
	}
	var kinds []string
	for _, kind := range event.OpsTypes() {
		if f.wants(kind) {
			kinds = append(kinds, kind)
		}
	}
	switch len(kinds) {
	case 0:
		return ""
	case 1:
		return event.Names(names).Ops(kinds[0])
	}
	return names.OpsAll()
}

// read makes an event of what is stored. ok is false for what vidbell did not write.
func read(names notify.Names, m stored) (e Event, ok bool) {
	if !notify.IsEvent(m.header) {
		return Event{}, false
	}
	e = Event{Seq: m.seq, StoredAt: m.at.UTC(), ID: first(m.header["Nats-Msg-Id"]), Body: m.body}
	at, err := event.Names(names).ParseSubject(m.subject)
	if err != nil {
		return Event{}, false
	}
	e.Type = at.Type
	e.ops = !strings.HasPrefix(at.Type, "video.")
	// The subject may hold a hash in place of a long number; the body has the number itself.
	var about struct {
		Data struct {
			Source  string `json:"source"`
			VideoNo string `json:"video_no"`
		} `json:"data"`
	}
	if json.Unmarshal(m.body, &about) != nil {
		return Event{}, false
	}
	e.Source, e.VideoNo = about.Data.Source, about.Data.VideoNo
	return e, true
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
