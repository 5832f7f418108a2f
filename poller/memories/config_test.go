package memories

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestNewRefuses(t *testing.T) {
	valid := Config{BaseURL: "https://api.memories.ai", APIKey: testKey}
	tests := []struct {
		name   string
		adjust func(*Config)
		want   string
	}{
		{"a missing base URL", func(c *Config) { c.BaseURL = "" }, "base URL: missing"},
		{"a base URL without scheme", func(c *Config) { c.BaseURL = "api.memories.ai" }, "https://"},
		{"a base URL of another scheme", func(c *Config) { c.BaseURL = "ftp://api.memories.ai" }, "https://"},
		{"a base URL without host", func(c *Config) { c.BaseURL = "https:///v1" }, "names no host"},
		{"a base URL with a port only", func(c *Config) { c.BaseURL = "https://:8080" }, "names no host"},
		{"a base URL with a user", func(c *Config) { c.BaseURL = "https://u:" + testKey + "@host" }, "user name or password"},
		{"a base URL with a query", func(c *Config) { c.BaseURL = "https://host/?a=" + testKey }, "query"},
		{"a base URL with an empty query", func(c *Config) { c.BaseURL = "https://host/?" }, "query"},
		{"a base URL with a fragment", func(c *Config) { c.BaseURL = "https://host/#a" }, "fragment"},
		{"a base URL with an empty fragment", func(c *Config) { c.BaseURL = "https://host/#" }, "fragment"},
		{"a base URL with a line break", func(c *Config) { c.BaseURL = "https://host/" + testKey + "\n" }, "cannot be parsed"},
		{"a missing key", func(c *Config) { c.APIKey = "" }, "API key: missing"},
		{"a key with its file's line break", func(c *Config) { c.APIKey = testKey + "\n" }, "line break"},
		{"a key that would add a header", func(c *Config) { c.APIKey = testKey + "\r\nX-Other: 1" }, "line break"},
		{"a key with a tab", func(c *Config) { c.APIKey = testKey + "\t" }, "control or non-ASCII"},
		{"a key with a NUL", func(c *Config) { c.APIKey = "\x00" + testKey }, "control or non-ASCII"},
		{"a key with a typographic dash", func(c *Config) { c.APIKey = testKey + "–" }, "control or non-ASCII"},
		{"a key with a byte order mark", func(c *Config) { c.APIKey = "\uFEFF" + testKey }, "control or non-ASCII"},
		{"a key that HTTP would trim", func(c *Config) { c.APIKey = testKey + " " }, "space"},
		{"a key of spaces", func(c *Config) { c.APIKey = "  " }, "space"},
		{"a file that is no key", func(c *Config) { c.APIKey = strings.Repeat(testKey, 1000) }, "longer than"},
		{"a user agent with a line break", func(c *Config) { c.UserAgent = "a\r\nb" }, "user agent"},
		{"a negative timeout", func(c *Config) { c.Timeout = -time.Second }, "timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := valid
			tt.adjust(&cfg)
			_, err := New(cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			checkQuiet(t, err)
		})
	}
}

func TestBaseURLMayHaveAPathPrefix(t *testing.T) {
	for base, want := range map[string]string{
		"https://api.memories.ai":         "https://api.memories.ai/serve/api/v1/list_videos",
		"https://api.memories.ai/":        "https://api.memories.ai/serve/api/v1/list_videos",
		"http://127.0.0.1:8080/memories":  "http://127.0.0.1:8080/memories/serve/api/v1/list_videos",
		"http://127.0.0.1:8080/memories/": "http://127.0.0.1:8080/memories/serve/api/v1/list_videos",
		"http://[::1]:8080/a%2Fb":         "http://[::1]:8080/a%2Fb/serve/api/v1/list_videos",
	} {
		if got, err := endpointOf(base); err != nil || got != want {
			t.Errorf("endpointOf(%q) = %q, %v, want %q", base, got, err, want)
		}
	}
}

func TestDefaults(t *testing.T) {
	c, err := New(Config{BaseURL: "https://api.memories.ai", APIKey: testKey})
	if err != nil {
		t.Fatal(err)
	}
	if c.timeout != 30*time.Second || c.userAgent != "vidbell" || c.now == nil {
		t.Errorf("timeout %s, user agent %q", c.timeout, c.userAgent)
	}
	if transport, ok := c.transport.(*http.Transport); !ok || transport == http.DefaultTransport {
		t.Errorf("transport %T is not the client's own", c.transport)
	}
}

func TestPrintingShowsNoKey(t *testing.T) {
	cfg := Config{BaseURL: "https://api.memories.ai", APIKey: testKey}
	client, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, value := range []any{cfg, &cfg, client} {
			if shown := fmt.Sprintf(verb, value); strings.Contains(shown, testKey) {
				t.Errorf("%s of %T shows the key: %s", verb, value, shown)
			}
		}
	}
}
