package engine

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

const (
	// startTimeout bounds the recovery of the store: a log of a million events takes seconds.
	startTimeout = 2 * time.Minute
	// memoryStore bounds what consumers of other services may keep in memory.
	memoryStore = 64 << 20
	listenOff   = "off"
)

type embedded struct {
	server *server.Server
	lock   *lock
	addr   string
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
	e := &embedded{lock: l}
	nc, err := e.start(cfg, opts)
	if err != nil {
		e.stop()
		return nil, nil, err
	}
	return e, nc, nil
}

func (e *embedded) start(cfg Config, opts *server.Options) (*nats.Conn, error) {
	token := rand.Text()
	opts.CustomClientAuthentication = &gate{own: token, listeners: cfg.ListenToken, permissions: permissions(cfg)}
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("prepare the embedded server: %w", err)
	}
	log := &serverLog{log: cfg.Logger.Named("nats").Sugar(), fatal: make(chan string, 1)}
	s.SetLoggerV2(log, false, false, false)
	e.server = s
	go s.Start() // returns after recovery; Shutdown ends it
	if err := e.wait(log, cfg); err != nil {
		return nil, err
	}
	if !opts.DontListen {
		e.addr = s.Addr().String()
	}
	nc, err := nats.Connect("", append(clientOptions(cfg), nats.InProcessServer(s), nats.Token(token))...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded server: %w", err)
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
			return &Error{
				Setting: "VIDBELL_DATA_DIR", Problem: "the embedded server does not start on " + cfg.DataDir,
				Err: errors.New(text), Hint: "nothing was overwritten",
			}
		default:
		}
	}
	return fmt.Errorf("embedded server not ready after %s", startTimeout)
}

func (e *embedded) stop() {
	if e.server != nil {
		e.server.Shutdown()
		e.server.WaitForShutdown()
	}
	e.lock.release()
}

func serverOptions(cfg Config) (*server.Options, error) {
	opts := &server.Options{
		ServerName: "vidbell", NoSigs: true, JetStream: true, JetStreamMaxMemory: memoryStore,
		StoreDir: filepath.Join(cfg.DataDir, "jetstream"), SyncAlways: true, DontListen: true,
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
	l, err := net.Listen("tcp", addr)
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

// gate decides who may connect to the embedded server, and as what.
type gate struct {
	own         string
	listeners   string
	permissions *server.Permissions
}

// Check lets this process do everything, and others read.
func (g *gate) Check(c server.ClientAuthentication) bool {
	given := c.GetOpts()
	if equal(given.Token, g.own) {
		c.RegisterUser(&server.User{Username: "vidbell"})
		return true
	}
	if g.listeners != "" && !equal(given.Token, g.listeners) && !equal(given.Password, g.listeners) {
		return false
	}
	c.RegisterUser(&server.User{Username: "subscriber", Permissions: g.permissions})
	return true
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// permissions are what a subscriber needs, from a plain subscription to a durable consumer, and no more.
func permissions(cfg Config) *server.Permissions {
	publish := []string{
		"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*",
		"$JS.API.DIRECT.GET.>", "$JS.API.CONSUMER.CREATE.>", "$JS.API.CONSUMER.DURABLE.CREATE.>", "$JS.API.CONSUMER.NAMES.*",
		"$JS.API.CONSUMER.LIST.*", "$JS.API.CONSUMER.INFO.>", "$JS.API.CONSUMER.MSG.NEXT.>", "$JS.API.CONSUMER.DELETE.>",
		"$JS.ACK.>", "$JS.FC.>",
	}
	var denied []string
	for stream, consumers := range cfg.Consumers {
		for _, name := range consumers {
			at := stream + "." + name
			denied = append(denied,
				"$JS.API.CONSUMER.CREATE."+at, "$JS.API.CONSUMER.CREATE."+at+".>", "$JS.API.CONSUMER.DURABLE.CREATE."+at,
				"$JS.API.CONSUMER.MSG.NEXT."+at, "$JS.API.CONSUMER.DELETE."+at, "$JS.ACK."+at+".>",
			)
		}
	}
	slices.Sort(denied)
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish, Deny: denied},
		Subscribe: &server.SubjectPermission{Allow: append([]string{"_INBOX.>", "$JS.EVENT.ADVISORY.>"}, cfg.Subjects...)},
	}
}

// serverLog hands the server's lines to ours. What it calls notices is detail here.
type serverLog struct {
	log   *zap.SugaredLogger
	fatal chan string
	once  sync.Once
}

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debugf(format, v...) }
func (l *serverLog) Warnf(format string, v ...any)   { l.log.Debugf(format, v...) }
func (l *serverLog) Errorf(format string, v ...any)  { l.log.Warnf(format, v...) }
func (l *serverLog) Debugf(string, ...any)           {}
func (l *serverLog) Tracef(string, ...any)           {}

// Fatalf keeps the first line for the caller: the server's own log never ends this process.
func (l *serverLog) Fatalf(format string, v ...any) {
	l.once.Do(func() { l.fatal <- fmt.Sprintf(format, v...) })
}
