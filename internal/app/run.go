package app

import (
	"context"

	"go.uber.org/zap"

	"vidbell/internal/config"
	"vidbell/internal/logging"
)

// Run is the run command: the service, until ctx ends. A clean stop is no error.
func Run(ctx context.Context) error {
	hangups, stop := listenForHangups() // first: one that comes while we start would end us
	defer stop()
	cfg, err := config.Load(checks()...)
	if err != nil {
		return failed(err)
	}
	log, level, err := logging.New(cfg.Log)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = log.Sync() }()                                    // terminals and pipes refuse
	quiet, err := zap.RedirectStdLogAt(log.Named("std"), zap.DebugLevel) // net/http prints what a hostile receiver sends unasked
	if err != nil {
		return failed(err)
	}
	defer quiet()
	b := BuildInfo()
	log.Info("starting", zap.String("version", b.Version), zap.String("commit", b.Commit))
	for _, warning := range cfg.Warnings {
		log.Warn("configuration", zap.String("warning", warning))
	}
	s, err := newService(ctx, cfg, log)
	if err != nil {
		return failed(err)
	}
	defer s.close()
	s.reloader = newReloader(cfg, level, hangups, s.registry)
	if err := s.run(ctx); err != nil {
		return failed(err)
	}
	log.Info("stopped")
	return nil
}
