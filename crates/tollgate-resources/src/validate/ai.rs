use super::{
    Rules, Validate,
    shared::{
        backend_object_ref, header_matches, header_name, headers, hostnames, is_backend, names, namespace,
        parent_ref, secret_ref, section_name, timeouts,
    },
    text,
};
use crate::{
    kinds::{
        AiBackendRef, AiGatewayRoute, AiGatewayRouteRule, AiServiceBackend, AiTargetRef, ApiKeyCredential,
        AwsCredentials, AzureCredentials, BackendSecurityPolicy, BackendSecurityPolicyType, BodyMutation,
        CredentialOverride, ExtProcContainer, GatewayConfig, GcpCredentials, HeaderMutation, LlmRequestCost,
        Oidc,
    },
    registry::{AI_GATEWAY, INFERENCE},
};

impl Validate for AiGatewayRoute {
    fn validate(&self, rules: &mut Rules) {
        let Self { parent_refs, hostnames: hosts, rules: route_rules, llm_request_costs } = self;
        rules.count("parentRefs", parent_refs.len(), 0..=16);
        rules.each("parentRefs", parent_refs, |rules, parent| {
            parent_ref(rules, parent);
            rules.demand(
                parent.kind == "Gateway",
                "parent-not-a-gateway",
                ("kind", "a parent of an AIGatewayRoute is a Gateway"),
            );
        });
        hostnames(rules, hosts);
        rules.count("rules", route_rules.len(), 0..=15);
        rules.unique("duplicate-rule-name", "rules", route_rules.iter().map(|rule| rule.name.as_deref()));
        rules.each("rules", route_rules, route_rule);
        rules.count("llmRequestCosts", llm_request_costs.len(), 0..=36);
    }
}

fn route_rule(rules: &mut Rules, rule: &AiGatewayRouteRule) {
    let AiGatewayRouteRule {
        name,
        backend_refs,
        matches,
        timeouts: deadlines,
        stream_idle_timeout: _,
        models_owned_by: _,
        models_created_at: _,
    } = rule;
    if let Some(name) = name {
        section_name(rules, "name", name);
        let reserved = name == "route-not-found";
        rules.demand(
            !reserved,
            "reserved-rule-name",
            ("name", "the name route-not-found is the gateway's own"),
        );
    }
    rules.count("backendRefs", backend_refs.len(), 0..=128);
    let foreign = backend_refs.iter().filter(|backend| is_foreign(backend)).count();
    if foreign > 0 && foreign < backend_refs.len() {
        rules.broken(
            "mixed-backend-kinds",
            "backendRefs",
            "one rule goes to AIServiceBackends or to an InferencePool, not to both",
        );
    } else if foreign > 1 {
        rules.broken(
            "inference-pool-not-alone",
            "backendRefs",
            "a rule with an InferencePool has no other backend",
        );
    }
    rules.each("backendRefs", backend_refs, backend_ref);
    rules.count("matches", matches.len(), 0..=128);
    rules.each("matches", matches, |rules, one| header_matches(rules, &one.headers));
    rules.optional("timeouts", deadlines.as_ref(), |rules, deadlines| timeouts(rules, *deadlines));
}

fn is_foreign(backend: &AiBackendRef) -> bool {
    backend.group.is_some() && backend.kind.is_some()
}

fn backend_ref(rules: &mut Rules, backend: &AiBackendRef) {
    let AiBackendRef {
        name,
        namespace: space,
        group,
        kind,
        header_mutation,
        body_mutation,
        weight,
        priority,
        ..
    } = backend;
    rules.length("name", name, 1..=usize::MAX);
    namespace(rules, space.as_ref());
    match (group, kind) {
        (None, None) => {}
        (Some(group), Some(kind)) => {
            let pool = group == INFERENCE && kind == "InferencePool";
            let message = "expected an InferencePool of inference.networking.k8s.io; an AIServiceBackend is named without group and kind";
            rules.demand(pool, "unsupported-backend-kind", ("kind", message));
        }
        (Some(_), None) | (None, Some(_)) => {
            rules.broken("group-without-kind", "", "`group` and `kind` are given together or not at all");
        }
    }
    const INT32: u32 = i32::MAX.unsigned_abs();
    rules.range("weight", *weight, 0..=INT32);
    rules.range("priority", *priority, 0..=INT32);
    mutations(rules, header_mutation.as_ref(), body_mutation.as_ref());
}

fn mutations(rules: &mut Rules, header: Option<&HeaderMutation>, body: Option<&BodyMutation>) {
    rules.optional("headerMutation", header, |rules, HeaderMutation { set, remove }| {
        headers(rules, "set", set);
        names(rules, "remove", remove);
    });
    rules.optional("bodyMutation", body, |rules, BodyMutation { set, remove }| {
        rules.count("set", set.len(), 0..=16);
        rules.unique("duplicate-entry", "set", set.iter().map(|field| Some(field.path.as_str())));
        rules.each("set", set, |rules, field| rules.length("path", &field.path, 1..=usize::MAX));
        names(rules, "remove", remove);
    });
}

impl Validate for AiServiceBackend {
    fn validate(&self, rules: &mut Rules) {
        let Self { schema: _, backend_ref, header_mutation, body_mutation } = self;
        rules.field("backendRef", |rules| {
            // A bare reference means a Service by its defaults; one message is enough for that.
            if is_backend(backend_ref) {
                backend_object_ref(rules, backend_ref);
            } else {
                let message = "expected `kind: Backend` and `group: gateway.envoyproxy.io`";
                rules.broken("backend-not-a-backend", "", message);
            }
        });
        mutations(rules, header_mutation.as_ref(), body_mutation.as_ref());
    }
}

impl Validate for BackendSecurityPolicy {
    fn prune(&mut self, version: &str) -> Vec<&'static str> {
        if version == "v1alpha1" && self.credential_override.take().is_some() {
            return vec!["credentialOverride"];
        }
        Vec::new()
    }

    fn validate(&self, rules: &mut Rules) {
        let Self { target_refs, policy_type, credential_override, .. } = self;
        rules.count("targetRefs", target_refs.len(), 0..=16);
        rules.each("targetRefs", target_refs, target_ref);
        let wanted = block_of(*policy_type);
        for (field, given) in self.blocks() {
            if field == wanted && !given {
                rules.broken("missing-credentials", "", format!("`{field}` is missing for this `type`"));
            } else if field != wanted && given {
                rules.broken(
                    "extra-credentials",
                    field,
                    format!("`{field}` does not belong to this `type`: expected `{wanted}` only"),
                );
            }
        }
        self.credentials(rules);
        rules.optional("credentialOverride", credential_override.as_ref(), credential_override_rules);
    }
}

impl BackendSecurityPolicy {
    fn blocks(&self) -> [(&'static str, bool); 6] {
        [
            ("apiKey", self.api_key.is_some()),
            ("awsCredentials", self.aws_credentials.is_some()),
            ("azureAPIKey", self.azure_api_key.is_some()),
            ("azureCredentials", self.azure_credentials.is_some()),
            ("gcpCredentials", self.gcp_credentials.is_some()),
            ("anthropicAPIKey", self.anthropic_api_key.is_some()),
        ]
    }

    fn credentials(&self, rules: &mut Rules) {
        let key = |rules: &mut Rules, key: &ApiKeyCredential| {
            rules.field("secretRef", |rules| secret_ref(rules, &key.secret_ref))
        };
        rules.optional("apiKey", self.api_key.as_ref(), key);
        rules.optional("azureAPIKey", self.azure_api_key.as_ref(), key);
        rules.optional("anthropicAPIKey", self.anthropic_api_key.as_ref(), key);
        rules.optional("awsCredentials", self.aws_credentials.as_ref(), aws);
        rules.optional("azureCredentials", self.azure_credentials.as_ref(), azure);
        rules.optional("gcpCredentials", self.gcp_credentials.as_ref(), gcp);
    }
}

const fn block_of(policy_type: BackendSecurityPolicyType) -> &'static str {
    match policy_type {
        BackendSecurityPolicyType::ApiKey => "apiKey",
        BackendSecurityPolicyType::AwsCredentials => "awsCredentials",
        BackendSecurityPolicyType::AzureApiKey => "azureAPIKey",
        BackendSecurityPolicyType::AzureCredentials => "azureCredentials",
        BackendSecurityPolicyType::GcpCredentials => "gcpCredentials",
        BackendSecurityPolicyType::AnthropicApiKey => "anthropicAPIKey",
    }
}

fn target_ref(rules: &mut Rules, target: &AiTargetRef) {
    let AiTargetRef { group, kind, name } = target;
    rules.length("name", name, 1..=253);
    let known = [(AI_GATEWAY, "AIServiceBackend"), (INFERENCE, "InferencePool")];
    let message = "expected an AIServiceBackend of aigateway.envoyproxy.io or an InferencePool of inference.networking.k8s.io";
    rules.demand(known.contains(&(group, kind)), "unsupported-target", ("", message));
}

fn aws(rules: &mut Rules, aws: &AwsCredentials) {
    let AwsCredentials { region, credentials_file, oidc_exchange_token } = aws;
    rules.length("region", region, 1..=usize::MAX);
    rules.optional("credentialsFile", credentials_file.as_ref(), |rules, file| {
        rules.field("secretRef", |rules| secret_ref(rules, &file.secret_ref));
    });
    rules.optional("oidcExchangeToken", oidc_exchange_token.as_ref(), |rules, token| {
        rules.length("awsRoleArn", &token.aws_role_arn, 1..=usize::MAX);
        rules.field("oidc", |rules| oidc(rules, &token.oidc));
    });
}

fn azure(rules: &mut Rules, azure: &AzureCredentials) {
    let AzureCredentials { client_id, tenant_id, client_secret_ref, oidc_exchange_token } = azure;
    rules.length("clientID", client_id, 1..=usize::MAX);
    rules.length("tenantID", tenant_id, 1..=usize::MAX);
    let one = client_secret_ref.is_some() != oidc_exchange_token.is_some();
    rules.demand(
        one,
        "exactly-one-of",
        ("", "expected exactly one of `clientSecretRef` and `oidcExchangeToken`"),
    );
    rules.optional("clientSecretRef", client_secret_ref.as_ref(), secret_ref);
    rules.optional("oidcExchangeToken", oidc_exchange_token.as_ref(), |rules, token| {
        rules.field("oidc", |rules| oidc(rules, &token.oidc));
    });
}

fn gcp(rules: &mut Rules, gcp: &GcpCredentials) {
    let GcpCredentials { project_name, region, credentials_file, workload_identity_federation_config } = gcp;
    rules.length("projectName", project_name, 1..=usize::MAX);
    rules.length("region", region, 1..=usize::MAX);
    match (credentials_file.is_some(), workload_identity_federation_config.is_some()) {
        (true, true) => {
            let message = "expected at most one of `credentialsFile` and `workloadIdentityFederationConfig`";
            rules.broken("at-most-one-of", "", message);
        }
        // Google's own default chain came with v1beta1.
        (false, false) if rules.version() == "v1alpha1" => {
            let message =
                "expected one of `credentialsFile` and `workloadIdentityFederationConfig` in v1alpha1";
            rules.broken("exactly-one-of", "", message);
        }
        (true, false) | (false, true | false) => {}
    }
    rules.optional("credentialsFile", credentials_file.as_ref(), |rules, file| {
        rules.field("secretRef", |rules| secret_ref(rules, &file.secret_ref));
    });
    rules.optional(
        "workloadIdentityFederationConfig",
        workload_identity_federation_config.as_ref(),
        |rules, config| {
            rules.length("projectID", &config.project_id, 1..=usize::MAX);
            rules.length("workloadIdentityPoolName", &config.workload_identity_pool_name, 1..=usize::MAX);
            rules.length(
                "workloadIdentityProviderName",
                &config.workload_identity_provider_name,
                1..=usize::MAX,
            );
            rules.field("oidcExchangeToken", |rules| {
                rules.field("oidc", |rules| oidc(rules, &config.oidc_exchange_token.oidc));
            });
            rules.optional(
                "serviceAccountImpersonation",
                config.service_account_impersonation.as_ref(),
                |rules, account| {
                    rules.length("serviceAccountName", &account.service_account_name, 1..=usize::MAX);
                },
            );
        },
    );
}

fn oidc(rules: &mut Rules, oidc: &Oidc) {
    let one = oidc.client_id.is_some() != oidc.client_id_ref.is_some();
    rules.demand(one, "exactly-one-of", ("", "expected exactly one of `clientID` and `clientIDRef`"));
    if let Some(id) = &oidc.client_id {
        rules.length("clientID", id, 1..=usize::MAX);
    }
    rules.field("provider", |rules| {
        rules.length("issuer", &oidc.provider.issuer, 1..=usize::MAX);
        let message = "`backendRef` is not supported: write `backendRefs`";
        rules.demand(oidc.provider.backend_ref.is_none(), "unsupported-field", ("backendRef", message));
    });
    rules.field("clientSecret", |rules| secret_ref(rules, &oidc.client_secret));
    let taken = oidc
        .forward_id_token
        .as_ref()
        .is_some_and(|token| token.header.eq_ignore_ascii_case("authorization"));
    let clash = taken && oidc.forward_access_token == Some(true);
    let message = "the access token and the id token cannot both be in `Authorization`";
    rules.demand(!clash, "token-header-clash", ("forwardAccessToken", message));
}

fn credential_override_rules(rules: &mut Rules, credential: &CredentialOverride) {
    let CredentialOverride { from_request_headers, from_dynamic_metadata } = credential;
    let one = from_request_headers.is_some() != from_dynamic_metadata.is_some();
    rules.demand(
        one,
        "exactly-one-of",
        ("", "expected exactly one of `fromRequestHeaders` and `fromDynamicMetadata`"),
    );
    rules.optional("fromRequestHeaders", from_request_headers.as_ref(), |rules, source| {
        if let Some(header) = source.header.as_ref().filter(|header| !header.is_empty()) {
            header_name(rules, "header", header);
        }
    });
    rules.optional("fromDynamicMetadata", from_dynamic_metadata.as_ref(), |rules, source| {
        rules.length("namespace", &source.namespace, 1..=usize::MAX);
    });
}

impl Validate for GatewayConfig {
    fn validate(&self, rules: &mut Rules) {
        let Self { ext_proc, global_llm_request_costs, forward_proxy } = self;
        let container = ext_proc.as_ref().and_then(|ext_proc| ext_proc.kubernetes.as_ref());
        rules.field("extProc", |rules| rules.optional("kubernetes", container, images));
        let keys =
            global_llm_request_costs.iter().map(|LlmRequestCost { metadata_key, .. }| Some(metadata_key));
        rules.unique("duplicate-entry", "globalLLMRequestCosts", keys);
        rules.optional("forwardProxy", forward_proxy.as_ref(), |rules, proxy| {
            rules.length("address", &proxy.address, 1..=usize::MAX);
        });
    }
}

fn images(rules: &mut Rules, container: &ExtProcContainer) {
    let ExtProcContainer { image, image_repository, .. } = container;
    let both = image.is_some() && image_repository.is_some();
    rules.demand(!both, "at-most-one-of", ("", "expected at most one of `image` and `imageRepository`"));
    if let Some(image) = image {
        rules.form(
            "invalid-image",
            ("image", image),
            (text::is_image(image), "an image such as registry.example/name:tag"),
        );
    }
    if let Some(image) = image_repository {
        let holds = text::is_image(image) && !text::has_tag(image);
        rules.form("invalid-image", ("imageRepository", image), (holds, "an image without a tag or digest"));
    }
}
