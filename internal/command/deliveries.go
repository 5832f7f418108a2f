package command

import (
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vidbell/internal/app"
)

func deliveriesCommand() *cobra.Command {
	var o app.ListOptions
	c := &cobra.Command{
		Use: "deliveries", Short: "List the attempts that were made to deliver, the newest last", Args: cobra.NoArgs,
		Long: `Asks the running service for its delivery log: every request to an endpoint, what came back, and what follows. All
conditions that are given must hold.`,
		Example: `  vidbell deliveries --failed --since 2h
  vidbell deliveries --video VI606404158946574336
  vidbell deliveries --endpoint ops --follow`,
		RunE: func(c *cobra.Command, _ []string) error {
			return app.Deliveries(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), o)
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
	complete(c, "source", app.ConfiguredSources)
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
		Long: `Has the running service deliver events of its log to an endpoint once more: the same ids, the same bytes, paced, and
after what is new. All conditions that are given must hold, and one is needed. It says how many, and asks; without a
terminal it needs --yes. A replay goes on after a restart, and one that is asked for twice adds nothing twice.`,
		Example: `  vidbell replay --dead --dry-run                       how many dead letters are there?
  vidbell replay --endpoint ops --missing --since 24h   what a new endpoint did not get
  vidbell replay --endpoint ops --event evt_...         one event`,
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
	complete(c, "source", app.ConfiguredSources)
	return c
}

func whyCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "why ENDPOINT EVENT-OR-VIDEO", Short: "Say why something has not arrived, or when it did",
		Long: `Asks the running service what became of an event, or of every event of a video, at an endpoint: whether the endpoint
wants it, when it was stored, tried and taken, what it waits for, or why it was given up.`,
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
