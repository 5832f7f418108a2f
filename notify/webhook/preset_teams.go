package webhook

import "encoding/json"

// Shape and limits: learn.microsoft.com, "Create incoming webhooks with Workflows for Microsoft Teams" (a message with one
// adaptive card as attachment; the older Office 365 connectors are retired) and "Microsoft Teams connector", "Known issues"
// (about 28 KB for the whole message). TextBlock knows a subset of Markdown; a mention needs an entity of its own, which we
// never send, so that @name is only text.
const (
	teamsLimit       = 24 << 10 // of what the lines take of the 28 KB
	teamsCardVersion = "1.4"    // what every Teams client in use shows
)

type teamsMessage struct {
	Type        string            `json:"type"`
	Attachments []teamsAttachment `json:"attachments"`
}

type teamsAttachment struct {
	ContentType string    `json:"contentType"`
	ContentURL  *string   `json:"contentUrl"` // null, but there
	Content     teamsCard `json:"content"`
}

type teamsCard struct {
	Schema  string       `json:"$schema"`
	Type    string       `json:"type"`
	Version string       `json:"version"`
	Body    []teamsBlock `json:"body"`
	MSTeams teamsWidth   `json:"msteams"`
}

type teamsBlock struct {
	Type    string `json:"type"`
	Text    string `json:"text"`
	Wrap    bool   `json:"wrap"`
	Weight  string `json:"weight,omitempty"`
	Size    string `json:"size,omitempty"`
	Color   string `json:"color,omitempty"`
	Spacing string `json:"spacing,omitempty"`
	Subtle  bool   `json:"isSubtle,omitempty"`
}

type teamsWidth struct {
	Width string `json:"width"`
}

var teamsTones = map[tone]string{toneBad: "Attention", toneWarn: "Warning", toneGood: "Good", toneNeutral: "Default"}

// teamsEscape leaves alone what only the beginning of a line gives a meaning: no line begins with text from outside.
var teamsEscape = escaper("\\`*_[]()<>#|~")

var teamsMarkup = markup{text: teamsEscape, bold: discordMarkup.bold, link: discordMarkup.link}

func renderTeams(t *target, events []*eventView) ([]byte, error) {
	said := tell(t, events, teamsMarkup)
	body := []teamsBlock{{
		Type: "TextBlock", Text: teamsEscape(said.title), Wrap: true, Weight: "Bolder", Size: "Medium", Color: teamsTones[said.tone],
	}}
	// A block a line: in one block clients differ on what a line break is.
	for _, line := range fit(said.lines, teamsLimit, teamsSize) {
		body = append(body, teamsBlock{Type: "TextBlock", Text: line, Wrap: true, Spacing: "Small"})
	}
	if said.id != "" {
		body = append(body, teamsBlock{Type: "TextBlock", Text: teamsEscape(cut(clean(said.id), maxIDUnits)), Wrap: true, Size: "Small", Subtle: true})
	}
	return compactJSON(teamsMessage{Type: "message", Attachments: []teamsAttachment{{
		ContentType: "application/vnd.microsoft.card.adaptive",
		Content: teamsCard{
			Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: teamsCardVersion,
			Body: body, MSTeams: teamsWidth{Width: "Full"},
		},
	}}})
}

// teamsSize is what a line takes of the message: its JSON and the block around it.
func teamsSize(line string) int {
	const block = 64
	encoded, err := json.Marshal(line)
	if err != nil {
		return teamsLimit // no string is known that this happens to
	}
	return len(encoded) + block
}
