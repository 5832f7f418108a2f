package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vidbell/internal/config"
	"vidbell/notify/webhook"
)

const (
	hookAddress = "https://receiver.example/hooks"
	hookSecret  = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	hookKey     = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
)

// loadHooks loads these variables, named without VIDBELL_WEBHOOK_, and no others beside an API key.
func loadHooks(t *testing.T, pairs ...string) (*config.Config, config.Problems) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "VIDBELL_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("VIDBELL_API_KEY", "key-1")
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv("VIDBELL_WEBHOOK_"+name, value)
	}
	c, err := config.Load(checks()...)
	var problems config.Problems
	errors.As(err, &problems)
	return c, problems
}

func hookTemplate(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "template")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// unsettable are the fields of an endpoint that no variable sets.
var unsettable = map[string]string{
	"Name":       "follows from the URL",
	"PublicOnly": "is for endpoints that come in through an API",
}

// Every field of an endpoint can be set, and what is set reaches it.
func TestEveryFieldHasItsVariable(t *testing.T) {
	fast, err := webhook.ParseSchedule("fast")
	if err != nil {
		t.Fatal(err)
	}
	template := hookTemplate(t, "{{json .}}")
	settable := map[string]struct {
		env  []string
		want any
	}{
		"URL":             {nil, hookAddress},
		"Secrets":         {[]string{"SECRET=" + hookSecret}, []string{hookSecret}},
		"Headers":         {[]string{"HEADERS=X-A=1"}, map[string]string{"X-A": "1"}},
		"Format":          {[]string{"FORMAT=teams"}, webhook.FormatTeams},
		"Link":            {[]string{"LINK=https://a.example/{video_no}"}, "https://a.example/{video_no}"},
		"RoutingKey":      {[]string{"FORMAT=pagerduty", "ROUTING_KEY=" + hookKey}, hookKey},
		"AlertFor":        {[]string{"FORMAT=alertmanager", "ALERT_FOR=2h"}, 2 * time.Hour},
		"Template":        {[]string{"FORMAT=template", "TEMPLATE=" + template}, "{{json .}}"},
		"ContentType":     {[]string{"FORMAT=template", "TEMPLATE=" + template, "CONTENT_TYPE=text/plain"}, "text/plain"},
		"GroupWait":       {[]string{"FORMAT=slack", "GROUP_WAIT=1m"}, time.Minute},
		"GroupMax":        {[]string{"FORMAT=slack", "GROUP_MAX=7"}, 7},
		"HandshakeOrigin": {[]string{"HANDSHAKE_ORIGIN=a.example"}, "a.example"},
		"HandshakeRate":   {[]string{"HANDSHAKE_ORIGIN=a.example", "HANDSHAKE_RATE=60"}, 60},
		"Events":          {[]string{"EVENTS=video.*"}, []string{"video.*"}},
		"InFlight":        {[]string{"IN_FLIGHT=3"}, 3},
		"Timeout":         {[]string{"TIMEOUT=3s"}, 3 * time.Second},
		"Schedule":        {[]string{"SCHEDULE=fast"}, fast},
		"Sources":         {[]string{"SOURCES=default"}, []string{"default"}},
		"Filter":          {[]string{"FILTER=data.size_bytes > 1"}, "data.size_bytes > 1"},
		"RateLimit":       {[]string{"RATE_LIMIT=0.5"}, 0.5},
		"Order":           {[]string{"ORDER=video"}, webhook.OrderVideo},
		"InsecureHTTP":    {[]string{"INSECURE_HTTP=true"}, true},
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[webhook.Endpoint]()) {
		set, ok := settable[field.Name]
		if _, no := unsettable[field.Name]; no == ok {
			t.Errorf("%s is neither set by a variable nor listed with a reason, or both", field.Name)
		}
		if !ok {
			continue
		}
		t.Run(field.Name, func(t *testing.T) {
			c, problems := loadHooks(t, append(set.env, "URL="+hookAddress)...)
			if problems != nil {
				t.Fatal(problems)
			}
			got := reflect.ValueOf(endpoints(c)[0]).FieldByIndex(field.Index).Interface()
			if !reflect.DeepEqual(got, set.want) {
				t.Errorf("%v, want %v", got, set.want)
			}
		})
	}
}

// What the settings say of formats is what the formats say of themselves.
func TestFormatsAreThoseOfThePackage(t *testing.T) {
	i := slices.IndexFunc(config.Variables(), func(v config.Variable) bool { return v.Name == webhookFormat })
	words := strings.Split(config.Variables()[i].Type, "|")
	err := webhook.ValidateEndpoint(webhook.Endpoint{Name: "a", URL: hookAddress, Format: "other"})
	if all := "there are " + strings.Join(words, ", "); err == nil || !strings.Contains(err.Error(), all) {
		t.Errorf("%v: want %q", err, all)
	}
	for _, word := range words {
		c, _ := loadHooks(t, "FORMAT="+word)
		want := webhook.Endpoint{Format: webhook.Format(word)}.WithDefaults().Events
		if !slices.Equal(c.Webhook.Events, want) {
			t.Errorf("%s: events %v, want %v", word, c.Webhook.Events, want)
		}
	}
}

// Mistakes that package webhook finds are told by the variables that make them.
func TestWebhookMistakesNameTheirVariables(t *testing.T) {
	const pre = "VIDBELL_WEBHOOK_"
	url := "URL=" + hookAddress
	for sentence, tc := range map[string]struct {
		env  []string
		want []string
	}{
		"pagerduty without an address": {[]string{"FORMAT=pagerduty", "ROUTING_KEY=" + hookKey}, []string{
			pre + "URL: is required by VIDBELL_WEBHOOK_FORMAT=pagerduty: set it to https://events.pagerduty.com/v2/enqueue, " +
				"or https://events.eu.pagerduty.com/v2/enqueue for accounts in the EU",
		}},
		"slack without an address": {[]string{"FORMAT=slack"}, []string{
			pre + "URL: is required by VIDBELL_WEBHOOK_FORMAT=slack: set it to the address of the receiver",
		}},
		"a mistake without a receiver": {[]string{"FILTER=data.nam == 1"}, []string{pre + "FILTER: 1:6: data has no field nam"}},
		"one mistake of two receivers": {[]string{url + ",https://b.example", "LINK=here"}, []string{
			pre + "LINK: write it like https://host/videos/{video_no}, without spaces or brackets, in at most 1024 bytes",
		}},
		"one receiver of two": {[]string{url + ",http://0177.1/", "SECRET=" + hookSecret}, []string{
			pre + "URL: URL 2: the host is an address in a form that resolvers read differently, write it like 192.0.2.1",
		}},
		"a secret that is none": {[]string{url, "SECRET=" + hookSecret + ",hush"}, []string{
			pre + "SECRET: secret 2: " + secretError(t, "hush"),
		}},
		"a schedule of words": {[]string{"SCHEDULE=often"}, []string{pre + "SCHEDULE: " + scheduleError(t, "often")}},
		"a header of ours": {[]string{url, "HEADERS=Webhook-Id=hush"}, []string{
			pre + `HEADERS: header "Webhook-Id": this header is reserved: what begins with webhook- belongs to the signature and the handshake`,
		}},
		"a key in a file": {[]string{url, "FORMAT=pagerduty", "ROUTING_KEY_FILE=" + hookTemplate(t, "hush")}, []string{
			pre + "ROUTING_KEY_FILE: this is no integration key of Events API v2, which has 32 letters and digits",
		}},
		"a file that is not there is enough": {[]string{url, "FORMAT=pagerduty", "ROUTING_KEY_FILE=/none"}, []string{
			pre + `ROUTING_KEY_FILE: cannot read file "/none": no such file or directory`,
		}},
		"so is a format that is none": {[]string{url, "FORMAT=pager", "ROUTING_KEY=" + hookKey}, []string{
			pre + `FORMAT: "pager" is not known, use standard, cloudevents, slack, discord, teams, pagerduty, alertmanager or template`,
		}},
		"what belongs to another format": {[]string{url, "ALERT_FOR=1h"}, []string{
			pre + "ALERT_FOR: it belongs to the alertmanager format, this is standard",
		}},
		"groups of one": {[]string{url, "GROUP_WAIT=1s"}, []string{
			pre + "GROUP_WAIT, VIDBELL_WEBHOOK_GROUP_MAX: the standard format sends one event a request, unset both",
		}},
		"a rate that nobody asks for": {[]string{url, "HANDSHAKE_RATE=60"}, []string{
			pre + "HANDSHAKE_RATE: it is asked for in the handshake, set VIDBELL_WEBHOOK_HANDSHAKE_ORIGIN as well",
		}},
		"text in place of JSON": {[]string{url, "FORMAT=template", "TEMPLATE=" + hookTemplate(t, "{{.type}}")}, []string{
			pre + "TEMPLATE: it fails for video.done: the output is not JSON: write text through json, as in {{json .subject}}, " +
				"or set VIDBELL_WEBHOOK_CONTENT_TYPE",
		}},
		"silence": {[]string{url, "FORMAT=alertmanager", "EVENTS=video.done,video.processing"}, []string{
			pre + `EVENTS: event 2: "video.processing" opens or resolves nothing in the alertmanager format, there are video.failed, ` +
				"video.stalled, video.done, video.deleted, source.degraded, source.recovered, endpoint.degraded, endpoint.disabled, endpoint.recovered",
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, problems := loadHooks(t, tc.env...)
			var got []string
			for _, p := range problems {
				got = append(got, p.String())
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("problems\n got %q\nwant %q", got, tc.want)
			}
		})
	}
}

func secretError(t *testing.T, text string) string {
	t.Helper()
	_, err := webhook.ParseSecret(text)
	return fmt.Sprint(err)
}

func scheduleError(t *testing.T, text string) string {
	t.Helper()
	_, err := webhook.ParseSchedule(text)
	return fmt.Sprint(err)
}

// Neither what is right nor what is wrong about a secret shows it.
func TestCheckShowsNoSecretOfReceivers(t *testing.T) {
	for _, env := range [][]string{
		{"URL=http://127.0.0.1:1/", "FORMAT=pagerduty", "ROUTING_KEY=hush" + hookKey[4:], "HEADERS=Authorization=Bearer hush"},
		{"FORMAT=pagerduty", "ROUTING_KEY=hush", "HEADERS=Host=hush,X-A=hu\x01sh,hush/hush="},
		{"URL=http://127.0.0.1:1/", "SECRET=hush,whsec_hush", "ROUTING_KEY=hush hush", "HEADERS=Webhook-Id=hush"},
	} {
		_, _ = loadHooks(t, env...) // sets them
		t.Setenv("VIDBELL_API_URL", "http://127.0.0.1:1")
		t.Setenv("VIDBELL_DATA_DIR", t.TempDir())
		t.Setenv("VIDBELL_NATS_LISTEN", "off")
		t.Setenv("VIDBELL_HTTP_LISTEN", "off")
		for _, asJSON := range []bool{false, true} {
			var out strings.Builder
			err := Check(t.Context(), &out, asJSON)
			if err == nil || strings.Contains(out.String()+err.Error(), "hush") {
				t.Errorf("%v\n%s", err, out.String())
			}
		}
	}
}
