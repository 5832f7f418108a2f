package deploy_test

import (
	"slices"
	"strings"
	"testing"
)

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
