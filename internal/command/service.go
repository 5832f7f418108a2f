package command

import (
	"encoding/json"
	"fmt"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"vidbell/internal/app"
)

func runCommand() *cobra.Command {
	return &cobra.Command{
		Use: "run", Short: "Run the service (also without any command)", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return app.Run(c.Context()) },
	}
}

func demoCommand() *cobra.Command {
	var o app.DemoOptions
	c := &cobra.Command{
		Use: "demo", Short: "Show it all at work, without a key or a server", Args: cobra.NoArgs,
		Long: `Runs a simulated platform, vidbell with its embedded NATS, and a webhook receiver in one process, and shows each event
as it arrives on NATS and at the webhook. Everything is on loopback, in a temporary directory that is removed at the
end.`,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGHUP) // the terminal was closed
			defer stop()
			return app.Demo(ctx, c.OutOrStdout(), c.ErrOrStderr(), o)
		},
	}
	c.Flags().DurationVar(&o.For, "for", 0, "end after this time, such as 30s (default: until Ctrl-C)")
	c.Flags().BoolVar(&o.JSON, "json", false, "print one JSON object per arrival")
	c.Flags().BoolVarP(&o.Verbose, "verbose", "v", false, "show the service's own log too")
	return c
}

func checkCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "check", Short: "Try the configuration: platform, engine and endpoints; changes nothing", Args: cobra.NoArgs,
		Long: `Reads the configuration as the service would, then asks the platform for one page of each source, reaches the engine,
and connects to each endpoint without sending anything. Exit codes: 0 all well, 3 configuration, 4 platform, 5 engine,
6 endpoint.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return app.Check(c.Context(), c.OutOrStdout(), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document, with the effective settings")
	return c
}

func simulateCommand() *cobra.Command {
	o := app.SimulateOptions{}
	c := &cobra.Command{
		Use: "simulate", Short: "Serve a stand-in for the platform, to try things against", Args: cobra.NoArgs,
		Long: `Serves the documented list call of Memories.ai on a local address, with a library of videos that live and fail. What it
prints are the two variables that make vidbell use it. Under /_sim it takes orders: add, change and delete videos, and
play faults; see the package documentation of internal/simulator.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return app.Simulate(c.Context(), c.OutOrStdout(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:8090", "address to serve on")
	f.StringVar(&o.Key, "key", "sk-mavi-simulated", "the API key it accepts")
	f.StringVar(&o.Form, "form", "v1.2", "wire form: v1.2, 2026 or mixed")
	f.StringVar(&o.Words, "words", "listed", "status words: listed (UNPARSE/PARSE/FAILED), plain (PARSE/DONE/FAILED), legacy or code")
	f.StringSliceVar(&o.Namespaces, "unique-id", []string{"default"}, "namespaces, as a comma list")
	f.IntVar(&o.Videos, "videos", 50, "finished videos that are there at the start, in each namespace")
	f.DurationVar(&o.Every, "every", 5*time.Second, "mean time between two uploads, 0 for none")
	f.DurationVar(&o.Min, "min", 5*time.Second, "shortest time in processing")
	f.DurationVar(&o.Max, "max", 30*time.Second, "longest time in processing")
	f.Float64Var(&o.FailRatio, "fail", 0.1, "share of videos that fail, 0 to 1")
	f.Float64Var(&o.Quota, "quota", 5, "requests a second before it throttles, 0 for no limit")
	f.Uint64Var(&o.Seed, "seed", 1, "seed of everything random")
	complete(c, "form", fixed("v1.2", "2026", "mixed"))
	complete(c, "words", fixed("listed", "plain", "legacy", "code"))
	return c
}

func versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b := app.BuildInfo()
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(b)
			}
			line := strings.Join(strings.Fields("vidbell "+b.Version+" "+b.Commit+" "+b.Date+" "+b.Go), " ")
			_, err := fmt.Fprintln(c.OutOrStdout(), line)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return c
}

func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use: "healthcheck", Short: "Ask the running service whether it is ready, for containers", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return app.HealthCheck(c.Context()) },
	}
}
