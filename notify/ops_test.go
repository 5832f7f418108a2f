package notify

import (
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

func TestAnEndpointEventIsACloudEventOfItsOwn(t *testing.T) {
	at := time.Date(2026, 11, 23, 22, 4, 5, 123_456_789, time.UTC)
	trouble := EndpointTrouble{Endpoint: "ops-1", Reason: "failing", Detail: "502 Bad Gateway <b>", Since: at.Add(-time.Minute), At: at}
	ev := NewEndpointEvent(TypeEndpointDegraded, trouble)
	body, err := encode(ev)
	if err != nil {
		t.Fatal(err)
	}
	var parsed event.Event
	if err := json.Unmarshal(body, &parsed); err != nil {
		t.Fatal(err)
	}
	if err := parsed.Validate(); err != nil {
		t.Error(err)
	}
	if parsed.Source() != "urn:vidbell:endpoint:ops-1" || parsed.Subject() != "ops-1" || parsed.Type() != "endpoint.degraded" ||
		ev.Time != "2026-11-23T22:04:05.123Z" || ev.Timestamp != ev.Time || ev.Data.Since != "2026-11-23T22:03:05.123Z" {
		t.Errorf("%s", body)
	}
	if !regexp.MustCompile(`^evt_[a-z0-9]{32}$`).MatchString(ev.ID) {
		t.Errorf("id %s", ev.ID)
	}
	if again := NewEndpointEvent(TypeEndpointDegraded, trouble); again.ID == ev.ID {
		t.Error("two events share an id")
	}
}
