package notify

import (
	"encoding/json"
	"testing"
	"time"

	"vidbell/notify/event"
)

func TestATestEventLooksLikeARealOneAndSaysThatItIsNone(t *testing.T) {
	types := append(VideoTypes(), TypeSourceDegraded, TypeSourceRecovered, TypeEndpointDegraded, TypeEndpointDisabled, TypeEndpointRecovered)
	for _, kind := range types {
		body, err := TestEvent("evt_test_1", kind, "ops", time.Date(2026, 11, 23, 22, 4, 5, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		var ev event.Event[struct {
			VideoNo string `json:"video_no"`
			Status  string `json:"status"`
			Test    bool   `json:"test"`
		}]
		if err := json.Unmarshal(body, &ev); err != nil {
			t.Fatalf("%s: %v: %s", kind, err, body)
		}
		if ev.ID != "evt_test_1" || ev.Type != kind || !ev.Data.Test || ev.Subject == "" || ev.Time != "2026-11-23T22:04:05.000Z" {
			t.Errorf("%s: %s", kind, body)
		}
		if video, _, err := decodeEvent(body); kind[:6] == "video." && (err != nil || video != testVideo) {
			t.Errorf("%s does not read as an event: %v", kind, err)
		}
	}
	if _, err := TestEvent("evt_test_1", "weather.changed", "ops", time.Now()); err == nil {
		t.Error("a type that there is not has an event")
	}
}
