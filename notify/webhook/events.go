package webhook

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"vidbell/notify"
)

// The event types there are. A glob that matches none of them is a mistake worth a word: it would mean silence.
var (
	videoKinds = []string{"done", "failed", "processing", "stalled", "deleted"}
	opsTypes   = []string{
		"source.degraded", "source.recovered",
		"endpoint.degraded", "endpoint.disabled", "endpoint.recovered",
	}
)

func checkPattern(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("%q is not a glob, write one like video.*", pattern)
	}
	if len(matching(pattern, knownTypes())) == 0 {
		return fmt.Errorf("%q matches no event type, there are %s", pattern, strings.Join(knownTypes(), ", "))
	}
	return nil
}

func knownTypes() []string {
	types := make([]string, 0, len(videoKinds)+len(opsTypes))
	for _, kind := range videoKinds {
		types = append(types, "video."+kind)
	}
	return append(types, opsTypes...)
}

// videoFilters turns globs into the subjects of the log that match them; nil when no video event is wanted.
func videoFilters(names notify.Names, patterns []string) []string {
	var filters []string
	for _, kind := range videoKinds {
		if matchesAny(patterns, "video."+kind) {
			filters = append(filters, names.EventFilter(kind))
		}
	}
	if len(filters) == len(videoKinds) {
		return []string{names.AllEvents()}
	}
	return filters
}

// opsFilters is videoFilters for the stream of source.* and endpoint.* events.
func opsFilters(names notify.Names, patterns []string) []string {
	var filters []string
	for _, kind := range opsTypes {
		if matchesAny(patterns, kind) {
			// OpsSubject wants a name and escapes a wildcard, so the name is cut off again.
			filters = append(filters, strings.TrimSuffix(names.OpsSubject(kind, "x"), "x")+">")
		}
	}
	if len(filters) == len(opsTypes) {
		return []string{names.OpsAll()}
	}
	return filters
}

func matchesAny(patterns []string, eventType string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, eventType)
		return ok
	})
}

func matching(pattern string, types []string) []string {
	return slices.DeleteFunc(slices.Clone(types), func(t string) bool {
		ok, _ := path.Match(pattern, t)
		return !ok
	})
}
