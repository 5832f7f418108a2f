package simulator_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"vidbell/internal/simulator"
)

// control starts the control API beside the platform.
func control(t *testing.T) (*simulator.Simulator, func(method, path, body string) (int, string)) {
	t.Helper()
	sim := newSimulator(t, nil)
	server := httptest.NewServer(sim.ControlHandler())
	t.Cleanup(server.Close)
	return sim, func(method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, strings.TrimSpace(string(text))
	}
}

func TestTheControlAPIChangesThePlatform(t *testing.T) {
	_, call := control(t)
	const created = `"created_at":"2025-08-01T08:33:37Z"`
	const video = `"video_no":"VI1","video_name":"harbour"`
	for _, step := range []struct {
		name               string
		method, path, body string
		status             int
		want               string
	}{
		{
			"a video is added with a life", "POST", "/_sim/videos",
			`{"namespace":"a",` + video + `,` + created + `,"duration":5,"size":6,"life":[{"after":"1h","status":"PARSE"}]}`, 201,
			`{"namespace":"a",` + video + `,"status":"UNPARSE",` + created + `,"duration":5,"size":6,"life":\[{"after":"1h0m0s","status":"PARSE"}\]}`,
		},
		{
			"a video fails", "PATCH", "/_sim/videos/a/VI1", `{"status":"FAILED","cause":"codec"}`, 200,
			`{"namespace":"a",` + video + `,"status":"FAILED","cause":"codec",` + created + `,"duration":5,"size":6,"life":\[.*\]}`,
		},
		{
			"a new life can delete at once", "PATCH", "/_sim/videos/a/VI1", `{"life":[{"after":"0s","delete":true}]}`, 200,
			`{"namespace":"a","video_no":"VI1",.*}`,
		},
		{"what is gone cannot be changed", "PATCH", "/_sim/videos/a/VI1", `{"status":"PARSE"}`, 404, `{"error":"no such video"}`},
		{"a video needs nothing", "POST", "/_sim/videos", `{}`, 201, `{"namespace":"default","video_no":"VI\d+",.*}`},
		{"an id can be chosen", "POST", "/_sim/videos", `{"video_no":"VI2"}`, 201, `.*"video_no":"VI2".*`},
		{"a listing is newest first and limited", "GET", "/_sim/videos?limit=1", ``, 200, `{"namespace":"default","total":2,"videos":\[{"namespace":"default","video_no":"VI2".*}\]}`},
		{"a video is deleted", "DELETE", "/_sim/videos/default/VI2", ``, 204, ``},
		{"and only once", "DELETE", "/_sim/videos/default/VI2", ``, 404, `{"error":"no such video"}`},
		{
			"a fault is queued", "POST", "/_sim/faults", `{"kind":"code","code":"0429","times":3,"retry_after":"2s"}`, 201,
			`{"pending":\[{"kind":"code","times":3,"code":"0429","retry_after":"2s"}\]}`,
		},
		{"faults are shown", "GET", "/_sim/faults", ``, 200, `{"pending":\[{"kind":"code",.*}\]}`},
		{"faults are cleared", "DELETE", "/_sim/faults", ``, 204, ``},
		{"requests are counted", "GET", "/_sim/requests", ``, 200, `{"counts":{"total":0,.*},"requests":\[\]}`},
		{"counts are reset", "DELETE", "/_sim/requests", ``, 204, ``},
		{"the overview counts the namespaces", "GET", "/_sim", ``, 200, `{"form":"v1.2","words":"UNPARSE/PARSE/FAILED","namespaces":{"a":0,"default":1}}`},
	} {
		t.Run(step.name, func(t *testing.T) {
			status, got := call(step.method, step.path, step.body)
			if status != step.status || !regexp.MustCompile("^"+step.want+"$").MatchString(got) {
				t.Errorf("got %d %s\nwant %d %s", status, got, step.status, step.want)
			}
		})
	}
}

func TestTheControlAPINamesTheFieldThatIsWrong(t *testing.T) {
	sim, call := control(t)
	sim.Add("default", simulator.Video{No: "VI1"})
	for _, c := range []struct {
		name               string
		method, path, body string
		want               string
	}{
		{"an unknown field", "POST", "/_sim/videos", `{"videoNo":"VI1"}`, `videoNo: unknown field`},
		{"a wrong type", "POST", "/_sim/videos", `{"duration":"long"}`, `duration: a JSON string does not fit`},
		{"a wrong type inside a life", "POST", "/_sim/videos", `{"life":[{"after":5}]}`, `life.after: a JSON number does not fit`},
		{"a life without a readable duration", "POST", "/_sim/videos", `{"life":[{"after":"1s"},{"after":"soon"}]}`, `life[1].after: \"soon\" is not a duration`},
		{"an instant that is none", "POST", "/_sim/videos", `{"created_at":"yesterday"}`, `created_at: \"yesterday\" is not an instant`},
		{"a callback to another machine", "POST", "/_sim/videos", `{"callback":"http://example.com/"}`, `callback: callbacks go to loopback only`},
		{"no JSON", "POST", "/_sim/videos", `status=PARSE`, `body: not the JSON expected`},
		{"two values", "POST", "/_sim/videos", `{}{}`, `body: more than one JSON value`},
		{"a change of nothing", "PATCH", "/_sim/videos/default/VI1", `{}`, `status: give status, cause or life`},
		{"a limit that is no count", "GET", "/_sim/videos?limit=-1", ``, `limit: \"-1\" is not a count`},
		{"a fault of no kind", "POST", "/_sim/faults", `{}`, `kind: \"\" is not a kind of fault`},
		{"a fault without its status", "POST", "/_sim/faults", `{"kind":"http"}`, `http_status: give the status`},
		{"a fault of an unknown lane", "POST", "/_sim/faults", `{"kind":"reset","lane":"x"}`, `lane: \"x\" is none of`},
		{"a fault with a negative number", "POST", "/_sim/faults", `{"kind":"repeat","serve_page":-1}`, `serve_page: -1 is negative`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, got := call(c.method, c.path, c.body)
			if status != http.StatusBadRequest || !strings.HasPrefix(got, `{"error":"`+c.want) {
				t.Errorf("got %d %s", status, got)
			}
		})
	}
}
