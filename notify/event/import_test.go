package event

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestOthersImportIt builds a module of somebody else as the package document says, with no way to any other module.
func TestOthersImportIt(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	main := `package main

import "vidbell/notify/event"

func main() { println(event.Names{}.Videos(event.Filter{Type: event.TypeDone})) }
`
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(main), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"mod", "init", "example.com/subscriber"},
		{"mod", "edit", "-require=vidbell@v0.0.0", "-replace=vidbell=" + root},
		{"vet", "."},
	} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOPROXY=off", "GOWORK=off", "GOFLAGS=-mod=mod")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
}
