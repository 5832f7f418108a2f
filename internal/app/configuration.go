package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"unicode"

	"vidbell/internal/config"
	"vidbell/internal/printable"
)

// ShowConfig is the command "config show": every setting in force and where it comes from, secrets masked. It asks nobody.
// Without all, settings at their default are left out.
func ShowConfig(out io.Writer, all, asJSON bool) error {
	cfg, err := config.Load(checks()...)
	if err != nil {
		return failed(err)
	}
	if asJSON {
		e := json.NewEncoder(printable.Writer(out))
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return failed(e.Encode(report{Settings: cfg.Effective()}))
	}
	return failed(printSettings(out, cfg.Effective(), all))
}

func printSettings(out io.Writer, settings []config.Setting, all bool) error {
	w := tabwriter.NewWriter(printable.Writer(out), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SETTING\tVALUE\tFROM")
	for _, s := range settings {
		from := string(s.Origin)
		switch {
		case s.Origin == config.OriginDefault && !all:
			continue
		case s.Place != "":
			from = s.Place
		case s.Origin == config.OriginFile:
			from = s.Name + "_FILE"
		case s.Origin == config.OriginEnv:
			from = "environment"
		}
		value := s.Value
		if value == "" {
			value = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", safe(s.Name), safe(value), safe(from))
	}
	return w.Flush()
}

// ConfigSchema is the command "config schema".
func ConfigSchema(out io.Writer) error {
	schema, err := config.Schema()
	if err != nil {
		return failed(err)
	}
	_, err = fmt.Fprintf(out, "%s\n", schema)
	return failed(err)
}

// ConfigExample is the command "config example".
func ConfigExample(out io.Writer) error {
	_, err := io.WriteString(out, config.Example)
	return failed(err)
}

const (
	initConfig = "vidbell.yaml"
	initEnv    = "vidbell.env"
)

// Init is the init command: a configuration file to begin with, and an environment file with a fresh signing secret, readable by
// its owner alone. What is there already is never touched.
func Init(out io.Writer, dir string) error {
	secret, err := newSecret()
	if err != nil {
		return failed(err)
	}
	files := []struct{ name, text string }{
		{initConfig, startingConfig}, {initEnv, fmt.Sprintf(startingEnv, secret)},
	}
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if _, err := os.Lstat(path); err == nil {
			return &ExitError{Code: ExitUsage, Err: fmt.Errorf("%s is there already: remove it, or name another folder", path)}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return failed(err)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return failed(err)
	}
	for _, f := range files {
		if err := create(filepath.Join(dir, f.name), f.text); err != nil {
			return failed(err)
		}
	}
	p := newPrinter(out)
	p.line("%s  accounts, sources, endpoints; \"vidbell config example\" shows every key", filepath.Join(dir, initConfig))
	p.line("%s   the API key goes here; a fresh signing secret is in it already", filepath.Join(dir, initEnv))
	env, file := shellPath(filepath.Join(dir, initEnv)), shellPath(filepath.Join(dir, initConfig))
	p.line("\nnext:  set -a; . %s; set +a\n       vidbell check --config %s\n       vidbell --config %s", env, file, file)
	return nil
}

// shellPath is a path to copy into a shell. A dot alone looks for names without a slash elsewhere than here.
func shellPath(path string) string {
	if !strings.ContainsRune(path, filepath.Separator) {
		path = "." + string(filepath.Separator) + path
	}
	if strings.ContainsFunc(path, func(r rune) bool {
		return !strings.ContainsRune("/._-", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		path = "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}

// create writes a file that must not be there.
func create(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

const startingConfig = `# Configuration of vidbell; "vidbell config example" shows every key, "vidbell check --config FILE" tries this one.
accounts:
  - api_key: ${MEMORIES_API_KEY}
sources:
  - name: default                 # the platform's unique_id
endpoints:
  # - name: pipeline
  #   url: https://pipeline.example.com/hooks/videos
  #   secret: ${WEBHOOK_SECRET}
  #   events: [video.done, video.failed]
`

const startingEnv = `# What the configuration file takes from the environment. Keep it to yourself.
MEMORIES_API_KEY=
# Receivers verify with it: give it to them.
WEBHOOK_SECRET=%s
`
