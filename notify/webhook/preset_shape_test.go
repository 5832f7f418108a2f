package webhook

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// vendorShape is what a vendor's document says of its messages: the fields there are, by path and JSON type, and those that
// must be there. An array's elements have the path of the array and [].
type vendorShape struct {
	fields   map[string]string
	required []string
	enums    map[string][]string
}

// vendorShapes are written from the documents that stand with each preset, not from our structs.
var vendorShapes = map[Format]vendorShape{
	// docs.slack.dev, "Sending messages using incoming webhooks", "Block Kit reference": header, section, context, text object.
	FormatSlack: {
		fields: map[string]string{
			"text": "string", "blocks": "array", "unfurl_links": "bool", "unfurl_media": "bool",
			"blocks[]": "object", "blocks[].type": "string", "blocks[].text": "object", "blocks[].text.type": "string",
			"blocks[].text.text": "string", "blocks[].text.emoji": "bool", "blocks[].text.verbatim": "bool",
			"blocks[].elements": "array", "blocks[].elements[]": "object", "blocks[].elements[].type": "string",
			"blocks[].elements[].text": "string", "blocks[].elements[].verbatim": "bool",
		},
		required: []string{"text", "blocks[].type"},
		enums: map[string][]string{
			"blocks[].type": {"header", "section", "context"}, "blocks[].text.type": {"plain_text", "mrkdwn"}, "blocks[].elements[].type": {"mrkdwn"},
		},
	},
	// discord/discord-api-docs, resources/webhook "Execute Webhook", resources/message "Embed Object", "Allowed Mentions Object".
	FormatDiscord: {
		fields: map[string]string{
			"embeds": "array", "embeds[]": "object", "embeds[].title": "string", "embeds[].description": "string", "embeds[].color": "number",
			"embeds[].timestamp": "string", "embeds[].footer": "object", "embeds[].footer.text": "string",
			"allowed_mentions": "object", "allowed_mentions.parse": "array",
		},
		required: []string{"embeds[].title", "allowed_mentions.parse"},
	},
	// learn.microsoft.com, "Create incoming webhooks with Workflows for Microsoft Teams"; adaptivecards.io, "TextBlock".
	FormatTeams: {
		fields: map[string]string{
			"type": "string", "attachments": "array", "attachments[]": "object", "attachments[].contentType": "string",
			"attachments[].contentUrl": "null", "attachments[].content": "object", "attachments[].content.$schema": "string",
			"attachments[].content.type": "string", "attachments[].content.version": "string", "attachments[].content.body": "array",
			"attachments[].content.body[]": "object", "attachments[].content.body[].type": "string", "attachments[].content.body[].text": "string",
			"attachments[].content.body[].wrap": "bool", "attachments[].content.body[].weight": "string", "attachments[].content.body[].size": "string",
			"attachments[].content.body[].color": "string", "attachments[].content.body[].spacing": "string", "attachments[].content.body[].isSubtle": "bool",
			"attachments[].content.msteams": "object", "attachments[].content.msteams.width": "string",
		},
		required: []string{"type", "attachments[].contentType", "attachments[].content.type", "attachments[].content.version"},
		enums: map[string][]string{
			"type": {"message"}, "attachments[].contentType": {"application/vnd.microsoft.card.adaptive"}, "attachments[].content.type": {"AdaptiveCard"},
			"attachments[].content.body[].type": {"TextBlock"}, "attachments[].content.body[].weight": {"Bolder"},
			"attachments[].content.body[].size": {"Small", "Medium"}, "attachments[].content.body[].spacing": {"Small"},
			"attachments[].content.body[].color": {"Default", "Good", "Warning", "Attention"}, "attachments[].content.msteams.width": {"Full"},
		},
	},
	// PagerDuty/api-schema, reference/events-v2/openapiv3.json, "Send an event to PagerDuty".
	FormatPagerDuty: {
		fields: map[string]string{
			"routing_key": "string", "event_action": "string", "dedup_key": "string", "client": "string", "payload": "object",
			"payload.summary": "string", "payload.source": "string", "payload.severity": "string", "payload.timestamp": "string",
			"payload.component": "string", "payload.group": "string", "payload.class": "string", "payload.custom_details": "object",
			"payload.custom_details.*": "string", "links": "array", "links[]": "object", "links[].href": "string", "links[].text": "string",
		},
		required: []string{"routing_key", "event_action", "dedup_key"},
		enums: map[string][]string{
			"event_action": {"trigger", "resolve"}, "payload.severity": {"critical", "error", "warning", "info"},
		},
	},
	// prometheus/alertmanager, api/v2/openapi.yaml, "postableAlerts", "labelSet".
	FormatAlertmanager: {
		fields: map[string]string{
			"[]": "object", "[].labels": "object", "[].labels.*": "string", "[].annotations": "object", "[].annotations.*": "string",
			"[].startsAt": "string", "[].endsAt": "string", "[].generatorURL": "string",
		},
		required: []string{"[].labels.alertname", "[].endsAt"},
	},
}

func TestMessagesHaveTheShapeThatTheVendorsDocument(t *testing.T) {
	for format, want := range vendorShapes {
		files, err := filepath.Glob(filepath.Join("testdata", string(format)+"-*.json"))
		must(t, err)
		if len(files) < 6 {
			t.Errorf("%s has %d golden files", format, len(files))
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			must(t, err)
			var message any
			must(t, json.Unmarshal(data, &message))
			seen := map[string]bool{}
			walk("", message, func(path, kind string, value any) {
				seen[path] = true
				if problem := want.check(path, kind, value); problem != "" {
					t.Errorf("%s: %s", file, problem)
				}
			})
			for _, path := range want.required {
				if !seen[path] {
					t.Errorf("%s: there is no %s", file, path)
				}
			}
		}
	}
}

func (s vendorShape) check(path, kind string, value any) string {
	known, ok := s.fields[path]
	if parent := path[:max(0, strings.LastIndex(path, "."))]; !ok {
		known, ok = s.fields[parent+".*"]
	}
	switch {
	case path == "":
		return ""
	case !ok:
		return path + " is not documented"
	case known != kind:
		return fmt.Sprintf("%s is of type %s, documented as %s", path, kind, known)
	case s.enums[path] != nil && !slices.Contains(s.enums[path], fmt.Sprint(value)):
		return fmt.Sprintf("%s is %v, there are %v", path, value, s.enums[path])
	}
	return ""
}

func walk(path string, v any, visit func(path, kind string, value any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(path, "object", v)
		for key, value := range v {
			walk(strings.TrimPrefix(path+"."+key, "."), value, visit)
		}
	case []any:
		visit(path, "array", v)
		for _, value := range v {
			walk(path+"[]", value, visit)
		}
	case string:
		visit(path, "string", v)
	case float64:
		visit(path, "number", v)
	case bool:
		visit(path, "bool", v)
	default:
		visit(path, "null", v)
	}
}
