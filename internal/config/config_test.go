package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vidbell/internal/config"
)

// setEnv makes the environment hold these VIDBELL_ variables, and an API key, and no others: set but empty is unset.
func setEnv(t *testing.T, pairs ...string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "VIDBELL_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("VIDBELL_API_KEY", "key-1")
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}

func mustLoad(t *testing.T, pairs ...string) *config.Config {
	t.Helper()
	setEnv(t, pairs...)
	c, err := config.Load()
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	var problems config.Problems
	if c.ValidateSources(&problems); problems != nil {
		t.Errorf("what was loaded is not valid: %v", problems)
	}
	return c
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestDefaults(t *testing.T) {
	c := mustLoad(t)
	if len(c.Accounts) != 1 || c.Accounts[0].Key.Reveal() != "key-1" {
		t.Fatalf("Accounts = %+v", c.Accounts)
	}
	if a := c.Accounts[0]; a.Name != "default" || a.URL != "https://api.memories.ai" || a.RateLimit != 1 {
		t.Errorf("Accounts = %+v", c.Accounts)
	}
	want := []config.Source{{
		Name: "default", Account: "default", UniqueID: "default",
		Words: config.Words{
			Parse: config.ParseAuto, Done: []string{"DONE"}, Failed: []string{"FAILED", "FAIL", "PARSE_ERROR", "ERROR"},
			Processing: []string{"UNPARSE", "PENDING", "PROCESSING", "UPLOADING"},
		},
		Poll: config.Poll{
			Interval: 15 * time.Second, MaxInterval: time.Minute, Sweep: 10 * time.Minute,
			Baseline: config.BaselineSilent, StallAfter: time.Hour,
		},
	}}
	if !reflect.DeepEqual(c.Sources, want) {
		t.Errorf("Sources = %+v, want %+v", c.Sources, want)
	}
	if want := []string{"video.done", "video.failed"}; !slices.Equal(c.Webhook.Events, want) {
		t.Errorf("Webhook.Events = %v, want %v", c.Webhook.Events, want)
	}
	if w := c.Webhook; w.Timeout != 15*time.Second || w.InFlight != 16 || w.Schedule != "standard" || w.URLs != nil {
		t.Errorf("Webhook = %+v", w)
	}
	if n := c.NATS; n.External() || n.Listen != "127.0.0.1:4222" || n.Replicas != 1 {
		t.Errorf("NATS = %+v", n)
	}
	if c.HTTP.Listen != "127.0.0.1:8080" || c.Names.Prefix != "video" || c.DataDir != "./vidbell-data" {
		t.Errorf("HTTP %+v, names %+v, data %q", c.HTTP, c.Names, c.DataDir)
	}
	if c.Log != (config.Log{Level: "info", Format: config.LogAuto}) {
		t.Errorf("Log = %+v", c.Log)
	}
}

func TestValuesAreRead(t *testing.T) {
	c := mustLoad(t,
		"VIDBELL_API_URL= http://127.0.0.1:9000/base/ ",
		"VIDBELL_UNIQUE_ID= marketing , , team/a b ",
		"VIDBELL_RATE_LIMIT=0.5",
		"VIDBELL_BASELINE=Emit",
		"VIDBELL_STALL_AFTER=0",
		"VIDBELL_STATUS_PARSE=done",
		"VIDBELL_STATUS_DONE=ready, done",
		"VIDBELL_WEBHOOK_URL=https://a.example/hook?t=1,http://127.0.0.1:1/x",
		"VIDBELL_WEBHOOK_SECRET=whsec_b, whsec_a",
		"VIDBELL_WEBHOOK_EVENTS=video.*,endpoint.d*",
		"VIDBELL_WEBHOOK_ALLOW_NETWORKS=169.254.0.0/16, fd00:ec2::/32",
		"VIDBELL_NATS_URL=nats://user:pass@one:4222, tls://two",
		"VIDBELL_NATS_REPLICAS=3",
		"VIDBELL_SUBJECT_PREFIX=media.video",
		"VIDBELL_INSTANCE=eu1",
		"VIDBELL_HTTP_LISTEN=OFF",
	)
	if a := c.Accounts[0]; a.URL != "http://127.0.0.1:9000/base" || a.RateLimit != 0.5 {
		t.Errorf("Accounts = %+v", c.Accounts)
	}
	if len(c.Sources) != 2 || c.Sources[0].Name != "marketing" || c.Sources[1].UniqueID != "team/a b" {
		t.Errorf("Sources = %v", c.Sources)
	}
	for _, s := range c.Sources { // they differ by their unique_id only
		if s.Account != "default" || s.Poll.Baseline != config.BaselineEmit || s.Poll.StallAfter != 0 {
			t.Errorf("%s: account %q, poll %+v", s.Name, s.Account, s.Poll)
		}
		if want := []string{"READY", "DONE"}; !slices.Equal(s.Words.Done, want) || s.Words.Parse != config.ParseDone {
			t.Errorf("%s: words %+v", s.Name, s.Words)
		}
	}
	if len(c.Webhook.URLs) != 2 || c.Webhook.URLs[0].Reveal() != "https://a.example/hook?t=1" {
		t.Errorf("Webhook.URLs wrong")
	}
	if len(c.Webhook.Secrets) != 2 || c.Webhook.Secrets[1].Reveal() != "whsec_a" {
		t.Errorf("Webhook.Secrets wrong")
	}
	if want := netip.MustParsePrefix("169.254.0.0/16"); c.Webhook.AllowNetworks[0] != want {
		t.Errorf("AllowNetworks = %v", c.Webhook.AllowNetworks)
	}
	if !c.NATS.External() || c.NATS.Replicas != 3 || c.NATS.URLs[1].Reveal() != "tls://two" {
		t.Errorf("NATS = %+v", c.NATS)
	}
	if c.Names.Stream() != "VIDEOS_eu1" || c.HTTP.Listen != "" {
		t.Errorf("Names = %+v, HTTP = %+v", c.Names, c.HTTP)
	}
}

// Every mistake, one at a time: the problem names the variable and says what would be right.
func TestMistakes(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	empty := writeFile(t, "\n")
	folder := t.TempDir()
	noPEM := writeFile(t, "hello")
	cert, key := writeKeyPair(t)
	_, otherKey := writeKeyPair(t)
	big := writeFile(t, strings.Repeat("x", 65<<10))
	long := strings.Repeat("x", 257)

	for _, tc := range []struct {
		sentence string
		env      []string
		want     []string // "NAME: text", whole
	}{
		{"no API key", []string{"VIDBELL_API_KEY="}, []string{
			"VIDBELL_API_KEY: is required: set it, or set VIDBELL_API_KEY_FILE to the path of a file that holds it",
		}},
		{"API key with the word Bearer", []string{"VIDBELL_API_KEY=Bearer abc"}, []string{
			"VIDBELL_API_KEY: is sent as it is: give the key alone, without the word Bearer",
		}},
		{"API key with a line break", []string{"VIDBELL_API_KEY=abc\n"}, []string{
			"VIDBELL_API_KEY: holds a space, a line break or a character that is not ASCII: check how it was copied",
		}},
		{"API key in quote marks, as an env file would have it", []string{`VIDBELL_API_KEY="abc"`}, []string{
			"VIDBELL_API_KEY: the quote marks are part of the value: write it without them",
		}},
		{"API key and file", []string{"VIDBELL_API_KEY_FILE=" + missing}, []string{
			"VIDBELL_API_KEY: VIDBELL_API_KEY_FILE is set too: unset one of them",
		}},
		{"missing secret file", []string{"VIDBELL_API_KEY=", "VIDBELL_API_KEY_FILE=" + missing}, []string{
			fmt.Sprintf("VIDBELL_API_KEY_FILE: cannot read file %q: no such file or directory", missing),
		}},
		{"empty secret file", []string{"VIDBELL_HTTP_TOKEN_FILE=" + empty}, []string{
			fmt.Sprintf("VIDBELL_HTTP_TOKEN_FILE: file %q is empty", empty),
		}},
		{"folder as secret file", []string{"VIDBELL_HTTP_TOKEN_FILE=" + folder}, []string{
			fmt.Sprintf("VIDBELL_HTTP_TOKEN_FILE: cannot read file %q: is a directory", folder),
		}},
		{"a whole disk image as secret file", []string{"VIDBELL_HTTP_TOKEN_FILE=" + big}, []string{
			fmt.Sprintf("VIDBELL_HTTP_TOKEN_FILE: file %q is larger than 64 KiB, that is no secret", big),
		}},
		{"bad text in a secret file is blamed on the file", []string{"VIDBELL_HTTP_TOKEN_FILE=" + writeFile(t, "a b")}, []string{
			"VIDBELL_HTTP_TOKEN_FILE: holds a space, a line break or a character that is not ASCII: check how it was copied",
		}},

		{"API URL without scheme", []string{"VIDBELL_API_URL=api.memories.ai"}, []string{
			"VIDBELL_API_URL: has no scheme, start it with https://",
		}},
		{"API URL of another scheme", []string{"VIDBELL_API_URL=ftp://api.memories.ai"}, []string{
			`VIDBELL_API_URL: scheme "ftp" cannot be used, use http or https`,
		}},
		{"API URL with a password", []string{"VIDBELL_API_URL=https://me:hunter2@api.memories.ai"}, []string{
			"VIDBELL_API_URL: must not hold a user or password (...@)",
		}},
		{"API URL with a query", []string{"VIDBELL_API_URL=https://api.memories.ai?x=1"}, []string{
			"VIDBELL_API_URL: must not have a query (?...)",
		}},
		{"API URL with a fragment", []string{"VIDBELL_API_URL=https://api.memories.ai/#a"}, []string{
			"VIDBELL_API_URL: must not have a fragment (#...)",
		}},
		{"API URL without host", []string{"VIDBELL_API_URL=https://"}, []string{"VIDBELL_API_URL: has no host"}},
		{"API URL that is none", []string{"VIDBELL_API_URL=https://a b"}, []string{"VIDBELL_API_URL: is not a valid URL"}},
		{"API URL with a wrong port", []string{"VIDBELL_API_URL=https://a:99999"}, []string{
			"VIDBELL_API_URL: has a port out of range, use 1 to 65535",
		}},

		{"unique id twice", []string{"VIDBELL_UNIQUE_ID=a,b,a"}, []string{`VIDBELL_UNIQUE_ID: "a" is listed twice`}},
		{"unique id whose derived name is taken", []string{"VIDBELL_UNIQUE_ID=a b," + config.SourceName("a b")}, []string{
			fmt.Sprintf(`VIDBELL_UNIQUE_ID: "a b" and %q would both be named %s, leave one out`,
				config.SourceName("a b"), config.SourceName("a b")),
		}},
		{"unique id that is far too long", []string{"VIDBELL_UNIQUE_ID=" + long}, []string{
			fmt.Sprintf("VIDBELL_UNIQUE_ID: %q is longer than 256 bytes", long[:60]+"..."),
		}},
		{"unique id with a control character", []string{"VIDBELL_UNIQUE_ID=a\x1bb"}, []string{
			`VIDBELL_UNIQUE_ID: "a\x1bb" holds a control character`,
		}},
		{"unique id that is no text", []string{"VIDBELL_UNIQUE_ID=a\xff"}, []string{
			"VIDBELL_UNIQUE_ID: holds text that is not UTF-8",
		}},
		{"list of nothing", []string{"VIDBELL_UNIQUE_ID=, ,"}, []string{
			"VIDBELL_UNIQUE_ID: has no entry between its commas",
		}},

		{"duration without unit", []string{"VIDBELL_POLL_INTERVAL=30"}, []string{
			`VIDBELL_POLL_INTERVAL: "30" has no unit, write 30s`,
		}},
		{"duration in days", []string{"VIDBELL_STALL_AFTER=2d"}, []string{
			`VIDBELL_STALL_AFTER: "2d": days are not a unit here, write 48h`,
		}},
		{"no duration at all", []string{"VIDBELL_SWEEP_INTERVAL=soon"}, []string{
			`VIDBELL_SWEEP_INTERVAL: "soon" is not a duration, write it like 500ms, 15s, 10m or 1h30m`,
		}},
		{"duration too short", []string{"VIDBELL_POLL_INTERVAL=99ms"}, []string{
			`VIDBELL_POLL_INTERVAL: "99ms" is too short, the least is 100ms`,
		}},
		{"negative duration", []string{"VIDBELL_STALL_AFTER=-1h"}, []string{
			`VIDBELL_STALL_AFTER: "-1h" is too short, the least is 100ms`,
		}},
		{"duration too long", []string{"VIDBELL_POLL_MAX_INTERVAL=10000h"}, []string{
			`VIDBELL_POLL_MAX_INTERVAL: "10000h" is too long, the most is 720h`,
		}},
		{"webhook timeout out of range", []string{"VIDBELL_WEBHOOK_TIMEOUT=1m"}, []string{
			`VIDBELL_WEBHOOK_TIMEOUT: "1m" is too long, the most is 30s`,
		}},
		{"largest interval below the interval", []string{"VIDBELL_POLL_INTERVAL=1m", "VIDBELL_POLL_MAX_INTERVAL=30s"}, []string{
			"VIDBELL_POLL_MAX_INTERVAL: 30s is below VIDBELL_POLL_INTERVAL, which is 1m",
		}},
		{"a wrong interval is not compared", []string{"VIDBELL_POLL_INTERVAL=5", "VIDBELL_POLL_MAX_INTERVAL=1s"}, []string{
			`VIDBELL_POLL_INTERVAL: "5" has no unit, write 5s`,
		}},

		{"rate of zero", []string{"VIDBELL_RATE_LIMIT=0"}, []string{
			`VIDBELL_RATE_LIMIT: "0" is out of range, use more than 0 and at most 100`,
		}},
		{"endless rate", []string{"VIDBELL_RATE_LIMIT=inf"}, []string{
			`VIDBELL_RATE_LIMIT: "inf" is out of range, use more than 0 and at most 100`,
		}},
		{"rate that is no number", []string{"VIDBELL_RATE_LIMIT=nan"}, []string{
			`VIDBELL_RATE_LIMIT: "nan" is not a number, write requests a second like 1 or 0.5`,
		}},
		{"rate per something", []string{"VIDBELL_RATE_LIMIT=5/s"}, []string{
			`VIDBELL_RATE_LIMIT: "5/s" is not a number, write requests a second like 1 or 0.5`,
		}},
		{"unknown baseline", []string{"VIDBELL_BASELINE=loud"}, []string{
			`VIDBELL_BASELINE: "loud" is not known, use silent or emit`,
		}},
		{"unknown meaning of PARSE", []string{"VIDBELL_STATUS_PARSE=yes"}, []string{
			`VIDBELL_STATUS_PARSE: "yes" is not known, use auto, done or processing`,
		}},

		{"PARSE in a list", []string{"VIDBELL_STATUS_DONE=DONE,parse"}, []string{
			"VIDBELL_STATUS_DONE: PARSE means different things: take it out of the list and set VIDBELL_STATUS_PARSE to done or processing",
		}},
		{"a word in two lists", []string{"VIDBELL_STATUS_DONE=OK,BAD", "VIDBELL_STATUS_FAILED=BAD"}, []string{
			`VIDBELL_STATUS_FAILED: "BAD" is in VIDBELL_STATUS_DONE too: it must be in one list`,
		}},
		{"one webhook URL of another scheme", []string{"VIDBELL_WEBHOOK_URL=file:///etc/passwd"}, []string{
			`VIDBELL_WEBHOOK_URL: scheme "file" cannot be used, use http or https`,
		}},
		{"two of three webhook URLs wrong", []string{"VIDBELL_WEBHOOK_URL=a.example,https://ok.example,https://u:p@b.example"}, []string{
			"VIDBELL_WEBHOOK_URL: URL 1 has no scheme, start it with https://",
			"VIDBELL_WEBHOOK_URL: URL 3 must not hold a user or password (...@)",
		}},
		{"a webhook URL twice", []string{"VIDBELL_WEBHOOK_URL=https://a.example/x,https://a.example/x"}, []string{
			"VIDBELL_WEBHOOK_URL: URL 2 is the same as URL 1",
		}},
		{"a webhook secret twice", []string{"VIDBELL_WEBHOOK_SECRET=whsec_a,whsec_a"}, []string{
			"VIDBELL_WEBHOOK_SECRET: holds the same secret twice",
		}},
		{"a glob that matches nothing", []string{"VIDBELL_WEBHOOK_EVENTS=video.finished"}, []string{
			`VIDBELL_WEBHOOK_EVENTS: "video.finished" matches no event type; the types are video.done, video.failed, ` +
				"video.processing, video.stalled, video.deleted, source.degraded, source.recovered, endpoint.degraded, " +
				"endpoint.disabled, endpoint.recovered",
		}},
		{"a glob that is none", []string{"VIDBELL_WEBHOOK_EVENTS=[a"}, []string{
			`VIDBELL_WEBHOOK_EVENTS: "[a" is not a glob, use * for any characters`,
		}},
		{"networks of three kinds of wrong", []string{"VIDBELL_WEBHOOK_ALLOW_NETWORKS=10.0.0.1,10.0.0.1/8,home"}, []string{
			`VIDBELL_WEBHOOK_ALLOW_NETWORKS: "10.0.0.1" has no length, write 10.0.0.1/32`,
			`VIDBELL_WEBHOOK_ALLOW_NETWORKS: "10.0.0.1/8" has bits behind its length, write 10.0.0.0/8`,
			`VIDBELL_WEBHOOK_ALLOW_NETWORKS: "home" is not a network, write it like 10.20.0.0/16 or fd00::/8`,
		}},
		{"calls at once that are no number", []string{"VIDBELL_WEBHOOK_IN_FLIGHT=many"}, []string{
			`VIDBELL_WEBHOOK_IN_FLIGHT: "many" is not a whole number, use 1 to 256`,
		}},
		{"too many calls at once", []string{"VIDBELL_WEBHOOK_IN_FLIGHT=1000"}, []string{
			`VIDBELL_WEBHOOK_IN_FLIGHT: "1000" is out of range, use 1 to 256`,
		}},

		{"NATS address without scheme", []string{"VIDBELL_NATS_URL=nats.example:4222"}, []string{
			"VIDBELL_NATS_URL: has no scheme, start it with nats://",
		}},
		{"NATS address of the web", []string{"VIDBELL_NATS_URL=https://nats.example"}, []string{
			`VIDBELL_NATS_URL: scheme "https" cannot be used, use nats, tls, ws or wss`,
		}},
		{"NATS address with a path", []string{"VIDBELL_NATS_URL=nats://nats.example/stream"}, []string{
			"VIDBELL_NATS_URL: must be a scheme, host and port only, like nats://nats.example.com:4222",
		}},
		{"NATS addresses of two kinds", []string{"VIDBELL_NATS_URL=nats://a,ws://b"}, []string{
			"VIDBELL_NATS_URL: mixes ws:// with other schemes: use one kind for all servers",
		}},
		{"credentials without a server", []string{"VIDBELL_NATS_CREDS=" + noPEM}, []string{
			"VIDBELL_NATS_CREDS: has no use without VIDBELL_NATS_URL: set that, or unset this",
		}},
		{"replicas without a server", []string{"VIDBELL_NATS_REPLICAS=3"}, []string{
			"VIDBELL_NATS_REPLICAS: the engine inside the process keeps one copy: set VIDBELL_NATS_URL, or unset this",
		}},
		{"too many replicas", []string{"VIDBELL_NATS_URL=nats://a", "VIDBELL_NATS_REPLICAS=6"}, []string{
			`VIDBELL_NATS_REPLICAS: "6" is out of range, use 1 to 5`,
		}},
		{"credentials and nkey", []string{
			"VIDBELL_NATS_URL=nats://a", "VIDBELL_NATS_CREDS=" + noPEM, "VIDBELL_NATS_NKEY=" + noPEM,
		}, []string{
			"VIDBELL_NATS_NKEY: VIDBELL_NATS_CREDS is set too: unset one of them",
		}},
		{"credentials and a password in the URL", []string{"VIDBELL_NATS_URL=nats://u:p@a", "VIDBELL_NATS_CREDS=" + noPEM}, []string{
			"VIDBELL_NATS_CREDS: VIDBELL_NATS_URL holds a user or token too: use one way to log in",
		}},
		{"missing credentials file", []string{"VIDBELL_NATS_URL=nats://a", "VIDBELL_NATS_CREDS=" + missing}, []string{
			fmt.Sprintf("VIDBELL_NATS_CREDS: cannot read file %q: no such file or directory", missing),
		}},
		{"folder as credentials file", []string{"VIDBELL_NATS_URL=nats://a", "VIDBELL_NATS_CREDS=" + folder}, []string{
			fmt.Sprintf("VIDBELL_NATS_CREDS: %q is a folder, name a file", folder),
		}},
		{"authorities without a certificate", []string{"VIDBELL_NATS_URL=tls://a", "VIDBELL_NATS_TLS_CA=" + noPEM}, []string{
			fmt.Sprintf("VIDBELL_NATS_TLS_CA: file %q holds no certificate in PEM form", noPEM),
		}},
		{"certificate without key", []string{"VIDBELL_NATS_URL=tls://a", "VIDBELL_NATS_TLS_CERT=" + cert}, []string{
			"VIDBELL_NATS_TLS_KEY: is required with VIDBELL_NATS_TLS_CERT",
		}},
		{"key without certificate", []string{"VIDBELL_NATS_URL=tls://a", "VIDBELL_NATS_TLS_KEY=" + key}, []string{
			"VIDBELL_NATS_TLS_CERT: is required with VIDBELL_NATS_TLS_KEY",
		}},
		{"certificate with the key of another", []string{
			"VIDBELL_NATS_URL=tls://a", "VIDBELL_NATS_TLS_CERT=" + cert, "VIDBELL_NATS_TLS_KEY=" + otherKey,
		}, []string{
			"VIDBELL_NATS_TLS_CERT: does not go with VIDBELL_NATS_TLS_KEY: tls: private key does not match public key",
		}},

		{"port as an address", []string{"VIDBELL_HTTP_LISTEN=8080"}, []string{
			`VIDBELL_HTTP_LISTEN: "8080" has no host, write 127.0.0.1:8080, or :8080 for every network`,
		}},
		{"host as an address", []string{"VIDBELL_HTTP_LISTEN=localhost"}, []string{
			`VIDBELL_HTTP_LISTEN: "localhost" is not an address, write host:port like 127.0.0.1:8080, or off`,
		}},
		{"port out of range", []string{"VIDBELL_HTTP_LISTEN=127.0.0.1:70000"}, []string{
			`VIDBELL_HTTP_LISTEN: "127.0.0.1:70000": the port must be a number from 0 to 65535`,
		}},
		{"URL as an address", []string{"VIDBELL_NATS_LISTEN=[nats://a]:4222"}, []string{
			`VIDBELL_NATS_LISTEN: "[nats://a]:4222" is not an address, write host:port without a scheme or path`,
		}},
		{"open to the network without tokens", []string{"VIDBELL_HTTP_LISTEN=:8080", "VIDBELL_NATS_LISTEN=0.0.0.0:4222"}, []string{
			"VIDBELL_HTTP_TOKEN: is required, since VIDBELL_HTTP_LISTEN :8080 can be reached from other machines: " +
				"set it or VIDBELL_HTTP_TOKEN_FILE, or listen on 127.0.0.1",
			"VIDBELL_NATS_LISTEN_TOKEN: is required, since VIDBELL_NATS_LISTEN 0.0.0.0:4222 can be reached from other machines: " +
				"set it or VIDBELL_NATS_LISTEN_TOKEN_FILE, or listen on 127.0.0.1",
		}},
		{"hint secret that is easy to guess", []string{"VIDBELL_HINT_SECRET=0123456789abcde"}, []string{
			"VIDBELL_HINT_SECRET: is shorter than 16 characters: make one with openssl rand -hex 24",
		}},
		{"hint secret that no callback address has room for", []string{"VIDBELL_HINT_SECRET=" + long}, []string{
			"VIDBELL_HINT_SECRET: is longer than 128 characters: make one with openssl rand -hex 24",
		}},
		{"hint secret that would end the path", []string{"VIDBELL_HINT_SECRET=0123456789/abcdef"}, []string{
			"VIDBELL_HINT_SECRET: has other characters than letters, digits, - and _: make one with openssl rand -hex 24",
		}},
		{"hint secret in a file with spaces is blamed on the file", []string{"VIDBELL_HINT_SECRET_FILE=" + writeFile(t, " 0123456789abcdef")}, []string{
			"VIDBELL_HINT_SECRET_FILE: has other characters than letters, digits, - and _: make one with openssl rand -hex 24",
		}},
		{"hint secret without a server", []string{"VIDBELL_HTTP_LISTEN=off", "VIDBELL_HINT_SECRET=0123456789abcdef"}, []string{
			"VIDBELL_HINT_SECRET: has no use while VIDBELL_HTTP_LISTEN is off: set that to an address, or unset this",
		}},
		{"hint secret that opens everything", []string{
			"VIDBELL_API_KEY=0123456789abcdef", "VIDBELL_HTTP_TOKEN=0123456789abcdef", "VIDBELL_HINT_SECRET=0123456789abcdef",
		}, []string{
			"VIDBELL_HINT_SECRET: is the same as VIDBELL_API_KEY: use another, since this one is part of an address and addresses are logged",
			"VIDBELL_HINT_SECRET: is the same as VIDBELL_HTTP_TOKEN: use another, since this one is part of an address and addresses are logged",
		}},
		{"one address for both", []string{"VIDBELL_HTTP_LISTEN=127.0.0.1:4222"}, []string{
			"VIDBELL_HTTP_LISTEN: 127.0.0.1:4222 is the address of VIDBELL_NATS_LISTEN too: use another port",
		}},

		{"instance with a dot", []string{"VIDBELL_INSTANCE=a.b"}, []string{
			`VIDBELL_INSTANCE: instance "a.b": use 1 to 32 letters, digits, - or _`,
		}},
		{"prefix that is kept", []string{"VIDBELL_SUBJECT_PREFIX=vidbell.video"}, []string{
			`VIDBELL_SUBJECT_PREFIX: subject prefix "vidbell.video": "vidbell" is kept for internal subjects, of this or another instance`,
		}},
		{"unknown log level", []string{"VIDBELL_LOG_LEVEL=trace"}, []string{
			`VIDBELL_LOG_LEVEL: "trace" is not known, use debug, info, warn or error`,
		}},

		{"misspelt names", []string{"VIDBELL_NATS_UR=x", "VIDBELL_WEBHOK_SECRET_FLIE=x", "VIDBELL_HTTP_LISTNE=x"}, []string{
			"VIDBELL_HTTP_LISTNE: unknown variable, did you mean VIDBELL_HTTP_LISTEN?",
			"VIDBELL_NATS_UR: unknown variable, did you mean VIDBELL_NATS_URL?",
			"VIDBELL_WEBHOK_SECRET_FLIE: unknown variable, did you mean VIDBELL_WEBHOOK_SECRET_FILE?",
		}},
		{"file of what is no secret", []string{"VIDBELL_API_URL_FILE=x"}, []string{
			"VIDBELL_API_URL_FILE: unknown variable: only secrets are read from files, set VIDBELL_API_URL",
		}},
		{"a name like none", []string{"VIDBELL_FROBNICATE=x"}, []string{
			"VIDBELL_FROBNICATE: unknown variable: vidbell help env lists all",
		}},
		{"a guessed port", []string{"VIDBELL_PORT=8080"}, []string{
			"VIDBELL_PORT: unknown variable: vidbell help env lists all",
		}},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			setEnv(t, tc.env...)
			_, err := config.Load()
			var problems config.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("Load = %v, want problems", err)
			}
			got := make([]string, len(problems))
			for i, p := range problems {
				got[i] = p.String()
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("problems\n got %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	setEnv(t, "VIDBELL_API_KEY=", "VIDBELL_POLL_INTERVAL=30", "VIDBELL_NATS_UR=x", "VIDBELL_HTTP_LISTEN=:80")
	_, err := config.Load(func(_ *config.Config, p *config.Problems) { p.Add("VIDBELL_WEBHOOK_SECRET", "is odd") })
	want := `VIDBELL_API_KEY: is required: set it, or set VIDBELL_API_KEY_FILE to the path of a file that holds it
VIDBELL_POLL_INTERVAL: "30" has no unit, write 30s
VIDBELL_NATS_UR: unknown variable, did you mean VIDBELL_NATS_URL?
VIDBELL_HTTP_TOKEN: is required, since VIDBELL_HTTP_LISTEN :80 can be reached from other machines: ` +
		`set it or VIDBELL_HTTP_TOKEN_FILE, or listen on 127.0.0.1
VIDBELL_WEBHOOK_SECRET: is odd
5 problems`
	if err == nil || err.Error() != want {
		t.Errorf("Load:\n%v\nwant:\n%s", err, want)
	}
}

// What looks odd and is right.
func TestNoMistake(t *testing.T) {
	for _, tc := range []struct {
		sentence string
		env      []string
	}{
		{"set but empty is unset, whatever the type", []string{
			"VIDBELL_POLL_INTERVAL=", "VIDBELL_RATE_LIMIT= ", "VIDBELL_API_KEY_FILE=", "VIDBELL_NO_SUCH=",
		}},
		{"variables of a Kubernetes Service named vidbell", []string{
			"VIDBELL_SERVICE_HOST=10.0.0.1", "VIDBELL_SERVICE_PORT=80", "VIDBELL_SERVICE_PORT_HTTP=80",
			"VIDBELL_PORT=tcp://10.0.0.1:80", "VIDBELL_PORT_80_TCP=tcp://10.0.0.1:80",
			"VIDBELL_PORT_80_TCP_PROTO=tcp", "VIDBELL_PORT_80_TCP_PORT=80", "VIDBELL_PORT_80_TCP_ADDR=10.0.0.1",
			"VIDBELL_NATS_SERVICE_HOST=10.0.0.1", "VIDBELL_NATS_PORT=tcp://10.0.0.1:4222",
			"VIDBELL_NATS_PORT_4222_TCP_ADDR=10.0.0.1",
		}},
		{"ports that the system chooses may be the same", []string{
			"VIDBELL_HTTP_LISTEN=127.0.0.1:0", "VIDBELL_NATS_LISTEN=127.0.0.1:0",
		}},
		{"loopback by name and in IPv6 needs no token", []string{
			"VIDBELL_HTTP_LISTEN=localhost:8080", "VIDBELL_NATS_LISTEN=[::1]:4222",
		}},
		{"with a token every address may be listened on", []string{"VIDBELL_HTTP_LISTEN=:8080", "VIDBELL_HTTP_TOKEN=t"}},
		{"the embedded listener is not looked at beside an external server", []string{
			"VIDBELL_NATS_URL=nats://a", "VIDBELL_NATS_LISTEN=0.0.0.0:4222",
		}},
		{"the shortest hint secret", []string{"VIDBELL_HINT_SECRET=0123456789abc-_Z"}},
		{"the longest hint secret", []string{"VIDBELL_HINT_SECRET=" + strings.Repeat("x", 128)}},
		{"a word twice in one list", []string{"VIDBELL_STATUS_DONE=DONE,done"}},
	} {
		t.Run(tc.sentence, func(t *testing.T) { mustLoad(t, tc.env...) })
	}
}

func TestAWordThatWasMovedLeavesItsBuiltInList(t *testing.T) {
	c := mustLoad(t, "VIDBELL_STATUS_DONE=ok,error,pending")
	if want := []string{"FAILED", "FAIL", "PARSE_ERROR"}; !slices.Equal(c.Sources[0].Words.Failed, want) {
		t.Errorf("Failed = %v, want %v", c.Sources[0].Words.Failed, want)
	}
	if got := setting(t, c, "VIDBELL_STATUS_PROCESSING").Value; got != "UNPARSE,PROCESSING,UPLOADING" {
		t.Errorf("processing is shown as %q", got)
	}
}

func TestLargestIntervalFollowsTheInterval(t *testing.T) {
	c := mustLoad(t, "VIDBELL_POLL_INTERVAL=5m")
	if got := c.Sources[0].Poll.MaxInterval; got != 5*time.Minute {
		t.Errorf("MaxInterval = %v, want 5m", got)
	}
	if got := setting(t, c, "VIDBELL_POLL_MAX_INTERVAL"); got.Value != "5m" || got.Origin != config.OriginDefault {
		t.Errorf("setting = %+v", got)
	}
}

func TestSecretFiles(t *testing.T) {
	for _, tc := range []struct{ sentence, text, want string }{
		{"without a line break", "key-2", "key-2"},
		{"one line break is cut", "key-2\n", "key-2"},
		{"so is one of Windows", "key-2\r\n", "key-2"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			c := mustLoad(t, "VIDBELL_API_KEY=", "VIDBELL_API_KEY_FILE="+writeFile(t, tc.text))
			if got := c.Accounts[0].Key.Reveal(); got != tc.want {
				t.Errorf("key = %q, want %q", got, tc.want)
			}
			if got := setting(t, c, "VIDBELL_API_KEY"); got.Origin != config.OriginFile {
				t.Errorf("setting = %+v", got)
			}
		})
	}
}

func TestLoadOnly(t *testing.T) {
	setEnv(t, "VIDBELL_API_KEY=", "VIDBELL_LOG_LEVEL=debug", "VIDBELL_POLL_INTERVAL=nonsense", "VIDBELL_NATS_UR=x")
	c, err := config.LoadOnly("VIDBELL_LOG_LEVEL", "VIDBELL_API_KEY")
	if err != nil {
		t.Fatalf("LoadOnly: %v", err)
	}
	if c.Log.Level != "debug" || c.Sources[0].Poll.Interval != 15*time.Second || c.Accounts[0].Key.IsSet() {
		t.Errorf("level %q, sources %+v", c.Log.Level, c.Sources)
	}
}

func TestEffectiveShowsNoSecret(t *testing.T) {
	c := mustLoad(t,
		"VIDBELL_API_KEY=hush-key",
		"VIDBELL_WEBHOOK_URL=https://a.example/services/hush-path?t=hush-query,http://127.0.0.1:1",
		"VIDBELL_WEBHOOK_SECRET=whsec_hush",
		"VIDBELL_NATS_URL=nats://hush-user:hush-pass@one:4222",
		"VIDBELL_HTTP_TOKEN=hush-token",
		"VIDBELL_HINT_SECRET=hush-hint-0123456789",
	)
	for _, text := range []string{fmt.Sprint(c.Effective()), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", *c)} {
		if strings.Contains(text, "hush") {
			t.Errorf("a secret is shown: %s", text)
		}
	}
	if got := setting(t, c, "VIDBELL_WEBHOOK_URL").Value; got != "https://a.example/...,http://127.0.0.1:1" {
		t.Errorf("webhook URLs are shown as %q", got)
	}
	if got := setting(t, c, "VIDBELL_NATS_URL").Value; got != "nats://[redacted]@one:4222" {
		t.Errorf("NATS URLs are shown as %q", got)
	}
	if got := setting(t, c, "VIDBELL_POLL_INTERVAL"); got.Value != "15s" || got.Origin != config.OriginDefault {
		t.Errorf("interval is shown as %+v", got)
	}
}

// No wrong value of a secret variable or a URL may be repeated.
func TestProblemsShowNoSecret(t *testing.T) {
	for _, v := range config.Variables() {
		if !v.Secret && !strings.Contains(v.Type, "URL") {
			continue
		}
		for _, value := range []string{
			"hush hush", `"hush"`, "hush", "hush\x00", "bearer hush", "https://hush:hush@a.example:hush/", "nats://hush:hu/sh@a",
			"https://a/?hush#hush", "hush://", "hush,hush,hush", "%zzhush",
		} {
			if strings.ContainsRune(value, 0) {
				continue // cannot be in an environment
			}
			setEnv(t, v.Name+"="+value)
			if _, err := config.Load(); err != nil && strings.Contains(strings.ReplaceAll(err.Error(), `scheme "hush"`, ""), "hush") {
				t.Errorf("%s=%q: %v", v.Name, value, err)
			}
		}
	}
}

func TestSourceName(t *testing.T) {
	for _, tc := range []struct{ id, want string }{
		{"default", "default"},
		{"Team_1-a", "Team_1-a"},
		{strings.Repeat("n", 64), strings.Repeat("n", 64)},
		{"a b", "a-b-c8687a08"},
		{"a.b", "a-b-2e7336dc"},
		{"\u00e9", "---4a99557e"},
		{strings.Repeat("n", 65), strings.Repeat("n", 55) + "-1e3fb6d5"},
	} {
		got := config.SourceName(tc.id)
		if got != tc.want {
			t.Errorf("SourceName(%q) = %q, want %q", tc.id, got, tc.want)
		}
		if len(got) > 64 || config.SourceName(got) != got {
			t.Errorf("SourceName(%q) = %q is no name", tc.id, got)
		}
	}
}

func setting(t *testing.T, c *config.Config, name string) config.Setting {
	t.Helper()
	for _, s := range c.Effective() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no setting %s", name)
	return config.Setting{}
}

// writeKeyPair writes a self-signed certificate and its key, and returns their paths.
func writeKeyPair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = writeFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	key = writeFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	return cert, key
}
