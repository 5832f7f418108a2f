package webhook

import (
	"bufio"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// rawReceiver answers each connection by hand.
func rawReceiver(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					answer(conn)
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String() + "/?token=hidden"
}

// write sends text again and again until the other side has had enough.
func write(conn net.Conn, text string, every time.Duration) {
	for {
		if _, err := conn.Write([]byte(text)); err != nil {
			return
		}
		time.Sleep(every)
	}
}

func TestReceiversThatMisbehaveAreBounded(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	for name, c := range map[string]struct {
		answer func(net.Conn)
		class  Class // empty: delivered
		within time.Duration
	}{
		"silence":                     {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, ClassTimeout, 3 * time.Second},
		"a head that drips":           {func(c net.Conn) { _, _ = c.Write([]byte(head)); write(c, "X: y\r\n", 20*time.Millisecond) }, ClassTimeout, 3 * time.Second},
		"a body that drips":           {func(c net.Conn) { _, _ = c.Write([]byte(head + "\r\n")); write(c, ".", 20*time.Millisecond) }, ClassTimeout, 3 * time.Second},
		"a head without end":          {func(c net.Conn) { _, _ = c.Write([]byte(head)); write(c, "X: "+strings.Repeat("y", 4096)+"\r\n", 0) }, ClassReset, 2 * time.Second},
		"a body without end":          {func(c net.Conn) { _, _ = c.Write([]byte(head + "\r\n")); write(c, strings.Repeat("y", 4096), 0) }, "", 2 * time.Second},
		"a body cut short":            {func(c net.Conn) { _, _ = c.Write([]byte(head + "Content-Length: 10\r\n\r\nabc")) }, ClassBody, 2 * time.Second},
		"a chunk that is none":        {func(c net.Conn) { _, _ = c.Write([]byte(head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n")) }, ClassBody, 2 * time.Second},
		"hanging up at once":          {func(net.Conn) {}, ClassReset, 2 * time.Second},
		"something that is not HTTP":  {func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.9\r\n")) }, ClassReset, 2 * time.Second},
		"interim answers without end": {func(c net.Conn) { write(c, "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", 0) }, ClassReset, 2 * time.Second},
		"another protocol": {func(c net.Conn) {
			_, _ = c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"))
			_, _ = io.Copy(io.Discard, c)
		}, ClassStatus, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			target, err := compile(Endpoint{Name: "a", URL: rawReceiver(t, c.answer), Timeout: time.Second})
			must(t, err)
			transport := newTransport(newGuard(nil), 4)
			defer transport.CloseIdleConnections()
			s := newSender(transport, "", time.Now)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			out := s.send(withScheme(t.Context(), "http"), target, "evt_1", []byte("{}"))
			runtime.ReadMemStats(&after)
			if out.class != c.class || out.delivered() != (c.class == "") {
				t.Errorf("%+v, want class %q", out, c.class)
			}
			if took := time.Since(began); took > c.within {
				t.Errorf("it took %s", took)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
				t.Errorf("it took %d bytes of memory", grown)
			}
			if strings.Contains(out.detail, "hidden") {
				t.Errorf("the detail shows the URL: %s", out.detail)
			}
		})
	}
}

func TestAnAnswerThatIsNotReadIsNoDelivery(t *testing.T) {
	e := startEngine(t)
	var in *receiver
	in = startReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if len(in.seen()) == 1 {
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("abc"))
			panic(http.ErrAbortHandler)
		}
	})
	e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Schedule: schedule(t, "0,20ms,20ms")}})
	id := e.append("done", 1)
	eventually(t, "a second attempt", func() bool { return in.count(id) == 2 })
}

func TestDeliveryOverTLS(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(name, func(t *testing.T) {
			e := startEngine(t)
			var proto string
			in := &receiver{answer: func(_ http.ResponseWriter, r *http.Request) { proto = r.Proto }}
			in.Server = httptest.NewUnstartedServer(in)
			in.EnableHTTP2 = http2
			in.StartTLS()
			t.Cleanup(in.Close)
			r := e.prepare([]Endpoint{{Name: "a", URL: in.URL, Secrets: []string{secretText(1)}}})
			r.transport.TLSClientConfig.RootCAs = x509.NewCertPool()
			r.transport.TLSClientConfig.RootCAs.AddCert(in.Certificate())
			r.start()
			e.append("done", 1)
			eventually(t, "the delivery", func() bool { return len(in.seen()) == 1 })
			r.stop()
			if proto != name {
				t.Errorf("spoken was %s", proto)
			}
		})
	}
}

func TestNothingSecretReachesLogsMetricsOrState(t *testing.T) {
	e := startEngine(t)
	secret := secretText(7)
	secure := quietTLS(http.NotFoundHandler())
	defer secure.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	failing := startReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "https://user:hidden@elsewhere/?token=hidden")
		w.WriteHeader(http.StatusFound)
	})
	withUser := func(url string) string { return strings.Replace(url, "://", "://user:hidden@", 1) + "/?token=hidden" }
	var endpoints []Endpoint
	for name, url := range map[string]string{
		"tls": secure.URL, "refused": gone.URL, "redirect": failing.URL, "blocked": "http://169.254.169.254",
		"dns": "https://no-such-host.invalid", "raw": strings.TrimSuffix(rawReceiver(t, func(net.Conn) {}), "/?token=hidden"),
	} {
		endpoints = append(endpoints, Endpoint{Name: name, URL: withUser(url), Secrets: []string{secret}, Schedule: schedule(t, "0,10ms")})
	}
	r := e.dispatch(endpoints)
	e.append("done", 1)
	eventually(t, "the dead letters", func() bool { return len(e.messages(e.names.DeadStream(), ">")) == len(endpoints) })
	r.showsNothingOf(t, "hidden", strings.TrimPrefix(secret, secretPrefix))
	for _, letter := range e.messages(e.names.DeadStream(), ">") {
		for key, values := range letter.Header {
			if strings.Contains(strings.Join(values, " "), "hidden") {
				t.Errorf("%s: %v", key, values)
			}
		}
	}
}
