package deploy_test

import (
	"regexp"
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
	for _, name := range []string{"version", "commit", "date"} {
		if want := "-X vidbell/internal/app." + name + "=$" + strings.ToUpper(name); !strings.Contains(build, want) {
			t.Errorf("the build lacks %s: %s", want, build)
		}
	}
	for _, label := range []string{"title", "description", "licenses", "version", "revision", "created"} {
		if !strings.Contains(last("LABEL"), "org.opencontainers.image."+label+"=") {
			t.Errorf("no label %s", label)
		}
	}
}

// Each stage is made from an image with a version; the compiler's is that of go.mod.
func TestImagesHaveVersions(t *testing.T) {
	all, arguments, stages := lines(read(t, "Dockerfile")), map[string]string{}, 0
	for _, line := range all {
		if rest, ok := strings.CutPrefix(line, "ARG "); ok {
			name, value, _ := strings.Cut(rest, "=")
			arguments["$"+name] = value
		}
		rest, ok := strings.CutPrefix(line, "FROM ")
		if !ok {
			continue
		}
		stages++
		words := strings.Fields(strings.TrimPrefix(rest, "--platform=$BUILDPLATFORM "))
		image := arguments[words[0]]
		if strings.Contains(image, ":latest") || !strings.Contains(image, ":") {
			t.Errorf("FROM %s is %q: name a version", words[0], image)
		}
	}
	if stages != 2 {
		t.Errorf("%d stages", stages)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))
	if image := arguments["$BUILD_IMAGE"]; !strings.HasSuffix(image, ":"+version[1]) {
		t.Errorf("%s compiles, go.mod wants %s", image, version[1])
	}
}

// Secrets and what was built here do not get into the build.
func TestWhatTheBuildDoesNotSee(t *testing.T) {
	ignored := lines(read(t, "Dockerfile.dockerignore"))
	for _, want := range []string{".git", ".tools", "vidbell-data", "deploy/secrets"} {
		if !slices.Contains(ignored, want) {
			t.Errorf("%s is not ignored", want)
		}
	}
}
