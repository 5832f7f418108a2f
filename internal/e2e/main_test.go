package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The variables that people set for these tests. None starts with VIDBELL_: the binary would refuse it.
const (
	envSeed   = "E2E_SEED"
	envKills  = "E2E_KILLS"
	envBinary = "E2E_BINARY"
)

// patience bounds every wait for something that should come soon. It is long, since a busy machine is no failure; a wait
// that succeeds costs only what it takes.
const patience = 30 * time.Second

var buildDir string

func TestMain(m *testing.M) {
	code := 1
	if dir, err := os.MkdirTemp("", "vidbell-e2e-"); err == nil {
		buildDir = dir
		code = m.Run()
		_ = os.RemoveAll(dir)
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// built is the path of the binary, made once for all tests.
var built = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(envBinary); path != "" {
		return filepath.Abs(path)
	}
	if err := lookAtSources(); err != nil {
		return "", err
	}
	path := filepath.Join(buildDir, "vidbell")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	args := []string{"build", "-C", filepath.Join("..", ".."), "-buildvcs=false", "-o", path}
	if raceDetector {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return path, nil
})

// lookAtSources makes the results of these tests depend on the program: go test remembers a success for as long as the files
// that a test looked at are the same, and knows nothing of what a build that the test runs looks at.
func lookAtSources() error {
	root := filepath.Join("..", "..")
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case !entry.IsDir() && (strings.HasPrefix(entry.Name(), "go.") || filepath.Ext(path) == ".go"):
			_, err = os.Stat(path)
		}
		return err
	})
}

// seeded returns a source of randomness, and says how to have the same again.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(envSeed); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Logf("repeat with %s=%d", envSeed, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// number reads a variable that makes a test longer or shorter.
func number(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// eventually waits for a condition.
func eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	if err := wait(patience, condition); err != nil {
		tb.Fatalf("%s: %v", what, err)
	}
}

func wait(within time.Duration, condition func() bool) error {
	const step = 10 * time.Millisecond
	for deadline := time.Now().Add(within); !condition(); time.Sleep(step) {
		if time.Now().After(deadline) {
			return errors.New("not within " + within.String())
		}
	}
	return nil
}

// freeAddress is one on loopback that nobody has at the moment. It is for addresses that must be known beforehand, or be
// the same after a restart.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(tb, err)
	defer l.Close()
	return l.Addr().String()
}
