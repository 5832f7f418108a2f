package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// eventView is what presets read of an event. It is apart from the envelope that notify writes: fields may come that presets know
// nothing of, and events of sources and endpoints are read by the same struct.
type eventView struct {
	ID      string    `json:"id"`
	Source  string    `json:"source"`
	Type    string    `json:"type"`
	Subject string    `json:"subject"`
	Time    time.Time `json:"time"`
	Data    eventData `json:"data"`

	raw []byte
}

type eventData struct {
	Source            string   `json:"source"`
	VideoNo           string   `json:"video_no"`
	VideoName         string   `json:"video_name"`
	Status            string   `json:"status"`
	RawStatus         string   `json:"raw_status"`
	Cause             string   `json:"cause"` // null reads as empty
	DurationSeconds   int64    `json:"duration_seconds"`
	SizeBytes         int64    `json:"size_bytes"`
	ProcessingSeconds *float64 `json:"processing_seconds"`
	Version           uint32   `json:"version"`

	Reason string `json:"reason"` // from here on of source.* and endpoint.* events
	Detail string `json:"detail"`
}

var errNoEvent = errors.New("this is no event: it has no id, type or subject")

func readEvent(body []byte) (*eventView, error) {
	e := &eventView{raw: body}
	if err := json.Unmarshal(body, e); err != nil {
		return nil, fmt.Errorf("read the event: %w", err)
	}
	if e.ID == "" || e.Type == "" || e.Subject == "" {
		return nil, errNoEvent
	}
	return e, nil
}

func (e *eventView) video() bool { return strings.HasPrefix(e.Type, "video.") }

// name is what people call the subject of the event.
func (e *eventView) name() string {
	if e.Data.VideoName != "" {
		return clean(e.Data.VideoName)
	}
	return clean(e.Subject)
}

// why is the cause of a failure, or the reason of trouble with a source or endpoint; empty when nobody said.
func (e *eventView) why() string {
	switch {
	case e.video():
		return clean(e.Data.Cause)
	case e.Data.Detail == "":
		return clean(e.Data.Reason)
	default:
		return clean(e.Data.Reason + ": " + e.Data.Detail)
	}
}

// Placeholders of Endpoint.Link.
const (
	linkVideo  = "{video_no}"
	linkSource = "{source}"
	linkEvent  = "{event_id}"

	maxLinkBytes = 1024 // of the setting, and of a link made from it
)

var (
	placeholder = regexp.MustCompile(`\{[^{}]*\}`)
	// linkText has nothing that ends a link in one of the markups.
	linkText = regexp.MustCompile(`^[A-Za-z0-9./:?#@!$&*+,;=~%_-]+$`)
)

func checkLink(link string) error {
	if link == "" {
		return nil
	}
	for _, p := range placeholder.FindAllString(link, -1) {
		if p != linkVideo && p != linkSource && p != linkEvent {
			return fmt.Errorf("%s is no placeholder, there are %s, %s and %s", safePlaceholder(p), linkVideo, linkSource, linkEvent)
		}
	}
	plain := placeholder.ReplaceAllString(link, "x")
	u, err := url.Parse(plain)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || !linkText.MatchString(plain) || len(link) > maxLinkBytes {
		return errors.New("write it like https://host/videos/{video_no}, without spaces or brackets, in at most 1024 bytes")
	}
	return nil
}

func safePlaceholder(p string) string { return printable(p, maxNameBytes) }

// link leads people from a message to the video; empty when the endpoint has none, or the event is not about one.
func (t *target) link(e *eventView) string {
	if t.Link == "" || !e.video() {
		return ""
	}
	link := strings.NewReplacer(
		linkVideo, percent(e.Subject), linkSource, percent(e.Data.Source), linkEvent, percent(e.ID),
	).Replace(t.Link)
	if len(link) > maxLinkBytes {
		return ""
	}
	return link
}

// percent escapes all that is not plain: what the platform calls a video must not become a part of the address.
func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// clean makes text from outside fit for one line of a message: no control characters, nothing that turns the direction of
// reading, no broken UTF-8, no runs of spaces.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c:
			return -1
		case unicode.IsControl(r), r == 0x2028, r == 0x2029:
			return ' '
		default:
			return r
		}
	}, strings.ToValidUTF8(s, "�"))
	return strings.Join(strings.Fields(s), " ")
}

const ellipsis = "…"

// cut shortens s to so many units, and shows that it did.
func cut(s string, limit int) string {
	if len(s) <= limit || units(s) <= limit {
		return s
	}
	room := limit - units(ellipsis)
	end := 0
	for i, r := range s {
		if room -= runeUnits(r); room < 0 {
			break
		}
		end = i + utf8.RuneLen(r)
	}
	return strings.TrimRight(s[:end], " ") + ellipsis
}

// units counts UTF-16 code units. Vendors say "characters" and mean bytes of UTF-16, runes or something between: what fits by
// this count fits by the others that are in use.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += runeUnits(r)
	}
	return n
}

func runeUnits(r rune) int {
	if r > 0xffff {
		return 2
	}
	return 1
}

// compactJSON leaves < > & as they are: the bytes are signed, and people read them.
func compactJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
