package memories

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// fullPage is a page as the platform sends it: 200 items, ids and names of the usual length.
func fullPage(tb testing.TB, numbers bool) []byte {
	page := Page{Number: 1, Size: 200, Total: 100_000}
	for i := range 200 {
		page.Videos = append(page.Videos, Video{
			VideoNo: fmt.Sprintf("VI%018d", 606404158946574336+i), Name: fmt.Sprintf("camera_%03d_2025-08-01T08-33-37_front_door", i),
			RawStatus: "PARSE", Duration: int64(12 + i), Size: int64(3284512 + i), CreatedAt: time.UnixMilli(1754037217992 - int64(i)*1000),
		})
	}
	return encodePage(tb, page, numbers)
}

// BenchmarkDecode reads one page of 200 items; 500 of them are a library of 100,000. The second half of its cases is
// encoding/json into structs, the plain way, for comparison in the same run.
func BenchmarkDecode(b *testing.B) {
	for _, form := range []struct {
		name    string
		numbers bool
	}{{"v1.2", false}, {"2026", true}} {
		body := fullPage(b, form.numbers)
		b.Run("ours/"+form.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if page, fault := (answer{status: 200, body: body}).page(); fault != nil || len(page.Videos) != 200 {
					b.Fatal(fault)
				}
			}
		})
		b.Run("encoding_json/"+form.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if n, err := plainDecode(body); err != nil || n != 200 {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkList is the whole call over loopback, server included.
func BenchmarkList(b *testing.B) {
	body := fullPage(b, false)
	server := httptest.NewServer(answeringJSON(string(body)))
	b.Cleanup(server.Close)
	client := clientFor(b, server.URL)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if page, err := client.List(context.Background(), Query{UniqueID: "default"}); err != nil || len(page.Videos) != 200 {
			b.Fatal(err)
		}
	}
}

// flexInt is the usual tolerant number.
type flexInt int64

func (n *flexInt) UnmarshalJSON(raw []byte) error {
	var s string
	if raw[0] != '"' {
		s = string(raw)
	} else if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	v, err := strconv.ParseInt(s, 10, 64)
	*n = flexInt(v)
	return err
}

func plainDecode(body []byte) (int, error) {
	var env struct {
		Code            string
		Success, Failed bool
		Data            struct {
			Videos []struct {
				VideoNo    string  `json:"video_no"`
				VideoName  string  `json:"video_name"`
				Status     string  `json:"status"`
				Cause      *string `json:"cause"`
				Duration   flexInt `json:"duration"`
				Size       flexInt `json:"size"`
				CreateTime flexInt `json:"create_time"`
			} `json:"videos"`
			TotalCount flexInt `json:"total_count"`
		}
	}
	err := json.Unmarshal(body, &env)
	return len(env.Data.Videos), err
}
