package simulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vidbell/internal/simulator"
)

const key = "sk-mavi-test"

// The sample of the reference page, byte for byte once compacted.
const sample = `{"code":"0000","msg":"success","data":{"videos":[` +
	`{"duration":"12","size":"3284512","status":"PARSE","cause":"null","video_no":"VI606404158946574336","video_name":"182082-867762198_tiny","create_time":"1754037217992"},` +
	`{"duration":"61","size":"5324808","status":"PARSE","cause":"null","video_no":"VI606402870447996928","video_name":"test_video_gz_visual_understanding_s36_gun_6_special_gun_6","create_time":"1754036910783"},` +
	`{"duration":"44","size":"3583477","status":"PARSE","cause":"null","video_no":"VI606401846039576576","video_name":"ssstik.io_@evarose.cosplay_1747479033469","create_time":"1754036666561"}` +
	`],"current_page":1,"page_size":200,"total_count":"3"},"success":true,"failed":false}`

func newSimulator(t *testing.T, change func(*simulator.Options)) *simulator.Simulator {
	t.Helper()
	opts := simulator.Options{Keys: []string{key}, Seed: 1}
	if change != nil {
		change(&opts)
	}
	sim, err := simulator.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

// post asks a real server for a list and returns status and body.
func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url+simulator.ListPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(got)
}

func TestTheDocumentedSampleIsReproduced(t *testing.T) {
	sim := newSimulator(t, nil)
	for _, v := range []simulator.Video{
		{No: "VI606401846039576576", Name: "ssstik.io_@evarose.cosplay_1747479033469", DurationS: 44, Size: 3583477, CreatedAt: time.UnixMilli(1754036666561), Raw: "PARSE"},
		{No: "VI606404158946574336", Name: "182082-867762198_tiny", DurationS: 12, Size: 3284512, CreatedAt: time.UnixMilli(1754037217992), Raw: "PARSE"},
		{No: "VI606402870447996928", Name: "test_video_gz_visual_understanding_s36_gun_6_special_gun_6", DurationS: 61, Size: 5324808, CreatedAt: time.UnixMilli(1754036910783), Raw: "PARSE"},
	} {
		sim.Add("default", v)
	}
	server := httptest.NewServer(sim)
	defer server.Close()
	status, got := post(t, server.URL, `{"page":1,"size":200,"unique":"other"}`)
	if status != 200 || got != sample || !json.Valid([]byte(got)) {
		t.Errorf("got %d\n%s\nwant\n%s", status, got, sample)
	}
}
