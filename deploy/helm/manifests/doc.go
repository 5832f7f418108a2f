// Package manifests holds what the chart renders to the types of Kubernetes: an unknown or misspelt field is an error. It looks at
// the folder that CHART_RENDERED names, and without it at ../golden, which .ci/chart holds to what the chart renders.
package manifests
