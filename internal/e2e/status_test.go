package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"vidbell/internal/simulator"
	"vidbell/internal/web"
)

// The status shows every part of a service that works, what needs attention when something does, and in its exit code that.
func TestStatusOfARunningService(t *testing.T) {
	t.Parallel()
	o := startOperated(t, "INSTANCE", "blue")
	s := read[web.Status](o, "status", "--check")
	if !s.Ready || s.Instance != "blue" || s.Engine.Mode != "embedded" || !s.Engine.Connected || len(s.Accounts) != 1 || len(s.Sources) != 1 ||
		len(s.Endpoints) != 1 || len(s.Attention) > 0 || s.UptimeSeconds <= 0 || s.StartedAt == nil {
		t.Errorf("status %+v", s)
	}
	if a := s.Accounts[0]; a.RequestsLastMinute == 0 || a.Refused != "" || !slices.Equal(a.Sources, []string{"default"}) || !strings.HasPrefix(a.URL, "http://127.0.0.1:") {
		t.Errorf("account %+v", a)
	}
	var events web.Stream
	for _, stream := range s.Streams {
		if stream.Name == "VIDEOS_blue" {
			events = stream
		}
	}
	if len(s.Streams) < 5 || events.Messages == 0 || events.Bytes == 0 || events.Holds == "" {
		t.Errorf("streams %+v", s.Streams)
	}
	mustContain(t, o.command(exitOK, "status"), "instance blue, ready", "engine embedded", o.endpoint, "VIDEOS_blue", "nothing needs attention")

	o.to.answers(func(arrival) int { return http.StatusGone })
	o.finish(done)
	o.eventually("the endpoint is disabled", func() bool { return o.only().State == "disabled" })
	mustContain(t, o.command(exitCheck, "status", "--check"), "needs attention:", "vidbell endpoints enable "+o.endpoint)

	// The same parts over HTTP, each answer as docs/openapi.yaml has it; and the binary has no page that is not in there.
	for _, path := range []string{
		"/v1/status", "/v1/accounts", "/v1/sources", "/v1/endpoints", "/v1/deliveries", "/v1/dead-letters", "/v1/events", "/v1/videos",
		"/v1/openapi.json", "/v1/openapi.yaml", "/v1/why?endpoint=" + o.endpoint + "&about=VI1", "/v1/deliveries?sourec=x",
	} {
		if status, body := o.get(path); status != http.StatusOK && !strings.Contains(path, "VI1") && !strings.Contains(path, "sourec") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	api, err := described()
	must(t, err)
	_, index := o.get("/")
	_, list, _ := strings.Cut(index, "\n\n")
	var have []string
	for line := range strings.Lines(list) {
		have = append(have, strings.Join(strings.Fields(line), " "))
	}
	slices.Sort(have)
	want := slices.DeleteFunc(api.Routes(), func(route string) bool { return route == "GET /" || strings.Contains(route, "/v1/hints/") })
	if !slices.Equal(have, want) {
		t.Errorf("the binary has\n%s\ndocs/openapi.yaml has\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
	o.stop()
}

// While a large library is walked for the first time, one sees how far that is; also after a restart in the middle.
func TestProgressOfTheBaseline(t *testing.T) {
	t.Parallel()
	from := newPlatform(t, simulator.WordsListed(), 1500, 0) // 30 pages, one a second
	p := start(t, local(t, from).with("RATE_LIMIT", "1"))
	o := operated{process: p, platform: from}
	p.mustBeReady()
	var b *web.Baseline
	walking := func(least int) func() bool {
		return func() bool {
			list := read[web.Status](o, "status").Sources
			if len(list) == 1 {
				b = list[0].Baseline
			}
			return b != nil && b.Pages >= least
		}
	}
	p.eventually("progress", walking(3))
	if b.ExpectedPages != 30 || b.ExpectedVideos == nil || *b.ExpectedVideos != 1500 || b.Videos < 3*pageSize || b.SecondsLeft == nil || b.VideosPerSecond < 10 {
		t.Errorf("progress %+v", b)
	}
	mustContain(t, o.command(exitOK, "sources"), "baseline: page ", " of 30, ", " videos, ", " left")
	p.stop()

	before := b.Videos
	o.process = start(t, p.settings)
	o.mustBeReady()
	o.eventually("progress after a restart", walking(1))
	if b.Videos < before {
		t.Errorf("%d videos before the restart, %d after it", before, b.Videos)
	}
	o.eventually("a line in the log", func() bool { _, ok := o.said("walking the baseline", "source"); return ok })
	o.stop()
}
