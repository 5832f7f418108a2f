package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"vidbell/docs"
	"vidbell/internal/config"
	"vidbell/internal/contract"
	"vidbell/internal/web"
)

var document = sync.OnceValues(contract.Load)

// described is docs/openapi.yaml, to which the clients of start hold every exchange.
func described(t *testing.T) *contract.Contract {
	t.Helper()
	c, err := document()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// overseer plays what a person can see of the whole.
type overseer struct{ err error }

func (o *overseer) Status(context.Context) web.Status {
	list, _ := o.Accounts()
	return web.Status{
		Version: "v1", Commit: "abc", StartedAt: &stored, UptimeSeconds: 5.5, Checks: []web.Check{{Name: "engine", OK: true}},
		Engine: web.Engine{Mode: "embedded", Connected: true, Listen: "127.0.0.1:4222", Version: "2.15.2"}, Accounts: list,
		Streams:   []web.Stream{{Name: "VIDEOS", Holds: "events", Messages: 5, Bytes: 500, FirstAt: &stored}},
		Attention: []string{"look here"},
	}
}

func (o *overseer) Accounts() ([]web.Account, error) {
	return []web.Account{{
		Name: "eu", URL: "https://api.example", Sources: []string{"held"}, RateLimit: 1, RequestsPerSecond: 0.5, RequestsLastMinute: 31,
		ThrottledUntil: &stored, Refused: "credits",
	}, {Name: "us", Sources: []string{}}}, o.err
}

const oneEvent = `{"specversion":"1.0","id":"evt_c4o7l664gjq5lzqmq3em23drqh36kuyz","source":"urn:vidbell:default","type":"video.done",` +
	`"subject":"VI606404158946574336","time":"2026-11-23T22:04:05.123Z","timestamp":"2026-11-23T22:04:05.123Z","datacontenttype":"application/json",` +
	`"data":{"source":"default","video_no":"VI606404158946574336","video_name":"182082-867762198_tiny","status":"done","raw_status":"DONE",` +
	`"previous_status":"processing","previous_raw_status":"PARSE","cause":null,"duration_seconds":12,"size_bytes":3284512,` +
	`"created_at":"2025-08-01T08:33:37.992Z","first_seen_at":"2026-11-23T22:02:42.123Z","processing_seconds":83,"version":2}}`

// archive plays the stored events and the videos.
type archive struct{ err error }

func storedEvent() web.StoredEvent {
	return web.StoredEvent{Seq: 118, StoredAt: &stored, Event: json.RawMessage(oneEvent)}
}

func (a *archive) Events(context.Context, web.EventFilter) (web.EventList, error) {
	return web.EventList{Events: []web.StoredEvent{storedEvent()}, NextCursor: "118"}, a.err
}

func (a *archive) Event(context.Context, string) (web.OneEvent, error) {
	return web.OneEvent{StoredEvent: storedEvent(), Deliveries: "/v1/deliveries?event_id=evt_1"}, a.err
}

func (a *archive) Follow(_ context.Context, _ web.EventFilter, to web.Subscriber) error {
	if a.err != nil {
		return a.err
	}
	return to.Event(web.StreamedEvent{Place: "118", Type: "video.done", Body: []byte(oneEvent)})
}

func (a *archive) Videos(web.VideoFilter) (web.VideoList, error) {
	return web.VideoList{Videos: []web.Video{{Source: "press", VideoNo: "VI1", Status: "done", Version: 2, CreatedAt: &stored}}, NextCursor: "VI1"}, a.err
}

func (a *archive) Video(context.Context, string, string) (web.VideoHistory, error) {
	return web.VideoHistory{Video: web.Video{Source: "press", VideoNo: "VI1", Status: "failed"}, Events: []web.StoredEvent{storedEvent()}}, a.err
}

// reloader plays the configuration.
type reloader struct{ err error }

func (r *reloader) Reload(context.Context) (web.Reloaded, error) {
	none := web.Difference{Added: []string{}, Changed: []string{}, Removed: []string{}}
	return web.Reloaded{Sources: web.Difference{Added: []string{"press"}, Changed: []string{}, Removed: []string{}}, Endpoints: none}, r.err
}

// everything are the parts behind all pages.
type everything struct {
	operator *operator
	courier  *courier
	overseer *overseer
	hinter   *hinter
	archive  *archive
	reloader *reloader
}

func newEverything() *everything {
	left, videos := 381.0, int64(100)
	return &everything{
		operator: &operator{list: []web.Source{
			{
				Name: "held", Hold: &web.Hold{Videos: 40, Agreed: 1, Reason: "bulk"}, Requests: map[string]int{"head": 1},
				Baseline: &web.Baseline{StartedAt: &stored, Pages: 1, ExpectedPages: 2, Videos: 3, ExpectedVideos: &videos, SecondsLeft: &left},
			}, {Name: "ops"},
		}},
		courier: &courier{}, overseer: &overseer{}, hinter: &hinter{sources: 1}, archive: &archive{}, reloader: &reloader{},
	}
}

// add gives a server all its pages. Each method of Server that adds some is here: a new one must be, and be described.
func (e *everything) add(t *testing.T, s *web.Server) {
	t.Helper()
	s.HandleSources(e.operator)
	s.HandleEndpoints(e.courier)
	s.HandleDeliveries(e.courier)
	s.HandleStatus(e.overseer)
	s.HandleEvents(e.archive, prometheus.NewRegistry())
	s.HandleVideos(e.archive)
	s.HandleReload(e.reloader)
	hints, err := web.NewHints(web.HintsConfig{
		Secret: config.NewSecret(hintSecret), Hinter: e.hinter, Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.HandleHints(hints)
	called := []string{
		"HandleDeliveries", "HandleEndpoints", "HandleEvents", "HandleHints", "HandleReload", "HandleSources", "HandleStatus", "HandleVideos",
	}
	var have []string
	for m := range reflect.TypeFor[*web.Server]().Methods() {
		if strings.HasPrefix(m.Name, "Handle") && m.Name != "Handle" {
			have = append(have, m.Name)
		}
	}
	if !slices.Equal(have, called) {
		t.Errorf("Server has %v: call each here, and describe its pages in docs/openapi.yaml", have)
	}
}

// startAll serves every page, without a token; routes are those of the server, such as "GET /v1/sources".
func startAll(t *testing.T) (base string, client *http.Client, routes []string) {
	t.Helper()
	base, client = start(t, "", nil, func(s *web.Server) { newEverything().add(t, s) })
	routes = []string{"GET /", "POST /v1/hints/{secret}"} // which the index does not list
	_, list, _ := strings.Cut(ask(t, client, "GET", base+"/", nil).body, "\n\n")
	for line := range strings.Lines(list) {
		routes = append(routes, strings.Join(strings.Fields(line), " "))
	}
	slices.Sort(routes)
	return base, client, routes
}

func TestEveryPageIsDescribedAndTheOtherWayRound(t *testing.T) {
	_, _, routes := startAll(t)
	if have := described(t).Routes(); !slices.Equal(have, routes) {
		t.Errorf("docs/openapi.yaml describes\n%s\nthe server has\n%s", strings.Join(have, "\n"), strings.Join(routes, "\n"))
	}
}

// good are requests that are taken, for every page.
var good = map[string]struct{ query, contentType, body string }{
	"GET /":                              {},
	"GET /livez":                         {},
	"GET /healthz":                       {},
	"GET /readyz":                        {},
	"GET /metrics":                       {},
	"GET /v1/openapi.json":               {},
	"GET /v1/openapi.yaml":               {},
	"GET /v1/status":                     {},
	"GET /v1/accounts":                   {},
	"GET /v1/sources":                    {},
	"POST /v1/sources/{name}/release":    {},
	"GET /v1/endpoints":                  {},
	"POST /v1/endpoints/{name}/enable":   {},
	"POST /v1/endpoints/{name}/disable":  {body: `{"reason":"it moves"}`},
	"POST /v1/endpoints/{name}/test":     {body: `{"type":"video.failed"}`},
	"GET /v1/deliveries":                 {query: "?endpoint=ops&limit=500&since=2026-11-23T22:04:05Z&failed=true&cursor=12&type="},
	"GET /v1/dead-letters":               {query: "?reason=final&until=2026-11-23T22:04:05%2B01:00"},
	"GET /v1/why":                        {query: "?endpoint=ops&about=VI1"},
	"POST /v1/replay":                    {body: `{"endpoint":"ops","event_ids":["evt_1"],"dead":true}`},
	"GET /v1/events":                     {query: "?type=video.*,video.done&limit=1&cursor=118"},
	"GET /v1/events/{id}":                {},
	"GET /v1/events/stream":              {query: "?since=2026-11-23T22:04:05Z"},
	"GET /v1/videos":                     {query: "?status=done&changed_since=2026-11-23T22:04:05Z"},
	"GET /v1/videos/{source}/{video_no}": {},
	"POST /v1/reload":                    {body: `{}`},
	"POST /v1/hints/{secret}":            {body: `{"videoNo":"VI1"}`},
}

// Every answer that the document has for a page is one that the page gives, and each holds what the document says.
func TestEveryAnswerIsAsDescribed(t *testing.T) {
	c, err := contract.Load() // of its own, to see what is left
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: c.Transport(&http.Transport{}, func(problem string) { t.Error(problem) })}
	defer client.CloseIdleConnections()
	parts := newEverything()
	ready := []web.Check{{Name: "engine", OK: true}}
	open, _ := start(t, "", func() []web.Check { return ready }, func(s *web.Server) { parts.add(t, s) })
	guarded, _ := start(t, "hush", nil, func(s *web.Server) { newEverything().add(t, s) })

	send := func(base, route string, want []int, edit func(*http.Request)) {
		t.Helper()
		request, ok := good[route]
		if !ok {
			t.Fatalf("no good request for %s", route)
		}
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer("{name}", "held", "{secret}", hintSecret, "{id}", "evt_1", "{source}", "press", "{video_no}", "VI1").Replace(path)
		got := ask(t, client, method, base+path+request.query, func(r *http.Request) {
			if request.body != "" {
				order(request.body)(r)
			}
			if edit != nil {
				edit(r)
			}
		})
		if !slices.Contains(want, got.status) {
			t.Errorf("%s: %d, want %d: %.300s", route, got.status, want, got.body)
		}
	}
	trouble := func(err error) {
		parts.operator.err, parts.courier.err, parts.overseer.err, parts.archive.err, parts.reloader.err = err, err, err, err, err
	}
	// What a part says that cannot be asked, or that knows nothing of what it is asked.
	errs := map[error]int{
		web.ErrStarting: 503, web.ErrAway: 503, web.ErrNoEndpoint: 404, web.ErrNoSource: 404, web.ErrNoEvent: 404, web.ErrNoVideo: 404,
		web.ErrNothingHeld: 409, web.ErrReplayFull: 409, errors.New("inside"): 500, &web.InvalidError{Field: "filter", Problem: "it is wrong"}: 400,
	}
	for _, route := range c.Routes() {
		opens := !strings.Contains(route, "/v1/") && route != "GET /metrics" || strings.Contains(route, "/v1/openapi.") || strings.Contains(route, "/hints/")
		api := strings.Contains(route, "/v1/")
		post := strings.HasPrefix(route, "POST ") && !strings.Contains(route, "/hints/")
		send(open, route, []int{200, 202}, nil)
		send(open, route, []int{414}, func(r *http.Request) { r.URL.RawQuery = "x=" + strings.Repeat("x", 9<<10) })
		send(open, route, []int{405, 404}, func(r *http.Request) { r.Method = http.MethodPatch })
		if !opens {
			send(guarded, route, []int{401}, nil)
			send(guarded, route, []int{401}, bearer("Bearer hash"))
			send(guarded, route, []int{200, 202}, bearer("Bearer hush"))
			send(open, route, []int{421}, func(r *http.Request) { r.Host = "evil.example" })
		}
		if api && !strings.Contains(route, "/hints/") {
			send(open, route, []int{400}, func(r *http.Request) { r.URL.RawQuery = "sourec=press" })
		}
		if post {
			send(open, route, []int{403}, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") })
			send(open, route, []int{415}, body("text/plain", `{"reason":"x"}`))
			send(open, route, []int{413}, order(`{"reason":"`+strings.Repeat("x", 129<<10)+`"}`))
			send(open, route, []int{400}, order(`{"nonesuch":1}`))
		}
		if opens || route == "GET /metrics" {
			continue
		}
		for err, status := range errs {
			if strings.HasPrefix(route, "GET ") && status == 409 {
				continue // they do nothing that could be refused so
			}
			if route == "GET /v1/status" {
				status = 200 // whatever is wrong is told
			}
			trouble(err)
			send(open, route, []int{status}, nil)
		}
		trouble(nil)
	}
	// What no route has in common with others.
	ready = []web.Check{{Name: "engine", Detail: "not connected"}}
	send(open, "GET /readyz", []int{503}, nil)
	send(open, "POST /v1/replay", []int{200}, order(`{"endpoint":"ops","dry_run":true}`))
	parts.reloader.err = &web.RefusedError{Problems: []string{"sources[0]: wrong"}}
	send(open, "POST /v1/reload", []int{409}, nil)
	parts.operator.list[0].Hold = nil
	send(open, "POST /v1/sources/{name}/release", []int{409}, nil)
	hint := func(want int, edit func(*http.Request)) { send(open, "POST /v1/hints/{secret}", []int{want}, edit) }
	hint(400, order(`{"status":"PARSE"}`))
	hint(404, func(r *http.Request) { r.URL.Path = "/v1/hints/guess" })
	hint(413, order(`{"videoNo":"VI1","x":"`+strings.Repeat("x", 65<<10)+`"}`))
	hint(202, body("application/x-www-form-urlencoded", "videoNo=VI1"))
	parts.hinter.sources = 0
	hint(202, nil)
	for range 30 {
		send(open, "POST /v1/hints/{secret}", []int{404, 429}, func(r *http.Request) { r.URL.Path = "/v1/hints/guess" })
	}
	// These need a scraper in trouble, or a loop that stands still as in TestAlive.
	elsewhere := []string{"GET /metrics 503", "GET /livez 503", "GET /healthz 503"}
	unseen := slices.DeleteFunc(c.Unseen(), func(answer string) bool { return slices.Contains(elsewhere, answer) })
	if len(unseen) > 0 {
		t.Errorf("described, but never given:\n%s", strings.Join(unseen, "\n"))
	}
}

// Whoever copies a line of the guide gets an answer.
func TestTheGuidesExamplesWork(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	base, client, _ := startAll(t)
	data, target := regexp.MustCompile(`-d '([^']*)'`), regexp.MustCompile(`http://127\.0\.0\.1:8080(/[^' \n]*)`)
	examples := 0
	for line := range strings.Lines(string(text)) {
		at := target.FindStringSubmatch(line)
		if !strings.HasPrefix(line, "$ curl") || at == nil {
			continue
		}
		examples++
		method, edit := http.MethodGet, func(*http.Request) {}
		if sent := data.FindStringSubmatch(line); sent != nil {
			method, edit = http.MethodPost, order(sent[1])
		} else if strings.Contains(line, "-X POST") {
			method = http.MethodPost
		}
		if got := ask(t, client, method, base+at[1], edit); got.status != 200 {
			t.Errorf("%s: %d %s", strings.TrimSpace(line), got.status, got.body)
		}
	}
	if examples < 10 {
		t.Errorf("%d examples", examples)
	}
	for _, page := range regexp.MustCompile("`(GET|POST) (/[^`]*)`").FindAllStringSubmatch(string(text), -1) {
		if route := page[1] + " " + page[2]; !slices.Contains(described(t).Routes(), route) {
			t.Errorf("the guide has a page %s", route)
		}
	}
}

// What is sent to receivers is what the document says of webhooks: every event of the wire format's own tests.
func TestWebhookBodiesAreAsDescribed(t *testing.T) {
	_, text, err := docs.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource("openapi.json", root); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"application~1json", "application~1cloudevents+json"} {
		schema, err := compiler.Compile("openapi.json#/webhooks/event/post/requestBody/content/" + kind + "/schema")
		if err != nil {
			t.Fatal(err)
		}
		events, err := filepath.Glob(filepath.Join("..", "..", "notify", "testdata", "*.json"))
		if err != nil || len(events) < 10 {
			t.Fatalf("%d events: %v", len(events), err)
		}
		for _, path := range events {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err == nil {
				err = schema.Validate(value)
			}
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		if schema.Validate(map[string]any{"type": "video.done"}) == nil {
			t.Error("anything is an event")
		}
	}
}

// The document is served whole: it refers to nothing outside itself.
func TestTheDocumentIsServed(t *testing.T) {
	base, client := start(t, "hush", nil, nil)
	asJSON, asYAML := ask(t, client, "GET", base+"/v1/openapi.json", nil), ask(t, client, "GET", base+"/v1/openapi.yaml", nil)
	var parsed struct {
		OpenAPI string
		Paths   map[string]any
	}
	if err := json.Unmarshal([]byte(asJSON.body), &parsed); err != nil || parsed.OpenAPI != "3.1.0" || len(parsed.Paths) < 15 {
		t.Errorf("%v: %.100s", err, asJSON.body)
	}
	for _, got := range []answer{asJSON, asYAML} {
		if got.status != 200 || strings.Contains(got.body, "./schemas") || !strings.Contains(got.body, "#/components/schemas/video.done") {
			t.Errorf("%d %.200s", got.status, got.body)
		}
	}
	if !strings.HasPrefix(asYAML.body, "# The HTTP API of vidbell") || asYAML.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("%s %.100s", asYAML.header.Get("Content-Type"), asYAML.body)
	}
}
