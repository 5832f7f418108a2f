package config

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// section reads the keys of a section at the top of the file, once.
func (d *document) section(name string) map[string]*yaml.Node {
	if name == "" {
		return d.root
	}
	n := d.root[name]
	if n == nil {
		return nil
	}
	if d.sections == nil {
		d.sections = map[string]map[string]*yaml.Node{}
	}
	if keys, read := d.sections[name]; read {
		return keys
	}
	var known []string
	for _, f := range fieldsOf(name) {
		known = append(known, f.keys()...)
	}
	d.sections[name] = d.mapping(name, n, known)
	return d.sections[name]
}

// at finds the section and the key of a variable that is set once; lists have their own way.
func at(v Variable) (section, key string, once bool) {
	path := v.Path()
	if path == "" || strings.Contains(path, "[]") {
		return "", "", false
	}
	i := strings.LastIndexByte(path, '.')
	return path[:max(i, 0)], path[i+1:], true
}

// said tells whether the file has something in place of a variable.
func (d *document) said(v Variable) bool {
	if d == nil {
		return false
	}
	section, key, once := at(v)
	if !once {
		return false
	}
	keys := d.section(section)
	return keys[key] != nil || v.Secret && keys[key+fileSuffix] != nil
}

// use sets what the file says in place of a variable. What is wrong with it is reported under the name of the variable, since
// the rules between settings ask by that; it gets its place in the end.
func (d *document) use(v Variable, c *Config) (value string, s Setting) {
	section, key, _ := at(v)
	before := len(*d.problems)
	text, used, ok := d.find(section, field{key: key, Variable: v}, d.section(section))
	path := join(section, used)
	if ok {
		d.addErr(path, v.parse(c, text))
	}
	for i := before; i < len(*d.problems); i++ {
		if p := &(*d.problems)[i]; p.Name == path {
			p.Name = v.Name
		}
	}
	return text, Setting{Name: v.Name, Origin: OriginConfig, Place: d.places[path], path: path}
}

// template is the one setting for all receivers that no variable has.
func (d *document) template(c *Config) {
	keys := d.section(sectionWebhook)
	if keys["template"] != nil {
		if keys["template_file"] != nil || c.origin("VIDBELL_WEBHOOK_TEMPLATE") != OriginDefault {
			d.fail("webhook.template", "a file is named too: leave one out")
			return
		}
		d.apply(sectionWebhook, onlyField("template"), keys, c)
	}
}

func onlyField(key string) []field {
	return slices.DeleteFunc(fieldsOf(sectionWebhook), func(f field) bool { return f.key != key })
}

// compose makes the accounts, sources and endpoints out of the file and the environment.
func (c *Config) compose(d *document, p *Problems) {
	if d == nil {
		d = &document{problems: p, places: map[string]string{}}
	}
	c.accounts(d)
	c.sources(d)
	c.endpoints(d)
	c.fillEndpoints()
	c.places, c.files = d.places, append(c.files, d.files...)
	c.warn(d)
}

// set tells whether the environment says something of these.
func (c *Config) set(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return c.origin(name) != OriginDefault })
}

func (c *Config) accounts(d *document) {
	fields := fieldsOf(sectionAccounts)
	for i, n := range d.list(sectionAccounts, d.node(sectionAccounts)) {
		path := sectionAccounts + "[" + strconv.Itoa(i) + "]"
		d.mark(path, n)
		keys := d.mapping(path, n, append([]string{"name"}, keysOf(fields)...))
		one := *c
		one.one.account = unset().one.account
		_, shown := d.apply(path, fields, keys, &one)
		a := one.one.account
		a.Name = d.text(path, "name", keys, DefaultAccount)
		if a.Name == DefaultAccount {
			c.overrideAccount(&a)
			shown = slices.DeleteFunc(shown, func(s Setting) bool { return c.overrides(strings.TrimPrefix(s.Name, path+".")) })
		}
		if keys["name"] != nil {
			c.items = append(c.items, Setting{Name: path + ".name", Value: a.Name, Origin: OriginConfig, Place: d.places[path+".name"]})
		}
		if !a.Key.IsSet() && keys["api_key"] == nil && keys["api_key_file"] == nil {
			d.fail(path+".api_key", "is required: name a file that holds it with api_key_file, or write ${VARIABLE}")
		}
		c.Accounts, c.items = append(c.Accounts, a), append(c.items, shown...)
	}
	_, declared := c.Account(DefaultAccount)
	if declared || len(c.Accounts) > 0 && !c.set("VIDBELL_API_KEY", "VIDBELL_API_URL", "VIDBELL_RATE_LIMIT", "VIDBELL_UNIQUE_ID") {
		return
	}
	c.one.account.Name = DefaultAccount
	c.Accounts = append(c.Accounts, c.one.account)
	key := Variable{Name: "VIDBELL_API_KEY", Secret: true}
	if !d.broken && !c.one.account.Key.IsSet() && d.problems.none(key.Name, key.FileName()) {
		d.fail(key.Name, "%s", key.missing())
	}
}

// overrideAccount has the environment's way with the account that it is about.
func (c *Config) overrideAccount(a *Account) {
	if c.set("VIDBELL_API_KEY") {
		a.Key = c.one.account.Key
	}
	if c.set("VIDBELL_API_URL") {
		a.URL = c.one.account.URL
	}
	if c.set("VIDBELL_RATE_LIMIT") {
		a.RateLimit = c.one.account.RateLimit
	}
}

// overrides tells whether a variable is set in place of a key of an account.
func (c *Config) overrides(key string) bool {
	return slices.ContainsFunc(fieldsOf(sectionAccounts), func(f field) bool { return f.key == key && c.set(f.Name) })
}

func keysOf(fields []field) (keys []string) {
	for _, f := range fields {
		keys = append(keys, f.keys()...)
	}
	return keys
}

// node is that of a list at the top; one that is missing is an empty one.
func (d *document) node(section string) *yaml.Node {
	if n := d.root[section]; n != nil {
		return n
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
}

// text reads a value that is no variable's.
func (d *document) text(path, key string, keys map[string]*yaml.Node, otherwise string) string {
	n := keys[key]
	if n == nil {
		return otherwise
	}
	text, _ := d.scalar(join(path, key), n)
	return strings.TrimSpace(text)
}

func (c *Config) sources(d *document) {
	for i, n := range d.list(sectionSources, d.node(sectionSources)) {
		path := sectionSources + "[" + strconv.Itoa(i) + "]"
		d.mark(path, n)
		keys := d.mapping(path, n, []string{"name", "account", "unique_id", "video_name", sectionPoll, sectionWords})
		if keys == nil {
			continue
		}
		c.Sources = append(c.Sources, c.source(d, path, keys))
	}
	account := DefaultAccount
	_, there := c.Account(account)
	if !there && len(c.Accounts) == 1 {
		account, there = c.Accounts[0].Name, true
	}
	if !c.set("VIDBELL_UNIQUE_ID") && (d.root[sectionSources] != nil || !there) {
		c.reshow("VIDBELL_UNIQUE_ID", "") // its default is for those who name no source, and have an account for it
		return
	}
	for _, s := range c.one.sources {
		d.places[fmt.Sprintf("%s[%d]", sectionSources, len(c.Sources))] = "VIDBELL_UNIQUE_ID"
		s.Account, s.Poll, s.Words = account, c.one.poll, c.one.words
		c.Sources = append(c.Sources, s)
	}
}

func (c *Config) source(d *document, path string, keys map[string]*yaml.Node) Source {
	id := d.text(path, "unique_id", keys, "")
	s := Source{
		Name: d.text(path, "name", keys, SourceName(id)), UniqueID: id, VideoName: d.text(path, "video_name", keys, ""),
		Account: d.text(path, "account", keys, ""),
	}
	if id == "" && keys["unique_id"] == nil {
		s.UniqueID = s.Name // the usual case: both are the same
	}
	if keys["account"] == nil && len(c.Accounts) == 1 {
		s.Account = c.Accounts[0].Name
	}
	one := *c
	own, shown := d.sub(path, sectionPoll, keys, &one)
	if !own["max_interval"] && !c.set("VIDBELL_POLL_MAX_INTERVAL") {
		one.one.poll.MaxInterval = max(one.one.poll.MaxInterval, one.one.poll.Interval)
	}
	s.Poll = one.one.poll
	chosen, words := d.sub(path, sectionWords, keys, &one)
	s.Words = one.one.words.giveWay(func(key, variable string) bool { return chosen[key] || c.set(variable) })
	for _, key := range []string{"name", "account", "unique_id", "video_name"} {
		if keys[key] != nil {
			c.items = append(c.items, Setting{
				Name: path + "." + key, Value: d.text(path, key, keys, ""), Origin: OriginConfig, Place: d.places[path+"."+key],
			})
		}
	}
	c.items = append(append(c.items, shown...), words...)
	return s
}

// sub reads a section within an entry of a list.
func (d *document) sub(path, section string, keys map[string]*yaml.Node, c *Config) (own map[string]bool, shown []Setting) {
	n := keys[section]
	if n == nil {
		return nil, nil
	}
	fields := fieldsOf(section)
	path = path + "." + section
	return d.apply(path, fields, d.mapping(path, n, keysOf(fields)), c)
}

// giveWay takes the words of lists that somebody chose out of the built-in ones.
func (w Words) giveWay(chosen func(key, variable string) bool) Words {
	lists := []struct {
		key, variable string
		words         *[]string
	}{
		{"done", "VIDBELL_STATUS_DONE", &w.Done},
		{"failed", "VIDBELL_STATUS_FAILED", &w.Failed},
		{"processing", "VIDBELL_STATUS_PROCESSING", &w.Processing},
	}
	var taken []string
	for _, l := range lists {
		if chosen(l.key, l.variable) {
			taken = append(taken, *l.words...)
		}
	}
	for _, l := range lists {
		if !chosen(l.key, l.variable) {
			*l.words = slices.DeleteFunc(slices.Clone(*l.words), func(word string) bool { return slices.Contains(taken, word) })
		}
	}
	return w
}

func (c *Config) endpoints(d *document) {
	fields := endpointFields()
	for i, n := range d.list(sectionEndpoints, d.node(sectionEndpoints)) {
		path := endpointPath(i)
		d.mark(path, n)
		keys := d.mapping(path, n, append([]string{"name"}, keysOf(secretURL(fields))...))
		if blank(follow(n)) {
			d.fail(path, "has no keys: it needs a url at least")
		}
		e := c.endpoint(d, path, keys, fields)
		c.Endpoints = append(c.Endpoints, e)
	}
}

func (c *Config) endpoint(d *document, path string, keys map[string]*yaml.Node, fields []field) Endpoint {
	one := *c
	one.Webhook.URLs = nil
	fields = secretURL(fields)
	if keys["template"] != nil && keys["template_file"] != nil {
		d.fail(path+".template", "template_file stands there too: leave one out")
	}
	e := Endpoint{Name: d.text(path, "name", keys, "")}
	inline := d.inline
	own, shown := d.apply(path, fields, keys, &one)
	if keys["url"] != nil && !d.ownSecret(keys) {
		d.inline = inline // an address alone is nobody's secret
	}
	e.own, e.Delivery = own, one.Webhook.Delivery
	e.chooseEvents(own["events"] || c.set("VIDBELL_WEBHOOK_EVENTS"))
	if len(one.Webhook.URLs) > 0 {
		e.URL = one.Webhook.URLs[0]
	} else if !own["url"] && !own["url_file"] && keys != nil {
		d.fail(path+".url", "is required")
	}
	if e.Name != "" {
		c.items = append(c.items, Setting{Name: path + ".name", Value: e.Name, Origin: OriginConfig, Place: d.places[path+".name"]})
	}
	for i := range shown {
		if shown[i].Name == path+".url" && e.URL.IsSet() {
			shown[i].Value = showURL(e.URL.Reveal())
		}
	}
	c.items = append(c.items, shown...)
	return e
}

// ownSecret tells whether an endpoint holds a secret besides its address.
func (d *document) ownSecret(keys map[string]*yaml.Node) bool {
	for _, key := range []string{"secret", "headers", "routing_key"} {
		if n := keys[key]; n != nil && (n.Kind != yaml.ScalarNode || !variableReference.MatchString(n.Value)) {
			return true
		}
	}
	return false
}

func oneURL(c *Config, value string) error {
	if _, err := parseWebURL(value); err != nil {
		return err
	}
	c.Webhook.URLs = []Secret{NewSecret(value)}
	return nil
}

// warn looks at who else can read a file that holds secrets.
func (c *Config) warn(d *document) {
	if !d.inline || runtime.GOOS == "windows" {
		return
	}
	if info, err := os.Stat(d.name); err == nil && info.Mode().Perm()&0o044 != 0 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%s holds secrets, and others on this machine may read it: chmod 600 it, "+
			"or name files with ..._file", d.name))
	}
}

// place puts the place in the file in front of what each problem is about.
func (c *Config) place(problems Problems) {
	for i := range problems {
		problems[i].Name = c.placed(problems[i].Name)
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		lineA, columnA := c.position(a)
		lineB, columnB := c.position(b)
		return cmp.Or(cmp.Compare(lineA, lineB), cmp.Compare(columnA, columnB))
	})
}

// position is where in the file a problem is; what is in no file comes behind.
func (c *Config) position(p Problem) (line, column int) {
	rest, ok := strings.CutPrefix(p.Name, c.File+":")
	if c.File == "" || !ok {
		return math.MaxInt, 0
	}
	parts := strings.SplitN(rest, ":", 3)
	line, _ = strconv.Atoi(parts[0])
	if len(parts) > 1 {
		column, _ = strconv.Atoi(parts[1])
	}
	return line, column
}

func (c *Config) placed(name string) string {
	for _, s := range c.settings {
		if s.Name == name && s.Origin == OriginConfig && s.Place != "" {
			return s.Place + ": " + s.path
		}
	}
	for path := name; path != ""; path = path[:max(strings.LastIndexAny(path, ".["), 0)] {
		switch at := c.places[path]; {
		case at == "":
		case strings.HasPrefix(at, variablePrefix):
			return at
		default:
			return at + ": " + name
		}
	}
	return name
}

// NeedsRestart names the settings that differ between two configurations and cannot change while vidbell runs.
func (c *Config) NeedsRestart(next *Config) []string {
	var changed []string
	for _, s := range []struct {
		name string
		same bool
	}{
		{"nats", c.NATS.equal(next.NATS)},
		{"data_dir", c.DataDir == next.DataDir},
		{"instance", c.Names.Instance == next.Names.Instance},
		{"subject_prefix", c.Names.Prefix == next.Names.Prefix},
		{"http.listen", c.HTTP.Listen == next.HTTP.Listen},
		{"http.token", c.HTTP.Token.Reveal() == next.HTTP.Token.Reveal()},
		{"http.hint_secret", c.HTTP.HintSecret.Reveal() == next.HTTP.HintSecret.Reveal()},
		{"retention", c.Retention == next.Retention},
		{"log.format", c.Log.Format == next.Log.Format},
	} {
		if !s.same {
			changed = append(changed, s.name)
		}
	}
	return changed
}

func (n NATS) equal(o NATS) bool {
	reveal := func(list []Secret) (texts []string) {
		for _, s := range list {
			texts = append(texts, s.Reveal())
		}
		return texts
	}
	return slices.Equal(reveal(n.URLs), reveal(o.URLs)) && n.Creds == o.Creds && n.NKey == o.NKey && n.TLSCA == o.TLSCA &&
		n.TLSCert == o.TLSCert && n.TLSKey == o.TLSKey && n.Replicas == o.Replicas && n.Listen == o.Listen &&
		n.ListenToken.Reveal() == o.ListenToken.Reveal()
}

// Files are the files that the configuration was read from, besides the one of VIDBELL_CONFIG: those of secrets and templates.
func (c *Config) Files() []string { return slices.Clone(c.files) }
