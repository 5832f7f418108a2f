package memories

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// seeds are the shapes of the listing, whole and broken.
func seeds(t testing.TB) [][]byte {
	bodies := [][]byte{sample(t, "list-videos-v1.2.json"), sample(t, "list-videos-2026.json")}
	for _, body := range []string{
		ofVideos(),
		ofVideos(`{"videoNo":9007199254740993,"videoStatus":null,"createTime":1.7e12,"cause":"null"}`, `null`, `{"video_no":"a"}`, `{"video_no":"a","size":"-1"}`),
		`{"code":"0000","data":{"videos":[{"video_no":"\ud83d","video_name":"` + "\xff" + `","status":["x"]}],"total_count":"12.0"}}`,
		`{"\u0063ode":200,"data":{"videos":[],"videos":[{"video_no":"\"]}\\"}]},"data":{"videos":[{"video_no":1e3}]}}`,
		`{"code":"0000","data":null,"success":true,"failed":false}`,
		`{"code":"0429","msg":"Request has exceeded the limit."}`,
		`{"code":"0001","msg":"Network abnormal"}`,
		springBody(503, "Service Unavailable"),
		ofVideos(`{"video_no":0,"create_time":1}`),
		"<html>", "", "{}{}", " [ ] ", `"0000"`, `{"code":0,"data":{"videos":{}}}`,
	} {
		bodies = append(bodies, []byte(body))
	}
	return bodies
}

func FuzzDecode(f *testing.F) {
	for _, body := range seeds(f) {
		for _, status := range []int{200, 429, 503} {
			f.Add(status, body)
		}
		f.Add(200, body[:len(body)/2])
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		page, fault := answer{status: status, body: body}.page()
		if fault != nil {
			checkRefusal(t, page, fault)
			return
		}
		checkPage(t, page)
		checkAgainstReference(t, status, body, page)
		checkRoundTrip(t, page)
	})
}

func checkRefusal(t *testing.T, page Page, fault *Error) {
	if !reflect.DeepEqual(page, Page{}) {
		t.Errorf("a page came with the error: %+v", page)
	}
	known := false
	for _, class := range Classes() {
		known = known || class == fault.Class
	}
	if !known {
		t.Errorf("class %q", fault.Class)
	}
	client := &Client{key: testKey}
	if text := client.scrub(fault).Error(); len([]rune(text)) > 3*maxMessageRunes || !utf8.ValidString(text) {
		t.Errorf("error text %q", text)
	}
}

func checkPage(t *testing.T, page Page) {
	seen := map[string]bool{}
	for _, v := range page.Videos {
		if strings.TrimSpace(v.VideoNo) == "" || len(v.VideoNo) > maxIDBytes || seen[v.VideoNo] {
			t.Errorf("id %q", v.VideoNo)
		}
		seen[v.VideoNo] = true
		if len(v.Name) > maxNameBytes || len(v.Cause) > maxCauseBytes || len(v.RawStatus) > maxStatusBytes {
			t.Errorf("boundless text in %+v", v)
		}
		if !utf8.ValidString(v.VideoNo + v.Name + v.RawStatus + v.Cause) {
			t.Errorf("text is not UTF-8 in %+v", v)
		}
		if v.Duration < 0 || v.Size < 0 || v.CreatedAt.Year() > 9999 || !v.CreatedAt.IsZero() && v.CreatedAt.UnixMilli() < minMillis {
			t.Errorf("numbers out of range in %+v", v)
		}
	}
	if page.Total < -1 || page.Number < 0 || page.Size < 0 || page.Received < len(page.Videos)+page.Skipped {
		t.Errorf("page %+v", page)
	}
}

// checkAgainstReference reads a body that was accepted once more, slowly, with encoding/json into maps: success was
// said, and the same ids are there in the same order.
func checkAgainstReference(t *testing.T, status int, body []byte, page Page) {
	if status < 200 || status > 299 {
		t.Errorf("HTTP %d accepted", status)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var env map[string]any
	if err := decoder.Decode(&env); err != nil {
		t.Fatalf("accepted what is no JSON: %v", err)
	}
	if number, ok := env["code"].(json.Number); ok {
		if n, ok := integer([]byte(number)); !ok || n != 0 && n != 200 {
			t.Errorf("accepted code %s", number)
		}
	} else if code, _ := env["code"].(string); strings.TrimSpace(code) != "0000" {
		t.Errorf("accepted code %v", env["code"])
	}
	if env["failed"] == true || env["success"] == false {
		t.Error("accepted what is marked as failed")
	}
	data, _ := env["data"].(map[string]any)
	items, ok := data["videos"].([]any)
	if !ok || len(items) != page.Received {
		t.Fatalf("accepted %T of %d items as %d", data["videos"], len(items), page.Received)
	}
	if ids, want := idsOf(page), referenceIDs(items); !reflect.DeepEqual(ids, want) {
		t.Errorf("ids %q, want %q", ids, want)
	}
}

func idsOf(page Page) []string {
	ids := make([]string, 0, len(page.Videos))
	for _, v := range page.Videos {
		ids = append(ids, v.VideoNo)
	}
	return ids
}

func referenceIDs(items []any) []string {
	ids := []string{}
	seen := map[string]bool{}
	for _, item := range items {
		video, _ := item.(map[string]any)
		id := referenceID(video)
		if strings.TrimSpace(id) == "" || len(id) > maxIDBytes || seen[id] {
			continue
		}
		seen[id] = true
		ids = append(ids, id)
	}
	return ids
}

func referenceID(video map[string]any) string {
	for _, key := range []string{"video_no", "videoNo"} {
		switch id := video[key].(type) {
		case nil:
		case string:
			if id != "" && id != "null" {
				return id
			}
		case json.Number:
			return id.String()
		default:
			return ""
		}
	}
	return ""
}

// checkRoundTrip writes the page as the platform would, in both of its eras, and reads it again.
func checkRoundTrip(t *testing.T, page Page) {
	for _, numbers := range []bool{false, true} {
		again, fault := answer{status: 200, body: encodePage(t, page, numbers)}.page()
		if fault != nil {
			t.Fatalf("what was read cannot be read again: %v", fault)
		}
		again.Received, again.Skipped = page.Received, page.Skipped
		if len(again.Videos) == 0 && len(page.Videos) == 0 {
			continue
		}
		if !reflect.DeepEqual(again, page) {
			t.Errorf("round trip gives\n%+v\nfrom\n%+v", again, page)
		}
	}
}

// encodePage writes numbers as JSON numbers (2026) or as strings (v1.2).
func encodePage(t testing.TB, page Page, numbers bool) []byte {
	number := func(n int64) any {
		if numbers {
			return n
		}
		return strconv.FormatInt(n, 10)
	}
	videos := make([]map[string]any, 0, len(page.Videos))
	for _, v := range page.Videos {
		item := map[string]any{
			"video_no": v.VideoNo, "video_name": v.Name, "status": v.RawStatus, "cause": v.Cause,
			"duration": number(v.Duration), "size": number(v.Size), "create_time": nil,
		}
		if !v.CreatedAt.IsZero() {
			item["create_time"] = number(v.CreatedAt.UnixMilli())
		}
		videos = append(videos, item)
	}
	body, err := json.Marshal(map[string]any{
		"code": "0000", "success": true, "failed": false,
		"data": map[string]any{
			"videos": videos, "current_page": page.Number, "page_size": page.Size, "total_count": number(page.Total),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}
