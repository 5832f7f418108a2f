package memories

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync/atomic"
	"testing"
	"time"
)

func TestRequestAsDocumented(t *testing.T) {
	tests := []struct {
		name  string
		query Query
		body  string
	}{
		{"page and size are always sent", Query{}, `{"page":1,"size":200}`},
		{"a page below one is the first", Query{Page: -4, Size: -1}, `{"page":1,"size":200}`},
		{"the namespace is sent as unique_id", Query{UniqueID: "Team A", Page: 2, Size: 50}, `{"unique_id":"Team A","page":2,"size":50}`},
		{
			"every filter that is set is sent",
			Query{UniqueID: "u", Page: 1, Size: 20, VideoNo: "VI1", VideoNos: []string{"VI1", "VI2"}, Name: "beach", Status: "UNPARSE"},
			`{"unique_id":"u","page":1,"size":20,"video_no":"VI1","video_nos":["VI1","VI2"],"video_name":"beach","status":"UNPARSE"}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got *http.Request
			var body []byte
			client := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
				got, body = r, must(io.ReadAll(r.Body))
				answeringJSON(ofVideos())(w, r)
			}, func(c *Config) { c.BaseURL += "/prefix"; c.UserAgent = "vidbell/1.2.3" })
			mustList(t, client, tt.query)
			if string(body) != tt.body {
				t.Errorf("body %s, want %s", body, tt.body)
			}
			if got.Method != http.MethodPost || got.URL.String() != "/prefix/serve/api/v1/list_videos" {
				t.Errorf("%s %s", got.Method, got.URL)
			}
			for name, want := range map[string]string{
				"Authorization": testKey, "Content-Type": "application/json", "User-Agent": "vidbell/1.2.3", "Accept-Encoding": "gzip",
			} {
				if v := got.Header.Get(name); v != want {
					t.Errorf("%s: %q, want %q", name, v, want)
				}
			}
		})
	}
}

func TestReferenceSampleOverHTTP(t *testing.T) {
	start := time.Date(2025, 11, 24, 2, 0, 0, 0, time.UTC)
	clock := start.Add(-time.Second)
	client := newTestClient(t, answeringJSON(string(sample(t, "list-videos-v1.2.json"))), func(c *Config) {
		c.Now = func() time.Time { clock = clock.Add(time.Second); return clock }
	})
	got := mustList(t, client, Query{UniqueID: "default"})
	want := Page{
		Videos: []Video{
			{
				VideoNo: "VI606404158946574336", Name: "182082-867762198_tiny", RawStatus: "PARSE",
				Duration: 12, Size: 3284512, CreatedAt: time.UnixMilli(1754037217992).UTC(),
			},
			{
				VideoNo: "VI606402870447996928", Name: "test_video_gz_visual_understanding_s36_gun_6_special_gun_6", RawStatus: "PARSE",
				Duration: 61, Size: 5324808, CreatedAt: time.UnixMilli(1754036910783).UTC(),
			},
			{
				VideoNo: "VI606401846039576576", Name: "ssstik.io_@evarose.cosplay_1747479033469", RawStatus: "PARSE",
				Duration: 44, Size: 3583477, CreatedAt: time.UnixMilli(1754036666561).UTC(),
			},
		},
		Number: 1, Size: 200, Total: 3, Received: 3, StartedAt: start, Elapsed: time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestSampleOf2026OverHTTP(t *testing.T) {
	got := mustList(t, newTestClient(t, answeringJSON(string(sample(t, "list-videos-2026.json")))), Query{})
	if got.Total != 3 || got.Received != 3 || got.Skipped != 0 || len(got.Videos) != 3 {
		t.Fatalf("got %+v", got)
	}
	want := Video{
		VideoNo: "VI606401846039576576", Name: "broken", RawStatus: "FAILED", Cause: "unsupported codec",
		Size: 3583477, CreatedAt: time.UnixMilli(1754036666561).UTC(),
	}
	if got.Videos[2] != want {
		t.Errorf("got %+v, want %+v", got.Videos[2], want)
	}
}

func TestEmptyArrayIsAnEmptyPage(t *testing.T) {
	got := mustList(t, newTestClient(t, answeringJSON(ofVideos())), Query{})
	if got.Videos == nil || len(got.Videos) != 0 || got.Received != 0 || got.Total != 7 {
		t.Errorf("got %+v", got)
	}
}

func TestClockSetBackGivesNoNegativeDuration(t *testing.T) {
	clock := time.Date(2025, 11, 24, 2, 0, 0, 0, time.UTC)
	client := newTestClient(t, answeringJSON(ofVideos()), func(c *Config) {
		c.Now = func() time.Time { clock = clock.Add(-time.Hour); return clock }
	})
	if got := mustList(t, client, Query{}); got.Elapsed != 0 {
		t.Errorf("elapsed %s", got.Elapsed)
	}
}

func TestFailedPageSaysWhenItWasAsked(t *testing.T) {
	client := newTestClient(t, answeringJSON(`{"code":"0429","msg":"busy"}`))
	page, err := client.List(context.Background(), Query{})
	if err == nil || page.StartedAt.IsZero() {
		t.Errorf("started at %s, error %v", page.StartedAt, err)
	}
}

func TestGzipIsRead(t *testing.T) {
	client := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, ofVideos(`{"video_no":"VI1"}`))
		_ = z.Close()
	})
	if got := mustList(t, client, Query{}); len(got.Videos) != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestConnectionsAreReused walks through successes and failures: a body left unread would cost a connection each time.
func TestConnectionsAreReused(t *testing.T) {
	answers := []http.HandlerFunc{
		answeringJSON(ofVideos(`{"video_no":"VI1"}`)),
		answeringJSON(`{"code":"0429","msg":"exceeded the limit"}`),
		answering(http.StatusServiceUnavailable, "application/json", springBody(503, "Service Unavailable")),
		answering(http.StatusBadGateway, "text/html", "<html>bad gateway</html>"),
		answering(http.StatusFound, "text/html", "moved"),
		answeringJSON("<html>"),
		answeringJSON(""),
		answeringJSON(ofVideos()),
	}
	var requests, connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers[requests.Add(1)-1](w, r)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	client := clientFor(t, server.URL)
	for range answers {
		_, _ = client.List(context.Background(), Query{})
	}
	if requests.Load() != int32(len(answers)) || connections.Load() != 1 {
		t.Errorf("%d requests on %d connections, want %d on 1", requests.Load(), connections.Load(), len(answers))
	}
}

func TestOneClientServesManyAtOnce(t *testing.T) {
	client := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
		var q map[string]any
		_ = json.NewDecoder(r.Body).Decode(&q)
		answeringJSON(ofVideos(`{"video_no":"`+q["unique_id"].(string)+`"}`))(w, r)
	})
	names := []string{"a", "b", "c", "d", "e", "f"}
	done := make(chan error, len(names))
	for _, name := range names {
		go func() {
			page, err := client.List(context.Background(), Query{UniqueID: name})
			if err == nil && page.Videos[0].VideoNo != name {
				t.Errorf("asked for %s, got %s", name, page.Videos[0].VideoNo)
			}
			done <- err
		}()
	}
	for range names {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
