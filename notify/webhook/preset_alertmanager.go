package webhook

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Shape: prometheus/alertmanager, api/v2/openapi.yaml, "postableAlerts" (an array of labels, annotations, startsAt, endsAt,
// generatorURL), and api/v2/api.go: an alert without startsAt starts when it ends; empty labels are dropped; identity is the
// label set; an alert posted as ended that never began notifies nobody.
const (
	defaultAlertFor = 24 * time.Hour
	minAlertFor     = time.Minute
	maxAlertFor     = 90 * 24 * time.Hour
)

func checkAlertFor(d time.Duration) error {
	if d < minAlertFor || d > maxAlertFor {
		return fmt.Errorf("%s is out of range, use %s to %s", d, minAlertFor, maxAlertFor)
	}
	return nil
}

type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	StartsAt     string            `json:"startsAt,omitempty"`
	EndsAt       string            `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

var errNoTime = errors.New("the event has no time, which an alert begins or ends by")

// renderAlertmanager lists the alerts that the events begin and end. An alert stands for a condition of one video, whatever
// request carries it, so that a group is a longer list and no message of its own. All times are the events' own: the list is
// the same on every attempt.
func renderAlertmanager(t *target, events []*eventView) ([]byte, error) {
	var list []alert
	at := make(map[string]int) // by name and subject: of several in a group the last one counts
	put := func(e *eventView, a alert) {
		key := a.Labels["alertname"] + "\x00" + e.Source + "\x00" + e.Subject
		if i, known := at[key]; known {
			list[i] = a
			return
		}
		at[key], list = len(list), append(list, a)
	}
	for _, e := range events {
		what, ok := incidents[e.Type]
		switch {
		case !ok:
			return nil, errNothingToSay
		case e.Time.IsZero():
			return nil, errNoTime
		}
		for _, name := range what.ends {
			put(e, alert{Labels: alertLabels(e, name), EndsAt: alertTime(e.Time)})
		}
		if what.opens {
			put(e, opened(t, e, what))
		}
	}
	return compactJSON(list)
}

// opened is an alert that lasts for the endpoint's time, or until an event ends it.
func opened(t *target, e *eventView, what incident) alert {
	annotations := details(e)
	annotations["summary"] = summarise(e, maxCauseUnits)
	for _, label := range []string{"subject", "why"} { // a label already, and within the summary
		delete(annotations, label)
	}
	if why := e.why(); why != "" {
		annotations["description"] = cut(why, maxCauseUnits)
	}
	return alert{
		Labels: alertLabels(e, what.alert), Annotations: annotations,
		StartsAt: alertTime(e.Time), EndsAt: alertTime(e.Time.Add(t.AlertFor)), GeneratorURL: t.link(e),
	}
}

// alertLabels are the alert's identity: nothing that changes from event to event may be among them.
func alertLabels(e *eventView, name string) map[string]string {
	labels := map[string]string{"alertname": name, "severity": severities[name], "service": "vidbell"}
	switch {
	case e.video():
		labels["source"], labels["video_no"] = clean(e.Data.Source), clean(e.Subject)
	case slices.Contains(incidents["source.recovered"].ends, name):
		labels["source"] = clean(e.Subject)
	default:
		labels["endpoint"] = clean(e.Subject)
	}
	return labels
}

func alertTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
