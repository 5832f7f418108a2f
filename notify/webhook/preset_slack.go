package webhook

import "strings"

// Shape and limits: docs.slack.dev, "Sending messages using incoming webhooks", "Block Kit: header block" (plain text, at most
// 150 characters), "section block" (text at most 3,000), "Formatting message text" (& < > are control characters and must be
// entities; verbatim turns off that names and URLs become links on their own).
const (
	slackHeaderLimit  = 150
	slackSectionLimit = 3000
)

type slackMessage struct {
	Text        string       `json:"text"` // for notifications and screen readers
	Blocks      []slackBlock `json:"blocks"`
	UnfurlLinks bool         `json:"unfurl_links"`
	UnfurlMedia bool         `json:"unfurl_media"`
}

type slackBlock struct {
	Type     string      `json:"type"`
	Text     *slackText  `json:"text,omitempty"`
	Elements []slackText `json:"elements,omitempty"`
}

type slackText struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji,omitempty"`
	Verbatim bool   `json:"verbatim,omitempty"`
}

var slackEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

var slackMarkup = markup{
	// A backquote or an asterisk can change no more than how its own line looks.
	text: slackEscaper.Replace,
	bold: func(s string) string { return "*" + s + "*" },
	link: func(text, url string) string { return "<" + slackEscaper.Replace(url) + "|" + text + ">" },
}

var slackTones = map[tone]string{toneBad: ":red_circle:", toneWarn: ":large_yellow_circle:", toneGood: ":large_green_circle:"}

func renderSlack(t *target, events []*eventView) ([]byte, error) {
	said := tell(t, events, slackMarkup)
	no := false
	lines := fit(said.lines, slackSectionLimit, units)
	message := slackMessage{
		Text: strings.TrimSpace(slackTones[said.tone] + " " + slackEscaper.Replace(said.title)),
		Blocks: []slackBlock{
			{Type: "header", Text: &slackText{Type: "plain_text", Text: escapedWithin(said.title, slackHeaderLimit, slackEscaper.Replace), Emoji: &no}},
			{Type: "section", Text: &slackText{Type: "mrkdwn", Text: strings.Join(lines, "\n"), Verbatim: true}},
		},
	}
	if said.id != "" {
		message.Blocks = append(message.Blocks, slackBlock{
			Type: "context", Elements: []slackText{{Type: "mrkdwn", Text: slackEscaper.Replace(cut(clean(said.id), maxIDUnits)), Verbatim: true}},
		})
	}
	return compactJSON(message)
}
