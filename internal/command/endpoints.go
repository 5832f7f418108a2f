package command

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"vidbell/internal/app"
)

func endpointsCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "endpoints", Short: "Show how each webhook endpoint fares; enable or disable one", Args: knownCommand,
		Long: `Asks the running service for each endpoint: what waits for it, what it took and refused last, dead letters, and its
state: active, paused (it asked for that), degraded (it is away, and looked for) or disabled.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return app.Endpoints(c.Context(), c.OutOrStdout(), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document, with more detail")
	c.AddCommand(endpointChange(true, "enable", "Let an endpoint have its deliveries again",
		`Whatever kept them from it: a 410, five days without a success, "endpoints disable", an open breaker, a Retry-After.
What waited is sent now, one at a time at first.`), endpointChange(false, "disable", "Keep an endpoint's deliveries until it is enabled",
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

func sendTestCommand() *cobra.Command {
	var o app.TestOptions
	c := &cobra.Command{
		Use: "send-test ENDPOINT", Short: "Send a real, signed request that is marked as a test", Args: oneEndpoint,
		Long: `Has the running service make one request to an endpoint for an event that is made up: its id begins with evt_test_,
its data say "test": true. It goes out whatever the endpoint's state, once, and counts for nothing. Prints what was
sent, the answer, the time it took, and what went wrong. Exit code 6 when it was not taken.`,
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
		Long: `Prints the steps of a schedule: one by name, a list of waits such as 0,5s,5m,2h, or that of VIDBELL_WEBHOOK_SCHEDULE.
Asks nobody.`,
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
