// Package deploy_test holds the files of this folder to what the program knows and to what a safe installation needs.
// They cannot be built or started where tests run, so they are read.
package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vidbell/internal/config"
)

// drainSeconds is what deliveries under way get to finish; whatever stops the process must wait longer.
const drainSeconds = 10

var (
	variable = regexp.MustCompile(`VIDBELL_[A-Z_]*[A-Z]`)
	secret   = regexp.MustCompile(`whsec_[A-Za-z0-9+/]{8,}|(?i)(api[_-]?key|token|secret|password)\s*[=:]\s*"?[A-Za-z0-9+]{8,}`)
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// lines returns the lines that are neither empty nor comment, lines continued by a backslash joined.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

// files are all of this folder but tests, whatever folder they are in.
func files(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(".", func(path string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() && path == "secrets" { // yours, if you tried compose here
			return filepath.SkipDir
		}
		if err == nil && !e.IsDir() && !strings.HasSuffix(path, ".go") && filepath.Base(path) != "go.sum" {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestEveryVariableExists(t *testing.T) {
	var known []string
	for _, v := range config.Variables() {
		known = append(known, v.Name)
		if v.Secret {
			known = append(known, v.FileName())
		}
	}
	for _, name := range files(t) {
		for _, found := range variable.FindAllString(read(t, name), -1) {
			if !slices.Contains(known, found) {
				t.Errorf("%s: %s is no setting", name, found)
			}
		}
	}
}

func TestNoSecretIsInAFile(t *testing.T) {
	for _, name := range files(t) {
		for _, line := range lines(read(t, name)) {
			if found := secret.FindString(line); found != "" {
				t.Errorf("%s: %q looks like a secret", name, found)
			}
			for _, v := range config.Variables() {
				if v.Secret && regexp.MustCompile(v.Name+`\s*[=:]\s*\S`).MatchString(line) {
					t.Errorf("%s: %s has a value, name a file instead", name, v.Name)
				}
			}
		}
	}
}

func checkStop(t *testing.T, match []string) {
	t.Helper()
	if match == nil {
		t.Fatal("no stop limit")
	}
	if limit, err := strconv.Atoi(match[1]); err != nil || limit <= drainSeconds {
		t.Errorf("stop limit %s s: want more than the %d s of the drain", match[1], drainSeconds)
	}
}
