package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"vidbell/notify/webhook"
)

func twoEndpoints() []webhook.EndpointState {
	return []webhook.EndpointState{{Name: "ops"}, {Name: "chat"}}
}

func TestReplayCommand(t *testing.T) {
	day := time.Date(2020, 1, 2, 3, 4, 5, 0, time.Local)
	some := webhook.ReplayResult{Matched: 5, Queued: 3, First: day, Last: day.Add(time.Minute)}
	const question = "Deliver once more 3 events to ops (stored 2020-01-02 03:04:05 to 2020-01-02 03:05:05)? [y/N] "
	const done = "ops: 3 events (stored 2020-01-02 03:04:05 to 2020-01-02 03:05:05) queued, to be delivered once more; 2 more are queued already\n"
	for _, tc := range []struct {
		sentence string
		options  ReplayOptions
		result   webhook.ReplayResult
		typed    string
		code     int
		asked    string
		says     string
		requests int // those that are no dry run
	}{
		{"with --yes nobody is asked", ReplayOptions{Endpoint: "ops", Dead: true, Yes: true}, some, "", ExitOK, "", done, 1},
		{"a person says yes", ReplayOptions{Endpoint: "ops", Dead: true, Terminal: true}, some, "y\n", ExitOK, question, done, 1},
		{"a person says no", ReplayOptions{Endpoint: "ops", Dead: true, Terminal: true}, some, "n\n", ExitFailed, question, "not replayed", 0},
		{
			"there is nobody to ask",
			ReplayOptions{Endpoint: "ops", Dead: true},
			some, "y\n", ExitUsage, "",
			"this would deliver once more 3 events to ops (stored 2020-01-02 03:04:05 to 2020-01-02 03:05:05): repeat it with --yes", 0,
		},
		{
			"a dry run only counts",
			ReplayOptions{Endpoint: "ops", Dead: true, DryRun: true},
			some, "", ExitOK, "",
			"ops: 3 events (stored 2020-01-02 03:04:05 to 2020-01-02 03:05:05) would be delivered once more; 2 more are queued already\n", 0,
		},
		{"there is nothing", ReplayOptions{Endpoint: "ops", Dead: true}, webhook.ReplayResult{}, "", ExitOK, "", "ops: nothing to replay\n", 0},
		{
			"it is under way",
			ReplayOptions{Endpoint: "ops", Dead: true},
			webhook.ReplayResult{Matched: 1},
			"", ExitOK, "",
			"ops: 1 event, queued for replay already\n", 0,
		},
		{
			"dead letters of all endpoints",
			ReplayOptions{Dead: true, Yes: true},
			webhook.ReplayResult{Matched: 1, Queued: 1, First: day, Last: day},
			"", ExitOK, "",
			"ops: 1 event (stored 2020-01-02 03:04:05) queued, to be delivered once more\nchat: 1 event (stored 2020-01-02 03:04:05) queued, to be delivered once more\n", 2,
		},
		{"repetitions to all endpoints", ReplayOptions{Since: "2h", Yes: true}, some, "", ExitUsage, "", "name one with --endpoint; there is ops, chat", 0},
		{
			"everything there ever was",
			ReplayOptions{Endpoint: "ops", Yes: true},
			some, "", ExitUsage, "",
			"say what to replay: --dead, --missing, --event, --type, --source, --since, --until or --filter", 0,
		},
		{"a time that is none", ReplayOptions{Endpoint: "ops", Since: "dawn"}, some, "", ExitUsage, "", `--since: "dawn" is no time: write how long ago (2h30m), a day (2026-11-23), a time ("2026-11-23 14:05"), or RFC 3339`, 0},
		{"nobody has that name", ReplayOptions{Endpoint: "opps", Dead: true, Yes: true}, some, "", ExitUsage, "", `no endpoint is named "opps"; there is ops, chat`, 0},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			f := &fakeDispatcher{endpoints: twoEndpoints(), replay: tc.result}
			serveDispatcher(t, f)
			tc.options.In = strings.NewReader(tc.typed)
			var ask bytes.Buffer
			said, code := command(func(out io.Writer) error { return Replay(t.Context(), out, &ask, tc.options) })
			if code != tc.code || said != tc.says || ask.String() != tc.asked {
				t.Errorf("code %d, asks %q, says\n%s", code, ask.String(), said)
			}
			requests := 0
			for _, r := range f.replays {
				if !r.DryRun {
					requests++
				}
			}
			if requests != tc.requests {
				t.Errorf("%d replays", requests)
			}
		})
	}
}

func TestReplayCommandPassesEverythingOn(t *testing.T) {
	f := &fakeDispatcher{replay: webhook.ReplayResult{Matched: 1, Queued: 1}}
	serveDispatcher(t, f)
	o := ReplayOptions{
		Endpoint: "ops", Events: []string{"evt_1", "evt_2"}, Types: []string{"done", "source.*"}, Sources: []string{"press"},
		Since: "2026-11-23T00:00:00Z", Until: "2026-11-24T00:00:00Z", Filter: "data.version > 1", Dead: true, Missing: true, Yes: true, JSON: true,
	}
	said, code := command(func(out io.Writer) error { return Replay(t.Context(), out, io.Discard, o) })
	want := webhook.ReplayRequest{
		Endpoint: "ops", EventIDs: []string{"evt_1", "evt_2"}, Types: []string{"video.done", "source.*"}, Sources: []string{"press"},
		Since: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), Filter: "data.version > 1",
		Dead: true, Missing: true,
	}
	if code != ExitOK || len(f.replays) != 2 || !f.replays[0].DryRun || !reflect.DeepEqual(f.replays[1], want) {
		t.Errorf("code %d, asks %+v", code, f.replays)
	}
	var printed struct {
		Replays []struct {
			Endpoint string `json:"endpoint"`
			Matched  int    `json:"matched"`
			Queued   int    `json:"queued"`
			DryRun   bool   `json:"dry_run"`
		} `json:"replays"`
	}
	must(t, json.Unmarshal([]byte(said), &printed))
	if len(printed.Replays) != 1 || printed.Replays[0].Endpoint != "ops" || printed.Replays[0].Queued != 1 || printed.Replays[0].DryRun {
		t.Errorf("prints %s", said)
	}
}

func TestReplayCommandShowsWhereAnExpressionIsWrong(t *testing.T) {
	f := &fakeDispatcher{err: &webhook.FieldError{Field: "filter", Err: errors.New("1:18: unexpected end\n | data.version > 1 +\n | ..............\x1b^")}}
	serveDispatcher(t, f)
	said, code := command(func(out io.Writer) error {
		return Replay(t.Context(), out, io.Discard, ReplayOptions{Endpoint: "ops", Filter: "data.version > 1 +"})
	})
	if code != ExitUsage || !strings.HasSuffix(said, "refuses: filter: 1:18: unexpected end\n | data.version > 1 +\n | ..............\uFFFD^") {
		t.Errorf("code %d, says %s", code, said)
	}
}

func TestScheduleCommand(t *testing.T) {
	setEnv(t, "VIDBELL_HTTP_LISTEN=off") // nobody is asked
	said, code := command(func(out io.Writer) error { return Schedule(out, "0,5s,5m,26h,1m30s", false) })
	if code != ExitOK {
		t.Errorf("code %d", code)
	}
	mustSay(t, said,
		"0s,5s,5m0s,26h0m0s,1m30s: 5 attempts in 1d 2h, each wait up to 20 % shorter or longer",
		"TRY WAIT BETWEEN AFTER THE FIRST BETWEEN",
		"1 at once",
		"2 5 s 4 s to 6 s 5 s 4 s to 6 s",
		"3 5m 4m to 6m 5m 5s 4m 4s to 6m 6s",
		"4 1d 2h 20h 48m to 1d 7h 1d 2h 20h 52m to 1d 7h",
		"5 1m 30s 1m 12s to 1m 48s 1d 2h 20h 53m to 1d 7h",
		"",
		"A receiver that is away costs no steps. Refusals (4xx) have the first four only. Names: fast, patient, standard.")
	for text, want := range map[string]string{"": "patient", "fast": "fast", "1s,2s": "0s,1s,2s"} {
		setEnv(t, "VIDBELL_WEBHOOK_SCHEDULE=patient")
		said, code := command(func(out io.Writer) error { return Schedule(out, text, true) })
		var s shownSchedule
		must(t, json.Unmarshal([]byte(said), &s))
		if code != ExitOK || s.Schedule != want || s.Attempts != len(s.Steps) || s.Jitter != 0.2 || s.Steps[len(s.Steps)-1].TotalSeconds != s.TotalSeconds {
			t.Errorf("%q prints %s", text, said)
		}
	}
	said, code = command(func(out io.Writer) error { return Schedule(out, "5", false) })
	if code != ExitUsage || !strings.Contains(said, `schedule step "5": use fast, patient, standard, or durations with units`) {
		t.Errorf("code %d, says %q", code, said)
	}
}

// Completion reads the environment and nothing else.
func TestConfiguredEndpoints(t *testing.T) {
	setEnv(t, "VIDBELL_HTTP_LISTEN=127.0.0.1:1", "VIDBELL_WEBHOOK_URL=https://a.example.com/x?token=hush,https://b.example.com/")
	names := ConfiguredEndpoints()
	if len(names) != 2 || names[0] != webhook.EndpointName("https://a.example.com/x?token=hush") || strings.Contains(names[0], "hush") {
		t.Errorf("names %q", names)
	}
	setEnv(t, "VIDBELL_WEBHOOK_URL=:")
	if names := ConfiguredEndpoints(); len(names) > 0 {
		t.Errorf("names %q of an environment that is wrong", names)
	}
}
