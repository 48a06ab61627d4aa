use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::common::SecretRef;

/// `BackendSecurityPolicy`: the credentials for backends. The block that `policy_type` names is there, and no
/// other: validation saw to it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "BackendSecurityPolicy")]
pub struct BackendSecurityPolicy {
    /// To what it applies, in its own namespace.
    #[serde(default)]
    pub target_refs: Vec<AiTargetRef>,
    /// Which kind of credential.
    #[serde(rename = "type")]
    pub policy_type: BackendSecurityPolicyType,
    /// `Authorization: Bearer …`
    pub api_key: Option<ApiKeyCredential>,
    /// AWS request signing.
    pub aws_credentials: Option<AwsCredentials>,
    /// `api-key: …`, as Azure OpenAI has it.
    #[serde(rename = "azureAPIKey")]
    pub azure_api_key: Option<ApiKeyCredential>,
    /// Azure access tokens.
    pub azure_credentials: Option<AzureCredentials>,
    /// Google access tokens.
    pub gcp_credentials: Option<GcpCredentials>,
    /// `x-api-key: …`, as Anthropic has it.
    #[serde(rename = "anthropicAPIKey")]
    pub anthropic_api_key: Option<ApiKeyCredential>,
    /// Lets the client bring its own (v1beta1 only).
    pub credential_override: Option<CredentialOverride>,
}

/// An AIServiceBackend or InferencePool of the policy's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "AiTargetRef")]
pub struct AiTargetRef {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// Kinds of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
pub enum BackendSecurityPolicyType {
    /// `apiKey`
    #[serde(rename = "APIKey")]
    ApiKey,
    /// `awsCredentials`
    #[serde(rename = "AWSCredentials")]
    AwsCredentials,
    /// `azureAPIKey`
    #[serde(rename = "AzureAPIKey")]
    AzureApiKey,
    /// `azureCredentials`
    AzureCredentials,
    /// `gcpCredentials`
    #[serde(rename = "GCPCredentials")]
    GcpCredentials,
    /// `anthropicAPIKey`
    #[serde(rename = "AnthropicAPIKey")]
    AnthropicApiKey,
}

/// A key in a Secret, under `apiKey`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "ApiKeyCredential")]
pub struct ApiKeyCredential {
    /// The Secret.
    pub secret_ref: SecretRef,
}

/// How requests to AWS are signed; neither file nor token means AWS's own default chain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "AwsCredentials")]
pub struct AwsCredentials {
    /// Region.
    pub region: String,
    /// A credentials file in a Secret.
    pub credentials_file: Option<AwsCredentialsFile>,
    /// A token to exchange.
    pub oidc_exchange_token: Option<AwsOidcExchangeToken>,
}

/// A credentials file in a Secret, under `credentials`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "AwsCredentialsFile")]
pub struct AwsCredentialsFile {
    /// The Secret.
    pub secret_ref: SecretRef,
    /// The section of the file.
    #[serde(default = "default_profile")]
    pub profile: String,
}

/// A token to exchange for AWS credentials.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "AwsOidcExchangeToken")]
pub struct AwsOidcExchangeToken {
    /// Where the token comes from.
    pub oidc: Oidc,
    /// Declared by the API, read by nobody.
    pub grant_type: Option<String>,
    /// Declared by the API, read by nobody.
    pub aud: Option<String>,
    /// The role to assume.
    pub aws_role_arn: String,
}

/// A token to exchange for cloud credentials.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "OidcExchangeToken")]
pub struct OidcExchangeToken {
    /// Where the token comes from.
    pub oidc: Oidc,
    /// Declared by the API, read by nobody.
    pub grant_type: Option<String>,
    /// Declared by the API, read by nobody.
    pub aud: Option<String>,
}

/// How Azure access tokens are had: exactly one of a client secret and a token to exchange.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "AzureCredentials")]
pub struct AzureCredentials {
    /// Application.
    #[serde(rename = "clientID")]
    pub client_id: String,
    /// Directory.
    #[serde(rename = "tenantID")]
    pub tenant_id: String,
    /// A Secret with `client-secret`.
    pub client_secret_ref: Option<SecretRef>,
    /// A token to exchange.
    pub oidc_exchange_token: Option<OidcExchangeToken>,
}

/// How Google access tokens are had; neither file nor federation means Google's own default chain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "GcpCredentials")]
pub struct GcpCredentials {
    /// Project.
    pub project_name: String,
    /// Region.
    pub region: String,
    /// A service account's key in a Secret.
    pub credentials_file: Option<GcpCredentialsFile>,
    /// A token to exchange.
    pub workload_identity_federation_config: Option<GcpWorkloadIdentityFederation>,
}

/// A service account's key in a Secret, under `service_account.json`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "GcpCredentialsFile")]
pub struct GcpCredentialsFile {
    /// The Secret.
    pub secret_ref: SecretRef,
}

/// Google's workload identity federation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "GcpWorkloadIdentityFederation")]
pub struct GcpWorkloadIdentityFederation {
    /// Project.
    #[serde(rename = "projectID")]
    pub project_id: String,
    /// Pool.
    pub workload_identity_pool_name: String,
    /// Provider in the pool.
    pub workload_identity_provider_name: String,
    /// A token to exchange.
    pub oidc_exchange_token: OidcExchangeToken,
    /// The account to act for.
    pub service_account_impersonation: Option<GcpServiceAccountImpersonation>,
}

/// The service account to act for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "GcpServiceAccountImpersonation")]
pub struct GcpServiceAccountImpersonation {
    /// Its name, without the project's domain.
    pub service_account_name: String,
}

/// Envoy Gateway's OpenID Connect settings; the exchange of tokens reads issuer, token endpoint, client and scopes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "Oidc")]
pub struct Oidc {
    /// The identity provider.
    pub provider: OidcProvider,
    /// The client.
    #[serde(rename = "clientID")]
    pub client_id: Option<String>,
    /// The client's name in a Secret; not both.
    #[serde(rename = "clientIDRef")]
    pub client_id_ref: Option<SecretRef>,
    /// The client's secret, under `client-secret`.
    pub client_secret: SecretRef,
    /// Names of the session's cookies.
    pub cookie_names: Option<Json>,
    /// Attributes of the session's cookies.
    pub cookie_config: Option<Json>,
    /// Domain of the session's cookies.
    pub cookie_domain: Option<String>,
    /// Scopes to ask for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Resources to ask for.
    #[serde(default)]
    pub resources: Vec<String>,
    /// Where the provider sends people back.
    #[serde(rename = "redirectURL")]
    pub redirect_url: Option<String>,
    /// Where people log out.
    pub logout_path: Option<String>,
    /// Hands the access token to the backend.
    pub forward_access_token: Option<bool>,
    /// Hands the id token to the backend.
    #[serde(rename = "forwardIDToken")]
    pub forward_id_token: Option<ForwardIdToken>,
    /// Lifetime of tokens that name none.
    #[serde(rename = "defaultTokenTTL")]
    pub default_token_ttl: Option<String>,
    /// Whether tokens are refreshed.
    pub refresh_token: Option<bool>,
    /// Lifetime of refresh tokens that name none.
    #[serde(rename = "defaultRefreshTokenTTL")]
    pub default_refresh_token_ttl: Option<String>,
    /// Lifetime of the token against forged requests.
    #[serde(rename = "csrfTokenTTL")]
    pub csrf_token_ttl: Option<String>,
    /// Requests that get a 401 and no redirect.
    pub deny_redirect: Option<Json>,
    /// Lets a request with a bearer token through.
    pub pass_through_auth_header: Option<bool>,
    /// Keeps tokens in cookies as they are.
    pub disable_token_encryption: Option<bool>,
}

/// Where the id token is put.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(title = "ForwardIdToken")]
pub struct ForwardIdToken {
    /// The header.
    pub header: String,
}

/// An identity provider.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "OidcProvider")]
pub struct OidcProvider {
    /// Its URL.
    pub issuer: String,
    /// Where people log in, unless discovered.
    pub authorization_endpoint: Option<String>,
    /// Where tokens are had, unless discovered.
    pub token_endpoint: Option<String>,
    /// Where sessions end, unless discovered.
    pub end_session_endpoint: Option<String>,
    /// Refused by the API: `backendRefs` took its place.
    pub backend_ref: Option<Json>,
    /// How to reach it.
    pub backend_refs: Option<Json>,
    /// How to speak to it.
    pub backend_settings: Option<Json>,
}

/// Lets the client bring its own credential: exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "CredentialOverride")]
pub struct CredentialOverride {
    /// In a request header.
    pub from_request_headers: Option<OverrideFromHeaders>,
    /// In metadata that another filter set.
    pub from_dynamic_metadata: Option<OverrideFromMetadata>,
}

/// A credential in a request header.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "OverrideFromHeaders")]
pub struct OverrideFromHeaders {
    /// The header (for AWS: the prefix of three); each type has a default.
    pub header: Option<String>,
    /// Uses the configured credential where the client brings none; otherwise that is a 401.
    #[serde(default = "yes")]
    pub fallback_to_configured: bool,
}

/// A credential in metadata that another filter set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "OverrideFromMetadata")]
pub struct OverrideFromMetadata {
    /// The namespace of the metadata.
    pub namespace: String,
    /// The key in it; each type has a default.
    pub key: Option<String>,
    /// Uses the configured credential where there is none; otherwise that is a 401.
    #[serde(default = "yes")]
    pub fallback_to_configured: bool,
}

fn default_profile() -> String {
    "default".to_owned()
}

fn yes() -> bool {
    true
}
