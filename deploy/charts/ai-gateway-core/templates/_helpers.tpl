{{/* The labels that the Helm project recommends, under those that were asked for. Takes root and labels. */}}
{{- define "ai-gateway-core.labels" -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/name" .root.Chart.Name
  "app.kubernetes.io/instance" .root.Release.Name
  "app.kubernetes.io/managed-by" .root.Release.Service
  "app.kubernetes.io/part-of" "ai-gateway" -}}
{{- toYaml (mustMergeOverwrite $own (deepCopy (default dict .labels))) -}}
{{- end -}}

{{/* Name, place, labels and annotations. Takes root, name, labels, annotations; `cluster` where there is no namespace. */}}
{{- define "ai-gateway-core.metadata" -}}
name: {{ .name | quote }}
{{- if not .cluster }}
namespace: {{ .root.Release.Namespace | quote }}
{{- end }}
labels:
  {{- include "ai-gateway-core.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A newer version where the cluster has it, or where there is no cluster to ask. */}}
{{- define "ai-gateway-core.aiGatewayVersion" -}}
{{- $group := "aigateway.envoyproxy.io" -}}
{{- $has := .Capabilities.APIVersions -}}
{{- if .Values.apiVersions.aiGateway -}}
{{ $group }}/{{ .Values.apiVersions.aiGateway }}
{{- else if and ($has.Has (printf "%s/v1alpha1" $group)) (not ($has.Has (printf "%s/v1beta1" $group))) -}}
{{ $group }}/v1alpha1
{{- else -}}
{{ $group }}/v1beta1
{{- end -}}
{{- end -}}

{{/* The members of a map that are not empty, as YAML. Takes a list: the map, then the names. */}}
{{- define "ai-gateway-core.filled" -}}
{{- $from := default dict (first .) -}}
{{- $made := dict -}}
{{- range $name := rest . -}}
  {{- with index $from $name -}}
    {{- $_ := set $made $name . -}}
  {{- end -}}
{{- end -}}
{{- if $made -}}
{{ toYaml $made }}
{{- end -}}
{{- end -}}
