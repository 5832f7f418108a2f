// Command vidbell tells the rest of a system when a video on Memories.ai has finished processing. See README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vidbell/internal/app"
	"vidbell/internal/config"
)

func main() { os.Exit(run()) }

// run returns the exit code. The first signal asks for an orderly stop, the second ends the process at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop)
	err := root().ExecuteContext(ctx)
	if err != nil && err.Error() != "" {
		fmt.Fprintln(os.Stderr, "vidbell: "+err.Error())
	}
	code := app.ExitCode(err)
	if code == app.ExitConfig {
		fmt.Fprintln(os.Stderr, `"vidbell help env" lists all settings`)
	}
	return code
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:   "vidbell",
		Short: "Tells your systems when videos on Memories.ai are done or failed",
		Long: `vidbell watches the videos of a Memories.ai account and publishes each one that becomes done or failed on NATS
subjects and to webhooks. Without a command it runs the service; settings come from VIDBELL_* variables.`,
		Example: `  vidbell demo                 see it work, without a key or a server
  vidbell check                try the configuration, change nothing
  vidbell sources              what the running service is doing
  vidbell help env             all settings`,
		Args:          knownCommand,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return app.Run(c.Context()) },
	}
	c.SetFlagErrorFunc(flagError)
	c.AddCommand(runCommand(), demoCommand(), checkCommand(), simulateCommand(), versionCommand(),
		sourcesCommand(), healthCommand(), envTopic())
	return c
}

// knownCommand refuses what is no command, and says which was perhaps meant.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = 2
	text := fmt.Sprintf("unknown command %q", args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		text += ", did you mean " + strings.Join(near, " or ") + "?"
	}
	return fmt.Errorf("%s; %q lists the commands", text, c.CommandPath()+" --help")
}

// flagError points to the help of the command, and to a flag that was perhaps meant.
func flagError(c *cobra.Command, err error) error {
	return fmt.Errorf("%w; %q lists the flags", err, strings.TrimSpace(c.CommandPath()+" --help"))
}

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
as it arrives on NATS and at the webhook. Everything is on loopback, in a temporary directory that is removed at the end.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return app.Demo(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), o)
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
		Long: `Reads the configuration as the service would, then asks the platform for one page of each source, reaches the engine, and
connects to each endpoint without sending anything. Exit codes: 0 all well, 3 configuration, 4 platform, 5 engine,
6 endpoint.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return app.Check(c.Context(), c.OutOrStdout(), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document, with the effective settings")
	return c
}

func sourcesCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "sources", Short: "Show what each source of the running service does, or release what one holds back", Args: knownCommand,
		Long: `Asks the service that runs at VIDBELL_HTTP_LISTEN, with VIDBELL_HTTP_TOKEN if it has one, for each source: videos, those in
processing, what PARSE was taken for, polls, the last complete walk through everything, health, deletions held back.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return app.Sources(c.Context(), c.OutOrStdout(), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document, with more detail")
	c.AddCommand(releaseCommand())
	return c
}

func oneSource(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New(`name one source; "vidbell sources" lists them`)
	}
	return nil
}

func releaseCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "release NAME", Short: "Believe the deletions that a source holds back", Args: oneSource,
		Long: `When many videos of a source disappear at once, vidbell holds the news back until more walks through the listing agree: a
platform that shows half a listing looks just so. Where you know that they were deleted, this announces them now. It says
how many, and asks; without a terminal it needs --yes.`,
		RunE: func(c *cobra.Command, args []string) error {
			return app.ReleaseSource(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), app.ReleaseOptions{
				Name: args[0], Yes: yes, Terminal: term.IsTerminal(int(os.Stdin.Fd())), In: c.InOrStdin(),
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
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

// envTopic is a help topic: "vidbell help env".
func envTopic() *cobra.Command {
	c := &cobra.Command{Use: "env", Short: "All settings: the VIDBELL_* variables"}
	c.SetHelpFunc(func(c *cobra.Command, _ []string) {
		if err := config.Help(c.OutOrStdout(), terminalWidth()); err != nil && !errors.Is(err, syscall.EPIPE) {
			fmt.Fprintln(os.Stderr, "vidbell: "+err.Error())
		}
	})
	return c
}

func terminalWidth() int {
	const usual = 100
	if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && w > 0 {
		return min(w, usual)
	}
	return usual
}
