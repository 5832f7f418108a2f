package memories

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds on what is kept of a video, in bytes. Documented ids have 20, causes a sentence, status words at most 11.
const (
	maxIDBytes     = 512
	maxNameBytes   = 1 << 10
	maxCauseBytes  = 4 << 10
	maxStatusBytes = 64
)

// create_time is in milliseconds.
const (
	// minMillis: what is smaller is taken for seconds. As milliseconds it would lie before March 1973, as seconds it
	// reaches to the year 5138.
	minMillis = 100_000_000_000
	// maxMillis is the end of the year 9999, the last that RFC 3339 can write.
	maxMillis = 253_402_300_799_999
)

// Video is one item of the listing.
type Video struct {
	// VideoNo is the id, never empty, at most 512 bytes.
	VideoNo string
	// Name is the stored name, not unique, at most 1 KiB.
	Name string
	// RawStatus is the platform's word for the status, at most 64 bytes; "" if it said nothing. A word that came as no
	// string is kept as JSON, so that it shows as unknown rather than as nothing.
	RawStatus string
	// Cause says why a video failed, at most 4 KiB; "" if the platform gave none.
	Cause string
	// Duration is in seconds, 0 if unknown.
	Duration int64
	// Size is in bytes, 0 if unknown.
	Size int64
	// CreatedAt is when the video was uploaded, in UTC; zero if unknown.
	CreatedAt time.Time
}

// wireVideo is an item as sent, its values still JSON. Later fields of a pair are the camelCase spelling, which the
// platform uses in uploads and callbacks, and clients have met in lists.
type wireVideo struct {
	no, noCamel, name, nameCamel, status, statusCamel []byte
	created, createdCamel, cause, duration, size      []byte
}

func (w *wireVideo) set(key, value []byte) {
	switch string(key) {
	case "video_no":
		w.no = value
	case "videoNo":
		w.noCamel = value
	case "video_name":
		w.name = value
	case "videoName":
		w.nameCamel = value
	case "status":
		w.status = value
	case "videoStatus":
		w.statusCamel = value
	case "create_time":
		w.created = value
	case "createTime":
		w.createdCamel = value
	case "cause":
		w.cause = value
	case "duration":
		w.duration = value
	case "size":
		w.size = value
	}
}

// parseVideo reads one item. Without a usable id the result has none.
func parseVideo(raw []byte) Video {
	if !isObject(raw) {
		return Video{}
	}
	var w wireVideo
	for key, value := range members(raw) {
		w.set(key, value)
	}
	return Video{
		VideoNo:   idText(firstOf(w.no, w.noCamel)),
		Name:      cut(text(firstOf(w.name, w.nameCamel)), maxNameBytes),
		RawStatus: statusText(firstOf(w.status, w.statusCamel)),
		Cause:     cut(text(w.cause), maxCauseBytes),
		Duration:  integerOr(w.duration, 0),
		Size:      integerOr(w.size, 0),
		CreatedAt: millis(firstOf(w.created, w.createdCamel)),
	}
}

// idText returns a usable id or "". One that is too long is not cut: it would become another video's.
func idText(raw []byte) string {
	id := text(raw)
	if len(id) > maxIDBytes || strings.TrimSpace(id) == "" {
		return ""
	}
	return id
}

// statusText shares the memory of the usual words, of which a library holds as many as videos.
func statusText(raw []byte) string {
	switch string(raw) {
	case `"PARSE"`:
		return "PARSE"
	case `"UNPARSE"`:
		return "UNPARSE"
	case `"FAILED"`:
		return "FAILED"
	case `"DONE"`:
		return "DONE"
	}
	switch {
	case isNone(raw):
		return ""
	case isString(raw):
		return cut(unquote(raw), maxStatusBytes)
	default:
		return cut(strings.ToValidUTF8(string(raw[:min(len(raw), 2*maxStatusBytes)]), "\uFFFD"), maxStatusBytes)
	}
}

// millis reads create_time. No platform of videos has one from before 1973, so every time it returns reads the same when
// written as milliseconds.
func millis(raw []byte) time.Time {
	n := integerOr(raw, 0)
	if n < minMillis {
		n *= 1000
	}
	if n < minMillis || n > maxMillis {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

// cut shortens s to at most limit bytes without splitting a rune, and lets go of the rest.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strings.Clone(s[:limit])
}
