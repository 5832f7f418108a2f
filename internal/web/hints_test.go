package web_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"vidbell/internal/config"
	"vidbell/internal/web"
)

const hintSecret = "hush-hint_0123456789"

// hinter remembers what it was told to look at.
type hinter struct {
	mu      sync.Mutex
	videos  []string
	sources int // that take a hint up
}

func (h *hinter) Hint(videoNo string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.videos = append(h.videos, videoNo)
	return h.sources
}

func (h *hinter) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := h.videos
	h.videos = nil
	return taken
}

func newHints(t *testing.T, to *hinter) (*web.Hints, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	hints, err := web.NewHints(web.HintsConfig{Secret: config.NewSecret(hintSecret), Hinter: to, Registerer: registry})
	if err != nil {
		t.Fatal(err)
	}
	return hints, registry
}

// startHints serves the hint page beside the others.
func startHints(t *testing.T, token string) (page string, client *http.Client, to *hinter, registry *prometheus.Registry) {
	t.Helper()
	to = &hinter{sources: 1}
	hints, registry := newHints(t, to)
	base, client := start(t, token, nil, func(s *web.Server) { s.HandleHints(hints) })
	return base + "/v1/hints/", client, to, registry
}

func body(contentType, text string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Content-Type", contentType)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
}

// counted adds up a result of the hint page.
func counted(t *testing.T, registry *prometheus.Registry, result string) int {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "vidbell_hints_total" && m.GetLabel()[0].GetValue() == result {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	t.Fatalf("no result %q", result)
	return 0
}

func TestCallbacksBecomeHints(t *testing.T) {
	page, client, to, registry := startHints(t, "")
	const (
		object = "application/json"
		form   = "application/x-www-form-urlencoded"
	)
	for _, tc := range []struct {
		sentence, contentType, body string
		want                        string
	}{
		{"an upload", object, `{"videoNo":"VI1","status":"PARSE"}`, "VI1"},
		{"an upload of 2025, with its client", object, `{"videoNo":"VI1","clientId":"c","status":"FAIL"}`, "VI1"},
		{"the spelling of the lists", object, `{"video_no":"VI1","status":"PARSE"}`, "VI1"},
		{"an import", object, `{"taskId":"T1","status":"SUCCEEDED"}`, ""},
		{"an import in the other spelling", object, `{"task_id":"T1","status":"FAILED"}`, ""},
		{"a video of an import", object, `{"taskId":"T1","videoNo":"VI1","status":"PARSE"}`, "VI1"},
		{"a status that is none", object, `{"videoNo":"VI1","status":{"a":[1]}}`, "VI1"},
		{"fields that nobody knows", object, `{"videoNo":"VI1","x":{"videoNo":"VI2"},"y":null}`, "VI1"},
		{"one id is null, the other is there", object, `{"videoNo":null,"video_no":"VI1"}`, "VI1"},
		{"a number beyond 2^53 keeps its digits", object, `{"videoNo":606404158946574336}`, "606404158946574336"},
		{"white space around", object, "\r\n {\"videoNo\":\"VI1\"}\n", "VI1"},
		{"JSON that calls itself text", "text/plain", `{"videoNo":"VI1"}`, "VI1"},
		{"JSON that calls itself a form", form, `{"videoNo":"VI1"}`, "VI1"},
		{"JSON that calls itself nothing", "", `{"videoNo":"VI1"}`, "VI1"},
		{"a form", form + "; charset=utf-8", "videoNo=VI1&status=PARSE", "VI1"},
		{"a form in the other spelling", form, "video_no=VI%31", "VI1"},
		{"a form of an import", form, "taskId=T1&status=SUCCEEDED", ""},
		{"the longest id", object, `{"videoNo":"` + strings.Repeat("x", 128) + `"}`, strings.Repeat("x", 128)},
		{"an id that is no ASCII is the poller's to judge", object, `{"videoNo":"VI é>*"}`, "VI é>*"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			got := ask(t, client, "POST", page+hintSecret, body(tc.contentType, tc.body))
			if got.status != http.StatusAccepted || strings.TrimSpace(got.body) != `{"result":"accepted","sources":1}` {
				t.Errorf("%d %s", got.status, got.body)
			}
			if hints := to.take(); !slices.Equal(hints, []string{tc.want}) {
				t.Errorf("hints %q, want %q", hints, tc.want)
			}
		})
	}
	if n := counted(t, registry, "accepted"); n != 19 {
		t.Errorf("%d accepted", n)
	}
}

func TestWhatIsNoCallbackIsRefused(t *testing.T) {
	page, client, to, registry := startHints(t, "")
	for _, tc := range []struct {
		sentence, contentType, body string
		status                      int
		detail                      string
	}{
		{"nothing", "application/json", "", 400, "send a JSON object, or a form"},
		{"an array", "application/json", `[{"videoNo":"VI1"}]`, 400, "send a JSON object, or a form"},
		{"a word", "application/json", `"VI1"`, 400, "send a JSON object, or a form"},
		{"JSON cut short", "application/json", `{"videoNo":"VI1"`, 400, "the body is not the JSON of a callback"},
		{"JSON and more", "application/json", `{"videoNo":"VI1"}{}`, 400, "the body is not the JSON of a callback"},
		{"no id", "application/json", `{"status":"PARSE"}`, 400, "neither videoNo nor taskId is there"},
		{"an empty id", "application/json", `{"videoNo":"","taskId":null}`, 400, "neither videoNo nor taskId is there"},
		{"an id that is a list", "application/json", `{"videoNo":["VI1"]}`, 400, "the body is not the JSON of a callback"},
		{"an id that is an object", "application/json", `{"videoNo":{"a":1}}`, 400, "the body is not the JSON of a callback"},
		{"an id that is true", "application/json", `{"videoNo":true}`, 400, "the body is not the JSON of a callback"},
		{"an id that is too long", "application/json", `{"videoNo":"` + strings.Repeat("x", 129) + `"}`, 400, "longer than 128 bytes"},
		{"an id with a line break", "application/json", `{"videoNo":"VI1\n"}`, 400, "control characters"},
		{"an id with a zero byte", "application/x-www-form-urlencoded", "videoNo=VI%00", 400, "control characters"},
		{"a form that is not UTF-8", "application/x-www-form-urlencoded", "videoNo=%ff", 400, "control characters"},
		{"a form that is none", "application/x-www-form-urlencoded", "videoNo=%zz", 400, "not the form of a callback"},
		{"a form under another name", "multipart/form-data", "videoNo=VI1", 400, "send a JSON object, or a form"},
		{"more than 64 KiB", "application/json", `{"videoNo":"VI1","x":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "larger than 64 KiB"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			got := ask(t, client, "POST", page+hintSecret, body(tc.contentType, tc.body))
			if got.status != tc.status || !strings.Contains(got.body, tc.detail) || strings.Contains(got.body, "VI1") {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	if hints := to.take(); hints != nil {
		t.Errorf("hints %q", hints)
	}
	if n := counted(t, registry, "invalid"); n != 17 {
		t.Errorf("%d invalid", n)
	}
}

// To those without the secret the page is like any that does not exist, byte for byte; to those with it, it answers whatever
// the name they call it by, and asks for no token.
func TestWhoMayHint(t *testing.T) {
	valid := body("application/json", `{"videoNo":"VI1"}`)
	for _, token := range []string{"", "hush"} {
		page, client, to, registry := startHints(t, token)
		unknown := ask(t, client, "POST", strings.TrimSuffix(page, "hints/")+"nothing", valid)
		for _, tc := range []struct {
			sentence, method, path, host string
			status                       int
		}{
			{"the secret", "POST", hintSecret, "", 202},
			{"the secret, called by a public name", "POST", hintSecret, "hints.example.com", 202},
			{"the secret, but nothing is sent", "GET", hintSecret, "hints.example.com", 405},
			{"another secret", "POST", hintSecret + "x", "", 404},
			{"another secret, called by a public name", "POST", "hush", "hints.example.com", 404},
			{"another secret and another method", "GET", "hush", "", 404},
			{"another secret and a preflight", "OPTIONS", "hush", "", 404},
			{"no secret", "POST", "", "", 404},
			{"a page below", "POST", hintSecret + "/x", "", 404},
		} {
			t.Run(tc.sentence, func(t *testing.T) {
				got := ask(t, client, tc.method, page+tc.path, func(r *http.Request) {
					valid(r)
					if tc.host != "" {
						r.Host = tc.host
					}
				})
				if got.status != tc.status || strings.Contains(got.body, "hush") {
					t.Errorf("%d %s", got.status, got.body)
				}
				got.header.Set("Date", unknown.header.Get("Date"))
				if tc.status == 404 && fmt.Sprint(got) != fmt.Sprint(unknown) {
					t.Errorf("not like an unknown page:\n%v\n%v", got, unknown)
				}
				if tc.status == 405 && got.header.Get("Allow") != "POST" {
					t.Errorf("Allow = %q", got.header.Get("Allow"))
				}
			})
		}
		if hints := to.take(); len(hints) != 2 {
			t.Errorf("hints %q", hints)
		}
		if n := counted(t, registry, "forbidden"); n != 4 {
			t.Errorf("%d forbidden", n)
		}
	}
}

func TestHintPageIsListedNowhere(t *testing.T) {
	page, client, _, registry := startHints(t, "")
	base := strings.TrimSuffix(page, "/v1/hints/")
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/v1/hints", "/v1/hints/"} {
		if got := ask(t, client, "GET", base+path, nil); strings.Contains(got.body, "hints/") || strings.Contains(got.body, "hush") {
			t.Errorf("%s tells of it: %s", path, got.body)
		}
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
}

func TestWithoutASecretThereIsNoHintPage(t *testing.T) {
	base, client := start(t, "", nil, nil)
	if got := ask(t, client, "POST", base+"/v1/hints/", nil); got.status != 404 {
		t.Errorf("%d", got.status)
	}
	if _, err := web.NewHints(web.HintsConfig{Hinter: &hinter{}, Registerer: prometheus.NewRegistry()}); err == nil {
		t.Error("an empty secret is taken")
	}
	if _, err := web.NewHints(web.HintsConfig{Secret: config.NewSecret(hintSecret), Registerer: prometheus.NewRegistry()}); err == nil {
		t.Error("no hinter is taken")
	}
}

// A hint that nobody needs is no mistake of the caller's.
func TestHintThatNoSourceTakesUp(t *testing.T) {
	page, client, to, registry := startHints(t, "")
	for _, result := range []string{"accepted", "ignored", "invalid", "throttled", "forbidden"} {
		if n := counted(t, registry, result); n != 0 {
			t.Errorf("%d %s before the first", n, result)
		}
	}
	to.sources = 0
	got := ask(t, client, "POST", page+hintSecret, body("application/json", `{"videoNo":"VI1"}`))
	if got.status != 202 || strings.TrimSpace(got.body) != `{"result":"ignored","sources":0}` || counted(t, registry, "ignored") != 1 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// A flood is refused beyond its rate, and one without the secret takes nothing from those who have it.
func TestHintsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &hinter{sources: 1}
		hints, registry := newHints(t, to)
		post := func(secret string, times int) (statuses map[int]int) {
			statuses = map[int]int{}
			for range times {
				r := httptest.NewRequest(http.MethodPost, "/v1/hints/x", strings.NewReader(`{"videoNo":"VI1"}`))
				r.SetPathValue("secret", secret)
				w := httptest.NewRecorder()
				hints.ServeHTTP(w, r)
				statuses[w.Code]++
				if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") != "1" {
					t.Errorf("Retry-After = %q", w.Header().Get("Retry-After"))
				}
			}
			return statuses
		}
		for _, step := range []struct {
			sentence string
			secret   string
			times    int
			want     map[int]int
		}{
			{"a flood of guesses", "hush", 50, map[int]int{404: 20, 429: 30}},
			{"a flood of hints", hintSecret, 150, map[int]int{202: 100, 429: 50}},
			{"guesses after a second", "hush", 10, map[int]int{404: 5, 429: 5}},
			{"hints after a second", hintSecret, 30, map[int]int{202: 20, 429: 10}},
		} {
			if strings.Contains(step.sentence, "guesses after") {
				time.Sleep(time.Second)
			}
			if got := post(step.secret, step.times); fmt.Sprint(got) != fmt.Sprint(step.want) {
				t.Errorf("%s: %v, want %v", step.sentence, got, step.want)
			}
		}
		if n := len(to.take()); n != 120 {
			t.Errorf("%d hints", n)
		}
		if n := counted(t, registry, "throttled"); n != 30+50+5+10 {
			t.Errorf("%d throttled", n)
		}
	})
}

// No body makes the page panic, and what it hands on keeps its bounds.
func FuzzHint(f *testing.F) {
	for _, seed := range []string{`{"videoNo":"VI1","status":"PARSE"}`, `{"taskId":1}`, "videoNo=VI1", `{"videoNo":"\u0000"}`, "\xff", "{"} {
		f.Add("application/x-www-form-urlencoded", seed)
	}
	to := &hinter{sources: 1}
	hints, err := web.NewHints(web.HintsConfig{Secret: config.NewSecret(hintSecret), Hinter: to, Registerer: prometheus.NewRegistry()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, contentType, text string) {
		r := httptest.NewRequest(http.MethodPost, "/v1/hints/x", strings.NewReader(text))
		r.Header.Set("Content-Type", contentType)
		r.SetPathValue("secret", hintSecret)
		w := httptest.NewRecorder()
		hints.ServeHTTP(w, r)
		hinted := to.take()
		if (w.Code == http.StatusAccepted) != (len(hinted) == 1) {
			t.Errorf("%d with hints %q", w.Code, hinted)
		}
		for _, no := range hinted {
			if len(no) > 128 || strings.ContainsFunc(no, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("hint %q", no)
			}
		}
	})
}
