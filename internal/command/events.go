package command

import (
	"errors"

	"github.com/spf13/cobra"

	"vidbell/internal/app"
)

func tailCommand() *cobra.Command {
	var o app.TailOptions
	c := &cobra.Command{
		Use: "tail", Short: "Show events as they come", Args: cobra.NoArgs,
		Long: `Follows the running service's events until Ctrl-C. All conditions that are given must hold. When the service goes, it
is waited for, and what happened meanwhile is shown when it is back: nothing is missed.`,
		Example: `  vidbell tail
  vidbell tail --type failed,stalled,source.*
  vidbell tail --since 1h --json | jq .data.video_no`,
		RunE: func(c *cobra.Command, _ []string) error {
			return app.Tail(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), o)
		},
	}
	f := c.Flags()
	eventFlags(c, &o.Type, &o.Source, &o.Video)
	f.StringVar(&o.Since, "since", "", "begin there: 2h30m ago, 2026-11-23, \"2026-11-23 14:05\", or RFC 3339 (default: now)")
	f.BoolVar(&o.JSON, "json", false, "print one event a line, as subscribers get it")
	return c
}

// eventFlags are what commands about events have in common.
func eventFlags(c *cobra.Command, kind, source, video *string) {
	f := c.Flags()
	f.StringVar(kind, "type", "", "only of these types: failed, video.failed, source.*, ..., as a comma list")
	f.StringVar(source, "source", "", "only of this source")
	f.StringVar(video, "video", "", "only of the video with this number")
	complete(c, "type", app.EventTypes)
	complete(c, "source", app.ConfiguredSources)
}

func eventsCommand() *cobra.Command {
	var o app.EventOptions
	c := &cobra.Command{
		Use: "events", Short: "List stored events, the newest last; show one", Args: knownCommand,
		Long: `Asks the running service for the events in its log. All conditions that are given must hold. "vidbell tail" shows
those to come.`,
		Example: `  vidbell events --type failed --since 24h
  vidbell events --video VI606404158946574336
  vidbell events show evt_...`,
		RunE: func(c *cobra.Command, _ []string) error { return app.Events(c.Context(), c.OutOrStdout(), o) },
	}
	f := c.Flags()
	eventFlags(c, &o.Type, &o.Source, &o.Video)
	f.StringVar(&o.Status, "status", "", "only those that tell of a video in this status: processing, done, failed, unknown or deleted")
	complete(c, "status", app.Statuses)
	f.StringVar(&o.Since, "since", "", "stored from then on: 2h30m ago, 2026-11-23, \"2026-11-23 14:05\", or RFC 3339")
	f.StringVar(&o.Until, "until", "", "stored before then")
	f.IntVar(&o.Limit, "limit", 50, "how many at most, the newest")
	f.BoolVar(&o.JSON, "json", false, "print one JSON document, the newest first")
	var asJSON bool
	show := &cobra.Command{
		Use: "show ID", Short: "Show one event as subscribers get it",
		Args: one(`name one event id; "vidbell events" lists them`),
		RunE: func(c *cobra.Command, args []string) error {
			return app.ShowEvent(c.Context(), c.OutOrStdout(), args[0], asJSON)
		},
	}
	show.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	c.AddCommand(show)
	return c
}

func videosCommand() *cobra.Command {
	var o app.VideoOptions
	c := &cobra.Command{
		Use: "videos", Short: "List the videos that are known; show one and its history", Args: knownCommand,
		Long: `Asks the running service for what it knows of videos now: status, the platform's own word, how many events were made.
All conditions that are given must hold.`,
		Example: `  vidbell videos --status processing
  vidbell videos --name intake --changed-since 1h
  vidbell videos show VI606404158946574336`,
		RunE: func(c *cobra.Command, _ []string) error { return app.Videos(c.Context(), c.OutOrStdout(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.Source, "source", "", "only of this source")
	f.StringVar(&o.Status, "status", "", "only in this status: processing, done, failed, unknown or deleted")
	f.StringVar(&o.Raw, "word", "", "only with this word of the platform, such as PARSE")
	f.StringVar(&o.Name, "name", "", "only with this in their name")
	f.StringVar(&o.ChangedSince, "changed-since", "", "changed, or first seen, from then on: 2h30m ago, 2026-11-23, or RFC 3339")
	f.IntVar(&o.Limit, "limit", 50, "how many at most")
	f.BoolVar(&o.JSON, "json", false, "print one JSON document, with more detail")
	complete(c, "source", app.ConfiguredSources)
	complete(c, "status", app.Statuses)
	var asJSON bool
	show := &cobra.Command{
		Use: "show [SOURCE/]VIDEO", Short: "Show one video and what happened to it", Args: one("name one video by its number, or by its source and number: SOURCE/VIDEO"),
		RunE: func(c *cobra.Command, args []string) error {
			return app.ShowVideo(c.Context(), c.OutOrStdout(), args[0], asJSON)
		},
	}
	show.Flags().BoolVar(&asJSON, "json", false, "print one JSON document, with more detail")
	c.AddCommand(show)
	return c
}

// one asks for one argument.
func one(text string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return errors.New(text)
		}
		return nil
	}
}
