use serde_json::{Value as Json, json};

use crate::kinds::api_schema_names;

const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const HOSTNAME: &str = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const GROUP: &str = r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const KIND: &str = "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$";
const NAMESPACE: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
const DURATION: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";
const HEADER_NAME: &str = r"^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$";
const IMAGE: &str =
    r"^[A-Za-z0-9._:-]+(/[A-Za-z0-9._:-]+)*(:[A-Za-z0-9._-]+)?(@[A-Za-z0-9.+_-]+:[A-Fa-f0-9]{32,})?$";
const UNTAGGED: &str = r"^([A-Za-z0-9._:-]+/)*[A-Za-z0-9._-]+$";

/// Fields that a version does not have.
pub(crate) fn is_absent(title: &str, field: &str, version: &str) -> bool {
    (title, field, version) == ("BackendSecurityPolicy", "credentialOverride", "v1alpha1")
}

/// What a field's schema has beside its type, by the Rust type it belongs to.
#[expect(clippy::too_many_lines, reason = "one arm per field, flat")]
#[expect(clippy::match_same_arms, reason = "ordered by type")]
pub(crate) fn of_field(title: &str, field: &str) -> Json {
    match (title, field) {
        ("ParentRef" | "SecretRef" | "BackendObjectRef", "group") => {
            json!({ "maxLength": 253, "pattern": GROUP })
        }
        ("ParentRef" | "SecretRef" | "BackendObjectRef", "kind") => {
            json!({ "minLength": 1, "maxLength": 63, "pattern": KIND })
        }
        ("ParentRef" | "SecretRef" | "BackendObjectRef" | "AiBackendRef", "namespace") => {
            json!({ "minLength": 1, "maxLength": 63, "pattern": NAMESPACE })
        }
        ("ParentRef" | "SecretRef" | "BackendObjectRef" | "AiTargetRef", "name") => {
            json!({ "minLength": 1, "maxLength": 253 })
        }
        ("ParentRef", "sectionName") | ("AiGatewayRouteRule", "name") => {
            json!({ "minLength": 1, "maxLength": 253, "pattern": SUBDOMAIN })
        }
        ("ParentRef" | "BackendObjectRef", "port") => json!({ "minimum": 1, "maximum": 65535 }),
        ("HeaderMatch" | "HttpHeader", "name") => {
            json!({ "minLength": 1, "maxLength": 256, "pattern": HEADER_NAME })
        }
        ("HeaderMatch" | "HttpHeader", "value") => json!({ "minLength": 1, "maxLength": 4096 }),
        ("HeaderMutation", "set") => keyed(16, "name"),
        ("BodyMutation", "set") => keyed(16, "path"),
        ("HeaderMutation" | "BodyMutation", "remove") => {
            json!({ "maxItems": 16, "x-kubernetes-list-type": "set" })
        }
        ("BodyField", "path") => json!({ "minLength": 1 }),
        ("HttpRouteTimeouts", "request" | "backendRequest") | ("AiGatewayRouteRule", "streamIdleTimeout") => {
            json!({ "pattern": DURATION })
        }
        ("AiGatewayRoute", "parentRefs") => checked(
            json!({ "maxItems": 16 }),
            &[("self.all(parent, parent.kind == 'Gateway')", "a parent of an AIGatewayRoute is a Gateway")],
        ),
        ("AiGatewayRoute", "hostnames") => {
            json!({ "maxItems": 16, "items": { "minLength": 1, "maxLength": 253, "pattern": HOSTNAME } })
        }
        ("AiGatewayRoute", "rules") => checked(
            json!({ "maxItems": 15 }),
            &[(
                "self.all(a, !has(a.name) || self.exists_one(b, has(b.name) && b.name == a.name))",
                "the names of rules are unique",
            )],
        ),
        ("AiGatewayRoute", "llmRequestCosts") => json!({ "maxItems": 36 }),
        ("AiGatewayRouteRule", "backendRefs" | "matches") => json!({ "maxItems": 128 }),
        ("AiGatewayRouteRule", "modelsCreatedAt") => json!({ "format": "date-time" }),
        ("AiBackendRef", "name") => json!({ "minLength": 1 }),
        ("AiBackendRef", "group") => json!({ "maxLength": 253, "pattern": GROUP }),
        ("AiBackendRef", "kind") => json!({ "maxLength": 63, "pattern": format!("^$|{KIND}") }),
        ("AiBackendRef", "weight" | "priority") => json!({ "minimum": 0 }),
        ("AiRouteMatch", "headers") => keyed(16, "name"),
        ("VersionedSchema", "name") => json!({ "enum": api_schema_names() }),
        ("AiServiceBackend", "backendRef") => checked(
            json!({}),
            &[(
                "self.kind == 'Backend' && self.group == 'gateway.envoyproxy.io'",
                "expected a Backend of gateway.envoyproxy.io",
            )],
        ),
        ("BackendSecurityPolicy", "targetRefs") => checked(
            json!({ "maxItems": 16 }),
            &[(
                "self.all(target, (target.group == 'aigateway.envoyproxy.io' && target.kind == 'AIServiceBackend') || \
                 (target.group == 'inference.networking.k8s.io' && target.kind == 'InferencePool'))",
                "a target is an AIServiceBackend or an InferencePool",
            )],
        ),
        ("QuotaPolicy", "targetRefs") => checked(
            json!({ "maxItems": 16 }),
            &[(
                "self.all(target, target.group == 'aigateway.envoyproxy.io' && target.kind == 'AIServiceBackend')",
                "a target is an AIServiceBackend",
            )],
        ),
        ("QuotaPolicy", "perModelQuotas") => json!({ "maxItems": 128 }),
        ("PerModelQuota", "modelName") => json!({ "minLength": 1 }),
        ("QuotaRule", "clientSelectors") => json!({ "maxItems": 8 }),
        ("RateLimitSelector", "headers") => json!({ "maxItems": 64 }),
        ("RateLimitSelector", "methods" | "queryParams") => json!({ "maxItems": 16 }),
        ("RateLimitHeaderMatch" | "RateLimitQueryMatch", "name") => {
            json!({ "minLength": 1, "maxLength": 256 })
        }
        ("RateLimitHeaderMatch" | "RateLimitQueryMatch" | "PolicyPathMatch", "value") => {
            json!({ "maxLength": 1024 })
        }
        ("RateLimitMethodMatch", "value") => json!({ "minLength": 1, "maxLength": 32 }),
        ("SourceCidr", "value") => json!({ "minLength": 1, "maxLength": 256 }),
        ("AiTargetRef", "group") => json!({ "maxLength": 253 }),
        ("AiTargetRef", "kind") => json!({ "maxLength": 63 }),
        ("AwsCredentials", "region")
        | ("AwsOidcExchangeToken", "awsRoleArn")
        | ("AzureCredentials", "clientID" | "tenantID")
        | ("GcpCredentials", "projectName" | "region")
        | (
            "GcpWorkloadIdentityFederation",
            "projectID" | "workloadIdentityPoolName" | "workloadIdentityProviderName",
        )
        | ("GcpServiceAccountImpersonation", "serviceAccountName")
        | ("Oidc", "clientID")
        | ("OidcProvider", "issuer")
        | ("OverrideFromMetadata", "namespace")
        | ("ForwardProxy", "address") => json!({ "minLength": 1 }),
        ("Oidc", "refreshToken") => json!({ "default": true }),
        ("ForwardIdToken", "header") => json!({ "minLength": 1, "maxLength": 256 }),
        ("Oidc", "cookieNames" | "cookieConfig" | "denyRedirect")
        | ("OidcProvider", "backendRef" | "backendSettings")
        | ("ExtProcContainer", "resources" | "securityContext") => any_object(),
        ("OidcProvider", "backendRefs") | ("ExtProcContainer", "env" | "volumeMounts") => {
            json!({ "type": "array", "items": any_object(), "x-kubernetes-preserve-unknown-fields": null })
        }
        ("GatewayConfig", "globalLLMRequestCosts") => {
            json!({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["metadataKey"] })
        }
        ("ExtProcContainer", "image") => json!({ "pattern": IMAGE }),
        ("ExtProcContainer", "imageRepository") => json!({ "pattern": UNTAGGED }),
        _ => json!({}),
    }
}

/// What an object's schema has beside its fields, by the Rust type.
#[expect(clippy::too_many_lines, reason = "one arm per type, flat")]
pub(crate) fn of_object(title: &str, version: &str) -> Json {
    match title {
        "BackendObjectRef" => checked(
            json!({}),
            &[(
                "self.group != '' || self.kind != 'Service' || has(self.port)",
                "a reference to a Service needs a port",
            )],
        ),
        "HttpRouteTimeouts" => checked(
            json!({}),
            &[(
                "!has(self.request) || !has(self.backendRequest) || duration(self.request) == duration('0s') || \
                 duration(self.backendRequest) <= duration(self.request)",
                "backendRequest must not be longer than request",
            )],
        ),
        "AiGatewayRouteRule" => route_rule(),
        "AiBackendRef" => checked(
            json!({}),
            &[
                ("has(self.group) == has(self.kind)", "group and kind are given together or not at all"),
                (
                    "!has(self.group) || !has(self.kind) || (self.group == 'inference.networking.k8s.io' && self.kind == \
                     'InferencePool')",
                    "expected an InferencePool of inference.networking.k8s.io, or neither group nor kind",
                ),
            ],
        ),
        "BackendSecurityPolicy" => credentials(version),
        "AzureCredentials" => checked(
            json!({}),
            &[(
                "has(self.clientSecretRef) != has(self.oidcExchangeToken)",
                "expected exactly one of clientSecretRef and oidcExchangeToken",
            )],
        ),
        "GcpCredentials" if version == "v1alpha1" => checked(
            json!({}),
            &[(
                "has(self.credentialsFile) != has(self.workloadIdentityFederationConfig)",
                "expected exactly one of credentialsFile and workloadIdentityFederationConfig",
            )],
        ),
        "GcpCredentials" => checked(
            json!({}),
            &[(
                "!has(self.credentialsFile) || !has(self.workloadIdentityFederationConfig)",
                "expected at most one of credentialsFile and workloadIdentityFederationConfig",
            )],
        ),
        "RateLimitSelector" => checked(
            json!({}),
            &[(
                "has(self.headers) || has(self.methods) || has(self.path) || has(self.sourceCIDR) || has(self.queryParams)",
                "expected headers, methods, path, sourceCIDR or queryParams",
            )],
        ),
        "CredentialOverride" => json!({ "minProperties": 1, "maxProperties": 1 }),
        "Oidc" => checked(
            json!({}),
            &[
                (
                    "has(self.clientID) != has(self.clientIDRef)",
                    "expected exactly one of clientID and clientIDRef",
                ),
                (
                    "!has(self.forwardAccessToken) || !self.forwardAccessToken || !has(self.forwardIDToken) || \
                     self.forwardIDToken.header.lowerAscii() != 'authorization'",
                    "the access token and the id token cannot both be in Authorization",
                ),
            ],
        ),
        "OidcProvider" => {
            checked(json!({}), &[("!has(self.backendRef)", "backendRef is not supported: write backendRefs")])
        }
        "ExtProcContainer" => checked(
            json!({}),
            &[(
                "!has(self.image) || !has(self.imageRepository)",
                "expected at most one of image and imageRepository",
            )],
        ),
        _ => json!({}),
    }
}

fn route_rule() -> Json {
    checked(
        json!({}),
        &[
            (
                "!has(self.name) || self.name != 'route-not-found'",
                "the name route-not-found is the gateway's own",
            ),
            (
                "!has(self.backendRefs) || self.backendRefs.all(b, !has(b.group) && !has(b.kind)) || \
                 self.backendRefs.all(b, has(b.group) && has(b.kind))",
                "one rule goes to AIServiceBackends or to an InferencePool, not to both",
            ),
            (
                "!has(self.backendRefs) || self.backendRefs.size() <= 1 || !self.backendRefs.exists(b, has(b.group) && \
                 has(b.kind))",
                "a rule with an InferencePool has no other backend",
            ),
        ],
    )
}

/// The block that `type` names, and no other.
fn credentials(version: &str) -> Json {
    const BLOCKS: [(&str, &str); 6] = [
        ("APIKey", "apiKey"),
        ("AWSCredentials", "awsCredentials"),
        ("AzureAPIKey", "azureAPIKey"),
        ("AzureCredentials", "azureCredentials"),
        ("GCPCredentials", "gcpCredentials"),
        ("AnthropicAPIKey", "anthropicAPIKey"),
    ];
    let rule = |(policy_type, block): (&str, &str)| {
        let others = BLOCKS.iter().filter(|(_, other)| *other != block);
        let absent: String = others.map(|(_, other)| format!(" && !has(self.{other})")).collect();
        json!({
            "rule": format!("self.type != '{policy_type}' || (has(self.{block}){absent})"),
            "message": format!("type {policy_type} needs {block} and no other credentials"),
        })
    };
    let properties = if version == "v1alpha1" { 3 } else { 4 };
    json!({ "maxProperties": properties, "x-kubernetes-validations": BLOCKS.map(rule) })
}

/// The status that controllers write.
pub(crate) fn status(kind: &str) -> Json {
    let condition = json!({
        "type": "object",
        "required": ["lastTransitionTime", "message", "reason", "status", "type"],
        "properties": {
            "lastTransitionTime": { "type": "string", "format": "date-time" },
            "message": { "type": "string", "maxLength": 32768 },
            "observedGeneration": { "type": "integer", "format": "int64", "minimum": 0 },
            "reason": {
                "type": "string",
                "minLength": 1,
                "maxLength": 1024,
                "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            },
            "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
            "type": {
                "type": "string",
                "maxLength": 316,
                "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
            },
        },
    });
    let mut conditions = json!({ "type": "array", "items": condition });
    if kind == "GatewayConfig" {
        conditions["maxItems"] = json!(8);
        conditions["x-kubernetes-list-type"] = json!("map");
        conditions["x-kubernetes-list-map-keys"] = json!(["type"]);
    }
    json!({ "type": "object", "properties": { "conditions": conditions } })
}

fn keyed(most: u32, key: &str) -> Json {
    json!({ "maxItems": most, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key] })
}

fn any_object() -> Json {
    json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

fn checked(mut schema: Json, rules: &[(&str, &str)]) -> Json {
    let rules: Vec<Json> =
        rules.iter().map(|(rule, message)| json!({ "rule": rule, "message": message })).collect();
    schema["x-kubernetes-validations"] = Json::from(rules);
    schema
}
