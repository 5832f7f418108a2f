package app

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vidbell/internal/config"
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

const (
	settingsOpen  = "<!-- settings: generated, see internal/config -->\n"
	settingsClose = "<!-- /settings -->"
)

// TestReadmeSettings holds the table of settings to the code. UPDATE_README=1 writes it.
func TestReadmeSettings(t *testing.T) {
	text := readme(t)
	before, rest, ok := strings.Cut(text, settingsOpen)
	if !ok {
		t.Fatalf("README has no %q", settingsOpen)
	}
	have, after, ok := strings.Cut(rest, settingsClose)
	if !ok {
		t.Fatalf("README has no %q", settingsClose)
	}
	want := config.Markdown()
	if have == want {
		return
	}
	if os.Getenv("UPDATE_README") == "" {
		t.Fatal("the settings in README.md are not the code's: run UPDATE_README=1 go test -run TestReadmeSettings ./internal/app")
	}
	if err := os.WriteFile(readmePath, []byte(before+settingsOpen+want+settingsClose+after), 0o600); err != nil {
		t.Fatal(err)
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
