package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vidbell/internal/simulator"
)

const exampleSecret = "whsec_ZTJlLWV4YW1wbGUtc2VjcmV0LTI0LWJ5dGVzLSEh"

// Each receiver has every event that it is sent, once, with both content types.
func TestReceiverExamples(t *testing.T) {
	t.Parallel()
	for _, ex := range receivers() {
		t.Run(ex.name, func(t *testing.T) {
			t.Parallel()
			cmd := ex.make(t)
			from, address := newPlatform(t, simulator.WordsPlain(), 10, 12), freeAddress(t)
			inbox := filepath.Join(t.TempDir(), "inbox")
			r := startExample(t, cmd, inbox, "LISTEN", address, "VIDBELL_WEBHOOK_SECRET", exampleSecret)
			r.listening(address)
			data := t.TempDir()
			s := from.settings().with("DATA_DIR", data, "NATS_LISTEN", "off", "HTTP_LISTEN", freeAddress(t),
				"WEBHOOK_URL", "http://"+address+"/hooks/videos?token=e2e-3bXs8Kd0", "WEBHOOK_SECRET", newReceiver(t).secret+","+exampleSecret)
			for i, format := range []string{"standard", "cloudevents"} {
				p := start(t, s.with("WEBHOOK_FORMAT", format))
				p.mustBeReady()
				p.mustHaveBaseline()
				for range 3 {
					from.finish(done)
					from.finish(failed)
				}
				p.eventually("the events at the receiver", func() bool { return len(r.took()) == 6*(i+1) })
				p.eventually("nothing waits", func() bool { return p.metric("vidbell_webhook_pending") == 0 })
				if n := p.metric("vidbell_webhook_attempts_total", `result="delivered"`); n != 6 {
					t.Errorf("%v attempts succeeded, want 6", n)
				}
				p.stop()
			}
			r.mustHave(readLog(t, openData(t, data)), done, failed)
			attack(t, r, "http://"+address+"/hooks/videos")
		})
	}
}

// call is a request at a receiver, as its sender would make it; cases change one thing.
type call struct {
	id, secret, body string
	signed           string // the body that the signature is over, when it is another
	sent             time.Time
	header           func(http.Header)
}

func (c call) send(t *testing.T, url string) int {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(c.secret, "whsec_"))
	must(t, err)
	if c.signed == "" {
		c.signed = c.body
	}
	seconds := strconv.FormatInt(c.sent.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", c.id, seconds, c.signed)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader([]byte(c.body)))
	must(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("webhook-id", c.id)
	req.Header.Set("webhook-timestamp", seconds)
	req.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	if c.header != nil {
		c.header(req.Header)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0 // cut off: as good a refusal as any
	}
	must(t, resp.Body.Close())
	return resp.StatusCode
}

// attack sends what a receiver must not take, and what it must take although it looks odd.
func attack(t *testing.T, r *program, url string) {
	t.Helper()
	n := 0
	genuine := func(edit func(*call)) call {
		n++
		c := call{id: fmt.Sprintf("evt_attack%d", n), secret: exampleSecret, sent: time.Now()}
		c.body = fmt.Sprintf(`{"id":%q,"type":"video.done","data":{"video_name":"火 é <b>"}}`, c.id)
		if edit != nil {
			edit(&c)
		}
		return c
	}
	const other = "whsec_YW5vdGhlci1zZWNyZXQtb2YtMjQtYnl0ZXMhISEh"
	signature := func(edit func(string) string) func(*call) {
		return func(c *call) {
			c.header = func(h http.Header) { h.Set("webhook-signature", edit(h.Get("webhook-signature"))) }
		}
	}
	without := func(name string) func(*call) {
		return func(c *call) { c.header = func(h http.Header) { h.Del(name) } }
	}
	for name, edit := range map[string]func(*call){
		"of another secret":          func(c *call) { c.secret = other },
		"of an empty secret":         func(c *call) { c.secret = "whsec_" },
		"with another body":          func(c *call) { c.signed = c.body + " " },
		"from six minutes ago":       func(c *call) { c.sent = c.sent.Add(-6 * time.Minute) },
		"from six minutes ahead":     func(c *call) { c.sent = c.sent.Add(6 * time.Minute) },
		"without a signature":        without("webhook-signature"),
		"without an id":              without("webhook-id"),
		"without a time":             without("webhook-timestamp"),
		"with no version":            signature(func(s string) string { return strings.TrimPrefix(s, "v1,") }),
		"with a version of its own":  signature(func(s string) string { return strings.Replace(s, "v1,", "v2,", 1) }),
		"with rubbish for signature": signature(func(string) string { return "v1,!!! , v1 ,,, v1,\xff" }),
		"with half a signature":      signature(func(s string) string { return s[:20] }),
		"with a time of words":       func(c *call) { c.header = func(h http.Header) { h.Set("webhook-timestamp", "now") } },
		"with a time beyond all":     func(c *call) { c.header = func(h http.Header) { h.Set("webhook-timestamp", strings.Repeat("9", 400)) } },
		"with a path for an id":      func(c *call) { c.id = "evt_/../../x" },
		"with an endless id":         func(c *call) { c.id = "evt_" + strings.Repeat("a", 4000) },
		"of two megabytes":           func(c *call) { c.body = strings.Repeat("x", 2<<20) },
	} {
		before := len(r.took())
		if status := genuine(edit).send(t, url); status != 0 && status/100 != 4 {
			t.Errorf("a request %s is answered %d", name, status)
		}
		if len(r.took()) != before {
			t.Errorf("a request %s is stored", name)
		}
	}
	for name, edit := range map[string]func(*call){
		"as it should be":       nil,
		"of two secrets":        signature(func(s string) string { return "v1," + strings.Repeat("A", 43) + "= " + s }),
		"of two keys":           signature(func(s string) string { return "v1a," + strings.Repeat("A", 86) + "== " + s }),
		"from four minutes ago": func(c *call) { c.sent = c.sent.Add(-4 * time.Minute) },
		"with another type": func(c *call) {
			c.header = func(h http.Header) { h.Set("Content-Type", "application/cloudevents+json; charset=utf-8") }
		},
		"of half a megabyte":     func(c *call) { c.body = `{"id":"` + c.id + `","x":"` + strings.Repeat("火", 150_000) + `"}` },
		"with a body of its own": func(c *call) { c.body = "{ \"b\": 1.0e2,\n \"a\" : \"\\u00e9\\/\" }" },
	} {
		c := genuine(edit)
		for try := range 3 {
			c.sent = c.sent.Add(time.Duration(try) * time.Second)
			if status := c.send(t, url); status != http.StatusNoContent {
				t.Errorf("a request %s is answered %d at try %d", name, status, try+1)
			}
		}
		if r.took()[c.id] != c.body {
			t.Errorf("a request %s is stored as %.100q", name, r.took()[c.id])
		}
		if n := r.times(c.id); n != 1 {
			t.Errorf("a request %s is worked on %d times", name, n)
		}
	}
	if outside, err := os.ReadDir(filepath.Dir(r.inbox)); err != nil || len(outside) != 1 {
		t.Errorf("beside the inbox: %v %v", outside, err)
	}
	if drafts, err := filepath.Glob(filepath.Join(r.inbox, "*.new")); err != nil || len(drafts) > 0 {
		t.Errorf("drafts are left: %v %v", drafts, err)
	}
}

// No receiver starts with a secret that anyone could guess.
func TestReceiverExamplesRefuseWeakSecrets(t *testing.T) {
	t.Parallel()
	for _, ex := range receivers() {
		t.Run(ex.name, func(t *testing.T) {
			t.Parallel()
			cmd := ex.make(t)
			for _, secret := range []string{"", "whsec_", "whsec_c2hvcnQ=", "password", "whsec_!!!!"} {
				pairs := []string{"LISTEN", "127.0.0.1:0", "VIDBELL_WEBHOOK_SECRET", secret}
				if secret == "" {
					pairs = slices.Delete(pairs, 2, 4)
				}
				r := startExample(t, cmd, filepath.Join(t.TempDir(), "inbox"), pairs...)
				if code := r.wait(); code == 0 || !strings.Contains(r.output.String(), "VIDBELL_WEBHOOK_SECRET") {
					t.Errorf("with %q it ends with %d: %s", secret, code, r.output.tail())
				}
			}
		})
	}
}
