package app

import (
	"context"

	"go.uber.org/zap"

	"vidbell/internal/config"
	"vidbell/internal/logging"
)

// Run is the run command: the service, until ctx ends. A clean stop is no error.
func Run(ctx context.Context) error {
	cfg, err := config.Load(checks()...)
	if err != nil {
		return failed(err)
	}
	log, _, err := logging.New(cfg.Log)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = log.Sync() }() // terminals and pipes refuse
	b := BuildInfo()
	log.Info("starting", zap.String("version", b.Version), zap.String("commit", b.Commit))
	s, err := newService(ctx, cfg, log)
	if err != nil {
		return failed(err)
	}
	defer s.close()
	if err := s.run(ctx); err != nil {
		return failed(err)
	}
	log.Info("stopped")
	return nil
}
