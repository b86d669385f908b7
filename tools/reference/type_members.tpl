{{- define "type_members" -}}
{{- $field := . -}}
{{- if eq $field.Name "metadata" -}}
As every Kubernetes object has it.
{{- else -}}
{{ $field.Doc | replace "\n" " " | replace "<" "&lt;" | markdownRenderFieldDoc }}
{{- end -}}
{{- end -}}
