package webhook

import (
	"strings"
	"time"
)

// Shape and limits: discord/discord-api-docs, resources/webhook "Execute Webhook" and resources/message "Embed Limits" (title
// 256 characters, description 4,096, footer 2,048, all embeds together 6,000). Without allowed_mentions a name like @everyone
// would ring every phone; an empty parse list rings none.
const (
	discordTitleLimit       = 256
	discordDescriptionLimit = 4096
)

type discordMessage struct {
	Embeds          []discordEmbed  `json:"embeds"`
	AllowedMentions discordMentions `json:"allowed_mentions"`
}

type discordEmbed struct {
	Title       string         `json:"title"`
	Description string         `json:"description"`
	Color       int            `json:"color"`
	Timestamp   string         `json:"timestamp,omitempty"` // ISO 8601
	Footer      *discordFooter `json:"footer,omitempty"`
}

type discordFooter struct {
	Text string `json:"text"`
}

type discordMentions struct {
	Parse []string `json:"parse"`
}

// discordEscape also breaks :emoji: and the address of a bare link.
var discordEscape = escaper("\\`*_[]()<>#|~:")

var discordMarkup = markup{
	text: discordEscape,
	bold: func(s string) string { return "**" + s + "**" },
	link: func(text, url string) string { return "[" + text + "](" + url + ")" },
}

var discordTones = map[tone]int{toneBad: 0xd92d20, toneWarn: 0xf79009, toneGood: 0x12b76a, toneNeutral: 0x667085}

func renderDiscord(t *target, events []*eventView) ([]byte, error) {
	said := tell(t, events, discordMarkup)
	embed := discordEmbed{
		Title:       escapedWithin(said.title, discordTitleLimit, discordEscape),
		Description: strings.Join(fit(said.lines, discordDescriptionLimit, units), "\n"),
		Color:       discordTones[said.tone],
	}
	if !said.at.IsZero() {
		embed.Timestamp = said.at.UTC().Format(time.RFC3339)
	}
	if said.id != "" {
		embed.Footer = &discordFooter{Text: cut(clean(said.id), maxIDUnits)} // a footer has no Markdown
	}
	return compactJSON(discordMessage{Embeds: []discordEmbed{embed}, AllowedMentions: discordMentions{Parse: []string{}}})
}
