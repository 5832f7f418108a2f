package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"vidbell/diff"
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
	// Of notes only: the version the note stands beside, and when it was observed.
	Version uint32    `json:"version,omitempty"`
	At      diff.Time `json:"at,omitempty"`
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
	Schema     int           `json:"schema"`
	BaselineAt diff.Time     `json:"baseline_at,omitempty"`
	Evidence   diff.Evidence `json:"evidence"`
}

func store(videoNo string, r diff.Record) storedVideo {
	return storedVideo{
		VideoNo: videoNo, Name: r.Name, Raw: r.Raw, Cause: r.Cause, Duration: r.Duration, Size: r.Size,
		Created: r.CreatedAt, FirstSeen: r.FirstSeen, RunStart: r.RunStart,
	}
}

func (v storedVideo) record() diff.Record {
	return diff.Record{
		Name: v.Name, Raw: v.Raw, Cause: v.Cause, Duration: v.Duration, Size: v.Size,
		CreatedAt: v.Created, FirstSeen: v.FirstSeen, ChangedAt: v.FirstSeen, RunStart: v.RunStart,
	}
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

// decodeEvent reads back what a stored event says about its video.
func decodeEvent(body []byte) (videoNo string, r diff.Record, err error) {
	var e VideoEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return "", r, err
	}
	d := e.Data
	status, ok := diff.ParseStatus(d.Status)
	if !ok || d.VideoNo == "" || d.Version == 0 || e.SpecVersion != specVersion {
		return "", r, fmt.Errorf("not an event of ours: specversion %q, status %q, version %d", e.SpecVersion, d.Status, d.Version)
	}
	r = diff.Record{
		Name: d.VideoName, Raw: d.RawStatus, Duration: d.DurationSeconds, Size: d.SizeBytes, Version: d.Version,
		Status: status, Stalled: strings.HasSuffix(e.Type, "."+string(diff.KindStalled)),
	}
	if d.Cause != nil {
		r.Cause = *d.Cause
	}
	var errs [3]error
	r.ChangedAt, errs[0] = unstamp(e.Time)
	r.FirstSeen, errs[1] = unstamp(d.FirstSeenAt)
	if d.CreatedAt != nil {
		r.CreatedAt, errs[2] = unstamp(*d.CreatedAt)
	}
	if !status.Settled() && status != diff.Deleted {
		r.RunStart = runStart(r.ChangedAt, d.ProcessingSeconds)
	}
	return d.VideoNo, r, errors.Join(errs[:]...)
}

func runStart(at diff.Time, seconds *float64) diff.Time {
	if seconds == nil {
		return at
	}
	return at - diff.Time(*seconds*float64(time.Second/time.Millisecond))
}
