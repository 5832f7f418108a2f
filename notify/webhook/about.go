package webhook

import (
	"encoding/json"

	"vidbell/notify"
	"vidbell/notify/event"
)

// about tells from an event's subject, and if that is not enough from its body, what it is about. source is empty for events
// about endpoints, video for those about no video.
func about(names notify.Names, subject string, body []byte) (kind, source, video string) {
	s, err := event.Names(names).ParseSubject(subject)
	if err != nil || s.Hashed {
		return aboutBody(body)
	}
	return s.Type, s.Source, s.VideoNo
}

// aboutBody is for names so long that their tokens are hashes.
func aboutBody(body []byte) (kind, source, video string) {
	var e struct {
		Type string `json:"type"`
		Data struct {
			Source  string `json:"source"`
			VideoNo string `json:"video_no"`
		} `json:"data"`
	}
	_ = json.Unmarshal(body, &e) // what is no event of ours is about nothing
	return e.Type, e.Data.Source, e.Data.VideoNo
}

func (l *lane) aboutOf(d *delivery) (kind, source, video string) {
	return about(l.names, d.subject, d.body)
}
