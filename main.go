// Command vidbell tells the rest of a system when a video on Memories.ai has finished processing. See README.md.
package main

import (
	"context"
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
	ran, err := command.Root().ExecuteContextC(ctx)
	code := app.ExitCode(err)
	command.Complain(printable.Writer(os.Stderr), ran, err, code)
	return code
}
