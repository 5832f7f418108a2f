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

// videoFilters turns globs into the subjects of the log that match them, of some sources or of all; nil when no video event
// is wanted.
func videoFilters(names notify.Names, patterns, sources []string) []string {
	kinds := slices.DeleteFunc(slices.Clone(videoKinds), func(kind string) bool { return !matchesAny(patterns, "video."+kind) })
	if len(kinds) == len(videoKinds) {
		return sourceFilters(sources, names.AllEvents(), names.SourceEvents)
	}
	var filters []string
	for _, kind := range kinds {
		filters = append(filters, sourceFilters(sources, names.EventFilter(kind), func(source string) string {
			return below(names.EventSubject(kind, source, "x"))
		})...)
	}
	return filters
}

// opsFilters is videoFilters for the stream of source.* and endpoint.* events. Those about endpoints come from no source.
func opsFilters(names notify.Names, patterns, sources []string) []string {
	kinds := slices.DeleteFunc(slices.Clone(opsTypes), func(kind string) bool { return !matchesAny(patterns, kind) })
	if len(kinds) == len(opsTypes) && len(sources) == 0 {
		return []string{names.OpsAll()}
	}
	var filters []string
	for _, kind := range kinds {
		only := sources
		if strings.HasPrefix(kind, "endpoint.") {
			only = nil
		}
		filters = append(filters, sourceFilters(only, below(names.OpsSubject(kind, "x")), func(source string) string {
			return names.OpsSubject(kind, source)
		})...)
	}
	return filters
}

// sourceFilters gives the subject of each source, or the one of all. The engine refuses a subject that is named twice.
func sourceFilters(sources []string, all string, of func(source string) string) []string {
	if len(sources) == 0 {
		return []string{all}
	}
	var filters []string
	for _, source := range slices.Compact(slices.Sorted(slices.Values(sources))) {
		filters = append(filters, of(source))
	}
	return filters
}

// below matches all that has the subject up to its last token, which is x: Names escapes wildcards.
func below(subject string) string { return strings.TrimSuffix(subject, "x") + ">" }

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
