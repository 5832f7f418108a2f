package app

import (
	"fmt"
	"os"
	"strings"

	"go.uber.org/zap"

	"vidbell/diff"
	"vidbell/internal/config"
	"vidbell/internal/engine"
	"vidbell/internal/telemetry"
	"vidbell/poller"
	"vidbell/poller/memories"
)

// checks are the rules of other packages about the configuration, so that every mistake is named before anything starts.
func checks() []config.Check {
	return []config.Check{checkSources, checkWebhooks, checkWords, checkClient, checkTelemetry}
}

// checkTelemetry speaks of variables that are not ours: those of OpenTelemetry.
func checkTelemetry(_ *config.Config, p *config.Problems) {
	_, problems := telemetry.Enabled(os.LookupEnv)
	for _, bad := range problems {
		p.Add(bad.Variable, bad.Text)
	}
}

// checkSources holds what a file says of accounts and sources to the rules; what variables say was held to them one by one.
func checkSources(c *config.Config, p *config.Problems) {
	var found config.Problems
	if c.File != "" {
		c.ValidateSources(&found)
	}
	for _, problem := range found {
		if !p.Has(problem.Name) {
			*p = append(*p, problem)
		}
	}
}

// checkWords names the variables where there is no file: the sources of the environment share their words.
func checkWords(c *config.Config, p *config.Problems) {
	if p.Has("VIDBELL_STATUS_DONE") || p.Has("VIDBELL_STATUS_FAILED") || p.Has("VIDBELL_STATUS_PROCESSING") {
		return
	}
	for i, s := range c.Sources {
		if _, err := words(s.Words); err != nil {
			name := "VIDBELL_STATUS_DONE, _FAILED, _PROCESSING"
			if c.File != "" {
				name = fmt.Sprintf("sources[%d].words", i)
			}
			p.AddErr(name, err)
			if c.File == "" {
				return
			}
		}
	}
}

func checkClient(c *config.Config, p *config.Problems) {
	if p.Has("VIDBELL_API_KEY") || p.Has("VIDBELL_API_URL") {
		return
	}
	for i, a := range c.Accounts {
		at := fmt.Sprintf("accounts[%d]", i)
		if !a.Key.IsSet() || p.Has(at+".url") || p.Has(at+".api_key") {
			continue // said above, once
		}
		if _, err := client(a); err != nil {
			name := "VIDBELL_API_KEY, VIDBELL_API_URL"
			if c.File != "" {
				name = at
			}
			p.AddErr(name, err)
		}
	}
}

func words(w config.Words) (diff.Words, error) {
	rule := diff.ParseAuto
	switch w.Parse {
	case config.ParseDone:
		rule = diff.ParseDone
	case config.ParseProcessing:
		rule = diff.ParseProcessing
	case config.ParseAuto:
	}
	return diff.NewWords(w.Done, w.Failed, w.Processing, rule)
}

func client(a config.Account) (*memories.Client, error) {
	return memories.New(memories.Config{
		BaseURL: a.URL, APIKey: a.Key.Reveal(), UserAgent: "vidbell/" + BuildInfo().Version,
	})
}

// upstream is an account as the poller needs it.
type upstream struct {
	lister *memories.Client
	quota  *poller.Account
	rate   float64 // of the configuration, in requests a second
}

// upstreams are those in use, by what the platform counts as one account. They are kept over a change of the configuration, so that
// what an account has used of its quota is not forgotten, and sources that did not change are not touched.
type upstreams map[config.Quota]upstream

// of returns the one of each account, by its name, and those that are in use from now on. Their rates do not change yet.
func (u upstreams) of(c *config.Config) (named map[string]upstream, used upstreams, err error) {
	named, used = make(map[string]upstream, len(c.Accounts)), make(upstreams)
	for _, a := range c.Accounts {
		key := a.Quota()
		one, known := used[key]
		if !known {
			one, known = u[key]
		}
		if !known {
			if one.lister, err = client(a); err != nil {
				return nil, nil, fmt.Errorf("account %s: %w", a.Name, err)
			}
			one.quota = poller.NewAccount(a.RateLimit)
		}
		one.rate = a.RateLimit
		named[a.Name], used[key] = one, one
	}
	return named, used, nil
}

// setRates lets the rates of the configuration hold.
func (u upstreams) setRates() {
	for _, one := range u {
		one.quota.SetRate(one.rate)
	}
}

// sources are those of the configuration, in its order.
func sources(c *config.Config) ([]poller.Source, error) {
	list, _, err := sourcesWith(c, nil)
	return list, err
}

// sourcesWith goes on with the upstreams in use, and returns those of the sources.
func sourcesWith(c *config.Config, u upstreams) ([]poller.Source, upstreams, error) {
	var problems config.Problems
	if c.ValidateSources(&problems); problems != nil {
		return nil, nil, problems
	}
	accounts, used, err := u.of(c)
	if err != nil {
		return nil, nil, err
	}
	list := make([]poller.Source, len(c.Sources))
	for i, s := range c.Sources {
		w, err := words(s.Words)
		if err != nil {
			return nil, nil, fmt.Errorf("source %s: %w", s.Name, err)
		}
		account := accounts[s.Account]
		list[i] = poller.Source{
			Name: s.Name, UniqueID: s.UniqueID, VideoName: s.VideoName, Lister: account.lister, Account: account.quota, PollInterval: s.Poll.Interval,
			MaxInterval: s.Poll.MaxInterval, SweepInterval: s.Poll.Sweep, Words: w,
			Emit: s.Poll.Baseline == config.BaselineEmit, StallAfter: s.Poll.StallAfter,
		}
	}
	return list, used, nil
}

func engineConfig(c *config.Config, log *zap.Logger) engine.Config {
	urls := make([]string, len(c.NATS.URLs))
	for i, u := range c.NATS.URLs {
		urls[i] = u.Reveal()
	}
	var consumers []string
	for _, e := range endpoints(c) {
		consumers = append(consumers, c.Names.Consumer(e.Name))
	}
	return engine.Config{
		URL: strings.Join(urls, ","), Credentials: c.NATS.Creds, NKey: c.NATS.NKey,
		TLS:    engine.TLS{CA: c.NATS.TLSCA, Cert: c.NATS.TLSCert, Key: c.NATS.TLSKey},
		Listen: c.NATS.Listen, ListenToken: c.NATS.ListenToken.Reveal(), DataDir: c.DataDir,
		Subjects: []string{c.Names.AllEvents(), c.Names.OpsAll()},
		Consumers: map[string][]string{
			c.Names.Stream(): consumers, c.Names.OpsStream(): consumers, c.Names.ReplayStream(): consumers,
		},
		Name: "vidbell", Logger: log,
	}
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
