use std::collections::HashSet;

use super::{
    Rules,
    shared::{backend_object_ref, headers, local_ref, names},
    text,
};
use crate::kinds::{
    Cors, HeaderModifier, HttpRouteFilterType as Type, HttpRouteRuleFilter, PathModifier, PathModifierType,
    RequestMirror, RequestRedirect, UrlRewrite,
};

/// Where a list of filters stands: replacing a prefix needs one to have matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// The rule has one match, and that is on a prefix.
    UnderOnePrefix,
    Elsewhere,
}

pub(crate) fn list(rules: &mut Rules, filters: &[HttpRouteRuleFilter], placement: Placement) {
    rules.count("filters", filters.len(), 0..=16);
    let mut seen = HashSet::new();
    rules.each("filters", filters, |rules, filter| {
        let repeatable = matches!(filter.filter_type, Type::RequestMirror | Type::ExtensionRef);
        let first = seen.insert(filter.filter_type);
        let message = "a filter of this type stands here twice";
        rules.demand(repeatable || first, "repeated-filter", ("type", message));
        one(rules, filter, placement);
    });
    let clash = seen.contains(&Type::RequestRedirect) && seen.contains(&Type::UrlRewrite);
    rules.demand(
        !clash,
        "redirect-with-rewrite",
        ("filters", "RequestRedirect and URLRewrite exclude each other"),
    );
}

const fn member_of(filter_type: Type) -> &'static str {
    match filter_type {
        Type::RequestHeaderModifier => "requestHeaderModifier",
        Type::ResponseHeaderModifier => "responseHeaderModifier",
        Type::RequestMirror => "requestMirror",
        Type::RequestRedirect => "requestRedirect",
        Type::UrlRewrite => "urlRewrite",
        Type::Cors => "cors",
        Type::ExternalAuth => "externalAuth",
        Type::ExtensionRef => "extensionRef",
    }
}

fn one(rules: &mut Rules, filter: &HttpRouteRuleFilter, placement: Placement) {
    let HttpRouteRuleFilter {
        filter_type,
        request_header_modifier,
        response_header_modifier,
        request_mirror,
        request_redirect,
        url_rewrite,
        cors,
        external_auth,
        extension_ref,
    } = filter;
    let members = [
        ("requestHeaderModifier", request_header_modifier.is_some()),
        ("responseHeaderModifier", response_header_modifier.is_some()),
        ("requestMirror", request_mirror.is_some()),
        ("requestRedirect", request_redirect.is_some()),
        ("urlRewrite", url_rewrite.is_some()),
        ("cors", cors.is_some()),
        ("externalAuth", external_auth.is_some()),
        ("extensionRef", extension_ref.is_some()),
    ];
    let wanted = member_of(*filter_type);
    for (member, given) in members {
        if member == wanted && !given {
            rules.broken("missing-filter-member", "", format!("a filter of this type needs `{member}`"));
        } else if member != wanted && given {
            let message =
                format!("`{member}` does not belong to a filter of this type: expected `{wanted}` only");
            rules.broken("extra-filter-member", member, message);
        }
    }
    rules.optional("requestHeaderModifier", request_header_modifier.as_ref(), header_modifier);
    rules.optional("responseHeaderModifier", response_header_modifier.as_ref(), header_modifier);
    rules.optional("requestMirror", request_mirror.as_ref(), mirror);
    rules.optional("requestRedirect", request_redirect.as_ref(), |rules, it| redirect(rules, it, placement));
    rules.optional("urlRewrite", url_rewrite.as_ref(), |rules, it| rewrite(rules, it, placement));
    rules.optional("cors", cors.as_ref(), cors_rules);
    rules.optional("extensionRef", extension_ref.as_ref(), local_ref);
}

pub(crate) fn header_modifier(rules: &mut Rules, modifier: &HeaderModifier) {
    let HeaderModifier { set, add, remove } = modifier;
    headers(rules, "set", set);
    headers(rules, "add", add);
    names(rules, "remove", remove);
}

fn mirror(rules: &mut Rules, mirror: &RequestMirror) {
    let RequestMirror { backend_ref, percent, fraction } = mirror;
    rules.field("backendRef", |rules| backend_object_ref(rules, backend_ref));
    let both = percent.is_some() && fraction.is_some();
    rules.demand(!both, "at-most-one-of", ("", "expected at most one of `percent` and `fraction`"));
    rules.range("percent", percent.unwrap_or(0), 0..=100);
    rules.optional("fraction", fraction.as_ref(), |rules, fraction| {
        rules.range("denominator", fraction.denominator, 1..=u32::MAX);
        rules.range("numerator", fraction.numerator, 0..=fraction.denominator);
    });
}

fn redirect(rules: &mut Rules, redirect: &RequestRedirect, placement: Placement) {
    let RequestRedirect { scheme: _, hostname, path, port, status_code } = redirect;
    precise_hostname(rules, hostname.as_ref());
    rules.optional("path", path.as_ref(), |rules, path| path_modifier(rules, path, placement));
    rules.port("port", *port);
    if let Some(code) = status_code.filter(|code| !matches!(code, 301 | 302 | 303 | 307 | 308)) {
        rules.broken(
            "invalid-status-code",
            "statusCode",
            format!("expected 301, 302, 303, 307 or 308, found {code}"),
        );
    }
}

fn rewrite(rules: &mut Rules, rewrite: &UrlRewrite, placement: Placement) {
    let UrlRewrite { hostname, path } = rewrite;
    precise_hostname(rules, hostname.as_ref());
    rules.optional("path", path.as_ref(), |rules, path| path_modifier(rules, path, placement));
}

fn precise_hostname(rules: &mut Rules, hostname: Option<&String>) {
    if let Some(name) = hostname {
        let expected = "a host such as api.example.com, in lower case and without `*`";
        rules.form("invalid-hostname", ("hostname", name), (text::is_subdomain(name), expected));
    }
}

fn path_modifier(rules: &mut Rules, path: &PathModifier, placement: Placement) {
    let PathModifier { modifier_type, replace_full_path, replace_prefix_match } = path;
    let (wanted, given, other, extra) = match modifier_type {
        PathModifierType::ReplaceFullPath => (
            "replaceFullPath",
            replace_full_path.as_ref(),
            "replacePrefixMatch",
            replace_prefix_match.as_ref(),
        ),
        PathModifierType::ReplacePrefixMatch => (
            "replacePrefixMatch",
            replace_prefix_match.as_ref(),
            "replaceFullPath",
            replace_full_path.as_ref(),
        ),
    };
    if let Some(value) = given {
        rules.length(wanted, value, 0..=1024);
    } else {
        rules.broken("missing-filter-member", "", format!("a path change of this type needs `{wanted}`"));
    }
    if extra.is_some() {
        rules.broken(
            "extra-filter-member",
            other,
            format!("`{other}` does not belong to this type: expected `{wanted}` only"),
        );
    }
    let usable =
        *modifier_type != PathModifierType::ReplacePrefixMatch || placement == Placement::UnderOnePrefix;
    let message = "replacing a prefix needs a rule with exactly one match, on a PathPrefix";
    rules.demand(usable, "prefix-rewrite-without-prefix", ("type", message));
}

fn cors_rules(rules: &mut Rules, cors: &Cors) {
    const METHODS: [&str; 10] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"];
    let Cors { allow_origins, allow_credentials: _, allow_methods, allow_headers, expose_headers, max_age } =
        cors;
    let lists = [
        ("allowOrigins", allow_origins, 64),
        ("allowMethods", allow_methods, 9),
        ("allowHeaders", allow_headers, 64),
        ("exposeHeaders", expose_headers, 64),
    ];
    for (name, list, most) in lists {
        rules.count(name, list.len(), 0..=most);
        rules.unique("duplicate-entry", name, list.iter().map(Some));
        let lonely = list.len() < 2 || !list.iter().any(|entry| entry == "*");
        rules.demand(lonely, "wildcard-not-alone", (name, "`*` stands alone: it covers the other entries"));
    }
    rules.each("allowMethods", allow_methods, |rules, method| {
        rules.form(
            "unknown-value",
            ("", method),
            (METHODS.contains(&method.as_str()), "a method in capitals, or `*`"),
        );
    });
    rules.range("maxAge", *max_age, 1..=i32::MAX.unsigned_abs());
}
