package webhook

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Format says what an endpoint's requests look like.
type Format string

// The formats of requests.
const (
	FormatStandard     Format = "standard"     // the event's own JSON as application/json
	FormatCloudEvents  Format = "cloudevents"  // the same bytes as application/cloudevents+json
	FormatSlack        Format = "slack"        // a message to a Slack incoming webhook
	FormatDiscord      Format = "discord"      // a message to a Discord webhook
	FormatTeams        Format = "teams"        // an adaptive card to a Microsoft Teams workflow
	FormatPagerDuty    Format = "pagerduty"    // an incident opened or resolved by Events API v2
	FormatAlertmanager Format = "alertmanager" // alerts by Alertmanager's API v2
	FormatTemplate     Format = "template"     // what the operator's own template makes of the event
)

const (
	defaultChatWait = 10 * time.Second // a burst of failures is one message; a single one is not late
	defaultGroupMax = 500
)

// preset is what there is to know of a format.
type preset struct {
	name        Format
	contentType string
	// render makes a request's body of one event, or of a group. It looks at nothing but its arguments: the same events and
	// settings make the same bytes on every attempt, after a restart too. Without it the event's own bytes are sent.
	render func(*target, []*eventView) ([]byte, error)
	// types are the event types that mean something in this format; none for all of them.
	types []string
	// groups says that one request can carry several events.
	groups    bool
	groupWait time.Duration // default of Endpoint.GroupWait
	events    []string      // default of Endpoint.Events, where it is not the usual one
}

// incidentTypes are what opens or closes an incident or an alert. That a video is being processed does neither.
var incidentTypes = []string{
	"video.failed", "video.stalled", "video.done", "video.deleted",
	"source.degraded", "source.recovered", "endpoint.degraded", "endpoint.disabled", "endpoint.recovered",
}

// presets are in the order in which a mistake is answered with them.
var presets = []preset{
	{name: FormatStandard, contentType: "application/json"},
	{name: FormatCloudEvents, contentType: "application/cloudevents+json"},
	{name: FormatSlack, contentType: jsonType, render: renderSlack, groups: true, groupWait: defaultChatWait},
	{name: FormatDiscord, contentType: jsonType, render: renderDiscord, groups: true, groupWait: defaultChatWait},
	{name: FormatTeams, contentType: jsonType, render: renderTeams, groups: true, groupWait: defaultChatWait},
	{name: FormatPagerDuty, contentType: jsonType, render: renderPagerDuty, types: incidentTypes, events: incidentTypes[:4]},
	{name: FormatAlertmanager, contentType: jsonType, render: renderAlertmanager, types: incidentTypes, events: incidentTypes[:4], groups: true},
	{name: FormatTemplate, contentType: jsonType, render: renderTemplate, groups: true},
}

const jsonType = "application/json"

func presetOf(f Format) (preset, bool) {
	i := slices.IndexFunc(presets, func(p preset) bool { return p.name == f })
	if i < 0 {
		return preset{}, false
	}
	return presets[i], true
}

func checkFormat(f Format) error {
	if _, ok := presetOf(f); ok {
		return nil
	}
	names := make([]string, len(presets))
	for i, known := range presets {
		names[i] = string(known.name)
	}
	return fmt.Errorf("%q is no format, there are %s", string(f), strings.Join(names, ", "))
}

// narrow turns globs into the types that the format has words for, so that no event comes that nothing could be said about.
func (p preset) narrow(patterns []string) []string {
	if p.types == nil {
		return patterns
	}
	return slices.DeleteFunc(slices.Clone(p.types), func(kind string) bool { return !matchesAny(patterns, kind) })
}

// checkSpeaks complains about a glob that asks only for events the format has no words for: it would mean silence.
func (p preset) checkSpeaks(pattern string) error {
	if p.types == nil || slices.ContainsFunc(p.types, func(kind string) bool { return matchesAny([]string{pattern}, kind) }) {
		return nil
	}
	return fmt.Errorf("%q opens or resolves nothing in the %s format, there are %s", pattern, p.name, strings.Join(p.types, ", "))
}

// renderError says why no request could be made of an event. It is the endpoint's fault, or the event's, never the receiver's.
type renderError struct{ err error }

func (e *renderError) Error() string { return "render: " + e.err.Error() }
func (e *renderError) Unwrap() error { return e.err }

var errNothingToSay = errors.New("the format has no words for this type of event")

// compose makes the body that goes to the endpoint of the deliveries given. They are in the order of the log.
func (t *target) compose(bodies ...[]byte) ([]byte, error) {
	if t.preset.render == nil {
		return bodies[0], nil
	}
	events := make([]*eventView, len(bodies))
	for i, body := range bodies {
		var err error
		if events[i], err = readEvent(body); err != nil {
			return nil, &renderError{err}
		}
	}
	out, err := t.preset.render(t, events)
	if err != nil {
		return nil, &renderError{err}
	}
	return out, nil
}

// compilePreset makes the endpoint's format ready, and names the settings that do not fit it.
func (t *target) compilePreset() (problems []error) {
	complain := func(field string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", field, err))
		}
	}
	complain("format", checkFormat(t.Format))
	t.preset, _ = presetOf(t.Format)
	t.patterns, t.contentType = t.preset.narrow(t.Events), []string{t.preset.contentType}
	complain("link", checkLink(t.Link))
	if t.preset.name != "" {
		complain("group_wait, group_max", checkGrouping(t.preset, t.GroupWait, t.GroupMax))
	}
	complain("routing_key", t.onlyFor(FormatPagerDuty, t.RoutingKey != "", func() error { return checkRoutingKey(t.RoutingKey) }))
	complain("alert_for", t.onlyFor(FormatAlertmanager, t.AlertFor != 0, func() error { return checkAlertFor(t.AlertFor) }))
	complain("template", t.onlyFor(FormatTemplate, t.Template != "", t.compileTemplate))
	complain("content_type", t.onlyFor(FormatTemplate, t.ContentType != "", func() error { return checkContentType(t.ContentType) }))
	if t.Format == FormatTemplate {
		t.contentType = []string{t.ContentType}
	}
	if t.Format == FormatDiscord {
		t.url = waiting(t.url)
	}
	return problems
}

// onlyFor checks a setting of one format, and refuses it in the others: it would be without effect, and missed.
func (t *target) onlyFor(f Format, set bool, check func() error) error {
	switch {
	case t.Format == f:
		return check()
	case set:
		return fmt.Errorf("it belongs to the %s format, this is %s", f, t.Format)
	default:
		return nil
	}
}

// waiting asks Discord to answer after the message is kept. Without that a message it drops is answered like one it took
// ("Execute Webhook", parameter wait).
func waiting(u *url.URL) *url.URL {
	if u == nil || u.Query().Has("wait") {
		return u
	}
	with := *u
	if with.RawQuery != "" {
		with.RawQuery += "&"
	}
	with.RawQuery += "wait=true"
	return &with
}

// unrenderable gives a delivery up that no request can be made of. No attempt is spent, and another would do no better; a
// replay will, once the endpoint's settings are right.
func (l *lane) unrenderable(d *delivery, past record, err error) {
	now := l.now()
	if past.Attempts == 0 {
		past.FirstAt = now
	}
	past.LastAt, past.LastStatus, past.LastClass = now, 0, ClassRender
	past.LastDetail, past.Dead = printable(err.Error(), maxDetailBytes), ReasonRender
	l.fail(d, past, "")
	l.buryAndFinish(d, past)
}
