{{/*
What a schema cannot say well: values in the wrong place, with the right one, and values that contradict each other. All of
them at once.
*/}}
{{- define "ai-gateway-core.validate" -}}
{{- $wrong := list -}}
{{- $policy := .Values.clientTrafficPolicy -}}
{{- $connection := default dict $policy.connection -}}
{{- if $connection.connectionTimeout -}}
  {{- $wrong = append $wrong "clientTrafficPolicy.connection.connectionTimeout: a ClientTrafficPolicy has no such field. Set clientTrafficPolicy.timeout.http.idleTimeout for idle connections, clientTrafficPolicy.timeout.tcp.tlsHandshakeTimeout for slow handshakes, or clientTrafficPolicy.timeout.http.requestHeadersReceivedTimeout for slow requests" -}}
{{- end -}}
{{- if dig "http" "requestTimeout" "" (default dict $policy.timeout) -}}
  {{- $wrong = append $wrong "clientTrafficPolicy.timeout.http.requestTimeout: a ClientTrafficPolicy has no such field. Set clientTrafficPolicy.timeout.http.requestReceivedTimeout for how long a client may take to send a request; how long the whole of it may take belongs to the route: backendTrafficPolicy.timeout.http.requestTimeout or models.NAME.timeouts.request of the models chart" -}}
{{- end -}}
{{- if $policy.http -}}
  {{- $wrong = append $wrong "clientTrafficPolicy.http: a ClientTrafficPolicy has no such field. Set clientTrafficPolicy.http1, clientTrafficPolicy.http2 or clientTrafficPolicy.http3" -}}
{{- end -}}
{{- if .Values.gatewayConfig.extProc -}}
  {{- $wrong = append $wrong "gatewayConfig.extProc: it is not read here. Move it to gatewayConfig.spec.extProc" -}}
{{- end -}}
{{- $service := dig "kubernetes" "envoyService" dict .Values.envoyProxy.provider -}}
{{- if and $service.loadBalancerIP (ne $service.type "LoadBalancer") -}}
  {{- $wrong = append $wrong (printf "envoyProxy.provider.kubernetes.envoyService.loadBalancerIP: it needs type LoadBalancer, and the type is %s" $service.type) -}}
{{- end -}}
{{- $versions := list "1.0" "1.1" "1.2" "1.3" -}}
{{- $tls := default dict $policy.tls -}}
{{- if and (has $tls.minVersion $versions) (has $tls.maxVersion $versions) (gt $tls.minVersion $tls.maxVersion) -}}
  {{- $wrong = append $wrong (printf "clientTrafficPolicy.tls: minVersion %s is above maxVersion %s" $tls.minVersion $tls.maxVersion) -}}
{{- end -}}
{{- $wrong = concat $wrong (include "ai-gateway-core.wrongListeners" . | fromYamlArray) -}}
{{- $wrong = concat $wrong (include "ai-gateway-core.wrongEnvironment" . | fromYamlArray) -}}
{{- if $wrong -}}
  {{- fail (printf "\n\n  - %s\n" (join "\n  - " $wrong)) -}}
{{- end -}}
{{- end -}}

{{- define "ai-gateway-core.wrongListeners" -}}
{{- $names := list -}}
{{- $wrong := list -}}
{{- range $at, $listener := .Values.gateway.listeners -}}
  {{- if has $listener.name $names -}}
    {{- $wrong = append $wrong (printf "gateway.listeners[%d]: the name %s is taken by a listener before it" $at $listener.name) -}}
  {{- end -}}
  {{- $names = append $names $listener.name -}}
  {{- $tls := default dict $listener.tls -}}
  {{- if and (has $listener.protocol (list "HTTPS" "TLS")) (ne (default "Terminate" $tls.mode) "Passthrough") (not $tls.certificateRefs) -}}
    {{- $wrong = append $wrong (printf "gateway.listeners[%d] (%s): %s needs tls.certificateRefs, the Secrets with its certificates" $at $listener.name $listener.protocol) -}}
  {{- end -}}
  {{- if and (eq $listener.protocol "HTTP") $listener.tls -}}
    {{- $wrong = append $wrong (printf "gateway.listeners[%d] (%s): HTTP takes no tls; protocol HTTPS does" $at $listener.name) -}}
  {{- end -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end -}}

{{/* Credentials do not belong into values: those are kept in the release and shown by `helm get values`. */}}
{{- define "ai-gateway-core.wrongEnvironment" -}}
{{- $places := dict
  "gatewayConfig.spec.extProc.kubernetes.env" (dig "extProc" "kubernetes" "env" list (default dict .Values.gatewayConfig.spec))
  "envoyProxy.provider.kubernetes.envoyDeployment.container.env" (dig "kubernetes" "envoyDeployment" "container" "env" list .Values.envoyProxy.provider) -}}
{{- $wrong := list -}}
{{- range $place, $variables := $places -}}
  {{- range $at, $variable := $variables -}}
    {{- $value := toString (default "" $variable.value) -}}
    {{- if regexMatch "://[^/@]*@" $value -}}
      {{- $wrong = append $wrong (printf "%s[%d] (%s): a user and a key in an address end up in logs. Take them out, and set OTEL_EXPORTER_OTLP_HEADERS to `Authorization=Basic …` by valueFrom.secretKeyRef" $place $at $variable.name) -}}
    {{- else if and $value (or (regexMatch "(?i)(key|token|secret|password)$" $variable.name) (and (regexMatch "HEADERS$" $variable.name) (regexMatch "(?i)authorization|key" $value))) -}}
      {{- $wrong = append $wrong (printf "%s[%d] (%s): a credential has no place in values. Put it into a Secret and refer to it by valueFrom.secretKeyRef" $place $at $variable.name) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end -}}
