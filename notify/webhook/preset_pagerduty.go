package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"regexp"
	"time"
)

// Shape and limits: developer.pagerduty.com, "Events API v2: Send an Alert Event", and PagerDuty/api-schema,
// reference/events-v2/openapiv3.json (routing_key of 32 characters, summary of at most 1,024, dedup_key of at most 255,
// severity one of critical, error, warning, info; one event a request, answered by 202). A resolve for a key that has no open
// alert is accepted and does nothing.
const (
	pagerDutyURL          = "https://events.pagerduty.com/v2/enqueue" // of the US region; the EU has events.eu.pagerduty.com
	pagerDutySummaryLimit = 1024
	pagerDutyKeyLimit     = 255
	pagerDutyClient       = "vidbell"
)

var routingKeyPattern = regexp.MustCompile(`^[A-Za-z0-9]{32}$`)

func checkRoutingKey(key string) error {
	switch {
	case key == "":
		return errors.New("the pagerduty format needs the integration key of a service, 32 letters and digits")
	case !routingKeyPattern.MatchString(key):
		return errors.New("this is no integration key of Events API v2, which has 32 letters and digits")
	}
	return nil
}

type pagerDutyEvent struct {
	RoutingKey string            `json:"routing_key"`
	Action     pagerDutyAction   `json:"event_action"`
	DedupKey   string            `json:"dedup_key"`
	Client     string            `json:"client,omitempty"`
	Payload    *pagerDutyPayload `json:"payload,omitempty"` // of a trigger
	Links      []pagerDutyLink   `json:"links,omitempty"`
}

type pagerDutyAction string

const (
	pagerDutyTrigger pagerDutyAction = "trigger"
	pagerDutyResolve pagerDutyAction = "resolve"
)

type pagerDutyPayload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity"`
	Timestamp string            `json:"timestamp,omitempty"`
	Component string            `json:"component,omitempty"`
	Group     string            `json:"group,omitempty"`
	Class     string            `json:"class,omitempty"`
	Details   map[string]string `json:"custom_details,omitempty"`
}

type pagerDutyLink struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// incident is what a type of event does to the incident, or the alert, of its subject.
type incident struct {
	opens    bool
	severity string // critical, error, warning or info
	alert    string // Alertmanager's alertname
	ends     []string
}

// incidents tells both on-call formats what an event means. A failed video no longer hangs; a deleted one needs nobody.
var incidents = map[string]incident{
	"video.failed":       {opens: true, severity: "error", alert: "VideoFailed", ends: []string{"VideoStalled"}},
	"video.stalled":      {opens: true, severity: "warning", alert: "VideoStalled"},
	"video.done":         {ends: []string{"VideoFailed", "VideoStalled"}},
	"video.deleted":      {ends: []string{"VideoFailed", "VideoStalled"}},
	"source.degraded":    {opens: true, severity: "critical", alert: "VideoSourceDegraded"},
	"source.recovered":   {ends: []string{"VideoSourceDegraded"}},
	"endpoint.degraded":  {opens: true, severity: "warning", alert: "WebhookEndpointDegraded"},
	"endpoint.disabled":  {opens: true, severity: "error", alert: "WebhookEndpointDisabled", ends: []string{"WebhookEndpointDegraded"}},
	"endpoint.recovered": {ends: []string{"WebhookEndpointDegraded", "WebhookEndpointDisabled"}},
}

// severities of alerts, by name: an alert that ends must have the labels that it began with.
var severities = map[string]string{
	"VideoFailed": "error", "VideoStalled": "warning", "VideoSourceDegraded": "critical",
	"WebhookEndpointDegraded": "warning", "WebhookEndpointDisabled": "error",
}

// renderPagerDuty opens an incident for each video, source or endpoint in trouble, and resolves it by the same key. Events
// are not grouped: an incident is acknowledged, escalated and resolved by itself, and grouping them is a setting of the
// PagerDuty service.
func renderPagerDuty(t *target, events []*eventView) ([]byte, error) {
	e := events[0]
	what, ok := incidents[e.Type]
	if !ok {
		return nil, errNothingToSay
	}
	out := pagerDutyEvent{RoutingKey: t.RoutingKey, Action: pagerDutyResolve, DedupKey: dedupKey(e)}
	if what.opens {
		out.Action, out.Client = pagerDutyTrigger, pagerDutyClient
		out.Payload = pagerDutyDetails(e, what)
		if link := t.link(e); link != "" {
			out.Links = []pagerDutyLink{{Href: link, Text: cut(e.name(), maxNameUnits)}}
		}
	}
	return compactJSON(out)
}

// dedupKey is source and subject: all that happens to a video is one incident.
func dedupKey(e *eventView) string {
	key := e.Source + "/" + e.Subject
	if !e.video() {
		key = e.Source + "#health" // no video's key has the # in that place
	}
	if len(key) > pagerDutyKeyLimit {
		sum := sha256.Sum256([]byte(key))
		key = "vidbell/" + hex.EncodeToString(sum[:])
	}
	return key
}

func pagerDutyDetails(e *eventView, what incident) *pagerDutyPayload {
	p := &pagerDutyPayload{
		Summary: summarise(e, pagerDutySummaryLimit), Source: cut(clean(e.Source), maxNameUnits), Severity: what.severity,
		Component: cut(e.name(), maxNameUnits), Class: e.Type, Details: details(e),
	}
	if e.video() {
		p.Group = cut(clean(e.Data.Source), maxIDUnits)
	}
	if !e.Time.IsZero() {
		p.Timestamp = e.Time.UTC().Format(time.RFC3339Nano)
	}
	return p
}

// summarise says all of an event that fits in one line.
func summarise(e *eventView, limit int) string {
	w := words(e)
	text := headline(w.one+" "+w.did) + ": " + cut(e.name(), maxNameUnits)
	if why := e.why(); why != "" {
		text += ": " + why
	}
	return cut(text, limit)
}

// details are the facts of an event by name, without those that are not known.
func details(e *eventView) map[string]string {
	facts := map[string]string{
		"event_id": e.ID, "subject": e.Subject, "why": e.why(), "video_name": e.Data.VideoName, "raw_status": e.Data.RawStatus,
		"processing": processingTime(e),
	}
	for name, value := range facts {
		if value = cut(clean(value), maxCauseUnits); value == "" {
			delete(facts, name)
		} else {
			facts[name] = value
		}
	}
	return facts
}
