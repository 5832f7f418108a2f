package config

import (
	"net/netip"
	"strings"
	"time"
)

// Bounds of the settings, each named in the meaning of its variable.
const (
	minDuration     = 100 * time.Millisecond
	maxDuration     = 30 * 24 * time.Hour
	minTimeout      = time.Second // the range of WEBHOOKS: a shorter exchange fails healthy receivers, a longer one holds slots
	maxTimeout      = 30 * time.Second
	minRetention    = time.Second
	maxRetention    = 100 * 365 * 24 * time.Hour
	maxRate         = 100 // requests a second; the platform's paper limit is 5
	maxInFlight     = 256 // the limit over all receivers
	maxReplicas     = 5   // what JetStream allows
	maxUniqueID     = 256 // bytes
	minHintSecret   = 16  // characters; of 64 kinds, so 96 bits
	maxHintSecret   = 128 // leaves 171 of the 299 characters that the platform takes for the rest of the address
	defaultSchedule = "standard"

	typeExpression = "expression"
)

// Variable is one setting: what people read about it, and how its text becomes part of a [Config].
type Variable struct {
	Name     string
	Group    string // heading it is listed under
	Type     string
	Default  string // as it would be written, "" for none
	Meaning  string // one or more sentences, no full stop at the end
	Secret   bool   // never shown, and may be given in a file named by FileName
	Required bool

	url  bool // shown without path, query and user info
	set  setter
	path string // in the file, of what has no name of its own
}

// setter parses a trimmed, non-empty value into its field, or says in one sentence what is wrong and what would be
// right. It may join several such errors.
type setter func(c *Config, value string) error

// FileName is the variable that names a file to read a secret from.
func (v Variable) FileName() string { return v.Name + "_FILE" }

// Variables returns every setting, grouped, in the order in which they are documented.
func Variables() []Variable {
	var all []Variable
	all = append(all, grouped("Configuration file", fileVariable())...)
	all = append(all, grouped("Platform", platformVariables())...)
	all = append(all, grouped("Polling", pollVariables())...)
	all = append(all, grouped("Status words", statusVariables())...)
	all = append(all, grouped("Webhooks", webhookVariables())...)
	all = append(all, grouped("Webhooks", choiceVariables())...)
	all = append(all, grouped("Webhooks", requestVariables())...)
	all = append(all, grouped("Webhooks", formatVariables())...)
	all = append(all, grouped("NATS", natsVariables())...)
	all = append(all, grouped("Names and data", nameVariables())...)
	all = append(all, grouped("HTTP and logs", httpVariables())...)
	return all
}

func grouped(group string, variables []Variable) []Variable {
	for i := range variables {
		variables[i].Group = group
	}
	return variables
}

func fileVariable() []Variable {
	return []Variable{{
		Name: "VIDBELL_CONFIG", Type: "file",
		Meaning: "YAML file with what one account and receivers that are all alike do not say; what a variable says overrides it. " +
			"See docs/configuration.md",
		set: into(func(c *Config) *string { return &c.File }, asIs),
	}}
}

func platformVariables() []Variable {
	return []Variable{
		{
			Name: "VIDBELL_API_KEY", Type: "text", Secret: true, Required: true,
			Meaning: "API key of the account, sent as it is in the Authorization header",
			set:     into(func(c *Config) *Secret { return &c.one.account.Key }, parseAPIKey),
		},
		{
			Name: "VIDBELL_API_URL", Type: "URL", Default: "https://api.memories.ai", url: true,
			Meaning: "base address of the platform",
			set:     into(func(c *Config) *string { return &c.one.account.URL }, parseAPIURL),
		},
		{
			Name: "VIDBELL_UNIQUE_ID", Type: "list", Default: "default",
			Meaning: "the unique_id values to watch; each becomes a source of that name. A value with other bytes than " +
				"letters, digits, - and _, or longer than 64, gets a name of its own: other bytes become -, and a short hash is added",
			set: into(func(c *Config) *[]Source { return &c.one.sources }, parseSources),
		},
	}
}

func pollVariables() []Variable {
	return []Variable{
		{
			Name: "VIDBELL_POLL_INTERVAL", Type: "duration", Default: "15s",
			Meaning: "time between polls while a video is in processing",
			set:     into(func(c *Config) *time.Duration { return &c.one.poll.Interval }, between(minDuration, maxDuration)),
		},
		{
			Name: "VIDBELL_POLL_MAX_INTERVAL", Type: "duration", Default: "1m",
			Meaning: "what the interval grows to when nothing is in processing; left unset it is never below VIDBELL_POLL_INTERVAL",
			set:     into(func(c *Config) *time.Duration { return &c.one.poll.MaxInterval }, between(minDuration, maxDuration)),
		},
		{
			Name: "VIDBELL_SWEEP_INTERVAL", Type: "duration", Default: "10m",
			Meaning: "target time for a whole walk through the library",
			set:     into(func(c *Config) *time.Duration { return &c.one.poll.Sweep }, between(minDuration, maxDuration)),
		},
		{
			Name: "VIDBELL_RATE_LIMIT", Type: "number", Default: "1",
			Meaning: "requests a second per account, up to 100 (the platform's own limit is 5)",
			set:     into(func(c *Config) *float64 { return &c.one.account.RateLimit }, parseRate),
		},
		{
			Name: "VIDBELL_BASELINE", Type: "silent|emit", Default: string(BaselineSilent),
			Meaning: "whether videos that were there before the first complete walk are announced",
			set:     into(func(c *Config) *Baseline { return &c.one.poll.Baseline }, oneOf(BaselineSilent, BaselineEmit)),
		},
		{
			Name: "VIDBELL_STALL_AFTER", Type: "duration", Default: "1h",
			Meaning: "a video in processing for longer is announced as stalled; 0 turns this off",
			set:     into(func(c *Config) *time.Duration { return &c.one.poll.StallAfter }, orZero(between(minDuration, maxDuration))),
		},
	}
}

func statusVariables() []Variable {
	return []Variable{
		{
			Name: "VIDBELL_STATUS_PARSE", Type: "auto|done|processing", Default: string(ParseAuto),
			Meaning: "what the word PARSE means; auto infers it from the other words of a source",
			set:     into(func(c *Config) *ParseMeans { return &c.one.words.Parse }, oneOf(ParseAuto, ParseDone, ParseProcessing)),
		},
		{
			Name: "VIDBELL_STATUS_DONE", Type: "list", Default: "DONE",
			Meaning: "words that mean done; replaces the built-in list. A word put in one list leaves the built-in list it was in",
			set:     into(func(c *Config) *[]string { return &c.one.words.Done }, parseWords),
		},
		{
			Name: "VIDBELL_STATUS_FAILED", Type: "list", Default: "FAILED,FAIL,PARSE_ERROR,ERROR",
			Meaning: "words that mean failed; replaces the built-in list",
			set:     into(func(c *Config) *[]string { return &c.one.words.Failed }, parseWords),
		},
		{
			Name: "VIDBELL_STATUS_PROCESSING", Type: "list", Default: "UNPARSE,PENDING,PROCESSING,UPLOADING",
			Meaning: "words that mean processing, as an empty or missing word always does; replaces the built-in list",
			set:     into(func(c *Config) *[]string { return &c.one.words.Processing }, parseWords),
		},
	}
}

func webhookVariables() []Variable {
	return []Variable{
		{
			Name: "VIDBELL_WEBHOOK_URL", Type: "list of URLs", url: true,
			Meaning: "receivers of events, http or https. A comma inside a URL is written %2C",
			set:     into(func(c *Config) *[]Secret { return &c.Webhook.URLs }, parseWebhookURLs),
		},
		{
			Name: "VIDBELL_WEBHOOK_SECRET", Type: "list", Secret: true,
			Meaning: "signing secrets, whsec_ and base64 of 24 to 64 random bytes, for every receiver; with several, each call is " +
				"signed with all of them, so that receivers can change from the old to the new one",
			set: into(func(c *Config) *[]Secret { return &c.Webhook.Secrets }, parseSecrets),
		},
		{
			Name: "VIDBELL_WEBHOOK_EVENTS", Type: "list of globs", Default: "video.done,video.failed",
			Meaning: "event types to deliver, such as video.* or *; unset, pagerduty and alertmanager get " +
				strings.Join(alertEvents(), ","),
			set: into(func(c *Config) *[]string { return &c.Webhook.Events }, parseEventGlobs),
		},
		{
			Name: "VIDBELL_WEBHOOK_ALLOW_NETWORKS", Type: "list of CIDR",
			Meaning: "networks to deliver to although they are refused by default, such as link-local and metadata addresses",
			set:     into(func(c *Config) *[]netip.Prefix { return &c.Webhook.AllowNetworks }, parseNetworks),
		},
		{
			Name: "VIDBELL_WEBHOOK_TIMEOUT", Type: "duration", Default: "15s",
			Meaning: "limit of one whole call, reading the answer included, 1s to 30s",
			set:     into(func(c *Config) *time.Duration { return &c.Webhook.Timeout }, between(minTimeout, maxTimeout)),
		},
		{
			Name: "VIDBELL_WEBHOOK_IN_FLIGHT", Type: "number", Default: "16",
			Meaning: "calls at once per receiver, 1 to 256",
			set:     into(func(c *Config) *int { return &c.Webhook.InFlight }, countTo(maxInFlight)),
		},
		{
			Name: "VIDBELL_WEBHOOK_SCHEDULE", Type: "text or list", Default: defaultSchedule,
			Meaning: "when a failed call is tried again: standard (0, 5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h), fast (a quarter of an hour), patient (a week), or a list of durations",
			set:     into(func(c *Config) *string { return &c.Webhook.Schedule }, asIs),
		},
	}
}

func natsVariables() []Variable {
	return []Variable{
		{
			Name: "VIDBELL_NATS_URL", Type: "list of URLs", url: true,
			Meaning: "an external NATS server or cluster with JetStream, 2.12 or newer: nats://, tls://, ws:// or wss://. " +
				"Unset, the engine runs inside the process",
			set: into(func(c *Config) *[]Secret { return &c.NATS.URLs }, parseNATSURLs),
		},
		{
			Name: "VIDBELL_NATS_CREDS", Type: "file",
			Meaning: "credentials file for VIDBELL_NATS_URL",
			set:     into(func(c *Config) *string { return &c.NATS.Creds }, readableFile),
		},
		{
			Name: "VIDBELL_NATS_NKEY", Type: "file",
			Meaning: "nkey seed file for VIDBELL_NATS_URL, instead of credentials",
			set:     into(func(c *Config) *string { return &c.NATS.NKey }, readableFile),
		},
		{
			Name: "VIDBELL_NATS_TLS_CA", Type: "file",
			Meaning: "PEM file of the authorities that may sign the server's certificate; the system's when unset",
			set:     into(func(c *Config) *string { return &c.NATS.TLSCA }, caFile),
		},
		{
			Name: "VIDBELL_NATS_TLS_CERT", Type: "file",
			Meaning: "PEM file of the client certificate",
			set:     into(func(c *Config) *string { return &c.NATS.TLSCert }, readableFile),
		},
		{
			Name: "VIDBELL_NATS_TLS_KEY", Type: "file",
			Meaning: "PEM file of the client certificate's key",
			set:     into(func(c *Config) *string { return &c.NATS.TLSKey }, readableFile),
		},
		{
			Name: "VIDBELL_NATS_REPLICAS", Type: "number", Default: "1",
			Meaning: "copies of each stream on an external cluster, 1 to 5; 3 survives the loss of a server",
			set:     into(func(c *Config) *int { return &c.NATS.Replicas }, countTo(maxReplicas)),
		},
		{
			Name: "VIDBELL_NATS_LISTEN", Type: "address", Default: "127.0.0.1:4222",
			Meaning: "where the engine inside the process listens for subscribers; off for nowhere",
			set:     into(func(c *Config) *string { return &c.NATS.Listen }, parseListen),
		},
		{
			Name: "VIDBELL_NATS_LISTEN_TOKEN", Type: "text", Secret: true,
			Meaning: "token that clients of VIDBELL_NATS_LISTEN must give; required unless it is a loopback address",
			set:     into(func(c *Config) *Secret { return &c.NATS.ListenToken }, parseToken),
		},
	}
}

func nameVariables() []Variable {
	return []Variable{
		{
			Name: "VIDBELL_SUBJECT_PREFIX", Type: "text", Default: "video",
			Meaning: "first part of the public subjects, up to four tokens joined by dots",
			set:     into(func(c *Config) *string { return &c.Names.Prefix }, asIs),
		},
		{
			Name: "VIDBELL_INSTANCE", Type: "text",
			Meaning: "tells installations on one NATS account apart: part of every stream, consumer and internal subject name",
			set:     into(func(c *Config) *string { return &c.Names.Instance }, asIs),
		},
		{
			Name: "VIDBELL_RETENTION", Type: "duration", Default: "720h",
			Meaning: "events older than that are taken out of the log, the last status of their videos is kept; 0 for never. What an endpoint has still to get is kept " +
				"until it has it. Less than 1h is for trying it out",
			set: into(func(c *Config) *time.Duration { return &c.Retention }, orZero(between(minRetention, maxRetention))),
		},
		{
			Name: "VIDBELL_DATA_DIR", Type: "folder", Default: "./vidbell-data",
			Meaning: "where the engine inside the process keeps its files; made when missing",
			set:     into(func(c *Config) *string { return &c.DataDir }, asIs),
		},
	}
}

func httpVariables() []Variable {
	return []Variable{
		{
			Name: "VIDBELL_HTTP_LISTEN", Type: "address", Default: "127.0.0.1:8080",
			Meaning: "where health, metrics, the API and hints are served; off for nowhere",
			set:     into(func(c *Config) *string { return &c.HTTP.Listen }, parseListen),
		},
		{
			Name: "VIDBELL_HTTP_TOKEN", Type: "text", Secret: true,
			Meaning: "bearer token for everything but the health and hint pages; required unless VIDBELL_HTTP_LISTEN is a loopback address",
			set:     into(func(c *Config) *Secret { return &c.HTTP.Token }, parseToken),
		},
		{
			Name: "VIDBELL_HINT_SECRET", Type: "text", Secret: true,
			Meaning: "opens the page POST /v1/hints/<secret>, which takes the platform's callbacks as hints to look at once: " +
				"16 to 128 letters, digits, - or _; unset, there is no such page",
			set: into(func(c *Config) *Secret { return &c.HTTP.HintSecret }, parseHintSecret),
		},
		{
			Name: "VIDBELL_LOG_LEVEL", Type: "debug|info|warn|error", Default: "info",
			Meaning: "least severe lines to log",
			set:     into(func(c *Config) *string { return &c.Log.Level }, oneOf("debug", "info", "warn", "error")),
		},
		{
			Name: "VIDBELL_LOG_FORMAT", Type: "auto|console|json", Default: string(LogAuto),
			Meaning: "form of log lines; auto is console on a terminal, else JSON",
			set:     into(func(c *Config) *LogFormat { return &c.Log.Format }, oneOf(LogAuto, LogConsole, LogJSON)),
		},
	}
}
