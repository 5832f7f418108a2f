package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	standard := Schedule{}
	answered := func(status int) outcome { return outcome{status: status, class: statusClass(status)} }
	failed := func(class Class) outcome { return outcome{class: class} }
	for name, c := range map[string]struct {
		out      outcome
		attempts int
		want     verdict
		reason   Reason
	}{
		"200 is delivered":                         {answered(200), 1, verdictDelivered, ""},
		"204 is delivered":                         {answered(204), 10, verdictDelivered, ""},
		"299 is delivered":                         {answered(299), 1, verdictDelivered, ""},
		"a 2xx whose body breaks off is a failure": {outcome{status: 200, class: ClassBody}, 1, verdictRetry, ""},
		"301 is a failure":                         {answered(301), 5, verdictRetry, ""},
		"101 is a failure":                         {answered(101), 1, verdictRetry, ""},
		"400 is tried again":                       {answered(400), 3, verdictRetry, ""},
		"400 four times is refused":                {answered(400), 4, verdictDead, ReasonRefused},
		"401 four times is refused":                {answered(401), 4, verdictDead, ReasonRefused},
		"404 after a long outage is refused":       {answered(404), 7, verdictDead, ReasonRefused},
		"408 has the whole schedule":               {answered(408), 9, verdictRetry, ""},
		"425 has the whole schedule":               {answered(425), 9, verdictRetry, ""},
		"429 has the whole schedule":               {answered(429), 9, verdictRetry, ""},
		"410 disables":                             {answered(410), 1, verdictDisable, ""},
		"410 at the last attempt disables":         {answered(410), 10, verdictDisable, ""},
		"415 is final":                             {answered(415), 1, verdictDead, ReasonFinal},
		"501 is final":                             {answered(501), 1, verdictDead, ReasonFinal},
		"500 has the whole schedule":               {answered(500), 9, verdictRetry, ""},
		"500 at the last attempt is given up":      {answered(500), 10, verdictDead, ReasonUsedUp},
		"503 has the whole schedule":               {answered(503), 9, verdictRetry, ""},
		"no connection has the whole schedule":     {failed(ClassConnect), 9, verdictRetry, ""},
		"a timeout has the whole schedule":         {failed(ClassTimeout), 9, verdictRetry, ""},
		"bad TLS has the whole schedule":           {failed(ClassTLS), 9, verdictRetry, ""},
		"bad TLS at the last attempt is given up":  {failed(ClassTLS), 10, verdictDead, ReasonUsedUp},
		"a blocked address is final":               {failed(ClassBlocked), 1, verdictDead, ReasonBlocked},
	} {
		got, reason := judge(c.out, c.attempts, standard)
		if got != c.want || reason != c.reason {
			t.Errorf("%s: %s %q, want %s %q", name, got, reason, c.want, c.reason)
		}
	}
}

func TestClassifyError(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for name, c := range map[string]struct {
		err  error
		want Class
	}{
		"no such host":                  {dial(&net.DNSError{Err: "no such host", Name: "x"}), ClassDNS},
		"a name server that is slow":    {dial(&net.DNSError{Err: "timeout", Name: "x", IsTimeout: true}), ClassDNS},
		"refused":                       {dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), ClassConnect},
		"no route":                      {dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), ClassConnect},
		"connecting takes too long":     {dial(os.ErrDeadlineExceeded), ClassTimeout},
		"the exchange takes too long":   {fmt.Errorf("wrapped: %w", context.DeadlineExceeded), ClassTimeout},
		"an unknown authority":          {&tls.CertificateVerificationError{Err: errors.New("x509")}, ClassTLS},
		"an alert of the other side":    {&net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}, ClassTLS},
		"plain http on the TLS port":    {errors.New("http: server gave HTTP response to HTTPS client"), ClassTLS},
		"reset":                         {&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, ClassReset},
		"closed before it answered":     {io.EOF, ClassReset},
		"something that is not HTTP":    {errors.New(`malformed HTTP response "SSH-2.0"`), ClassReset},
		"our own rules":                 {dial(errPlainText), ClassBlocked},
		"our own rules, of many errors": {dial(errors.Join(errors.New("other"), errForbidden)), ClassBlocked},
	} {
		if got := classifyError(c.err); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 22, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		value string
		want  time.Duration
	}{
		"seconds":            {"120", 2 * time.Minute},
		"padded seconds":     {" 7 ", 7 * time.Second},
		"a date":             {"Mon, 23 Nov 2026 22:05:05 GMT", time.Minute},
		"a date gone by":     {"Mon, 23 Nov 2026 22:04:00 GMT", 0},
		"an old date form":   {"Monday, 23-Nov-26 22:05:05 GMT", time.Minute},
		"nothing":            {"", 0},
		"a negative number":  {"-5", 0},
		"a fraction":         {"1.5", 0},
		"words":              {"soon", 0},
		"an absurd number":   {"99999999999999999999", 0},
		"a very large wait":  {"2147483647", 2147483647 * time.Second},
		"a unit of its own":  {"5s", 0},
		"a hostile header":   {"5\r\nX: y", 0},
		"zero, that is, now": {"0", 0},
	} {
		if got := parseRetryAfter(c.value, now); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestTextFromOutsideIsMadePrintableAndBounded(t *testing.T) {
	if got := printable("a\r\nb\x00c\xff", 100); got != "a  b c?" {
		t.Errorf("%q", got)
	}
	if got := printable("ääää", 3); got != "ä" {
		t.Errorf("%q: a rune was cut in two", got)
	}
}
