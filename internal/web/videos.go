package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// ErrNoVideo means that no source knows a video.
var ErrNoVideo = errors.New("no such video")

// VideoReader is what is known of videos. It is safe for concurrent use. Its errors are ErrStarting, ErrNoSource, ErrNoVideo,
// ErrAway and *InvalidError.
type VideoReader interface {
	// Videos returns videos by source and number.
	Videos(f VideoFilter) (VideoList, error)
	// Video returns one video and its events, the newest first.
	Video(ctx context.Context, source, videoNo string) (VideoHistory, error)
}

// VideoFilter narrows videos down. The zero value of every field but Limit lets everything through.
type VideoFilter struct {
	Source       string
	Status       string
	RawStatus    string
	Name         string    // a part of it, upper and lower case alike
	ChangedSince time.Time // changed, or first seen, at or after
	After        string    // where the page before ended
	Limit        int
}

// VideoList is the body of GET /v1/videos.
type VideoList struct {
	Videos     []Video `json:"videos"`
	NextCursor string  `json:"next_cursor"` // empty: there is no more
	Counts     Videos  `json:"counts"`      // of all videos of the sources asked about, whatever else was asked for
}

// Video is what is known of one video. Times are RFC 3339 in UTC; null means that there is none.
type Video struct {
	Source          string     `json:"source"`
	VideoNo         string     `json:"video_no"`
	VideoName       string     `json:"video_name"`
	Status          string     `json:"status"`
	RawStatus       string     `json:"raw_status"`
	Cause           string     `json:"cause"`
	Version         uint32     `json:"version"` // 0: no event was made of it
	Stalled         bool       `json:"stalled"`
	CreatedAt       *time.Time `json:"created_at"` // by the platform
	FirstSeenAt     *time.Time `json:"first_seen_at"`
	ChangedAt       *time.Time `json:"changed_at"`
	ProcessingSince *time.Time `json:"processing_since"` // of one in processing that was seen to begin
	DurationSeconds int64      `json:"duration_seconds"`
	SizeBytes       int64      `json:"size_bytes"`
}

// VideoHistory is the body of GET /v1/videos/{source}/{video_no}.
type VideoHistory struct {
	Video Video `json:"video"`
	// Announced says that an event was made of it: else it was there at the baseline, and has not moved since.
	Announced bool `json:"announced"`
	// WaitsFor is what keeps something about it from being told: word (its PARSE counts as processing until the source shows what
	// that means), confirmation (it was seen to go back, or to be another one), missing (sweeps no longer show it), hold (so many
	// are missing that an operator or further sweeps must agree); empty for nothing.
	WaitsFor string        `json:"waits_for"`
	Events   []StoredEvent `json:"events"` // the newest first; those that the log still has
}

// HandleVideos adds the pages about videos, behind the token.
func (s *Server) HandleVideos(reader VideoReader) {
	s.Handle("GET /v1/videos", page(func(_ *http.Request, q *query) (any, error) {
		f := VideoFilter{
			Source: q.text("source"), Status: q.text("status"), RawStatus: q.text("raw_status"), Name: q.text("name"),
			ChangedSince: q.moment("changed_since"), After: q.text("cursor"), Limit: q.count("limit", usualPage, maxPage),
		}
		if err := q.problem(); err != nil {
			return nil, err
		}
		list, err := reader.Videos(f)
		list.Videos = append([]Video{}, list.Videos...)
		return list, err
	}))
	s.Handle("GET /v1/videos/{source}/{video_no}", page(func(r *http.Request, q *query) (any, error) {
		if err := q.problem(); err != nil {
			return nil, err
		}
		source, no := r.PathValue("source"), r.PathValue("video_no")
		if problem := textProblem(source + no); problem != "" {
			return nil, &InvalidError{Field: "video_no", Problem: problem}
		}
		v, err := reader.Video(r.Context(), source, no)
		v.Events = append([]StoredEvent{}, v.Events...)
		return v, err
	}))
}

// VideoCursor writes where a page of videos ended; numbers are the platform's, and may hold anything.
func VideoCursor(source, videoNo string) string {
	text, _ := json.Marshal([]string{source, videoNo})
	return string(text)
}

// ParseVideoCursor reads it.
func ParseVideoCursor(text string) (source, videoNo string, err error) {
	if text == "" {
		return "", "", nil
	}
	var pair []string
	if json.Unmarshal([]byte(text), &pair) != nil || len(pair) != 2 || strings.TrimSpace(pair[0]) == "" {
		return "", "", &InvalidError{Field: "cursor", Problem: "write next_cursor of the page before, as it was"}
	}
	return pair[0], pair[1], nil
}
