// Package deploy_test holds the files of this folder to what the program knows and to what a safe installation needs.
// They cannot be built or started where tests run, so they are read.
package deploy_test

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vidbell/internal/config"
)

// drainSeconds is what deliveries under way get to finish; whatever stops the process must wait longer.
const drainSeconds = 10

var (
	variable = regexp.MustCompile(`VIDBELL_[A-Z_]*[A-Z]`)
	secret   = regexp.MustCompile(`whsec_[A-Za-z0-9+/]{8,}|(?i)(api[_-]?key|token|secret|password)\s*[=:]\s*"?[A-Za-z0-9+]{8,}`)
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// lines returns the lines that are neither empty nor comment, lines continued by a backslash joined.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

func files(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && !strings.HasSuffix(e.Name(), ".go") {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestEveryVariableExists(t *testing.T) {
	var known []string
	for _, v := range config.Variables() {
		known = append(known, v.Name)
		if v.Secret {
			known = append(known, v.FileName())
		}
	}
	for _, name := range files(t) {
		for _, found := range variable.FindAllString(read(t, name), -1) {
			if !slices.Contains(known, found) {
				t.Errorf("%s: %s is no setting", name, found)
			}
		}
	}
}

func TestNoSecretIsInAFile(t *testing.T) {
	for _, name := range files(t) {
		for _, line := range lines(read(t, name)) {
			if found := secret.FindString(line); found != "" {
				t.Errorf("%s: %q looks like a secret", name, found)
			}
			for _, v := range config.Variables() {
				if v.Secret && regexp.MustCompile(v.Name+`\s*[=:]\s*\S`).MatchString(line) {
					t.Errorf("%s: %s has a value, name a file instead", name, v.Name)
				}
			}
		}
	}
}

func TestDockerfile(t *testing.T) {
	all := lines(read(t, "Dockerfile"))
	last := func(instruction string) string {
		for _, line := range slices.Backward(all) {
			if rest, ok := strings.CutPrefix(line, instruction+" "); ok {
				return rest
			}
		}
		t.Fatalf("no %s", instruction)
		return ""
	}
	if user := last("USER"); user != "65532:65532" {
		t.Errorf("USER %s: want the number of a user that is not root", user)
	}
	if check := last("HEALTHCHECK"); !strings.HasSuffix(check, `CMD ["/usr/local/bin/vidbell", "healthcheck"]`) {
		t.Errorf("HEALTHCHECK %s: there is no shell and no curl in the image", check)
	}
	if entry := last("ENTRYPOINT"); entry != `["/usr/local/bin/vidbell"]` {
		t.Errorf("ENTRYPOINT %s: want the exec form, so that signals arrive", entry)
	}
	if volume := last("VOLUME"); last("ENV") != "VIDBELL_DATA_DIR="+volume {
		t.Errorf("VOLUME %s is not the data folder, ENV %s", volume, last("ENV"))
	}
	if last("STOPSIGNAL") != "SIGTERM" || last("EXPOSE") != "8080 4222" {
		t.Error("wrong STOPSIGNAL or EXPOSE")
	}
	build := last("RUN")
	for _, want := range []string{"CGO_ENABLED=0", "-trimpath"} {
		if !strings.Contains(build, want) {
			t.Errorf("the build lacks %s: %s", want, build)
		}
	}
	for _, line := range all {
		if image, ok := strings.CutPrefix(line, "FROM "); ok && (strings.Contains(image, ":latest") || !strings.Contains(image, ":")) {
			t.Errorf("FROM %s: name a version", image)
		}
	}
}

func TestComposeFile(t *testing.T) {
	text := read(t, "compose.yaml")
	for _, want := range []string{
		"read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "sync_interval: always",
		"VIDBELL_NATS_URL: nats://nats:4222", "VIDBELL_HTTP_TOKEN_FILE: /run/secrets/http-token",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, published := range regexp.MustCompile(`- "([\d.:]+:\d+:\d+|\d+:\d+)"`).FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(published[1], "127.0.0.1:") {
			t.Errorf("port %s is open to the network", published[1])
		}
	}
	used := regexp.MustCompile(`/run/secrets/([a-z-]+)`).FindAllStringSubmatch(text, -1)
	if len(used) == 0 {
		t.Error("no secret is used")
	}
	for _, name := range used {
		if !strings.Contains(text, "file: ./secrets/"+name[1]) || !strings.Contains(text, "- "+name[1]) {
			t.Errorf("secret %s is used, but not declared and mounted", name[1])
		}
	}
	if strings.Contains(text, "\t") {
		t.Error("YAML allows no tabs")
	}
	checkStop(t, regexp.MustCompile(`stop_grace_period: (\d+)s`).FindStringSubmatch(text))
}

func TestUnit(t *testing.T) {
	all := lines(read(t, "vidbell.service"))
	for _, want := range []string{
		"Type=notify", "DynamicUser=yes", "StateDirectory=vidbell", "NoNewPrivileges=yes", "ProtectSystem=strict",
		"Restart=on-failure", "RestartPreventExitStatus=2 3",
		"LoadCredential=api-key:/etc/vidbell/api-key", "Environment=VIDBELL_API_KEY_FILE=%d/api-key",
		"LoadCredential=webhook-secret:/etc/vidbell/webhook-secret", "Environment=VIDBELL_WEBHOOK_SECRET_FILE=%d/webhook-secret",
	} {
		if !slices.Contains(all, want) {
			t.Errorf("no %s", want)
		}
	}
	checkStop(t, regexp.MustCompile(`TimeoutStopSec=(\d+)`).FindStringSubmatch(strings.Join(all, "\n")))
}

func checkStop(t *testing.T, match []string) {
	t.Helper()
	if match == nil {
		t.Fatal("no stop limit")
	}
	if limit, err := strconv.Atoi(match[1]); err != nil || limit <= drainSeconds {
		t.Errorf("stop limit %s s: want more than the %d s of the drain", match[1], drainSeconds)
	}
}

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
