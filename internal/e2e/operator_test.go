package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"vidbell/internal/simulator"
	"vidbell/internal/web"
)

// operated is a service with one receiver, and the person who looks after it from another terminal.
type operated struct {
	*process
	platform *platform
	to       *receiver
	endpoint string
}

// startOperated has a service deliver the ends of the platform's videos.
func startOperated(t *testing.T, change ...string) operated {
	t.Helper()
	from, to := newPlatform(t, simulator.WordsPlain(), 5, 5), newReceiver(t)
	s := deliverTo(from.settings(), to).with("DATA_DIR", t.TempDir(), "NATS_LISTEN", "off", "HTTP_LISTEN", freeAddress(t)).with(change...)
	o := operated{process: start(t, s), platform: from, to: to}
	o.mustHaveBaseline()
	o.endpoint = o.only().Name
	return o
}

// command runs one beside the service, and returns what it printed.
func (o operated) command(want int, args ...string) string {
	o.t.Helper()
	p, code := run(o.t, o.settings, args...)
	mustEnd(o.t, p, code, want)
	if want == exitOK && p.stderr.String() != "" {
		o.t.Errorf("%v says %s", args, p.stderr.String())
	}
	return p.stdout.String() + p.stderr.String()
}

// read runs a command with --json.
func read[T any](o operated, args ...string) (document T) {
	o.t.Helper()
	text := o.command(exitOK, append(args, "--json")...)
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		o.t.Fatalf("%v: %v in %s", args, err, text)
	}
	return document
}

// only is the one endpoint.
func (o operated) only() web.Endpoint {
	o.t.Helper()
	list := read[web.EndpointList](o, "endpoints").Endpoints
	if len(list) != 1 {
		o.t.Fatalf("endpoints %+v", list)
	}
	return list[0]
}

// finish ends a video and returns its number.
func (o operated) finish(kind string) string {
	o.t.Helper()
	no := o.platform.inFlight[0]
	o.platform.finish(kind)
	return no
}

// why is what there is to know of a video with one event; people get a sentence of it.
func (o operated) why(no string) web.Explained {
	o.t.Helper()
	events := read[web.Explanation](o, "why", o.endpoint, no).Events
	if len(events) != 1 {
		o.t.Fatalf("%s has %+v", no, events)
	}
	if e := events[0]; e.VideoNo != no || !e.Wanted || e.StoredAt == nil || !strings.HasSuffix(e.Answer, ".") {
		o.t.Errorf("%s is explained as %+v", no, e)
	}
	return events[0]
}

func mustContain(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in %q", part, text)
		}
	}
}

// A receiver says once that it is gone: it gets nothing, everybody can see why, and with one command it has all that waited.
func TestTheOperatorEnablesAReceiverThatWasGone(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	o.to.answers(func(arrival) int { return http.StatusGone })
	first := o.finish(done)
	o.eventually("the endpoint is disabled", func() bool { return o.only().State == "disabled" })
	o.to.answers(func(arrival) int { return http.StatusNoContent })
	second := o.finish(failed)
	o.eventually("the backlog", func() bool { return o.only().Pending == 2 })
	e := o.only()
	if e.Reason != "gone" || e.LastFailure == nil || e.LastFailure.Status != http.StatusGone || strings.Contains(e.URL, "token") {
		t.Errorf("endpoint %+v", e)
	}
	mustContain(t, o.command(exitOK, "endpoints"), o.endpoint, "disabled: gone", "vidbell endpoints enable "+o.endpoint)
	for _, no := range []string{first, second} {
		e := o.why(no)
		if e.Fate != "waiting" || e.WaitingFor != "disabled" {
			t.Errorf("%s is explained as %+v", no, e)
		}
		mustContain(t, o.command(exitOK, "why", o.endpoint, no), no, e.EventID, "until the endpoint is enabled")
	}
	if n := len(o.to.all()); n != 1 {
		t.Errorf("%d requests to a receiver that is gone", n)
	}
	mustContain(t, o.command(exitOK, "endpoints", "enable", o.endpoint, "--reason", "it was moved"), "enabled: "+o.endpoint)
	for no, kind := range map[string]string{first: done, second: failed} {
		o.eventually("the backlog arrives", func() bool { return slices.Equal(o.to.told(no), []string{kind}) })
	}
	o.eventually("the endpoint is well", func() bool { e := o.only(); return e.State == "active" && e.Pending == 0 })
	o.eventually("why knows", func() bool { return o.why(first).Fate == "delivered" })
	mustContain(t, o.command(exitOK, "why", o.endpoint, first), o.endpoint+" took it at ", "try 1", "410", "try 2", "204")

	mustContain(t, o.command(exitOK, "endpoints", "disable", o.endpoint, "--reason", "it moves on Friday"), "disabled: "+o.endpoint)
	mustContain(t, o.command(exitOK, "endpoints"), "disabled: operator", "it moves on Friday")
	third := o.finish(done)
	o.eventually("it waits", func() bool { return o.only().Pending == 1 })
	o.command(exitOK, "endpoints", "enable", o.endpoint)
	o.eventually("it arrives", func() bool { return len(o.to.told(third)) == 1 })
	mustContain(t, o.command(exitUsage, "endpoints", "enable", "else"), `no endpoint is named "else"; there is `+o.endpoint)
	o.stop()
}

// What a receiver cannot take is given up, listed and explained; when it can, the same event comes once more.
func TestTheOperatorReplaysWhatWasGivenUp(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	o.to.answers(func(arrival) int { return http.StatusUnsupportedMediaType })
	no := o.finish(failed)
	var letters []web.DeadLetter
	o.eventually("a dead letter", func() bool {
		letters = read[web.DeadLetterList](o, "dead-letters").DeadLetters
		return len(letters) == 1
	})
	letter := letters[0]
	if letter.VideoNo != no || letter.Endpoint != o.endpoint || letter.Status != 415 || letter.Attempts != 1 || letter.Type != "video.failed" {
		t.Errorf("letter %+v", letter)
	}
	mustContain(t, o.command(exitOK, "dead-letters", "--endpoint", o.endpoint), letter.EventID, no, "415", "vidbell replay --dead")
	mustContain(t, o.command(exitOK, "dead-letters", "--video", "VI1"), "no dead letters")
	mustContain(t, o.command(exitOK, "endpoints"), "1 dead letter")
	e := o.why(no)
	if e.Fate != "dead" || e.DeadLetter == nil || e.DeadLetter.Seq != letter.Seq || e.AttemptsMade != 1 {
		t.Errorf("%s is explained as %+v", no, e)
	}
	mustContain(t, o.command(exitOK, "why", o.endpoint, no), no, letter.EventID, "It was given up at ", "after 1 attempt", "415", "kept for replay",
		"| \uFFFD[31mcannot POST /hooks/videos?*** with "+letter.EventID)
	mustContain(t, o.command(exitOK, "deliveries", "--failed", "--json"), `"excerpt": "\u001b[31mcannot POST /hooks/videos?*** with `)
	mustContain(t, o.command(exitOK, "replay", "--dead", "--dry-run"), o.endpoint, "1 event", "would be delivered once more")
	mustContain(t, o.command(exitUsage, "replay", "--dead"), "1 event", "--yes")
	if n := len(o.to.all()); n != 1 {
		t.Errorf("%d requests before the replay", n)
	}
	o.to.answers(func(arrival) int { return http.StatusNoContent })
	mustContain(t, o.command(exitOK, "replay", "--dead", "--yes"), "1 event", "queued")
	o.eventually("it arrives", func() bool { return len(o.to.told(no)) == 1 })
	all := o.to.all()
	if len(all) != 2 || all[0].ID != letter.EventID || all[1].ID != letter.EventID || all[0].body != all[1].body {
		t.Errorf("arrivals %+v", all)
	}
	o.eventually("the letter is gone", func() bool { return len(read[web.DeadLetterList](o, "dead-letters").DeadLetters) == 0 })
	var list []web.Delivery
	o.eventually("both attempts are in the log", func() bool {
		list = read[web.DeliveryList](o, "deliveries", "--video", no).Deliveries
		return len(list) == 2
	})
	if list[0].Result != "delivered" || !list[0].Replay || list[1].Result != "dead" || list[1].Status != 415 {
		t.Errorf("deliveries %+v", list)
	}
	mustContain(t, o.command(exitOK, "deliveries"), "→ "+o.endpoint, "415", "dead letter", "204", "delivered", letter.EventID)
	mustContain(t, o.command(exitOK, "replay", "--dead", "--yes"), "nothing to replay")
	mustContain(t, o.command(exitFailed, "why", o.endpoint, "VI1"), "no such event")
	o.stop()
}

// A subscriber has the engine send an answer to where dead letters are kept. Nobody takes it for one.
func TestTheOperatorSeesNoForgedLetters(t *testing.T) {
	t.Parallel()
	o := startOperated(t, "NATS_LISTEN", "127.0.0.1:0")
	o.to.answers(func(arrival) int { return http.StatusUnsupportedMediaType })
	no := o.finish(failed)
	o.eventually("a dead letter", func() bool { return o.only().DeadLetters == 1 })
	nc := connect(t, o.subscribeURL())
	must(t, nc.PublishRequest("$JS.API.STREAM.INFO."+logStream, "vidbell.dead."+o.endpoint+".evt_forged", nil))
	must(t, nc.Flush())
	o.eventually("it is stored", func() bool { return o.only().DeadLetters == 2 })
	letters := read[web.DeadLetterList](o, "dead-letters").DeadLetters
	if len(letters) != 1 || letters[0].VideoNo != no {
		t.Errorf("letters %+v", letters)
	}
	mustContain(t, o.command(exitOK, "replay", "--dead", "--dry-run"), o.endpoint, "1 event", "would be delivered once more")
	mustContain(t, o.command(exitFailed, "why", o.endpoint, "evt_forged"), "no such event")
	o.stop()
}

// What cannot be asked for is named, and what could be; with --json in JSON, on stderr.
func TestTheOperatorIsToldWhatIsWrong(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	for line, parts := range map[string][]string{
		"deliveries --class nope":                    {`class: "nope" is none, there is dns, connect, tls, timeout`},
		"dead-letters --class nope":                  {`class: "nope" is none`},
		"dead-letters --reason zzz":                  {`reason: "zzz" is none, there is schedule_used_up, refused`},
		"deliveries --type finished":                 {`type: "video.finished" matches no event type, there are video.done`},
		"deliveries --type video.x*":                 {`type: "video.x*" matches no event type`},
		"deliveries --endpoint else":                 {`endpoint: "else": there is no endpoint by that name, there is ` + o.endpoint},
		"dead-letters --endpoint else":               {`endpoint: "else"`, o.endpoint},
		"replay --endpoint else --dead --dry-run":    {`endpoint: "else"`, o.endpoint},
		"replay --dead --type nope --dry-run":        {`types: "video.nope" matches no event type`},
		"why else VI1":                               {`endpoint: "else"`, o.endpoint},
		"endpoints disable else":                     {`no endpoint is named "else"; there is ` + o.endpoint},
		"deliveries --since yesterday":               {`--since: "yesterday" is no time`},
		"replay --dead --dry-run --filter subjekt>1": {"filter: ", "subjekt"},
	} {
		args := strings.Fields(line)
		mustContain(t, o.command(exitUsage, args...), append(parts, "vidbell: ")...)
		p, code := run(t, o.settings, append(args, "--json")...)
		mustEnd(t, p, code, exitUsage)
		var complaint struct {
			Error string `json:"error"`
			Code  int    `json:"exit_code"`
		}
		if err := json.Unmarshal([]byte(p.stderr.String()), &complaint); err != nil || complaint.Code != exitUsage || p.stdout.String() != "" {
			t.Errorf("%s: %v, %s on stderr, %s on stdout", line, err, p.stderr.String(), p.stdout.String())
		}
		mustContain(t, complaint.Error, parts...)
	}
	mustContain(t, o.command(exitOK, "endpoints", "disable", o.endpoint, "--reason", "it moves"), "disabled")
	mustContain(t, o.command(exitOK, "endpoints", "disable", o.endpoint, "--reason", "it has moved"), "disabled")
	o.command(exitOK, "endpoints", "disable", o.endpoint)
	if e := o.only(); e.Detail != "it has moved" || e.Reason != "operator" {
		t.Errorf("the endpoint says %+v", e)
	}
	o.stop()
}

// A test is signed as every delivery is, is marked, and leaves nothing behind.
func TestTheOperatorSendsATest(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	said := o.command(exitOK, "send-test", o.endpoint, "--type", "video.failed")
	arrivals := o.to.all() // their signatures were right
	if len(arrivals) != 1 {
		t.Fatalf("%d requests", len(arrivals))
	}
	a := arrivals[0]
	var body struct {
		Data struct {
			Test bool `json:"test"`
		} `json:"data"`
	}
	must(t, json.Unmarshal([]byte(a.body), &body))
	if !strings.HasPrefix(a.ID, "evt_test_") || a.Type != "video.failed" || !body.Data.Test {
		t.Errorf("a test is %s", a.body)
	}
	mustContain(t, strings.ToLower(said), a.ID, "webhook-id: "+a.ID, "webhook-signature: ", "content-type: application/json", "delivered: 204 after ")

	o.to.answers(func(arrival) int { return http.StatusServiceUnavailable })
	for range 7 { // more than the breaker takes
		mustContain(t, o.command(exitCheck, "send-test", o.endpoint), "failed: 503 after ")
	}
	if e := o.only(); e.State != "active" {
		t.Errorf("tests count for something: %+v", e)
	}
	o.to.close()
	mustContain(t, o.command(exitCheck, "send-test", o.endpoint), "failed: connect after ")
	if list := read[web.DeliveryList](o, "deliveries").Deliveries; len(list) > 0 {
		t.Errorf("tests are in the log: %+v", list)
	}
	o.stop()
	for _, s := range readLog(t, openData(t, o.settings["DATA_DIR"])) {
		t.Errorf("a test is stored: %s", s.body)
	}
}

// The commands ask with the token, and stop at its absence.
func TestOperatorCommandsUseTheToken(t *testing.T) {
	t.Parallel()
	from, to := newPlatform(t, simulator.WordsPlain(), 1, 0), newReceiver(t)
	s := deliverTo(local(t, from), to).with("HTTP_TOKEN", "e2e-http-token-9Gv4Rw2Z")
	p := start(t, s)
	p.mustBeReady()
	for _, line := range []string{"endpoints", "deliveries", "dead-letters", "replay --dead --yes"} {
		with, code := run(t, s, strings.Fields(line)...)
		mustEnd(t, with, code, exitOK)
		without, code := run(t, s.with("HTTP_TOKEN", ""), strings.Fields(line)...)
		mustEnd(t, without, code, exitConfig, "VIDBELL_HTTP_TOKEN")
		if without.stdout.String() != "" {
			t.Errorf("%s prints %s", line, without.stdout.String())
		}
	}
	p.stop()
	away, code := run(t, s, "why", "ops", "VI1")
	mustEnd(t, away, code, exitFailed, "start it with vidbell run")
}

// Schedules are for people who plan: nobody is asked.
func TestCommandSchedule(t *testing.T) {
	t.Parallel()
	p, code := run(t, nil, "schedule")
	mustEnd(t, p, code, exitOK, "standard: 10 attempts in 3d 3h", "20 %")
	p, code = run(t, settings{"WEBHOOK_SCHEDULE": "fast"}, "schedule", "--json")
	mustEnd(t, p, code, exitOK)
	var s struct {
		Schedule     string  `json:"schedule"`
		TotalSeconds float64 `json:"total_seconds"`
		Steps        []struct {
			WaitMaxSeconds float64 `json:"wait_max_seconds"`
		} `json:"steps"`
	}
	must(t, json.Unmarshal([]byte(p.stdout.String()), &s))
	if s.Schedule != "fast" || s.TotalSeconds != 756 || len(s.Steps) != 6 || s.Steps[5].WaitMaxSeconds != 720 {
		t.Errorf("prints %s", p.stdout.String())
	}
}

// Completing a word reads the environment, and asks nobody: there is nobody here.
func TestCompletionAsksNobody(t *testing.T) {
	t.Parallel()
	s := settings{"WEBHOOK_URL": "https://ops.example.com/x?token=e2e-8Uh2,https://chat.example.com/", "HTTP_LISTEN": "127.0.0.1:1"}
	for line, want := range map[string]string{
		"endpoints enable":      "ops-example-com-",
		"endpoints disable":     "chat-example-com-",
		"why":                   "ops-example-com-",
		"send-test":             "ops-example-com-",
		"replay --endpoint":     "chat-example-com-",
		"deliveries --class":    "timeout",
		"deliveries --type":     "video.failed",
		"dead-letters --reason": "schedule_used_up",
		"schedule":              "patient",
	} {
		p, code := run(t, s, append(append([]string{"__complete"}, strings.Fields(line)...), "")...)
		mustEnd(t, p, code, exitOK)
		mustContain(t, p.stdout.String(), want)
	}
}
