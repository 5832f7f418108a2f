package app

import (
	"vidbell/diff"
	"vidbell/internal/config"
	"vidbell/notify"
	"vidbell/notify/event"
	"vidbell/notify/webhook"
)

// The closed sets that flags are completed with and help shows.

// FailureClasses are the kinds of failure of an attempt.
func FailureClasses() []string {
	return texts(webhook.Classes()...)
}

// DeadReasons are the reasons of dead letters.
func DeadReasons() []string {
	return texts(webhook.Reasons()...)
}

// EventTypes are the types of events.
func EventTypes() []string {
	var types []string
	for _, kind := range []diff.Kind{diff.KindDone, diff.KindFailed, diff.KindProcessing, diff.KindStalled, diff.KindDeleted} {
		types = append(types, notify.TypeOf(kind))
	}
	return append(types, notify.TypeSourceDegraded, notify.TypeSourceRecovered, notify.TypeEndpointDegraded,
		notify.TypeEndpointDisabled, notify.TypeEndpointRecovered)
}

func texts[T ~string](words ...T) []string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return list
}

// Statuses are those of videos, for completion and help.
func Statuses() []string { return event.Statuses() }

// ConfiguredSources are the names of the sources of the configuration, for completion: nobody is asked.
func ConfiguredSources() []string {
	cfg, err := config.LoadOnly("VIDBELL_UNIQUE_ID")
	if err != nil {
		return nil
	}
	names := make([]string, len(cfg.Sources))
	for i, s := range cfg.Sources {
		names[i] = s.Name
	}
	return names
}
