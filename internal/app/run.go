package app

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

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
	defer ignoreHangups(log)()
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
	if err := s.run(ctx); err != nil {
		return failed(err)
	}
	log.Info("stopped")
	return nil
}

// ignoreHangups says that nothing is read again. Who sends SIGHUP to a service asks for that, and not for its end.
func ignoreHangups(log *zap.Logger) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			select {
			case <-hangups:
				log.Warn("SIGHUP: settings are not read again while the service runs, going on; restart it to change them")
			case <-done:
				return
			}
		}
	})
	return func() {
		signal.Stop(hangups)
		close(done)
		ended.Wait()
	}
}
