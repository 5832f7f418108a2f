package app

import (
	"vidbell/diff"
	"vidbell/notify"
	"vidbell/notify/webhook"
)

// The closed sets that flags are completed with and help shows.

// FailureClasses are the kinds of failure of an attempt.
func FailureClasses() []string {
	return texts(webhook.ClassDNS, webhook.ClassConnect, webhook.ClassTLS, webhook.ClassTimeout, webhook.ClassReset,
		webhook.ClassStatus, webhook.ClassRedirect, webhook.ClassBlocked, webhook.ClassBody, webhook.ClassRender)
}

// DeadReasons are the reasons of dead letters.
func DeadReasons() []string {
	return texts(webhook.ReasonUsedUp, webhook.ReasonRefused, webhook.ReasonFinal, webhook.ReasonBlocked, webhook.ReasonRender)
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
