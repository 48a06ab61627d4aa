{{/* The labels that the Helm project recommends, under those that were asked for. Takes root and labels. */}}
{{- define "models.labels" -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/name" .root.Chart.Name
  "app.kubernetes.io/instance" .root.Release.Name
  "app.kubernetes.io/managed-by" .root.Release.Service
  "app.kubernetes.io/part-of" "ai-gateway" -}}
{{- toYaml (mustMergeOverwrite $own (deepCopy (default dict .labels))) -}}
{{- end -}}

{{/* Name, place, labels and annotations. Takes root, name, and where wanted namespace, labels, annotations. */}}
{{- define "models.metadata" -}}
name: {{ .name | quote }}
namespace: {{ default .root.Release.Namespace .namespace | quote }}
labels:
  {{- include "models.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A newer version where the cluster has it, or where there is no cluster to ask. */}}
{{- define "models.aiGatewayVersion" -}}
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

{{- define "models.backendTLSPolicyVersion" -}}
{{- $group := "gateway.networking.k8s.io" -}}
{{- $has := .Capabilities.APIVersions -}}
{{- if .Values.apiVersions.backendTLSPolicy -}}
{{ $group }}/{{ .Values.apiVersions.backendTLSPolicy }}
{{- else if and ($has.Has (printf "%s/v1alpha3/BackendTLSPolicy" $group)) (not ($has.Has (printf "%s/v1/BackendTLSPolicy" $group))) -}}
{{ $group }}/v1alpha3
{{- else -}}
{{ $group }}/v1
{{- end -}}
{{- end -}}

{{/* The namespace of the Gateway, where what targets it has to be. */}}
{{- define "models.gatewayNamespace" -}}
{{ default .Release.Namespace .Values.gatewayRef.namespace }}
{{- end -}}

{{/* `true` unless `enabled` is there and false: `default true` would take false for missing. */}}
{{- define "models.on" -}}
{{- if not (and (hasKey . "enabled") (eq (toString .enabled) "false")) -}}true{{- end -}}
{{- end -}}
