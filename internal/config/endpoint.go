package config

import "time"

// Delivery is how a receiver is called, and with what. As part of [Webhook] it holds for all receivers that say nothing else.
type Delivery struct {
	Secrets  []Secret // signing keys, newest first; not checked for their shape here
	Events   []string // globs over event types
	Timeout  time.Duration
	InFlight int    // requests at once
	Schedule string // a schedule's name or a list of durations; not checked here

	Sources   []string // names of the sources whose events are delivered, none for all
	Filter    string   // expression over an event, "" for none; not checked here
	Order     string   // "" or video
	RateLimit float64  // requests a second, 0 for no limit

	InsecureHTTP    bool              // plain http to public addresses
	Headers         map[string]Secret // of each request; which can be sent is not checked here
	HandshakeOrigin string            // "" for no handshake; not checked here
	HandshakeRate   int               // requests a minute, 0 to ask for none

	Format      string        // what requests look like
	Link        string        // from a message to the video; not checked here
	GroupWait   time.Duration // 0 for the format's default
	GroupMax    int           // 0 for the format's default
	RoutingKey  Secret        // of pagerduty; not checked here
	AlertFor    time.Duration // of alertmanager, 0 for its default
	Template    string        // the text, of template; not checked here
	ContentType string        // of template's output, "" for its default; not checked here
}

// Endpoint is one receiver.
type Endpoint struct {
	Name string // "" for one that is named after its URL
	URL  Secret // paths and queries often carry a token
	Delivery

	own map[string]bool // the keys that its part of the file has; nil for one of the environment
}

// Setting is the place of a setting of the endpoint with this number: what a person would have to correct. variable is the
// one that sets it for all. What nobody set is the endpoint's own to set.
func (c *Config) Setting(number int, variable string) string {
	e := c.Endpoints[number]
	if e.own == nil {
		return variable
	}
	key := keyOf(variable)
	if variable == "VIDBELL_WEBHOOK_TEMPLATE" && e.own["template"] {
		key = "template"
	}
	switch {
	case e.own[key+fileSuffix]:
		key += fileSuffix
	case !e.own[key] && key != "url" && c.set(variable):
		return variable // which holds for all
	}
	return endpointPath(number) + "." + key
}

// fillEndpoints adds those of the environment: one for each URL, all alike.
func (c *Config) fillEndpoints() {
	for _, u := range c.Webhook.URLs {
		c.Endpoints = append(c.Endpoints, Endpoint{URL: u, Delivery: c.Webhook.Delivery})
	}
}
