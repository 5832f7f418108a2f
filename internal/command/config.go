package command

import (
	"os"

	"github.com/spf13/cobra"

	"vidbell/internal/app"
)

// configFlag lets the commands that read the configuration be told which file. It stands for the variable.
func configFlag(c *cobra.Command) {
	var file string
	c.PersistentFlags().StringVar(&file, "config", "", "configuration file (default: the one of VIDBELL_CONFIG)")
	c.PersistentPreRunE = func(*cobra.Command, []string) error {
		if file == "" {
			return nil
		}
		return os.Setenv("VIDBELL_CONFIG", file)
	}
	if err := c.MarkPersistentFlagFilename("config", "yaml", "yml"); err != nil {
		panic(err) // no such flag: the next test that runs any command shows it
	}
}

func configCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "config", Short: "Show the settings in force, the schema of the file, or an example", Args: knownCommand,
		Long: `About the configuration file that VIDBELL_CONFIG or --config names: what is in force, the JSON Schema that editors
complete keys with, a file with every key explained. Nobody is asked.`,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var all, asJSON bool
	show := &cobra.Command{
		Use: "show", Short: "Show every setting in force and where it comes from", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return app.ShowConfig(c.OutOrStdout(), all, asJSON) },
	}
	show.Flags().BoolVar(&all, "all", false, "settings at their default too")
	show.Flags().BoolVar(&asJSON, "json", false, "print one JSON document, with all settings")
	c.AddCommand(show, &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the configuration file", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return app.ConfigSchema(c.OutOrStdout()) },
	}, &cobra.Command{
		Use: "example", Short: "Print a configuration file with every key explained", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return app.ConfigExample(c.OutOrStdout()) },
	})
	return c
}

func initCommand() *cobra.Command {
	return &cobra.Command{
		Use: "init [DIR]", Short: "Write a configuration file and a signing secret to begin with", Args: cobra.MaximumNArgs(1),
		Long: `Writes vidbell.yaml and vidbell.env into a folder, by default this one: a configuration to begin with, and the
variables that it takes from the environment, among them a fresh signing secret. Both can be read by their owner
alone. Files that are there are not touched.`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(c *cobra.Command, args []string) error {
			return app.Init(c.OutOrStdout(), append(args, ".")[0])
		},
	}
}

func reloadCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "reload", Short: "Have the running service read its configuration again", Args: cobra.NoArgs,
		Long: `Has the running service read its file, its secret files and templates again, and says what changed. A configuration
with mistakes is refused whole, and named (exit code 3); the one before stays in force. The service does the same on
SIGHUP, and by itself when a file has changed.`,
		RunE: func(c *cobra.Command, _ []string) error { return app.Reload(c.Context(), c.OutOrStdout(), asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return c
}
