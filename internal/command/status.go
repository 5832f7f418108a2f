package command

import (
	"github.com/spf13/cobra"

	"vidbell/internal/app"
)

func statusCommand() *cobra.Command {
	var o app.StatusOptions
	c := &cobra.Command{
		Use: "status", Short: "Show the running service and all its parts, and what needs attention", Args: cobra.NoArgs,
		Long: `Asks the running service for all there is to see: whether it is ready, its engine, accounts, sources, endpoints and
streams, how far a baseline has come, and what a person should look at, with the command that helps. It answers also
while the state is not loaded. With --check the exit code is 6 when something needs attention, for scripts and
monitors.`,
		Example: `  vidbell status
  vidbell status --check && echo all well
  vidbell status --json | jq .attention`,
		RunE: func(c *cobra.Command, _ []string) error { return app.Status(c.Context(), c.OutOrStdout(), o) },
	}
	c.Flags().BoolVar(&o.Check, "check", false, "exit code 6 when something needs attention")
	c.Flags().BoolVar(&o.JSON, "json", false, "print one JSON document, with more detail")
	return c
}
