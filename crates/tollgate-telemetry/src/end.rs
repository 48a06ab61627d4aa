use tollgate_auth::Unsigned;
use tollgate_core::{End, Failure, Record, Refusal, Settled};
use tollgate_llm::Fault;

/// A stable word for how a request ended; refusals give their own kind.
pub(crate) fn word(end: &End) -> &'static str {
    match end {
        End::Complete => "complete",
        End::Local => "local",
        End::Refused(refusal) => refusal.kind(),
        End::ClientGone => "client_gone",
        End::UpstreamBroke(_) => "upstream_broke",
        End::Deadline => "deadline",
        End::Drained => "drained",
    }
}

/// Envoy's response flag, or `-`, so that what reads Envoy's logs reads ours.
pub(crate) fn flags(settled: &Settled) -> &'static str {
    match &settled.end {
        End::Complete | End::Local => "-",
        End::Refused(refusal) => refused(refusal, &settled.record),
        End::ClientGone => "DC",
        End::UpstreamBroke(failure) => broken(failure),
        End::Deadline => "UT",
        End::Drained => "LR",
    }
}

fn refused(refusal: &Refusal, record: &Record) -> &'static str {
    match refusal {
        Refusal::NoRoute(_) | Refusal::NoModel(_) | Refusal::Misdirected(_) => "NR",
        Refusal::MethodNotAllowed(_)
        | Refusal::BadRequest(_)
        | Refusal::Encoded(_)
        | Refusal::NoUpgrade(_)
        | Refusal::Shed
        | Refusal::TooLarge(_)
        | Refusal::Untranslatable(_)
        | Refusal::Unsigned(Unsigned::Missing | Unsigned::Partial) => "-",
        Refusal::Denied(_) | Refusal::Vetoed(_) | Refusal::Unvetted(_) => "UAEX",
        Refusal::Limited(_) => "RL",
        Refusal::Uncounted => "RLSE",
        Refusal::SlowBody(_) | Refusal::LateBody => "DT",
        Refusal::BrokenBody | Refusal::BadHost(_) | Refusal::BadHead(_) => "DPE",
        Refusal::Broken(_) => "NC",
        Refusal::Injected(_) => "FI",
        Refusal::NoEndpoints | Refusal::Unsigned(Unsigned::NotFetched(_) | Unsigned::Unusable) => "UH",
        Refusal::Upstream(failure) if record.attempts.len() < 2 => broken(failure),
        Refusal::Upstream(failure) => match broken(failure) {
            "DF" => "DF,URX",
            "UF" => "UF,URX",
            "UC" => "UC,URX",
            "UR" => "UR,URX",
            "UT" => "UT,URX",
            "SI" => "SI,URX",
            "UO" => "UO,URX",
            "UPE" => "UPE,URX",
            _ => "URX",
        },
        Refusal::Deadline(_) => "UT",
    }
}

/// The same flags as words, as Envoy has them.
pub(crate) fn long_flags(flags: &'static str) -> &'static str {
    match flags {
        "DC" => "DownstreamConnectionTermination",
        "DF" => "DnsResolutionFailed",
        "DF,URX" => "DnsResolutionFailed,UpstreamRetryLimitExceeded",
        "DPE" => "DownstreamProtocolError",
        "DT" => "DurationTimeout",
        "LR" => "LocalReset",
        "NC" => "NoClusterFound",
        "NR" => "NoRouteFound",
        "RL" => "RateLimited",
        "SI" => "StreamIdleTimeout",
        "SI,URX" => "StreamIdleTimeout,UpstreamRetryLimitExceeded",
        "UAEX" => "UnauthorizedExternalService",
        "UC" => "UpstreamConnectionTermination",
        "UC,URX" => "UpstreamConnectionTermination,UpstreamRetryLimitExceeded",
        "UF" => "UpstreamConnectionFailure",
        "UF,URX" => "UpstreamConnectionFailure,UpstreamRetryLimitExceeded",
        "UH" => "NoHealthyUpstream",
        "UO" => "UpstreamOverflow",
        "UO,URX" => "UpstreamOverflow,UpstreamRetryLimitExceeded",
        "UPE" => "UpstreamProtocolError",
        "UPE,URX" => "UpstreamProtocolError,UpstreamRetryLimitExceeded",
        "UR" => "UpstreamRemoteReset",
        "UR,URX" => "UpstreamRemoteReset,UpstreamRetryLimitExceeded",
        "URX" => "UpstreamRetryLimitExceeded",
        "UT" => "UpstreamRequestTimeout",
        "UT,URX" => "UpstreamRequestTimeout,UpstreamRetryLimitExceeded",
        other => other,
    }
}

const fn broken(failure: &Failure) -> &'static str {
    match failure {
        Failure::Dns(_) => "DF",
        Failure::Connect(_) | Failure::ConnectTimeout | Failure::Tls(_) => "UF",
        Failure::Reset => "UC",
        Failure::Refused | Failure::ResetMidway => "UR",
        Failure::Silent(_) => "UT",
        Failure::Stalled(_) => "SI",
        Failure::Overflow => "UO",
        Failure::Protocol(_) | Failure::Reply(_) => "UPE",
    }
}

/// What may be told of a failure. The words of a provider may quote a key or a prompt, so they stay inside.
pub(crate) fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Reply(
            Fault::ErrorInReply(_) | Fault::Malformed(_) | Fault::Truncated | Fault::TooLarge(_),
        ) => failure.word().to_owned(),
        Failure::Dns(_)
        | Failure::Connect(_)
        | Failure::ConnectTimeout
        | Failure::Tls(_)
        | Failure::Reset
        | Failure::Refused
        | Failure::ResetMidway
        | Failure::Protocol(_)
        | Failure::Silent(_)
        | Failure::Stalled(_)
        | Failure::Overflow => failure.to_string(),
    }
}

/// What may be told of an end that is no success.
pub(crate) fn detail(settled: &Settled) -> Option<String> {
    match &settled.end {
        End::Complete | End::Local => None,
        End::Refused(Refusal::Upstream(failure)) | End::UpstreamBroke(failure) => Some(reason(failure)),
        End::Refused(refusal) => Some(refusal.to_string()),
        End::ClientGone => Some("the client went away".to_owned()),
        End::Deadline => Some("the request timeout passed in the middle of the reply".to_owned()),
        End::Drained => Some("the gateway shut down".to_owned()),
    }
}
