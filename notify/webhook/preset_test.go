package webhook

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hostile is text that each format has to make harmless.
const hostile = "<!channel> @everyone *b* _i_ `c` [x](http://evil) & \"q\" \u202etxt\x07\nnext|<at>all</at>"

// videoEvent is an event as the log holds it.
func videoEvent(kind, video, name, cause string) []byte {
	encode := func(s string) string {
		if s == "" {
			return "null"
		}
		out, _ := compactJSON(s)
		return string(out)
	}
	raw := map[string]string{"done": "DONE", "failed": "PARSE_ERROR"}[kind]
	if raw == "" {
		raw = "UNPARSE"
	}
	return fmt.Appendf(nil, `{"specversion":"1.0","id":"evt_%[1]s_%[2]s","source":"urn:vidbell:default","type":"video.%[1]s","subject":"%[2]s",`+
		`"time":"2026-11-23T22:04:05.123Z","timestamp":"2026-11-23T22:04:05.123Z","datacontenttype":"application/json",`+
		`"data":{"source":"default","video_no":"%[2]s","video_name":%[3]s,"status":"%[1]s","raw_status":"%[5]s",`+
		`"previous_status":"processing","previous_raw_status":"UNPARSE","cause":%[4]s,"duration_seconds":12,"size_bytes":3284512,`+
		`"created_at":"2025-08-01T08:33:37.992Z","first_seen_at":"2026-11-23T22:02:42.123Z","processing_seconds":83,"version":2}}`,
		kind, video, encode(name), encode(cause), raw)
}

func healthEvent(kind, name string) []byte {
	key, _, _ := strings.Cut(kind, ".")
	return fmt.Appendf(nil, `{"specversion":"1.0","id":"evt_%s","source":"urn:vidbell:%s","type":%q,"subject":%q,`+
		`"time":"2026-11-23T22:04:05.123Z","timestamp":"2026-11-23T22:04:05.123Z","datacontenttype":"application/json",`+
		`"data":{%q:%q,"reason":"key_refused","detail":"the platform answers 401","since":"2026-11-23T22:03:05.123Z"}}`,
		strings.ReplaceAll(kind, ".", "_"), name, kind, name, key, name)
}

// burst is many failures of three causes, and some videos that went well.
func burst() [][]byte {
	causes := []string{"codec not supported", "no audio track", "codec not supported", "codec not supported", "file truncated"}
	var all [][]byte
	for i := range 480 {
		all = append(all, videoEvent("failed", fmt.Sprintf("VI%03d", i), fmt.Sprintf("intake-%03d.mp4", i), causes[i%len(causes)]))
	}
	for i := range 20 {
		all = append(all, videoEvent("done", fmt.Sprintf("VI9%02d", i), "", ""))
	}
	return all
}

func presetTarget(t testing.TB, format Format, change func(*Endpoint)) *target {
	t.Helper()
	e := Endpoint{Name: "a", URL: "https://hooks.example.com/x", Format: format, Link: "https://console.example.com/videos/{video_no}?from={source}"}
	if format == FormatPagerDuty {
		e.RoutingKey = strings.Repeat("k", 32)
	}
	if format == FormatTemplate {
		e.Template = `{"text":{{json (printf "%s %s" .type .subject)}},"count":{{.count}},"causes":[{{range $i, $e := .events}}{{if lt $i 3}}{{if $i}},{{end}}{{json (default "unknown" $e.data.cause)}}{{end}}{{end}}]}`
	}
	if change != nil {
		change(&e)
	}
	made, err := compile(e)
	must(t, err)
	return made
}

// goldenCases name the files in testdata: <format>-<case>.json.
func goldenCases() map[string][][]byte {
	return map[string][][]byte{
		"failed":    {videoEvent("failed", "VI606404158946574336", "182082-867762198_tiny.mp4", "codec not supported")},
		"done":      {videoEvent("done", "VI606404158946574336", "182082-867762198_tiny.mp4", "")},
		"stalled":   {videoEvent("stalled", "VI606404158946574336", "182082-867762198_tiny.mp4", "")},
		"hostile":   {videoEvent("failed", "VI1", hostile, hostile)},
		"degraded":  {healthEvent("source.degraded", "default")},
		"recovered": {healthEvent("source.recovered", "default")},
		"group":     burst(),
	}
}

func TestWireFormatsAreAsTheGoldenFilesHaveThem(t *testing.T) {
	for _, p := range presets {
		if p.render == nil {
			continue
		}
		made := presetTarget(t, p.name, nil)
		for name, events := range goldenCases() {
			videosOnly := p.name == FormatTemplate // as the test's template is
			if !p.groups && len(events) > 1 || videosOnly && (name == "degraded" || name == "recovered") {
				continue
			}
			if p.name == FormatAlertmanager && len(events) > 4 {
				events = append(events[:3:3], events[len(events)-1]) // a longer list says no more
			}
			body, err := made.compose(events...)
			must(t, err)
			file := filepath.Join("testdata", string(p.name)+"-"+name+".json")
			if *update {
				must(t, os.WriteFile(file, append(body, '\n'), 0o600))
			}
			want, err := os.ReadFile(file)
			must(t, err)
			if !bytes.Equal(append(body, '\n'), want) {
				t.Errorf("%s:\n%s\nwant\n%s", file, body, want)
			}
			if again, _ := made.compose(events...); !bytes.Equal(again, body) {
				t.Errorf("%s: the second rendering differs", file)
			}
		}
	}
}

// huge is an event whose every text is past all limits, in characters that take the most room.
func huge() []byte {
	long := strings.Repeat("𝄞<&>*[]\\\"", 40_000/8)
	return videoEvent("failed", "VI1", long, long)
}

// manyHuge has as many causes as events, each too long.
func manyHuge() [][]byte {
	all := make([][]byte, 500)
	for i := range all {
		long := strings.Repeat("𝄞<&>*[]\\\"", 400)
		all[i] = videoEvent("failed", fmt.Sprintf("VI%d", i), long, fmt.Sprintf("%d %s", i, long))
	}
	return all
}

func decodeInto[T any](t *testing.T, body []byte) T {
	t.Helper()
	var v T
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	must(t, decoder.Decode(&v))
	return v
}

func TestMessagesKeepTheLimitsOfTheirVendors(t *testing.T) {
	for name, events := range map[string][][]byte{"one huge event": {huge()}, "many huge events": manyHuge()} {
		body, err := presetTarget(t, FormatSlack, nil).compose(events...)
		must(t, err)
		slack := decodeInto[slackMessage](t, body)
		if n := units(slack.Blocks[0].Text.Text); n > slackHeaderLimit {
			t.Errorf("%s: slack: header has %d", name, n)
		}
		if n := units(slack.Blocks[1].Text.Text); n > slackSectionLimit || n < 100 {
			t.Errorf("%s: slack: section has %d", name, n)
		}
		body, err = presetTarget(t, FormatDiscord, nil).compose(events...)
		must(t, err)
		discord := decodeInto[discordMessage](t, body)
		if a, b := units(discord.Embeds[0].Title), units(discord.Embeds[0].Description); a > discordTitleLimit || b > discordDescriptionLimit || a+b > 6000 || b < 100 {
			t.Errorf("%s: discord: title has %d, description %d", name, a, b)
		}
		body, err = presetTarget(t, FormatTeams, nil).compose(events...)
		must(t, err)
		if len(body) > 28_000 {
			t.Errorf("%s: teams: %d bytes", name, len(body))
		}
	}
	body, err := presetTarget(t, FormatPagerDuty, nil).compose(huge())
	must(t, err)
	if n := units(decodeInto[pagerDutyEvent](t, body).Payload.Summary); n > pagerDutySummaryLimit || n < 500 || len(body) > 512_000 {
		t.Errorf("pagerduty: summary has %d, the whole %d bytes", n, len(body))
	}
	long, err := presetTarget(t, FormatPagerDuty, nil).compose(videoEvent("failed", strings.Repeat("x", 400), "n", "c"))
	must(t, err)
	if key := decodeInto[pagerDutyEvent](t, long).DedupKey; len(key) > pagerDutyKeyLimit {
		t.Errorf("pagerduty: the key has %d bytes", len(key))
	}
}

func TestTextFromOutsideIsHarmless(t *testing.T) {
	for format, forbidden := range map[Format][]string{
		FormatSlack:   {"<!channel>", "<at>"},
		FormatDiscord: {"](http://evil)", " *b*", " `c`", "http://evil", "<at>"},
		FormatTeams:   {"](http://evil)", " *b*", " `c`", "<at>"},
	} {
		body, err := presetTarget(t, format, nil).compose(videoEvent("failed", "VI1", hostile, hostile))
		must(t, err)
		for _, text := range append(forbidden, "\u202e", `\u0007`, `\u202e`) {
			if bytes.Contains(body, []byte(text)) {
				t.Errorf("%s: %q gets through: %s", format, text, body)
			}
		}
	}
	body, err := presetTarget(t, FormatDiscord, nil).compose(videoEvent("failed", "VI1", hostile, hostile))
	must(t, err)
	if !bytes.Contains(body, []byte(`"allowed_mentions":{"parse":[]}`)) {
		t.Errorf("mentions are not turned off: %s", body)
	}
}

func TestALinkIsMadeOfNothingButTheEndpointsOwn(t *testing.T) {
	made := presetTarget(t, FormatSlack, nil)
	e, err := readEvent(videoEvent("failed", "../a?b=c&d|e>f g", "", ""))
	must(t, err)
	if got, want := made.link(e), "https://console.example.com/videos/..%2Fa%3Fb%3Dc%26d%7Ce%3Ef%20g?from=default"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestOneIncidentOfAVideoOpensAndIsResolved(t *testing.T) {
	made := presetTarget(t, FormatPagerDuty, nil)
	keys := map[string]bool{}
	for kind, want := range map[string]pagerDutyAction{
		"failed": pagerDutyTrigger, "stalled": pagerDutyTrigger, "done": pagerDutyResolve, "deleted": pagerDutyResolve,
	} {
		body, err := made.compose(videoEvent(kind, "VI1", "n", ""))
		must(t, err)
		got := decodeInto[pagerDutyEvent](t, body)
		if got.Action != want || (got.Payload != nil) != (want == pagerDutyTrigger) {
			t.Errorf("%s: %s", kind, body)
		}
		keys[got.DedupKey] = true
	}
	if len(keys) != 1 || !keys["urn:vidbell:default/VI1"] {
		t.Errorf("keys are %v", keys)
	}
}

func TestAnAlertEndsUnderTheLabelsThatItBeganWith(t *testing.T) {
	made := presetTarget(t, FormatAlertmanager, func(e *Endpoint) { e.AlertFor = time.Hour })
	alerts := func(events ...[]byte) map[string]alert {
		body, err := made.compose(events...)
		must(t, err)
		by := map[string]alert{}
		for _, a := range decodeInto[[]alert](t, body) {
			by[a.Labels["alertname"]+fmt.Sprint(a.Labels)] = a
		}
		return by
	}
	for kind, ended := range map[string][]string{"failed": {"done", "deleted"}, "stalled": {"done", "deleted", "failed"}} {
		for key, began := range alerts(videoEvent(kind, "VI1", "a name", "a cause")) {
			if began.StartsAt == "" {
				continue // what a failure ends
			}
			if began.StartsAt != "2026-11-23T22:04:05.123Z" || began.EndsAt != "2026-11-23T23:04:05.123Z" {
				t.Errorf("%s lasts from %s to %s", kind, began.StartsAt, began.EndsAt)
			}
			for _, by := range ended {
				if over, ok := alerts(videoEvent(by, "VI1", "another name", ""))[key]; !ok || over.EndsAt != "2026-11-23T22:04:05.123Z" {
					t.Errorf("%s is not ended by %s: %v", key, by, over)
				}
			}
		}
	}
	both := alerts(videoEvent("failed", "VI1", "", "c"), videoEvent("done", "VI1", "", ""))
	for key, a := range both {
		if a.StartsAt != "" {
			t.Errorf("of failed and then done in one list, %s is still there: %v", key, a)
		}
	}
}

func TestHealthOfSourcesAndEndpointsOpensAndEnds(t *testing.T) {
	duty, manager := presetTarget(t, FormatPagerDuty, nil), presetTarget(t, FormatAlertmanager, nil)
	for bad, good := range map[string]string{"source.degraded": "source.recovered", "endpoint.disabled": "endpoint.recovered", "endpoint.degraded": "endpoint.recovered"} {
		opened, err := duty.compose(healthEvent(bad, "x"))
		must(t, err)
		closed, err := duty.compose(healthEvent(good, "x"))
		must(t, err)
		a, b := decodeInto[pagerDutyEvent](t, opened), decodeInto[pagerDutyEvent](t, closed)
		if a.Action != pagerDutyTrigger || b.Action != pagerDutyResolve || a.DedupKey != b.DedupKey {
			t.Errorf("%s and %s: %s %s", bad, good, opened, closed)
		}
		began, err := manager.compose(healthEvent(bad, "x"))
		must(t, err)
		ended, err := manager.compose(healthEvent(good, "x"))
		must(t, err)
		firing := decodeInto[[]alert](t, began)
		over := string(ended)
		labels, err := compactJSON(firing[len(firing)-1].Labels)
		must(t, err)
		if !strings.Contains(over, string(labels)) {
			t.Errorf("%s began with %s and ended with %s", bad, labels, over)
		}
	}
}
