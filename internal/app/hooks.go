package app

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"vidbell/internal/config"
	"vidbell/notify/webhook"
)

const (
	webhookURL    = "VIDBELL_WEBHOOK_URL"
	webhookFormat = "VIDBELL_WEBHOOK_FORMAT"
)

// fieldVariables are the settings of an endpoint's fields, by the names that package webhook has for them in its errors.
var fieldVariables = map[string]string{
	"url":                   webhookURL,
	"secrets":               "VIDBELL_WEBHOOK_SECRET",
	"events":                "VIDBELL_WEBHOOK_EVENTS",
	"in_flight":             "VIDBELL_WEBHOOK_IN_FLIGHT",
	"timeout":               "VIDBELL_WEBHOOK_TIMEOUT",
	"sources":               "VIDBELL_WEBHOOK_SOURCES",
	"filter":                "VIDBELL_WEBHOOK_FILTER",
	"order":                 "VIDBELL_WEBHOOK_ORDER",
	"rate_limit":            "VIDBELL_WEBHOOK_RATE_LIMIT",
	"insecure_http":         "VIDBELL_WEBHOOK_INSECURE_HTTP",
	"headers":               "VIDBELL_WEBHOOK_HEADERS",
	"handshake_origin":      "VIDBELL_WEBHOOK_HANDSHAKE_ORIGIN",
	"handshake_rate":        "VIDBELL_WEBHOOK_HANDSHAKE_RATE",
	"format":                webhookFormat,
	"link":                  "VIDBELL_WEBHOOK_LINK",
	"group_wait, group_max": "VIDBELL_WEBHOOK_GROUP_WAIT, VIDBELL_WEBHOOK_GROUP_MAX",
	"routing_key":           "VIDBELL_WEBHOOK_ROUTING_KEY",
	"alert_for":             "VIDBELL_WEBHOOK_ALERT_FOR",
	"template":              "VIDBELL_WEBHOOK_TEMPLATE",
	"content_type":          "VIDBELL_WEBHOOK_CONTENT_TYPE",
}

// fieldNames turns the advice of package webhook into that of somebody who sets variables.
var fieldNames = strings.NewReplacer(
	"set content_type", "set VIDBELL_WEBHOOK_CONTENT_TYPE",
	"has content_type", "has VIDBELL_WEBHOOK_CONTENT_TYPE",
	"set handshake_origin as well", "set VIDBELL_WEBHOOK_HANDSHAKE_ORIGIN as well",
	"leave group_wait and group_max out", "unset both",
	"group_max says", "VIDBELL_WEBHOOK_GROUP_MAX says",
	"set group_wait", "set VIDBELL_WEBHOOK_GROUP_WAIT",
)

// keyWords turns it into that of somebody who writes a file.
var keyWords = strings.NewReplacer(
	"VIDBELL_WEBHOOK_CONTENT_TYPE", "content_type", "VIDBELL_WEBHOOK_HANDSHAKE_ORIGIN", "handshake_origin",
	"VIDBELL_WEBHOOK_GROUP_MAX", "group_max", "VIDBELL_WEBHOOK_GROUP_WAIT", "group_wait", "unset both", "leave both out",
)

// fieldError is the beginning of an error about a field: its name, and the entry of a list that is wrong.
var fieldError = regexp.MustCompile(`^([a-z_]+(?:, [a-z_]+)*)(?:\[([^\]]*)\])?: `)

// endpoints are the receivers of the configuration.
func endpoints(c *config.Config) []webhook.Endpoint {
	list := make([]webhook.Endpoint, len(c.Endpoints))
	for i, e := range c.Endpoints {
		list[i] = endpointOf(e)
	}
	return list
}

// endpointOf is a receiver as the dispatcher needs it. One without a name is called after its address.
func endpointOf(e config.Endpoint) webhook.Endpoint {
	schedule, _ := webhook.ParseSchedule(e.Schedule) // checked when the configuration was loaded
	address := e.URL.Reveal()
	name := e.Name
	if name == "" {
		name = webhook.EndpointName(address)
	}
	return webhook.Endpoint{
		Name: name, URL: address, Secrets: revealed(e.Secrets), Headers: revealedHeaders(e.Headers),
		Events: e.Events, Sources: e.Sources, Filter: e.Filter, Order: webhook.Order(e.Order),
		InFlight: e.InFlight, Timeout: e.Timeout, Schedule: schedule, RateLimit: e.RateLimit, InsecureHTTP: e.InsecureHTTP,
		HandshakeOrigin: e.HandshakeOrigin, HandshakeRate: e.HandshakeRate,
		Format: webhook.Format(e.Format), Link: e.Link, GroupWait: e.GroupWait, GroupMax: e.GroupMax,
		RoutingKey: e.RoutingKey.Reveal(), AlertFor: e.AlertFor, Template: e.Template, ContentType: e.ContentType,
	}
}

func revealed(secrets []config.Secret) []string {
	texts := make([]string, len(secrets))
	for i, s := range secrets {
		texts[i] = s.Reveal()
	}
	return texts
}

func revealedHeaders(headers map[string]config.Secret) map[string]string {
	texts := make(map[string]string, len(headers))
	for name, value := range headers {
		texts[name] = value.Reveal()
	}
	return texts
}

func checkWebhooks(c *config.Config, p *config.Problems) {
	before := slices.Clone(*p)
	if _, err := webhook.ParseSchedule(c.Webhook.Schedule); err != nil {
		p.AddErr("VIDBELL_WEBHOOK_SCHEDULE", err)
	}
	if p.Has(webhookFormat) {
		return // what else is right depends on it
	}
	if len(c.Endpoints) == 0 {
		checkReceiverIsThere(c, p)
		some := *c
		some.Endpoints = []config.Endpoint{{URL: config.NewSecret("https://receiver.invalid"), Delivery: c.Webhook.Delivery}}
		checkEndpoint(&some, 0, "", before, p) // the settings have mistakes without a receiver too
		return
	}
	for i := range c.Endpoints {
		number := ""
		if len(c.Webhook.URLs) > 1 {
			number = "URL " + strconv.Itoa(i+1-len(c.Endpoints)+len(c.Webhook.URLs)) + ": "
		}
		checkEndpoint(c, i, number, before, p)
	}
	checkEndpointNames(c, p)
}

// checkEndpoint asks the package that delivers. What all receivers share is said once, and nothing is said of what could not be
// read.
func checkEndpoint(c *config.Config, i int, number string, before config.Problems, p *config.Problems) {
	const schedule = "VIDBELL_WEBHOOK_SCHEDULE"
	at := c.Setting(i, schedule)
	if _, err := webhook.ParseSchedule(c.Endpoints[i].Schedule); err != nil && at != schedule && !spokenOf(before, at) {
		p.AddErr(at, err)
	}
	for _, problem := range endpointProblems(c, i, number, webhook.ValidateEndpoint(endpointOf(c.Endpoints[i]))) {
		if !spokenOf(before, problem.Name) && !slices.Contains(*p, problem) {
			*p = append(*p, problem)
		}
	}
}

// checkEndpointNames refuses two receivers of one name: they would share a place in the log.
func checkEndpointNames(c *config.Config, p *config.Problems) {
	seen := make(map[string]bool)
	for i, e := range c.Endpoints {
		if !e.URL.IsSet() {
			continue
		}
		name := endpointOf(e).Name
		if seen[name] {
			at := c.Setting(i, webhookURL)
			if e.Name != "" {
				at = strings.TrimSuffix(strings.TrimSuffix(at, "_file"), ".url") + ".name"
			}
			p.Addf(at, "%q is the name of another endpoint too: give each a name of its own", name)
		}
		seen[name] = true
	}
}

// checkReceiverIsThere asks for an address where somebody chose a format: nothing would be sent, in silence. One that the
// format has a default for is named, and not used, since it is a matter of the account.
func checkReceiverIsThere(c *config.Config, p *config.Problems) {
	format := webhook.Format(c.Webhook.Format)
	if p.Has(webhookURL) || format == webhook.FormatStandard {
		return
	}
	where := "the address of the receiver"
	if format == webhook.FormatPagerDuty {
		where = webhook.Endpoint{Format: format}.WithDefaults().URL + ", or https://events.eu.pagerduty.com/v2/enqueue for accounts in the EU"
	}
	p.Addf(webhookURL, "is required by %s=%s: set it to %s", webhookFormat, format, where)
}

// spokenOf tells whether one of the variables could not be read: its field is then at its default, and what that leads to would
// mislead.
func spokenOf(p config.Problems, variables string) bool {
	return slices.ContainsFunc(strings.Split(variables, ", "), func(name string) bool {
		return p.Has(name) || p.Has(name+"_FILE")
	})
}

// endpointProblems names the variable of each mistake in an endpoint.
func endpointProblems(c *config.Config, i int, number string, err error) config.Problems {
	var parts, named config.Problems
	parts.AddErr("", err)
	for _, part := range parts {
		variable, text := fieldProblem(part.Text)
		if variable == webhookURL && !c.Endpoints[i].URL.IsSet() {
			continue // that it has none has been said
		}
		if at := c.Setting(i, variable); at != variable {
			named.Add(at, keyWords.Replace(text))
			continue
		}
		if variable == webhookURL {
			text = number + text
		}
		named.Add(c.NameOf(variable), text)
	}
	return named
}

// fieldProblem tells the variable of a mistake, and the mistake in the words of those who set variables.
func fieldProblem(text string) (variable, told string) {
	text, _, _ = strings.Cut(text, "\n") // below it an expression is drawn, which needs lines
	match := fieldError.FindStringSubmatch(text)
	if len(match) == 0 {
		return webhookURL, text
	}
	field, entry := match[1], match[2]
	variable, known := fieldVariables[field]
	if !known {
		return webhookURL, text
	}
	told = fieldNames.Replace(text[len(match[0]):])
	if n, err := strconv.Atoi(entry); err == nil {
		entry = strconv.Itoa(n + 1) // people count from one
	}
	if entry != "" {
		told = strings.TrimSuffix(field, "s") + " " + entry + ": " + told
	}
	return variable, told
}
