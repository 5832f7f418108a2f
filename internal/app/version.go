package app

import (
	"runtime"
	"runtime/debug"
)

// Set by the linker for releases and where there is no checkout to ask, as in a container: -X vidbell/internal/app.version=v1.2.3.
// A build from a checkout knows commit and date itself.
var (
	version = ""
	commit  = "" // whole, in hexadecimal
	date    = "" // of the commit, RFC 3339
)

// Build says what this binary was made from.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Date    string `json:"date,omitempty"`
	Go      string `json:"go"`
}

// BuildInfo reads what the tool chain recorded.
func BuildInfo() Build {
	b := Build{Version: version, Commit: commit, Date: date, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b.named()
	}
	if b.Version == "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && b.Commit == "":
			b.Commit = s.Value
		case s.Key == "vcs.time" && b.Date == "":
			b.Date = s.Value
		}
	}
	return b.named()
}

func (b Build) named() Build {
	if b.Version == "" {
		b.Version = "dev"
	}
	return b
}
