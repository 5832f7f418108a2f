package webhook

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Result says what Probe found.
type Result struct {
	// Address is the IP address and port that answered.
	Address string
	// Took is the time to connect, the TLS handshake included.
	Took time.Duration
	// TLS is the protocol version ("TLS 1.3"), empty for plain http.
	TLS string
	// CertificateExpires is when the receiver's certificate ends; zero for plain http.
	CertificateExpires time.Time
}

// ProbeError says how far Probe came. Its text carries no part of the URL but the host.
type ProbeError struct {
	Endpoint string
	Class    Class
	Detail   string
}

func (e *ProbeError) Error() string {
	return fmt.Sprintf("reach endpoint %q: %s: %s", e.Endpoint, e.Class, e.Detail)
}

// Probe tells whether an endpoint can be reached: it resolves, connects and shakes hands under the rules of real deliveries,
// and hangs up. It sends no request, so that no receiver mistakes it for an event. The error is a *ProbeError, or what
// ValidateEndpoint says.
func Probe(ctx context.Context, e Endpoint, allow []netip.Prefix) (Result, error) {
	t, err := compile(e)
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithTimeout(withScheme(ctx, t.url.Scheme), 2*connectTimeout)
	defer cancel()
	start := time.Now()
	conn, err := dialTarget(ctx, t, newGuard(allow, t.policy()))
	if err != nil {
		return Result{}, &ProbeError{Endpoint: t.Name, Class: classifyError(err), Detail: detailOf(err)}
	}
	defer func() { _ = conn.Close() }() // nothing was sent that closing could lose
	result := Result{Address: conn.RemoteAddr().String(), Took: time.Since(start)}
	if secure, ok := conn.(*tls.Conn); ok {
		state := secure.ConnectionState()
		result.TLS = tls.VersionName(state.Version)
		result.CertificateExpires = state.PeerCertificates[0].NotAfter
	}
	return result, nil
}

func dialTarget(ctx context.Context, t *target, g guard) (net.Conn, error) {
	port := t.url.Port()
	if port == "" {
		port = t.url.Scheme // net resolves "http" and "https" as service names
	}
	address := net.JoinHostPort(t.url.Hostname(), port)
	if t.url.Scheme == "http" {
		return g.dialer().DialContext(ctx, "tcp", address)
	}
	dialer := tls.Dialer{NetDialer: g.dialer(), Config: &tls.Config{MinVersion: tls.VersionTLS12}}
	return dialer.DialContext(ctx, "tcp", address)
}
