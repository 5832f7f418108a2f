package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxSourceName = 64
	nameHashBytes = 4 // 8 characters: two derived names collide once in four billion
)

var (
	namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	pathToken   = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
)

// Source is one listing to watch.
type Source struct {
	Name      string // in subjects, metrics and logs: 1 to 64 letters, digits, - or _
	Account   string // name of the account it is asked with
	UniqueID  string // the namespace asked for
	VideoName string // pattern of path.Match over the names of videos, others are not looked at; empty: all are
	Words     Words
	Poll      Poll
}

// SourceName is the name of the source of a unique_id: the same text where that is a name, that is 1 to 64 letters,
// digits, - or _. Otherwise each other byte becomes -, the text is cut, and - and 8 hexadecimal digits of the SHA-256
// of the unique_id are added, so that "a b" and "a.b" stay apart. It depends on nothing but the unique_id.
func SourceName(uniqueID string) string {
	if namePattern.MatchString(uniqueID) {
		return uniqueID
	}
	sum := sha256.Sum256([]byte(uniqueID))
	hash := "-" + hex.EncodeToString(sum[:nameHashBytes])
	name := make([]byte, 0, maxSourceName)
	for i := range min(len(uniqueID), maxSourceName-len(hash)) {
		b := uniqueID[i]
		if !namePattern.Match([]byte{b}) {
			b = '-'
		}
		name = append(name, b)
	}
	return string(name) + hash
}

func parseSources(value string) ([]Source, error) {
	seen := map[string]string{}
	return each(value, func(id string) (Source, error) {
		name := SourceName(id)
		if err := checkUniqueID(id); err != nil {
			return Source{}, err
		}
		if other, twice := seen[name]; twice {
			if other == id {
				return Source{}, fmt.Errorf("%s is listed twice", echo(id))
			}
			return Source{}, fmt.Errorf("%s and %s would both be named %s, leave one out", echo(other), echo(id), name)
		}
		seen[name] = id
		return Source{Name: name, UniqueID: id}, nil
	})
}

func checkUniqueID(id string) error {
	if len(id) > maxUniqueID {
		return fmt.Errorf("%s is longer than %d bytes", echo(id), maxUniqueID)
	}
	if !utf8.ValidString(id) {
		return errors.New("holds text that is not UTF-8")
	}
	if strings.ContainsFunc(id, unicode.IsControl) {
		return fmt.Errorf("%s holds a control character", echo(id))
	}
	return nil
}
