package webhook

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// privateText is a whsk_ key, in either of its lengths.
func privateText(seed byte, whole bool) string {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	if !whole {
		key = key[:ed25519.SeedSize]
	}
	return privatePrefix + base64.StdEncoding.EncodeToString(key)
}

// verifyAsymmetric does what a receiver with a whpk_ key does.
func verifyAsymmetric(t *testing.T, public string, q request) bool {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(public, publicPrefix))
	must(t, err)
	signed := q.header.Get("Webhook-Id") + "." + q.header.Get("Webhook-Timestamp") + "." + string(q.body)
	for _, entry := range strings.Fields(q.header.Get("Webhook-Signature")) {
		text, ok := strings.CutPrefix(entry, "v1a,")
		if !ok {
			continue
		}
		signature, err := base64.StdEncoding.DecodeString(text)
		must(t, err)
		if ed25519.Verify(key, []byte(signed), signature) {
			return true
		}
	}
	return false
}

func TestEveryKeyOfAListSigns(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	e.dispatch([]Endpoint{{
		Name: "a", URL: in.URL, Secrets: []string{privateText(1, true), secretText(1), privateText(2, false), secretText(2)},
	}})
	e.append("done", 1)
	eventually(t, "the delivery", func() bool { return len(in.seen()) == 1 })
	got := in.seen()[0]
	if versions := regexp.MustCompile(`v1a?,`).FindAllString(got.header.Get("Webhook-Signature"), -1); strings.Join(versions, "") != "v1,v1,v1a,v1a," {
		t.Errorf("entries are %v, want the shared ones first", versions)
	}
	for _, seed := range []byte{1, 2} {
		official, err := standardwebhooks.NewWebhook(secretText(seed))
		must(t, err)
		if err := official.Verify(got.body, got.header); err != nil {
			t.Errorf("secret %d: %v", seed, err)
		}
		secret, err := ParseSecret(privateText(seed, false))
		must(t, err)
		if !verifyAsymmetric(t, secret.PublicKey(), got) {
			t.Errorf("ed25519 key %d does not verify", seed)
		}
	}
	stranger, err := ParseSecret(privateText(3, true))
	must(t, err)
	if verifyAsymmetric(t, stranger.PublicKey(), got) {
		t.Error("a key that did not sign verifies")
	}
}

func TestSignIsAnEntryOfTheHeader(t *testing.T) {
	at, body := time.Unix(1674087231, 0), []byte(`{}`)
	for _, text := range []string{secretText(1), privateText(1, true)} {
		secret, err := ParseSecret(text)
		must(t, err)
		if one, all := Sign(secret, "evt_1", at, body), signatures([]Secret{secret}, "evt_1", "1674087231", body); one != all {
			t.Errorf("%s, the header has %s", one, all)
		}
	}
}

func TestAPrivateKeyIsNeverPrinted(t *testing.T) {
	secret, err := ParseSecret(privateText('Q', false))
	must(t, err)
	encoded, err := json.Marshal(secret)
	must(t, err)
	for _, text := range []string{string(encoded), secret.String(), secret.GoString()} {
		if !strings.Contains(text, "whsk_[hidden]") {
			t.Errorf("it prints as %s", text)
		}
	}
}

func TestBothContentTypesCarryTheSameBytes(t *testing.T) {
	e := startEngine(t)
	standard, cloud := startReceiver(t, nil), startReceiver(t, nil)
	e.dispatch([]Endpoint{
		{Name: "standard", URL: standard.URL, Format: FormatStandard},
		{Name: "cloud", URL: cloud.URL, Format: FormatCloudEvents},
	})
	id := e.append("done", 1)
	eventually(t, "both deliveries", func() bool { return len(standard.seen()) == 1 && len(cloud.seen()) == 1 })
	a, b := standard.seen()[0], cloud.seen()[0]
	if !bytes.Equal(a.body, b.body) || !bytes.Equal(a.body, eventBody(id, "video.done", "VI1")) {
		t.Errorf("the bodies differ:\n%s\n%s", a.body, b.body)
	}
	if a.header.Get("Content-Type") != "application/json" || b.header.Get("Content-Type") != "application/cloudevents+json" {
		t.Errorf("content types are %q and %q", a.header.Get("Content-Type"), b.header.Get("Content-Type"))
	}
}

func TestTheCloudEventsLibraryReadsTheRequestItself(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Format: FormatCloudEvents}})
	id := e.append("failed", 7)
	eventually(t, "the delivery", func() bool { return len(in.seen()) == 1 })
	got := in.seen()[0]
	event, err := cehttp.NewEventFromHTTPRequest(&http.Request{Header: got.header, Body: io.NopCloser(bytes.NewReader(got.body))})
	must(t, err)
	must(t, event.Validate())
	if event.ID() != id || event.Subject() != "VI7" || event.Source() != "urn:vidbell:default" {
		t.Errorf("the library reads %s", event)
	}
}

func TestHeadersOfAnEndpointGoWithEveryRequest(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Headers: map[string]string{"authorization": "Bearer hush", "X-Team": "media"}}})
	e.append("done", 1)
	e.append("done", 2)
	eventually(t, "two deliveries", func() bool { return len(in.seen()) == 2 })
	for _, q := range in.seen() {
		if q.header.Get("Authorization") != "Bearer hush" || q.header.Get("X-Team") != "media" {
			t.Errorf("%v", q.header)
		}
	}
	for _, entry := range r.logs.All() {
		if encoded, _ := json.Marshal(entry.ContextMap()); strings.Contains(string(encoded), "hush") {
			t.Errorf("a header's value is logged: %s", encoded)
		}
	}
}

func TestHeadersThatCannotBeSetAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		headers map[string]string
		want    string // empty: nothing to complain about
	}{
		"a token":                          {map[string]string{"Authorization": "Bearer x"}, ""},
		"an empty value":                   {map[string]string{"X-Empty": ""}, ""},
		"the content type":                 {map[string]string{"content-type": "hidden"}, `headers["content-type"]: this header is reserved: the format decides`},
		"the id":                           {map[string]string{"Webhook-Id": "hidden"}, `headers["Webhook-Id"]: this header is reserved: what begins with webhook-`},
		"the origin of a handshake":        {map[string]string{"WebHook-Request-Origin": "hidden"}, "what begins with webhook-"},
		"the trace":                        {map[string]string{"traceparent": "hidden"}, "reserved: each attempt has its own"},
		"the host":                         {map[string]string{"Host": "hidden"}, "reserved: it comes from the URL"},
		"the length":                       {map[string]string{"Content-Length": "hidden"}, "reserved: it follows from the body"},
		"the user agent":                   {map[string]string{"user-agent": "hidden"}, "reserved: receivers know vidbell by it"},
		"a proxy's password":               {map[string]string{"Proxy-Authorization": "hidden"}, "reserved: no proxy is used"},
		"a value in place of the name":     {map[string]string{"Authorization: Bearer hidden": ""}, "headers[?]: this is not a header name"},
		"no name":                          {map[string]string{"": "hidden"}, "headers[?]: this is not a header name"},
		"a line break in the value":        {map[string]string{"X-A": "hidden\r\nX-B: 1"}, `headers["X-A"]: the value must be printable ASCII`},
		"a trailing space":                 {map[string]string{"X-A": "hidden "}, "no space at its ends"},
		"a letter beyond ASCII":            {map[string]string{"X-A": "hidden ü"}, "printable ASCII"},
		"a value past what servers accept": {map[string]string{"X-A": strings.Repeat("hidden", 1000)}, "the value has 6000 bytes, use at most 4096"},
		"one name in two spellings":        {map[string]string{"X-A": "1", "x-a": "2"}, `headers["x-a"]: it is there twice`},
	} {
		err := ValidateEndpoint(Endpoint{Name: "a", URL: "https://host/", Headers: c.headers})
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		case err != nil && strings.Contains(err.Error(), "hidden"):
			t.Errorf("%s: the error shows what is hidden: %v", name, err)
		}
	}
	err := ValidateEndpoint(Endpoint{Name: "a", URL: "https://u:p@host/", Headers: map[string]string{"Authorization": "Bearer x"}})
	if err == nil || !strings.Contains(err.Error(), "keep one of the two") {
		t.Errorf("user info and an Authorization header together: %v", err)
	}
}

var tracePattern = regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-01$`)

func TestAttemptsOfADeliveryShareATraceAndHaveTheirOwnSpans(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	in.answers(func(w http.ResponseWriter, _ *http.Request) {
		if len(in.seen()) < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0,20ms,20ms,20ms")}})
	first := e.append("done", 1)
	eventually(t, "three attempts", func() bool { return in.count(first) == 3 })
	second := e.append("done", 2)
	eventually(t, "another event", func() bool { return in.count(second) == 1 })
	traces, spans := map[string]bool{}, map[string]bool{}
	for _, q := range in.seen() {
		parts := tracePattern.FindStringSubmatch(q.header.Get("Traceparent"))
		if len(parts) != 3 || strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
			t.Fatalf("traceparent is %q", q.header.Get("Traceparent"))
		}
		traces[parts[1]], spans[parts[2]] = true, true
	}
	if len(traces) != 2 || len(spans) != 4 {
		t.Errorf("%d traces and %d spans, want 2 and 4", len(traces), len(spans))
	}
}

// TestTheJavaScriptLibraryVerifies asks the official library, installed by npm into a temporary directory. What cannot be had
// skips the test, and says so.
func TestTheJavaScriptLibraryVerifies(t *testing.T) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED, NOT CHECKED against the JavaScript library: there is no %s", tool)
		}
	}
	if testing.Short() {
		t.Skip("SKIPPED, NOT CHECKED against the JavaScript library: -short")
	}
	dir := t.TempDir()
	install := exec.CommandContext(t.Context(), "npm", "install", "--no-audit", "--no-fund", "--prefix", dir, "standardwebhooks@1.1.1")
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, NOT CHECKED against the JavaScript library: npm install: %v\n%s", err, out)
	}
	script := filepath.Join(dir, "verify.cjs")
	must(t, os.WriteFile(script, []byte(`
const { Webhook } = require("standardwebhooks");
const { body, headers, secret } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const event = new Webhook(secret).verify(Buffer.from(body, "base64"), headers);
process.stdout.write(event.id);
`), 0o600))

	e, in := startEngine(t), startReceiver(t, nil)
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Secrets: []string{privateText(1, true), secretText(1), secretText(2)}}})
	id := e.append("done", 1)
	eventually(t, "the delivery", func() bool { return len(in.seen()) == 1 })
	got := in.seen()[0]
	headers := map[string]string{}
	for key := range got.header {
		headers[strings.ToLower(key)] = got.header.Get(key)
	}
	for seed, want := range map[byte]bool{1: true, 2: true, 3: false} {
		input, err := json.Marshal(map[string]any{"body": got.body, "headers": headers, "secret": secretText(seed)})
		must(t, err)
		node := exec.CommandContext(t.Context(), "node", script)
		node.Stdin = bytes.NewReader(input)
		out, err := node.Output()
		if verified := err == nil && string(out) == id; verified != want {
			t.Errorf("secret %d: verified %v, want %v: %s %v", seed, verified, want, out, err)
		}
	}
}
