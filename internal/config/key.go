package config

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// plainKey is what a key may look like that is repeated in a problem. Secrets have digits.
var plainKey = regexp.MustCompile(`^[A-Za-z]{1,20}([_-][A-Za-z]{1,20}){0,3}$`)

// unknown reports a key that there is not. A key may be a secret itself: between braces, {api_key:sk-1} has no value but a
// long key, since a colon needs a space behind it. So it is repeated only where it is a word, and near another or with a value.
func (d *document) unknown(path string, key, value *yaml.Node, known []string) {
	word, glued := beginning(key.Value, known)
	near := ""
	if plainKey.MatchString(key.Value) {
		near = nearest(key.Value, known)
	}
	switch {
	case glued:
		d.failAt(key, join(path, word), "needs a colon and a space behind it, and then its value")
	case near != "":
		d.failAt(key, join(path, key.Value), "unknown key, did you mean %s?", near)
	case plainKey.MatchString(key.Value) && !blank(follow(value)):
		d.failAt(key, join(path, key.Value), "unknown key; here can be %s", strings.Join(known, ", "))
	default:
		d.failAt(key, path, "unknown key; here can be %s", strings.Join(known, ", "))
	}
}

// beginning is the known key that another one begins with, and the value that is glued to it.
func beginning(key string, known []string) (word string, glued bool) {
	if i := strings.IndexAny(key, ":= "); i > 0 {
		return key[:i], slices.Contains(known, key[:i])
	}
	return "", false
}
