//! The kinds, one type each: the `spec` (or, for core kinds that have none, the object's own fields).

mod ai;
mod backend_settings;
mod backend_traffic;
mod client_heads;
mod client_tls;
mod client_traffic;
mod common;
mod core;
mod credentials;
mod envoy_gateway;
mod envoy_proxy;
mod gateway;
mod health_check;
mod http_route;
mod load_balancer;
mod policy;
mod quota;
mod rate_limit;
mod security;

pub use self::{
    ai::{
        AiBackendRef, AiGatewayRoute, AiGatewayRouteRule, AiRouteMatch, AiServiceBackend, ExtProcContainer,
        ForwardProxy, GatewayConfig, GatewayConfigExtProc, VersionedSchema,
    },
    backend_settings::{
        BackOff, BackendConnection, BackendHttpTimeouts, BackendProxyProtocol, BackendTcpTimeout,
        BackendTimeouts, CircuitBreaker, DnsSettings, Http2Keepalive, Http2Settings, InvalidMessageAction,
        LookupFamily, PerEndpoint, PerRetry, PolicyRetry, Preconnect, ProxyProtocolVersion, RetryBudget,
        RetryOn, RetryTrigger, TcpKeepalive,
    },
    backend_traffic::{
        AdmissionControl, BackendTrafficPolicy, Bandwidth, BandwidthLimit, BandwidthUnit, Compressor,
        CompressorType, FaultAbort, FaultDelay, FaultInjection, HttpConnect, HttpSuccess, HttpUpgrade,
        OverrideRedirect, OverrideResponse, RequestBandwidth, RequestBuffer, ResponseBandwidth,
        ResponseMatch, ResponseOverride, ResponseSource, RoutingType, StatusCodeMatch, StatusCodeMatchType,
        StatusCodeRange, SuccessCriteria,
    },
    client_heads::{
        CertDetail, ClientIpDetection, ClientIpHeader, EscapedSlashesAction, ForwardedCertMode, HeaderFilter,
        HeaderSettings, HostSettings, PathSettings, RequestIdAction, StringMatch, StringMatchType, Switch,
        UnderscoresAction, XForwardedClientCert, XForwardedFor,
    },
    client_tls::{
        ClientAltNames, ClientTlsSettings, ClientValidation, ClientValidationMode, OtherName,
        RevocationLists, TlsFingerprint, TlsResumption, TlsSession,
    },
    client_traffic::{
        ClientConnection, ClientGrpc, ClientHealthCheck, ClientHttp1, ClientHttp10, ClientHttpTimeout,
        ClientProxyProtocol, ClientTcpTimeout, ClientTimeout, ClientTrafficPolicy, ConnectionLimit,
        SchemeTransform,
    },
    common::{
        BackendObjectRef, BodyField, BodyMutation, HeaderMatch, HeaderMutation, HttpHeader, LabelOperator,
        LabelRequirement, LabelSelector, LlmRequestCost, LlmRequestCostType, LocalObjectRef, MatchType,
        ObjectReference, ParentRef, SecretRef,
    },
    core::{
        AddressType, ConfigMapData, Endpoint, EndpointConditions, EndpointPort, EndpointSlice, Namespace,
        PortRef, SecretData, Service, ServicePort,
    },
    credentials::{
        AiTargetRef, ApiKeyCredential, AwsCredentials, AwsCredentialsFile, AwsOidcExchangeToken,
        AzureCredentials, BackendSecurityPolicy, BackendSecurityPolicyType, CredentialOverride,
        ForwardIdToken, GcpCredentials, GcpCredentialsFile, GcpServiceAccountImpersonation,
        GcpWorkloadIdentityFederation, Oidc, OidcExchangeToken, OidcProvider, OverrideFromHeaders,
        OverrideFromMetadata,
    },
    envoy_gateway::{
        Backend, BackendAppProtocol, BackendEndpoint, BackendTls, BackendTlsPolicy, BackendTlsValidation,
        BackendType, CookieMatch, CredentialInjection, DirectResponse, DirectResponseBody, FilterMatch,
        FilterPathModifier, FilterPathModifierType, FilterUrlRewrite, FqdnEndpoint, HostnameModifier,
        HostnameModifierType, HttpRouteFilter, InjectedCredential, IpEndpoint, PolicyTargetRef, ReplaceRegex,
        SubjectAltName, SubjectAltNameType, TlsVersion, UnixEndpoint, ValueSource, WellKnownCaCertificates,
    },
    envoy_proxy::{
        AccessLog, AccessLogFile, AccessLogFormat, AccessLogFormatType, AccessLogSetting, AccessLogSink,
        AccessLogSinkType, AccessLogType, EnvoyDaemonSet, EnvoyDeployment, EnvoyPod, EnvoyProxy,
        EnvoyProxyKubernetes, EnvoyProxyLogLevel, EnvoyProxyLogging, EnvoyProxyMetrics, EnvoyProxyPrometheus,
        EnvoyProxyProvider, EnvoyProxyProviderType, EnvoyProxyShutdown, EnvoyProxyTelemetry, IpFamily,
        MetricSink, MetricSinkType, OpenTelemetryMetricSink, OpenTelemetrySink, SinkHeader,
    },
    gateway::{
        AllowedListeners, AllowedRoutes, ClientCertificateMode, FromNamespaces, FrontendTls, FrontendTlsPort,
        FrontendValidation, Gateway, GatewayAddress, GatewayBackendTls, GatewayClass, GatewayFrontendTls,
        GatewayInfrastructure, GatewayTls, GrantFrom, GrantTo, Listener, ListenerTls, Party, ReferenceGrant,
        RouteGroupKind, RouteNamespaces, TlsMode,
    },
    health_check::{
        ActiveHealthCheck, GrpcHealthCheck, HealthCheck, HealthCheckOverrides, HealthCheckPayload,
        HealthCheckType, HttpHealthCheck, PassiveHealthCheck, PayloadType, TcpHealthCheck,
    },
    http_route::{
        Cors, Fraction, HeaderModifier, HttpBackendRef, HttpMethod, HttpRoute, HttpRouteFilterType,
        HttpRouteMatch, HttpRouteRetry, HttpRouteRule, HttpRouteRuleFilter, HttpRouteTimeouts, PathMatch,
        PathMatchType, PathModifier, PathModifierType, QueryParamMatch, RedirectScheme, RequestMirror,
        RequestRedirect, UrlRewrite,
    },
    load_balancer::{
        ConsistentHash, ConsistentHashType, EndpointOverride, ForceLocalZone, HashCookie, HashName,
        LoadBalancer, LoadBalancerType, OverrideSource, PreferLocal, SlowStart, WeightedZone, ZoneAware,
    },
    policy::{
        MergeType, PolicyTarget, PolicyTargets, TargetNamespaces, TargetNamespacesFrom, TargetSelector,
    },
    quota::{
        ModelQuota, PerModelQuota, QuotaDuration, QuotaMode, QuotaPolicy, QuotaRule, QuotaValue, ServiceQuota,
    },
    rate_limit::{
        GlobalRateLimit, LocalRateLimit, MetadataKey, RateLimit, RateLimitCost, RateLimitCostFrom,
        RateLimitCostSource, RateLimitHeaderMatch, RateLimitHeaders, RateLimitMatchType,
        RateLimitMethodMatch, RateLimitQueryMatch, RateLimitRule, RateLimitSelector, RateLimitType,
        RateLimitUnit, RateLimitValue, SourceCidr, SourceCidrType,
    },
    security::{
        ApiKeyAuth, Authorization, AuthorizationAction, AuthorizationOperation, AuthorizationPrincipal,
        AuthorizationRule, BasicAuth, BodyToExtAuth, ClaimToHeader, ContextExtension, ContextValueRef,
        ExtAuth, ExtAuthService, ExtractFrom, HeaderPrincipal, HttpExtAuth, JwksSource, JwtAuth, JwtClaim,
        JwtClaimType, JwtExtractor, JwtHeader, JwtPrincipal, JwtProvider, LocalJwks, PolicyCors,
        PolicyPathMatch, PolicyPathMatchType, RemoteJwks, SecurityPolicy,
    },
};

pub(crate) use self::ai::api_schema_names;

/// An object of a kind that is known and not served yet, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Unserved {
    /// API group; empty is core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Its `spec`; null where it has none.
    pub spec: serde_json::Value,
}
