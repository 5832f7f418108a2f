package deploy_test

import (
	"regexp"
	"strings"
	"testing"
)

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
