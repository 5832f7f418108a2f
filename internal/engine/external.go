package engine

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"go.uber.org/zap"
)

const (
	reconnectWait   = time.Second
	reconnectJitter = time.Second
	pingInterval    = 10 * time.Second // two missed answers end the connection
	maxPings        = 2
)

func connectExternal(cfg Config) (*nats.Conn, error) {
	opts := append(clientOptions(cfg), nats.RetryOnFailedConnect(true), nats.IgnoreAuthErrorAbort())
	more, err := fileOptions(cfg)
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(cfg.URL, append(opts, more...)...)
	if err != nil {
		return nil, &Error{Setting: "VIDBELL_NATS_URL", Problem: "cannot connect", Err: withoutURL(err)}
	}
	return nc, nil
}

// fileOptions reads the files that the settings name now: the client would read some of them at each try to connect, and
// take a missing one for a server that is away.
func fileOptions(cfg Config) ([]nats.Option, error) {
	var opts []nats.Option
	if cfg.Credentials != "" {
		if err := checkCredentials(cfg.Credentials); err != nil {
			return nil, &Error{
				Setting: "VIDBELL_NATS_CREDS", Problem: "cannot use " + cfg.Credentials, Err: err,
				Hint: "name a credentials file with a user JWT and its seed",
			}
		}
		opts = append(opts, nats.UserCredentials(cfg.Credentials))
	}
	if cfg.NKey != "" {
		opt, err := nats.NkeyOptionFromSeed(cfg.NKey)
		if err != nil {
			return nil, &Error{
				Setting: "VIDBELL_NATS_NKEY", Problem: "cannot use " + cfg.NKey, Err: err, Hint: "name a file with a user seed (SU...)",
			}
		}
		opts = append(opts, opt)
	}
	if cfg.TLS.CA != "" {
		if err := checkCA(cfg.TLS.CA); err != nil {
			return nil, &Error{
				Setting: "VIDBELL_NATS_TLS_CA", Problem: "cannot use " + cfg.TLS.CA, Err: err, Hint: "name a file of certificates in PEM form",
			}
		}
		opts = append(opts, nats.RootCAs(cfg.TLS.CA))
	}
	if cfg.TLS.Cert != "" {
		if _, err := tls.LoadX509KeyPair(cfg.TLS.Cert, cfg.TLS.Key); err != nil {
			return nil, &Error{
				Setting: "VIDBELL_NATS_TLS_CERT", Problem: "cannot use " + cfg.TLS.Cert + " with " + cfg.TLS.Key, Err: err,
				Hint: "name a certificate and its key, both in PEM form",
			}
		}
		opts = append(opts, nats.ClientCert(cfg.TLS.Cert, cfg.TLS.Key))
	}
	return opts, nil
}

var (
	errNoUser = errors.New("it holds no user JWT with a seed")
	errNoCert = errors.New("it holds no certificate")
)

// checkCredentials never repeats what the file holds.
func checkCredentials(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	defer clear(text)
	_, jwtErr := nkeys.ParseDecoratedJWT(text)
	key, keyErr := nkeys.ParseDecoratedUserNKey(text)
	if jwtErr != nil || keyErr != nil {
		return errNoUser
	}
	key.Wipe()
	return nil
}

func checkCA(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return errNoCert
	}
	return nil
}

// withoutURL takes the URL, and what is quoted of it, out of the text of an error: it may hold a password.
func withoutURL(err error) error {
	var bad *url.Error
	if !errors.As(err, &bad) {
		return err
	}
	text, _, _ := strings.Cut(bad.Err.Error(), "\"")
	return errors.New(bad.Op + " the URL: " + strings.TrimSpace(text))
}

// clientOptions never give up: an engine that is away is waited for.
func clientOptions(cfg Config) []nats.Option {
	log := cfg.Logger
	return []nats.Option{
		nats.Name(cfg.Name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(maxPings),
		nats.ReconnectBufSize(-1), // an append during an outage must fail and be decided again, not be sent later
		nats.ConnectHandler(func(nc *nats.Conn) {
			log.Info("engine connected", zap.String("server", nc.ConnectedServerName()), zap.String("version", nc.ConnectedServerVersion()))
		}),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if !nc.IsClosed() {
				log.Warn("engine disconnected", zap.Error(err))
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Info("engine reconnected", zap.String("server", nc.ConnectedServerName()))
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			fields := []zap.Field{zap.Error(err)}
			if sub != nil {
				fields = append(fields, zap.String("subscription", fmt.Sprint(sub.Subject)))
			}
			log.Debug("engine reported an error", fields...)
		}),
	}
}
