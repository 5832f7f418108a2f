package webhook

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
)

// rawReceiver answers each connection by hand, after its request was read.
func rawReceiver(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	return acceptEach(t, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			answer(conn)
		}
	}) + "/?token=hidden"
}

func acceptEach(t *testing.T, serve func(net.Conn)) string {
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
				serve(conn)
			}()
		}
	}()
	return "http://" + listener.Addr().String()
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

// writeMB sends so many megabytes of a text, if the other side takes them.
func writeMB(conn net.Conn, megabytes int, text string) {
	for sent := 0; sent < megabytes<<20; sent += len(text) {
		if _, err := conn.Write([]byte(text)); err != nil {
			return
		}
	}
}

// packedZeroes are a hundred kilobytes that unpack to a hundred megabytes.
func packedZeroes() []byte {
	var packed bytes.Buffer
	w, zeroes := gzip.NewWriter(&packed), make([]byte, 1<<20)
	for range 100 {
		_, _ = w.Write(zeroes)
	}
	_ = w.Close()
	return packed.Bytes()
}

func TestReceiversThatMisbehaveAreBounded(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	packed := packedZeroes()
	bomb := func(c net.Conn) {
		_, _ = fmt.Fprintf(c, "%sContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", head, len(packed))
		_, _ = c.Write(packed)
	}
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
		"a bomb that is not unpacked": {bomb, "", 2 * time.Second},
		"a bomb that claims chunks": {func(c net.Conn) {
			_, _ = c.Write([]byte(head + "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n"))
			write(c, strings.Repeat("\x00", 4096), 0)
		}, "", 2 * time.Second},
		"100 MB of headers": {func(c net.Conn) {
			_, _ = c.Write([]byte(head))
			writeMB(c, 100, "X-Y: "+strings.Repeat("z", 8000)+"\r\n")
		}, ClassReset, 2 * time.Second},
		"one header of 100 MB":      {func(c net.Conn) { _, _ = c.Write([]byte(head + "X: ")); writeMB(c, 100, strings.Repeat("z", 8000)) }, ClassReset, 2 * time.Second},
		"a status line without end": {func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 200 ")); write(c, strings.Repeat("z", 4096), 0) }, ClassReset, 2 * time.Second},
		"trailers without end": {func(c net.Conn) {
			_, _ = c.Write([]byte(head + "Transfer-Encoding: chunked\r\n\r\n0\r\n"))
			write(c, "X: "+strings.Repeat("y", 4096)+"\r\n", 0)
		}, ClassBody, 2 * time.Second},
		"half an answer, and silence": {func(c net.Conn) {
			_, _ = c.Write([]byte(head + "Content-Length: 10\r\n\r\nabc"))
			_, _ = io.Copy(io.Discard, c)
		}, ClassTimeout, 3 * time.Second},
		"interim answers without end": {func(c net.Conn) { write(c, "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", 0) }, ClassReset, 2 * time.Second},
		"another protocol": {func(c net.Conn) {
			_, _ = c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"))
			_, _ = io.Copy(io.Discard, c)
		}, ClassStatus, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			target, err := compile(Endpoint{Name: "a", URL: rawReceiver(t, c.answer), Timeout: time.Second})
			must(t, err)
			transport := newTransport(newGuard(nil, policy{}), 4)
			defer transport.CloseIdleConnections()
			s := newSender(transport, "", time.Now, nil)
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

func TestReceiversThatCannotBeTalkedTo(t *testing.T) {
	wrongName := httptest.NewUnstartedServer(http.NotFoundHandler())
	wrongName.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	wrongName.StartTLS() // for 127.0.0.1 and example.com
	defer wrongName.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(wrongName.Certificate())
	gone := httptest.NewServer(nil)
	gone.Close()
	early := acceptEach(t, func(c net.Conn) {
		_, _ = c.Write([]byte("HTTP/1.1 204 No Content\r\n\r\n"))
		_, _ = io.Copy(io.Discard, c)
	})
	rude := acceptEach(t, func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")) })
	for name, c := range map[string]struct {
		url     string
		classes []Class // empty: delivered
	}{
		"a certificate for another name":     {strings.Replace(wrongName.URL, "127.0.0.1", "localhost", 1), []Class{ClassTLS}},
		"nobody listens":                     {gone.URL, []Class{ClassConnect}},
		"no such host":                       {"https://no-such-host.invalid/", []Class{ClassDNS}},
		"TLS where http is":                  {strings.Replace(early, "http", "https", 1), []Class{ClassTLS}},
		"an answer before the request":       {early, []Class{"", ClassReset}},         // as the connection idles, or is in use already
		"an answer, and the request is lost": {rude, []Class{ClassStatus, ClassReset}}, // whichever is seen first
	} {
		target, err := compile(Endpoint{Name: "a", URL: c.url, Timeout: 2 * time.Second})
		must(t, err)
		transport := newTransport(newGuard(nil, policy{}), 4)
		transport.TLSClientConfig = &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}
		body := bytes.Repeat([]byte(" "), 1<<20) // more than fits in the buffers on the way
		out := newSender(transport, "", time.Now, nil).send(withScheme(t.Context(), target.url.Scheme), target, "evt_1", body)
		transport.CloseIdleConnections()
		if !slices.Contains(c.classes, out.class) {
			t.Errorf("%s: %+v, want %v", name, out, c.classes)
		}
	}
}

// Every misbehaviour at once, each with a lane of its own: memory stays flat, a healthy receiver notices nothing, and when the
// others behave again they have everything.
func TestLanesRecoverFromReceiversThatMisbehave(t *testing.T) {
	e := startEngine(t)
	var cured atomic.Bool
	var mu sync.Mutex
	taken := make(map[string]map[string]bool)
	take := func(lane, id string) {
		mu.Lock()
		defer mu.Unlock()
		if taken[lane] == nil {
			taken[lane] = make(map[string]bool)
		}
		taken[lane][id] = true
	}
	const head = "HTTP/1.1 500 Oh\r\n"
	var endpoints []Endpoint
	for name, misbehave := range map[string]func(net.Conn){
		"silent":   func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"dripping": func(c net.Conn) { write(c, head[:1], 20*time.Millisecond) },
		"endless":  func(c net.Conn) { _, _ = c.Write([]byte(head + "\r\n")); write(c, strings.Repeat("y", 1<<16), 0) },
		"headers": func(c net.Conn) {
			_, _ = c.Write([]byte(head))
			writeMB(c, 100, "X: "+strings.Repeat("y", 1<<15)+"\r\n")
		},
		"closing": func(net.Conn) {},
		"cutting": func(c net.Conn) { _, _ = c.Write([]byte(head[:9] + "200 OK\r\nContent-Length: 10\r\n\r\nabc")) },
	} {
		url := acceptEach(t, func(c net.Conn) {
			r, err := http.ReadRequest(bufio.NewReader(c))
			switch {
			case err != nil:
			case cured.Load():
				take(name, r.Header.Get("Webhook-Id"))
				_, _ = c.Write([]byte("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"))
			default:
				misbehave(c)
			}
		})
		endpoints = append(endpoints, Endpoint{Name: name, URL: url, InFlight: 4, Timeout: time.Second})
	}
	healthy := startReceiver(t, nil)
	r := e.dispatch(append(endpoints, Endpoint{Name: "healthy", URL: healthy.URL}))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const events = 50
	for i := range events {
		e.append("done", i)
	}
	eventually(t, "the healthy one has everything", func() bool { return len(healthy.seen()) == events })
	for _, endpoint := range endpoints {
		eventually(t, endpoint.Name+" is found to be away", func() bool { return r.state(t, endpoint.Name).State == StateDegraded })
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("it holds %d bytes more", grown)
	}
	cured.Store(true)
	for _, endpoint := range endpoints {
		eventually(t, endpoint.Name+" has everything", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(taken[endpoint.Name]) == events
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
			r.exits.way(policy{}).Load().TLSClientConfig.RootCAs = x509.NewCertPool()
			r.exits.way(policy{}).Load().TLSClientConfig.RootCAs.AddCert(in.Certificate())
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
