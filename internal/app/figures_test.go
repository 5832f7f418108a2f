package app

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	benchmarkFunc    = regexp.MustCompile(`(?m)^func (Benchmark\w+)\(b \*testing\.B\)`)
	benchmarkCommand = regexp.MustCompile(`go test (\./\S*) .*-bench '?([^\s']+)'?`)
	benchmarkName    = regexp.MustCompile(`\bBenchmark[A-Z]\w*`)
)

// benchmarks lists those of a package by the files of its folder: some are for one system only.
func benchmarks(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range benchmarkFunc.FindAllSubmatch(text, -1) {
			names = append(names, string(found[1]))
		}
	}
	return names
}

// TestFiguresCanBeRepeated holds the commands of docs/figures.md to the benchmarks that there are.
func TestFiguresCanBeRepeated(t *testing.T) {
	const root = "../.."
	page, err := os.ReadFile(filepath.Join(root, "docs", "figures.md"))
	if err != nil {
		t.Fatal(err)
	}
	commands := benchmarkCommand.FindAllStringSubmatch(string(page), -1)
	if len(commands) < 5 || len(commands) != strings.Count(string(page), "go test ") {
		t.Fatalf("%d commands were understood, of %d", len(commands), strings.Count(string(page), "go test "))
	}
	var all []string
	for _, c := range commands {
		names := benchmarks(t, filepath.Join(root, c[1]))
		all = append(all, names...)
		pattern, _, _ := strings.Cut(c[2], "/")
		chosen, err := regexp.Compile(pattern)
		if err != nil || !slices.ContainsFunc(names, chosen.MatchString) {
			t.Errorf("%s: %v; %s has %v", c[0], err, c[1], names)
		}
	}
	for _, name := range benchmarkName.FindAllString(string(page), -1) {
		if !slices.Contains(all, name) {
			t.Errorf("%s is in no package that a command names", name)
		}
	}
}
