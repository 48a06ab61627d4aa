//! What providers want to see of us: BackendSecurityPolicies.

use std::sync::Arc;

use http::HeaderName;
use tollgate_auth::{Credential, InvalidCredential, Own, OwnShape, TokenSource};
use tollgate_resources::{
    BackendSecurityPolicy, BackendSecurityPolicyType, CredentialOverride, Meta, Object, OverrideFromHeaders,
    OverrideFromMetadata, SecretRef,
};
use tollgate_snapshot::Problem;
use tollgate_types::Secret;

use crate::{
    Fault,
    beside_envoy::Host,
    grants::Party,
    guards,
    notes::{At, Notes},
    tls::keys_of,
    world::{World, group},
};

mod aws;
mod azure;
mod google;
mod oidc;

/// A credential and, where it is a token that is fetched, how.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) credential: Credential,
    pub(crate) source: Option<TokenSource>,
}

/// A policy and what it refers to.
#[derive(Clone, Copy)]
struct Policy<'a> {
    world: &'a World<'a>,
    object: &'a Object<BackendSecurityPolicy>,
}

/// What is wrong, and with which field below `spec`.
type Wrong = (String, Fault);

/// The key of the Secret that holds an API key.
const API_KEY: &str = "apiKey";

/// The credential for an AIServiceBackend or an InferencePool; none where no policy targets it.
pub(crate) fn of(
    world: &World<'_>,
    (kind, meta): (&str, &Meta),
    notes: &mut Notes,
) -> Result<Option<Made>, Arc<Problem>> {
    let Meta { namespace, name, .. } = meta;
    let Some((policy, others)) = world.security(kind, meta).split_first() else {
        // Without the credential that it should have given, the client's own would go to the provider.
        let Some(policy) = guards::refused(world, "BackendSecurityPolicy", (kind, meta)) else {
            return Ok(None);
        };
        let message = format!("BackendSecurityPolicy {namespace}/{} for it is broken", policy.meta.name);
        let fault = Fault::new("no-credential", message);
        // A pool is no object that is read here.
        let at = match world.ai_backends.find(namespace, name).filter(|_| kind == "AIServiceBackend") {
            Some(backend) => At::new(backend, ""),
            None => At::new(policy, ""),
        };
        return Err(notes.error(&at, fault));
    };
    if let Some(other) = others.first() {
        let message = format!(
            "{kind} {namespace}/{name} has two BackendSecurityPolicies, {} and {}",
            policy.meta.name, other.meta.name
        );
        let fault = Fault::new("conflicted-policy", message).help("leave one of them");
        return Err(notes.error(&At::new(*other, "spec.targetRefs"), fault));
    }
    let policy = Policy { world, object: policy };
    let made = policy.credential(notes).and_then(|made| policy.with_own(made));
    made.map(Some).map_err(|(field, fault)| notes.error(&policy.at(&field), fault))
}

// === impl Policy ===

impl<'a> Policy<'a> {
    fn spec(&self) -> &'a BackendSecurityPolicy {
        &self.object.spec
    }

    fn at(&self, field: &str) -> At<'a> {
        At::new(self.object, format!("spec{field}"))
    }

    /// `namespace/name`, for names of tokens.
    fn name(&self) -> String {
        format!("{}/{}", self.object.meta.namespace, self.object.meta.name)
    }

    fn credential(&self, notes: &mut Notes) -> Result<Made, Wrong> {
        let spec = self.spec();
        match spec.policy_type {
            BackendSecurityPolicyType::ApiKey => {
                let key = block("apiKey", spec.api_key.as_ref())?;
                self.key(("apiKey", &key.secret_ref), Credential::api_key, notes)
            }
            BackendSecurityPolicyType::AzureApiKey => {
                let key = block("azureAPIKey", spec.azure_api_key.as_ref())?;
                self.key(("azureAPIKey", &key.secret_ref), Credential::azure_api_key, notes)
            }
            BackendSecurityPolicyType::AnthropicApiKey => {
                let key = block("anthropicAPIKey", spec.anthropic_api_key.as_ref())?;
                self.key(("anthropicAPIKey", &key.secret_ref), Credential::anthropic_api_key, notes)
            }
            BackendSecurityPolicyType::AwsCredentials => {
                aws::of(self, block("awsCredentials", spec.aws_credentials.as_ref())?, notes)
            }
            BackendSecurityPolicyType::AzureCredentials => {
                azure::of(self, block("azureCredentials", spec.azure_credentials.as_ref())?, notes)
            }
            BackendSecurityPolicyType::GcpCredentials => {
                google::of(self, block("gcpCredentials", spec.gcp_credentials.as_ref())?, notes)
            }
        }
    }

    fn key(
        &self,
        (field, reference): (&str, &SecretRef),
        make: fn(&Secret) -> Result<Credential, InvalidCredential>,
        notes: &mut Notes,
    ) -> Result<Made, Wrong> {
        let field = format!(".{field}.secretRef");
        let key = self.secret(&field, (reference, API_KEY), notes)?;
        match make(&key) {
            Ok(credential) => Ok(Made { credential, source: None }),
            Err(error) => {
                let code = match error {
                    InvalidCredential::Empty => "empty-key",
                    InvalidCredential::Characters => "invalid-key",
                };
                let secret = &reference.name;
                let message = format!("the key {API_KEY} of Secret {secret} cannot be used: {error}");
                Err((field, Fault::new(code, message)))
            }
        }
    }

    /// A key of a Secret that is one line of text: white space around it is noted, and not meant.
    fn secret(
        &self,
        field: &str,
        (reference, key): (&SecretRef, &str),
        notes: &mut Notes,
    ) -> Result<Secret, Wrong> {
        let value = self.file(field, (reference, key))?;
        let trimmed = value.expose().trim_ascii();
        if value.expose() != trimmed && !trimmed.is_empty() {
            let namespace = reference.namespace.as_deref().unwrap_or(&self.object.meta.namespace);
            let message = format!(
                "the key {key} of Secret {namespace}/{} has white space around it; it is dropped",
                reference.name
            );
            notes.info(&self.at(field), Fault::new("white-space-in-key", message));
        }
        Ok(value)
    }

    /// A key of a Secret as it is.
    fn file(&self, field: &str, (reference, key): (&SecretRef, &str)) -> Result<Secret, Wrong> {
        self.look_up(reference, key).map_err(|fault| (field.to_owned(), fault))
    }

    fn look_up(&self, reference: &SecretRef, key: &str) -> Result<Secret, Fault> {
        let SecretRef { group, kind, name, namespace } = reference;
        if group != group::CORE || kind != "Secret" {
            return Err(Fault::new("invalid-kind", format!("{kind} {name} is no Secret")));
        }
        let own = &*self.object.meta.namespace;
        let namespace = namespace.as_deref().unwrap_or(own);
        let from = Party { group: group::AI, kind: "BackendSecurityPolicy", namespace: own };
        let object = self.world.secrets.get(namespace, name)?;
        self.world.grants.check(from, Party { group: group::CORE, kind: "Secret", namespace }, name)?;
        let value = object.spec.data.get(key).cloned();
        value.ok_or_else(|| {
            Fault::new("secret-key-not-found", format!("Secret {namespace}/{name} has no key {key}"))
                .help(keys_of(&object.spec))
        })
    }

    fn with_own(&self, made: Made) -> Result<Made, Wrong> {
        let Some(CredentialOverride { from_request_headers, from_dynamic_metadata }) =
            &self.spec().credential_override
        else {
            return Ok(made);
        };
        if let Some(metadata) = from_dynamic_metadata {
            return self.with_metadata(made, metadata);
        }
        let Some(OverrideFromHeaders { header, fallback_to_configured }) = from_request_headers else {
            return Ok(made);
        };
        let (name, is_prefix) = default_header(self.spec().policy_type);
        let name = header.as_deref().filter(|header| !header.is_empty()).unwrap_or(name);
        let own = if is_prefix {
            Own::aws(name, *fallback_to_configured)
        } else {
            let name = HeaderName::from_bytes(name.as_bytes()).ok();
            name.map(|name| Own::header(name, *fallback_to_configured))
        };
        let own = own.ok_or_else(|| {
            let fault = Fault::new("invalid-header", format!("{name:?} is no name of a header"));
            (".credentialOverride.fromRequestHeaders.header".to_owned(), fault)
        })?;
        Ok(Made { credential: made.credential.or_own(own), ..made })
    }

    fn with_metadata(&self, made: Made, metadata: &OverrideFromMetadata) -> Result<Made, Wrong> {
        let OverrideFromMetadata { namespace, key, fallback_to_configured } = metadata;
        // Envoy's filters may write any namespace.
        if self.world.host == Host::Native && !NAMESPACES.contains(&namespace.as_str()) {
            let fault = Fault::new("no-metadata", format!("nothing sets metadata of namespace {namespace}"))
                .help(format!("there is {}", NAMESPACES.join(", ")));
            return Err((".credentialOverride.fromDynamicMetadata.namespace".to_owned(), fault));
        }
        let (default, shape) = match default_header(self.spec().policy_type) {
            (_, true) => ("x-aigw-aws-credentials", OwnShape::AwsKeys),
            (name, false) => (name, OwnShape::Text),
        };
        let key = key.as_deref().filter(|key| !key.is_empty()).unwrap_or(default);
        let own = Own::metadata(namespace, key, (shape, *fallback_to_configured));
        Ok(Made { credential: made.credential.or_own(own), ..made })
    }
}

/// The namespaces of metadata that anything is in before a backend is asked.
const NAMESPACES: [&str; 2] = ["envoy.filters.http.jwt_authn", "envoy.filters.http.ext_authz"];

/// The header in which clients bring their own unless it is named, and whether it is the prefix of several.
const fn default_header(policy_type: BackendSecurityPolicyType) -> (&'static str, bool) {
    match policy_type {
        BackendSecurityPolicyType::ApiKey => ("x-aigw-api-key", false),
        BackendSecurityPolicyType::AnthropicApiKey => ("x-aigw-anthropic-api-key", false),
        BackendSecurityPolicyType::AzureApiKey => ("x-aigw-azure-api-key", false),
        BackendSecurityPolicyType::AzureCredentials => ("x-aigw-azure-access-token", false),
        BackendSecurityPolicyType::GcpCredentials => ("x-aigw-gcp-access-token", false),
        BackendSecurityPolicyType::AwsCredentials => ("x-aigw-aws-", true),
    }
}

/// The block that the policy's type names.
fn block<'a, T>(field: &str, block: Option<&'a T>) -> Result<&'a T, Wrong> {
    let missing = || Fault::new("missing-key", format!("the policy has no {field}"));
    block.ok_or_else(|| (format!(".{field}.secretRef"), missing()))
}
