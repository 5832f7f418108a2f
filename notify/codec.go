package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"vidbell/diff"
	"vidbell/notify/event"
)

// schema is the version of what is kept under the state subjects. A log with a newer one is refused, untouched.
const schema = 1

// storedVideo is a video in a baseline page or a note.
type storedVideo struct {
	VideoNo   string    `json:"no"`
	Name      string    `json:"name,omitempty"`
	Raw       string    `json:"raw"`
	Cause     string    `json:"cause,omitempty"`
	Duration  int64     `json:"dur,omitempty"`
	Size      int64     `json:"size,omitempty"`
	Created   diff.Time `json:"created,omitempty"`
	FirstSeen diff.Time `json:"seen"`
	RunStart  diff.Time `json:"run,omitempty"`
	At        diff.Time `json:"at,omitempty"` // when its word moved while its status stayed
	// Of a video never announced: the status it was in when its word moved in flight. In pages, of one that was announced in a log
	// that was lost: the status announced.
	Status  string    `json:"status,omitempty"`
	Version uint32    `json:"version,omitempty"` // the version that a note stands beside, or that was announced before the page
	Changed diff.Time `json:"changed,omitempty"` // of pages only, as the next
	Stalled bool      `json:"stalled,omitempty"`
}

type storedPage struct {
	Schema int           `json:"schema"`
	Videos []storedVideo `json:"videos"`
}

type storedNote struct {
	Schema int         `json:"schema"`
	Video  storedVideo `json:"video"`
}

type storedMeta struct {
	Schema       int           `json:"schema"`
	BaselineAt   diff.Time     `json:"baseline_at,omitempty"`
	EmptyAtFirst bool          `json:"baseline_empty,omitempty"`
	Evidence     diff.Evidence `json:"evidence"`
	Filters      diff.Filters  `json:"filters,omitzero"`
}

func store(videoNo string, r diff.Record) storedVideo {
	v := storedVideo{
		VideoNo: videoNo, Name: r.Name, Raw: r.Raw, Cause: r.Cause, Duration: r.Duration, Size: r.Size,
		Created: r.CreatedAt, FirstSeen: r.FirstSeen, RunStart: r.RunStart, At: r.NotedAt, Version: r.Version,
	}
	if r.Version == 0 {
		v.Status = r.Status.String()
	}
	return v
}

// storeLearned also says what was announced.
func storeLearned(videoNo string, r diff.Record) storedVideo {
	v := store(videoNo, r)
	if r.Version > 0 {
		v.Status, v.Changed, v.Stalled = r.Status.String(), r.ChangedAt, r.Stalled
	}
	return v
}

func (v storedVideo) record() (diff.Record, error) {
	r := diff.Record{
		Status: v.status(),
		Name:   v.Name, Raw: v.Raw, Cause: v.Cause, Duration: v.Duration, Size: v.Size,
		CreatedAt: v.Created, FirstSeen: v.FirstSeen, ChangedAt: v.FirstSeen, NotedAt: v.At, RunStart: v.RunStart,
	}
	if v.Version == 0 {
		return r, nil
	}
	if r.Status == diff.None {
		return r, fmt.Errorf("%w: unknown status %q", errNewer, v.Status)
	}
	r.Version, r.ChangedAt, r.Stalled = v.Version, v.Changed, v.Stalled
	return r, nil
}

// status is none of ours in a log that a newer one has written: then it follows the word.
func (v storedVideo) status() diff.Status {
	st, _ := diff.ParseStatus(v.Status)
	return st
}

var errNewer = errors.New("written by a newer vidbell")

func checkSchema(found int) error {
	if found > schema {
		return fmt.Errorf("%w: schema %d, this one knows %d", errNewer, found, schema)
	}
	if found < 1 {
		return fmt.Errorf("schema %d is none of ours", found)
	}
	return nil
}

func decodeNote(body []byte) (storedVideo, error) {
	var n storedNote
	if err := json.Unmarshal(body, &n); err != nil {
		return storedVideo{}, err
	}
	return n.Video, checkSchema(n.Schema)
}

// storedEvent is the part of an event that tells a record back. A start reads hundreds of thousands.
type storedEvent struct {
	SpecVersion string `json:"specversion"`
	Type        string `json:"type"`
	Time        string `json:"time"`
	Data        struct {
		VideoNo           string   `json:"video_no"`
		VideoName         string   `json:"video_name"`
		Status            string   `json:"status"`
		RawStatus         string   `json:"raw_status"`
		Cause             string   `json:"cause"`
		DurationSeconds   int64    `json:"duration_seconds"`
		SizeBytes         int64    `json:"size_bytes"`
		CreatedAt         string   `json:"created_at"`
		FirstSeenAt       string   `json:"first_seen_at"`
		ProcessingSeconds *float64 `json:"processing_seconds"`
		Version           uint32   `json:"version"`
	} `json:"data"`
}

// decodeEvent reads back what a stored event says about its video.
func decodeEvent(body []byte) (videoNo string, r diff.Record, err error) {
	var e storedEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return "", r, err
	}
	d := &e.Data
	if d.VideoNo == "" || d.Version == 0 || e.SpecVersion != event.SpecVersion {
		return "", r, fmt.Errorf("not an event of ours: specversion %q, video %q, version %d", e.SpecVersion, d.VideoNo, d.Version)
	}
	status, ok := diff.ParseStatus(d.Status)
	if !ok || status == diff.None {
		return "", r, fmt.Errorf("%w: unknown status %q", errNewer, d.Status)
	}
	r = diff.Record{
		Name: d.VideoName, Raw: d.RawStatus, Cause: d.Cause, Duration: d.DurationSeconds, Size: d.SizeBytes, Version: d.Version,
		Status: status, Stalled: e.Type == TypeOf(diff.KindStalled),
	}
	var errs [3]error
	r.ChangedAt, errs[0] = unstamp(e.Time)
	r.FirstSeen, errs[1] = unstamp(d.FirstSeenAt)
	r.CreatedAt, errs[2] = unstamp(d.CreatedAt)
	if !status.Settled() && status != diff.Deleted {
		r.RunStart = runStart(e.Type, r.ChangedAt, d.ProcessingSeconds)
	}
	return d.VideoNo, r, errors.Join(errs[:]...)
}

// runStart is when the run began that an event shows. A run that begins with its event has no time to tell yet.
func runStart(kind string, at diff.Time, seconds *float64) diff.Time {
	switch {
	case seconds != nil:
		return at - diff.Time(math.Round(*seconds*1000))
	case kind == TypeOf(diff.KindProcessing):
		return at
	default:
		return 0
	}
}

// lay lays a note over the record it was made beside. It reports false for a note that a later event overtook: that says
// nothing any more.
func (v storedVideo) lay(r *diff.Record) bool {
	if r.Version != v.Version || v.At < r.ChangedAt {
		return false
	}
	r.Name, r.Raw, r.Cause, r.Duration, r.Size = v.Name, v.Raw, v.Cause, v.Duration, v.Size
	r.CreatedAt, r.NotedAt, r.RunStart = v.Created, v.At, v.RunStart
	if v.Version == 0 {
		r.Status = v.status()
	}
	return true
}

// encodePages writes what a baseline learnt, in pages of at most maxPageBytes each.
func encodePages(learned []diff.Learned) ([][]byte, error) {
	type rawPage struct {
		Schema int               `json:"schema"`
		Videos []json.RawMessage `json:"videos"`
	}
	var pages [][]byte
	page, size := rawPage{Schema: schema}, 0
	flush := func() error {
		body, err := encode(page)
		pages = append(pages, body)
		page.Videos, size = nil, 0
		return err
	}
	for _, v := range learned {
		video, err := encode(storeLearned(v.VideoNo, v.Record)) // encoded here, since escapes make text up to six times as long
		if err != nil {
			return nil, err
		}
		if size += len(video) + 1; size > maxPageBytes && len(page.Videos) > 0 {
			if err := flush(); err != nil {
				return nil, err
			}
			size = len(video) + 1
		}
		page.Videos = append(page.Videos, video)
	}
	if len(page.Videos) == 0 {
		return pages, nil
	}
	return pages, flush()
}
