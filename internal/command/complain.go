package command

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vidbell/internal/app"
)

// complaint is an error for programs: what a command with --json writes to stderr when it fails.
type complaint struct {
	Error    string `json:"error"`
	ExitCode int    `json:"exit_code"`
}

// Complain says what went wrong: one JSON object, on a line of its own, where the command was asked for JSON, else a line for
// people. Nothing is said of an error without a text: what there is to say was said.
func Complain(w io.Writer, c *cobra.Command, err error, code int) {
	if err == nil {
		return
	}
	text := err.Error()
	if text != "" && wantsJSON(c) {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		_ = e.Encode(complaint{text, code}) // nobody is left to hear of a stderr that fails
		return
	}
	if text != "" {
		fmt.Fprintln(w, "vidbell: "+text)
	}
	if code == app.ExitConfig {
		fmt.Fprintln(w, `"vidbell help env" lists all settings`)
	}
}

func wantsJSON(c *cobra.Command) bool {
	if c == nil {
		return false
	}
	flag := c.Flags().Lookup("json")
	return flag != nil && flag.Value.String() == "true"
}
