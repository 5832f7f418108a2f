package simulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vidbell/internal/simulator"
)

type options = func(*simulator.Options)

// serve starts a real server and stops it with the test.
func serve(t *testing.T, change options) (*simulator.Simulator, string) {
	t.Helper()
	sim := newSimulator(t, change)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, server.URL
}

// page is a liberal reading of an answer.
type page struct {
	Code json.RawMessage
	Msg  string
	Data *struct {
		Videos      []map[string]any
		CurrentPage any `json:"current_page"`
		PageSize    any `json:"page_size"`
		TotalCount  any `json:"total_count"`
	}
	Failed bool
}

func ask(t *testing.T, url, body string) page {
	t.Helper()
	status, text := post(t, url, body)
	if status != http.StatusOK {
		t.Fatalf("HTTP %d: %s", status, text)
	}
	var p page
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatalf("decode %s: %v", text, err)
	}
	return p
}

func (p page) nos() []string {
	var nos []string
	for _, v := range p.Data.Videos {
		no, _ := v["video_no"].(string)
		nos = append(nos, no)
	}
	return nos
}

func fail(t *testing.T, sim *simulator.Simulator, script ...simulator.Fault) {
	t.Helper()
	if err := sim.Fail(script...); err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if !bytes.Equal(g, w) {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}

func TestStatusAndCauseAreWrittenAsAskedFor(t *testing.T) {
	for _, c := range []struct {
		name   string
		change options
		video  simulator.Video
		want   string
	}{
		{"a new video is in the processing word of the platform", nil, simulator.Video{}, `"status":"UNPARSE","cause":"null"`},
		{"the plain words say PARSE for a new video", func(o *simulator.Options) { o.Words = simulator.WordsPlain() }, simulator.Video{}, `"status":"PARSE"`},
		{"any word can be the status", nil, simulator.Video{Raw: "REVIEW ☃"}, `"status":"REVIEW ☃"`},
		{"a status can be null", nil, simulator.Video{Raw: simulator.Null}, `"status":null`},
		{"a status can be empty", nil, simulator.Video{Raw: simulator.Empty}, `"status":""`},
		{"a status can be missing", nil, simulator.Video{Raw: simulator.Absent}, `"size":"9","cause"`},
		{"a failure spelled like no other keeps its text as cause", nil, simulator.Video{Raw: "PARSE_ERROR", Cause: `no "video" stream`}, `"status":"PARSE_ERROR","cause":"no \"video\" stream"`},
		{"no cause can be null", func(o *simulator.Options) { o.Cause = simulator.CauseNull }, simulator.Video{}, `"cause":null,`},
		{"no cause can be empty", func(o *simulator.Options) { o.Cause = simulator.CauseEmpty }, simulator.Video{}, `"cause":"",`},
		{"no cause can be missing", func(o *simulator.Options) { o.Cause = simulator.CauseAbsent }, simulator.Video{}, `"status":"UNPARSE","video_no"`},
		{"one video can have a cause of null among the others", nil, simulator.Video{Cause: simulator.Null}, `"cause":null,`},
		{"2026 leaves the cause out", func(o *simulator.Options) { o.Form = simulator.Form2026 }, simulator.Video{}, `"status":"UNPARSE","video_no"`},
		{"2026 gives the cause of a failure", func(o *simulator.Options) { o.Form = simulator.Form2026 }, simulator.Video{Raw: "FAILED", Cause: "codec"}, `"cause":"codec"`},
		{"2026 writes integers", func(o *simulator.Options) { o.Form = simulator.Form2026 }, simulator.Video{}, `"duration":7,"size":9`},
		{"2026 counts in integers", func(o *simulator.Options) { o.Form = simulator.Form2026 }, simulator.Video{}, `"total_count":1}`},
		{"camelCase items name their status videoStatus", func(o *simulator.Options) { o.Casing = simulator.CasingCamel }, simulator.Video{No: "VI1"}, `"videoStatus":"UNPARSE","cause":"null","videoNo":"VI1"`},
		{"a success can have an integer code", func(o *simulator.Options) { o.IntegerCode = true }, simulator.Video{}, `{"code":0,"msg"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim, url := serve(t, c.change)
			c.video.DurationS, c.video.Size = 7, 9
			sim.Add("default", c.video)
			status, got := post(t, url, `{}`)
			if status != http.StatusOK || !strings.Contains(got, c.want) || !json.Valid([]byte(got)) {
				t.Errorf("got %d %s\nwithout %s", status, got, c.want)
			}
		})
	}
}

func TestExtraKeysOf2026AppearOnlyOnceParsed(t *testing.T) {
	sim, url := serve(t, func(o *simulator.Options) { o.Form = simulator.Form2026 })
	no := sim.Add("default", simulator.Video{})
	if _, early := ask(t, url, `{}`).Data.Videos[0]["video_url"]; early {
		t.Error("a pending video has a video_url")
	}
	sim.Set("default", no, "PARSE", "")
	item := ask(t, url, `{}`).Data.Videos[0]
	for _, name := range []string{"video_url", "tags", "bucket", "blob"} {
		if item[name] == nil {
			t.Errorf("a parsed video has no %s", name)
		}
	}
}

func TestMixedFormsVaryFromItemToItemAndStayTheSame(t *testing.T) {
	sim, url := serve(t, func(o *simulator.Options) {
		o.Form, o.Casing = simulator.FormMixed, simulator.CasingMixed
	})
	sim.Fill("default", 200)
	_, first := post(t, url, `{"size":200}`)
	for _, want := range []string{
		`"duration":"`, `"duration":null`, `"createTime":`, `"create_time":`, `"cause":null`, `"cause":""`, `"cause":"null"`,
		`"videoNo":`, `"video_no":`, `"videoStatus":`, `"video_url":`,
	} {
		if !strings.Contains(first, want) {
			t.Errorf("nowhere in 200 items: %s", want)
		}
	}
	if !json.Valid([]byte(first)) {
		t.Error("not JSON")
	}
	if _, again := post(t, url, `{"size":200}`); again != first {
		t.Error("the same page differs when it is asked for again")
	}
}

func TestParametersAreHonoured(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(1754037217+int64(s), 0) }
	library := []simulator.Video{
		{No: "VI1", Name: "harbour", CreatedAt: at(1), Raw: "PARSE"},
		{No: "VI2", Name: "harbour at night", CreatedAt: at(2)},
		{No: "VI3", Name: "street", CreatedAt: at(3), Raw: "FAILED"},
		{No: "VI4", Name: "street", CreatedAt: at(4)},
	}
	v12 := func(*simulator.Options) {}
	v26 := func(o *simulator.Options) { o.Form = simulator.Form2026 }
	for _, c := range []struct {
		name   string
		change options
		body   string
		want   []string
	}{
		{"no parameters mean page one of everything, newest first", v12, `{}`, []string{"VI4", "VI3", "VI2", "VI1"}},
		{"page two goes on where page one ended", v12, `{"page":2,"size":3}`, []string{"VI1"}},
		{"a page may be a string", v12, `{"page":"2","size":"3"}`, []string{"VI1"}},
		{"a page past the end is empty", v12, `{"page":3,"size":2}`, nil},
		{"an absurd page is empty", v12, `{"page":9223372036854775807,"size":200}`, nil},
		{"video_no finds one", v12, `{"video_no":"VI2"}`, []string{"VI2"}},
		{"an unknown video_no finds none", v12, `{"video_no":"VI9"}`, nil},
		{"video_nos is ignored by v1.2", v12, `{"video_nos":["VI2"]}`, []string{"VI4", "VI3", "VI2", "VI1"}},
		{"video_nos is honoured by 2026, in the order of the library", v26, `{"video_nos":["VI1","VI9","VI3","VI1"]}`, []string{"VI3", "VI1"}},
		{"an empty video_nos matches none in 2026", v26, `{"video_nos":[]}`, nil},
		{"video_nos and status are both applied", v26, `{"video_nos":["VI1","VI3"],"status":"FAILED"}`, []string{"VI3"}},
		{"video_nos and video_no are both applied", v26, `{"video_nos":["VI1","VI3"],"video_no":"VI2"}`, nil},
		{"status matches the raw word", v12, `{"status":"UNPARSE"}`, []string{"VI4", "VI2"}},
		{"an unknown status matches none", v12, `{"status":"nonsense"}`, nil},
		{"video_name may be a part in v1.2", v12, `{"video_name":"harbour"}`, []string{"VI2", "VI1"}},
		{"video_name is exact in 2026", v26, `{"video_name":"harbour"}`, []string{"VI1"}},
		{"a metadata filter hides what is not parsed", v26, `{"tag":"api"}`, []string{"VI1"}},
		{"another namespace is empty", v12, `{"unique_id":"Default"}`, nil},
		{"the documented mistake unique is ignored", v12, `{"unique":"other"}`, []string{"VI4", "VI3", "VI2", "VI1"}},
		{"a filter can be ignored on request", func(o *simulator.Options) { o.IgnoredFilters = []string{"video_no"} }, `{"video_no":"VI2"}`, []string{"VI4", "VI3", "VI2", "VI1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim, url := serve(t, c.change)
			sim.AddAll("default", library)
			equal(t, "videos", ask(t, url, c.body).nos(), c.want)
		})
	}
}

func TestRequestsThatCannotBeUsedAre0001InHTTP200(t *testing.T) {
	for _, c := range []struct {
		name   string
		change options
		body   string
	}{
		{"page 0", nil, `{"page":0}`},
		{"a negative page", nil, `{"page":-1}`},
		{"a page that is no number", nil, `{"page":"one"}`},
		{"size 0", nil, `{"size":0}`},
		{"no body", nil, ``},
		{"a body that is not JSON", nil, `page=1`},
		{"video_nos that is not a list", nil, `{"video_nos":"VI1"}`},
		{"an empty unique_id in 2026", func(o *simulator.Options) { o.Form = simulator.Form2026 }, `{"unique_id":""}`},
		{"too many video_nos", func(o *simulator.Options) { o.Form, o.MaxVideoNos = simulator.Form2026, 1 }, `{"video_nos":["VI1","VI2"]}`},
		{"a size above the cap where that is refused", func(o *simulator.Options) { o.SizePolicy = simulator.SizeRefuse }, `{"size":201}`},
		{"an unknown status where that is refused", func(o *simulator.Options) { o.StatusFilter = simulator.StatusRefuse }, `{"status":"DONE"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, url := serve(t, c.change)
			for range 2 { // permanent
				p := ask(t, url, c.body)
				if string(p.Code) != `"0001"` || !p.Failed || p.Data != nil || p.Msg == "" {
					t.Errorf("got %s %+v", p.Code, p)
				}
			}
		})
	}
}

func TestTheCapOfSizeIsClampedOpenlyOrSilently(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy simulator.SizePolicy
		says   float64
	}{
		{"the page says how big it is", simulator.SizeClamp, 3},
		{"the page claims to be as big as asked", simulator.SizeClampHidden, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim, url := serve(t, func(o *simulator.Options) { o.MaxPageSize, o.SizePolicy = 3, c.policy })
			nos := sim.Fill("default", 4)
			p := ask(t, url, `{"size":5}`)
			equal(t, "videos", p.nos(), nos[:3])
			equal(t, "page_size", p.Data.PageSize, c.says)
			equal(t, "page two", ask(t, url, `{"size":5,"page":2}`).nos(), nos[3:])
		})
	}
}

func TestAShuffledLibraryKeepsItsOrderAndIsNotNewestFirst(t *testing.T) {
	sim, url := serve(t, func(o *simulator.Options) { o.Shuffled = true })
	newestFirst := sim.Fill("default", 50)
	var seen []string
	for p := 1; p <= 5; p++ {
		seen = append(seen, ask(t, url, `{"size":10,"page":`+strconv.Itoa(p)+`}`).nos()...)
	}
	if slices.Equal(seen, newestFirst) {
		t.Error("newest first")
	}
	equal(t, "what is there", slices.Sorted(slices.Values(seen)), slices.Sorted(slices.Values(newestFirst)))
}

func TestKeysAndMethodsAreChecked(t *testing.T) {
	send := func(t *testing.T, url, method, path, auth string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, url+path, strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", auth)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	for _, c := range []struct {
		name               string
		change             options
		method, path, auth string
		status             int
		want               string
	}{
		{"no key is a 0401 in a 200", nil, "POST", simulator.ListPath, "", 200, `"code":"0401"`},
		{"a wrong key is a 0401 in a 200", nil, "POST", simulator.ListPath, "sk-other", 200, `"code":"0401"`},
		{"a wrong key can be an HTTP 401", func(o *simulator.Options) { o.HTTPAuthErrors = true }, "POST", simulator.ListPath, "sk-other", 401, `"error":"Unauthorized"`},
		{"Bearer is not part of the scheme", nil, "POST", simulator.ListPath, "Bearer " + key, 200, `"code":"0401"`},
		{"Bearer can be tolerated", func(o *simulator.Options) { o.AcceptBearer = true }, "POST", simulator.ListPath, "Bearer " + key, 200, `"code":"0000"`},
		{"GET is not allowed, says Spring", nil, "GET", simulator.ListPath, key, 405, `"error":"Method Not Allowed"`},
		{"a wrong path is a 0001", nil, "POST", "/serve/api/v1/list", key, 200, `No static resource serve/api/v1/list.`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, url := serve(t, c.change)
			status, body := send(t, url, c.method, c.path, c.auth)
			if status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
}

func TestFaultsAnswerAsScriptedAndThenAreOver(t *testing.T) {
	type fault = simulator.Fault
	for _, c := range []struct {
		name   string
		fault  fault
		status int
		want   string
	}{
		{"any code comes in a 200 with null data", fault{Kind: simulator.FaultCode, Code: "0402"}, 200, `{"code":"0402","msg":"Your credits have run out, please recharge","data":null,"success":false,"failed":true}`},
		{"a minimal error has only code and msg", fault{Kind: simulator.FaultCode, Code: "0429", Minimal: true}, 200, `{"code":"0429","msg":"Request has exceeded the limit."}`},
		{"a code can be an integer", fault{Kind: simulator.FaultCode, Code: "9009", Integer: true, Minimal: true}, 200, `{"code":9009,"msg":"permission denied"}`},
		{"a code can come with an HTTP error and words of its own", fault{Kind: simulator.FaultCode, Code: "0429", Msg: "slow down", HTTPStatus: 429, Minimal: true}, 429, `{"code":"0429","msg":"slow down"}`},
		{"a gateway error has the body of Spring", fault{Kind: simulator.FaultHTTP, HTTPStatus: 503}, 503, `"status":503,"error":"Service Unavailable","requestId":`},
		{"a web page can come with 200", fault{Kind: simulator.FaultHTML}, 200, `<html>`},
		{"a web page can come with 502", fault{Kind: simulator.FaultHTML, HTTPStatus: 502}, 502, `<h1>502 Bad Gateway</h1>`},
		{"a success can have null data", fault{Kind: simulator.FaultNullData}, 200, `{"code":"0000","msg":"success","data":null,"success":true,"failed":false}`},
		{"an empty list can be a lie", fault{Kind: simulator.FaultEmpty}, 200, `"videos":[],"current_page":1,"page_size":2,"total_count":"0"`},
		{"the total can be wrong", fault{Kind: simulator.FaultTotal, Delta: 7}, 200, `"total_count":"10"`},
		{"a page can be short", fault{Kind: simulator.FaultShort}, 200, `"videos":[],"current_page":1,"page_size":2,"total_count":"3"`},
		{"a video can be left out and not counted", fault{Kind: simulator.FaultHide, Hidden: []string{"hidden"}}, 200, `"total_count":"3"`},
		{"an item can be without id", fault{Kind: simulator.FaultNoID}, 200, `"cause":"null","video_name"`},
		{"a success can say that it failed", fault{Kind: simulator.FaultContradicted}, 200, `"success":false,"failed":true}`},
		{"a slow answer is right", fault{Kind: simulator.FaultSlow, Delay: time.Millisecond}, 200, `"success":true`},
		{"a dripping answer is right", fault{Kind: simulator.FaultDrip, Pause: time.Microsecond}, 200, `"success":true`},
		{"a huge answer is right at its end", fault{Kind: simulator.FaultHuge, Size: 1 << 20}, 200, strings.Repeat(" ", 1<<20) + `{"code":"0000"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim, url := serve(t, nil)
			sim.Fill("default", 3)
			if c.fault.Kind == simulator.FaultHide {
				sim.Add("default", simulator.Video{No: "hidden", Raw: "PARSE"})
			}
			_, healthy := post(t, url, `{"size":2}`)
			fail(t, sim, c.fault)
			status, got := post(t, url, `{"size":2}`)
			if status != c.status || !strings.Contains(got, c.want) {
				t.Errorf("got %d %s", status, got)
			}
			if _, after := post(t, url, `{"size":2}`); after != healthy {
				t.Errorf("after the fault: %s", after)
			}
		})
	}
}

func TestBrokenConnectionsAreErrorsOfTheTransport(t *testing.T) {
	for _, c := range []struct {
		name string
		kind simulator.FaultKind
		want error
	}{
		{"a reset is a reset", simulator.FaultReset, syscall.ECONNRESET},
		{"a break in the body is an unexpected end", simulator.FaultBroken, io.ErrUnexpectedEOF},
	} {
		for _, way := range []string{"over a socket", "in process"} {
			t.Run(c.name+" "+way, func(t *testing.T) {
				sim, url := serve(t, nil)
				sim.Fill("default", 3)
				fail(t, sim, simulator.Fault{Kind: c.kind})
				client := http.DefaultClient
				if way == "in process" {
					client = &http.Client{Transport: sim.RoundTripper()}
				}
				req, err := http.NewRequest(http.MethodPost, url+simulator.ListPath, strings.NewReader(`{}`))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", key)
				if _, err := readAll(client, req); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			})
		}
	}
}

func readAll(client *http.Client, req *http.Request) (string, error) {
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

func TestACutAnswerIsNotJSON(t *testing.T) {
	sim, url := serve(t, nil)
	sim.Fill("default", 3)
	fail(t, sim, simulator.Fault{Kind: simulator.FaultCut})
	if status, got := post(t, url, `{}`); status != 200 || json.Valid([]byte(got)) || !strings.HasPrefix(got, `{"code":"0000"`) {
		t.Errorf("got %d %s", status, got)
	}
}

func TestARenamedVideoIsTheSameVideo(t *testing.T) {
	sim, url := serve(t, nil)
	sim.Add("default", simulator.Video{No: "a", Name: "before"})
	if sim.Rename("default", "b", "after") || !sim.Rename("default", "a", "after") {
		t.Error("Rename does not tell which videos are there")
	}
	equal(t, "under the old name", len(ask(t, url, `{"video_name": "before"}`).nos()), 0)
	equal(t, "under the new name", ask(t, url, `{"video_name": "after"}`).nos(), []string{"a"})
}

func TestARepeatedPageShowsThePageBefore(t *testing.T) {
	sim, url := serve(t, nil)
	nos := sim.Fill("default", 6)
	fail(t, sim, simulator.Fault{Kind: simulator.FaultRepeat, Page: 3})
	p := ask(t, url, `{"page":3,"size":2}`)
	equal(t, "videos", p.nos(), nos[2:4])
	equal(t, "current_page", p.Data.CurrentPage, 3)
}

func TestFaultsPickTheirRequests(t *testing.T) {
	code := func(f simulator.Fault) simulator.Fault {
		f.Kind, f.Code = simulator.FaultCode, "0001"
		return f
	}
	bodies := []string{`{}`, `{"page":2}`, `{"unique_id":"b"}`, `{"video_no":"VI1"}`, `{}`}
	for _, c := range []struct {
		name  string
		fault simulator.Fault
		hit   []int
	}{
		{"the next request", code(simulator.Fault{}), []int{0}},
		{"the next three", code(simulator.Fault{Times: 3}), []int{0, 1, 2}},
		{"all of them", code(simulator.Fault{Times: -1}), []int{0, 1, 2, 3, 4}},
		{"two after the first", code(simulator.Fault{Times: 2, Skip: 1}), []int{1, 2}},
		{"a page", code(simulator.Fault{Times: -1, Page: 2}), []int{1}},
		{"a namespace", code(simulator.Fault{Times: -1, Namespace: "b"}), []int{2}},
		{"a lane", code(simulator.Fault{Times: -1, Lane: simulator.LaneVideoNo}), []int{3}},
		{"another key", code(simulator.Fault{Times: -1, Key: "other"}), nil},
		{"an account", code(simulator.Fault{Times: 1, Account: key}), []int{0}},
		{"what a function says", code(simulator.Fault{Match: func(r simulator.Request) bool { return r.VideoNo == "VI1" }}), []int{3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sim, url := serve(t, nil)
			fail(t, sim, c.fault)
			var hit []int
			for i, body := range bodies {
				if string(ask(t, url, body).Code) == `"0001"` {
					hit = append(hit, i)
				}
			}
			equal(t, "requests hit", hit, c.hit)
		})
	}
}

func TestAChanceHitsSomeRequestsTheSameEveryTime(t *testing.T) {
	run := func() (hit []int) {
		sim, url := serve(t, nil)
		fail(t, sim, simulator.Fault{Kind: simulator.FaultNullData, Chance: 0.5, Times: -1})
		for i := range 40 {
			if ask(t, url, `{}`).Data == nil {
				hit = append(hit, i)
			}
		}
		return hit
	}
	first := run()
	if len(first) < 10 || len(first) > 30 {
		t.Errorf("hit %d of 40", len(first))
	}
	equal(t, "the same seed again", run(), first)
}

func TestAHangOverASocketEndsWithTheClientsPatience(t *testing.T) {
	sim, url := serve(t, nil)
	fail(t, sim, simulator.Fault{Kind: simulator.FaultHang})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+simulator.ListPath, strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", key)
	if _, err := readAll(http.DefaultClient, req); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	ask(t, url, `{}`)
}

func TestInsertionsBetweenPagesPushVideosDown(t *testing.T) {
	sim, url := serve(t, nil)
	nos := sim.Fill("default", 4)
	var added string
	sim.AfterPage("default", 1, func() {
		added = sim.Add("default", simulator.Video{})
		sim.Delete("default", nos[3])
	})
	equal(t, "page 1", ask(t, url, `{"page":1,"size":2}`).nos(), nos[:2])
	equal(t, "page 2", ask(t, url, `{"page":2,"size":2}`).nos(), nos[1:3])
	equal(t, "page 1 again", ask(t, url, `{"page":1,"size":2}`).nos(), []string{added, nos[0]})
}

func TestRequestsAreLoggedAndCountedByLane(t *testing.T) {
	sim, url := serve(t, func(o *simulator.Options) {
		o.Accounts = map[string]string{key: "acme"}
		o.RequestLog = 4
	})
	var hooked []simulator.Lane
	sim.OnServe(func(r simulator.Request) { hooked = append(hooked, r.Lane) })
	for _, body := range []string{`{"page":0}`, `{"page":2,"size":50}`, `{"video_nos":["VI1"]}`, `{"video_no":"VI1"}`, `{"status":"PARSE","unique_id":"b"}`} {
		ask(t, url, body)
	}
	log := sim.Requests()
	equal(t, "lanes", sim.Counts().Lanes, map[simulator.Lane]int{"page": 2, "video_nos": 1, "video_no": 1, "status": 1})
	equal(t, "codes", sim.Counts().Codes, map[string]int{"0000": 4, "0001": 1})
	equal(t, "remembered", len(log), 4)
	equal(t, "hooked", hooked, []string{"page", "page", "video_nos", "video_no", "status"})
	if r := log[0]; r.Account != "acme" || r.Page != 2 || r.Size != 50 || r.Namespace != "default" || r.Code != "0000" || r.HTTPStatus != 200 {
		t.Errorf("got %+v", r)
	}
	equal(t, "namespaces", sim.Namespaces(), []string{"b", "default"})
	sim.ResetRequests()
	equal(t, "after the reset", len(sim.Requests())+sim.Counts().Total, 0)
}

func TestMistakesInOptionsAndFaultsNameTheirField(t *testing.T) {
	for _, c := range []struct {
		name string
		opts simulator.Options
		want string
	}{
		{"no keys", simulator.Options{}, "Keys: name at least one"},
		{"an account of an unknown key", simulator.Options{Keys: []string{"a"}, Accounts: map[string]string{"b": "x"}}, `Accounts: "b"`},
		{"an unknown form", simulator.Options{Keys: []string{"a"}, Form: "v3"}, `Form: "v3" is none of`},
		{"words that are the same", simulator.Options{Keys: []string{"a"}, Words: simulator.Words{Processing: "A", Done: "A", Failed: "B"}}, "Words: "},
		{"a negative quota", simulator.Options{Keys: []string{"a"}, QuotaPerSecond: -1}, "QuotaPerSecond: -1 is negative"},
		{"an unknown filter", simulator.Options{Keys: []string{"a"}, IgnoredFilters: []string{"page"}}, `IgnoredFilters: "page"`},
		{"callbacks to another machine", simulator.Options{Keys: []string{"a"}, Callbacks: simulator.Callbacks{URLs: map[string]string{"x": "http://10.0.0.1/"}}}, `Callbacks.URLs["x"]: callbacks go to loopback only`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := simulator.New(c.opts); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	sim := newSimulator(t, nil)
	for _, c := range []struct {
		name  string
		fault simulator.Fault
		want  string
	}{
		{"a fault of no kind", simulator.Fault{}, `Kind: "" is not a kind of fault`},
		{"a code fault without code", simulator.Fault{Kind: simulator.FaultCode}, "Code: "},
		{"a stale fault without age", simulator.Fault{Kind: simulator.FaultStale}, "Age: "},
		{"a chance above one", simulator.Fault{Kind: simulator.FaultReset, Chance: 2}, "Chance: "},
		{"an HTTP status out of range", simulator.Fault{Kind: simulator.FaultHTTP, HTTPStatus: 42}, "HTTPStatus: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := sim.Fail(simulator.Fault{Kind: simulator.FaultReset}, c.fault); err == nil || !strings.Contains(err.Error(), "fault 2: "+c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	equal(t, "queued", len(sim.Faults()), 0)
}
