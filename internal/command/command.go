package command

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"vidbell/internal/app"
	"vidbell/internal/config"
	"vidbell/internal/suggest"
)

// Root returns the command tree. What it prints besides errors goes to the outputs set on it.
func Root() *cobra.Command {
	c := &cobra.Command{
		Use:   "vidbell",
		Short: "Tells your systems when videos on Memories.ai are done or failed",
		Long: `vidbell watches the videos of a Memories.ai account and publishes each one that becomes done or failed on NATS
subjects and to webhooks. Without a command it runs the service; settings come from VIDBELL_* variables.`,
		Example: `  vidbell demo                 see it work, without a key or a server
  vidbell check                try the configuration, change nothing
  vidbell tail                 events as they come
  vidbell status               what the running service is doing, and what needs attention
  vidbell why ENDPOINT VIDEO   why has this not arrived?
  vidbell help env             all settings`,
		Args:          knownCommand,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return app.Run(c.Context()) },
	}
	c.SetFlagErrorFunc(flagError)
	// No argument is a file, but where a command says so.
	c.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	configFlag(c)
	c.SetHelpCommand(helpCommand())
	c.AddCommand(runCommand(), demoCommand(), checkCommand(), simulateCommand(), versionCommand(),
		statusCommand(), tailCommand(), eventsCommand(), videosCommand(), sourcesCommand(), endpointsCommand(), deliveriesCommand(),
		deadLettersCommand(), replayCommand(), whyCommand(), sendTestCommand(), scheduleCommand(), reloadCommand(), healthCommand(), configCommand(), initCommand(), envTopic())
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
	meant := ";"
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		if near := suggest.Nearest(unknown.GetSpecifiedName(), flagNames(c)); near != "" {
			meant = ", did you mean --" + near + "?"
		}
	}
	return fmt.Errorf("%w%s %q lists the flags", err, meant, strings.TrimSpace(c.CommandPath()+" --help"))
}

// flagNames are the long names of a command's flags.
func flagNames(c *cobra.Command) (names []string) {
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	c.InheritedFlags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
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
