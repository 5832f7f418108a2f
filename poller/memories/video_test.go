package memories

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// only lists a page of one item over HTTP and returns its video.
func only(t *testing.T, item string) Video {
	t.Helper()
	page := mustList(t, newTestClient(t, answeringJSON(ofVideos(item))), Query{})
	if len(page.Videos) != 1 || page.Received != 1 || page.Skipped != 0 {
		t.Fatalf("got %+v", page)
	}
	return page.Videos[0]
}

func TestVideoFields(t *testing.T) {
	created := time.UnixMilli(1754037217992).UTC()
	tests := []struct {
		name string
		item string
		want Video
	}{
		{"numbers as strings", `{"video_no":"a","duration":"12","size":"3284512","create_time":"1754037217992"}`, Video{Duration: 12, Size: 3284512, CreatedAt: created}},
		{"numbers as numbers", `{"video_no":"a","duration":12,"size":3284512,"create_time":1754037217992}`, Video{Duration: 12, Size: 3284512, CreatedAt: created}},
		{"numbers with decimals or exponents", `{"video_no":"a","duration":12.0,"size":"12.9","create_time":1.754037217992e12}`, Video{Duration: 12, Size: 12, CreatedAt: created}},
		{"numbers as null", `{"video_no":"a","duration":null,"size":"null","create_time":null}`, Video{}},
		{"numbers empty or padded", `{"video_no":"a","duration":"","size":" 7 "}`, Video{Size: 7}},
		{"numbers that are garbage", `{"video_no":"a","duration":"12s","size":{"bytes":1},"create_time":"2025-08-01T08:33:37Z"}`, Video{}},
		{"numbers that are no decimals", `{"video_no":"a","duration":"0x1p4","size":"inf","create_time":"NaN"}`, Video{}},
		{"numbers with underscores", `{"video_no":"a","duration":"1_000","size":true}`, Video{}},
		{"numbers out of range", `{"video_no":"a","duration":1e400,"size":"99999999999999999999"}`, Video{}},
		{"the largest number", `{"video_no":"a","size":"9223372036854775807"}`, Video{Size: 9223372036854775807}},
		{"negative numbers", `{"video_no":"a","duration":-1,"size":"-5","create_time":-1754037217992}`, Video{}},
		{"a creation time in seconds", `{"video_no":"a","create_time":1754037217}`, Video{CreatedAt: time.Unix(1754037217, 0).UTC()}},
		{"a creation time of zero", `{"video_no":"a","create_time":"0"}`, Video{}},
		{"a creation time of a few seconds is absurd", `{"video_no":"a","create_time":"99999999"}`, Video{}},
		{"a creation time at the lower bound", `{"video_no":"a","create_time":100000000000}`, Video{CreatedAt: time.Unix(1e8, 0).UTC()}},
		{"a creation time in microseconds is absurd", `{"video_no":"a","create_time":1754037217992000}`, Video{}},

		{"no cause", `{"video_no":"a"}`, Video{}},
		{"a null cause", `{"video_no":"a","cause":null}`, Video{}},
		{"the string null for a cause", `{"video_no":"a","cause":"null"}`, Video{}},
		{"an empty cause", `{"video_no":"a","cause":""}`, Video{}},
		{"a cause", `{"video_no":"a","cause":"unsupported codec"}`, Video{Cause: "unsupported codec"}},

		{"camelCase keys", `{"videoNo":"a","videoName":"n","videoStatus":"PARSE","createTime":"1754037217992"}`, Video{Name: "n", RawStatus: "PARSE", CreatedAt: created}},
		{"both spellings, the first wins in either order", `{"videoNo":"b","video_no":"a","videoStatus":"FAIL","status":"PARSE"}`, Video{RawStatus: "PARSE"}},
		{"both spellings, the first without a value", `{"video_no":null,"videoNo":"a","status":"","videoStatus":"FAIL"}`, Video{RawStatus: "FAIL"}},
		{"a key twice, the last wins", `{"video_no":"b","video_no":"a"}`, Video{}},
		{"keys in capitals are other keys", `{"video_no":"a","STATUS":"PARSE","Video_No":"b"}`, Video{}},
		{"unknown keys", `{"video_no":"a","tags":["api"],"latitude":1.5,"meta":{"video_no":"b","x":[{}]}}`, Video{}},

		{"no status", `{"video_no":"a"}`, Video{}},
		{"a null status", `{"video_no":"a","status":null}`, Video{}},
		{"a usual status", `{"video_no":"a","status":"UNPARSE"}`, Video{RawStatus: "UNPARSE"}},
		{"an unheard-of status is kept as it is", `{"video_no":"a","status":"Re-Indexing "}`, Video{RawStatus: "Re-Indexing "}},
		{"a status as a number shows", `{"video_no":"a","status":3}`, Video{RawStatus: "3"}},
		{"a status as an object shows", `{"video_no":"a","status":{"code":"PARSE"}}`, Video{RawStatus: `{"code":"PARSE"}`}},

		{"escapes in text", `{"video_no":"a","video_name":"\u00e9t\u00e9 \"x\" \ud83d\ude00"}`, Video{Name: `été "x" 😀`}},
		{"bytes that are not UTF-8", "{\"video_no\":\"a\",\"video_name\":\"x\xffy\",\"status\":\"P\xc3\"}", Video{Name: "x\uFFFDy", RawStatus: "P\uFFFD"}},
		{"half a surrogate pair", `{"video_no":"a","video_name":"\ud83d"}`, Video{Name: "\uFFFD"}},
		{"a name as a number", `{"video_no":"a","video_name":20251121}`, Video{Name: "20251121"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.VideoNo = "a"
			if got := only(t, tt.item); got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestIDAsNumberKeepsItsDigits(t *testing.T) {
	for item, want := range map[string]string{
		`{"video_no":606404158946574337}`:                "606404158946574337",
		`{"video_no":"606404158946574337"}`:              "606404158946574337",
		`{"videoNo":123456789012345678901234567890}`:     "123456789012345678901234567890",
		`{"video_no":"","videoNo":9007199254740993}`:     "9007199254740993",
		`{"video_no":"VI606404158946574336","x":"\\\""}`: "VI606404158946574336",
	} {
		if got := only(t, item).VideoNo; got != want {
			t.Errorf("%s gives %q, want %q", item, got, want)
		}
	}
}

func TestItemsWithoutUsableIDAreCounted(t *testing.T) {
	page := mustList(t, newTestClient(t, answeringJSON(ofVideos(
		`{"video_no":"a"}`,
		`{"status":"PARSE"}`, `{"video_no":null}`, `{"video_no":""}`, `{"video_no":"null"}`, `{"video_no":"  "}`,
		`{"video_no":true}`, `{"video_no":["a"]}`, `null`, `"a"`, `[]`, `{}`,
		`{"video_no":"`+strings.Repeat("x", maxIDBytes+1)+`"}`,
		`{"video_no":"`+strings.Repeat("x", maxIDBytes)+`"}`,
	))), Query{})
	if page.Received != 14 || page.Skipped != 12 || len(page.Videos) != 2 {
		t.Errorf("received %d, skipped %d, kept %d", page.Received, page.Skipped, len(page.Videos))
	}
}

func TestSameIDTwiceInAPageIsOneVideo(t *testing.T) {
	page := mustList(t, newTestClient(t, answeringJSON(ofVideos(
		`{"video_no":"a","status":"UNPARSE"}`, `{"video_no":"b"}`, `{"videoNo":"a","status":"PARSE"}`,
	))), Query{})
	if page.Received != 3 || page.Skipped != 0 || len(page.Videos) != 2 {
		t.Fatalf("got %+v", page)
	}
	if a := page.Videos[0]; a.VideoNo != "a" || a.RawStatus != "PARSE" {
		t.Errorf("the later item did not win: %+v", page.Videos)
	}
}

func TestLongTextIsCutAtARune(t *testing.T) {
	long := strings.Repeat("é", 10_000)
	v := only(t, `{"video_no":"a","video_name":"x`+long+`","cause":"x`+long+`","status":"x`+long+`"}`)
	for text, limit := range map[string]int{v.Name: maxNameBytes, v.Cause: maxCauseBytes, v.RawStatus: maxStatusBytes} {
		if len(text) != limit-1 || !utf8.ValidString(text) {
			t.Errorf("text of %d bytes, valid %v, want %d", len(text), utf8.ValidString(text), limit-1)
		}
	}
}

func TestPageFields(t *testing.T) {
	tests := []struct {
		name         string
		fields       string
		number, size int
		total        int64
	}{
		{"as in v1.2", `"current_page":1,"page_size":200,"total_count":"3"`, 1, 200, 3},
		{"as in 2026", `"current_page":2,"page_size":50,"total_count":3`, 2, 50, 3},
		{"all as strings", `"current_page":"2","page_size":"50","total_count":"0"`, 2, 50, 0},
		{"in camelCase", `"currentPage":2,"pageSize":50,"totalCount":"3"`, 2, 50, 3},
		{"absent", `"x":1`, 0, 0, -1},
		{"null", `"current_page":null,"page_size":"null","total_count":null`, 0, 0, -1},
		{"empty", `"current_page":"","page_size":"","total_count":""`, 0, 0, -1},
		{"garbage", `"current_page":"one","page_size":[],"total_count":"many"`, 0, 0, -1},
		{"negative", `"current_page":-1,"page_size":-1,"total_count":-7`, 0, 0, -1},
		{"absurd", `"current_page":1e12,"page_size":"99999999999","total_count":1e300`, 0, 0, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := `{"code":"0000","data":{"videos":[{"video_no":"a"}],` + tt.fields + `}}`
			got := mustList(t, newTestClient(t, answeringJSON(body)), Query{})
			if got.Number != tt.number || got.Size != tt.size || got.Total != tt.total {
				t.Errorf("page %d, size %d, total %d", got.Number, got.Size, got.Total)
			}
		})
	}
}
