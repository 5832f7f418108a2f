package webhook

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

const (
	defaultInFlight = 16
	maxInFlight     = 256
	defaultTimeout  = 15 * time.Second
	minTimeout      = time.Second
	maxTimeout      = 30 * time.Second
	maxNameBytes    = 64
	maxURLBytes     = 2048
	maxSecrets      = 8 // a rotation needs two; each one adds 48 bytes to every request
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Endpoint is one receiver. The zero value of every field but Name and URL means its default.
type Endpoint struct {
	// Name appears in logs, metrics, consumers and subjects: 1 to 64 letters, digits, - or _.
	Name string
	// URL receives the POST requests: https, or http to a loopback or private address.
	URL string `json:"-"`
	// Secrets sign each request, all of them, so that a receiver accepts the old and the new one during a rotation. Each is
	// whsec_ and the base64 of 24 to 64 bytes (signature v1), or whsk_ and the base64 of an ed25519 key (signature v1a). None
	// means that requests are not signed.
	Secrets []string `json:"-"`
	// Headers are added to each request. Those that belong to the delivery itself are refused. Values may be secret.
	Headers map[string]string `json:"-"`
	// Format says what requests look like. Default FormatStandard.
	Format Format
	// Link leads from a message to the video: a URL with {video_no}, {source} or {event_id} in it. Only presets use it.
	Link string
	// RoutingKey is the integration key of FormatPagerDuty's service. With it, URL may be empty: it is then PagerDuty's own.
	RoutingKey string `json:"-"`
	// AlertFor is how long an alert of FormatAlertmanager lasts if no later event ends it, from the time of the event: 1 m to
	// 90 days, default 24 h. An alert delivered later than that arrives as one that is over.
	AlertFor time.Duration
	// Template makes the request's body in FormatTemplate: a text/template over the event's JSON names, as in
	// {"text": {{json .subject}}}. See the package documentation.
	Template string `json:"-"`
	// ContentType is what FormatTemplate's output is sent as. Default application/json, for which it is checked to be JSON.
	ContentType string
	// GroupWait is how long a message waits for other events to tell with the first one: 100 ms to 10 m. Default 10 s for
	// Slack, Discord and Teams; zero, no groups, for FormatTemplate and FormatAlertmanager. The other formats have no groups.
	GroupWait time.Duration
	// GroupMax is how many events one message tells at most, up to 1000; 1 for no groups. Default 500 with a GroupWait.
	GroupMax int
	// HandshakeOrigin, a DNS name for this installation, turns on the CloudEvents handshake: before its first delivery, and
	// once a day, the receiver is asked whether it wants deliveries from that origin, and nothing is sent unless it agrees.
	HandshakeOrigin string
	// HandshakeRate is how many requests a minute the handshake asks for; zero asks for none. What the receiver grants
	// limits the endpoint.
	HandshakeRate int
	// Events are the types delivered here, as globs ("video.*"). Default: video.done and video.failed.
	Events []string
	// InFlight limits the requests under way at once. Default 16, at most 256.
	InFlight int
	// Timeout bounds a whole exchange, the answer's body included: 1 s to 30 s, default 15 s.
	Timeout time.Duration
	// Schedule says when a failed delivery is tried again. The zero value is the standard schedule.
	Schedule Schedule
	// Sources are the names of the sources whose events are delivered; none means all. Events about endpoints have no source.
	Sources []string
	// Filter is an expression over the event that says whether it is delivered, as in
	// data.duration_seconds > 60 && data.video_name startsWith "raw_". The names are those of the event's JSON; what is null
	// there is empty. Empty means every event. See https://expr-lang.org/docs/language-definition.
	Filter string
	// RateLimit is how many requests a second the endpoint gets at most, evenly spread: 0.001 to 10,000. Zero means no limit.
	RateLimit float64
	// Order is OrderAny by default.
	Order Order
	// InsecureHTTP lets plain http go to public addresses, where anybody on the way can read and change it.
	InsecureHTTP bool
	// PublicOnly holds the endpoint to https and public addresses, as is right for one that came in through an API. It stands
	// above InsecureHTTP and Config.AllowNetworks.
	PublicOnly bool
}

// WithDefaults returns a copy with every unset field at its default.
func (e Endpoint) WithDefaults() Endpoint {
	if e.Format == "" {
		e.Format = FormatStandard
	}
	e = e.withPreset()
	if len(e.Events) == 0 {
		e.Events = []string{"video.done", "video.failed"}
	}
	if e.InFlight == 0 {
		e.InFlight = defaultInFlight
	}
	if e.Timeout == 0 {
		e.Timeout = defaultTimeout
	}
	return e
}

// withPreset fills in what the format has defaults of its own for.
func (e Endpoint) withPreset() Endpoint {
	p, _ := presetOf(e.Format)
	if len(e.Events) == 0 {
		e.Events = slices.Clone(p.events)
	}
	if e.GroupWait == 0 && e.GroupMax != 1 {
		e.GroupWait = p.groupWait
	}
	if e.GroupWait > 0 && e.GroupMax == 0 && p.groups {
		e.GroupMax = defaultGroupMax
	}
	if e.Format == FormatPagerDuty && e.URL == "" {
		e.URL = pagerDutyURL
	}
	if e.Format == FormatPagerDuty || e.Format == FormatAlertmanager {
		e.Order = OrderVideo // a failure told after the success that ended it would stay open for good
	}
	if e.Format == FormatAlertmanager && e.AlertFor == 0 {
		e.AlertFor = defaultAlertFor
	}
	if e.Format == FormatTemplate && e.ContentType == "" {
		e.ContentType = jsonType
	}
	return e
}

// String is the endpoint's name: URL and secrets must not reach a log by way of a format verb.
func (e Endpoint) String() string { return e.Name }

// GoString is String, for %#v.
func (e Endpoint) GoString() string { return "webhook.Endpoint(" + e.Name + ")" }

// ValidateEndpoint names every field of e that cannot work and what would be right. It never prints a secret, nor the user
// info, path or query of the URL.
func ValidateEndpoint(e Endpoint) error {
	_, err := compile(e)
	return err
}

// EndpointName derives a name from a URL for endpoints that were given none: the host, and a short hash of the whole URL.
// It depends on nothing else, so that reordering a list of URLs renames nobody.
func EndpointName(rawURL string) string {
	sum := sha256.Sum256([]byte(rawURL))
	suffix := "-" + hex.EncodeToString(sum[:4])
	host := "endpoint"
	if u, err := url.Parse(rawURL); err == nil && u.Hostname() != "" {
		host = strings.Trim(dashed(u.Hostname()), "-")
	}
	if room := maxNameBytes - len(suffix); len(host) > room {
		host = strings.TrimRight(host[:room], "-")
	}
	return host + suffix
}

func dashed(host string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '-'
		}
	}, host)
}

// target is an endpoint made ready for use: parsed once, read by every delivery.
type target struct {
	Endpoint
	url      *url.URL
	urlHash  string
	basic    string // Authorization header from the URL's user info
	secrets  []Secret
	patterns []string
	filter   *filter
	header   http.Header // of every request, shared: to be cloned, not changed
	consent  consent
	hidden   hidden

	preset      preset
	contentType []string
	template    *template.Template // of FormatTemplate
}

func compile(e Endpoint) (*target, error) {
	e = e.WithDefaults()
	t := &target{Endpoint: e}
	var problems []error
	complain := func(field string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", field, err))
		}
	}
	complain("name", checkName(e.Name))
	complain("url", t.parseURL())
	for i, s := range e.Secrets {
		secret, err := ParseSecret(s)
		complain("secrets["+strconv.Itoa(i)+"]", err)
		t.secrets = append(t.secrets, secret)
	}
	t.secrets = sharedFirst(t.secrets)
	if len(e.Secrets) > maxSecrets {
		complain("secrets", fmt.Errorf("%d are too many, keep at most %d", len(e.Secrets), maxSecrets))
	}
	problems = append(problems, t.compileRequest()...)
	problems = append(problems, t.compilePreset()...)
	for i, p := range e.Events {
		err := checkPattern(p)
		if err == nil {
			err = t.preset.checkSpeaks(p)
		}
		complain("events["+strconv.Itoa(i)+"]", err)
	}
	if e.InFlight < 1 || e.InFlight > maxInFlight {
		complain("in_flight", fmt.Errorf("%d is out of range, use 1 to %d", e.InFlight, maxInFlight))
	}
	if e.Timeout < minTimeout || e.Timeout > maxTimeout {
		complain("timeout", fmt.Errorf("%s is out of range, use %s to %s", e.Timeout, minTimeout, maxTimeout))
	}
	problems = append(problems, t.compileLane()...)
	t.hidden = t.compileHidden()
	if len(problems) > 0 {
		return nil, fmt.Errorf("endpoint %s: %w", safeName(e.Name), errors.Join(problems...))
	}
	return t, nil
}

// compileRequest prepares what is the same in every request.
func (t *target) compileRequest() (problems []error) {
	t.header, problems = compileHeaders(t.Headers, t.basic != "")
	if t.HandshakeOrigin != "" {
		if err := checkOrigin(t.HandshakeOrigin); err != nil {
			problems = append(problems, fmt.Errorf("handshake_origin: %w", err))
		}
	}
	switch {
	case t.HandshakeRate < 0 || t.HandshakeRate > maxHandshakeRate:
		problems = append(problems, fmt.Errorf("handshake_rate: %d is out of range, use 1 to %d a minute", t.HandshakeRate, maxHandshakeRate))
	case t.HandshakeRate > 0 && t.HandshakeOrigin == "":
		problems = append(problems, errors.New("handshake_rate: it is asked for in the handshake, set handshake_origin as well"))
	}
	return problems
}

func checkName(name string) error {
	if namePattern.MatchString(name) {
		return nil
	}
	return errors.New("use 1 to 64 letters, digits, - or _")
}

// safeName keeps a URL that was given as a name out of the error that complains about it.
func safeName(name string) string {
	if namePattern.MatchString(name) {
		return strconv.Quote(name)
	}
	return "with an unusable name"
}

// parseURL reports no part of the URL but its scheme and host: what url.Parse says may quote a password.
func (t *target) parseURL() error {
	if len(t.URL) > maxURLBytes {
		return fmt.Errorf("%d bytes are too many, use at most %d", len(t.URL), maxURLBytes)
	}
	u, err := url.Parse(t.URL)
	if err != nil {
		return errors.New("not a URL, write it like https://host/path")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("begin it with https:// (or http:// for a loopback or private address)")
	case u.Hostname() == "":
		return errors.New("the host is missing, write it like https://host/path")
	case !usualHost(u.Hostname()):
		return errors.New("the host is an address in a form that resolvers read differently, write it like 192.0.2.1")
	case u.Port() != "" && !validPort(u.Port()):
		return errors.New("the port is out of range, use 1 to 65535")
	case u.Fragment != "":
		return errors.New("a fragment (#...) is never sent, leave it out")
	}
	sum := sha256.Sum256([]byte(t.URL))
	t.urlHash = hex.EncodeToString(sum[:8])
	if u.User != nil {
		password, _ := u.User.Password()
		t.basic = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
		u.User = nil
	}
	t.url = u
	return nil
}

// usualHost refuses numbers that some resolvers take for an IPv4 address and others for a name: 2130706433, 0177.1, 0x7f.1.
func usualHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := strings.ToLower(labels[len(labels)-1])
	digits, hex := strings.CutPrefix(last, "0x")
	set := "0123456789"
	if hex {
		set += "abcdef"
	}
	return strings.Trim(digits, set) != ""
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}
