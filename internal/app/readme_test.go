package app

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const readmePath = "../../README.md"

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(readmePath)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReadmeLinks looks for every file that the README and the pages lead to.
func TestReadmeLinks(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	must(t, err)
	link := regexp.MustCompile(`\]\(([^):#]+)(?:#[^)]*)?\)`)
	for _, page := range append(pages, readmePath) {
		text, err := os.ReadFile(page)
		must(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s leads to %s, which is not there", page, m[1])
			}
		}
	}
}

// example returns a code block of the README by its marker.
func example(t *testing.T, name, language string) string {
	t.Helper()
	_, rest, ok := strings.Cut(readme(t), "<!-- example: "+name+" -->\n```"+language+"\n")
	if !ok {
		t.Fatalf("README has no example %q", name)
	}
	code, _, _ := strings.Cut(rest, "```")
	return code
}

// TestReadmeGoExamplesCompile builds the Go examples as a reader would paste them.
func TestReadmeGoExamplesCompile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"consumer", "receiver"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "main.go")
			if err := os.WriteFile(file, []byte(example(t, name, "go")), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}
