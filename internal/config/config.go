package config

import (
	"net/netip"
	"os"
	"time"

	"vidbell/notify"
)

// Baseline says what happens to videos that were there before the first complete sweep.
type Baseline string

// The two answers of VIDBELL_BASELINE.
const (
	BaselineSilent Baseline = "silent" // recorded, not announced
	BaselineEmit   Baseline = "emit"   // announced like any other
)

// ParseMeans says how the ambiguous word PARSE is read.
type ParseMeans string

// The answers of VIDBELL_STATUS_PARSE.
const (
	ParseAuto       ParseMeans = "auto"       // inferred from the other words of the source
	ParseDone       ParseMeans = "done"       // finished
	ParseProcessing ParseMeans = "processing" // in progress
)

// LogFormat says how log lines are written.
type LogFormat string

// The answers of VIDBELL_LOG_FORMAT.
const (
	LogAuto    LogFormat = "auto"    // console on a terminal, else JSON
	LogConsole LogFormat = "console" // for people
	LogJSON    LogFormat = "json"    // one object a line
)

// Config is what vidbell runs with. A value from [Load] without an error is complete and consistent.
type Config struct {
	Accounts  []Account  // of the file, then the one of the environment, named [DefaultAccount]
	Sources   []Source   // of the file, then one per entry of VIDBELL_UNIQUE_ID, in its order
	Endpoints []Endpoint // of the file, then one per entry of VIDBELL_WEBHOOK_URL, in its order
	Webhook   Webhook
	NATS      NATS
	HTTP      HTTP
	Log       Log

	File     string   // the configuration file, "" for none
	Warnings []string // what works, but should be looked at

	Retention time.Duration // events older than that leave the log; 0 for never
	Names     notify.Names  // of VIDBELL_INSTANCE and VIDBELL_SUBJECT_PREFIX
	DataDir   string        // where the embedded engine keeps its files

	one      single // what Accounts and Sources of the environment are made from
	settings []Setting
	items    []Setting         // of single accounts, sources and endpoints
	files    []string          // that it was read from
	places   map[string]string // where in the file a path stands
}

// Poll is how often the platform is asked, and what its answers lead to.
type Poll struct {
	Interval    time.Duration // while something is in flight
	MaxInterval time.Duration // when idle; never below Interval
	Sweep       time.Duration // target time of a walk through all pages
	Baseline    Baseline
	StallAfter  time.Duration // 0: no video is ever called stalled
}

// Words is the vocabulary of the platform: upper-case words, no word in two lists, PARSE in none. An empty list means the
// built-in one.
type Words struct {
	Parse      ParseMeans
	Done       []string
	Failed     []string
	Processing []string
}

// Webhook is what holds for all receivers, and those that the environment names.
type Webhook struct {
	URLs          []Secret // of the environment, distinct
	AllowNetworks []netip.Prefix
	Delivery      // of all receivers that say nothing else
}

// NATS is the engine: external when URLs is not empty, else embedded.
type NATS struct {
	URLs     []Secret // held as secrets since they may carry a user and password
	Creds    string   // path of a credentials file
	NKey     string   // path of an nkey seed file
	TLSCA    string   // path of a PEM file
	TLSCert  string   // path of a PEM file, set together with TLSKey
	TLSKey   string
	Replicas int // copies of each stream, external only

	Listen      string // address of the embedded engine's listener, "" for none
	ListenToken Secret // asked of its clients when set
}

// External tells whether an external server or cluster is used.
func (n NATS) External() bool { return len(n.URLs) > 0 }

// HTTP is vidbell's own server.
type HTTP struct {
	Listen     string // "" for none
	Token      Secret // asked for by everything but the health and hint pages when set
	HintSecret Secret // last part of the address of the hint page; unset, there is no such page
}

// Log is how log lines are written.
type Log struct {
	Level  string // debug, info, warn or error
	Format LogFormat
}

// A Check is a rule of another package. It is run over the parsed settings, whole or not, and adds what it finds.
type Check func(c *Config, p *Problems)

// Load reads the environment of the process, and the file that VIDBELL_CONFIG names. The error, if any, is [Problems] with
// every mistake; the Config returned beside it is for reporting only. It may be called again at any time, and reads everything
// again.
func Load(checks ...Check) (*Config, error) {
	var problems Problems
	c, file := load(Variables(), &problems)
	reportUnknown(os.Environ(), &problems)
	crossCheck(c, &problems)
	if file != nil && file.broken {
		c.place(problems)
		return c, problems.Err() // what follows from it would mislead
	}
	c.compose(file, &problems)
	c.checkWebhookSources(&problems)
	for _, check := range checks {
		check(c, &problems)
	}
	c.place(problems)
	return c, problems.Err()
}

// LoadOnly reads the named variables, or what the file says in their place, and takes the default of every other, required ones
// included: for commands that need no account, such as demo. Unknown variables are not looked for. Endpoints are those that
// can be read.
func LoadOnly(names ...string) (*Config, error) {
	wanted := map[string]bool{"VIDBELL_CONFIG": true}
	for _, name := range names {
		wanted[name] = true
	}
	var some []Variable
	for _, v := range Variables() {
		if wanted[v.Name] {
			v.Required = false
			some = append(some, v)
		}
	}
	var problems Problems
	c, file := load(some, &problems)
	var ignored Problems
	if file != nil {
		file.problems = &ignored
	}
	c.compose(file, &ignored)
	c.place(problems)
	return c, problems.Err()
}

// Defaults is the Config of an empty environment, so without an API key.
func Defaults() *Config {
	c := unset()
	c.compose(nil, new(Problems)) // which misses the key
	return c
}

// unset has every setting at its default, and nothing made of them.
func unset() *Config {
	c := &Config{}
	for _, v := range Variables() {
		if v.Default == "" {
			continue
		}
		if err := v.set(c, v.Default); err != nil {
			panic("config: default of " + v.Name + ": " + err.Error()) // a test parses every default
		}
	}
	return c
}
