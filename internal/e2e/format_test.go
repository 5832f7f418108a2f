package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"vidbell/internal/simulator"
)

// channel is a chat's webhook: it takes what it is sent, and verifies nothing.
type channel struct {
	t      testing.TB
	server *httptest.Server

	mu       sync.Mutex
	messages []string
}

func newChannel(t testing.TB) *channel {
	t.Helper()
	c := &channel{t: t}
	c.server = httptest.NewServer(c)
	t.Cleanup(c.server.Close)
	return c
}

// ServeHTTP answers as Slack does.
func (c *channel) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil || req.Header.Get("Content-Type") != "application/json" || req.Header.Get("X-Team") != "e2e-team-9Vb2Lq7Rk" {
		c.t.Errorf("%v, %v: %s", err, req.Header, body)
	}
	c.mu.Lock()
	c.messages = append(c.messages, string(body))
	c.mu.Unlock()
	_, _ = io.WriteString(w, "ok")
}

func (c *channel) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.messages, "\n")
}

// A failure is told to a channel in the form that Slack reads. That of a video which the filter leaves out is not, though it
// came first.
func TestSlackAndFilter(t *testing.T) {
	t.Parallel()
	from, to := newPlatform(t, simulator.WordsListed(), 3, 0), newChannel(t)
	p := start(t, local(t, from).with(
		"WEBHOOK_URL", to.server.URL+"/services/T0/B0/e2e", "WEBHOOK_FORMAT", "slack", "WEBHOOK_EVENTS", "video.failed",
		"WEBHOOK_FILTER", `data.video_name startsWith "raw_"`, "WEBHOOK_LINK", "https://console.example/{video_no}",
		"WEBHOOK_GROUP_MAX", "1", "WEBHOOK_HEADERS", "X-Team=e2e-team-9Vb2Lq7Rk"))
	p.mustHaveBaseline()
	fail := func(name string) string {
		return from.sim.Add(namespace, simulator.Video{Name: name, Raw: from.word(failed), Cause: cause})
	}
	out := fail("cut_1.mp4")
	p.eventually("the filter leaves it out", func() bool { return p.metric("vidbell_webhook_filtered_total") == 1 })
	in := fail("raw_2.mp4")
	p.eventually("a message", func() bool { return to.all() != "" })
	p.stop()

	var message struct {
		Text   string            `json:"text"`
		Blocks []json.RawMessage `json:"blocks"`
	}
	must(t, json.Unmarshal([]byte(to.all()), &message)) // it is one
	if message.Text != ":red_circle: Video failed: raw_2.mp4" || len(message.Blocks) == 0 {
		t.Errorf("the message is %s", to.all())
	}
	for _, want := range []string{cause, "<https://console.example/" + in + "|" + in + ">"} {
		if !strings.Contains(to.all(), want) {
			t.Errorf("no %q in %s", want, to.all())
		}
	}
	if strings.Contains(to.all(), out) {
		t.Errorf("%s was to be left out: %s", out, to.all())
	}
}
