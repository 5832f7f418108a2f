package config

import (
	"crypto/tls"
	"net/url"
	"slices"
	"strings"

	"vidbell/notify"
)

// crossCheck holds the rules between settings. A rule is skipped when a variable it reads has a problem of its own:
// its value is then the default, and a second sentence about it would mislead.
func crossCheck(c *Config, p *Problems) {
	c.checkIntervals(p)
	c.checkWords(p)
	c.checkNATS(p)
	c.checkListeners(p)
	c.checkHints(p)
	c.checkNames(p)
	c.chooseEvents()
}

func (p Problems) none(names ...string) bool {
	return !slices.ContainsFunc(names, p.Has)
}

func (c *Config) checkIntervals(p *Problems) {
	const interval, most = "VIDBELL_POLL_INTERVAL", "VIDBELL_POLL_MAX_INTERVAL"
	if !p.none(interval, most) || c.one.poll.MaxInterval >= c.one.poll.Interval {
		return
	}
	if c.origin(most) == OriginDefault {
		c.one.poll.MaxInterval = c.one.poll.Interval
		c.reshow(most, short(c.one.poll.Interval))
		return
	}
	p.Addf(most, "%s is below %s, which is %s", short(c.one.poll.MaxInterval), interval, short(c.one.poll.Interval))
}

// checkWords refuses a word that a person put in two lists. A built-in list gives way: a word that was put elsewhere
// leaves it.
func (c *Config) checkWords(p *Problems) {
	lists := []struct {
		name  string
		words *[]string
	}{
		{"VIDBELL_STATUS_DONE", &c.one.words.Done},
		{"VIDBELL_STATUS_FAILED", &c.one.words.Failed},
		{"VIDBELL_STATUS_PROCESSING", &c.one.words.Processing},
	}
	owner := map[string]string{}
	for _, list := range lists {
		if c.origin(list.name) == OriginDefault {
			continue
		}
		for _, word := range *list.words {
			if other, taken := owner[word]; taken && other != list.name {
				p.Addf(list.name, "%s is in %s too: it must be in one list", echo(word), other)
			}
			owner[word] = list.name
		}
	}
	for _, list := range lists {
		if c.origin(list.name) == OriginDefault {
			*list.words = slices.DeleteFunc(*list.words, func(word string) bool { return owner[word] != "" })
			c.reshow(list.name, strings.Join(*list.words, ","))
		}
	}
}

func (c *Config) checkNATS(p *Problems) {
	const urls, creds, nkey = "VIDBELL_NATS_URL", "VIDBELL_NATS_CREDS", "VIDBELL_NATS_NKEY"
	const ca, cert, key = "VIDBELL_NATS_TLS_CA", "VIDBELL_NATS_TLS_CERT", "VIDBELL_NATS_TLS_KEY"
	if p.none(urls) && !c.NATS.External() {
		for _, name := range []string{creds, nkey, ca, cert, key} {
			if c.origin(name) != OriginDefault {
				p.Addf(name, "has no use without %s: set that, or unset this", urls)
			}
		}
		if p.none("VIDBELL_NATS_REPLICAS") && c.NATS.Replicas > 1 {
			p.Addf("VIDBELL_NATS_REPLICAS", "the engine inside the process keeps one copy: set %s, or unset this", urls)
		}
	}
	if c.origin(creds) != OriginDefault && c.origin(nkey) != OriginDefault {
		p.Addf(nkey, "%s is set too: unset one of them", creds)
	}
	c.checkURLUser(p, creds, nkey)
	c.checkKeyPair(p, cert, key)
}

// checkURLUser refuses two ways to log in at once: which one wins would depend on the server's answer.
func (c *Config) checkURLUser(p *Problems, files ...string) {
	withUser := slices.ContainsFunc(c.NATS.URLs, func(s Secret) bool {
		u, err := url.Parse(s.Reveal())
		return err == nil && u.User != nil
	})
	for _, name := range files {
		if withUser && c.origin(name) != OriginDefault {
			p.Addf(name, "VIDBELL_NATS_URL holds a user or token too: use one way to log in")
		}
	}
}

func (c *Config) checkKeyPair(p *Problems, cert, key string) {
	certSet, keySet := c.origin(cert) != OriginDefault, c.origin(key) != OriginDefault
	switch {
	case certSet && !keySet:
		p.Addf(key, "is required with %s", cert)
	case keySet && !certSet:
		p.Addf(cert, "is required with %s", key)
	case certSet && p.none(cert, key):
		if _, err := tls.LoadX509KeyPair(c.NATS.TLSCert, c.NATS.TLSKey); err != nil {
			p.Addf(cert, "does not go with %s: %v", key, err)
		}
	}
}

func (c *Config) checkListeners(p *Problems) {
	const httpListen, httpToken = "VIDBELL_HTTP_LISTEN", "VIDBELL_HTTP_TOKEN"
	const natsListen, natsToken = "VIDBELL_NATS_LISTEN", "VIDBELL_NATS_LISTEN_TOKEN"
	checkToken(p, c.HTTP.Listen, httpListen, c.HTTP.Token, httpToken)
	if c.NATS.External() {
		return
	}
	checkToken(p, c.NATS.Listen, natsListen, c.NATS.ListenToken, natsToken)
	if c.HTTP.Listen != "" && c.HTTP.Listen == c.NATS.Listen && !anyPort(c.HTTP.Listen) && p.none(httpListen, natsListen) {
		p.Addf(httpListen, "%s is the address of %s too: use another port", c.HTTP.Listen, natsListen)
	}
}

func checkToken(p *Problems, address, listen string, token Secret, name string) {
	if address == "" || loopback(address) || token.IsSet() || !p.none(listen, name, name+"_FILE") {
		return
	}
	p.Addf(name, "is required, since %s %s can be reached from other machines: set it or %s_FILE, or listen on 127.0.0.1",
		listen, address, name)
}

// checkHints refuses a secret that opens more than the hint page: it is part of an address, and proxies log addresses.
func (c *Config) checkHints(p *Problems) {
	const secret, listen = "VIDBELL_HINT_SECRET", "VIDBELL_HTTP_LISTEN"
	if !c.HTTP.HintSecret.IsSet() {
		return
	}
	name := c.NameOf(secret)
	if p.none(listen) && c.HTTP.Listen == "" {
		p.Addf(name, "has no use while %s is off: set that to an address, or unset this", listen)
	}
	for _, other := range []struct {
		name  string
		value Secret
	}{{"VIDBELL_API_KEY", c.one.account.Key}, {"VIDBELL_HTTP_TOKEN", c.HTTP.Token}} {
		if other.value.Reveal() == c.HTTP.HintSecret.Reveal() {
			p.Addf(name, "is the same as %s: use another, since this one is part of an address and addresses are logged", other.name)
		}
	}
}

// checkNames asks the package that uses the names.
func (c *Config) checkNames(p *Problems) {
	p.AddErr("VIDBELL_INSTANCE", notify.Names{Instance: c.Names.Instance}.Validate())
	if p.none("VIDBELL_INSTANCE") {
		p.AddErr("VIDBELL_SUBJECT_PREFIX", c.Names.Validate())
	}
}
