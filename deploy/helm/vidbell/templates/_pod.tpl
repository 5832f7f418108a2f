{{/* The environment of vidbell, for the service and for the test. */}}
{{- define "vidbell.env" -}}
{{- $secrets := "/run/secrets/vidbell" -}}
{{- with include "vidbell.configFile" . }}
- name: VIDBELL_CONFIG
  value: /etc/vidbell/{{ . }}
{{- end }}
{{- with include "vidbell.key" (list . "apiKey") }}
{{- if not $.Values.config.accounts }}
- name: VIDBELL_API_KEY_FILE
  value: {{ $secrets }}/{{ . }}
{{- end }}
{{- end }}
- name: VIDBELL_HTTP_LISTEN
  value: 0.0.0.0:8080
- name: VIDBELL_HTTP_TOKEN_FILE
  value: {{ $secrets }}/{{ include "vidbell.key" (list . "httpToken") }}
{{- with include "vidbell.key" (list . "webhookSecret") }}
- name: VIDBELL_WEBHOOK_SECRET_FILE
  value: {{ $secrets }}/{{ . }}
{{- end }}
{{- with include "vidbell.key" (list . "hintSecret") }}
- name: VIDBELL_HINT_SECRET_FILE
  value: {{ $secrets }}/{{ . }}
{{- end }}
{{- if include "vidbell.embedded" . }}
- name: VIDBELL_DATA_DIR
  value: /var/lib/vidbell
{{- if .Values.nats.expose }}
- name: VIDBELL_NATS_LISTEN
  value: 0.0.0.0:4222
- name: VIDBELL_NATS_LISTEN_TOKEN_FILE
  value: {{ $secrets }}/{{ include "vidbell.key" (list . "natsListenToken") }}
{{- else }}
- name: VIDBELL_NATS_LISTEN
  value: "off"
{{- end }}
{{- else }}
- name: VIDBELL_NATS_URL
  value: {{ join "," .Values.nats.urls | quote }}
- name: VIDBELL_NATS_REPLICAS
  value: {{ .Values.nats.replicas | quote }}
{{- with .Values.nats.auth }}
{{- if .credsKey }}
- name: VIDBELL_NATS_CREDS
  value: /run/secrets/nats/{{ .credsKey }}
{{- end }}
{{- if .nkeyKey }}
- name: VIDBELL_NATS_NKEY
  value: /run/secrets/nats/{{ .nkeyKey }}
{{- end }}
{{- end }}
{{- with .Values.nats.tls }}
{{- if .caKey }}
- name: VIDBELL_NATS_TLS_CA
  value: /run/secrets/nats-tls/{{ .caKey }}
{{- end }}
{{- if .certKey }}
- name: VIDBELL_NATS_TLS_CERT
  value: /run/secrets/nats-tls/{{ .certKey }}
{{- end }}
{{- if .keyKey }}
- name: VIDBELL_NATS_TLS_KEY
  value: /run/secrets/nats-tls/{{ .keyKey }}
{{- end }}
{{- end }}
{{- end }}
- name: VIDBELL_LOG_FORMAT
  value: json
{{- with include "vidbell.memoryLimit" . }}
- name: GOMEMLIMIT
  value: {{ . }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "vidbell.mounts" -}}
- name: secrets
  mountPath: /run/secrets/vidbell
  readOnly: true
{{- if include "vidbell.configFile" . }}
- name: config
  mountPath: /etc/vidbell
  readOnly: true
{{- end }}
{{- if include "vidbell.embedded" . }}
- name: data
  mountPath: /var/lib/vidbell
{{- else }}
{{- if .Values.nats.auth.existingSecret }}
- name: nats
  mountPath: /run/secrets/nats
  readOnly: true
{{- end }}
{{- if .Values.nats.tls.existingSecret }}
- name: nats-tls
  mountPath: /run/secrets/nats-tls
  readOnly: true
{{- end }}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* All volumes but data. */}}
{{- define "vidbell.volumes" -}}
- name: secrets
  secret:
    secretName: {{ include "vidbell.secretName" . }}
    defaultMode: 0440
{{- if .Values.configSecret.name }}
- name: config
  secret:
    secretName: {{ .Values.configSecret.name }}
    defaultMode: 0440
{{- else if .Values.config }}
- name: config
  configMap:
    name: {{ include "vidbell.fullname" . }}
{{- end }}
{{- if not (include "vidbell.embedded" .) }}
{{- with .Values.nats.auth.existingSecret }}
- name: nats
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.nats.tls.existingSecret }}
- name: nats-tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "vidbell.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "vidbell.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "vidbell.probe" -}}
httpGet:
  path: {{ index . 0 }}
  port: http
{{ toYaml (index . 1) }}
{{- end -}}

{{/* The pod of both modes. */}}
{{- define "vidbell.pod" -}}
metadata:
  labels:
    {{- include "vidbell.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ toYaml .Values.config | sha256sum }}
    {{- if include "vidbell.inline" . }}
    checksum/inline: {{ toYaml .Values.secret.inline | sha256sum }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  automountServiceAccountToken: false
  # Kubernetes would set variables that look like ours, for a Service of this name.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.serviceAccountName }}
  serviceAccountName: {{ . }}
  {{- end }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- include "vidbell.podSecurity" . | nindent 4 }}
  containers:
    - name: vidbell
      image: {{ include "vidbell.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [run]
      env:
        {{- include "vidbell.env" . | trim | nindent 8 }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: http
          containerPort: 8080
        {{- if .Values.nats.expose }}
        - name: nats
          containerPort: 4222
        {{- end }}
      startupProbe:
        {{- include "vidbell.probe" (list "/livez" .Values.probes.startup) | nindent 8 }}
      livenessProbe:
        {{- include "vidbell.probe" (list "/livez" .Values.probes.liveness) | nindent 8 }}
      readinessProbe:
        {{- include "vidbell.probe" (list "/readyz" .Values.probes.readiness) | nindent 8 }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "vidbell.containerSecurity" . | nindent 8 }}
      volumeMounts:
        {{- include "vidbell.mounts" . | nindent 8 }}
  volumes:
    {{- include "vidbell.volumes" . | nindent 4 }}
    {{- if and (include "vidbell.embedded" .) (not .Values.persistence.enabled) }}
    - name: data
      emptyDir: {}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
  {{- else if gt (int (include "vidbell.replicas" .)) 1 }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "vidbell.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
{{- end -}}
