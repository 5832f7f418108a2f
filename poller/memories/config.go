package memories

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// defaultTimeout is generous for a page of 200 items: no source gives the platform's own limit.
	defaultTimeout   = 30 * time.Second
	defaultUserAgent = "vidbell"

	// maxKeyBytes is far above the platform's keys (sk-mavi-... of some 40 bytes); it catches a wrong file.
	maxKeyBytes = 4096

	// listPath is the list call since v1.2 (August 2025); the path outlived several changes of its fields.
	listPath = "serve/api/v1/list_videos"
)

// Limits of the client's own transport.
const (
	dialTimeout  = 10 * time.Second
	maxIdleConns = 4
	// idleTimeout is below the 60 s after which common load balancers close: a POST that meets a closing connection fails.
	idleTimeout    = 45 * time.Second
	maxHeaderBytes = 64 << 10
)

// Config is what a Client needs. BaseURL and APIKey are required.
type Config struct {
	// BaseURL is scheme, host and perhaps a path prefix, such as https://api.memories.ai.
	BaseURL string
	// APIKey is sent as it is, without "Bearer", in Authorization. Nothing is trimmed from it.
	APIKey string
	// UserAgent names the caller; "vidbell" when empty.
	UserAgent string
	// Timeout bounds one exchange from dialling to the last byte of the body; 30 s when zero.
	Timeout time.Duration
	// Transport carries the requests; nil means a transport of the client's own, with the proxy of the environment.
	Transport http.RoundTripper
	// Now is the clock for Page.StartedAt and for Retry-After dates; nil means time.Now.
	Now func() time.Time
}

// String leaves the key out, so that a Config can be printed.
func (c Config) String() string {
	return fmt.Sprintf("memories.Config{Timeout: %s, APIKey: %d bytes}", c.Timeout, len(c.APIKey))
}

// GoString is String: %#v must not print the key either.
func (c Config) GoString() string { return c.String() }

// New checks the configuration and builds a Client; it sends nothing. Its errors never quote the key, nor a URL, which
// may hold a password.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	endpoint, err := endpointOf(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("base URL: %w", err)
	}
	if err := checkKey(cfg.APIKey); err != nil {
		return nil, fmt.Errorf("API key: %w", err)
	}
	if !isHeaderText(cfg.UserAgent) {
		return nil, errors.New("user agent: use printable ASCII characters only")
	}
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("timeout %s: use a positive duration", cfg.Timeout)
	}
	return &Client{
		endpoint:  endpoint,
		key:       cfg.APIKey,
		userAgent: cfg.UserAgent,
		timeout:   cfg.Timeout,
		transport: cfg.Transport,
		now:       cfg.Now,
	}, nil
}

func (c Config) withDefaults() Config {
	if c.UserAgent == "" {
		c.UserAgent = defaultUserAgent
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Transport == nil {
		c.Transport = newTransport()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    dialTimeout,
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdleConns,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// endpointOf checks the base URL and returns the URL of the list call below it.
func endpointOf(base string) (string, error) {
	if base == "" {
		return "", errors.New("missing, use one such as https://api.memories.ai")
	}
	u, err := url.Parse(base)
	switch {
	case err != nil: // not wrapped: it quotes the URL
		return "", errors.New("cannot be parsed, use one such as https://api.memories.ai")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("must start with https:// or http://")
	case u.Hostname() == "":
		return "", errors.New("names no host")
	case u.User != nil:
		return "", errors.New("must not contain a user name or password")
	case u.RawQuery != "" || u.ForceQuery:
		return "", errors.New("must not contain a query (?)")
	case strings.Contains(base, "#"):
		return "", errors.New("must not contain a fragment (#)")
	}
	return u.JoinPath(listPath).String(), nil
}

// checkKey refuses a key that could not travel unchanged in a header. None of its errors contains any of the key.
func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("missing")
	case len(key) > maxKeyBytes:
		return fmt.Errorf("longer than %d bytes, this cannot be a key", maxKeyBytes)
	case strings.ContainsAny(key, "\r\n"):
		return errors.New("contains a line break (does its file end in an empty line?)")
	case !isHeaderText(key):
		return errors.New("contains a control or non-ASCII character")
	case strings.TrimSpace(key) != key:
		return errors.New("begins or ends with a space")
	}
	return nil
}

// isHeaderText reports whether s is printable ASCII: what any proxy on the way will pass on in a header.
func isHeaderText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
