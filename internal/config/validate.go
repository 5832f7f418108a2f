package config

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxVideoName bounds a pattern over the names of videos, in bytes.
const maxVideoName = 256

// ValidateSources holds the accounts and sources of a Config, wherever they came from, to what the rest of the program
// relies on. Each problem is named by its place, such as sources[2].poll.max_interval, and says what would be right; no key
// and no URL is repeated. What [Load] returns without an error has none.
func (c *Config) ValidateSources(p *Problems) {
	v := validator{problems: p, config: c, quotas: map[Quota]Account{}}
	for i, a := range c.Accounts {
		v.at = fmt.Sprintf("accounts[%d].", i)
		v.account(a, c.Accounts[:i])
	}
	if len(c.Sources) == 0 {
		p.Add("sources", "at least one is required: there is nothing to watch")
	}
	for i, s := range c.Sources {
		v.at = fmt.Sprintf("sources[%d].", i)
		v.source(s, c.Sources[:i])
	}
}

// validator adds the problems of one place.
type validator struct {
	problems *Problems
	config   *Config
	at       string
	quotas   map[Quota]Account // the first account of each
}

func (v validator) addf(field, format string, args ...any) {
	v.problems.Addf(v.at+field, format, args...)
}

func (v validator) addErr(field string, err error) { v.problems.AddErr(v.at+field, err) }

func (v validator) account(a Account, before []Account) {
	v.addErr("name", checkName(a.Name))
	if slices.ContainsFunc(before, func(other Account) bool { return other.Name == a.Name }) {
		v.addf("name", "%s names another account too: names must differ", echo(a.Name))
	}
	if _, err := parseAPIURL(a.URL); err != nil {
		v.addErr("url", err)
	}
	if !a.Key.IsSet() {
		v.addf("api_key", "is required")
	} else if _, err := parseAPIKey(a.Key.Reveal()); err != nil {
		v.addErr("api_key", err)
	}
	v.rate(a)
}

// rate also refuses two rates for one quota: which one holds would depend on the order.
func (v validator) rate(a Account) {
	first, shared := v.quotas[a.Quota()]
	if !shared {
		v.quotas[a.Quota()] = a
	}
	if !(a.RateLimit > 0 && a.RateLimit <= maxRate) { // also true for what is no number
		v.addf("rate_limit", "%v is out of range, use more than 0 and at most %d", a.RateLimit, maxRate)
		return
	}
	if shared && first.RateLimit != a.RateLimit {
		v.addf("rate_limit", "%v differs from the %v of account %s, which has the same URL and key and so the same quota: give both one rate",
			a.RateLimit, first.RateLimit, echo(first.Name))
	}
}

func (v validator) source(s Source, before []Source) {
	v.addErr("name", checkName(s.Name))
	if slices.ContainsFunc(before, func(other Source) bool { return other.Name == s.Name }) {
		v.addf("name", "%s names another source too: names must differ", echo(s.Name))
	}
	if _, known := v.config.Account(s.Account); !known {
		v.addf("account", "%s", v.unknownAccount(s.Account))
	}
	if s.UniqueID == "" {
		v.addf("unique_id", "is required, the platform's own default is %q", "default")
	}
	v.addErr("unique_id", checkUniqueID(s.UniqueID))
	v.addErr("video_name", checkPattern(s.VideoName))
	v.words(s.Words)
	v.poll(s.Poll)
}

func (v validator) unknownAccount(name string) string {
	if name == "" {
		return "is required"
	}
	names := make([]string, len(v.config.Accounts))
	for i, a := range v.config.Accounts {
		names[i] = a.Name
	}
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("no account is named %s, did you mean %s?", echo(name), near)
	}
	return fmt.Sprintf("no account is named %s", echo(name))
}

func (v validator) poll(poll Poll) {
	v.duration("poll.interval", poll.Interval)
	v.duration("poll.max_interval", poll.MaxInterval)
	v.duration("poll.sweep_interval", poll.Sweep)
	if poll.StallAfter != 0 {
		v.duration("poll.stall_after", poll.StallAfter)
	}
	if v.problems.none(v.at+"poll.interval", v.at+"poll.max_interval") && poll.MaxInterval < poll.Interval {
		v.addf("poll.max_interval", "%s is below the interval, which is %s", short(poll.MaxInterval), short(poll.Interval))
	}
	if poll.Baseline != BaselineSilent && poll.Baseline != BaselineEmit {
		v.addf("poll.baseline", "%s is not known, use %s or %s", echo(string(poll.Baseline)), BaselineSilent, BaselineEmit)
	}
}

func (v validator) duration(field string, d time.Duration) {
	switch {
	case d < minDuration:
		v.addf(field, "%s is too short, the least is %s", short(d), short(minDuration))
	case d > maxDuration:
		v.addf(field, "%s is too long, the most is %s", short(d), short(maxDuration))
	}
}

// words checks what a person wrote. The built-in list of what was left empty gives way, so only the given ones can clash.
func (v validator) words(w Words) {
	if !slices.Contains([]ParseMeans{ParseAuto, ParseDone, ParseProcessing}, w.Parse) {
		v.addf("words.parse", "%s is not known, use %s, %s or %s", echo(string(w.Parse)), ParseAuto, ParseDone, ParseProcessing)
	}
	owner := map[string]string{}
	for _, list := range []struct {
		field string
		words []string
	}{{"words.done", w.Done}, {"words.failed", w.Failed}, {"words.processing", w.Processing}} {
		for _, word := range list.words {
			word = strings.ToUpper(strings.TrimSpace(word))
			other, taken := owner[word]
			switch {
			case word == "":
				v.addf(list.field, "holds an empty word")
			case word == "PARSE":
				v.addf(list.field, "PARSE means different things: take it out of the list and set words.parse to done or processing")
			case taken && other != list.field:
				v.addf(list.field, "%s is in %s too: it must be in one list", echo(word), other)
			}
			owner[word] = list.field
		}
	}
}

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("is required")
	case !namePattern.MatchString(name):
		return fmt.Errorf("%s is not a name, use 1 to 64 letters, digits, - or _", echo(name))
	}
	return nil
}

func checkPattern(pattern string) error {
	switch {
	case len(pattern) > maxVideoName:
		return fmt.Errorf("%s is longer than %d bytes", echo(pattern), maxVideoName)
	case !utf8.ValidString(pattern):
		return errors.New("holds text that is not UTF-8")
	case strings.ContainsFunc(pattern, unicode.IsControl):
		return fmt.Errorf("%s holds a control character", echo(pattern))
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("%s is not a pattern: use * for any characters but /, ? for one, [abc] for one of some, \\ before one of these", echo(pattern))
	}
	return nil
}
