package memories

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestBodyResetHalfway(t *testing.T) {
	fault := mustFail(t, newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, ofVideos(`{"video_no":"a"}`))
		_ = http.NewResponseController(w).Flush()
		reset(t, w)
	}), ClassNetwork)
	if fault.HTTPStatus != http.StatusOK || fault.Err == nil {
		t.Errorf("got %+v", fault)
	}
}

// TestChunkedBodyCutAfterAWholeDocument is the trap of reading JSON from a stream: the document is whole, the body not.
func TestChunkedBodyCutAfterAWholeDocument(t *testing.T) {
	mustFail(t, newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, ofVideos())
		_ = http.NewResponseController(w).Flush()
		reset(t, w)
	}), ClassNetwork)
}

func TestConnectionResetBeforeAnAnswer(t *testing.T) {
	var requests atomic.Int32
	mustFail(t, newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		reset(t, w)
	}), ClassNetwork)
	if requests.Load() != 1 {
		t.Errorf("%d requests", requests.Load())
	}
}

func reset(t *testing.T, w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func TestNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	fault := mustFail(t, clientFor(t, "http://"+listener.Addr().String()), ClassNetwork)
	if fault.HTTPStatus != 0 || strings.Contains(fault.Error(), "list_videos") {
		t.Errorf("got %v", fault)
	}
}

func TestServerThatSpeaksNoHTTP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, "\x1b[31m"+testKey+strings.Repeat("!", 5000)+"\r\n\r\n")
			_ = conn.Close()
		}
	}()
	fault := mustFail(t, clientFor(t, "http://"+listener.Addr().String()), ClassNetwork)
	if !strings.Contains(fault.Error(), keyPlaceholder) {
		t.Errorf("got %v", fault)
	}
}

func TestEndlessBody(t *testing.T) {
	mustFail(t, newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		for chunk := strings.Repeat(" ", 1<<20); ; {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	}), ClassTooLarge)
}

func TestEndlessErrorBodyKeepsItsStatus(t *testing.T) {
	mustFail(t, newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		for chunk := strings.Repeat("x", 1<<20); ; {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	}), ClassUnavailable)
}

func TestDeclaredLengthAboveTheBoundIsNotRead(t *testing.T) {
	mustFail(t, newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(maxBodyBytes+1))
		_ = http.NewResponseController(w).Flush()
	}), ClassTooLarge)
}

func TestBodyAtTheBoundIsRead(t *testing.T) {
	body := ofVideos(`{"video_no":"a"}`)
	body += strings.Repeat(" ", maxBodyBytes-len(body))
	if page := mustList(t, newTestClient(t, answeringJSON(body)), Query{}); len(page.Videos) != 1 {
		t.Errorf("got %+v", page)
	}
	mustFail(t, newTestClient(t, answeringJSON(body+" ")), ClassTooLarge)
}

func TestGzipBomb(t *testing.T) {
	mustFail(t, newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		for chunk := make([]byte, 1<<20); ; {
			if _, err := z.Write(chunk); err != nil {
				return
			}
		}
	}), ClassTooLarge)
}

func TestGzipThatIsNone(t *testing.T) {
	mustFail(t, newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, ofVideos())
	}), ClassMalformed)
}

func TestPageOfTooManyItems(t *testing.T) {
	items := strings.Repeat("{},", maxItems-1)
	page := mustList(t, newTestClient(t, answeringJSON(ofVideos(items+`{}`))), Query{})
	if page.Received != maxItems || page.Skipped != maxItems {
		t.Errorf("received %d, skipped %d", page.Received, page.Skipped)
	}
	mustFail(t, newTestClient(t, answeringJSON(ofVideos(items+`{},{}`))), ClassTooLarge)
}

func TestSlowDripEndsWithTheTimeout(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusServiceUnavailable} {
		client := newTestClient(t, drip(status), func(c *Config) { c.Timeout = 150 * time.Millisecond })
		want := ClassTimeout
		if status != http.StatusOK {
			want = ClassUnavailable // the status arrived in time, and says more
		}
		mustFail(t, client, want)
	}
}

// drip never stalls for long enough to be noticed by a limit on single reads, and never ends.
func drip(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
			}
		}
	}
}

func TestSwitchingProtocolsDoesNotHang(t *testing.T) {
	mustFail(t, newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_, _ = conn.Read(make([]byte, 1)) // until the client closes
		_ = conn.Close()
	}), ClassMalformed)
}

func TestHeadersWithoutEnd(t *testing.T) {
	mustFail(t, newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 100 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 4096))
		}
	}), ClassNetwork)
}

// TestRedirectIsNotFollowed: a redirect could carry the key to another host, and 307 repeats the body too.
func TestRedirectIsNotFollowed(t *testing.T) {
	var strayed atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, target := range []string{other.URL + "/login?key=" + testKey, "/elsewhere", "", "://x", "http://" + testKey + ".example/"} {
			client := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/"+listPath {
					strayed.Add(1)
				}
				w.Header().Set("Location", target)
				w.WriteHeader(status)
				_, _ = io.WriteString(w, ofVideos(`{"video_no":"a"}`))
			})
			fault := mustFail(t, client, ClassMalformed)
			if fault.HTTPStatus != status || strings.Contains(fault.Error(), "login") {
				t.Errorf("got %v", fault)
			}
		}
	}
	if strayed.Load() != 0 {
		t.Errorf("%d requests followed", strayed.Load())
	}
}

// TestKeyNeverShows plays platforms that quote the key wherever they can; mustFail looks for it.
func TestKeyNeverShows(t *testing.T) {
	long := strings.Repeat("x", 190)
	tests := []struct {
		name  string
		class Class
		body  string
	}{
		{"in the message", ClassUnauthorized, refusal(`"0401"`, "invalid key "+testKey)},
		{"in the message, across the cut", ClassUnauthorized, refusal(`"0401"`, long+testKey+long)},
		{"in the code", ClassUnknown, refusal(`"`+testKey+`"`, "no")},
		{"in the message, escaped", ClassUnauthorized, `{"code":"0401","msg":"` + strings.ReplaceAll(testKey, "-", `\u002d`) + `"}`},
		{"many times", ClassUnauthorized, refusal(`"0401"`, strings.Repeat(testKey, 1000))},
		{"in a body that is no JSON", ClassMalformed, testKey},
		{"beside a whole page", ClassUnknown, `{"code":"0000","failed":true,"msg":"` + testKey + `","data":` + validVideos + `}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
				answering(200, "text/"+testKey, tt.body)(w, r)
			})
			t.Log(mustFail(t, client, tt.class))
		})
	}
}

func TestKeyInATransportErrorDoesNotShow(t *testing.T) {
	client := clientFor(t, "http://platform.invalid", func(c *Config) {
		c.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("proxy refused %s", r.Header.Get("Authorization"))
		})
	})
	mustFail(t, client, ClassNetwork)
}

func TestControlCharactersInMessagesAreEscaped(t *testing.T) {
	client := newTestClient(t, answeringJSON(`{"code":"77\n77","msg":"a\u001b[31m\r\nlevel=error \u202eb é 网"}`))
	fault := mustFail(t, client, ClassUnknown)
	if want := `a\x1b[31m\r\nlevel=error \u202eb é 网`; fault.Message != want {
		t.Errorf("message %s, want %s", fault.Message, want)
	}
	if want := `77\n77`; fault.Code != want {
		t.Errorf("code %s, want %s", fault.Code, want)
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	for _, msg := range []string{strings.Repeat("x", 100_000), strings.Repeat("网", 100_000), strings.Repeat(`\u0000`, 1000)} {
		fault := mustFail(t, newTestClient(t, answeringJSON(`{"code":"7777","msg":"`+msg+`"}`)), ClassUnknown)
		if n := len([]rune(fault.Message)); n > maxMessageRunes {
			t.Errorf("message of %d runes", n)
		}
	}
}

func TestTransportWithoutABody(t *testing.T) {
	client := clientFor(t, "http://platform.invalid", func(c *Config) {
		c.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}}, nil
		})
	})
	mustFail(t, client, ClassUnavailable)
}

func TestUnknownHostIsNetwork(t *testing.T) {
	client := clientFor(t, "http://platform.invalid", func(c *Config) {
		c.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "platform.invalid", IsNotFound: true}}
		})
	})
	fault := mustFail(t, client, ClassNetwork)
	var dns *net.DNSError
	if !errors.As(fault, &dns) {
		t.Error("the cause cannot be reached")
	}
}

func TestCallerThatGaveUpSendsNothing(t *testing.T) {
	var requests atomic.Int32
	client := newTestClient(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	page, err := client.List(ctx, Query{})
	fault := checkFault(t, page, err, ClassCanceled)
	if !errors.Is(fault, context.Canceled) || requests.Load() != 0 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

func TestCallerGivesUpDuringTheBody(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	client := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "{")
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-r.Context().Done()
	})
	page, err := client.List(ctx, Query{})
	checkFault(t, page, err, ClassCanceled)
}
