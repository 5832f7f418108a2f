package history

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

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
	Status   string // of the video, as the event tells it; empty for others
	Body     []byte // as it was stored
	ops      bool
}

// Filter chooses events. What is empty lets everything through.
type Filter struct {
	Types   []string // event types or globs
	Source  string
	VideoNo string
	Status  string // that the event tells of a video
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
	if len(f.Types) > 0 && !slices.ContainsFunc(f.Types, func(glob string) bool { return matches(glob, kind) }) {
		return false
	}
	switch f.Status {
	case "":
		return true
	case event.StatusDone, event.StatusFailed, event.StatusDeleted:
		return kind == "video."+f.Status
	}
	return kind == event.TypeProcessing || kind == event.TypeStalled
}

func (f Filter) passes(e Event) bool {
	return f.wants(e.Type) && (f.Source == "" || f.Source == e.Source) && (f.VideoNo == "" || f.VideoNo == e.VideoNo) &&
		(f.Status == "" || f.Status == e.Status)
}

// videos are the narrowest subjects that have all events about videos that pass; none when no such event can.
func (f Filter) videos(names notify.Names) []string {
	kinds := chosen(event.VideoTypes(), f.wants)
	about := event.Filter{Source: f.Source, VideoNo: f.VideoNo}
	if len(kinds) == len(event.VideoTypes()) {
		return []string{event.Names(names).Videos(about)}
	}
	return subjects(kinds, func(kind string) string {
		about.Type = kind
		return event.Names(names).Videos(about)
	})
}

// ops are the same for events about sources and endpoints. They are asked for by their types, or come with no filter at all.
func (f Filter) ops(names notify.Names) []string {
	if f.VideoNo != "" || f.Status != "" || len(f.Types) == 0 && f.Source != "" {
		return nil
	}
	kinds := chosen(event.OpsTypes(), f.wants)
	if len(kinds) == len(event.OpsTypes()) {
		return []string{names.OpsAll()}
	}
	return subjects(kinds, event.Names(names).Ops)
}

func chosen(kinds []string, wanted func(string) bool) (list []string) {
	for _, kind := range kinds {
		if wanted(kind) {
			list = append(list, kind)
		}
	}
	return list
}

func subjects(kinds []string, subject func(string) string) []string {
	list := make([]string, len(kinds))
	for i, kind := range kinds {
		list[i] = subject(kind)
	}
	return list
}

// read makes an event of what is stored. ok is false for what vidbell did not write.
func read(names notify.Names, m stored) (e Event, ok bool) {
	if !notify.IsEvent(m.header) {
		return Event{}, false
	}
	e = Event{Seq: m.seq, StoredAt: m.at.UTC(), ID: m.header.Get(nats.MsgIdHdr), Body: m.body}
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
			Status  string `json:"status"`
		} `json:"data"`
	}
	if json.Unmarshal(m.body, &about) != nil {
		return Event{}, false
	}
	e.Source, e.VideoNo, e.Status = about.Data.Source, about.Data.VideoNo, about.Data.Status
	return e, true
}
