package deploy_test

import (
	"strings"
	"testing"

	"vidbell/internal/config"
)

// The example shows every setting with its default, and nothing in it takes effect.
func TestEnvExample(t *testing.T) {
	text := read(t, "vidbell.env.example")
	if active := lines(text); len(active) != 0 {
		t.Errorf("settings that take effect: %q", active)
	}
	for _, v := range config.Variables() {
		want := "\n#" + v.Name + "=" + v.Default + "\n"
		if v.Secret {
			want = "\n#" + v.FileName() + "=\n"
		}
		if !strings.Contains(text, want) {
			t.Errorf("no line %q", strings.TrimSpace(want))
		}
	}
}
