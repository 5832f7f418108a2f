package engine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestExplainAddsNothingWhereNothingIsWrong(t *testing.T) {
	dir := t.TempDir()
	e := start(t, Config{DataDir: dir})
	cause := errors.New("no answer")
	if err := e.Explain(cause); err != cause { //nolint:errorlint // the same, not one like it
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, probeFile)); !os.IsNotExist(err) {
		t.Error("the probe was left behind")
	}
	if err := start(t, Config{URL: "nats://127.0.0.1:1"}).Explain(cause); err != cause { //nolint:errorlint // as above
		t.Errorf("got %v of an external engine", err)
	}
	e.embedded.dataDir = filepath.Join(dir, "gone")
	if err := e.Explain(cause); !errors.Is(err, ErrUnwritable) || !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}
