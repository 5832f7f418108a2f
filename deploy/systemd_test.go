package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestUnit(t *testing.T) {
	all := lines(read(t, "vidbell.service"))
	for _, want := range []string{
		"Type=notify", "DynamicUser=yes", "StateDirectory=vidbell", "NoNewPrivileges=yes", "ProtectSystem=strict",
		"Restart=on-failure", "RestartPreventExitStatus=2 3", "Environment=GOTRACEBACK=crash", "WatchdogSec=60",
		"ExecReload=/bin/kill -HUP $MAINPID",
		"LoadCredential=api-key:/etc/vidbell/api-key", "Environment=VIDBELL_API_KEY_FILE=%d/api-key",
		"LoadCredential=webhook-secret:/etc/vidbell/webhook-secret", "Environment=VIDBELL_WEBHOOK_SECRET_FILE=%d/webhook-secret",
	} {
		if !slices.Contains(all, want) {
			t.Errorf("no %s", want)
		}
	}
	checkStop(t, regexp.MustCompile(`TimeoutStopSec=(\d+)`).FindStringSubmatch(strings.Join(all, "\n")))
}

// analyzer is the path of systemd-analyze; where there is none, nothing can be said.
func analyzer(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("SKIPPED: no systemd-analyze here, so the unit was only read")
	}
	return path
}

// unitHere writes the unit with a program that this machine has.
func unitHere(t *testing.T) string {
	t.Helper()
	text := strings.ReplaceAll(read(t, "vidbell.service"), "/usr/local/bin/vidbell", "/bin/true")
	path := filepath.Join(t.TempDir(), "vidbell.service")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUnitIsWhatSystemdUnderstands(t *testing.T) {
	out, err := exec.Command(analyzer(t), "verify", "--man=no", unitHere(t)).CombinedOutput()
	if err != nil || len(out) != 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// mostExposed is 1.5 in tenths of systemd's scale, where 10 is open to everything.
const mostExposed = 15

func TestUnitIsShutIn(t *testing.T) {
	out, err := exec.Command(analyzer(t), "security", "--offline=true", "--no-pager", "--threshold="+strconv.Itoa(mostExposed), unitHere(t)).CombinedOutput()
	if err != nil {
		t.Errorf("more exposed than %d tenths: %v\n%s", mostExposed, err, out)
	}
	t.Log(regexp.MustCompile("Overall.*").FindString(string(out)))
}
