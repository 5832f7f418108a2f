package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"vidbell/internal/simulator"
)

// SimulateOptions are the flags of the simulate command.
type SimulateOptions struct {
	Listen     string
	Key        string
	Form       string
	Words      string
	Namespaces []string
	Videos     int           // in the library at the start
	Every      time.Duration // between two uploads; 0 for none
	Min, Max   time.Duration // time in processing
	FailRatio  float64
	Quota      float64
	Seed       uint64
}

// Simulate is the simulate command: the stand-in for the platform on a local address, until ctx ends.
func Simulate(ctx context.Context, out io.Writer, o SimulateOptions) error {
	sim, traffic, err := newSimulator(o)
	if err != nil {
		return &ExitError{Code: ExitUsage, Err: err}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return &ExitError{Code: ExitFailed, Err: fmt.Errorf("simulate: %w; choose another address with --listen", err)}
	}
	p := newPrinter(out)
	p.line("export VIDBELL_API_URL=http://%s", l.Addr())
	p.line("export VIDBELL_API_KEY=%s", o.Key)
	mux := http.NewServeMux()
	mux.Handle("/_sim", sim.ControlHandler())
	mux.Handle("/_sim/", sim.ControlHandler())
	mux.Handle("/", sim)
	return failed(serveSimulator(ctx, l, mux, sim, traffic))
}

func newSimulator(o SimulateOptions) (*simulator.Simulator, *simulator.Traffic, error) {
	if o.Videos < 0 {
		return nil, nil, fmt.Errorf("--videos %d is negative", o.Videos)
	}
	words, ok := simulator.WordsNamed(o.Words)
	if !ok {
		return nil, nil, fmt.Errorf("--words %q: use listed, plain, legacy or code", o.Words)
	}
	sim, err := simulator.New(simulator.Options{
		Keys: []string{o.Key}, Form: simulator.Form(o.Form), Words: words, QuotaPerSecond: o.Quota, Seed: o.Seed,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("simulate: %w", err)
	}
	for _, ns := range o.Namespaces {
		sim.Fill(ns, o.Videos)
	}
	if o.Every <= 0 {
		return sim, nil, nil
	}
	traffic := &simulator.Traffic{
		Every: o.Every, MinLifetime: o.Min, MaxLifetime: o.Max, FailRatio: o.FailRatio, Namespaces: o.Namespaces,
	}
	if err := traffic.Validate(); err != nil {
		return nil, nil, fmt.Errorf("simulate: %w", err)
	}
	return sim, traffic, nil
}

func serveSimulator(ctx context.Context, l net.Listener, h http.Handler, sim *simulator.Simulator, traffic *simulator.Traffic) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error { return sim.Run(ctx) })
	if traffic != nil {
		g.Go(func() error { return traffic.Run(ctx, sim) })
	}
	g.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
