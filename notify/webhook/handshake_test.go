package webhook

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// consenting is a receiver that answers the handshake by the CloudEvents library.
func consenting(t *testing.T, config *cehttp.WebhookConfig) (*receiver, *atomic.Int32, *atomic.Pointer[http.Header]) {
	t.Helper()
	protocol, err := cehttp.New()
	must(t, err)
	protocol.WebhookConfig = config
	var asked atomic.Int32
	var seen atomic.Pointer[http.Header]
	in := startReceiver(t, nil)
	deliveries := in.Config.Handler
	in.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodOptions {
			deliveries.ServeHTTP(w, r)
			return
		}
		asked.Add(1)
		seen.Store(&r.Header)
		protocol.OptionsHandler(w, r)
	})
	return in, &asked, &seen
}

func TestAReceiverIsAskedOnceBeforeItsFirstDelivery(t *testing.T) {
	rate := 60_000
	in, asked, seen := consenting(t, &cehttp.WebhookConfig{AllowedOrigins: []string{"vidbell.example.com"}, AllowedRate: &rate})
	e := startEngine(t)
	r := e.dispatch([]Endpoint{{
		Name: "a", URL: in.URL, HandshakeOrigin: "vidbell.example.com", HandshakeRate: 600, Headers: map[string]string{"X-Key": "k"},
	}})
	for i := range 20 {
		e.append("done", i)
	}
	eventually(t, "twenty deliveries", func() bool { return len(in.seen()) == 20 })
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
	h := *seen.Load()
	if h.Get("WebHook-Request-Origin") != "vidbell.example.com" || h.Get("WebHook-Request-Rate") != "600" || h.Get("X-Key") != "k" {
		t.Errorf("asked with %v", h)
	}
	for _, q := range in.seen() {
		if q.header.Get("WebHook-Request-Origin") != "vidbell.example.com" {
			t.Fatalf("a delivery without the origin that was agreed to: %v", q.header)
		}
	}
	if perMinute, limited := r.roster().lanes[0].target.consent.granted(); perMinute != rate || !limited {
		t.Errorf("granted %d, limited %v", perMinute, limited)
	}
	if perSecond := r.roster().lanes[0].rate.Limit(); perSecond != 1000 {
		t.Errorf("the limiter has %v a second", perSecond)
	}
}

func TestNothingIsSentToAReceiverThatDidNotAgree(t *testing.T) {
	in, asked, _ := consenting(t, &cehttp.WebhookConfig{AllowedOrigins: []string{"other.example.com"}})
	e := startEngine(t)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, HandshakeOrigin: "vidbell.example.com", Schedule: schedule(t, "0,20ms,20ms,20ms,20ms")}})
	e.append("done", 1)
	eventually(t, "the dead letter", func() bool { return len(e.messages(e.names.DeadStream(), ">")) == 1 })
	letter := e.messages(e.names.DeadStream(), ">")[0].Header
	if letter.Get(HeaderAttempts) != "5" || !strings.Contains(letter.Get(HeaderDetail), "handshake: 400 Bad Request, no WebHook-Allowed-Origin") {
		t.Errorf("the letter says %v", letter)
	}
	if len(in.seen()) != 0 || asked.Load() != 5 {
		t.Errorf("%d deliveries, asked %d times", len(in.seen()), asked.Load())
	}
	if r.logs.FilterMessage("webhook attempt failed").Len() == 0 {
		t.Error("nothing is logged")
	}
}

func TestAnAnswerToTheHandshakeIsReadByItsHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		header map[string]string
		rate   int
		why    string
	}{
		"our origin":           {map[string]string{"WebHook-Allowed-Origin": "Vidbell.Example.Com"}, 0, ""},
		"every origin":         {map[string]string{"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"}, 0, ""},
		"a rate":               {map[string]string{"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": " 100 "}, 100, ""},
		"a rate past all use":  {map[string]string{"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "9000000000000000000"}, 1<<31 - 1, ""},
		"no header":            {nil, 0, "no WebHook-Allowed-Origin"},
		"another origin":       {map[string]string{"WebHook-Allowed-Origin": "x.example"}, 0, `WebHook-Allowed-Origin is "x.example"`},
		"no number for a rate": {map[string]string{"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "fast"}, 0, `WebHook-Allowed-Rate is "fast"`},
		"a rate of zero":       {map[string]string{"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "0"}, 0, `WebHook-Allowed-Rate is "0"`},
	} {
		h := http.Header{}
		for key, value := range c.header {
			h.Set(key, value)
		}
		if rate, why := readConsent(h, "vidbell.example.com"); rate != c.rate || !strings.HasPrefix(why, c.why) || (c.why == "") != (why == "") {
			t.Errorf("%s: %d %q", name, rate, why)
		}
	}
}

func TestSettingsOfTheHandshakeAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		origin string
		rate   int
		want   string
	}{
		"a name":              {"vidbell.example.com", 100, ""},
		"a URL":               {"https://vidbell.example.com", 0, "handshake_origin: use the DNS name"},
		"a name with a space": {"vidbell example", 0, "handshake_origin: use the DNS name"},
		"a negative rate":     {"vidbell.example.com", -1, "handshake_rate: -1 is out of range"},
		"a rate alone":        {"", 5, "handshake_rate: it is asked for in the handshake"},
	} {
		err := ValidateEndpoint(Endpoint{Name: "a", URL: "https://host/", HandshakeOrigin: c.origin, HandshakeRate: c.rate})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
