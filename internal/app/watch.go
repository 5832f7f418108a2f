package app

import (
	"crypto/sha256"
	"io"
	"os"

	"vidbell/internal/config"
)

// maxWatched bounds what is read of a file to compare it, in bytes.
const maxWatched = 4 << 20

// watch tells when the contents of files have changed, and then stay the same from one look to the next: a file that is just being
// written is left alone.
type watch struct {
	known map[string]imprint // as they were last read for good
	last  map[string]imprint // as they were at the last look
}

// imprint is a file's content, or that it cannot be read.
type imprint struct {
	unreadable bool
	sum        [sha256.Size]byte
}

func newWatch(files []string) *watch {
	w := &watch{}
	w.known = look(files)
	w.last = w.known
	return w
}

// filesOf are those that a configuration was read from.
func filesOf(cfg *config.Config) []string {
	files := cfg.Files()
	if cfg.File != "" {
		files = append(files, cfg.File)
	}
	return files
}

func look(files []string) map[string]imprint {
	all := make(map[string]imprint, len(files))
	for _, name := range files {
		all[name] = imprintOf(name)
	}
	return all
}

func imprintOf(name string) imprint {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() { // a pipe would be waited for, and gives what it has to one reader
		return imprint{unreadable: true}
	}
	f, err := os.Open(name)
	if err != nil {
		return imprint{unreadable: true}
	}
	defer func() { _ = f.Close() }() // it was only read
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxWatched)); err != nil {
		return imprint{unreadable: true}
	}
	p := imprint{}
	h.Sum(p.sum[:0])
	return p
}

// changed looks at the files.
func (w *watch) changed() bool {
	now := make(map[string]imprint, len(w.known))
	settled, same := true, true
	for name, known := range w.known {
		now[name] = imprintOf(name)
		same = same && now[name] == known
		settled = settled && now[name] == w.last[name]
	}
	w.last = now
	return !same && settled
}

// follow is told that the files were just read, which they are from now on: those that hold, and those that were read and may have
// been refused. It reports whether one of them may have changed since, so that it is better to read them once more.
func (w *watch) follow(holds, read []string) (again bool) {
	now := look(append(holds, read...))
	for name, p := range now {
		known, watched := w.last[name]
		again = again || !watched || known != p
	}
	w.known, w.last = now, now
	return again
}
