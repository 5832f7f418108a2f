package webhook

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vidbell/notify"
)

func TestValidateEndpoint(t *testing.T) {
	valid := Endpoint{Name: "a", URL: "https://host/path"}
	for name, c := range map[string]struct {
		change func(*Endpoint)
		want   string // empty: nothing to complain about
	}{
		"only a name and a URL":             {func(*Endpoint) {}, ""},
		"user info and query":               {func(e *Endpoint) { e.URL = "https://u:p@host:8443/x?y=z" }, ""},
		"an IPv6 host":                      {func(e *Endpoint) { e.URL = "http://[::1]:8080/" }, ""},
		"two secrets":                       {func(e *Endpoint) { e.Secrets = []string{secretText(1), secretText(2)} }, ""},
		"every event":                       {func(e *Endpoint) { e.Events = []string{"*"} }, ""},
		"no name":                           {func(e *Endpoint) { e.Name = "" }, "name: use 1 to 64 letters"},
		"a URL in place of the name":        {func(e *Endpoint) { e.Name = "https://u:hidden@host/" }, "endpoint with an unusable name: name: use"},
		"no URL":                            {func(e *Endpoint) { e.URL = "" }, "url: begin it with https://"},
		"another scheme":                    {func(e *Endpoint) { e.URL = "ftp://host/" }, "url: begin it with https://"},
		"a host without scheme":             {func(e *Endpoint) { e.URL = "host:8080/x" }, "url: "},
		"no host":                           {func(e *Endpoint) { e.URL = "https:///x" }, "url: the host is missing"},
		"a port that there is not":          {func(e *Endpoint) { e.URL = "https://host:70000/" }, "url: the port is out of range"},
		"text for a port":                   {func(e *Endpoint) { e.URL = "https://user:hidden/" }, "url: not a URL"},
		"a fragment":                        {func(e *Endpoint) { e.URL = "https://host/#x" }, "url: a fragment"},
		"control characters":                {func(e *Endpoint) { e.URL = "https://host/\nhidden" }, "url: not a URL"},
		"a long URL":                        {func(e *Endpoint) { e.URL = "https://host/" + strings.Repeat("x", 2048) }, "url: 2061 bytes are too many"},
		"a bad second secret":               {func(e *Endpoint) { e.Secrets = []string{secretText(1), "hidden"} }, "secrets[1]: must begin with whsec_"},
		"an event type that there is not":   {func(e *Endpoint) { e.Events = []string{"video.finished"} }, `events[0]: "video.finished" matches no event type, there are video.done`},
		"a broken glob":                     {func(e *Endpoint) { e.Events = []string{"video.["} }, "events[0]: "},
		"a format that there is not":        {func(e *Endpoint) { e.Format = "xml" }, `format: "xml" is no format, there are standard, cloudevents`},
		"too many requests at once":         {func(e *Endpoint) { e.InFlight = 1000 }, "in_flight: 1000 is out of range, use 1 to 256"},
		"fewer than none":                   {func(e *Endpoint) { e.InFlight = -1 }, "in_flight: -1 is out of range"},
		"a source that cannot be one":       {func(e *Endpoint) { e.Sources = []string{"a", "b c"} }, "sources[1]: not the name of a source"},
		"more sources than anyone names":    {func(e *Endpoint) { e.Sources = slices.Repeat([]string{"a"}, 65) }, "sources: 65 are too many"},
		"a filter":                          {func(e *Endpoint) { e.Filter = `data.duration_seconds > 60` }, ""},
		"a filter with a wrong name":        {func(e *Endpoint) { e.Filter = `data.duratoin > 60` }, "filter: 1:6: "},
		"a timeout past what receivers get": {func(e *Endpoint) { e.Timeout = time.Minute }, "timeout: 1m0s is out of range, use 1s to 30s"},
	} {
		e := valid
		c.change(&e)
		err := ValidateEndpoint(e)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		case err != nil && strings.Contains(err.Error(), "hidden"):
			t.Errorf("%s: the error shows what is hidden: %v", name, err)
		}
	}
}

func TestAllMistakesOfAnEndpointAreNamedAtOnce(t *testing.T) {
	err := ValidateEndpoint(Endpoint{Name: "a", URL: "x", InFlight: 999, Timeout: time.Hour, Events: []string{"no"}, Secrets: []string{"no"}})
	for _, field := range []string{"url", "in_flight", "timeout", "events[0]", "secrets[0]"} {
		if err == nil || !strings.Contains(err.Error(), field+": ") {
			t.Errorf("%s is not named: %v", field, err)
		}
	}
}

func TestEndpointName(t *testing.T) {
	a, b := EndpointName("https://hooks.Example.com:8443/a?token=secret"), EndpointName("https://hooks.Example.com:8443/b")
	if a == b {
		t.Errorf("two URLs of one host share the name %s", a)
	}
	if !strings.HasPrefix(a, "hooks-example-com-") || a != EndpointName("https://hooks.Example.com:8443/a?token=secret") {
		t.Errorf("%s", a)
	}
	for _, raw := range []string{
		"", "http://", "://", "https://[::1]:80/", "https://" + strings.Repeat("long.", 60) + "com/", "https://bücher.example/", "https://host:port/",
	} {
		if name := EndpointName(raw); !namePattern.MatchString(name) {
			t.Errorf("%q makes the name %q", raw, name)
		}
	}
}

func TestGlobsBecomeSubjects(t *testing.T) {
	names := notify.Names{Instance: "eu", Prefix: "media.video"}
	for name, c := range map[string]struct {
		globs      []string
		video, ops []string
		sources    []string
	}{
		"two types":             {globs: []string{"video.done", "video.failed"}, video: []string{"media.video.done.>", "media.video.failed.>"}},
		"named twice":           {globs: []string{"video.done", "video.d*"}, video: []string{"media.video.done.>", "media.video.deleted.>"}},
		"every video event":     {globs: []string{"video.*"}, video: []string{"media.video.>"}},
		"everything":            {globs: []string{"*"}, video: []string{"media.video.>"}, ops: []string{"vidbell-eu.ops.>"}},
		"a class of characters": {globs: []string{"video.[df]*"}, video: []string{"media.video.done.>", "media.video.failed.>", "media.video.deleted.>"}},
		"health of sources":     {globs: []string{"source.*"}, ops: []string{"vidbell-eu.ops.source.degraded.>", "vidbell-eu.ops.source.recovered.>"}},
		"one ops type": {
			globs: []string{"video.done", "endpoint.disabled"},
			video: []string{"media.video.done.>"},
			ops:   []string{"vidbell-eu.ops.endpoint.disabled.>"},
		},
		"whatever degrades": {globs: []string{"*.degraded"}, ops: []string{"vidbell-eu.ops.source.degraded.>", "vidbell-eu.ops.endpoint.degraded.>"}},
		"two sources, one of them twice": {
			globs: []string{"video.done"}, sources: []string{"b", "a", "b"},
			video: []string{"media.video.done.a.>", "media.video.done.b.>"},
		},
		"all of one source": {
			globs: []string{"*"}, sources: []string{"a"}, video: []string{"media.video.*.a.>"},
			ops: []string{
				"vidbell-eu.ops.source.degraded.a", "vidbell-eu.ops.source.recovered.a",
				"vidbell-eu.ops.endpoint.degraded.>", "vidbell-eu.ops.endpoint.disabled.>", "vidbell-eu.ops.endpoint.recovered.>",
			},
		},
	} {
		if got := videoFilters(names, c.globs, c.sources); !slices.Equal(got, c.video) {
			t.Errorf("%s: video subjects %v, want %v", name, got, c.video)
		}
		if got := opsFilters(names, c.globs, c.sources); !slices.Equal(got, c.ops) {
			t.Errorf("%s: ops subjects %v, want %v", name, got, c.ops)
		}
	}
}
