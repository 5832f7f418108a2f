package webhook

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

// Forms in which a metadata service, or this machine, has been asked for past other senders' rules. What is refused when the
// configuration is read never gets as far as a resolver; what is not is refused as it is dialled.
func TestHostileFormsOfHosts(t *testing.T) {
	for name, c := range map[string]struct {
		host  string
		early bool // refused before anything is resolved
	}{
		"metadata":                            {"169.254.169.254", false},
		"metadata as one number":              {"2852039166", true},
		"metadata in octal":                   {"0251.0376.0251.0376", true},
		"metadata in padded octal":            {"0000251.0000376.0000251.0000376", true},
		"metadata in hexadecimal":             {"0xa9.0xfe.0xa9.0xfe", true},
		"metadata as one hexadecimal number":  {"0xA9FEA9FE", true},
		"metadata with two parts missing":     {"169.16689662", true},
		"metadata, overflowing":               {"425.510.425.510", true},
		"loopback with two parts missing":     {"127.1", true},
		"loopback in octal":                   {"0177.0.0.1", true},
		"metadata with a full stop behind":    {"169.254.169.254.", true},
		"metadata in letters with circles":    {"①⑥⑨.②⑤④.①⑥⑨.②⑤④", false},
		"metadata, IPv4-mapped":               {"[::ffff:169.254.169.254]", false},
		"metadata, mapped, in hexadecimal":    {"[::ffff:a9fe:a9fe]", false},
		"metadata, IPv4-compatible":           {"[::169.254.169.254]", false},
		"metadata through NAT64":              {"[64:ff9b::a9fe:a9fe]", false},
		"metadata through a NAT64 of its own": {"[64:ff9b:1:0:0:0:a9fe:a9fe]", false},
		"metadata through 6to4":               {"[2002:a9fe:a9fe::]", false},
		"link-local with a zone":              {"[fe80::1%25lo]", false},
		"AWS metadata by IPv6":                {"[fd00:ec2::254]", false},
		"unspecified":                         {"0.0.0.0", false},
		"unspecified in short":                {"0", true},
		"unspecified, IPv6":                   {"[::]", false},
		"broadcast":                           {"255.255.255.255", false},
	} {
		for _, scheme := range []string{"http", "https"} {
			e := Endpoint{Name: "a", URL: scheme + "://" + c.host + ":9/hook"}
			err := ValidateEndpoint(e)
			if early := err != nil; early != c.early {
				t.Errorf("%s, %s: refused early is %v: %v", name, scheme, early, err)
			}
			if c.early {
				continue
			}
			_, err = Probe(t.Context(), e, nil)
			var failed *ProbeError
			if !errors.As(err, &failed) || failed.Class != ClassBlocked && failed.Class != ClassDNS {
				t.Errorf("%s, %s: %v", name, scheme, err)
			}
		}
	}
	for _, host := range []string{"10.0.0.1", "[::1]", "example.com", "example.com.", "1and1.example", "0x.example", "v2", "a1"} {
		if err := ValidateEndpoint(Endpoint{Name: "a", URL: "https://" + host + "/"}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestEndpointsHeldToPublicAddresses(t *testing.T) {
	g := newGuard([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}, policy{publicOnly: true})
	for addr, fine := range map[string]bool{
		"93.184.216.34": true, "2606:4700::1": true, "::ffff:93.184.216.34": true, "64:ff9b::5db8:d822": true, "2002:5db8:d822::1": true,
		"127.0.0.1": false, "::1": false, "10.0.0.1": false, "192.168.0.1": false, "172.31.0.1": false, "fd00::1": false,
		"::ffff:10.0.0.1": false, "64:ff9b::a00:1": false, "2002:a00:1::1": false, "2002:7f00:1::": false, "::10.0.0.1": false,
		"100.64.0.1": false, "192.0.2.1": false, "198.18.0.1": false, "203.0.113.9": false, "2001:db8::1": false, "169.254.169.254": false,
		"0.0.0.0": false, "224.0.0.1": false, "255.255.255.255": false, "100::1": false, "5f00::1": false, "fec0::1": false,
	} {
		if err := g.check(netip.MustParseAddr(addr), false); (err == nil) != fine {
			t.Errorf("%s: %v", addr, err)
		}
		if err := g.check(netip.MustParseAddr(addr), true); !errors.Is(err, errNotPublic) {
			t.Errorf("%s, plain http: %v", addr, err)
		}
	}
	for name, c := range map[string]struct {
		endpoint Endpoint
		want     string
	}{
		"plain http":          {Endpoint{URL: "http://host/", PublicOnly: true}, "url: begin it with https://"},
		"and insecure":        {Endpoint{URL: "https://host/", PublicOnly: true, InsecureHTTP: true}, "insecure_http: the endpoint is held to https"},
		"https":               {Endpoint{URL: "https://host/", PublicOnly: true}, ""},
		"insecure by itself":  {Endpoint{URL: "http://host/", InsecureHTTP: true}, ""},
		"insecure, but https": {Endpoint{URL: "https://host/", InsecureHTTP: true}, ""},
	} {
		c.endpoint.Name = "a"
		if err := ValidateEndpoint(c.endpoint); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestPlainHTTPToThePublicWhereTheEndpointSaysSo(t *testing.T) {
	g := newGuard(nil, policy{insecureHTTP: true})
	for addr, fine := range map[string]bool{"93.184.216.34": true, "10.0.0.1": true, "169.254.169.254": false, "::ffff:169.254.169.254": false} {
		if err := g.check(netip.MustParseAddr(addr), true); (err == nil) != fine {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// An endpoint must not get at a pooled connection that only another one's rules let be made.
func TestEndpointsUnderDifferentRulesShareNoConnection(t *testing.T) {
	e := startEngine(t)
	r := e.prepare([]Endpoint{
		{Name: "a", URL: "https://host/"},
		{Name: "b", URL: "https://host/"},
		{Name: "c", URL: "https://host/", PublicOnly: true},
		{Name: "d", URL: "http://host/", InsecureHTTP: true},
	})
	transports := make(map[http.RoundTripper]int)
	for _, l := range r.roster().lanes {
		transports[l.sender.transport]++
	}
	if len(transports) != 3 || transports[r.exits.way(policy{})] != 2 {
		t.Errorf("%d transports: %v", len(transports), transports)
	}
}

// nameServer answers each question for an IPv4 address with the next of the given ones; the last one stays.
func nameServer(t *testing.T, answers ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	var asked atomic.Int64
	go func() {
		question := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(question)
			if err != nil {
				return
			}
			reply := answerTo(question[:n])
			if reply[len(reply)-3] == 1 { // type A; the other question is for AAAA
				i := min(int(asked.Add(1)), len(answers)) - 1
				reply = withAddress(reply, netip.MustParseAddr(answers[i]))
			}
			_, _ = conn.WriteTo(reply, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// answerTo is an answer without addresses: header and question, and none of the question's additions.
func answerTo(question []byte) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	reply := append([]byte(nil), question[:end+5]...)
	binary.BigEndian.PutUint16(reply[2:], 0x8180)
	copy(reply[6:12], make([]byte, 6))
	return reply
}

func withAddress(reply []byte, addr netip.Addr) []byte {
	binary.BigEndian.PutUint16(reply[6:], 1)
	four := addr.As4()
	reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
	return append(reply, four[:]...)
}

func TestANameThatChangesItsAddressIsCheckedEachTimeItIsDialled(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(in.URL, "http://"))
	must(t, err)
	r := e.prepare([]Endpoint{{Name: "a", URL: "http://rebinding.example:" + port + "/?token=hidden", InFlight: 1}})
	g := newGuard(nil, policy{})
	g.resolver = nameServer(t, "127.0.0.1", "169.254.169.254")
	transport := r.exits.way(policy{}).Load()
	transport.DialContext = g.dialer().DialContext
	transport.DisableKeepAlives = true // each delivery dials
	r.start()
	first := e.append("done", 1)
	eventually(t, "the first delivery", func() bool { return in.count(first) == 1 })
	e.append("done", 2)
	eventually(t, "the dead letter", func() bool { return len(e.messages(e.names.DeadStream(), ">")) == 1 })
	letter := e.messages(e.names.DeadStream(), ">")[0].Header
	if letter.Get(HeaderClass) != string(ClassBlocked) || strings.Contains(letter.Get(HeaderDetail), "169.254") {
		t.Errorf("%v", letter)
	}
	if len(in.seen()) != 1 {
		t.Errorf("%d requests", len(in.seen()))
	}
	r.showsNothingOf(t, "hidden", "169.254")
}

func TestARedirectToMetadataIsNotFollowed(t *testing.T) {
	e := startEngine(t)
	in := startReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/?token=hidden", http.StatusTemporaryRedirect)
	})
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0,10ms")}})
	e.append("done", 1)
	eventually(t, "the dead letter", func() bool { return len(e.messages(e.names.DeadStream(), ">")) == 1 })
	if letter := e.messages(e.names.DeadStream(), ">")[0].Header; letter.Get(HeaderClass) != string(ClassRedirect) || letter.Get(HeaderStatus) != "307" {
		t.Errorf("%v", letter)
	}
	r.showsNothingOf(t, "hidden")
}

func TestNoProxyOfTheEnvironmentIsUsed(t *testing.T) {
	var proxied atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied.Add(1) }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	e, in := startEngine(t), startReceiver(t, nil)
	r := e.prepare([]Endpoint{{Name: "a", URL: in.URL}, {Name: "b", URL: "https://host/", PublicOnly: true}})
	for p, way := range r.exits.ways { // the environment's proxy is read once a process, and never for loopback
		if way.Load().Proxy != nil {
			t.Errorf("%+v asks for a proxy", p)
		}
	}
	r.start()
	id := e.append("done", 1)
	eventually(t, "the delivery", func() bool { return in.count(id) == 1 })
	if proxied.Load() != 0 {
		t.Error("it went through the proxy")
	}
}
