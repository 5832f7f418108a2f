package app

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"vidbell/notify/event"
)

// eventLine is an event as a terminal shows it: when, what became of what, how long it took, under which id.
//
//	14:03:11  DONE        VI8842…c1        "intake-0417.mp4"        2m41s  evt_7Q2M…
func eventLine(p printer, body []byte, now time.Time) string {
	var e struct {
		ID   string `json:"id"`
		Type string `json:"type"`
		Time string `json:"time"`
		Data struct {
			Source            string   `json:"source"`
			Endpoint          string   `json:"endpoint"`
			VideoNo           string   `json:"video_no"`
			VideoName         string   `json:"video_name"`
			Cause             *string  `json:"cause"`
			Reason            string   `json:"reason"`
			Detail            string   `json:"detail"`
			ProcessingSeconds *float64 `json:"processing_seconds"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return safe(string(body))
	}
	family, word, _ := strings.Cut(e.Type, ".")
	columns := []string{timeOf(e.Time, now)}
	if family != "video" {
		name := e.Data.Source + e.Data.Endpoint
		columns = append(columns, p.paint(typeColour(e.Type), pad(strings.ToUpper(word), 10)), pad(family+" "+name, 22), e.Data.Reason, safe(e.Data.Detail))
		return strings.TrimRight(strings.Join(columns, "  "), " ")
	}
	took := "-"
	if s := e.Data.ProcessingSeconds; s != nil {
		took = human(time.Duration(*s * float64(time.Second)))
	}
	cause := ""
	if e.Data.Cause != nil {
		cause = safe(*e.Data.Cause)
	}
	columns = append(columns, p.paint(typeColour(e.Type), pad(strings.ToUpper(word), 10)), pad(safe(shorten(e.Data.VideoNo, 22)), 22),
		pad(strconv.Quote(safe(shorten(e.Data.VideoName, 28))), 30), pad(took, 8), safe(e.ID), cause)
	return strings.TrimRight(strings.Join(columns, "  "), " ")
}

// timeOf is the time of day here, with the day if that is not today.
func timeOf(text string, now time.Time) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return safe(text)
	}
	at = at.In(now.Location())
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format(time.TimeOnly)
	}
	return at.Format(time.DateTime)
}

func pad(text string, width int) string {
	if n := width - len([]rune(text)); n > 0 {
		return text + strings.Repeat(" ", n)
	}
	return text
}

func typeColour(kind string) colour {
	switch kind {
	case event.TypeDone, event.TypeSourceRecovered, event.TypeEndpointRecovered:
		return green
	case event.TypeFailed, event.TypeSourceDegraded, event.TypeEndpointDisabled:
		return red
	case event.TypeStalled, event.TypeDeleted, event.TypeEndpointDegraded:
		return yellow
	}
	return cyan
}
