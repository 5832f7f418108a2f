package config_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vidbell/internal/config"
)

// Every mistake in what receivers are set to that is seen here, one at a time.
func TestWebhookMistakes(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	blank := writeFile(t, " \n")
	big := writeFile(t, strings.Repeat("x", 65<<10))
	for _, tc := range []struct {
		sentence string
		env      []string
		want     []string // "NAME: text", whole
	}{
		{"a format that is none", []string{"VIDBELL_WEBHOOK_FORMAT=mattermost"}, []string{
			`VIDBELL_WEBHOOK_FORMAT: "mattermost" is not known, use standard, cloudevents, slack, discord, teams, pagerduty, ` +
				"alertmanager or template",
		}},
		{"a source of nobody", []string{"VIDBELL_UNIQUE_ID=press,sales", "VIDBELL_WEBHOOK_SOURCES=press,pres"}, []string{
			`VIDBELL_WEBHOOK_SOURCES: "pres" is the name of no source; there are press, sales`,
		}},
		{"a source that cannot be one", []string{"VIDBELL_WEBHOOK_SOURCES=a b"}, []string{
			`VIDBELL_WEBHOOK_SOURCES: "a b" is not the name of a source, use 1 to 64 letters, digits, - or _`,
		}},
		{"sources are not compared with what is wrong", []string{"VIDBELL_UNIQUE_ID=a,a", "VIDBELL_WEBHOOK_SOURCES=b"}, []string{
			`VIDBELL_UNIQUE_ID: "a" is listed twice`,
		}},
		{"a filter in quote marks", []string{`VIDBELL_WEBHOOK_FILTER="data.size_bytes > 1"`}, []string{
			"VIDBELL_WEBHOOK_FILTER: the quote marks are part of the value: write it without them",
		}},
		{"an order of nothing", []string{"VIDBELL_WEBHOOK_ORDER=strict"}, []string{
			`VIDBELL_WEBHOOK_ORDER: "strict" is not known, use none or video`,
		}},
		{"a rate of words", []string{"VIDBELL_WEBHOOK_RATE_LIMIT=10/s"}, []string{
			`VIDBELL_WEBHOOK_RATE_LIMIT: "10/s" is not a number, write requests a second like 10 or 0.5`,
		}},
		{"a rate below zero", []string{"VIDBELL_WEBHOOK_RATE_LIMIT=-1"}, []string{
			`VIDBELL_WEBHOOK_RATE_LIMIT: "-1" is out of range, use 0.001 to 10000, or 0 for no limit`,
		}},
		{"neither true nor false", []string{"VIDBELL_WEBHOOK_INSECURE_HTTP=maybe"}, []string{
			`VIDBELL_WEBHOOK_INSECURE_HTTP: "maybe" is not known, use true or false`,
		}},
		{"headers of four kinds of wrong", []string{"VIDBELL_WEBHOOK_HEADERS=X-A=1,hush,hu/sh=,X-B=,X-A=hush"}, []string{
			"VIDBELL_WEBHOOK_HEADERS: header 2 has no =, write Name=Value",
			"VIDBELL_WEBHOOK_HEADERS: header 3 has no name that can be one before its =, use letters, digits and -",
			"VIDBELL_WEBHOOK_HEADERS: header 4 has no value after its =",
			"VIDBELL_WEBHOOK_HEADERS: header 5 has the name of an earlier one",
		}},
		{"no header at all", []string{"VIDBELL_WEBHOOK_HEADERS=,"}, []string{
			"VIDBELL_WEBHOOK_HEADERS: has no entry between its commas",
		}},
		{"headers in a file are blamed on the file", []string{"VIDBELL_WEBHOOK_HEADERS_FILE=" + writeFile(t, "hush")}, []string{
			"VIDBELL_WEBHOOK_HEADERS_FILE: header 1 has no =, write Name=Value",
		}},
		{"a handshake's rate of zero", []string{"VIDBELL_WEBHOOK_HANDSHAKE_RATE=0"}, []string{
			`VIDBELL_WEBHOOK_HANDSHAKE_RATE: "0" is out of range, use 1 to 1000000`,
		}},
		{"no wait for a group", []string{"VIDBELL_WEBHOOK_GROUP_WAIT=0s"}, []string{
			"VIDBELL_WEBHOOK_GROUP_WAIT: 0 is too short, the least is 100ms: for no groups set VIDBELL_WEBHOOK_GROUP_MAX to 1",
		}},
		{"too long a wait for a group", []string{"VIDBELL_WEBHOOK_GROUP_WAIT=1h"}, []string{
			`VIDBELL_WEBHOOK_GROUP_WAIT: "1h" is too long, the most is 10m`,
		}},
		{"too large a group", []string{"VIDBELL_WEBHOOK_GROUP_MAX=1001"}, []string{
			`VIDBELL_WEBHOOK_GROUP_MAX: "1001" is out of range, use 1 to 1000`,
		}},
		{"a routing key with a space", []string{"VIDBELL_WEBHOOK_ROUTING_KEY=hush hush"}, []string{
			"VIDBELL_WEBHOOK_ROUTING_KEY: holds a space, a line break or a character that is not ASCII: check how it was copied",
		}},
		{"too short an alert", []string{"VIDBELL_WEBHOOK_ALERT_FOR=1s"}, []string{
			`VIDBELL_WEBHOOK_ALERT_FOR: "1s" is too short, the least is 1m`,
		}},
		{"no template there", []string{"VIDBELL_WEBHOOK_TEMPLATE=" + missing}, []string{
			fmt.Sprintf("VIDBELL_WEBHOOK_TEMPLATE: cannot read file %q: no such file or directory", missing),
		}},
		{"an empty template", []string{"VIDBELL_WEBHOOK_TEMPLATE=" + blank}, []string{
			fmt.Sprintf("VIDBELL_WEBHOOK_TEMPLATE: file %q is empty", blank),
		}},
		{"a whole disk image as template", []string{"VIDBELL_WEBHOOK_TEMPLATE=" + big}, []string{
			fmt.Sprintf("VIDBELL_WEBHOOK_TEMPLATE: file %q is larger than 64 KiB, that is no template", big),
		}},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			setEnv(t, tc.env...)
			_, err := config.Load()
			var problems config.Problems
			errors.As(err, &problems)
			got := make([]string, len(problems))
			for i, p := range problems {
				got[i] = p.String()
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("problems\n got %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestWebhookValuesAreRead(t *testing.T) {
	w := mustLoad(t,
		"VIDBELL_WEBHOOK_FORMAT=Template",
		"VIDBELL_WEBHOOK_TEMPLATE="+writeFile(t, "{{.type}}\n"),
		`VIDBELL_WEBHOOK_FILTER="a" == data.cause || data.cause == "b"`, // not in quote marks, though it looks so
		"VIDBELL_WEBHOOK_ORDER=none",
		"VIDBELL_WEBHOOK_RATE_LIMIT=0",
		"VIDBELL_WEBHOOK_INSECURE_HTTP=TRUE",
		`VIDBELL_WEBHOOK_HEADERS=X-A = 1, Accept=text/html\, */*,X-Basic=dXNlcg==`,
	).Webhook
	if w.Format != "template" || w.Template != "{{.type}}\n" || w.Order != "" || w.RateLimit != 0 || !w.InsecureHTTP || w.Filter[0] != '"' {
		t.Errorf("Webhook = %+v", w)
	}
	got := map[string]string{}
	for name, value := range w.Headers {
		got[name] = value.Reveal()
	}
	if want := map[string]string{"X-A": "1", "Accept": "text/html, */*", "X-Basic": "dXNlcg=="}; !reflect.DeepEqual(got, want) {
		t.Errorf("headers %q, want %q", got, want)
	}
}

func TestHeadersInAFile(t *testing.T) {
	c := mustLoad(t, "VIDBELL_WEBHOOK_HEADERS_FILE="+writeFile(t, "X-A=hush-1\r\n\nX-B=hush-2,X-C=hush-3\n"))
	if h := c.Webhook.Headers; len(h) != 3 || h["X-A"].Reveal() != "hush-1" || h["X-C"].Reveal() != "hush-3" {
		t.Errorf("%d headers: %v", len(h), h)
	}
	for _, text := range []string{fmt.Sprint(c.Effective()), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", *c)} {
		if strings.Contains(text, "hush") {
			t.Errorf("a secret is shown: %s", text)
		}
	}
	if got := c.NameOf("VIDBELL_WEBHOOK_HEADERS"); got != "VIDBELL_WEBHOOK_HEADERS_FILE" {
		t.Errorf("a mistake would be one of %s", got)
	}
}

// What is left unset has no value of its own where the format has the default.
func TestWebhookDefaults(t *testing.T) {
	w := mustLoad(t).Webhook
	if w.Format != "standard" || w.GroupWait != 0 || w.GroupMax != 0 || w.AlertFor != 0 || w.ContentType != "" || w.Headers != nil {
		t.Errorf("Webhook = %+v", w)
	}
	c := mustLoad(t, "VIDBELL_WEBHOOK_FORMAT=alertmanager", "VIDBELL_WEBHOOK_ALERT_FOR=48h")
	if got := setting(t, c, "VIDBELL_WEBHOOK_EVENTS"); got.Value != "video.failed,video.stalled,video.done,video.deleted" ||
		got.Origin != config.OriginDefault || c.Webhook.AlertFor != 48*time.Hour {
		t.Errorf("events are shown as %+v, an alert lasts %s", got, c.Webhook.AlertFor)
	}
	c = mustLoad(t, "VIDBELL_WEBHOOK_FORMAT=alertmanager", "VIDBELL_WEBHOOK_EVENTS=video.failed")
	if want := []string{"video.failed"}; !slices.Equal(c.Webhook.Events, want) {
		t.Errorf("events %v, want %v", c.Webhook.Events, want)
	}
}
