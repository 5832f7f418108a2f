package notify

import (
	"strings"

	"vidbell/notify/event"
)

const internalRoot = "vidbell"

// Names gives every stream, consumer and subject its name. Prefix is the first part of the public subjects ("video" when
// empty); Instance, when set, tells installations that share one NATS account apart.
type Names struct {
	Instance string
	Prefix   string
}

// Validate says which of the two values cannot be part of a name, and what would be right.
func (n Names) Validate() error { return event.Names(n).Validate() }

// Stream is the log: all video events and the state that is no news.
func (n Names) Stream() string { return event.Names(n).Stream() }

// OpsStream holds source.* and endpoint.* events.
func (n Names) OpsStream() string { return event.Names(n).OpsStream() }

// DeadStream holds the dead letters of webhook delivery.
func (n Names) DeadStream() string { return n.stream("VIDBELL_DEAD") }

// RetryStream holds, per unfinished webhook delivery, the attempts made so far.
func (n Names) RetryStream() string { return n.stream("VIDBELL_RETRY") }

// HealthStream holds what is known of each webhook endpoint's health, one message an endpoint.
func (n Names) HealthStream() string { return n.stream("VIDBELL_HEALTH") }

// PositionsStream holds where webhook endpoints stand in the log, where their process has the engine to itself.
func (n Names) PositionsStream() string { return n.stream("VIDBELL_POSITIONS") }

// PositionSheetSubject is the subject of the positions of many endpoints; "*" matches all sheets.
func (n Names) PositionSheetSubject(number string) string {
	return n.root() + ".position.sheet." + number
}

// PositionPageSubject is the subject of what one endpoint has open in a stream, where that is much.
func (n Names) PositionPageSubject(endpoint, stream string) string {
	return n.root() + ".position.page." + Token(endpoint) + "." + Token(stream)
}

// PositionsAll matches all positions.
func (n Names) PositionsAll() string { return n.root() + ".position.>" }

// DeliveriesStream is the delivery log: what became of each webhook attempt.
func (n Names) DeliveriesStream() string { return n.stream("VIDBELL_DELIVERIES") }

// ReplayStream queues the events that are delivered once more.
func (n Names) ReplayStream() string { return n.stream("VIDBELL_REPLAY") }

// Consumer is the durable consumer of a webhook endpoint, the same name on every stream it reads.
func (n Names) Consumer(endpoint string) string {
	return n.root() + "-" + endpoint
}

// EventSubject is the public subject of an event: prefix, the last word of its type, source, video.
func (n Names) EventSubject(kind, source, videoNo string) string {
	return event.Names(n).VideoSubject(kind, source, videoNo)
}

// EventFilter matches every video event of one kind ("done"); "*" matches all kinds.
func (n Names) EventFilter(kind string) string {
	return event.Names(n).Videos(event.Filter{Type: kind})
}

// AllEvents matches every video event.
func (n Names) AllEvents() string { return event.Names(n).Videos(event.Filter{}) }

// SourceEvents matches every video event of one source.
func (n Names) SourceEvents(source string) string {
	return event.Names(n).Videos(event.Filter{Source: source})
}

// VideoEvents matches every event of one video.
func (n Names) VideoEvents(source, videoNo string) string {
	return event.Names(n).VideoSubject("*", source, videoNo)
}

// AppendSubject is where an event is published so that the log stores it under its public subject.
func (n Names) AppendSubject(kind, source, videoNo string) string {
	return n.root() + ".append." + kind + "." + Token(source) + "." + Token(videoNo)
}

// AppendAll matches every append subject.
func (n Names) AppendAll() string { return n.root() + ".append.>" }

// StateSubject is where a source keeps state that is no news: its meta record, baseline pages, silent notes.
func (n Names) StateSubject(source string, parts ...string) string {
	return n.root() + ".state." + Token(source) + "." + strings.Join(parts, ".")
}

// StateAll matches the state of every source.
func (n Names) StateAll() string { return n.root() + ".state.>" }

// SourceState matches the state of one source.
func (n Names) SourceState(source string) string { return n.root() + ".state." + Token(source) + ".>" }

// BirthSubject holds the log's birth mark.
func (n Names) BirthSubject() string { return n.root() + ".log.birth" }

// OpsSubject is the subject of a source.* or endpoint.* event: kind is the whole type, name the source or endpoint.
func (n Names) OpsSubject(kind, name string) string {
	return event.Names(n).OpsSubject(kind, name)
}

// OpsAll matches every ops event.
func (n Names) OpsAll() string { return event.Names(n).Ops("") }

// reportSubject is where an ops event is published so that its stream stores it under OpsSubject.
func (n Names) reportSubject(kind, name string) string {
	return n.root() + ".report." + kind + "." + Token(name)
}

func (n Names) reportAll() string { return n.root() + ".report.>" }

// DeadSubject is the subject of one dead letter.
func (n Names) DeadSubject(endpoint, eventID string) string {
	return n.root() + ".dead." + Token(endpoint) + "." + Token(eventID)
}

// DeadAll matches every dead letter.
func (n Names) DeadAll() string { return n.root() + ".dead.>" }

// RetrySubject is the subject of the attempt record of one unfinished delivery.
func (n Names) RetrySubject(endpoint, eventID string) string {
	return n.root() + ".retry." + Token(endpoint) + "." + Token(eventID)
}

// RetryAll matches every attempt record.
func (n Names) RetryAll() string { return n.root() + ".retry.>" }

// HealthSubject is the subject of one endpoint's health.
func (n Names) HealthSubject(endpoint string) string {
	return n.root() + ".health." + Token(endpoint)
}

// HealthAll matches the health of every endpoint.
func (n Names) HealthAll() string { return n.root() + ".health.>" }

// ServedSubject is the subject of what a webhook endpoint was given so far, in the stream of its health.
func (n Names) ServedSubject(endpoint string) string { return n.HealthSubject(endpoint) + ".served" }

// ReplayTurnSubject is the subject of the claim of who queues replays for an endpoint, in the stream of its health.
func (n Names) ReplayTurnSubject(endpoint string) string {
	return n.HealthSubject(endpoint) + ".replaying"
}

// DeliverySubject is the subject of an endpoint's attempts.
func (n Names) DeliverySubject(endpoint string) string {
	return n.root() + ".deliveries." + Token(endpoint)
}

// DeliveriesAll matches the attempts of every endpoint.
func (n Names) DeliveriesAll() string { return n.root() + ".deliveries.>" }

// ReplaySubject is the subject of one event that is delivered to an endpoint once more.
func (n Names) ReplaySubject(endpoint, eventID string) string {
	return n.root() + ".replay." + Token(endpoint) + "." + Token(eventID)
}

// ReplayAll matches everything that is delivered once more.
func (n Names) ReplayAll() string { return n.root() + ".replay.>" }

func (n Names) root() string {
	if n.Instance == "" {
		return internalRoot
	}
	return internalRoot + "-" + n.Instance
}

func (n Names) stream(base string) string {
	if n.Instance == "" {
		return base
	}
	return base + "_" + n.Instance
}

// Token writes text from outside as one subject token, see event.Token.
func Token(s string) string { return event.Token(s) }

// Untoken reverses Token. It fails for hashed tokens, whose text is not in the token.
func Untoken(t string) (string, error) { return event.Untoken(t) }
