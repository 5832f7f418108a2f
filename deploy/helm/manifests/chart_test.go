package manifests

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
)

// drainSeconds is what deliveries under way get to finish.
const drainSeconds = 10

// Everything decodes strictly, and every object has a name, a namespace and the usual labels.
func TestEveryManifestIsOneOfKubernetes(t *testing.T) {
	for _, r := range releases(t) {
		for _, m := range r.metas {
			if len(validation.IsDNS1123Subdomain(m.Name)) > 0 || m.Namespace == "" {
				t.Errorf("%s: name %q, namespace %q", r.name, m.Name, m.Namespace)
			}
			for _, label := range []string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart"} {
				if m.Labels[label] == "" {
					t.Errorf("%s: %s has no label %s", r.name, m.Name, label)
				}
			}
			for key, value := range m.Labels {
				if problems := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...); len(problems) > 0 {
					t.Errorf("%s: label %s=%s: %v", r.name, key, value, problems)
				}
			}
		}
	}
}

func (r *release) embedded() bool { return len(r.statefulSets) == 1 }

// workload is the pod template, and what selects its pods.
func (r *release) workload(t *testing.T) (corev1.PodTemplateSpec, *metav1.LabelSelector, int32) {
	t.Helper()
	if len(r.statefulSets)+len(r.deployments) != 1 {
		t.Fatalf("%s: %d StatefulSets and %d Deployments", r.name, len(r.statefulSets), len(r.deployments))
	}
	if r.embedded() {
		s := r.statefulSets[0].Spec
		return s.Template, s.Selector, *s.Replicas
	}
	d := r.deployments[0].Spec
	return d.Template, d.Selector, *d.Replicas
}

func TestAnEmbeddedEngineIsOnePodWithItsVolume(t *testing.T) {
	for _, r := range releases(t) {
		if !r.embedded() {
			continue
		}
		spec := r.statefulSets[0].Spec
		if *spec.Replicas != 1 || len(r.budgets) != 0 {
			t.Errorf("%s: %d replicas, %d budgets: one pod, and nothing that blocks its eviction", r.name, *spec.Replicas, len(r.budgets))
		}
		kept := len(spec.VolumeClaimTemplates) == 1 && spec.VolumeClaimTemplates[0].Name == "data"
		if kept == (r.name == "trial.yaml") {
			t.Errorf("%s: is its data kept? %t", r.name, kept)
		}
		if kept && spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted != "Retain" {
			t.Errorf("%s: the log goes with the release", r.name)
		}
	}
}

func TestAnExternalEngineHasSeveralPodsThatAreChangedOneByOne(t *testing.T) {
	seen := 0
	for _, r := range releases(t) {
		if r.embedded() {
			continue
		}
		seen++
		spec := r.deployments[0].Spec
		if *spec.Replicas < 2 || spec.Strategy.RollingUpdate == nil || *spec.Strategy.RollingUpdate.MaxUnavailable != intstr.FromInt32(0) {
			t.Errorf("%s: %d replicas, strategy %+v", r.name, *spec.Replicas, spec.Strategy)
		}
		if len(r.budgets) != 1 || r.budgets[0].Spec.MaxUnavailable == nil || r.budgets[0].Spec.MinAvailable != nil {
			t.Errorf("%s: budgets %+v", r.name, r.budgets)
		}
		if len(spec.Template.Spec.TopologySpreadConstraints) == 0 {
			t.Errorf("%s: all pods may be on one node", r.name)
		}
	}
	if seen < 2 {
		t.Errorf("only %d releases with an external engine", seen)
	}
}

// Selectors find the pods, are the same everywhere, and hold nothing that changes with a version.
func TestSelectors(t *testing.T) {
	for _, r := range releases(t) {
		template, selector, _ := r.workload(t)
		if got := slices.Sorted(maps.Keys(selector.MatchLabels)); !slices.Equal(got, []string{"app.kubernetes.io/instance", "app.kubernetes.io/name"}) {
			t.Errorf("%s: selected by %q", r.name, got)
		}
		all := []map[string]string{selector.MatchLabels, r.services[0].Spec.Selector}
		for _, b := range r.budgets {
			all = append(all, b.Spec.Selector.MatchLabels)
		}
		for _, p := range r.policies {
			all = append(all, p.Spec.PodSelector.MatchLabels)
		}
		for _, m := range r.monitors {
			if !labels.SelectorFromSet(m.Spec.Selector.MatchLabels).Matches(labels.Set(r.services[0].Labels)) {
				t.Errorf("%s: the monitor does not find the service", r.name)
			}
		}
		for _, s := range all {
			if !labels.SelectorFromSet(s).Matches(labels.Set(template.Labels)) {
				t.Errorf("%s: %v does not find the pods, %v", r.name, s, template.Labels)
			}
			for _, pod := range r.tests {
				if labels.SelectorFromSet(s).Matches(labels.Set(pod.Labels)) {
					t.Errorf("%s: %v takes the test for a pod of the service", r.name, s)
				}
			}
		}
	}
}

// pods are those of the service and of the test.
func (r *release) pods(t *testing.T) []corev1.PodSpec {
	t.Helper()
	template, _, _ := r.workload(t)
	all := []corev1.PodSpec{template.Spec}
	for _, p := range r.tests {
		all = append(all, p.Spec)
	}
	if len(all) != 2 {
		t.Errorf("%s: %d tests", r.name, len(all)-1)
	}
	return all
}

func TestPodsHaveNoRightsTheyDoNotNeed(t *testing.T) {
	for _, r := range releases(t) {
		for _, p := range r.pods(t) {
			c, s := p.Containers[0], p.SecurityContext
			if !*s.RunAsNonRoot || *s.RunAsUser != 65532 || *s.FSGroup != 65532 || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
				t.Errorf("%s: pod security %+v", r.name, s)
			}
			k := c.SecurityContext
			if *k.AllowPrivilegeEscalation || !*k.ReadOnlyRootFilesystem || !slices.Equal(k.Capabilities.Drop, []corev1.Capability{"ALL"}) {
				t.Errorf("%s: container security %+v", r.name, k)
			}
			if *p.AutomountServiceAccountToken || *p.EnableServiceLinks {
				t.Errorf("%s: a token %t, service links %t", r.name, *p.AutomountServiceAccountToken, *p.EnableServiceLinks)
			}
			if _, tag, ok := strings.Cut(path.Base(c.Image), ":"); !ok || tag == "latest" {
				t.Errorf("%s: image %s", r.name, c.Image)
			}
			if c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s: resources %+v", r.name, c.Resources)
			}
		}
	}
}

func TestPodsAreProbed(t *testing.T) {
	for _, r := range releases(t) {
		p := r.pods(t)[0]
		c := p.Containers[0]
		for name, probe := range map[string]*corev1.Probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
			if probe == nil || probe.HTTPGet.Path != name || probe.HTTPGet.Port != intstr.FromString("http") {
				t.Errorf("%s: %s is probed by %+v", r.name, name, probe)
			}
		}
		if s := c.StartupProbe; s == nil || s.HTTPGet.Path != "/livez" || s.FailureThreshold*s.PeriodSeconds < 300 {
			t.Errorf("%s: a start has no time: %+v", r.name, s)
		}
		if *p.TerminationGracePeriodSeconds <= drainSeconds {
			t.Errorf("%s: %d s to stop", r.name, *p.TerminationGracePeriodSeconds)
		}
	}
}

// What is mounted exists; what variables name is mounted; ports that are named are there.
func TestPodsHangTogether(t *testing.T) {
	for _, r := range releases(t) {
		for _, p := range r.pods(t) {
			checkMounts(t, r, p)
		}
		template, _, _ := r.workload(t)
		var ports []string
		for _, port := range template.Spec.Containers[0].Ports {
			ports = append(ports, port.Name)
		}
		for _, port := range r.services[0].Spec.Ports {
			if !slices.Contains(ports, port.TargetPort.StrVal) {
				t.Errorf("%s: the service leads to %s, the pod has %q", r.name, port.TargetPort.StrVal, ports)
			}
		}
	}
}

func checkMounts(t *testing.T, r *release, p corev1.PodSpec) {
	t.Helper()
	volumes, mounts := []string{}, []string{}
	for _, v := range p.Volumes {
		volumes = append(volumes, v.Name)
	}
	if r.embedded() {
		for _, claim := range r.statefulSets[0].Spec.VolumeClaimTemplates {
			volumes = append(volumes, claim.Name)
		}
	}
	for _, m := range p.Containers[0].VolumeMounts {
		if !slices.Contains(volumes, m.Name) {
			t.Errorf("%s: mounts %s, there is %q", r.name, m.Name, volumes)
		}
		mounts = append(mounts, m.MountPath)
	}
	names := map[string]int{}
	for _, e := range p.Containers[0].Env {
		if names[e.Name]++; names[e.Name] > 1 {
			t.Errorf("%s: %s twice", r.name, e.Name)
		}
		if strings.HasPrefix(e.Value, "/") && !slices.ContainsFunc(mounts, func(m string) bool { return e.Value == m || path.Dir(e.Value) == m }) {
			t.Errorf("%s: %s=%s, mounted are %q", r.name, e.Name, e.Value, mounts)
		}
	}
	for _, want := range []string{"VIDBELL_HTTP_LISTEN", "VIDBELL_HTTP_TOKEN_FILE", "GOMEMLIMIT"} {
		if names[want] == 0 {
			t.Errorf("%s: no %s", r.name, want)
		}
	}
	if (names["VIDBELL_NATS_URL"] > 0) == r.embedded() {
		t.Errorf("%s: embedded %t, with VIDBELL_NATS_URL %t", r.name, r.embedded(), names["VIDBELL_NATS_URL"] > 0)
	}
}

func TestNetworkPoliciesLetInOnlyWhoIsNamed(t *testing.T) {
	seen := 0
	for _, r := range releases(t) {
		for _, p := range r.policies {
			seen++
			if len(p.Spec.PolicyTypes) != 2 {
				t.Errorf("%s: policy of %v", r.name, p.Spec.PolicyTypes)
			}
			for _, in := range p.Spec.Ingress {
				if len(in.From) == 0 || len(in.Ports) == 0 {
					t.Errorf("%s: everybody, or every port: %+v", r.name, in)
				}
			}
			var out []int32
			for _, e := range p.Spec.Egress {
				for _, port := range e.Ports {
					out = append(out, port.Port.IntVal)
				}
			}
			if !slices.Contains(out, 53) || !slices.Contains(out, 443) || slices.Contains(out, 4222) == r.embedded() {
				t.Errorf("%s: it may go out to %v", r.name, out)
			}
		}
	}
	if seen < 2 {
		t.Errorf("only %d policies", seen)
	}
}

func TestMonitoring(t *testing.T) {
	monitors, rules, dashboards := 0, 0, 0
	for _, r := range releases(t) {
		for _, m := range r.monitors {
			monitors++
			e := m.Spec.Endpoints[0]
			if e.Port != "http" || e.Path != "/metrics" || e.Authorization.Credentials.Key == "" || e.Authorization.Credentials.Name == "" {
				t.Errorf("%s: endpoint %+v", r.name, e)
			}
		}
		for _, p := range r.rules {
			for _, g := range p.Spec.Groups {
				for _, rule := range g.Rules {
					rules++
					want := "#" + strings.ToLower(rule.Alert)
					if url := rule.Annotations["runbook_url"]; !strings.HasSuffix(url, want) || r.name == "embedded-full.yaml" && !strings.HasPrefix(url, "https://wiki.example.com/vidbell#") {
						t.Errorf("%s: %s leads to %s", r.name, rule.Alert, url)
					}
					if !strings.Contains(rule.Annotations["summary"], ".") || rule.Expr == "" {
						t.Errorf("%s: %+v", r.name, rule)
					}
				}
			}
		}
		for _, c := range r.configMaps {
			if c.Labels["grafana_dashboard"] == "1" {
				dashboards++
			}
		}
	}
	if monitors < 2 || rules < 40 || dashboards < 1 {
		t.Errorf("%d monitors, %d rules, %d dashboards", monitors, rules, dashboards)
	}
}
