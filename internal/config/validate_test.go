package config_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"vidbell/internal/config"
)

// valid is two accounts at two platforms and three sources, with nothing wrong.
func valid() *config.Config {
	words := config.Words{Parse: config.ParseAuto}
	poll := config.Poll{
		Interval: time.Second, MaxInterval: time.Minute, Sweep: time.Minute, Baseline: config.BaselineSilent, StallAfter: time.Hour,
	}
	return &config.Config{
		Accounts: []config.Account{
			{Name: "eu", URL: "https://eu.example", Key: config.NewSecret("hush-eu"), RateLimit: 1},
			{Name: "us", URL: "https://us.example", Key: config.NewSecret("hush-us"), RateLimit: 5},
		},
		Sources: []config.Source{
			{Name: "press", Account: "eu", UniqueID: "press/2026", VideoName: "cam_[0-9]*", Words: words, Poll: poll},
			{Name: "archive", Account: "eu", UniqueID: "default", Words: words, Poll: poll},
			{Name: "studio", Account: "us", UniqueID: "default", Words: words, Poll: poll},
		},
	}
}

func TestValidateSources(t *testing.T) {
	long := strings.Repeat("x", 257)
	for _, tc := range []struct {
		sentence string
		spoil    func(c *config.Config)
		want     []string
	}{
		{"nothing is wrong", func(*config.Config) {}, nil},
		{"nothing to watch", func(c *config.Config) { c.Sources = nil }, []string{
			"sources: at least one is required: there is nothing to watch",
		}},

		{"an account without a name", func(c *config.Config) { c.Accounts[0].Name = ""; c.Sources = c.Sources[2:] }, []string{
			"accounts[0].name: is required",
		}},
		{"an account name with a dot", func(c *config.Config) { c.Accounts[1].Name = "u.s"; c.Sources = c.Sources[:2] }, []string{
			`accounts[1].name: "u.s" is not a name, use 1 to 64 letters, digits, - or _`,
		}},
		{"two accounts of one name", func(c *config.Config) { c.Accounts[1].Name = "eu"; c.Sources = c.Sources[:2] }, []string{
			`accounts[1].name: "eu" names another account too: names must differ`,
		}},
		{"an account without a key", func(c *config.Config) { c.Accounts[0].Key = config.Secret{} }, []string{
			"accounts[0].api_key: is required",
		}},
		{"a key that cannot be sent", func(c *config.Config) { c.Accounts[0].Key = config.NewSecret("hush hush") }, []string{
			"accounts[0].api_key: holds a space, a line break or a character that is not ASCII: check how it was copied",
		}},
		{"a key with the word Bearer", func(c *config.Config) { c.Accounts[0].Key = config.NewSecret("Bearer hush") }, []string{
			"accounts[0].api_key: is sent as it is: give the key alone, without the word Bearer",
		}},
		{"an account nowhere", func(c *config.Config) { c.Accounts[1].URL = "" }, []string{
			"accounts[1].url: has no scheme, start it with https://",
		}},
		{"a URL with a password", func(c *config.Config) { c.Accounts[1].URL = "https://me:hush@us.example" }, []string{
			"accounts[1].url: must not hold a user or password (...@)",
		}},
		{"a rate of nothing", func(c *config.Config) { c.Accounts[0].RateLimit = 0 }, []string{
			"accounts[0].rate_limit: 0 is out of range, use more than 0 and at most 100",
		}},
		{"a rate that is no number", func(c *config.Config) { c.Accounts[0].RateLimit = math.NaN() }, []string{
			"accounts[0].rate_limit: NaN is out of range, use more than 0 and at most 100",
		}},
		{"two rates for one quota", func(c *config.Config) {
			c.Accounts[1].URL, c.Accounts[1].Key = "https://EU.example/", c.Accounts[0].Key
		}, []string{
			`accounts[1].rate_limit: 5 differs from the 1 of account "eu", which has the same URL and key and so the same quota: give both one rate`,
		}},

		{"a source without a name", func(c *config.Config) { c.Sources[0].Name = "" }, []string{"sources[0].name: is required"}},
		{"a source name that fits no subject", func(c *config.Config) { c.Sources[0].Name = "press>" }, []string{
			`sources[0].name: "press>" is not a name, use 1 to 64 letters, digits, - or _`,
		}},
		{"two sources of one name, at different accounts", func(c *config.Config) { c.Sources[2].Name = "press" }, []string{
			`sources[2].name: "press" names another source too: names must differ`,
		}},
		{"a source of no account", func(c *config.Config) { c.Sources[1].Account = "" }, []string{"sources[1].account: is required"}},
		{"a source of a misspelt account", func(c *config.Config) { c.Sources[1].Account = "ue" }, []string{
			`sources[1].account: no account is named "ue", did you mean eu?`,
		}},
		{"a source of an account like no other", func(c *config.Config) { c.Sources[1].Account = "asia-pacific" }, []string{
			`sources[1].account: no account is named "asia-pacific"`,
		}},
		{"a source of no namespace", func(c *config.Config) { c.Sources[0].UniqueID = "" }, []string{
			`sources[0].unique_id: is required, the platform's own default is "default"`,
		}},
		{"a namespace with a line break", func(c *config.Config) { c.Sources[0].UniqueID = "a\nb" }, []string{
			`sources[0].unique_id: "a\nb" holds a control character`,
		}},
		{"a pattern that never ends", func(c *config.Config) { c.Sources[0].VideoName = "cam_[0-9" }, []string{
			`sources[0].video_name: "cam_[0-9" is not a pattern: use * for any characters but /, ? for one, [abc] for one of some, \ before one of these`,
		}},
		{"a pattern that is wrong behind what matches nothing", func(c *config.Config) { c.Sources[0].VideoName = `*.mp4[` }, []string{
			`sources[0].video_name: "*.mp4[" is not a pattern: use * for any characters but /, ? for one, [abc] for one of some, \ before one of these`,
		}},
		{"a pattern that is far too long", func(c *config.Config) { c.Sources[0].VideoName = long }, []string{
			fmt.Sprintf("sources[0].video_name: %q is longer than 256 bytes", long[:60]+"..."),
		}},

		{"an interval of nothing", func(c *config.Config) { c.Sources[0].Poll.Interval = 0 }, []string{
			"sources[0].poll.interval: 0s is too short, the least is 100ms",
		}},
		{"a largest interval below the interval", func(c *config.Config) { c.Sources[2].Poll.Interval = 2 * time.Minute }, []string{
			"sources[2].poll.max_interval: 1m is below the interval, which is 2m",
		}},
		{"a sweep that takes years", func(c *config.Config) { c.Sources[0].Poll.Sweep = 10000 * time.Hour }, []string{
			"sources[0].poll.sweep_interval: 10000h is too long, the most is 720h",
		}},
		{"a stall before it can be seen", func(c *config.Config) { c.Sources[0].Poll.StallAfter = -time.Second }, []string{
			"sources[0].poll.stall_after: -1s is too short, the least is 100ms",
		}},
		{"no stall at all", func(c *config.Config) { c.Sources[0].Poll.StallAfter = 0 }, nil},
		{"an unknown baseline", func(c *config.Config) { c.Sources[0].Poll.Baseline = "loud" }, []string{
			`sources[0].poll.baseline: "loud" is not known, use silent or emit`,
		}},

		{"an unknown meaning of PARSE", func(c *config.Config) { c.Sources[0].Words.Parse = "" }, []string{
			`sources[0].words.parse: "" is not known, use auto, done or processing`,
		}},
		{"PARSE in a list", func(c *config.Config) { c.Sources[0].Words.Done = []string{"parse"} }, []string{
			"sources[0].words.done: PARSE means different things: take it out of the list and set words.parse to done or processing",
		}},
		{"a word in two lists, spelt differently", func(c *config.Config) {
			c.Sources[0].Words.Done, c.Sources[0].Words.Failed = []string{"OVER"}, []string{" over"}
		}, []string{
			`sources[0].words.failed: "OVER" is in words.done too: it must be in one list`,
		}},
		{"no word in a list", func(c *config.Config) { c.Sources[0].Words.Processing = []string{""} }, []string{
			"sources[0].words.processing: holds an empty word",
		}},
		{"several mistakes at once", func(c *config.Config) { c.Accounts[0].RateLimit, c.Sources[1].UniqueID = 101, "" }, []string{
			"accounts[0].rate_limit: 101 is out of range, use more than 0 and at most 100",
			`sources[1].unique_id: is required, the platform's own default is "default"`,
		}},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			c := valid()
			tc.spoil(c)
			var problems config.Problems
			c.ValidateSources(&problems)
			var got []string
			for _, p := range problems {
				got = append(got, p.String())
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("problems\n got %q\nwant %q", got, tc.want)
			}
			if strings.Contains(fmt.Sprint(got), "hush") {
				t.Errorf("a secret is shown: %q", got)
			}
		})
	}
}

func TestQuota(t *testing.T) {
	one := config.Account{Name: "a", URL: "https://api.example", Key: config.NewSecret("k"), RateLimit: 1}
	for _, tc := range []struct {
		sentence string
		other    config.Account
		same     bool
	}{
		{"another name", config.Account{Name: "b", URL: "https://api.example", Key: config.NewSecret("k")}, true},
		{"another spelling of the address", config.Account{URL: "https://API.example/", Key: config.NewSecret("k")}, true},
		{"another key", config.Account{Name: "a", URL: "https://api.example", Key: config.NewSecret("K")}, false},
		{"another platform", config.Account{Name: "a", URL: "https://api.example/eu", Key: config.NewSecret("k")}, false},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			if got := one.Quota() == tc.other.Quota(); got != tc.same {
				t.Errorf("one quota: %v, want %v", got, tc.same)
			}
		})
	}
}
