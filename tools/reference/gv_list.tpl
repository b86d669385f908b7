{{- define "gvList" -}}
{{- $groupVersions := . -}}

<!-- Generated from api/v1alpha1 by "make generate". Edit the Go comments instead. -->

# API reference

Every field of Gitover's two kinds. What they mean together is in [concepts](concepts.md);
conditions and their reasons are in [operations](operations.md).

{{ range $groupVersions }}
{{ template "gvDetails" . }}
{{ end }}

{{- end -}}
