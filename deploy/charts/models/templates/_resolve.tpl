{{/*
What the values come to: the backends and models that are on, with every default in place and every reference followed, as
YAML of `backends` and `models`. What does not fit together ends the rendering here, all of it at once.
*/}}
{{- define "models.resolve" -}}
{{- $wrong := list -}}
{{- $backends := dict -}}
{{- $names := dict -}}
{{- range $id, $values := .Values.backends -}}
  {{- if include "models.on" $values -}}
    {{- $backend := include "models.backend" (dict "id" $id "values" $values) | fromYaml -}}
    {{- $wrong = concat $wrong (default list $backend.wrong) -}}
    {{- if hasKey $names $backend.name -}}
      {{- $wrong = append $wrong (printf "backends.%s: the name %s is taken by backends.%s; give it a resourceName of its own" $id $backend.name (get $names $backend.name)) -}}
    {{- end -}}
    {{- $_ := set $names $backend.name $id -}}
    {{- $_ := set $backends $id $backend -}}
  {{- end -}}
{{- end -}}
{{- $models := dict -}}
{{- range $name, $values := .Values.models -}}
  {{- if include "models.on" $values -}}
    {{- $model := include "models.model" (dict "root" $ "name" $name "values" $values "backends" $backends) | fromYaml -}}
    {{- $wrong = concat $wrong (default list $model.wrong) -}}
    {{- $_ := set $models $name $model -}}
  {{- end -}}
{{- end -}}
{{- $wrong = concat $wrong (include "models.wrongIdentity" (dict "root" $ "models" $models) | fromYamlArray) -}}
{{- $wrong = concat $wrong (include "models.wrongPolicy" .Values.backendTrafficPolicy | fromYamlArray) -}}
{{- if $wrong -}}
  {{- fail (printf "\n\n  - %s\n" (join "\n  - " $wrong)) -}}
{{- end -}}
{{- toYaml (dict "backends" $backends "models" $models) -}}
{{- end -}}

{{/* One backend with its defaults, and what is wrong with it. */}}
{{- define "models.backend" -}}
{{- $id := .id -}}
{{- $values := .values -}}
{{- $wrong := list -}}
{{- $schema := dict "name" "OpenAI" -}}
{{- if kindIs "map" $values.schema -}}
  {{- $schema = deepCopy $values.schema -}}
{{- else if $values.schema -}}
  {{- $schema = dict "name" $values.schema -}}
{{- end -}}
{{- range $key := list "prefix" "version" -}}
  {{- with index $values $key -}}{{- $_ := set $schema $key . -}}{{- end -}}
{{- end -}}
{{- $fits := dict
  "OpenAI" (list "APIKey") "Cohere" (list "APIKey") "Anthropic" (list "AnthropicAPIKey")
  "AzureOpenAI" (list "AzureAPIKey" "AzureCredentials") "AWSBedrock" (list "AWSCredentials") "AWSAnthropic" (list "AWSCredentials")
  "GCPVertexAI" (list "GCPCredentials") "GCPAnthropic" (list "GCPCredentials") -}}
{{- $types := index $fits $schema.name -}}
{{- $type := $values.type | default $values.securityType | default (first $types) -}}
{{- if and (ne $type "None") (not (has $type $types)) -}}
  {{- $wrong = append $wrong (printf "backends.%s.securityType: providers of schema %s do not take %s; set %s, or None" $id $schema.name $type (join " or " $types)) -}}
{{- end -}}
{{- if and (eq $schema.name "AzureOpenAI") (not $schema.version) -}}
  {{- $wrong = append $wrong (printf "backends.%s.version: Azure OpenAI wants the version of its API, for example 2025-01-01-preview" $id) -}}
{{- end -}}
{{- if and (has $type (list "APIKey" "AnthropicAPIKey" "AzureAPIKey")) (not $values.secretRef) -}}
  {{- $wrong = append $wrong (printf "backends.%s.secretRef: name the Secret with the key of the provider, under apiKey; or set securityType to None" $id) -}}
{{- end -}}
{{- $places := dict "GCPCredentials" "gcpCredentials" "AWSCredentials" "awsCredentials" "AzureCredentials" "azureCredentials" -}}
{{- with get $places $type -}}
  {{- if not (index $values .) -}}
    {{- $wrong = append $wrong (printf "backends.%s.%s: %s needs it" $id . $type) -}}
  {{- end -}}
{{- end -}}
{{- if not (or $values.fqdn $values.ip) -}}
  {{- $wrong = append $wrong (printf "backends.%s.fqdn: say where the provider is, fqdn.hostname and fqdn.port, or ip.address and ip.port" $id) -}}
{{- end -}}
{{- $tls := default dict $values.tls -}}
{{- $hostname := $values.tlsHostname | default (dig "hostname" "" (default dict $values.fqdn)) -}}
{{- $encrypted := ne (include "models.on" $tls) "" -}}
{{- if and $encrypted (not $hostname) -}}
  {{- $wrong = append $wrong (printf "backends.%s.tlsHostname: an address has no name to find on a certificate; give it one, or set tls.enabled to false" $id) -}}
{{- end -}}
{{- toYaml (dict "name" ($values.resourceName | default $id) "schema" $schema "type" $type "encrypted" $encrypted "hostname" $hostname "wrong" $wrong) -}}
{{- end -}}

{{/* One model with the backends that are on, its limits, and what is wrong with it. */}}
{{- define "models.model" -}}
{{- $root := .root -}}
{{- $name := .name -}}
{{- $values := .values -}}
{{- $wrong := list -}}
{{- $refs := list -}}
{{- $counts := dict -}}
{{- range $id, $ref := $values.backends -}}
  {{- $to := $ref.ref | default $id -}}
  {{- if not (hasKey $root.Values.backends $to) -}}
    {{- $wrong = append $wrong (printf "models.%s.backends.%s.ref: there is no backends.%s" $name $id $to) -}}
  {{- else if and (include "models.on" $ref) (hasKey $.backends $to) -}}
    {{- $priority := int64 (default 0 $ref.priority) -}}
    {{- $made := dict "name" (get $.backends $to).name "priority" $priority -}}
    {{- with $ref.modelNameOverride -}}{{- $_ := set $made "modelNameOverride" . -}}{{- end -}}
    {{- if hasKey $ref "weight" -}}{{- $_ := set $made "weight" (int64 $ref.weight) -}}{{- end -}}
    {{- $refs = append $refs $made -}}
    {{- $key := toString $priority -}}
    {{- $_ := set $counts $key (add 1 (default 0 (get $counts $key))) -}}
  {{- end -}}
{{- end -}}
{{- if lt (len $refs) (int $root.Values.minBackends) -}}
  {{- $wrong = append $wrong (printf "models.%s: %d of its backends are enabled, and %d are needed. Enable another one here or in backends, set enabled: false on the model, or lower minBackends" $name (len $refs) (int $root.Values.minBackends)) -}}
{{- end -}}
{{- $group := 1 -}}
{{- range $counts -}}{{- $group = max $group . -}}{{- end -}}
{{- $limits := include "models.limits" . | fromYaml -}}
{{- $wrong = concat $wrong (default list $limits.wrong) -}}
{{- toYaml (dict "match" ($values.modelMatch | default $name) "refs" $refs "group" $group "limits" $limits.limits "wrong" $wrong) -}}
{{- end -}}

{{/* The limits of a model: `amount`, `unit`, and whether it is of tokens. */}}
{{- define "models.limits" -}}
{{- $name := .name -}}
{{- $all := .root.Values.envoyRateLimit -}}
{{- $wrong := list -}}
{{- $limits := list -}}
{{- if and (include "models.on" $all) .root.Values.backendTrafficPolicy.enabled -}}
  {{- $requests := default $all .values.envoyRateLimit -}}
  {{- if and (include "models.on" $requests) $requests.requests -}}
    {{- $limits = append $limits (dict "amount" (int64 $requests.requests) "unit" ($requests.unit | default $all.unit) "tokens" false) -}}
  {{- end -}}
  {{- range .values.envoyTokenRateLimits -}}
    {{- if include "models.on" . -}}
      {{- $limits = append $limits (dict "amount" (int64 .tokens) "unit" .unit "tokens" true) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- range $limits -}}
  {{- if gt (int64 .amount) 4294967295 -}}
    {{- $wrong = append $wrong (printf "models.%s: a limit of %d per %s is more than Envoy can count to, which is 4294967295" $name (int64 .amount) .unit) -}}
  {{- end -}}
{{- end -}}
{{- toYaml (dict "limits" $limits "wrong" $wrong) -}}
{{- end -}}

{{/* Limits per user need to know users, and not by what clients say of themselves. */}}
{{- define "models.wrongIdentity" -}}
{{- $identity := .root.Values.identity -}}
{{- $wrong := list -}}
{{- $known := or $identity.jwt $identity.apiKeys $identity.trusted -}}
{{- range $name, $model := .models -}}
  {{- if and $model.limits (not $known) -}}
    {{- $wrong = append $wrong (printf "models.%s: its limits count by the header %s, which every client can write or leave out. Set identity.jwt or identity.apiKeys, or identity.trusted where something in front of the gateway sets it" $name $identity.header) -}}
  {{- end -}}
{{- end -}}
{{- if and $identity.jwt $identity.apiKeys -}}
  {{- $wrong = append $wrong "identity: jwt and apiKeys together would ask every client for both; set one" -}}
{{- end -}}
{{- range $key := list "issuer" "jwksURI" -}}
  {{- if and $identity.jwt (not (index $identity.jwt $key)) -}}
    {{- $wrong = append $wrong (printf "identity.jwt.%s: it is needed to verify tokens" $key) -}}
  {{- end -}}
{{- end -}}
{{- if and $identity.apiKeys (not $identity.apiKeys.secretRefs) -}}
  {{- $wrong = append $wrong "identity.apiKeys.secretRefs: name the Secrets with the keys of users" -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end -}}

{{/* What the one policy of all models had, and what retries would not do. */}}
{{- define "models.wrongPolicy" -}}
{{- $wrong := list -}}
{{- range $key := list "name" "targetRefs" -}}
  {{- if index $ $key -}}
    {{- $wrong = append $wrong (printf "backendTrafficPolicy.%s: every model has a policy of its own, named and aimed like its route; leave it out" $key) -}}
  {{- end -}}
{{- end -}}
{{- $on := default dict (default dict .retry).retryOn -}}
{{- if has "404" (splitList "," (join "," $on.httpStatusCodes)) -}}
  {{- $wrong = append $wrong "backendTrafficPolicy.retry.retryOn.httpStatusCodes: 404 says that the provider does not have the model, which asking again does not change; leave it out" -}}
{{- end -}}
{{- if and $on.httpStatusCodes (not (has "retriable-status-codes" (default list $on.triggers))) -}}
  {{- $wrong = append $wrong "backendTrafficPolicy.retry.retryOn.triggers: httpStatusCodes counts only where retriable-status-codes is among the triggers; add it" -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end -}}
