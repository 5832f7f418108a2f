package webhook

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
)

const (
	// hiddenText stands for what nobody is shown.
	hiddenText = "***"
	// minHidden is the length from which a text is taken for a secret, in bytes: shorter ones, as in "?v=1", would be found
	// everywhere.
	minHidden = 6
	// minHiddenSegment is the same for the parts of a path. Names of pages are shorter, tokens of chat services longer.
	minHiddenSegment = 16
)

// hidden are the texts that only the endpoint and we may know. A receiver that fails likes to repeat what it was asked, and
// its answer is kept, and shown to people.
type hidden [][]byte

// compileHidden gathers what is secret in the endpoint's settings, in the forms in which an answer may repeat it.
func (t *target) compileHidden() hidden {
	var texts []string
	add := func(least int, secrets ...string) {
		for _, s := range secrets {
			if len(s) >= least {
				texts = append(texts, s, url.QueryEscape(s), url.PathEscape(s), strings.ReplaceAll(s, "&", `\u0026`), strings.ReplaceAll(s, "&", "&amp;"))
			}
		}
	}
	add(minHidden, t.RoutingKey, strings.TrimPrefix(t.basic, "Basic "))
	for _, s := range t.Secrets {
		add(minHidden, s, strings.TrimPrefix(strings.TrimPrefix(s, "whsec_"), "whsk_"))
	}
	for _, value := range t.Headers {
		_, credentials, _ := strings.Cut(value, " ") // of "Bearer <token>"
		add(minHidden, value, credentials)
	}
	if u, err := url.Parse(t.URL); err == nil {
		password, _ := u.User.Password()
		add(minHidden, u.User.Username(), password, u.RawQuery)
		for _, values := range u.Query() {
			add(minHidden, values...)
		}
		add(minHiddenSegment, strings.Split(u.Path, "/")...)
	}
	return longestFirst(texts)
}

// longestFirst has a whole replaced before its parts are.
func longestFirst(texts []string) hidden {
	slices.SortFunc(texts, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	texts = slices.Compact(texts)
	list := make(hidden, len(texts))
	for i, text := range texts {
		list[i] = []byte(text)
	}
	return list
}

// from returns a text without what is hidden, also where its end cuts a secret short.
func (h hidden) from(text []byte) []byte {
	if len(text) == 0 {
		return text
	}
	for _, secret := range h {
		text = bytes.ReplaceAll(text, secret, []byte(hiddenText))
	}
	for _, secret := range h {
		for n := min(len(secret)-1, len(text)); n >= minHidden; n-- {
			if bytes.HasSuffix(text, secret[:n]) {
				return append(text[:len(text)-n:len(text)-n], hiddenText...)
			}
		}
	}
	return text
}
