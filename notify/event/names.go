package event

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

const (
	internalRoot  = "vidbell"
	defaultPrefix = "video"
)

var (
	instancePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	prefixPattern   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}(\.[A-Za-z0-9_-]{1,32}){0,3}$`)
)

// Names says what subjects and streams are called. The zero value is right unless the operator set VIDBELL_INSTANCE or
// VIDBELL_SUBJECT_PREFIX.
type Names struct {
	Instance string // tells installations on one NATS account apart
	Prefix   string // the first part of subjects about videos; "video" when empty
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

// Stream is the stream of all events about videos.
func (n Names) Stream() string { return n.stream("VIDEOS") }

// OpsStream is the stream of events about sources and webhook endpoints.
func (n Names) OpsStream() string { return n.stream("VIDBELL_OPS") }

// VideoSubject is the subject of one event about a video: prefix, the last word of its type, source, video. The type may be
// given whole ("video.done") or by that word.
func (n Names) VideoSubject(eventType, source, videoNo string) string {
	return n.prefix() + "." + kind(eventType) + "." + Token(source) + "." + Token(videoNo)
}

// OpsSubject is the subject of one event about a source or an endpoint: name is what that is called.
func (n Names) OpsSubject(eventType, name string) string {
	return n.opsRoot() + eventType + "." + Token(name)
}

// Filter chooses events about videos; what is empty is any.
type Filter struct {
	Type    string // "video.done", or "done"
	Source  string // its name
	VideoNo string
}

// Videos is the subject that matches the events a filter chooses, for a subscription or as a consumer's filter. The zero Filter
// matches all: "video.>".
func (n Names) Videos(f Filter) string {
	what := "*"
	if f.Type != "" {
		what = kind(f.Type)
	}
	switch subject := n.prefix() + "." + what; {
	case f.VideoNo != "":
		return subject + "." + anyOr(f.Source) + "." + Token(f.VideoNo)
	case f.Source != "":
		return subject + "." + Token(f.Source) + ".>"
	case what == "*":
		return n.prefix() + ".>"
	default:
		return subject + ".>"
	}
}

// Ops is the subject that matches events about sources and endpoints: of one type or, when that is empty, all.
func (n Names) Ops(eventType string) string {
	if eventType == "" {
		return n.opsRoot() + ">"
	}
	return n.opsRoot() + eventType + ".>"
}

// Subject is what the subject of an event tells without its body.
type Subject struct {
	Type     string
	Source   string // empty for events about endpoints
	VideoNo  string // empty for others than events about videos
	Endpoint string // empty for others than events about endpoints
	// Hashed says that a name was too long for a subject and is empty here: read it in the event.
	Hashed bool
}

var errSubject = errors.New("not the subject of an event")

// ParseSubject reads a subject back. It takes words of types that it does not know.
func (n Names) ParseSubject(subject string) (Subject, error) {
	var s Subject
	names := []*string{&s.Source, &s.VideoNo}
	tokens := strings.Split(strings.TrimPrefix(subject, n.prefix()+"."), ".")
	switch rest, isOps := strings.CutPrefix(subject, n.opsRoot()); {
	case isOps:
		if tokens = strings.Split(rest, "."); len(tokens) != 3 || tokens[0] == "" || tokens[1] == "" {
			return s, fmt.Errorf("%w: %q", errSubject, subject)
		}
		s.Type, names = tokens[0]+"."+tokens[1], []*string{&s.Source}
		if tokens[0] == "endpoint" {
			names = []*string{&s.Endpoint}
		}
		tokens = tokens[2:]
	case strings.HasPrefix(subject, n.prefix()+".") && len(tokens) == 3 && tokens[0] != "":
		s.Type, tokens = videoFamily+tokens[0], tokens[1:]
	default:
		return s, fmt.Errorf("%w: %q", errSubject, subject)
	}
	for i, t := range tokens {
		if isHash(t) {
			s.Hashed = true
			continue
		}
		text, err := Untoken(t)
		if err != nil {
			return Subject{}, fmt.Errorf("%w: %q: %w", errSubject, subject, err)
		}
		*names[i] = text
	}
	return s, nil
}

const videoFamily = "video."

// kind is the last word of the type of an event about a video.
func kind(eventType string) string { return strings.TrimPrefix(eventType, videoFamily) }

func anyOr(name string) string {
	if name == "" {
		return "*"
	}
	return Token(name)
}

func (n Names) opsRoot() string {
	if n.Instance == "" {
		return internalRoot + ".ops."
	}
	return internalRoot + "-" + n.Instance + ".ops."
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
