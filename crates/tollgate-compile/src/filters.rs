use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use regex::Regex;
use tollgate_resources::{
    CredentialInjection, DirectResponse as DirectSpec, FilterMatch, FilterUrlRewrite, HostnameModifierType,
    HttpRouteFilter, HttpRouteFilterType, HttpRouteRuleFilter, LocalObjectRef, Object, PathModifier,
    RedirectScheme, ReplaceRegex, RequestMirror, RequestRedirect, UrlRewrite as RewriteSpec,
};
use tollgate_snapshot::{
    DirectResponse, Filter, ForwardedHost, HeaderEdit, HostRewrite, Mirror, PathRewrite, Problem, Redirect,
    UrlRewrite,
};

use crate::{
    Fault, bodies,
    grants::Party,
    matches, mutations,
    notes::At,
    tls::keys_of,
    work::Work,
    world::{World, group},
};

/// What the filters of a rule come to.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    pub(crate) filters: Vec<Filter>,
    /// An answer that needs no backend.
    pub(crate) answer: Option<Answer>,
    /// Alternatives that narrow the rule's matches.
    pub(crate) narrow: Vec<FilterMatch>,
}

/// An answer that needs no backend.
#[derive(Debug)]
pub(crate) enum Answer {
    Redirect(Redirect),
    Direct(DirectResponse),
}

/// Where filters stand.
#[derive(Clone, Debug)]
pub(crate) struct Scope<'a> {
    /// The list of filters.
    pub(crate) at: At<'a>,
    /// The route's namespace.
    pub(crate) namespace: &'a str,
    /// The path prefix of the rule, where it has one match and that is a prefix.
    pub(crate) prefix: Option<String>,
}

/// The key under which an HTTPRouteFilter finds a credential in a Secret.
const CREDENTIAL_KEY: &str = "credential";

/// Reads filters. One that cannot be applied breaks the whole list: leaving it out would change what is asked for.
pub(crate) fn filters(
    specs: &[HttpRouteRuleFilter],
    scope: &Scope<'_>,
    work: &mut Work<'_>,
) -> Result<Filters, Arc<Problem>> {
    let mut this = Filters::default();
    for (i, spec) in specs.iter().enumerate() {
        let at = scope.at.to(format!("[{i}]"));
        if let Err(fault) = this.take(spec, scope, &at, work) {
            return Err(work.notes.error(&at, fault));
        }
    }
    if this.answer.is_some() && this.filters.iter().any(|filter| matches!(filter, Filter::Mirror(_))) {
        let fault = Fault::new("incompatible-filters", "a request that is answered here cannot be mirrored");
        return Err(work.notes.error(&scope.at, fault));
    }
    Ok(this)
}

// === impl Filters ===

impl Filters {
    fn take(
        &mut self,
        spec: &HttpRouteRuleFilter,
        scope: &Scope<'_>,
        at: &At<'_>,
        work: &mut Work<'_>,
    ) -> Result<(), Fault> {
        let HttpRouteRuleFilter {
            filter_type,
            request_header_modifier,
            response_header_modifier,
            request_mirror,
            request_redirect,
            url_rewrite,
            cors: _,
            external_auth: _,
            extension_ref,
        } = spec;
        let missing = || Fault::new("incompatible-filters", format!("the filter has no {filter_type:?}"));
        match filter_type {
            HttpRouteFilterType::RequestHeaderModifier => {
                let modifier = request_header_modifier.as_ref().ok_or_else(missing)?;
                let edit = mutations::edit(modifier, &at.to(".requestHeaderModifier"), &mut work.notes);
                self.filters.push(Filter::RequestHeaders(edit));
            }
            HttpRouteFilterType::ResponseHeaderModifier => {
                let modifier = response_header_modifier.as_ref().ok_or_else(missing)?;
                let edit = mutations::edit(modifier, &at.to(".responseHeaderModifier"), &mut work.notes);
                self.filters.push(Filter::ResponseHeaders(edit));
            }
            HttpRouteFilterType::RequestMirror => {
                let mirror = request_mirror.as_ref().ok_or_else(missing)?;
                self.filters.push(Filter::Mirror(self::mirror(mirror, scope, at, work)));
            }
            HttpRouteFilterType::RequestRedirect => {
                let spec = request_redirect.as_ref().ok_or_else(missing)?;
                self.answer = Some(Answer::Redirect(redirect(spec, scope)?));
            }
            HttpRouteFilterType::UrlRewrite => {
                let spec = url_rewrite.as_ref().ok_or_else(missing)?;
                self.filters.push(Filter::Rewrite(rewrite(spec, scope)?));
            }
            HttpRouteFilterType::Cors => return Err(Fault::not_served("filter CORS")),
            HttpRouteFilterType::ExternalAuth => return Err(Fault::not_served("filter ExternalAuth")),
            HttpRouteFilterType::ExtensionRef => {
                self.extend(extension_ref.as_ref().ok_or_else(missing)?, scope, work)?;
            }
        }
        Ok(())
    }

    /// Takes an HTTPRouteFilter.
    fn extend(
        &mut self,
        reference: &LocalObjectRef,
        scope: &Scope<'_>,
        work: &mut Work<'_>,
    ) -> Result<(), Fault> {
        let LocalObjectRef { group, kind, name } = reference;
        if group != group::ENVOY || kind != "HTTPRouteFilter" {
            return Err(Fault::new(
                "unknown-filter",
                format!("{kind} {name} of group {group:?} is no filter we know"),
            )
            .help("an extensionRef may name an HTTPRouteFilter of group gateway.envoyproxy.io"));
        }
        let object: &Object<HttpRouteFilter> = work.world.filters.get(scope.namespace, name)?;
        let HttpRouteFilter { url_rewrite, direct_response, credential_injection, matches } = &object.spec;
        let at = At::new(object, "spec");
        if let Some(spec) = url_rewrite {
            self.filters.push(Filter::Rewrite(envoy_rewrite(spec)?));
        }
        if let Some(spec) = direct_response {
            self.answer = Some(Answer::Direct(direct(spec, scope.namespace, &at, work)?));
        }
        if let Some(spec) = credential_injection {
            self.filters.push(injection(spec, scope.namespace, work.world)?);
        }
        if !matches.is_empty() {
            if !self.narrow.is_empty() {
                return Err(Fault::new(
                    "incompatible-filters",
                    "only one HTTPRouteFilter of a rule may have matches",
                ));
            }
            self.narrow.clone_from(matches);
        }
        Ok(())
    }
}

fn mirror(spec: &RequestMirror, scope: &Scope<'_>, at: &At<'_>, work: &mut Work<'_>) -> Mirror {
    let RequestMirror { backend_ref, percent, fraction } = spec;
    let from = Party { group: group::GATEWAY, kind: "HTTPRoute", namespace: scope.namespace };
    let backend = work.backends.plain(backend_ref, from, &Arc::default(), &mut work.notes);
    let backend = backend.map_err(|broken| work.notes.broken(&at.to(".requestMirror.backendRef"), broken));
    let per_million = match (percent, fraction) {
        (Some(percent), _) => u64::from(*percent) * 10_000,
        (None, Some(fraction)) => {
            u64::from(fraction.numerator) * 1_000_000 / u64::from(fraction.denominator.max(1))
        }
        (None, None) => 1_000_000,
    };
    Mirror { backend, per_million: u32::try_from(per_million.min(1_000_000)).unwrap_or(1_000_000) }
}

fn redirect(spec: &RequestRedirect, scope: &Scope<'_>) -> Result<Redirect, Fault> {
    let RequestRedirect { scheme, hostname, path, port, status_code } = spec;
    let scheme = scheme.map(|scheme| match scheme {
        RedirectScheme::Http => "http".into(),
        RedirectScheme::Https => "https".into(),
    });
    let path = path.as_ref().map(|path| path_rewrite(path, scope)).transpose()?;
    let status = StatusCode::from_u16(status_code.unwrap_or(302)).unwrap_or(StatusCode::FOUND);
    Ok(Redirect { scheme, hostname: hostname.as_deref().map(Into::into), path, port: *port, status })
}

fn rewrite(spec: &RewriteSpec, scope: &Scope<'_>) -> Result<UrlRewrite, Fault> {
    let RewriteSpec { hostname, path } = spec;
    let host = match hostname {
        Some(name) => Some(HostRewrite::To(
            HeaderValue::from_str(name)
                .map_err(|_| Fault::new("invalid-header-value", format!("{name:?} is no hostname")))?,
        )),
        None => None,
    };
    let path = path.as_ref().map(|path| path_rewrite(path, scope)).transpose()?;
    // Envoy Gateway keeps it for the core filter as well.
    Ok(UrlRewrite { host, path, forwarded: ForwardedHost::Append })
}

fn path_rewrite(spec: &PathModifier, scope: &Scope<'_>) -> Result<PathRewrite, Fault> {
    let PathModifier { modifier_type: _, replace_full_path, replace_prefix_match } = spec;
    match (replace_full_path, replace_prefix_match, &scope.prefix) {
        (Some(path), ..) => Ok(PathRewrite::Full(path.as_str().into())),
        (None, Some(with), Some(matched)) => {
            Ok(PathRewrite::Prefix { matched: matched.as_str().into(), with: with.as_str().into() })
        }
        (None, Some(_), None) => {
            let message = "replacePrefixMatch needs a rule with exactly one match, and that a PathPrefix";
            Err(Fault::new("incompatible-filters", message))
        }
        (None, None, _) => Err(Fault::new("incompatible-filters", "the path has no replacement")),
    }
}

fn envoy_rewrite(spec: &FilterUrlRewrite) -> Result<UrlRewrite, Fault> {
    let FilterUrlRewrite { hostname, path, append_x_forwarded_host } = spec;
    let host = match hostname {
        None => None,
        Some(modifier) => Some(match (modifier.modifier_type, &modifier.header) {
            (HostnameModifierType::Backend, _) => HostRewrite::Backend,
            (HostnameModifierType::Header, Some(name)) => {
                HostRewrite::FromHeader(matches::header_name(name)?)
            }
            (HostnameModifierType::Header, None) => {
                return Err(Fault::new("incompatible-filters", "hostname type Header has no header"));
            }
            (HostnameModifierType::PathRegex, _) => return Err(Fault::not_served("hostname type PathRegex")),
        }),
    };
    let path = match path.as_ref().and_then(|path| path.replace_regex_match.as_ref()) {
        Some(ReplaceRegex { pattern, substitution }) => {
            let pattern: Regex = matches::partial(pattern)?;
            Some(PathRewrite::Regex { pattern, with: substitution_of(substitution).into() })
        }
        None => None,
    };
    let forwarded = match append_x_forwarded_host {
        true => ForwardedHost::Append,
        false => ForwardedHost::Leave,
    };
    Ok(UrlRewrite { host, path, forwarded })
}

/// RE2's `\1` in the notation of the `regex` crate; `$` stands for itself.
fn substitution_of(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('$', _) => out.push_str("$$"),
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                chars.next();
                out.push_str(&format!("${{{digit}}}"));
            }
            ('\\', Some('\\')) => {
                chars.next();
                out.push('\\');
            }
            (c, _) => out.push(c),
        }
    }
    out
}

fn direct(
    spec: &DirectSpec,
    namespace: &str,
    at: &At<'_>,
    work: &mut Work<'_>,
) -> Result<DirectResponse, Fault> {
    let DirectSpec { status_code, content_type, body, header } = spec;
    let status = StatusCode::from_u16(status_code.unwrap_or(200))
        .map_err(|_| Fault::new("invalid-status", "statusCode is no HTTP status"))?;
    let mut headers = match header {
        Some(modifier) => mutations::edit(modifier, &at.to(".directResponse.header"), &mut work.notes),
        None => HeaderEdit::default(),
    };
    if let Some(content_type) = content_type {
        let value = HeaderValue::from_str(content_type).map_err(|_| {
            Fault::new("invalid-header-value", "contentType has characters that no header can carry")
        })?;
        headers.set.push((http::header::CONTENT_TYPE, value));
    }
    let body = match body {
        None => Bytes::new(),
        Some(spec) => bodies::body(spec, namespace, work.world)?,
    };
    Ok(DirectResponse { status, headers, body })
}

fn injection(spec: &CredentialInjection, namespace: &str, world: &World<'_>) -> Result<Filter, Fault> {
    let CredentialInjection { header, overwrite, credential } = spec;
    let secret = &credential.value_ref;
    let from = Party { group: group::ENVOY, kind: "HTTPRouteFilter", namespace };
    let to = secret.namespace.as_deref().unwrap_or(namespace);
    let object = world.secrets.get(to, &secret.name)?;
    world.grants.check(from, Party { group: group::CORE, kind: "Secret", namespace: to }, &secret.name)?;
    let value = object.spec.data.get(CREDENTIAL_KEY).ok_or_else(|| {
        Fault::new("secret-key-not-found", format!("Secret {to}/{} has no key {CREDENTIAL_KEY}", secret.name))
            .help(keys_of(&object.spec))
    })?;
    let mut value = HeaderValue::from_bytes(value.expose().trim_ascii()).map_err(|_| {
        let message = format!(
            "{CREDENTIAL_KEY} of Secret {to}/{} has characters that no header can carry",
            secret.name
        );
        Fault::new("invalid-key", message)
    })?;
    value.set_sensitive(true);
    let name = header.as_deref().unwrap_or("authorization").to_ascii_lowercase();
    let name = matches::header_name(&name)?;
    Ok(match overwrite {
        true => Filter::RequestHeaders(HeaderEdit { set: vec![(name, value)], ..HeaderEdit::default() }),
        false => Filter::DefaultHeader(name, value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_a_substitution_change_notation_and_dollars_stay() {
        assert_eq!(substitution_of(r"/v2/\1$\\x"), r"/v2/${1}$$\x");
    }
}
