package app

import (
	"runtime"
	"runtime/debug"
)

// version is set by the linker for releases; a build from a checkout says so itself.
var version = "" //nolint:gochecknoglobals // the linker can set nothing else

// Build says what this binary was made from.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Date    string `json:"date,omitempty"`
	Go      string `json:"go"`
}

// BuildInfo reads what the tool chain recorded.
func BuildInfo() Build {
	b := Build{Version: version, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b.named()
	}
	if b.Version == "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
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
