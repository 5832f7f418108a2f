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
	"vidbell/internal/printable"
)

func main() { os.Exit(run()) }

// run returns the exit code. The first signal asks for an orderly stop, the second ends the process at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	err := root().ExecuteContext(ctx)
	if err != nil && err.Error() != "" {
		fmt.Fprintln(printable.Writer(os.Stderr), "vidbell: "+err.Error())
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
  vidbell why ENDPOINT VIDEO   why has this not arrived?
  vidbell help env             all settings`,
		Args:          knownCommand,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return app.Run(c.Context()) },
	}
	c.SetFlagErrorFunc(flagError)
	c.SetHelpCommand(helpCommand())
	c.AddCommand(runCommand(), demoCommand(), checkCommand(), simulateCommand(), versionCommand(),
		sourcesCommand(), endpointsCommand(), deliveriesCommand(), deadLettersCommand(), replayCommand(), whyCommand(), sendTestCommand(),
		scheduleCommand(), healthCommand(), envTopic())
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

// helpCommand is the usual one, but fails for what is no command.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Short: "Help about any command, and \"help env\" about all settings",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return knownCommand(c.Root(), args)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
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

func endpointsCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "endpoints", Short: "Show how each webhook endpoint fares; enable or disable one", Args: knownCommand,
		Long: `Asks the running service for each endpoint: what waits for it, what it took and refused last, dead letters, and its state:
active, paused (it asked for that), degraded (it is away, and looked for) or disabled.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return app.Endpoints(c.Context(), c.OutOrStdout(), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document, with more detail")
	c.AddCommand(endpointChange(true, "enable", "Let an endpoint have its deliveries again",
		`Whatever kept them from it: a 410, five days without a success, "endpoints disable", an open breaker, a Retry-After. What
waited is sent now, one at a time at first.`), endpointChange(false, "disable", "Keep an endpoint's deliveries until it is enabled",
		`Nothing is dropped. It stays disabled over restarts, until "endpoints enable" or until its URL changes.`))
	return c
}

func endpointChange(enable bool, word, short, long string) *cobra.Command {
	o := app.EndpointChange{Enable: enable}
	c := &cobra.Command{
		Use: word + " NAME", Short: short, Long: long, Args: oneEndpoint, ValidArgsFunction: completeEndpoint,
		RunE: func(c *cobra.Command, args []string) error {
			o.Name = args[0]
			return app.ChangeEndpoint(c.Context(), c.OutOrStdout(), o)
		},
	}
	c.Flags().StringVar(&o.Reason, "reason", "", "why, for the others: shown by \"vidbell endpoints\", or logged by the service")
	c.Flags().BoolVar(&o.JSON, "json", false, "print one JSON document")
	return c
}

func oneEndpoint(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New(`name one endpoint; "vidbell endpoints" lists them`)
	}
	return nil
}

// completeEndpoint knows the endpoints of the environment: completing a word asks nobody.
func completeEndpoint(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return app.ConfiguredEndpoints(), cobra.ShellCompDirectiveNoFileComp
}

// complete has a flag completed.
func complete(c *cobra.Command, flag string, words func() []string) {
	err := c.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words(), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // no such flag: the next test that runs any command shows it
	}
}

func deliveriesCommand() *cobra.Command {
	var o app.ListOptions
	c := &cobra.Command{
		Use: "deliveries", Short: "List the attempts that were made to deliver, the newest last", Args: cobra.NoArgs,
		Long: `Asks the running service for its delivery log: every request to an endpoint, what came back, and what follows. All conditions
that are given must hold.`,
		Example: `  vidbell deliveries --failed --since 2h
  vidbell deliveries --video VI606404158946574336
  vidbell deliveries --endpoint ops --follow`,
		RunE: func(c *cobra.Command, _ []string) error {
			return app.Deliveries(c.Context(), c.OutOrStdout(), o)
		},
	}
	listFlags(c, &o)
	c.Flags().BoolVar(&o.Failed, "failed", false, "only what was not delivered")
	c.Flags().BoolVarP(&o.Follow, "follow", "f", false, "go on with what comes, until Ctrl-C; with --json one object per line")
	return c
}

// listFlags are what both lists have.
func listFlags(c *cobra.Command, o *app.ListOptions) {
	f := c.Flags()
	f.StringVar(&o.Endpoint, "endpoint", "", "only of this endpoint")
	f.StringVar(&o.Event, "event", "", "only of the event with this id")
	f.StringVar(&o.Video, "video", "", "only of the video with this number")
	f.StringVar(&o.Source, "source", "", "only of this source")
	f.StringVar(&o.Type, "type", "", "only of this type: failed, video.failed, video.*, ...")
	f.StringVar(&o.Class, "class", "", "only of this kind of failure: "+strings.Join(app.FailureClasses(), ", "))
	f.StringVar(&o.Since, "since", "", "only from then on: 2h30m ago, 2026-11-23, \"2026-11-23 14:05\", or RFC 3339")
	f.StringVar(&o.Until, "until", "", "only before then")
	f.IntVar(&o.Limit, "limit", 50, "how many at most, the newest")
	f.BoolVar(&o.JSON, "json", false, "print one JSON document, the newest first, with more detail")
	complete(c, "endpoint", app.ConfiguredEndpoints)
	complete(c, "type", app.EventTypes)
	complete(c, "class", app.FailureClasses)
}

func deadLettersCommand() *cobra.Command {
	var o app.ListOptions
	c := &cobra.Command{
		Use: "dead-letters", Short: "List the deliveries that were given up, the newest last", Args: cobra.NoArgs,
		Long: `Asks the running service for what it gave up to deliver, and why. "vidbell replay --dead" delivers it once more. All
conditions that are given must hold.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return app.DeadLetters(c.Context(), c.OutOrStdout(), o)
		},
	}
	listFlags(c, &o)
	c.Flags().StringVar(&o.Reason, "reason", "", "only for this reason: "+strings.Join(app.DeadReasons(), ", "))
	complete(c, "reason", app.DeadReasons)
	return c
}

func replayCommand() *cobra.Command {
	var o app.ReplayOptions
	c := &cobra.Command{
		Use: "replay", Short: "Deliver events once more, under the same ids", Args: cobra.NoArgs,
		Long: `Has the running service deliver events of its log to an endpoint once more: the same ids, the same bytes, paced, and after
what is new. All conditions that are given must hold, and one is needed. It says how many, and asks; without a terminal it
needs --yes. A replay goes on after a restart, and one that is asked for twice adds nothing twice.`,
		Example: `  vidbell replay --dead --dry-run                     how many dead letters are there?
  vidbell replay --endpoint ops --missing --since 24h what a new endpoint did not get
  vidbell replay --endpoint ops --event evt_...       one event`,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Terminal, o.In = term.IsTerminal(int(os.Stdin.Fd())), c.InOrStdin()
			return app.Replay(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Endpoint, "endpoint", "", "where to; without it, with --dead or --missing, to every endpoint that lacks something")
	f.BoolVar(&o.Dead, "dead", false, "dead letters")
	f.BoolVar(&o.Missing, "missing", false, "what the endpoint wants and never had: older than it is, or given up")
	f.StringSliceVar(&o.Events, "event", nil, "these event ids, as a comma list")
	f.StringSliceVar(&o.Types, "type", nil, "these types: failed, video.failed, video.*, ...")
	f.StringSliceVar(&o.Sources, "source", nil, "of these sources")
	f.StringVar(&o.Since, "since", "", "stored from then on: 2h30m ago, 2026-11-23, \"2026-11-23 14:05\", or RFC 3339")
	f.StringVar(&o.Until, "until", "", "stored before then")
	f.StringVar(&o.Filter, "filter", "", "an expression over the event, such as 'data.duration_seconds > 60'")
	f.BoolVar(&o.DryRun, "dry-run", false, "only count")
	f.BoolVar(&o.Yes, "yes", false, "do not ask")
	f.BoolVar(&o.JSON, "json", false, "print one JSON document")
	complete(c, "endpoint", app.ConfiguredEndpoints)
	complete(c, "type", app.EventTypes)
	return c
}

func whyCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "why ENDPOINT EVENT-OR-VIDEO", Short: "Say why something has not arrived, or when it did",
		Long: `Asks the running service what became of an event, or of every event of a video, at an endpoint: whether the endpoint wants
it, when it was stored, tried and taken, what it waits for, or why it was given up.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New(`name an endpoint ("vidbell endpoints" lists them) and an event id or the number of a video`)
			}
			return nil
		},
		ValidArgsFunction: completeEndpoint,
		RunE: func(c *cobra.Command, args []string) error {
			return app.Why(c.Context(), c.OutOrStdout(), args[0], args[1], asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document, with more detail")
	return c
}

func sendTestCommand() *cobra.Command {
	var o app.TestOptions
	c := &cobra.Command{
		Use: "send-test ENDPOINT", Short: "Send a real, signed request that is marked as a test", Args: oneEndpoint,
		Long: `Has the running service make one request to an endpoint for an event that is made up: its id begins with evt_test_, its data
say "test": true. It goes out whatever the endpoint's state, once, and counts for nothing. Prints what was sent, the answer,
the time it took, and what went wrong. Exit code 6 when it was not taken.`,
		ValidArgsFunction: completeEndpoint,
		RunE: func(c *cobra.Command, args []string) error {
			o.Endpoint = args[0]
			return app.SendTest(c.Context(), c.OutOrStdout(), o)
		},
	}
	c.Flags().StringVar(&o.Type, "type", "", "the event's type (default video.done)")
	c.Flags().BoolVar(&o.JSON, "json", false, "print one JSON document, with the whole body")
	complete(c, "type", app.EventTypes)
	return c
}

func scheduleCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "schedule [NAME or LIST]", Short: "Show when a delivery is tried, with totals and jitter", Args: cobra.MaximumNArgs(1),
		Long: `Prints the steps of a schedule: one by name, a list of waits such as 0,5s,5m,2h, or that of VIDBELL_WEBHOOK_SCHEDULE. Asks
nobody.`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return app.ScheduleNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			return app.Schedule(c.OutOrStdout(), strings.Join(args, ""), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
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
