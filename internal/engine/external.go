package engine

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
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
	if cfg.Credentials != "" {
		opts = append(opts, nats.UserCredentials(cfg.Credentials))
	}
	if cfg.NKey != "" {
		opt, err := nats.NkeyOptionFromSeed(cfg.NKey)
		if err != nil {
			return nil, &Error{Setting: "VIDBELL_NATS_NKEY", Problem: "not a usable seed file", Err: err}
		}
		opts = append(opts, opt)
	}
	if cfg.TLS.CA != "" {
		opts = append(opts, nats.RootCAs(cfg.TLS.CA))
	}
	if cfg.TLS.Cert != "" {
		opts = append(opts, nats.ClientCert(cfg.TLS.Cert, cfg.TLS.Key))
	}
	nc, err := nats.Connect(cfg.URL, opts...)
	if err != nil {
		return nil, &Error{Setting: "VIDBELL_NATS_URL", Problem: "cannot connect", Err: err}
	}
	return nc, nil
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
