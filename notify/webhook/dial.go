package webhook

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

const (
	connectTimeout = 5 * time.Second
	// Receivers close idle connections on their own clock, and a POST written at that moment is a failed attempt. The
	// shortest clock commonly met is Node's, 5 s.
	idleTimeout = 4 * time.Second
	// An HTTP/2 connection whose peer vanished takes every request down with it until it is noticed.
	pingAfter      = 5 * time.Second
	maxAnswerHead  = 64 << 10
	writeBufferLen = 4 << 10
)

// blockedError says that policy, not the network, kept us from connecting. It names no address: the text reaches dead
// letters, and may be read by whoever can create an endpoint.
type blockedError struct{ why string }

func (e *blockedError) Error() string { return e.why }

var (
	errForbidden = &blockedError{"the host's address is link-local, a metadata service or not a unicast address; " +
		"VIDBELL_WEBHOOK_ALLOW_NETWORKS can name it"}
	errPlainText = &blockedError{"plain http is for loopback and private addresses; use https, or insecure_http"}
	errNotPublic = &blockedError{"the endpoint is held to https and public addresses"}
)

// policy is what an endpoint says about where it may be.
type policy struct {
	insecureHTTP bool // plain http to public addresses as well
	publicOnly   bool // nothing but https and public addresses, whatever networks are allowed
}

// guard decides on the concrete address of a connection that is about to be made, after all name resolution.
type guard struct {
	policy   policy
	allow    []netip.Prefix
	resolver *net.Resolver // nil for the system's
}

func newGuard(allow []netip.Prefix, p policy) guard {
	g := guard{policy: p, allow: make([]netip.Prefix, 0, len(allow))}
	for _, p := range allow {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		g.allow = append(g.allow, p.Masked())
	}
	return g
}

// metadata lists the services that hand credentials to whoever asks and that sit outside the link-local ranges.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),   // AWS, IPv6
	netip.MustParseAddr("fd20:ce::254"),    // Google Cloud, IPv6
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("168.63.129.16"),   // Azure wire server
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud, old
}

var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	reserved4   = netip.MustParsePrefix("240.0.0.0/4")
	nat64       = netip.MustParsePrefix("64:ff9b::/96")
	nat64Local  = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour   = netip.MustParsePrefix("2002::/16")
	teredo      = netip.MustParsePrefix("2001::/32")
	compatible4 = netip.MustParsePrefix("::/96")
	siteLocal   = netip.MustParsePrefix("fec0::/10")

	global6 = netip.MustParsePrefix("2000::/3") // all that is handed out of IPv6
	// inside lists what is neither private nor public: IANA's registries of special-purpose addresses.
	inside = []netip.Prefix{
		netip.MustParsePrefix("100.64.0.0/10"),   // carriers
		netip.MustParsePrefix("192.0.0.0/24"),    // protocols
		netip.MustParsePrefix("192.0.2.0/24"),    // documentation
		netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
		netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
		netip.MustParsePrefix("198.51.100.0/24"), // documentation
		netip.MustParsePrefix("203.0.113.0/24"),  // documentation
		netip.MustParsePrefix("2001::/23"),       // protocols
		netip.MustParsePrefix("2001:db8::/32"),   // documentation
		netip.MustParsePrefix("3fff::/20"),       // documentation
	}
)

// check returns nil, or the *blockedError that says why addr is out of bounds.
func (g guard) check(addr netip.Addr, plainText bool) error {
	addr = addr.WithZone("").Unmap()
	inner := embedded(addr)
	if g.policy.publicOnly {
		return checkPublic(addr, inner, plainText)
	}
	if g.allowed(addr) || g.allowed(inner) {
		return nil
	}
	if forbidden(addr) || forbidden(inner) {
		return errForbidden
	}
	if plainText && !g.policy.insecureHTTP && !addr.IsLoopback() && !addr.IsPrivate() {
		return errPlainText
	}
	return nil
}

func checkPublic(addr, inner netip.Addr, plainText bool) error {
	if plainText || forbidden(addr) || !public(inner) || inner == addr && !public(addr) {
		return errNotPublic
	}
	return nil
}

// public reports whether addr is anybody's, out on the Internet.
func public(addr netip.Addr) bool {
	if forbidden(addr) || addr.IsLoopback() || addr.IsPrivate() || addr.Is6() && !global6.Contains(addr) {
		return false
	}
	return !slices.ContainsFunc(inside, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func (g guard) allowed(addr netip.Addr) bool {
	return slices.ContainsFunc(g.allow, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func forbidden(addr netip.Addr) bool {
	return addr.IsUnspecified() || addr.IsMulticast() || addr.IsLinkLocalUnicast() ||
		thisNetwork.Contains(addr) || reserved4.Contains(addr) ||
		siteLocal.Contains(addr) || nat64Local.Contains(addr) || teredo.Contains(addr) ||
		slices.Contains(metadata, addr)
}

// embedded returns the IPv4 address that an IPv6 address stands for on the way (NAT64, 6to4, IPv4-compatible), else addr.
func embedded(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	b := addr.As16()
	switch {
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6]))
	case nat64.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case compatible4.Contains(addr) && !addr.IsLoopback() && !addr.IsUnspecified():
		return netip.AddrFrom4([4]byte(b[12:16]))
	default:
		return addr
	}
}

type schemeKey struct{}

// withScheme tells the guard, down in the dialer, whether the connection will be encrypted.
func withScheme(ctx context.Context, scheme string) context.Context {
	return context.WithValue(ctx, schemeKey{}, scheme)
}

func (g guard) control(ctx context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return errForbidden
	}
	scheme, _ := ctx.Value(schemeKey{}).(string)
	return g.check(ap.Addr(), scheme != "https") // a context that says nothing gets the strict rule
}

func (g guard) dialer() *net.Dialer {
	return &net.Dialer{Timeout: connectTimeout, ControlContext: g.control, Resolver: g.resolver}
}

// newTransport is the one transport of all endpoints under one policy. Under another, an endpoint would take over pooled
// connections that its own would not have let be made. Its pool holds as many idle connections to a host as there can be requests:
// with fewer, a busy endpoint would close and dial connections without end.
func newTransport(g guard, concurrency int) *http.Transport {
	return &http.Transport{
		Proxy:                  nil, // a proxy from the environment would dial in our place, past the guard
		DialContext:            g.dialer().DialContext,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    connectTimeout,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    concurrency,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxAnswerHead,
		WriteBufferSize:        writeBufferLen,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingAfter},
	}
}
