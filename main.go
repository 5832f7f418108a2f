// Command vidbell tells the rest of a system when a video on Memories.ai has finished processing. See README.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"vidbell/internal/app"
	"vidbell/internal/command"
	"vidbell/internal/printable"
)

func main() { os.Exit(run()) }

// run returns the exit code. The first signal asks for an orderly stop, the second ends the process at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	err := command.Root().ExecuteContext(ctx)
	if err != nil && err.Error() != "" {
		fmt.Fprintln(printable.Writer(os.Stderr), "vidbell: "+err.Error())
	}
	code := app.ExitCode(err)
	if code == app.ExitConfig {
		fmt.Fprintln(os.Stderr, `"vidbell help env" lists all settings`)
	}
	return code
}
