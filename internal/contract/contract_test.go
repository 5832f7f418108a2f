package contract_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"vidbell/internal/contract"
)

// canned answers every request with the same.
type canned struct {
	status      int
	contentType string
	body        string
	header      http.Header
}

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	h := http.Header{"Content-Type": {c.contentType}}
	for name, values := range c.header {
		h[name] = values
	}
	return &http.Response{StatusCode: c.status, Status: http.StatusText(c.status), Header: h, Body: io.NopCloser(strings.NewReader(c.body))}, nil
}

// A contract that finds nothing wrong would make every test that relies on it worthless.
func TestWhatIsWrongIsFound(t *testing.T) {
	const (
		plain   = "application/json"
		problem = "application/problem+json"
		none    = `{"deliveries":[],"next_cursor":""}`
		failure = `{"title":"x","status":400,"detail":"x"}`
		counted = `{"dry_run":true,"matched":1,"queued":0,"first_at":null,"last_at":null}`
	)
	for _, tc := range []struct {
		sentence, method, target, sent string
		answer                         canned
		want                           string // empty: nothing is wrong
	}{
		{"all is well", "GET", "/v1/deliveries?limit=5&failed=true", "", canned{200, plain, none, nil}, ""},
		{"an error that is described", "GET", "/v1/deliveries?limit=0", "", canned{400, problem, failure, nil}, ""},
		{"an error by default", "GET", "/v1/deliveries", "", canned{500, problem, failure, nil}, ""},
		{"a page of nobody", "GET", "/v1/none", "", canned{204, "", "", nil}, ""},
		{"a stream is not read", "GET", "/v1/none", "", canned{200, "text/event-stream", "data: x\n\n", nil}, ""},
		{"an unknown status", "GET", "/v1/deliveries", "", canned{201, plain, none, nil}, "status 201 is not described"},
		{"another media type", "GET", "/v1/deliveries", "", canned{200, "text/html", none, nil}, "media type text/html"},
		{"no JSON", "GET", "/v1/deliveries", "", canned{200, plain, "{", nil}, "no JSON"},
		{"a field is missing", "GET", "/v1/deliveries", "", canned{200, plain, `{"deliveries":[]}`, nil}, "next_cursor"},
		{"a field that is not described", "GET", "/v1/deliveries", "", canned{200, plain, `{"deliveries":[],"next_cursor":"","x":1}`, nil}, "additional"},
		{"such a field further in", "GET", "/v1/sources", "", canned{200, plain, `{"sources":[{"x":1}]}`, nil}, "additional"},
		{"a value of another type", "GET", "/v1/deliveries", "", canned{200, plain, `{"deliveries":{},"next_cursor":""}`, nil}, "array"},
		{"an error that is no problem", "GET", "/v1/deliveries", "", canned{400, plain, failure, nil}, "an error as application/json"},
		{"such an error of an unknown page", "GET", "/v1/none", "", canned{404, "text/plain", "404 page not found", nil}, "an error as text/plain"},
		{"a header is missing", "GET", "/v1/deliveries", "", canned{401, problem, failure, nil}, "no header WWW-Authenticate"},
		{"other sites are let in", "GET", "/v1/none", "", canned{200, plain, "{}", http.Header{"Access-Control-Allow-Origin": {"*"}}}, "scripts of other sites"},
		{"a method that is not described", "PUT", "/v1/deliveries", "", canned{200, plain, none, nil}, "this method is not described"},
		{"an unknown parameter is taken", "GET", "/v1/deliveries?sourec=x", "", canned{200, plain, none, nil}, "unknown parameter sourec"},
		{"a parameter is taken twice", "GET", "/v1/deliveries?type=a&type=b", "", canned{200, plain, none, nil}, "parameter type twice"},
		{"a parameter out of range is taken", "GET", "/v1/deliveries?limit=501", "", canned{200, plain, none, nil}, "parameter limit"},
		{"a word for a number is taken", "GET", "/v1/deliveries?limit=all", "", canned{200, plain, none, nil}, "parameter limit"},
		{"a time of no form is taken", "GET", "/v1/deliveries?since=yesterday", "", canned{200, plain, none, nil}, "parameter since"},
		{"a parameter is missing", "GET", "/v1/why?endpoint=x", "", canned{200, plain, `{"endpoint":"x","about":"","events":[]}`, nil}, "no parameter about"},
		{"a good order", "POST", "/v1/replay", `{"endpoint":"x"}`, canned{200, plain, counted, nil}, ""},
		{"an unknown field is taken", "POST", "/v1/replay", `{"endpoint":"x","y":1}`, canned{200, plain, counted, nil}, "taken, though the document refuses it"},
		{"no order is taken", "POST", "/v1/replay", "", canned{200, plain, counted, nil}, "no body"},
		{"an order of no form is taken", "POST", "/v1/replay", "{", canned{200, plain, counted, nil}, "taken, though the document refuses it"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			c, err := contract.Load()
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			client := &http.Client{Transport: c.Transport(reader{tc.answer}, func(p string) { found = append(found, p) })}
			req, err := http.NewRequestWithContext(t.Context(), tc.method, "http://localhost"+tc.target, strings.NewReader(tc.sent))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", plain)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if text, err := io.ReadAll(resp.Body); err != nil || string(text) != tc.answer.body {
				t.Errorf("the caller gets %q, %v", text, err)
			}
			if all := strings.Join(found, "\n"); (all == "") != (tc.want == "") || !strings.Contains(all, tc.want) {
				t.Errorf("found %q, want %q", all, tc.want)
			}
		})
	}
}

// reader reads a request before it answers, as a server does.
type reader struct{ canned }

func (r reader) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
	return r.canned.RoundTrip(req)
}
