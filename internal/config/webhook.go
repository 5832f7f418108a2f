package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The ranges of what a receiver may be set to, those of the package webhook.
const (
	minHookRate      = 0.001
	maxHookRate      = 10_000
	minAlertFor      = time.Minute
	maxAlertFor      = 90 * 24 * time.Hour
	minGroupWait     = 100 * time.Millisecond
	maxGroupWait     = 10 * time.Minute
	maxGroupMax      = 1000
	maxHandshakeRate = 1_000_000 // a minute

	orderNone  = "none"
	orderVideo = "video"

	defaultFormat = "standard"
)

// alertFormats open and end something with their events, so they want those that end it as well.
var alertFormats = []string{"pagerduty", "alertmanager"}

// alertEvents are the event types of alertFormats when nobody says otherwise.
func alertEvents() []string {
	return []string{"video.failed", "video.stalled", "video.done", "video.deleted"}
}

// hookFormats are the formats of requests, the default first.
func hookFormats() []string {
	return []string{defaultFormat, "cloudevents", "slack", "discord", "teams", "pagerduty", "alertmanager", "template"}
}

// choiceVariables say which events receivers get, and how they come.
func choiceVariables() []Variable {
	return []Variable{
		{
			Name: "VIDBELL_WEBHOOK_SOURCES", Type: "list",
			Meaning: "names of the sources whose events are delivered; all of them when unset",
			set:     into(func(c *Config) *[]string { return &c.Webhook.Sources }, parseNames),
		},
		{
			Name: "VIDBELL_WEBHOOK_FILTER", Type: typeExpression,
			Meaning: `an event is delivered if this is true of it, as in data.duration_seconds > 60 && data.video_name startsWith "raw_"; ` +
				"the names are those of the event's JSON, the language is that of expr-lang.org",
			set: into(func(c *Config) *string { return &c.Webhook.Filter }, asIs),
		},
		{
			Name: "VIDBELL_WEBHOOK_ORDER", Type: orderNone + "|" + orderVideo, Default: orderNone,
			Meaning: "none or video: with video, an event waits until the earlier ones of its video are delivered or given up; pagerduty and alertmanager always have it",
			set:     into(func(c *Config) *string { return &c.Webhook.Order }, parseOrder),
		},
		{
			Name: "VIDBELL_WEBHOOK_RATE_LIMIT", Type: "number", Default: "0",
			Meaning: "requests a second per receiver, evenly spread, 0.001 to 10000; 0 for no limit",
			set:     into(func(c *Config) *float64 { return &c.Webhook.RateLimit }, parseHookRate),
		},
	}
}

// requestVariables say what goes with each request, whatever its format.
func requestVariables() []Variable {
	return []Variable{
		{
			Name: "VIDBELL_WEBHOOK_INSECURE_HTTP", Type: "true|false", Default: "false",
			Meaning: "plain http to public addresses too, where anybody on the way can read and change it",
			set:     into(func(c *Config) *bool { return &c.Webhook.InsecureHTTP }, parseBool),
		},
		{
			Name: "VIDBELL_WEBHOOK_HEADERS", Type: "list of Name=Value", Secret: true,
			Meaning: `headers of each request, such as Authorization=Bearer abc. A comma inside a value is written \,; in a file each may be on a line of its own`,
			set:     into(func(c *Config) *map[string]Secret { return &c.Webhook.Headers }, parseHeaders),
		},
		{
			Name: "VIDBELL_WEBHOOK_HANDSHAKE_ORIGIN", Type: "text",
			Meaning: "DNS name of this installation; with it receivers are asked by the CloudEvents handshake, and get nothing unless they agree",
			set:     into(func(c *Config) *string { return &c.Webhook.HandshakeOrigin }, asIs),
		},
		{
			Name: "VIDBELL_WEBHOOK_HANDSHAKE_RATE", Type: "number",
			Meaning: "requests a minute that the handshake asks for, 1 to 1000000; none are asked for when unset",
			set:     into(func(c *Config) *int { return &c.Webhook.HandshakeRate }, countTo(maxHandshakeRate)),
		},
	}
}

// formatVariables say what requests look like.
func formatVariables() []Variable {
	return []Variable{
		{
			Name: "VIDBELL_WEBHOOK_FORMAT", Type: strings.Join(hookFormats(), "|"), Default: defaultFormat,
			Meaning: "what requests look like: standard and cloudevents are the event's own JSON, slack, discord and teams chat messages, " +
				"pagerduty incidents, alertmanager alerts, template what VIDBELL_WEBHOOK_TEMPLATE makes of it",
			set: into(func(c *Config) *string { return &c.Webhook.Format }, oneOf(hookFormats()...)),
		},
		{
			Name: "VIDBELL_WEBHOOK_LINK", Type: "URL",
			Meaning: "leads from a message to the video, with {video_no}, {source} or {event_id} in it, such as https://console.example.com/videos/{video_no}",
			set:     into(func(c *Config) *string { return &c.Webhook.Link }, asIs),
		},
		{
			Name: "VIDBELL_WEBHOOK_GROUP_WAIT", Type: "duration",
			Meaning: "how long a message waits for other events to tell with the first one, 100ms to 10m; unset: 10s for slack, discord and teams, " +
				"no groups for alertmanager and template. The other formats have none",
			set: into(func(c *Config) *time.Duration { return &c.Webhook.GroupWait }, parseGroupWait),
		},
		{
			Name: "VIDBELL_WEBHOOK_GROUP_MAX", Type: "number",
			Meaning: "events that one message tells at most, 1 to 1000; 1 for no groups, 500 when unset",
			set:     into(func(c *Config) *int { return &c.Webhook.GroupMax }, countTo(maxGroupMax)),
		},
		{
			Name: "VIDBELL_WEBHOOK_ROUTING_KEY", Type: "text", Secret: true,
			Meaning: "integration key of the service, for pagerduty: 32 letters and digits",
			set:     into(func(c *Config) *Secret { return &c.Webhook.RoutingKey }, parseToken),
		},
		{
			Name: "VIDBELL_WEBHOOK_ALERT_FOR", Type: "duration",
			Meaning: "how long an alert lasts if no later event ends it, for alertmanager: 1m to 2160h, 24h when unset",
			set:     into(func(c *Config) *time.Duration { return &c.Webhook.AlertFor }, between(minAlertFor, maxAlertFor)),
		},
		{
			Name: "VIDBELL_WEBHOOK_TEMPLATE", Type: "file",
			Meaning: "file with a Go text/template of the request's body, for template, as in {\"text\": {{json .subject}}}",
			set:     into(func(c *Config) *string { return &c.Webhook.Template }, readTemplate),
		},
		{
			Name: "VIDBELL_WEBHOOK_CONTENT_TYPE", Type: "text",
			Meaning: "what the template's output is sent as, for template; application/json when unset, and then it is checked to be JSON",
			set:     into(func(c *Config) *string { return &c.Webhook.ContentType }, asIs),
		},
	}
}

func parseNames(value string) ([]string, error) {
	return each(value, func(entry string) (string, error) {
		if !namePattern.MatchString(entry) {
			return "", fmt.Errorf("%s is not the name of a source, use 1 to 64 letters, digits, - or _", echo(entry))
		}
		return entry, nil
	})
}

// parseOrder takes none for the empty order.
func parseOrder(value string) (string, error) {
	order, err := oneOf(orderNone, orderVideo)(value)
	if order == orderNone {
		return "", nil
	}
	return order, err
}

func parseHookRate(value string) (float64, error) {
	rate, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(rate) {
		return 0, fmt.Errorf("%s is not a number, write requests a second like 10 or 0.5", echo(value))
	}
	if rate != 0 && (rate < minHookRate || rate > maxHookRate) {
		return 0, fmt.Errorf("%s is out of range, use %g to %d, or 0 for no limit", echo(value), minHookRate, maxHookRate)
	}
	return rate, nil
}

func parseBool(value string) (bool, error) {
	b, err := strconv.ParseBool(strings.ToLower(value))
	if err != nil {
		return false, fmt.Errorf("%s is not known, use true or false", echo(value))
	}
	return b, nil
}

// parseGroupWait refuses zero, which is what a receiver has that asks for the default, and says how to have no groups.
func parseGroupWait(value string) (time.Duration, error) {
	if d, err := time.ParseDuration(value); err == nil && d == 0 {
		return 0, errors.New("0 is too short, the least is 100ms: for no groups set VIDBELL_WEBHOOK_GROUP_MAX to 1")
	}
	return between(minGroupWait, maxGroupWait)(value)
}

// parseHeaders repeats nothing of what is wrong: what stands before the = may be a secret that lacks its name. Which names
// and values can be sent is for others to say.
func parseHeaders(value string) (map[string]Secret, error) {
	entries := splitHeaders(value)
	if len(entries) == 0 {
		return nil, errors.New("has no entry between its commas")
	}
	headers := make(map[string]Secret, len(entries))
	var errs []error
	for i, entry := range entries {
		name, text, err := parseHeader(entry)
		if _, twice := headers[name]; twice && err == nil {
			err = errors.New("has the name of an earlier one")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("header %d %w", i+1, err))
			continue
		}
		headers[name] = NewSecret(text)
	}
	return headers, errors.Join(errs...)
}

func parseHeader(entry string) (name, text string, err error) {
	name, text, ok := strings.Cut(entry, "=")
	name, text = strings.TrimSpace(name), strings.TrimSpace(text)
	switch {
	case !ok:
		return "", "", errors.New("has no =, write Name=Value")
	case !pathToken.MatchString(name):
		return "", "", errors.New("has no name that can be one before its =, use letters, digits and -")
	case text == "":
		return "", "", errors.New("has no value after its =")
	}
	return name, text, nil
}

// splitHeaders cuts at line breaks and at commas that no backslash stands before.
func splitHeaders(value string) []string {
	const kept = "\x00" // cannot be in an environment, and no header may hold it
	var entries []string
	for line := range strings.Lines(value) {
		for _, entry := range split(strings.ReplaceAll(line, `\,`, kept)) {
			entries = append(entries, strings.ReplaceAll(entry, kept, ","))
		}
	}
	return entries
}

// readTemplate takes the path of a template for what is in it. Whether that is a template is for others to say.
func readTemplate(path string) (string, error) {
	text, err := readSmallFile(path, "that is no template")
	if err == nil && strings.TrimSpace(text) == "" {
		err = fmt.Errorf("file %q is empty", path)
	}
	return text, err
}

// checkWebhookSources refuses names that no source has: their receivers would get nothing, in silence.
func (c *Config) checkWebhookSources(p *Problems) {
	const chosen = "VIDBELL_WEBHOOK_SOURCES"
	if !p.none(chosen, "VIDBELL_UNIQUE_ID") || len(c.Sources) == 0 {
		return
	}
	known := make([]string, len(c.Sources))
	for i, s := range c.Sources {
		known[i] = s.Name
	}
	check := func(at string, names []string) {
		for _, name := range names {
			if !slices.Contains(known, name) && !p.Has(at) {
				p.Addf(at, "%s is the name of no source; there are %s", echo(name), strings.Join(known, ", "))
			}
		}
	}
	check(chosen, c.Webhook.Sources)
	for i, e := range c.Endpoints {
		check(c.Setting(i, chosen), e.Sources)
	}
}

// chooseEvents has the events of a receiver follow its format unless somebody chose them.
func (d *Delivery) chooseEvents(chosen bool) {
	if !chosen && slices.Contains(alertFormats, d.Format) {
		d.Events = alertEvents()
	}
}

// chooseEvents does it for all receivers, and shows it.
func (c *Config) chooseEvents() {
	const events = "VIDBELL_WEBHOOK_EVENTS"
	if c.origin(events) == OriginDefault && slices.Contains(alertFormats, c.Webhook.Format) {
		c.Webhook.chooseEvents(false)
		c.reshow(events, strings.Join(c.Webhook.Events, ","))
	}
}
