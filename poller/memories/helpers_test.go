package memories

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

const testKey = "sk-mavi-0123456789abcdef"

// newTestClient returns a client of a server on loopback that runs handle, with settings changed by adjust.
func newTestClient(t *testing.T, handle http.HandlerFunc, adjust ...func(*Config)) *Client {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return clientFor(t, server.URL, adjust...)
}

func clientFor(t testing.TB, baseURL string, adjust ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{BaseURL: baseURL, APIKey: testKey, Timeout: 20 * time.Second}
	for _, f := range adjust {
		f(&cfg)
	}
	client, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// answering is a handler that always answers the same.
func answering(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func answeringJSON(body string) http.HandlerFunc {
	return answering(http.StatusOK, "application/json", body)
}

// ofVideos is a successful answer with these items.
func ofVideos(items ...string) string {
	return `{"code":"0000","msg":"success","data":{"videos":[` + strings.Join(items, ",") +
		`],"current_page":1,"page_size":200,"total_count":"7"},"success":true,"failed":false}`
}

func mustList(t *testing.T, c *Client, q Query) Page {
	t.Helper()
	page, err := c.List(context.Background(), q)
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	return page
}

// mustFail lists, and checks what holds for every error: its type, its operation, and that nothing of it leaks.
func mustFail(t *testing.T, c *Client, want Class) *Error {
	t.Helper()
	page, err := c.List(context.Background(), Query{UniqueID: "default", Page: 3, Size: 200})
	if err == nil {
		t.Fatalf("List succeeded with %+v, want class %s", page, want)
	}
	return checkFault(t, page, err, want)
}

func checkFault(t *testing.T, page Page, err error, want Class) *Error {
	t.Helper()
	if page.Videos != nil || page.Received != 0 || page.Total != 0 {
		t.Errorf("a page came with the error: %+v", page)
	}
	var fault *Error
	if !errors.As(err, &fault) {
		t.Fatalf("error %T is no *Error", err)
	}
	if fault.Class != want || ClassOf(err) != want {
		t.Fatalf("class %q, want %q: %v", fault.Class, want, err)
	}
	if !strings.HasPrefix(err.Error(), "list page ") {
		t.Errorf("error does not begin with the operation: %v", err)
	}
	checkQuiet(t, err)
	return fault
}

// checkQuiet formats an error, and every error below it, in every way, and looks for what must not be there.
func checkQuiet(t *testing.T, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		for _, verb := range []string{"%v", "%+v", "%s", "%q", "%#v", "%x"} {
			shown := fmt.Sprintf(verb, err)
			if strings.Contains(shown, testKey) || strings.Contains(shown, fmt.Sprintf("%x", testKey)) {
				t.Errorf("%s of %T shows the key: %s", verb, err, shown)
			}
		}
		var fault *Error
		if !errors.As(err, &fault) {
			continue
		}
		if n := len([]rune(err.Error())); n > 3*maxMessageRunes {
			t.Errorf("error text of %d runes", n)
		}
		if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("error text with control characters: %q", err.Error())
		}
	}
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// roundTripper is a fake transport as a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
