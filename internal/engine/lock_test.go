package engine

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestDataDirThatIsNotOursAnyMoreEndsTheWatch(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("what is open cannot be moved here")
	}
	for what, do := range map[string]func(dir string) error{
		"moved away":            func(dir string) error { return os.Rename(dir, dir+".away") },
		"removed":               os.RemoveAll,
		"its lock file removed": func(dir string) error { return os.Remove(filepath.Join(dir, lockFile)) },
		"another in its place": func(dir string) error {
			if err := os.Rename(dir, dir+".away"); err != nil {
				return err
			}
			other, err := Start(Config{DataDir: dir})
			if err != nil {
				return err
			}
			other.Close()
			return nil
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			e := start(t, Config{DataDir: dir})
			openLog(t, e)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			must(t, do(dir))
			before := tree(t, filepath.Dir(dir))
			wantError(t, e.Watch(ctx), "VIDBELL_DATA_DIR", dir, "not the directory that was opened")
			publish(t, e, "vidbell.append.done.s.v", "x") // leaves the witness behind
			e.Close()
			for path, sum := range tree(t, filepath.Dir(dir)) {
				if filepath.Base(path) == witnessFile && before[path] != sum {
					t.Errorf("%s was written", path)
				}
			}
		})
	}
}

func TestLockFileThatWasRemovedOpensNoDoor(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("what is open cannot be removed here")
	}
	dir := t.TempDir()
	start(t, Config{DataDir: dir})
	must(t, os.Remove(filepath.Join(dir, lockFile)))
	_, err := Start(Config{DataDir: dir})
	wantError(t, err, "VIDBELL_DATA_DIR", dir, "in use by another vidbell")
}
