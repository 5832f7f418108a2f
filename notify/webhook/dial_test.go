package webhook

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestAddressesWeConnectTo(t *testing.T) {
	const (
		fine      = ""
		forbidden = "forbidden"
		plain     = "plain" // refused for http only
	)
	for name, c := range map[string]struct{ addr, want string }{
		"loopback":                        {"127.0.0.1", fine},
		"all of the loopback network":     {"127.255.0.9", fine},
		"IPv6 loopback":                   {"::1", fine},
		"mapped loopback":                 {"::ffff:127.0.0.1", fine},
		"private, ten":                    {"10.20.30.40", fine},
		"private, 172":                    {"172.16.0.1", fine},
		"private, 192":                    {"192.168.1.1", fine},
		"private, IPv6":                   {"fd12:3456::1", fine},
		"mapped private":                  {"::ffff:10.0.0.1", fine},
		"public":                          {"93.184.216.34", plain},
		"public IPv6":                     {"2606:4700::1", plain},
		"just outside of private":         {"172.32.0.1", plain},
		"carrier network":                 {"100.64.0.1", plain},
		"metadata":                        {"169.254.169.254", forbidden},
		"other link-local":                {"169.254.0.1", forbidden},
		"mapped metadata":                 {"::ffff:169.254.169.254", forbidden},
		"mapped metadata in hexadecimal":  {"::ffff:a9fe:a9fe", forbidden},
		"NAT64 metadata":                  {"64:ff9b::169.254.169.254", forbidden},
		"NAT64 metadata in hexadecimal":   {"64:ff9b::a9fe:a9fe", forbidden},
		"NAT64 of one's own":              {"64:ff9b:1::a9fe:a9fe", forbidden},
		"NAT64 public":                    {"64:ff9b::5db8:d822", plain},
		"6to4 metadata":                   {"2002:a9fe:a9fe::1", forbidden},
		"6to4 public":                     {"2002:5db8:d822::1", plain},
		"6to4 of a private one is no LAN": {"2002:a00:1::1", plain},
		"Teredo":                          {"2001:0:4136:e378:8000:63bf:3fff:fdd2", forbidden},
		"IPv4-compatible metadata":        {"::169.254.169.254", forbidden},
		"IPv6 link-local":                 {"fe80::1", forbidden},
		"IPv6 link-local with its zone":   {"fe80::1%eth0", forbidden},
		"IPv6 site-local":                 {"fec0::1", forbidden},
		"AWS metadata by IPv6":            {"fd00:ec2::254", forbidden},
		"its neighbour is just private":   {"fd00:ec2::253", fine},
		"Google metadata by IPv6":         {"fd20:ce::254", forbidden},
		"Alibaba metadata":                {"100.100.100.200", forbidden},
		"Azure wire server":               {"168.63.129.16", forbidden},
		"mapped Azure wire server":        {"::ffff:168.63.129.16", forbidden},
		"NAT64 Azure wire server":         {"64:ff9b::168.63.129.16", forbidden},
		"unspecified":                     {"0.0.0.0", forbidden},
		"IPv6 unspecified":                {"::", forbidden},
		"mapped unspecified":              {"::ffff:0.0.0.0", forbidden},
		"NAT64 unspecified":               {"64:ff9b::", forbidden},
		"this network":                    {"0.1.2.3", forbidden},
		"multicast":                       {"224.0.0.1", forbidden},
		"IPv6 multicast":                  {"ff02::1", forbidden},
		"broadcast":                       {"255.255.255.255", forbidden},
		"reserved":                        {"240.0.0.1", forbidden},
	} {
		addr, g := netip.MustParseAddr(c.addr), newGuard(nil, policy{})
		secure, open := g.check(addr, false), g.check(addr, true)
		if got := errors.Is(secure, errForbidden) && errors.Is(open, errForbidden); got != (c.want == forbidden) {
			t.Errorf("%s, %s: forbidden is %v (%v, %v)", name, c.addr, got, secure, open)
		}
		if got := secure == nil && errors.Is(open, errPlainText); got != (c.want == plain) {
			t.Errorf("%s, %s: only for https is %v (%v, %v)", name, c.addr, got, secure, open)
		}
		if got := secure == nil && open == nil; got != (c.want == fine) {
			t.Errorf("%s, %s: fine is %v (%v, %v)", name, c.addr, got, secure, open)
		}
	}
}

func TestNetworksThatAreNamedAreConnectedTo(t *testing.T) {
	g := newGuard([]netip.Prefix{
		netip.MustParsePrefix("169.254.169.254/32"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("::ffff:203.0.113.0/120"),
	}, policy{})
	for addr, allowed := range map[string]bool{
		"169.254.169.254": true, "::ffff:169.254.169.254": true, "64:ff9b::169.254.169.254": true,
		"169.254.169.253": false, "fe80::5%eth0": true, "203.0.113.9": true, "203.0.114.9": false,
	} {
		if err := g.check(netip.MustParseAddr(addr), true); (err == nil) != allowed {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestTheGuardSeesTheAddressThatIsDialled(t *testing.T) {
	g := newGuard(nil, policy{})
	dialer := g.dialer()
	for name, address := range map[string]string{
		"metadata":            "169.254.169.254:80",
		"mapped metadata":     "[::ffff:169.254.169.254]:80",
		"unspecified address": "0.0.0.0:80",
		"nothing but a port":  ":80",
	} {
		conn, err := dialer.DialContext(withScheme(t.Context(), "https"), "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		if classifyError(errors.Join(err)) != ClassBlocked {
			t.Errorf("%s: %v", name, err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	conn, err := dialer.DialContext(context.Background(), "tcp", listener.Addr().String())
	must(t, err)
	must(t, conn.Close())
}

func TestProbe(t *testing.T) {
	var requests int
	count := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests++ })
	plain := httptest.NewServer(count)
	defer plain.Close()
	secure := quietTLS(count)
	defer secure.Close()
	gone := httptest.NewServer(count)
	gone.Close()

	result, err := Probe(t.Context(), Endpoint{Name: "a", URL: plain.URL + "/x?token=hidden"}, nil)
	must(t, err)
	if result.Address == "" || result.TLS != "" {
		t.Errorf("%+v", result)
	}
	for name, c := range map[string]struct {
		url  string
		want Class
	}{
		"an unknown authority":       {secure.URL + "/?token=hidden", ClassTLS},
		"https where http is":        {strings.Replace(plain.URL, "http", "https", 1), ClassTLS},
		"nobody there":               {gone.URL + "/hidden", ClassConnect},
		"a metadata service":         {"http://u:hidden@169.254.169.254/", ClassBlocked},
		"plain http to the public":   {"http://203.0.113.1/", ClassBlocked},
		"a host that does not exist": {"https://no-such-host.invalid/", ClassDNS},
	} {
		_, err := Probe(t.Context(), Endpoint{Name: "a", URL: c.url}, nil)
		var failed *ProbeError
		switch {
		case !errors.As(err, &failed):
			t.Errorf("%s: %v", name, err)
		case failed.Class != c.want:
			t.Errorf("%s: %v, want %s", name, err, c.want)
		case strings.Contains(err.Error(), "hidden"):
			t.Errorf("%s: the error shows the URL: %v", name, err)
		}
	}
	if requests != 0 {
		t.Errorf("%d requests were sent", requests)
	}
}
