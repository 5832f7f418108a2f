package config_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vidbell/internal/config"
)

// write puts a configuration file, and others beside it, into a folder of its own, which becomes the working directory, so that
// messages have short names.
func write(t *testing.T, text string, others ...string) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	others = append(others, "vidbell.yaml", text)
	for i := 0; i < len(others); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, others[i]), []byte(others[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("VIDBELL_CONFIG", "vidbell.yaml")
}

func lines(err error) []string {
	var problems config.Problems
	errors.As(err, &problems)
	var list []string
	for _, p := range problems {
		list = append(list, p.String())
	}
	return list
}

func loaded(t *testing.T) *config.Config {
	t.Helper()
	c, err := config.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const whole = `
accounts:
  - name: main
    api_key_file: key
    rate_limit: 2
  - name: other
    url: http://127.0.0.1:9
    api_key: ${OTHER_KEY}
sources:
  - name: marketing
    account: main
    unique_id: Team Marketing
    poll: {interval: 5s, stall_after: 0}
  - unique_id: "012"
    account: other
    video_name: raw_*
    words: {done: [FINISHED]}
poll:
  interval: 20s
words:
  failed: [BROKEN]
endpoints:
  - name: pipeline
    url: https://one.example.com/hook?token=geheim1
    secret: [whsec_a, whsec_b]
    filter: data.duration_seconds > 60
    order: video
    headers: {X-Team: "a, b", Authorization: Bearer geheim2}
  - url_file: address
    format: pagerduty
    routing_key: ${ROUTING}
    schedule: [0, 5s, 1m]
    sources: [marketing]
webhook:
  timeout: 20s
  events: [video.*]
nats:
  listen: 127.0.0.1:0
http:
  token_file: token
log: {level: debug}
data_dir: ./d
`

func TestAFileSaysEverythingOfSeveralAccountsAndEndpoints(t *testing.T) {
	write(t, whole, "key", "k-1\n", "address", "https://two.example.com/x", "token", "t-1")
	t.Setenv("OTHER_KEY", "k-2")
	t.Setenv("ROUTING", "r-1")
	c := loaded(t)

	if len(c.Accounts) != 2 || c.Accounts[0].Key.Reveal() != "k-1" || c.Accounts[0].RateLimit != 2 || c.Accounts[0].URL != "https://api.memories.ai" ||
		c.Accounts[1].Key.Reveal() != "k-2" || c.Accounts[1].URL != "http://127.0.0.1:9" || c.Accounts[1].RateLimit != 1 {
		t.Errorf("accounts: %+v", c.Accounts)
	}
	first, second := c.Sources[0], c.Sources[1]
	if len(c.Sources) != 2 || first.Poll.Interval != 5*time.Second || first.Poll.StallAfter != 0 || first.UniqueID != "Team Marketing" ||
		!slices.Equal(first.Words.Failed, []string{"BROKEN"}) || first.Words.Done[0] != "DONE" {
		t.Errorf("first source: %+v", first)
	}
	if second.Name != "012" || second.UniqueID != "012" || second.Poll.Interval != 20*time.Second || second.Poll.StallAfter != time.Hour ||
		second.VideoName != "raw_*" || !slices.Equal(second.Words.Done, []string{"FINISHED"}) {
		t.Errorf("second source: %+v", second)
	}
	one, two := c.Endpoints[0], c.Endpoints[1]
	if one.Name != "pipeline" || len(one.Secrets) != 2 || one.Filter == "" || one.Order != "video" || one.Headers["X-Team"].Reveal() != "a, b" ||
		one.Timeout != 20*time.Second || !slices.Equal(one.Events, []string{"video.*"}) || one.Schedule != "standard" {
		t.Errorf("first endpoint: %+v", one)
	}
	if two.URL.Reveal() != "https://two.example.com/x" || two.RoutingKey.Reveal() != "r-1" || two.Schedule != "0,5s,1m" || two.Filter != "" ||
		len(two.Secrets) != 0 || !slices.Equal(two.Sources, []string{"marketing"}) {
		t.Errorf("second endpoint: %+v", two)
	}
	if c.HTTP.Token.Reveal() != "t-1" || c.Log.Level != "debug" || c.NATS.Listen != "127.0.0.1:0" || c.DataDir != "./d" {
		t.Errorf("the rest: %+v %+v %+v %s", c.HTTP, c.Log, c.NATS, c.DataDir)
	}
	shown := map[string]config.Setting{}
	for _, s := range c.Effective() {
		shown[s.Name] = s
		if strings.Contains(s.Value, "geheim") || strings.Contains(s.Value, "whsec") {
			t.Errorf("%s shows %s", s.Name, s.Value)
		}
	}
	if s := shown["endpoints[0].url"]; s.Value != "https://one.example.com/..." || s.Place != "vidbell.yaml:24:10" {
		t.Errorf("shown of a URL: %+v", s)
	}
	if s := shown["VIDBELL_LOG_LEVEL"]; s.Origin != config.OriginConfig || s.Place != "vidbell.yaml:41:14" {
		t.Errorf("shown of a level: %+v", s)
	}
}

func TestTheEnvironmentOverridesTheFile(t *testing.T) {
	write(t, `
accounts: [{api_key: from-file, rate_limit: 3}]
sources: [{name: a, poll: {interval: 7s}}, {name: b}]
poll: {interval: 20s, max_interval: 40s}
endpoints: [{name: own, url: "https://one.example.com", timeout: 2s}, {name: shared, url: "https://two.example.com"}]
webhook: {timeout: 9s}
log: {level: debug}
`)
	for name, value := range map[string]string{
		"API_KEY": "from-env", "POLL_INTERVAL": "30s", "WEBHOOK_TIMEOUT": "8s", "WEBHOOK_URL": "https://three.example.com",
		"LOG_LEVEL": "error", "UNIQUE_ID": "c",
	} {
		t.Setenv("VIDBELL_"+name, value)
	}
	c := loaded(t)
	if len(c.Accounts) != 1 || c.Accounts[0].Key.Reveal() != "from-env" || c.Accounts[0].RateLimit != 3 {
		t.Errorf("accounts: %+v", c.Accounts)
	}
	var names []string
	for _, s := range c.Sources {
		names = append(names, s.Name+" "+s.Poll.Interval.String()+" "+s.Account)
	}
	if !slices.Equal(names, []string{"a 7s default", "b 30s default", "c 30s default"}) {
		t.Errorf("sources: %q", names)
	}
	var timeouts []time.Duration
	for _, e := range c.Endpoints {
		timeouts = append(timeouts, e.Timeout)
	}
	if !slices.Equal(timeouts, []time.Duration{2 * time.Second, 8 * time.Second, 8 * time.Second}) || c.Log.Level != "error" {
		t.Errorf("timeouts %v, level %s", timeouts, c.Log.Level)
	}
}

func TestAFileOfSettingsAloneLeavesTheAccountToTheEnvironment(t *testing.T) {
	write(t, "poll: {interval: 2m}\n# nothing else\n")
	_, err := config.Load()
	if got := lines(err); len(got) != 1 || !strings.HasPrefix(got[0], "VIDBELL_API_KEY: is required") {
		t.Errorf("%q", got)
	}
	t.Setenv("VIDBELL_API_KEY", "k")
	c := loaded(t)
	if len(c.Sources) != 1 || c.Sources[0].Poll.Interval != 2*time.Minute || c.Sources[0].Poll.MaxInterval != 2*time.Minute || c.Sources[0].Account != "default" {
		t.Errorf("%+v", c.Sources)
	}
}

func TestAnAnchorSharesSettings(t *testing.T) {
	write(t, `
accounts: [{api_key: k}]
endpoints:
  - &base
    name: one
    url: https://one.example.com
    filter: data.version == 1
  - <<: *base
    name: two
    url: https://two.example.com
`)
	c := loaded(t)
	if len(c.Endpoints) != 2 || c.Endpoints[1].Name != "two" || c.Endpoints[1].Filter != "data.version == 1" {
		t.Errorf("%+v", c.Endpoints)
	}
}

var brokenFiles = map[string]struct {
	text string
	says []string
}{
	"several mistakes are told at once, with their places": {
		"accounts: [{api_key: k}]\npoll:\n  interval: 30\n  baseline: loud\nendpoints:\n  - url: https://a.example.com\n    secrett: x\n  - url: ftp://b\n",
		[]string{
			`vidbell.yaml:3:13: poll.interval: "30" has no unit, write 30s`,
			`vidbell.yaml:4:13: poll.baseline: "loud" is not known, use silent or emit`,
			"vidbell.yaml:7:5: endpoints[0].secrett: unknown key, did you mean secret?",
			`vidbell.yaml:8:10: endpoints[1].url: scheme "ftp" cannot be used, use http or https`,
		},
	},
	"a key at the top that there is not": {
		"accounts: [{api_key: k}]\nendpoint: []\n", []string{"vidbell.yaml:2:1: endpoint: unknown key, did you mean endpoints?"},
	},
	"a key twice": {
		"accounts: [{api_key: k}]\nlog: {level: info, level: debug}\n", []string{"vidbell.yaml:2:20: log.level: stands on line 2 already: leave one out"},
	},
	"no YAML, and nothing of it is repeated": {
		"accounts: [{api_key: geheim\n", []string{"vidbell.yaml:2:1: is no YAML: look for a missing comma, quote or brace; between braces, ${VARIABLE} needs quotes"},
	},
	"an indentation that is none": {
		"accounts:\n  - api_key: k\n   url: geheim\n", []string{"vidbell.yaml:3:4: is no YAML: look for a missing colon, quote or bracket, or a line that is indented otherwise than its neighbours"},
	},
	"a second document": {
		"accounts: [{api_key: k}]\n---\npoll: {interval: 1m}\n", []string{"vidbell.yaml: holds a second document (---): put everything in one"},
	},
	"a variable that is not set": {
		"accounts: [{api_key: '${VIDBELL_TEST_NOT_THERE}'}]\n", []string{"vidbell.yaml:1:22: accounts[0].api_key: ${VIDBELL_TEST_NOT_THERE}: this variable is not set"},
	},
	"a secret and a file of it": {
		"accounts: [{api_key: k, api_key_file: key}]\n", []string{"vidbell.yaml:1:39: accounts[0].api_key_file: api_key stands there too: leave one out"},
	},
	"a secret file that there is not": {
		"accounts: [{api_key_file: ./nowhere}]\n", []string{`vidbell.yaml:1:27: accounts[0].api_key_file: cannot read file "nowhere": no such file or directory`},
	},
	"no key": {
		"accounts: [{name: a}]\n", []string{"vidbell.yaml:1:12: accounts[0].api_key: is required: name a file that holds it with api_key_file, or write ${VARIABLE}"},
	},
	"a section that is a word": {
		"accounts: [{api_key: k}]\nnats: nats://a:4222\n", []string{"vidbell.yaml:2:7: nats: must have keys below it, such as url, creds, nkey"},
	},
	"a list that is no list": {
		"accounts: {api_key: k}\nsources: []\n", []string{
			"vidbell.yaml:1:11: accounts: must be a list: begin each entry with a dash",
			"VIDBELL_API_KEY: is required: set it, or set VIDBELL_API_KEY_FILE to the path of a file that holds it",
		},
	},
	"an account that there is not": {
		"accounts: [{name: a, api_key: k}, {name: b, api_key: l}]\nsources: [{name: s, account: c}]\n", nil, // said by ValidateSources
	},
	"an interval above the most": {
		"accounts: [{api_key: k}]\npoll: {interval: 2m, max_interval: 1m}\n", []string{"vidbell.yaml:2:36: poll.max_interval: 1m is below VIDBELL_POLL_INTERVAL, which is 2m"},
	},
	"an address without a token, by a rule between settings": {
		"accounts: [{api_key: k}]\nhttp: {listen: ':80'}\n", []string{
			"VIDBELL_HTTP_TOKEN: is required, since VIDBELL_HTTP_LISTEN :80 can be reached from other machines: set it or VIDBELL_HTTP_TOKEN_FILE, or listen on 127.0.0.1",
		},
	},
	"an endpoint's source that there is not": {
		"accounts: [{api_key: k}]\nsources: [{name: a}]\nendpoints: [{url: 'https://a', sources: [a, b]}]\n",
		[]string{`vidbell.yaml:3:41: endpoints[0].sources: "b" is the name of no source; there are a`},
	},
	"an endpoint without an address": {
		"accounts: [{api_key: k}]\nendpoints: [{name: a}]\n", []string{"vidbell.yaml:2:13: endpoints[0].url: is required"},
	},
	"a value that is none": {
		"accounts: [{api_key: k}]\nlog: {level: }\n", []string{"vidbell.yaml:2:7: log.level: has no value: give it one, or leave it out"},
	},
	"a list for one value": {
		"accounts: [{api_key: k}]\nlog: {level: [info]}\n", []string{"vidbell.yaml:2:14: log.level: must be one value, not a list"},
	},
	"a comma in an entry": {
		"accounts: [{api_key: k}]\nwebhook: {events: ['video.done,video.failed']}\n", []string{"vidbell.yaml:2:20: webhook.events[0]: holds a comma: make it two entries"},
	},
	"aliases that would fill memory": {
		"accounts: [{api_key: k}]\nlog: &a {level: &b [x,x,x,x,x,x,x,x,x,x]}\nhttp: {token: *b}\n", []string{
			"vidbell.yaml:2:17: log.level: must be one value, not a list", "vidbell.yaml:3:15: http.token: must be one value, not a list",
		},
	},
	"an alias of itself": {
		"accounts: [{api_key: k}]\nlog: &a {<<: *a}\n", []string{
			"vidbell.yaml:2:14: an alias (*name) stands within its own anchor (&name), and would have no end",
		},
	},
	"a merge of what has no keys": {
		"accounts: [{api_key: k}]\nlog: {<<: info}\n", []string{"vidbell.yaml:2:11: log: merges (<<) what has no keys"},
	},
	"an alias of nothing": {
		"accounts: [{api_key: *geheim}]\n", []string{"vidbell.yaml:1:22: is no YAML: an alias (*name) has no anchor (&name) before it"},
	},
	"a colon without a space, which makes a secret a key": {
		"accounts: [{api_key:geheim}]\nendpoints: [{url:https://u:geheim@a}]\n", []string{
			"vidbell.yaml:1:12: accounts[0].api_key: is required: name a file that holds it with api_key_file, or write ${VARIABLE}",
			"vidbell.yaml:1:13: accounts[0].api_key: needs a colon and a space behind it, and then its value",
			"vidbell.yaml:2:13: endpoints[0].url: is required",
			"vidbell.yaml:2:14: endpoints[0].url: needs a colon and a space behind it, and then its value",
		},
	},
	"a secret in place of a key": {
		"accounts: [{api_key: k, geheim-1}]\nlog: {geheim2: x, geheim2: y}\n", []string{
			"vidbell.yaml:1:25: accounts[0]: unknown key; here can be name, api_key, api_key_file, url, rate_limit",
			"vidbell.yaml:2:7: log: unknown key; here can be level, format", "vidbell.yaml:2:19: log: unknown key; here can be level, format",
		},
	},
	"headers that are no headers": {
		"accounts: [{api_key: k}]\nendpoints: [{url: 'https://a', headers: {Authorization=geheim, 'Bearer geheim': x, X-Team: a}}]\n", []string{
			"vidbell.yaml:2:42: endpoints[0].headers: header 1 must be a name of letters, digits and -, a colon, a space and a value",
			"vidbell.yaml:2:64: endpoints[0].headers: header 2 must be a name of letters, digits and -, a colon, a space and a value",
		},
	},
	"a version of YAML": {
		"%YAML 1.2\n---\nlog: {level: info}\n", []string{
			"vidbell.yaml:1:1: begins with a %YAML line of a version that is not read: leave the line out",
		},
	},
	"an endpoint that is a word": {
		"accounts: [{api_key: k}]\nendpoints: ['https://a/geheim']\n", []string{
			"vidbell.yaml:2:13: endpoints[0]: must have keys below it, such as name, url, url_file",
		},
	},
	"a file that is a scalar": {
		"hello", []string{
			"vidbell.yaml:1:1: the file: must have keys below it, such as accounts, sources, endpoints",
			"VIDBELL_API_KEY: is required: set it, or set VIDBELL_API_KEY_FILE to the path of a file that holds it",
		},
	},
}

func TestMistakesInAFileAreNamedWithTheirPlaces(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(brokenFiles)) {
		t.Run(name, func(t *testing.T) {
			write(t, brokenFiles[name].text, "key", "k")
			_, err := config.Load()
			got := lines(err)
			if !slices.Equal(got, brokenFiles[name].says) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(brokenFiles[name].says, "\n"))
			}
			if err != nil && strings.Contains(err.Error(), "geheim") {
				t.Error("a secret is repeated")
			}
		})
	}
}

// A file is empty for a moment while an editor saves it: whoever reads it then must not take it for one without endpoints.
func TestAnEmptyFileIsNoFileWithoutSettings(t *testing.T) {
	for _, text := range []string{"", "\n \n", "\ufeff"} {
		write(t, text)
		t.Setenv("VIDBELL_API_KEY", "k")
		_, err := config.Load()
		if got := lines(err); !slices.Equal(got, []string{`VIDBELL_CONFIG: file "vidbell.yaml" is empty: vidbell config example prints one to begin with`}) {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestAFileThatCannotBeReadIsNamed(t *testing.T) {
	t.Setenv("VIDBELL_API_KEY", "k")
	dir := t.TempDir()
	t.Setenv("VIDBELL_CONFIG", dir)
	if _, err := config.Load(); err == nil || !strings.Contains(err.Error(), "VIDBELL_CONFIG: cannot read file") {
		t.Errorf("a folder: %v", err)
	}
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VIDBELL_CONFIG", large)
	if _, err := config.Load(); err == nil || !strings.Contains(err.Error(), "is larger than 1024 KiB") {
		t.Errorf("a large file: %v", err)
	}
}

func TestAFileThatSaysNothingChangesNothing(t *testing.T) {
	for name, text := range map[string]string{"comments": "# later\n", "behind a mark of its encoding": "\ufeff# later\n", "a document's begin": "---\n"} {
		t.Run(name, func(t *testing.T) {
			write(t, text)
			t.Setenv("VIDBELL_API_KEY", "k")
			if c := loaded(t); len(c.Accounts) != 1 || len(c.Sources) != 1 || c.Sources[0].Name != "default" {
				t.Errorf("%+v %+v", c.Accounts, c.Sources)
			}
		})
	}
}

// Each is below the bound of a file, and stands for more than memory holds.
func TestAliasesThatStandForMoreThanMemoryHolds(t *testing.T) {
	var keys, entries strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&keys, "    x%d: 1\n", i)
		fmt.Fprintf(&entries, "H%d: x,", i)
	}
	for name, text := range map[string]string{
		"entries of a list": "sources:\n  - &a\n" + keys.String() + strings.Repeat("  - *a\n", 50_000),
		"merges":            "log: &a\n" + keys.String() + "http: {<<: [" + strings.Repeat("*a,", 50_000) + "]}\n",
		"headers":           "webhook: {headers: &a {" + entries.String() + "}}\nendpoints:\n" + strings.Repeat("  - {url: 'https://a', headers: *a}\n", 15_000),
		"a long text":       "log: {level: &a " + strings.Repeat("x", 500_000) + "}\nwebhook: {events: [" + strings.Repeat("*a,", 50_000) + "]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			write(t, text)
			_, err := config.Load()
			want := []string{"vidbell.yaml: is more than a configuration can be, with its aliases followed: at most 100000 values and 8 MiB"}
			if got := lines(err); !slices.Equal(got, want) {
				t.Errorf("%d problems, the first %q", len(got), got[:min(len(got), 1)])
			}
		})
	}
}

func TestSeveralAccountsNeedSourcesThatNameThem(t *testing.T) {
	write(t, "accounts: [{name: a, api_key: k}, {name: b, api_key: l}]\n")
	c := loaded(t)
	var found config.Problems
	c.ValidateSources(&found)
	if len(c.Sources) != 0 || len(found) != 1 || found[0].String() != "sources: at least one is required: there is nothing to watch" {
		t.Errorf("%+v %q", c.Sources, found)
	}
}

func TestWhatAVariableOverridesIsNotShownAsTheFiles(t *testing.T) {
	write(t, "accounts: [{name: default, api_key: k, rate_limit: 3}]\nsources: [{name: a}]\n")
	t.Setenv("VIDBELL_API_KEY", "l")
	shown := map[string]config.Setting{}
	for _, s := range loaded(t).Effective() {
		shown[s.Name] = s
	}
	if s, there := shown["accounts[0].api_key"]; there {
		t.Errorf("shown: %+v", s)
	}
	if s := shown["VIDBELL_API_KEY"]; s.Origin != config.OriginEnv {
		t.Errorf("shown: %+v", s)
	}
	if shown["accounts[0].name"].Value != "default" || shown["accounts[0].rate_limit"].Value != "3" || shown["VIDBELL_UNIQUE_ID"].Value != "" {
		t.Errorf("shown: %+v %+v %+v", shown["accounts[0].name"], shown["accounts[0].rate_limit"], shown["VIDBELL_UNIQUE_ID"])
	}
}

func TestSecretsThatOthersMayReadAreWarnedOf(t *testing.T) {
	write(t, "accounts: [{api_key: k}]\n")
	if err := os.Chmod("vidbell.yaml", 0o644); err != nil {
		t.Fatal(err)
	}
	if c := loaded(t); len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "chmod 600") {
		t.Errorf("%q", c.Warnings)
	}
	t.Setenv("K", "k")
	write(t, "accounts: [{api_key: '${K}'}]\nendpoints: [{url: 'https://a.example.com'}]\n")
	if err := os.Chmod("vidbell.yaml", 0o644); err != nil {
		t.Fatal(err)
	}
	if c := loaded(t); len(c.Warnings) != 0 {
		t.Errorf("%q", c.Warnings)
	}
}

func TestWhatCannotChangeWhileVidbellRunsIsNamed(t *testing.T) {
	write(t, "accounts: [{api_key: k}]\n")
	before := loaded(t)
	write(t, "accounts: [{api_key: l}]\nnats: {listen: off}\ndata_dir: /else\nlog: {level: debug}\npoll: {interval: 1m}\n")
	if got := before.NeedsRestart(loaded(t)); !slices.Equal(got, []string{"nats", "data_dir"}) {
		t.Errorf("%q", got)
	}
	if got := before.NeedsRestart(before); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func TestASecretInThePlaceOfAnotherValueIsNotRepeated(t *testing.T) {
	for _, text := range []string{
		"accounts: [{api_key_file: sk-geheim}]\n", "accounts: [{api_key: k}]\nendpoints: [{url: 'https://a', secret_file: whsec_geheim}]\n",
		"accounts: [{api_key: k}]\nsources: [{name: a, account: sk-geheim}]\n", "accounts: [{name: sk-geheim, api_key: k}]\n",
		"accounts: [{api_key: k}]\npoll: {interval: whsec_geheim}\n", "accounts: [{api_key: k}]\nlog: {level: sk-geheim}\n",
	} {
		write(t, text)
		c, err := config.Load(func(c *config.Config, p *config.Problems) { c.ValidateSources(p) })
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s is told as %v", text, err)
		}
		_ = c
	}
	write(t, "accounts: [{api_key_file: sk-geheim}]\n")
	_, err := config.Load()
	if err == nil || !strings.Contains(err.Error(), "looks like the secret itself") {
		t.Errorf("%v", err)
	}
}
