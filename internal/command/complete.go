package command

import (
	"os"

	"github.com/spf13/cobra"

	"vidbell/internal/app"
)

// Completing a word reads the environment and the configuration file, and asks nobody.

// complete has a flag completed.
func complete(c *cobra.Command, flag string, words func() []string) {
	err := c.RegisterFlagCompletionFunc(flag, func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return configured(c, words), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // no such flag: the next test that runs any command shows it
	}
}

// first completes the first argument of a command.
func first(words func() []string) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return configured(c, words), cobra.ShellCompDirectiveNoFileComp
	}
}

func completeEndpoint(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	return first(app.ConfiguredEndpoints)(c, args, word)
}

func completeSource(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	return first(app.ConfiguredSources)(c, args, word)
}

// fixed are words that are always the same.
func fixed(words ...string) func() []string { return func() []string { return words } }

// configured asks for words where the line names a configuration file: completing runs no command, and nothing before one.
func configured(c *cobra.Command, words func() []string) []string {
	if f := c.Flag("config"); f != nil && f.Changed {
		if os.Setenv("VIDBELL_CONFIG", f.Value.String()) != nil {
			return nil
		}
	}
	return words()
}
