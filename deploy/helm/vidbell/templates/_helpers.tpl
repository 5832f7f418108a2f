{{- define "vidbell.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "vidbell.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "vidbell.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "vidbell.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects pods: it can never be changed again. */}}
{{- define "vidbell.selector" -}}
app.kubernetes.io/name: {{ include "vidbell.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "vidbell.labels" -}}
{{ include "vidbell.selector" . }}
app.kubernetes.io/version: {{ include "vidbell.tag" . | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "vidbell.tag" -}}
{{- default .Chart.AppVersion .Values.image.tag -}}
{{- end -}}

{{- define "vidbell.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (include "vidbell.tag" .) -}}
{{- end -}}
{{- end -}}

{{- define "vidbell.embedded" -}}
{{- if eq .Values.mode "embedded" -}}yes{{- end -}}
{{- end -}}

{{- define "vidbell.replicas" -}}
{{- if .Values.replicaCount -}}
{{- .Values.replicaCount -}}
{{- else if include "vidbell.embedded" . -}}
1
{{- else -}}
2
{{- end -}}
{{- end -}}

{{/* The Secret whose keys are mounted. */}}
{{- define "vidbell.secretName" -}}
{{- default (include "vidbell.fullname" .) .Values.secret.existingSecret -}}
{{- end -}}

{{- define "vidbell.inline" -}}
{{- range $_, $value := .Values.secret.inline -}}{{- if $value -}}yes{{- end -}}{{- end -}}
{{- end -}}

{{/* vidbell.key gives the file's name of a secret, and nothing where there is none: (list . "apiKey"). */}}
{{- define "vidbell.key" -}}
{{- $root := index . 0 -}}{{- $name := index . 1 -}}
{{- $key := index $root.Values.secret.keys $name -}}
{{- if $root.Values.secret.existingSecret -}}
{{- $key -}}
{{- else if index $root.Values.secret.inline $name -}}
{{- default (kebabcase $name) $key -}}
{{- end -}}
{{- end -}}

{{- define "vidbell.configFile" -}}
{{- if .Values.configSecret.name -}}
{{- .Values.configSecret.key -}}
{{- else if .Values.config -}}
vidbell.yaml
{{- end -}}
{{- end -}}

{{/* Nine tenths of the memory limit, in MiB, for GOMEMLIMIT. */}}
{{- define "vidbell.memoryLimit" -}}
{{- $limit := toString (dig "limits" "memory" "" .Values.resources) -}}
{{- if $limit -}}
{{- $units := dict "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 -}}
{{- $number := regexFind "^[0-9]+(\\.[0-9]+)?" $limit -}}
{{- $unit := trimPrefix $number $limit -}}
{{- if or (not $number) (not (hasKey $units $unit)) -}}
{{- fail (printf "resources.limits.memory: %q is no size such as 512Mi or 1Gi" $limit) -}}
{{- end -}}
{{- $bytes := mulf (float64 $number) (index $units $unit) -}}
{{- printf "%dMiB" (max 16 (divf (mulf $bytes 0.9) 1048576.0 | floor | int)) -}}
{{- end -}}
{{- end -}}

{{/* What a schema cannot say. */}}
{{- define "vidbell.check" -}}
{{- if include "vidbell.embedded" . -}}
{{- if ne (include "vidbell.replicas" .) "1" -}}
{{- fail "replicaCount: with mode embedded there is exactly 1 pod: two engines are two logs, and two ids for each change. Use mode external with nats.urls for more" -}}
{{- end -}}
{{- if .Values.nats.urls -}}
{{- fail "nats.urls: mode is embedded, so no server is asked; set mode: external" -}}
{{- end -}}
{{- if and .Values.nats.expose (not (include "vidbell.key" (list . "natsListenToken"))) -}}
{{- fail "nats.expose: who subscribes must give a token; set secret.keys.natsListenToken" -}}
{{- end -}}
{{- else -}}
{{- if not .Values.nats.urls -}}
{{- fail "nats.urls: mode external needs the addresses of your NATS, such as [nats://nats:4222]" -}}
{{- end -}}
{{- if .Values.nats.expose -}}
{{- fail "nats.expose: there is no server inside in mode external; subscribers connect to yours" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.secret.existingSecret (include "vidbell.inline" .) -}}
{{- fail "existingSecret and inline values of secret are both set; use one" -}}
{{- end -}}
{{- if not (include "vidbell.key" (list . "httpToken")) -}}
{{- fail "an HTTP token is required, since probes come from outside the pod; name a Secret in secret.existingSecret, or for a trial set secret.inline.httpToken" -}}
{{- end -}}
{{- if and .Values.config .Values.configSecret.name -}}
{{- fail "config and configSecret.name are both set; use one" -}}
{{- end -}}
{{- if and (not (include "vidbell.configFile" .)) (not (include "vidbell.key" (list . "apiKey"))) -}}
{{- fail "an API key is required; name its key in secret.keys.apiKey, or give accounts in config" -}}
{{- end -}}
{{- with .Values.nats.auth -}}
{{- if and .credsKey .nkeyKey -}}
{{- fail "nats.auth: credsKey and nkeyKey are both set; use one" -}}
{{- end -}}
{{- if and (or .credsKey .nkeyKey) (not .existingSecret) -}}
{{- fail "credsKey or nkeyKey is set, and nats.auth.existingSecret is not" -}}
{{- end -}}
{{- end -}}
{{- if le (int .Values.terminationGracePeriodSeconds) 10 -}}
{{- fail "terminationGracePeriodSeconds: deliveries get 10 s to finish, allow more than that" -}}
{{- end -}}
{{- end -}}
