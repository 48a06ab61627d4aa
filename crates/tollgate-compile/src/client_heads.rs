use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use tollgate_resources::{
    CertDetail, EscapedSlashesAction, ForwardedCertMode, HeaderFilter, HeaderSettings, HttpHeader,
    PathSettings, RequestIdAction, StringMatch, StringMatchType, UnderscoresAction, XForwardedClientCert,
};
use tollgate_snapshot::{
    CertificateDetails, ClientHeaderEdit, EscapedSlashes, ForwardedCertificate, HeadRules, HeaderEdit,
    NameMatch, Problem, RequestIds, Underscores,
};

use crate::{
    Fault,
    matches::{header_name, whole},
    notes::{At, Notes},
};

pub(crate) fn paths(made: &mut HeadRules, spec: PathSettings) {
    let PathSettings { escaped_slashes_action, disable_merge_slashes } = spec;
    made.merge_slashes = !disable_merge_slashes;
    made.escaped_slashes = match escaped_slashes_action {
        EscapedSlashesAction::KeepUnchanged => EscapedSlashes::Keep,
        EscapedSlashesAction::RejectRequest => EscapedSlashes::Reject,
        EscapedSlashesAction::UnescapeAndForward => EscapedSlashes::Unescape,
        EscapedSlashesAction::UnescapeAndRedirect => EscapedSlashes::Redirect,
    };
}

pub(crate) fn headers(
    made: &mut HeadRules,
    spec: &HeaderSettings,
    at: &At<'_>,
    notes: &mut Notes,
) -> Result<(), Arc<Problem>> {
    let HeaderSettings {
        enable_envoy_headers,
        disable_rate_limit_headers,
        x_forwarded_client_cert,
        with_underscores_action,
        preserve_x_request_id,
        request_id,
        early_request_headers,
        late_response_headers,
        host,
        max_request_header_limit,
    } = spec;
    made.envoy_headers = *enable_envoy_headers;
    if *enable_envoy_headers {
        notes.info(&at.to(".enableEnvoyHeaders"), Fault::not_served("headers.enableEnvoyHeaders"));
    }
    made.rate_limit_headers = !disable_rate_limit_headers;
    made.certificate = x_forwarded_client_cert.as_ref().map_or_else(Default::default, certificate);
    made.underscores = match with_underscores_action {
        UnderscoresAction::Allow => Underscores::Allow,
        UnderscoresAction::RejectRequest => Underscores::Reject,
        UnderscoresAction::DropHeader => Underscores::Drop,
    };
    made.request_ids = match (request_id, preserve_x_request_id) {
        (Some(RequestIdAction::PreserveOrGenerate), _) | (None, Some(true)) => RequestIds::PreserveOrGenerate,
        (Some(RequestIdAction::Preserve), _) => RequestIds::Preserve,
        (Some(RequestIdAction::Generate), _) | (None, Some(false) | None) => RequestIds::Generate,
        (Some(RequestIdAction::Disable), _) => RequestIds::Disable,
    };
    made.strip_trailing_dot = host.is_some_and(|host| host.strip_trailing_host_dot);
    made.max_bytes = max_request_header_limit.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
    for (field, filter, made) in [
        (".earlyRequestHeaders", early_request_headers, &mut made.early),
        (".lateResponseHeaders", late_response_headers, &mut made.late),
    ] {
        if let Some(filter) = filter {
            *made = edit(filter).map_err(|fault| notes.error(&at.to(field), fault))?;
        }
    }
    Ok(())
}

fn certificate(spec: &XForwardedClientCert) -> ForwardedCertificate {
    let XForwardedClientCert { mode, cert_details_to_add } = spec;
    let tells = |detail| cert_details_to_add.contains(&detail);
    let details = CertificateDetails {
        subject: tells(CertDetail::Subject),
        certificate: tells(CertDetail::Cert),
        chain: tells(CertDetail::Chain),
        dns: tells(CertDetail::Dns),
        uri: tells(CertDetail::Uri),
    };
    match mode {
        ForwardedCertMode::Sanitize => ForwardedCertificate::Sanitize,
        ForwardedCertMode::ForwardOnly => ForwardedCertificate::ForwardOnly,
        ForwardedCertMode::AppendForward => ForwardedCertificate::AppendForward(details),
        ForwardedCertMode::SanitizeSet => ForwardedCertificate::SanitizeSet(details),
        ForwardedCertMode::AlwaysForwardOnly => ForwardedCertificate::AlwaysForward,
    }
}

fn edit(spec: &HeaderFilter) -> Result<ClientHeaderEdit, Fault> {
    let HeaderFilter { set, add, add_if_absent, remove, remove_on_match } = spec;
    Ok(ClientHeaderEdit {
        edit: HeaderEdit {
            set: pairs(set)?,
            add: pairs(add)?,
            remove: remove.iter().map(|name| header_name(name)).collect::<Result<_, _>>()?,
        },
        add_if_absent: pairs(add_if_absent)?,
        remove_matching: remove_on_match.iter().map(name_match).collect::<Result<_, _>>()?,
    })
}

fn pairs(headers: &[HttpHeader]) -> Result<Vec<(HeaderName, HeaderValue)>, Fault> {
    let pair = |HttpHeader { name, value }: &HttpHeader| {
        // The value is not shown: it may be a credential.
        let message = || format!("the value of header {name} cannot stand in a header");
        let value =
            HeaderValue::from_str(value).map_err(|_| Fault::new("invalid-header-value", message()))?;
        Ok((header_name(name)?, value))
    };
    headers.iter().map(pair).collect()
}

fn name_match(spec: &StringMatch) -> Result<NameMatch, Fault> {
    let StringMatch { match_type, value } = spec;
    let lower = || value.to_ascii_lowercase().into();
    Ok(match match_type {
        StringMatchType::Exact => NameMatch::Exact(lower()),
        StringMatchType::Prefix => NameMatch::Prefix(lower()),
        StringMatchType::Suffix => NameMatch::Suffix(lower()),
        StringMatchType::RegularExpression => NameMatch::Regex(whole(value)?),
    })
}
