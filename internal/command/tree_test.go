package command_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vidbell/internal/command"
)

// maxWidth is how wide help may be, in characters: longer lines are broken by the terminal, anywhere.
const maxWidth = 120

// commands are all of the tree but those that cobra brings.
func commands(t *testing.T) []*cobra.Command {
	t.Helper()
	root := command.Root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	var list []*cobra.Command
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		list = append(list, c)
		for _, sub := range c.Commands() {
			if sub.Name() != "completion" {
				walk(sub)
			}
		}
	}
	walk(root)
	if len(list) < 20 {
		t.Fatalf("%d commands", len(list))
	}
	return list
}

// silent are the commands that print no table, and so have no --json.
var silent = map[string]string{
	"vidbell":                "the service",
	"vidbell run":            "the service",
	"vidbell simulate":       "a service",
	"vidbell healthcheck":    "its exit code is all",
	"vidbell help":           "prints help",
	"vidbell env":            "prints help",
	"vidbell config":         "prints help",
	"vidbell config schema":  "is JSON",
	"vidbell config example": "is YAML",
	"vidbell init":           "writes files",
}

func TestWhatPrintsHasJSON(t *testing.T) {
	for _, c := range commands(t) {
		path := c.CommandPath()
		f := c.Flags().Lookup("json")
		_, isSilent := silent[path]
		if (f == nil) != isSilent {
			t.Errorf("%s: has --json: %v, is said to print nothing: %v", path, f != nil, isSilent)
		}
		if f != nil && (f.Value.Type() != "bool" || !strings.HasPrefix(f.Usage, "print ")) {
			t.Errorf("%s: --json is %s, %q", path, f.Value.Type(), f.Usage)
		}
		delete(silent, path)
	}
	for path := range silent {
		t.Errorf("there is no command %s", path)
	}
}

func TestHelpIsThere(t *testing.T) {
	for _, c := range commands(t) {
		path := c.CommandPath()
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short help %q", path, c.Short)
		}
		for name, text := range map[string]string{"short": c.Short, "long": c.Long, "example": c.Example} {
			for line := range strings.Lines(text) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > maxWidth {
					t.Errorf("%s: a line of its %s help has %d characters: %s", path, name, n, line)
				}
			}
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || strings.HasSuffix(strings.TrimSuffix(f.Usage, " ..."), ".") {
				t.Errorf("%s --%s: help %q", path, f.Name, f.Usage)
			}
		})
	}
}

// Whoever copies an example must not be told that it is wrong.
func TestExamplesParse(t *testing.T) {
	examples := 0
	for _, c := range commands(t) {
		for line := range strings.Lines(c.Example) {
			line = strings.TrimSpace(line)
			line, _, _ = strings.Cut(line, "   ")
			for _, end := range []string{" #", " |", " &&"} {
				line, _, _ = strings.Cut(line, end)
			}
			words := split(line)
			if len(words) == 0 || words[0] != "vidbell" {
				t.Errorf("%s: the example %q calls something else", c.CommandPath(), line)
				continue
			}
			examples++
			root := command.Root()
			root.InitDefaultHelpCmd()
			found, rest, err := root.Find(words[1:])
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err == nil {
				err = found.ValidateArgs(found.Flags().Args())
			}
			if err != nil || found.Name() != c.Name() && c.HasParent() && !slices.Contains(c.Commands(), found) && found.Parent().Name() != c.Name() {
				t.Errorf("%s: the example %q leads to %s: %v", c.CommandPath(), line, found.CommandPath(), err)
			}
		}
	}
	if examples < 15 {
		t.Errorf("%d examples", examples)
	}
}

// split takes a line apart as a shell does, as far as examples need it.
func split(line string) (words []string) {
	var word strings.Builder
	var quote rune
	in := false
	for _, r := range line + " " {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, in = r, true
		case quote == 0 && r == ' ':
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	return words
}

func TestFlagsThatWereMeant(t *testing.T) {
	for line, want := range map[string]string{
		"check --jsn":                     `unknown flag: --jsn, did you mean --json? "vidbell check --help" lists the flags`,
		"deliveries --endpont=x":          `unknown flag: --endpont, did you mean --endpoint? "vidbell deliveries --help" lists the flags`,
		"events show --josn evt_1":        `unknown flag: --josn, did you mean --json? "vidbell events show --help" lists the flags`,
		"status --confg x":                `unknown flag: --confg, did you mean --config? "vidbell status --help" lists the flags`,
		"check --frobnicate":              `unknown flag: --frobnicate; "vidbell check --help" lists the flags`,
		"check -x":                        `unknown shorthand flag: 'x' in -x; "vidbell check --help" lists the flags`,
		"deliveries --limit many":         `invalid argument "many" for "--limit" flag`,
		"statsu":                          `unknown command "statsu", did you mean status?`,
		"replay --dead --dryrun --yes":    "did you mean --dry-run?",
		"sources release default --force": `unknown flag: --force; "vidbell sources release --help" lists the flags`,
	} {
		root := command.Root()
		root.SetArgs(strings.Fields(line))
		root.SetOut(new(strings.Builder))
		root.SetErr(new(strings.Builder))
		err := root.ExecuteContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}
