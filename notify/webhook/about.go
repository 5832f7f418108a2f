package webhook

import (
	"encoding/json"
	"strings"

	"vidbell/notify"
)

// about tells from an event's subject, and if that is not enough from its body, what it is about. source is empty for events
// about endpoints, video for those about no video.
func about(names notify.Names, subject string, body []byte) (kind, source, video string) {
	if rest, ok := strings.CutPrefix(subject, strings.TrimSuffix(names.AllEvents(), ">")); ok {
		word, rest, _ := strings.Cut(rest, ".")
		first, second, _ := strings.Cut(rest, ".")
		source, err := notify.Untoken(first)
		video, err2 := notify.Untoken(second)
		if err == nil && err2 == nil {
			return "video." + word, source, video
		}
		return aboutBody(body)
	}
	if rest, ok := strings.CutPrefix(subject, strings.TrimSuffix(names.OpsAll(), ">")); ok {
		dot := strings.LastIndexByte(rest, '.')
		if dot < 0 {
			return rest, "", ""
		}
		if kind = rest[:dot]; strings.HasPrefix(kind, "endpoint.") {
			return kind, "", ""
		}
		source, err := notify.Untoken(rest[dot+1:])
		if err == nil {
			return kind, source, ""
		}
	}
	return aboutBody(body)
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
