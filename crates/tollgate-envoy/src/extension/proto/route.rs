//! What routes say.
use super::{Any, BoolValue, Duration, Empty, MetadataKey, UInt32Value, UInt64Value};

messages! {
    /// `envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute`
    ExtProcPerRoute {
        disabled: bool = [bool, tag = "1"],
        overrides: Option<Empty> = [message, optional, tag = "2"],
    }
    /// `envoy.config.route.v3.FilterConfig`
    FilterConfig {
        config: Option<Any> = [message, optional, tag = "1"],
    }
    /// `envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute`
    RateLimitPerRoute {
        rate_limits: Vec<RateLimit> = [message, repeated, tag = "3"],
        domain: String = [string, tag = "4"],
    }
    /// `envoy.config.route.v3.RateLimit`
    RateLimit {
        actions: Vec<Action> = [message, repeated, tag = "3"],
        hits_addend: Option<HitsAddend> = [message, optional, tag = "5"],
        apply_on_stream_done: bool = [bool, tag = "6"],
    }
    /// `envoy.config.route.v3.RateLimit.HitsAddend`
    HitsAddend {
        number: Option<UInt64Value> = [message, optional, tag = "1"],
        format: String = [string, tag = "2"],
    }
    /// `envoy.config.route.v3.RateLimit.Action`; one of its fields
    Action {
        request_headers: Option<RequestHeaders> = [message, optional, tag = "3"],
        generic_key: Option<GenericKey> = [message, optional, tag = "5"],
        header_value_match: Option<HeaderValueMatch> = [message, optional, tag = "6"],
        metadata: Option<MetadataAction> = [message, optional, tag = "8"],
    }
    /// `envoy.config.route.v3.RateLimit.Action.RequestHeaders`
    RequestHeaders {
        header_name: String = [string, tag = "1"],
        descriptor_key: String = [string, tag = "2"],
    }
    /// `envoy.config.route.v3.RateLimit.Action.GenericKey`
    GenericKey {
        descriptor_value: String = [string, tag = "1"],
        descriptor_key: String = [string, tag = "2"],
    }
    /// `envoy.config.route.v3.RateLimit.Action.HeaderValueMatch`
    HeaderValueMatch {
        descriptor_value: String = [string, tag = "1"],
        expect_match: Option<BoolValue> = [message, optional, tag = "2"],
        headers: Vec<HeaderMatcher> = [message, repeated, tag = "3"],
        descriptor_key: String = [string, tag = "4"],
    }
    /// `envoy.config.route.v3.RateLimit.Action.MetaData`, of the request
    MetadataAction {
        descriptor_key: String = [string, tag = "1"],
        metadata_key: Option<MetadataKey> = [message, optional, tag = "2"],
    }
    /// `envoy.config.route.v3.RouteMatch`
    RouteMatch {
        headers: Vec<HeaderMatcher> = [message, repeated, tag = "6"],
        safe_regex: Option<RegexMatcher> = [message, optional, tag = "10"],
    }
    /// `envoy.config.route.v3.HeaderMatcher`
    HeaderMatcher {
        name: String = [string, tag = "1"],
        present_match: Option<bool> = [bool, optional, tag = "7"],
        invert_match: bool = [bool, tag = "8"],
        string_match: Option<StringMatcher> = [message, optional, tag = "13"],
    }
    /// `envoy.type.matcher.v3.StringMatcher`; its first and its third are one of its fields
    StringMatcher {
        exact: Option<String> = [string, optional, tag = "1"],
        ignore_case: bool = [bool, tag = "6"],
        safe_regex: Option<RegexMatcher> = [message, optional, tag = "5"],
    }
    /// `envoy.type.matcher.v3.RegexMatcher`
    RegexMatcher {
        regex: String = [string, tag = "2"],
    }
    /// `envoy.config.route.v3.RetryPolicy`
    RetryPolicy {
        retry_on: String = [string, tag = "1"],
        num_retries: Option<UInt32Value> = [message, optional, tag = "2"],
        per_try_timeout: Option<Duration> = [message, optional, tag = "3"],
        retry_priority: Option<RetryPlugin> = [message, optional, tag = "4"],
        retry_host_predicate: Vec<RetryPlugin> = [message, repeated, tag = "5"],
        host_selection_retry_max_attempts: i64 = [int64, tag = "6"],
        retriable_status_codes: Vec<u32> = [uint32, repeated, tag = "7"],
        retry_back_off: Option<RetryBackOff> = [message, optional, tag = "8"],
    }
    /// `envoy.config.route.v3.RetryPolicy.RetryPriority` and `RetryHostPredicate`
    RetryPlugin {
        name: String = [string, tag = "1"],
        typed_config: Option<Any> = [message, optional, tag = "3"],
    }
    /// `envoy.config.route.v3.RetryPolicy.RetryBackOff`
    RetryBackOff {
        base_interval: Option<Duration> = [message, optional, tag = "1"],
        max_interval: Option<Duration> = [message, optional, tag = "2"],
    }
    /// `envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig`
    PreviousPriorities {
        update_frequency: i32 = [int32, tag = "1"],
    }
    /// `envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate`, nothing set
    PreviousHosts {}
}
