{{- define "gitover.name" -}}
{{ .Values.fullname }}-controller
{{- end }}

{{- define "gitover.selector" -}}
app.kubernetes.io/name: gitover
app.kubernetes.io/component: controller
{{- end }}

{{/* Labels of every object. */}}
{{- define "gitover.labels" -}}
app.kubernetes.io/name: gitover
app.kubernetes.io/part-of: gitover
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gitover.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}
