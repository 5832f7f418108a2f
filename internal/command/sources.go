package command

import (
	"errors"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vidbell/internal/app"
)

func sourcesCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "sources", Short: "Show what each source of the running service does, or release what one holds back", Args: knownCommand,
		Long: `Asks the service that runs at VIDBELL_HTTP_LISTEN, with VIDBELL_HTTP_TOKEN if it has one, for each source: videos,
those in processing, what PARSE was taken for, polls, the last complete walk through everything, health, deletions
held back.`,
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
	var yes, asJSON bool
	c := &cobra.Command{
		Use: "release NAME", Short: "Believe the deletions that a source holds back", Args: oneSource, ValidArgsFunction: completeSource,
		Long: `When many videos of a source disappear at once, vidbell holds the news back until more walks through the listing
agree: a platform that shows half a listing looks just so. Where you know that they were deleted, this announces them
now. It says how many, and asks; without a terminal it needs --yes.`,
		RunE: func(c *cobra.Command, args []string) error {
			return app.ReleaseSource(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), app.ReleaseOptions{
				Name: args[0], JSON: asJSON, Yes: yes, Terminal: term.IsTerminal(int(os.Stdin.Fd())), In: c.InOrStdin(),
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return c
}
