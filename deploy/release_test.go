package deploy_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// release runs the script in a repository of its own, and returns what it prints and its exit code.
func release(t *testing.T, dir string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command("bash", append([]string{filepath.Join(dir, "deploy", "release.sh")}, args...)...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// repository is one with the script and a program that prints what the script puts into it.
func repository(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"bash", "git", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil || runtime.GOOS == "windows" {
			t.Skipf("SKIPPED: no %s here, so the release script was not run", tool)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                  "module vidbell\n\ngo 1.26\n",
		"main.go":                 "package main\n\nimport (\n\t\"fmt\"\n\n\t\"vidbell/internal/app\"\n)\n\nfunc main() { fmt.Println(app.Build()) }\n",
		"internal/app/version.go": "package app\n\nvar version, commit, date string\n\nfunc Build() (a, b, c string) { return version, commit, date }\n",
		"deploy/release.sh":       read(t, "release.sh"),
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "One"}} {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE=2026-11-23T22:04:05+0100", "GIT_CONFIG_GLOBAL=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	return dir
}

// A release says what it is made from, has its checksums, and is the same when somebody else makes it again elsewhere.
func TestReleaseCanBeRepeated(t *testing.T) {
	dir, one, other := repository(t), t.TempDir(), t.TempDir()
	if out, code := release(t, dir, "v1.2.3-rc.1", one); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	moved := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if out, code := release(t, moved, "v1.2.3-rc.1", other); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	sums := read(t, filepath.Join(one, "SHA256SUMS"))
	if again := read(t, filepath.Join(other, "SHA256SUMS")); again != sums || strings.Count(sums, "\n") != 4 {
		t.Errorf("checksums\n%sand again\n%s", sums, again)
	}
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		return
	}
	out, err := exec.Command(filepath.Join(one, "vidbell-v1.2.3-rc.1-linux-amd64")).Output()
	if err != nil || !regexp.MustCompile(`^v1\.2\.3-rc\.1 [0-9a-f]{40} 2026-11-23T21:04:05Z\n$`).Match(out) {
		t.Errorf("it says %q, %v", out, err)
	}
}

func TestReleaseRefuses(t *testing.T) {
	dir := repository(t)
	for _, version := range []string{"", "1.2.3", "v1.2", "v1.2.3; true", "-h"} {
		if out, code := release(t, dir, version, t.TempDir()); code != 2 || !strings.Contains(out, "usage") {
			t.Errorf("version %q: exit code %d\n%s", version, code, out)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, code := release(t, dir, "v1.2.3", t.TempDir()); code != 1 || !strings.Contains(out, "main.go") {
		t.Errorf("a checkout with changes: exit code %d\n%s", code, out)
	}
}

// CI builds for the platforms that are released.
func TestReleasePlatforms(t *testing.T) {
	platform := regexp.MustCompile(`(?:linux|darwin|windows)[/ ](?:amd64|arm64)`)
	words := func(text string) []string {
		found := platform.FindAllString(text, -1)
		for i := range found {
			found[i] = strings.ReplaceAll(found[i], " ", "/")
		}
		slices.Sort(found)
		return slices.Compact(found)
	}
	list := regexp.MustCompile(`(?m)^readonly platforms=.*$`).FindString(read(t, "release.sh"))
	if have, want := words(list), words(read(t, "../.ci/run")); !slices.Equal(have, want) {
		t.Errorf("released are %q, built by CI %q", have, want)
	}
}
