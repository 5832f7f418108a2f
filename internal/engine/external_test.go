package engine

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// external starts a server of somebody else. Port 0 picks one.
func external(tb testing.TB, opts server.Options) *server.Server {
	tb.Helper()
	opts.Host, opts.NoSigs, opts.NoLog = "127.0.0.1", true, true
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	if opts.JetStream && opts.StoreDir == "" {
		opts.StoreDir = tb.TempDir()
	}
	s, err := server.NewServer(&opts)
	must(tb, err)
	s.Start()
	if !s.ReadyForConnections(patience) {
		tb.Fatal("the external server did not start")
	}
	tb.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

// reach connects without waiting, and returns how waiting ends.
func reach(tb testing.TB, cfg Config) (*Engine, error) {
	tb.Helper()
	e := start(tb, cfg)
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	err := e.WaitReady(ctx, nil)
	return e, err
}

func TestExternalServer(t *testing.T) {
	s := external(t, server.Options{JetStream: true})
	e, err := reach(t, Config{URL: s.ClientURL()})
	must(t, err)
	if e.Embedded() || e.ListenAddr() != "" {
		t.Error("took the external server for the embedded one")
	}
	openLog(t, e)
	publish(t, e, "vidbell.append.done.s.v", "x")
}

func TestExternalServerOfAList(t *testing.T) {
	s := external(t, server.Options{JetStream: true})
	_, err := reach(t, Config{URL: "nats://127.0.0.1:1," + s.ClientURL()})
	must(t, err)
}

func TestExternalServerThatIsAwayIsWaitedFor(t *testing.T) {
	port, dir := freePort(t), t.TempDir()
	e := start(t, Config{URL: fmt.Sprintf("nats://127.0.0.1:%d", port)})
	if ok, why := e.Ready(); ok || !strings.Contains(why, "not connected") {
		t.Errorf("ready %v, %q", ok, why)
	}
	told, done := make(chan error, 100), make(chan error, 1)
	go func() { done <- e.WaitReady(t.Context(), func(err error) { told <- err }) }()
	if err := <-told; err == nil || !strings.Contains(err.Error(), "not connected") {
		t.Errorf("told %v", err)
	}
	opts := server.Options{Port: port, JetStream: true, StoreDir: dir}
	s := external(t, opts)
	must(t, <-done)
	openLog(t, e)
	publish(t, e, "vidbell.append.done.s.v", "x")

	s.Shutdown()
	s.WaitForShutdown()
	eventually(t, "the engine is away", func() bool { ok, _ := e.Ready(); return !ok })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := e.JetStream.Publish(ctx, "vidbell.append.done.s.w", nil); err == nil {
		t.Error("an append to an engine that is away must fail, not wait in a buffer")
	}
	external(t, opts)
	eventually(t, "the engine is back", func() bool { ok, _ := e.Ready(); return ok })
	must(t, e.WaitReady(t.Context(), nil))
	if got := lastSeq(t, e, "VIDEOS"); got != 2 {
		t.Errorf("%d messages after the return, want 2", got)
	}
}

func TestExternalServerWithoutJetStream(t *testing.T) {
	s := external(t, server.Options{})
	_, err := reach(t, Config{URL: s.ClientURL()})
	wantError(t, err, "VIDBELL_NATS_URL", "no JetStream", "-js")
}

func TestExternalAccountWithoutJetStream(t *testing.T) {
	without := server.NewAccount("WITHOUT")
	s := external(t, server.Options{
		JetStream: true, Accounts: []*server.Account{server.NewAccount("WITH"), without},
		Users: []*server.User{{Username: "u", Password: "p", Account: without}},
	})
	with, err := s.LookupAccount("WITH")
	must(t, err)
	must(t, with.EnableJetStream(nil, nil))
	_, err = reach(t, Config{URL: withUser(s, "u", "p")})
	wantError(t, err, "VIDBELL_NATS_URL", "no JetStream", "for the account")
}

func TestExternalServerThatIsTooOld(t *testing.T) {
	addr := speakAs(t, "2.10.0")
	_, err := reach(t, Config{URL: "nats://" + addr})
	wantError(t, err, "VIDBELL_NATS_URL", "2.10.0", "2.12 or newer")
}

func TestExternalServerRefusesUs(t *testing.T) {
	const secret = "correct-horse-battery"
	s := external(t, server.Options{JetStream: true, Username: "u", Password: "other"})
	for name, url := range map[string]string{
		"wrong password": withUser(s, "u", secret), "nobody": s.ClientURL(), "wrong token": withUser(s, secret, ""),
	} {
		e, err := reach(t, Config{URL: url})
		wantError(t, err, "VIDBELL_NATS_URL", "refused our credentials", "VIDBELL_NATS_CREDS")
		if _, why := e.Ready(); strings.Contains(err.Error()+why, secret) {
			t.Errorf("%s: the password is in %q or %q", name, err, why)
		}
	}
}

func TestExternalServerAppearsAndRefusesUs(t *testing.T) {
	port := freePort(t)
	e := start(t, Config{URL: fmt.Sprintf("nats://u:p@127.0.0.1:%d", port)})
	told, done := make(chan error, 100), make(chan error, 1)
	go func() { done <- e.WaitReady(t.Context(), func(err error) { told <- err }) }()
	<-told
	external(t, server.Options{Port: port, JetStream: true, Username: "u", Password: "other"})
	select {
	case err := <-done:
		wantError(t, err, "VIDBELL_NATS_URL", "refused our credentials")
	case <-time.After(patience):
		t.Fatal("still waiting for a server that refused us")
	}
}

func TestExternalURLThatIsNone(t *testing.T) {
	const secret = "s3cr3t"
	for _, url := range []string{
		"nats://u:" + secret + "@127.0.0.1:port", "nats://u:" + secret + "%zz@127.0.0.1:1", "nats://u:" + secret + "@[::1", "nats://u:" + secret + "@a b",
	} {
		_, err := Start(Config{URL: url})
		wantError(t, err, "VIDBELL_NATS_URL", "cannot connect")
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the password is in %v", err)
		}
	}
}

func TestFilesForTheExternalServer(t *testing.T) {
	const secret = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
	dir := t.TempDir()
	missing, rubbish := filepath.Join(dir, "missing"), filepath.Join(dir, "rubbish")
	must(t, os.WriteFile(rubbish, []byte("-----BEGIN NATS USER JWT-----\n"+secret[:20]+"\n"), 0o600))
	for setting, cfg := range map[string]func(string) Config{
		"VIDBELL_NATS_CREDS":    func(f string) Config { return Config{Credentials: f} },
		"VIDBELL_NATS_NKEY":     func(f string) Config { return Config{NKey: f} },
		"VIDBELL_NATS_TLS_CA":   func(f string) Config { return Config{TLS: TLS{CA: f}} },
		"VIDBELL_NATS_TLS_CERT": func(f string) Config { return Config{TLS: TLS{Cert: f, Key: f}} },
	} {
		for _, file := range []string{missing, rubbish} {
			c := cfg(file)
			c.URL = "nats://127.0.0.1:1"
			_, err := Start(c)
			wantError(t, err, setting, file)
			if strings.Contains(err.Error(), secret[:20]) {
				t.Errorf("what the file holds is in %v", err)
			}
		}
	}
}

func TestExternalServerByNKey(t *testing.T) {
	user, err := nkeys.CreateUser()
	must(t, err)
	public, err := user.PublicKey()
	must(t, err)
	seed, err := user.Seed()
	must(t, err)
	file := filepath.Join(t.TempDir(), "seed")
	must(t, os.WriteFile(file, seed, 0o600))
	s := external(t, server.Options{JetStream: true, Nkeys: []*server.NkeyUser{{Nkey: public}}})
	_, err = reach(t, Config{URL: s.ClientURL(), NKey: file})
	must(t, err)
}

func TestExternalServerByTLS(t *testing.T) {
	good, bad := newAuthority(t), newAuthority(t)
	s := external(t, server.Options{JetStream: true, TLS: true, TLSConfig: good.server(t), TLSTimeout: patience.Seconds()})
	url := strings.Replace(s.ClientURL(), "nats://", "tls://", 1)
	_, err := reach(t, Config{URL: url, TLS: TLS{CA: good.file}})
	must(t, err)
	_, err = reach(t, Config{URL: url, TLS: TLS{CA: bad.file}})
	wantError(t, err, "VIDBELL_NATS_TLS_CA", "not trusted", "authority")
	_, err = reach(t, Config{URL: url})
	wantError(t, err, "VIDBELL_NATS_TLS_CA", "not trusted")
	_, err = reach(t, Config{URL: strings.Replace(url, "127.0.0.1", "localhost", 1), TLS: TLS{CA: good.file}})
	wantError(t, err, "VIDBELL_NATS_TLS_CA", "not trusted", "host name")
}

func TestErrorsAreToldApart(t *testing.T) {
	cause := errors.New("cause")
	err := error(&Error{Setting: "S", Problem: "p", Hint: "h", Err: cause})
	if err.Error() != "S: p: cause; h" || !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

func withUser(s *server.Server, user, password string) string {
	at := user
	if password != "" {
		at += ":" + password
	}
	return strings.Replace(s.ClientURL(), "nats://", "nats://"+at+"@", 1)
}

func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(tb, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// speakAs answers as a server of a version does, up to the first ping.
func speakAs(tb testing.TB, version string) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(tb, err)
	done := make(chan struct{})
	tb.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintf(c, `INFO {"server_id":"old","version":%q,"proto":1,"headers":true,"max_payload":1048576}`+"\r\n", version)
			for lines := bufio.NewScanner(c); lines.Scan(); {
				if lines.Text() == "PING" {
					fmt.Fprint(c, "PONG\r\n")
				}
			}
			c.Close()
		}
	}()
	return l.Addr().String()
}

// authority signs certificates for 127.0.0.1.
type authority struct {
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(tb, err)
	cert, err := x509.ParseCertificate(der)
	must(tb, err)
	a := &authority{file: filepath.Join(tb.TempDir(), "ca.pem"), cert: cert, key: key}
	must(tb, os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return a
}

func (a *authority) server(tb testing.TB) *tls.Config {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	must(tb, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}
