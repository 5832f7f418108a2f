package deploy_test

import (
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// composition is a compose file, as far as it is ours to get wrong.
type composition struct {
	Name     string
	Nats     any `yaml:"x-nats"`
	Services map[string]struct {
		Build struct {
			Context, Dockerfile string
			Args                map[string]string
		}
		Image       string
		Command     []string
		Environment map[string]string
		Secrets     []any
		Volumes     []string
		Networks    []string
		Ports       []string
		Deploy      struct{ Replicas int }
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		SecurityOpt []string `yaml:"security_opt"`
		Healthcheck map[string]any
		StopGrace   string `yaml:"stop_grace_period"`
		Restart     string
	}
	Networks map[string]map[string]any
	Secrets  map[string]struct{ File string }
	Volumes  map[string]any
}

var composeFiles = []string{"compose.yaml", "compose.cluster.yaml", "compose.monitoring.yaml"}

func readComposition(t *testing.T, name string) composition {
	t.Helper()
	var c composition
	decode(t, name, &c)
	return c
}

func TestComposeImagesHaveVersions(t *testing.T) {
	for _, name := range composeFiles {
		for service, s := range readComposition(t, name).Services {
			image, tag, ok := strings.Cut(s.Image, ":")
			if !ok || tag == "latest" || image == "" {
				t.Errorf("%s: %s is made from %q: name a version", name, service, s.Image)
			}
			if s.Restart != "unless-stopped" {
				t.Errorf("%s: %s is not started again", name, service)
			}
		}
	}
}

// Every file that is mounted is in the repository, or is a secret that the head of the file tells how to make.
func TestComposeMountsWhatThereIs(t *testing.T) {
	for _, name := range composeFiles {
		c := readComposition(t, name)
		for service, s := range c.Services {
			for _, volume := range s.Volumes {
				from, _, _ := strings.Cut(volume, ":")
				if !strings.HasPrefix(from, "./") {
					if _, ok := c.Volumes[from]; !ok {
						t.Errorf("%s: %s mounts %s, which is no volume", name, service, from)
					}
					continue
				}
				if _, err := os.Stat(from); err != nil {
					t.Errorf("%s: %s: %v", name, service, err)
				}
				if !strings.HasSuffix(volume, ":ro") {
					t.Errorf("%s: %s may write %s", name, service, from)
				}
			}
			for _, secret := range s.Secrets {
				checkSecret(t, name, c, secret)
			}
			for variable, value := range s.Environment {
				if file, ok := strings.CutPrefix(value, "/run/secrets/"); ok && !slices.Contains(s.Secrets, any(file)) {
					t.Errorf("%s: %s: %s names %s, which is not mounted", name, service, variable, value)
				}
			}
		}
		for secret, s := range c.Secrets {
			if !strings.Contains(read(t, name)+read(t, "compose.yaml"), "deploy/"+path.Clean(s.File)) {
				t.Errorf("%s: nobody is told how to make the secret %s", name, secret)
			}
		}
	}
}

// checkSecret knows that those of compose.monitoring.yaml may be of the file below it.
func checkSecret(t *testing.T, name string, c composition, secret any) {
	t.Helper()
	source, ok := secret.(string)
	if long, isMap := secret.(map[string]any); isMap {
		source, ok = long["source"].(string)
	}
	below := readComposition(t, "compose.yaml").Secrets
	if _, declared := c.Secrets[source]; !ok || !declared && (name != "compose.monitoring.yaml" || below[source].File == "") {
		t.Errorf("%s: the secret %v is not declared", name, secret)
	}
}

func TestComposePublishesOnLoopbackOnly(t *testing.T) {
	published := 0
	for _, name := range composeFiles {
		for service, s := range readComposition(t, name).Services {
			for _, port := range s.Ports {
				published++
				if !regexp.MustCompile(`^127\.0\.0\.1:\d+(-\d+)?:\d+$`).MatchString(port) {
					t.Errorf("%s: port %s of %s is open to the network", name, port, service)
				}
			}
		}
	}
	if published < 5 {
		t.Errorf("only %d ports were looked at", published)
	}
}

// vidbell has no more rights than it needs, and as much time to stop as it may take.
func TestComposeShutsVidbellIn(t *testing.T) {
	for _, name := range []string{"compose.yaml", "compose.cluster.yaml"} {
		c := readComposition(t, name)
		s := c.Services["vidbell"]
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: vidbell is not shut in: %v %v %v", name, s.ReadOnly, s.CapDrop, s.SecurityOpt)
		}
		if stop, err := time.ParseDuration(s.StopGrace); err != nil || stop <= drainSeconds*time.Second {
			t.Errorf("%s: vidbell has %q to stop, it takes up to %d s", name, s.StopGrace, drainSeconds)
		}
		for _, want := range []string{"VIDBELL_HTTP_TOKEN_FILE", "VIDBELL_API_KEY_FILE"} {
			if !strings.HasPrefix(s.Environment[want], "/run/secrets/") {
				t.Errorf("%s: %s is %q", name, want, s.Environment[want])
			}
		}
	}
}

func TestComposeAloneKeepsItsData(t *testing.T) {
	s := readComposition(t, "compose.yaml").Services["vidbell"]
	dockerfile := read(t, "Dockerfile")
	if len(s.Volumes) != 1 || !strings.Contains(dockerfile, "VIDBELL_DATA_DIR="+strings.TrimPrefix(s.Volumes[0], "data:")) {
		t.Errorf("volumes %q are not where the image keeps its data", s.Volumes)
	}
	if s.Environment["VIDBELL_NATS_URL"] != "" {
		t.Error("it is not alone")
	}
}

// The servers of the cluster are those that vidbell and the servers themselves are told of.
func TestComposeClusterHangsTogether(t *testing.T) {
	c := readComposition(t, "compose.cluster.yaml")
	var servers, urls, routes []string
	for name, s := range c.Services {
		if !strings.HasPrefix(name, "nats-") {
			continue
		}
		servers, urls = append(servers, name), append(urls, "nats://"+name+":4222")
		routes = append(routes, "$ROUTE_"+strings.TrimPrefix(name, "nats-"))
		if s.Environment["SERVER_NAME"] != name || !slices.Contains(s.Volumes, name+":/data") || !slices.Contains(s.Networks, "routes") {
			t.Errorf("%s is not itself: %v %v %v", name, s.Environment, s.Volumes, s.Networks)
		}
	}
	for _, list := range [][]string{servers, urls, routes} {
		slices.Sort(list)
	}
	vidbell := c.Services["vidbell"]
	if len(servers) != 3 || vidbell.Deploy.Replicas != 2 || vidbell.Environment["VIDBELL_NATS_REPLICAS"] != "3" {
		t.Errorf("%d servers, %d vidbells, %s replicas", len(servers), vidbell.Deploy.Replicas, vidbell.Environment["VIDBELL_NATS_REPLICAS"])
	}
	if got := vidbell.Environment["VIDBELL_NATS_URL"]; got != strings.Join(urls, ",") {
		t.Errorf("vidbell knows of %s, there are %q", got, urls)
	}
	for _, route := range routes {
		if !strings.Contains(read(t, "nats/cluster.conf"), route) {
			t.Errorf("the servers do not know of %s", route)
		}
	}
	if c.Networks["routes"]["internal"] != true {
		t.Error("the network between the servers leads outside")
	}
}

// What is scraped, alerted and shown is what the other files say.
func TestMonitoringHangsTogether(t *testing.T) {
	c := readComposition(t, "compose.monitoring.yaml")
	if got := slices.Sorted(maps.Keys(c.Services)); !slices.Equal(got, []string{"alertmanager", "grafana", "prometheus"}) {
		t.Errorf("services %q", got)
	}
	prometheus := read(t, "prometheus/prometheus.yml")
	for _, want := range []string{"alertmanager:9093", "names: [vidbell]", "/etc/prometheus/vidbell.rules.yaml", "/run/secrets/http-token"} {
		if !strings.Contains(prometheus, want) {
			t.Errorf("prometheus.yml lacks %s", want)
		}
	}
	dashboards := "/var/lib/grafana/dashboards"
	if !strings.Contains(read(t, "grafana/provisioning/dashboards/vidbell.yaml"), "path: "+dashboards+"\n") ||
		!slices.Contains(c.Services["grafana"].Volumes, "./"+dashboardFile+":"+dashboards+"/vidbell.json:ro") {
		t.Error("the dashboard is not where Grafana looks for it")
	}
	var manager struct {
		Route        any
		Receivers    []struct{ Name string }
		InhibitRules []struct {
			Source []string `yaml:"source_matchers"`
			Target []string `yaml:"target_matchers"`
			Equal  []string
		} `yaml:"inhibit_rules"`
	}
	decode(t, "prometheus/alertmanager.yml", &manager)
	var names []string
	for _, r := range alerts(t) {
		names = append(names, r.Alert)
	}
	for _, r := range manager.InhibitRules {
		for _, name := range regexp.MustCompile(`Vidbell[A-Za-z]+`).FindAllString(strings.Join(append(r.Source, r.Target...), " "), -1) {
			if !slices.Contains(names, name) {
				t.Errorf("alertmanager.yml speaks of %s, and there is no such alert", name)
			}
		}
	}
	promtool(t, "check", "config", "--syntax-only", "prometheus/prometheus.yml")
}
