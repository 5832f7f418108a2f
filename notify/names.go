package notify

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// maxTokenBytes bounds one encoded subject token. nats-server closes a connection for good when a subject and its framing
// pass 4,096 bytes, so text from the platform must be bounded before it becomes part of a subject.
const maxTokenBytes = 120

const (
	internalRoot  = "vidbell"
	defaultPrefix = "video"
)

var (
	instancePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	prefixPattern   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}(\.[A-Za-z0-9_-]{1,32}){0,3}$`)
)

// Names gives every stream, consumer and subject its name. Prefix is the first part of the public subjects ("video" when
// empty); Instance, when set, tells installations that share one NATS account apart.
type Names struct {
	Instance string
	Prefix   string
}

// Validate says which of the two values cannot be part of a name, and what would be right.
func (n Names) Validate() error {
	if n.Instance != "" && !instancePattern.MatchString(n.Instance) {
		return fmt.Errorf("instance %q: use 1 to 32 letters, digits, - or _", n.Instance)
	}
	if n.Prefix == "" {
		return nil
	}
	if !prefixPattern.MatchString(n.Prefix) {
		return fmt.Errorf("subject prefix %q: use up to four tokens of letters, digits, - or _, joined by dots", n.Prefix)
	}
	first, _, _ := strings.Cut(n.Prefix, ".")
	if first == internalRoot || strings.HasPrefix(first, internalRoot+"-") {
		return fmt.Errorf("subject prefix %q: %q is kept for internal subjects, of this or another instance", n.Prefix, first)
	}
	if strings.HasPrefix(first, "_") {
		return fmt.Errorf("subject prefix %q: NATS keeps what begins with _ for itself", n.Prefix)
	}
	return nil
}

// Stream is the log: all video events and the state that is no news.
func (n Names) Stream() string { return n.stream("VIDEOS") }

// OpsStream holds source.* and endpoint.* events.
func (n Names) OpsStream() string { return n.stream("VIDBELL_OPS") }

// DeadStream holds the dead letters of webhook delivery.
func (n Names) DeadStream() string { return n.stream("VIDBELL_DEAD") }

// RetryStream holds, per unfinished webhook delivery, the attempts made so far.
func (n Names) RetryStream() string { return n.stream("VIDBELL_RETRY") }

// HealthStream holds what is known of each webhook endpoint's health, one message an endpoint.
func (n Names) HealthStream() string { return n.stream("VIDBELL_HEALTH") }

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
	return n.prefix() + "." + kind + "." + Token(source) + "." + Token(videoNo)
}

// EventFilter matches every video event of one kind ("done"); "*" matches all kinds.
func (n Names) EventFilter(kind string) string { return n.prefix() + "." + kind + ".>" }

// AllEvents matches every video event.
func (n Names) AllEvents() string { return n.prefix() + ".>" }

// SourceEvents matches every video event of one source.
func (n Names) SourceEvents(source string) string {
	return n.prefix() + ".*." + Token(source) + ".>"
}

// VideoEvents matches every event of one video.
func (n Names) VideoEvents(source, videoNo string) string {
	return n.prefix() + ".*." + Token(source) + "." + Token(videoNo)
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
	return n.root() + ".ops." + kind + "." + Token(name)
}

// OpsAll matches every ops event.
func (n Names) OpsAll() string { return n.root() + ".ops.>" }

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

func (n Names) prefix() string {
	if n.Prefix == "" {
		return defaultPrefix
	}
	return n.Prefix
}

func (n Names) stream(base string) string {
	if n.Instance == "" {
		return base
	}
	return base + "_" + n.Instance
}

// Token writes text from outside as one subject token: letters, digits, - and _ stay, any other byte becomes =XX, and what
// would pass 120 bytes becomes =h and a hash. Two different texts never share a token, short of a hash collision.
func Token(s string) string {
	if plain(s) && len(s) <= maxTokenBytes && s != "" {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if plainByte(s[i]) {
			b.WriteByte(s[i])
			continue
		}
		fmt.Fprintf(&b, "=%02X", s[i])
	}
	if b.Len() == 0 {
		return "=" // the empty text: no other text encodes to a lone "="
	}
	if b.Len() <= maxTokenBytes {
		return b.String()
	}
	sum := sha256.Sum256([]byte(s))
	return "=h" + hashText(sum[:20])
}

var errToken = errors.New("not a subject token")

// Untoken reverses Token. It fails for hashed tokens, whose text is not in the token.
func Untoken(t string) (string, error) {
	if t == "=" {
		return "", nil
	}
	var b strings.Builder
	for i := 0; i < len(t); i++ {
		switch {
		case plainByte(t[i]):
			b.WriteByte(t[i])
		case t[i] == '=' && i+2 < len(t):
			hi, lo := unhex(t[i+1]), unhex(t[i+2])
			if hi < 0 || lo < 0 {
				return "", fmt.Errorf("%w: %q", errToken, t)
			}
			b.WriteByte(byte(hi<<4 | lo))
			i += 2
		default:
			return "", fmt.Errorf("%w: %q", errToken, t)
		}
	}
	return b.String(), nil
}

func plain(s string) bool {
	for i := range len(s) {
		if !plainByte(s[i]) {
			return false
		}
	}
	return true
}

func plainByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}

func hashText(b []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}
