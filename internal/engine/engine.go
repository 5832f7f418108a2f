package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// requestTimeout bounds one request to JetStream. A synced append takes milliseconds; a cluster electing a leader seconds.
const requestTimeout = 10 * time.Second

// Config says which engine, and where.
type Config struct {
	// URL is a comma list of server addresses; empty means embedded.
	URL         string
	Credentials string // file
	NKey        string // seed file
	TLS         TLS

	// Listen is the embedded server's address for other services, host:port; "off" or empty is none. Port 0 picks one.
	Listen      string
	ListenToken string // demanded of those who connect, when set
	DataDir     string // of the embedded server; created if missing
	// Subjects are what listeners may subscribe to, beside their inboxes.
	Subjects []string
	// Streams are what listeners may read; empty means all.
	Streams []string
	// Consumers names, by stream, the durable consumers that listeners may not touch.
	Consumers map[string][]string

	Name   string // of the connection, as other people see it
	Logger *zap.Logger
}

// TLS names files in PEM form for an external server.
type TLS struct{ CA, Cert, Key string }

// Engine is a connection to JetStream, and the server behind it when that is embedded.
type Engine struct {
	Conn      *nats.Conn
	JetStream jetstream.JetStream

	embedded *embedded
}

// Error is a failure that waiting does not mend. Setting names the environment variable to look at.
type Error struct {
	Setting string
	Problem string
	Hint    string
	Err     error
}

// Error names the setting, what is wrong and what would be right.
func (e *Error) Error() string {
	text := e.Setting + ": " + e.Problem
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Start starts the embedded server, or begins to reach the external one without waiting for it; WaitReady waits.
func Start(cfg Config) (*Engine, error) {
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	e := &Engine{}
	var err error
	if cfg.URL == "" {
		e.embedded, e.Conn, err = startEmbedded(cfg)
	} else {
		e.Conn, err = connectExternal(cfg)
	}
	if err != nil {
		return nil, err
	}
	e.JetStream, err = jetstream.New(e.Conn, jetstream.WithDefaultTimeout(requestTimeout))
	if err != nil {
		e.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return e, nil
}

// Protect changes which durable consumers listeners may not touch, for those who connect from now on. Of cfg only what concerns
// listeners is looked at.
func (e *Engine) Protect(cfg Config) {
	if e.embedded != nil {
		e.embedded.gate.permissions.Store(permissions(cfg))
	}
}

// ListenAddr is the address other services connect to; empty when the embedded server has no listener or there is none.
func (e *Engine) ListenAddr() string {
	if e.embedded == nil {
		return ""
	}
	return e.embedded.addr
}

// Embedded reports whether the server runs inside this process.
func (e *Engine) Embedded() bool { return e.embedded != nil }

// Ready says whether the engine can be used right now, and if not, why.
func (e *Engine) Ready() (bool, string) {
	if e.embedded != nil {
		if err := e.embedded.health(); err != nil {
			return false, err.Error()
		}
	}
	if e.Conn.IsConnected() {
		return true, "connected to " + e.Conn.ConnectedServerVersion()
	}
	if err := e.Conn.LastError(); err != nil {
		return false, "not connected: " + err.Error()
	}
	return false, "not connected"
}

// Close ends the connection, then the embedded server, and gives up the data directory.
func (e *Engine) Close() {
	e.Conn.Close()
	if e.embedded != nil {
		e.embedded.stop()
	}
}

// waitStep is how long to wait between two looks at a server that is away.
const waitStep = 500 * time.Millisecond

// WaitReady blocks until JetStream answers. It returns an *Error for what waiting cannot mend, and ctx.Err() when told to
// stop. report, which may be nil, is told about each try that failed.
func (e *Engine) WaitReady(ctx context.Context, report func(error)) error {
	tick := time.NewTicker(waitStep)
	defer tick.Stop()
	for {
		err := e.probe(ctx)
		var final *Error
		if err == nil || errors.As(err, &final) {
			return err
		}
		if report != nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// probe asks once whether the engine is there and fit.
func (e *Engine) probe(ctx context.Context) error {
	if !e.Conn.IsConnected() {
		return away(e.Conn.LastError())
	}
	if v := e.Conn.ConnectedServerVersion(); !newEnough(v) {
		return &Error{
			Setting: "VIDBELL_NATS_URL", Problem: "the server is version " + v,
			Hint: "vidbell needs 2.12 or newer (atomic batches)",
		}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := e.JetStream.AccountInfo(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return &Error{
			Setting: "VIDBELL_NATS_URL", Problem: "the server has no JetStream for this account",
			Hint: "start it with -js, or enable JetStream for the account in its configuration",
		}
	default:
		return fmt.Errorf("ask for JetStream: %w", err)
	}
}

// refusals are the answers to credentials that will be the same tomorrow.
var refusals = []error{
	nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired, nats.ErrNkeysNotSupported,
}

// away tells what waiting may mend, a server that is not there, from what it cannot.
func away(err error) error {
	if err == nil {
		return errors.New("not connected yet")
	}
	if slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) }) {
		return &Error{
			Setting: "VIDBELL_NATS_URL", Problem: "the server refused our credentials", Err: err,
			Hint: "check VIDBELL_NATS_CREDS, VIDBELL_NATS_NKEY or the user in the URL",
		}
	}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return &Error{
			Setting: "VIDBELL_NATS_TLS_CA", Problem: "the server's certificate is not trusted", Err: untrusted.Err,
			Hint: "name the file of the authority that signed it, and use a host name that the certificate holds",
		}
	}
	return fmt.Errorf("not connected: %w", err)
}

// newEnough reports whether a version is 2.12 or newer. A version that cannot be read is believed: it is a private build.
func newEnough(version string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n < 2 {
		return true
	}
	return major > 2 || major == 2 && minor >= 12
}
