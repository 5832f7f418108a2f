package manifests

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// serviceMonitor and prometheusRule are what the chart uses of the Prometheus operator's types.
type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		JobLabel  string               `json:"jobLabel"`
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port          string `json:"port"`
			Path          string `json:"path"`
			Interval      string `json:"interval"`
			ScrapeTimeout string `json:"scrapeTimeout"`
			Authorization struct {
				Type        string                   `json:"type"`
				Credentials corev1.SecretKeySelector `json:"credentials"`
			} `json:"authorization"`
		} `json:"endpoints"`
	} `json:"spec"`
}

type prometheusRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		Groups []struct {
			Name  string `json:"name"`
			Rules []struct {
				Alert       string            `json:"alert"`
				Expr        string            `json:"expr"`
				For         string            `json:"for"`
				Labels      map[string]string `json:"labels"`
				Annotations map[string]string `json:"annotations"`
			} `json:"rules"`
		} `json:"groups"`
	} `json:"spec"`
}

// release is what one file of values becomes.
type release struct {
	name         string
	statefulSets []appsv1.StatefulSet
	deployments  []appsv1.Deployment
	services     []corev1.Service
	configMaps   []corev1.ConfigMap
	secrets      []corev1.Secret
	tests        []corev1.Pod
	budgets      []policyv1.PodDisruptionBudget
	policies     []networkingv1.NetworkPolicy
	monitors     []serviceMonitor
	rules        []prometheusRule
	metas        []metav1.ObjectMeta
}

// read decodes one document into the list of its kind, strictly.
func (r *release) read(document []byte) error {
	var kind metav1.TypeMeta
	if err := strict.Unmarshal(document, &kind); err != nil {
		return err
	}
	switch kind.APIVersion + " " + kind.Kind {
	case "apps/v1 StatefulSet":
		return add(r, &r.statefulSets, document, func(o *appsv1.StatefulSet) metav1.ObjectMeta { return o.ObjectMeta })
	case "apps/v1 Deployment":
		return add(r, &r.deployments, document, func(o *appsv1.Deployment) metav1.ObjectMeta { return o.ObjectMeta })
	case "v1 Service":
		return add(r, &r.services, document, func(o *corev1.Service) metav1.ObjectMeta { return o.ObjectMeta })
	case "v1 ConfigMap":
		return add(r, &r.configMaps, document, func(o *corev1.ConfigMap) metav1.ObjectMeta { return o.ObjectMeta })
	case "v1 Secret":
		return add(r, &r.secrets, document, func(o *corev1.Secret) metav1.ObjectMeta { return o.ObjectMeta })
	case "v1 Pod":
		return add(r, &r.tests, document, func(o *corev1.Pod) metav1.ObjectMeta { return o.ObjectMeta })
	case "policy/v1 PodDisruptionBudget":
		return add(r, &r.budgets, document, func(o *policyv1.PodDisruptionBudget) metav1.ObjectMeta { return o.ObjectMeta })
	case "networking.k8s.io/v1 NetworkPolicy":
		return add(r, &r.policies, document, func(o *networkingv1.NetworkPolicy) metav1.ObjectMeta { return o.ObjectMeta })
	case "monitoring.coreos.com/v1 ServiceMonitor":
		return add(r, &r.monitors, document, func(o *serviceMonitor) metav1.ObjectMeta { return o.ObjectMeta })
	case "monitoring.coreos.com/v1 PrometheusRule":
		return add(r, &r.rules, document, func(o *prometheusRule) metav1.ObjectMeta { return o.ObjectMeta })
	}
	return errors.New("nobody expects a " + kind.APIVersion + " " + kind.Kind)
}

func add[T any](r *release, list *[]T, document []byte, meta func(*T) metav1.ObjectMeta) error {
	var object T
	if err := strict.UnmarshalStrict(document, &object); err != nil {
		return err
	}
	*list, r.metas = append(*list, object), append(r.metas, meta(&object))
	return nil
}

// releases reads all of them, by the name of the values.
func releases(t *testing.T) map[string]*release {
	t.Helper()
	folder := os.Getenv("CHART_RENDERED")
	if folder == "" {
		folder = "../golden"
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files in %s, %v", len(files), folder, err)
	}
	all := map[string]*release{}
	for _, file := range files {
		name := filepath.Base(file)
		all[name] = readRelease(t, name, file)
	}
	return all
}

func readRelease(t *testing.T, name, file string) *release {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, documents := &release{name: name}, yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text)))
	defer documents.Close()
	buffer := make([]byte, len(text)+1)
	for {
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			return r
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if document := bytes.TrimSpace(buffer[:n]); len(document) > 0 && !onlyComments(document) {
			if err := r.read(document); err != nil {
				t.Errorf("%s: %v\n%.300s", name, err, document)
			}
		}
	}
}

func onlyComments(document []byte) bool {
	for line := range bytes.Lines(document) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}
