package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	// startTimeout bounds the recovery of the store: a log of a million events takes seconds.
	startTimeout = 2 * time.Minute
	// memoryStore bounds what consumers of other services may keep in memory.
	memoryStore = 64 << 20
	// diskStore is no bound of ours. Left to itself the server takes three quarters of what is free at the start for one, and
	// refuses a stream whose own bound is larger, however little it will hold: on a small volume it would not start.
	diskStore = 1 << 50
	listenOff = "off"
	// privateInbox is where answers to this process arrive. Listeners may subscribe to _INBOX.> alone.
	privateInbox = "_VIDBELL_INBOX"
)

type embedded struct {
	server  *server.Server
	lock    *lock
	addr    string
	dataDir string
	gate    *gate
	keeper  *keeper // nil until the server serves
}

func startEmbedded(cfg Config) (*embedded, *nats.Conn, error) {
	opts, err := serverOptions(cfg)
	if err != nil {
		return nil, nil, err
	}
	l, err := openDataDir(cfg.DataDir)
	if err != nil {
		return nil, nil, err
	}
	e := &embedded{lock: l, dataDir: cfg.DataDir}
	nc, err := e.open(cfg, opts)
	if err != nil {
		e.stop()
		return nil, nil, err
	}
	return e, nc, nil
}

// open looks at the store before the server touches it, and starts the server.
func (e *embedded) open(cfg Config, opts *server.Options) (*nats.Conn, error) {
	found, err := examine(cfg)
	if err != nil {
		return nil, err
	}
	if err := found.prepare(cfg.DataDir); err != nil {
		return nil, &Error{
			Setting: "VIDBELL_DATA_DIR", Problem: "cannot write to " + cfg.DataDir, Err: err,
			Hint: "make room, and name a directory that this user may write to",
		}
	}
	nc, err := e.start(cfg, opts)
	if err != nil {
		return nil, err
	}
	if err := found.makeAgain(nc, cfg.Logger); err != nil {
		nc.Close()
		return nil, err
	}
	e.keeper = keep(e.server, e.lock, cfg, found.witness)
	return nc, nil
}

func (e *embedded) start(cfg Config, opts *server.Options) (*nats.Conn, error) {
	token := rand.Text()
	e.gate = newGate(token, cfg)
	opts.CustomClientAuthentication = e.gate
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("prepare the embedded server: %w", err)
	}
	log := newServerLog(cfg.Logger)
	s.SetLoggerV2(log, false, false, false)
	e.server = s
	go s.Start() // returns after recovery; Shutdown ends it
	if err := e.wait(log, cfg); err != nil {
		return nil, err
	}
	if !opts.DontListen {
		e.addr = s.Addr().String()
	}
	nc, err := nats.Connect("", append(clientOptions(cfg), nats.InProcessServer(s), nats.Token(token), nats.CustomInboxPrefix(privateInbox))...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded server: %w", err)
	}
	if err := checkStreams(nc, opts.StoreDir, log); err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}

// wait blocks until the server serves, or says why it does not.
func (e *embedded) wait(log *serverLog, cfg Config) error {
	const step = 20 * time.Millisecond
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); {
		if e.server.ReadyForConnections(step) && e.server.JetStreamEnabled() {
			return nil
		}
		select {
		case text := <-log.fatal:
			return fatal(cfg, text)
		default:
		}
	}
	return fmt.Errorf("embedded server not ready after %s", startTimeout)
}

// fatal says which setting the server's last words are about.
func fatal(cfg Config, text string) error {
	if strings.Contains(text, "listening on port") {
		return &Error{Setting: "VIDBELL_NATS_LISTEN", Problem: "cannot listen on " + cfg.Listen, Err: errors.New(text)}
	}
	return &Error{
		Setting: "VIDBELL_DATA_DIR", Problem: "the embedded server does not start on " + cfg.DataDir,
		Err: errors.New(text), Hint: "nothing was overwritten",
	}
}

func (e *embedded) stop() {
	k := e.keeper
	e.keeper = nil // stopped once
	if k != nil {
		k.end()
	}
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
	}
	if k != nil {
		k.seal()
	}
	e.lock.release()
}

func serverOptions(cfg Config) (*server.Options, error) {
	opts := &server.Options{
		ServerName: "vidbell", NoSigs: true, JetStream: true, JetStreamMaxMemory: memoryStore, JetStreamMaxStore: diskStore,
		StoreDir: storeDir(cfg), SyncAlways: true, DontListen: true,
		DisableShortFirstPing: true,
	}
	if cfg.Listen == "" || cfg.Listen == listenOff {
		return opts, nil
	}
	host, portText, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, &Error{Setting: "VIDBELL_NATS_LISTEN", Problem: strconv.Quote(cfg.Listen), Hint: "write host:port, or off"}
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 0 || port > 65535 {
		return nil, &Error{Setting: "VIDBELL_NATS_LISTEN", Problem: strconv.Quote(cfg.Listen), Hint: "the port must be 0 to 65535"}
	}
	if err := tryListen(cfg.Listen); err != nil {
		return nil, err
	}
	opts.DontListen, opts.Host, opts.Port = false, host, port
	if port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	return opts, nil
}

// tryListen finds out about a taken port before the server starts: the server itself would only log it.
func tryListen(addr string) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err == nil {
		return l.Close()
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return &Error{
			Setting: "VIDBELL_NATS_LISTEN", Problem: addr + " is taken by another process",
			Hint: "choose another address, write off for no listener, or set VIDBELL_NATS_URL to use that server",
		}
	}
	return &Error{Setting: "VIDBELL_NATS_LISTEN", Problem: "cannot listen on " + addr, Err: err}
}

const lockFile = "vidbell.lock"

func openDataDir(dir string) (*lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &Error{
			Setting: "VIDBELL_DATA_DIR", Problem: "cannot make " + dir, Err: err,
			Hint: "name a directory that this user may write to",
		}
	}
	l, err := acquire(filepath.Join(dir, lockFile))
	if errors.Is(err, errLocked) {
		return nil, &Error{
			Setting: "VIDBELL_DATA_DIR", Problem: dir + l.holder(), Err: ErrInUse,
			Hint: "stop that one, or give each its own directory",
		}
	}
	if err != nil {
		return nil, &Error{
			Setting: "VIDBELL_DATA_DIR", Problem: "cannot use " + dir, Err: err,
			Hint: "name a directory that this user may read and write",
		}
	}
	return l, nil
}
