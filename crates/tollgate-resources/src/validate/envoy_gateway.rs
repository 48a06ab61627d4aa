use std::net::IpAddr;

use super::{
    Rules, Validate,
    filter::header_modifier,
    shared::{header_name, local_ref, secret_ref},
    text,
};
use crate::kinds::{
    Backend, BackendEndpoint, BackendTls, BackendTlsPolicy, BackendTlsValidation, BackendType, CookieMatch,
    DirectResponse, DirectResponseBody, FilterUrlRewrite, HostnameModifier, HostnameModifierType,
    HttpRouteFilter, PolicyTargetRef, SubjectAltName, SubjectAltNameType, ValueSource,
};

impl Validate for Backend {
    fn validate(&self, rules: &mut Rules) {
        let Self { backend_type, endpoints, app_protocols: _, fallback: _, tls } = self;
        match backend_type {
            BackendType::Endpoints => rules.count("endpoints", endpoints.len(), 1..=256),
            BackendType::DynamicResolver => {
                let message = "a DynamicResolver takes its address from the request and has no `endpoints`";
                rules.demand(endpoints.is_empty(), "endpoints-not-allowed", ("endpoints", message));
            }
        }
        rules.each("endpoints", endpoints, endpoint);
        let named = endpoints.iter().filter(|endpoint| endpoint.fqdn.is_some()).count();
        let mixed = named > 0 && named < endpoints.len();
        let message = "one Backend has either `fqdn` endpoints or `ip` and `unix` ones";
        rules.demand(!mixed, "mixed-endpoints", ("endpoints", message));
        rules.optional("tls", tls.as_ref(), backend_tls);
        let Some(tls) = tls.as_ref().filter(|tls| tls.auto_sni_from_endpoint_hostname) else { return };
        let dynamic = *backend_type == BackendType::DynamicResolver;
        let message = "a DynamicResolver has no endpoint to take the name from";
        rules.field("tls", |rules| {
            rules.demand(!dynamic, "auto-sni-without-hostname", ("autoSNIFromEndpointHostname", message));
            let exclusive = tls.sni.is_none();
            let message = "expected at most one of `sni` and `autoSNIFromEndpointHostname`";
            rules.demand(exclusive, "at-most-one-of", ("sni", message));
        });
        rules.each("endpoints", endpoints, |rules, endpoint| {
            let named = endpoint.fqdn.is_some() || endpoint.hostname.is_some();
            let message = "`autoSNIFromEndpointHostname` needs a `hostname` here";
            rules.demand(named, "auto-sni-without-hostname", ("", message));
        });
    }
}

fn endpoint(rules: &mut Rules, endpoint: &BackendEndpoint) {
    let BackendEndpoint { fqdn, ip, unix, hostname, zone: _ } = endpoint;
    let given = [fqdn.is_some(), ip.is_some(), unix.is_some()].into_iter().filter(|given| *given).count();
    rules.demand(given == 1, "exactly-one-of", ("", "expected exactly one of `fqdn`, `ip` and `unix`"));
    rules.optional("fqdn", fqdn.as_ref(), |rules, fqdn| {
        let name = fqdn.hostname.strip_suffix('.').unwrap_or(&fqdn.hostname);
        let expected = "a host such as api.example.com in lower case, without scheme, port or path";
        rules.form("invalid-hostname", ("hostname", &fqdn.hostname), (text::is_subdomain(name), expected));
        rules.port("port", Some(fqdn.port));
    });
    rules.optional("ip", ip.as_ref(), |rules, ip| {
        let holds = ip.address.parse::<IpAddr>().is_ok();
        rules.form("invalid-address", ("address", &ip.address), (holds, "an IPv4 or IPv6 address"));
        rules.port("port", Some(ip.port));
    });
    rules.optional("unix", unix.as_ref(), |rules, unix| rules.length("path", &unix.path, 1..=108));
    if let Some(name) = hostname {
        let bare = name.strip_suffix('.').unwrap_or(name);
        rules.form(
            "invalid-hostname",
            ("hostname", name),
            (text::is_subdomain(bare), "a host such as api.example.com"),
        );
    }
}

fn backend_tls(rules: &mut Rules, tls: &BackendTls) {
    let BackendTls {
        ca_certificate_refs,
        well_known_ca_certificates,
        insecure_skip_verify,
        client_certificate_ref,
        min_version,
        max_version,
        ..
    } = tls;
    rules.count("caCertificateRefs", ca_certificate_refs.len(), 0..=8);
    rules.each("caCertificateRefs", ca_certificate_refs, local_ref);
    let authorities = !ca_certificate_refs.is_empty() || well_known_ca_certificates.is_some();
    let message = "`insecureSkipVerify` checks nothing and excludes authorities";
    rules.demand(!(*insecure_skip_verify && authorities), "at-most-one-of", ("insecureSkipVerify", message));
    let both = !ca_certificate_refs.is_empty() && well_known_ca_certificates.is_some();
    let message = "expected at most one of `caCertificateRefs` and `wellKnownCACertificates`";
    rules.demand(!both, "at-most-one-of", ("caCertificateRefs", message));
    rules.optional("clientCertificateRef", client_certificate_ref.as_ref(), secret_ref);
    if let (Some(low), Some(high)) = (min_version, max_version) {
        let ordered = (*low as u8) == 0 || (*high as u8) == 0 || (*low as u8) <= (*high as u8);
        rules.demand(
            ordered,
            "tls-version-order",
            ("minVersion", "`minVersion` must not be newer than `maxVersion`"),
        );
    }
}

impl Validate for BackendTlsPolicy {
    fn validate(&self, rules: &mut Rules) {
        let Self { target_refs, validation, options } = self;
        rules.count("targetRefs", target_refs.len(), 1..=16);
        rules.each("targetRefs", target_refs, |rules, PolicyTargetRef { name, .. }| {
            rules.length("name", name, 1..=253)
        });
        rules.count("options", options.len(), 0..=16);
        rules.field("validation", |rules| validation_rules(rules, validation));
    }
}

fn validation_rules(rules: &mut Rules, validation: &BackendTlsValidation) {
    let BackendTlsValidation { ca_certificate_refs, well_known_ca_certificates, hostname, subject_alt_names } =
        validation;
    let one = ca_certificate_refs.is_empty() == well_known_ca_certificates.is_some();
    let message = "expected exactly one of `caCertificateRefs` and `wellKnownCACertificates`";
    rules.demand(one, "exactly-one-of", ("", message));
    rules.count("caCertificateRefs", ca_certificate_refs.len(), 0..=8);
    rules.each("caCertificateRefs", ca_certificate_refs, local_ref);
    let expected = "a host such as api.example.com, in lower case and without `*`";
    rules.form("invalid-hostname", ("hostname", hostname), (text::is_subdomain(hostname), expected));
    rules.count("subjectAltNames", subject_alt_names.len(), 0..=5);
    rules.each("subjectAltNames", subject_alt_names, |rules, SubjectAltName { name_type, hostname, uri }| {
        let (wanted, matches) = match name_type {
            SubjectAltNameType::Hostname => ("hostname", hostname.is_some() && uri.is_none()),
            SubjectAltNameType::Uri => ("uri", uri.is_some() && hostname.is_none()),
        };
        if !matches {
            rules.broken(
                "exactly-one-of",
                "",
                format!("a name of this type needs `{wanted}` and nothing else"),
            );
        }
    });
}

impl Validate for HttpRouteFilter {
    fn validate(&self, rules: &mut Rules) {
        let Self { url_rewrite, direct_response, credential_injection, matches } = self;
        rules.optional("urlRewrite", url_rewrite.as_ref(), rewrite);
        rules.optional("directResponse", direct_response.as_ref(), response);
        rules.optional("credentialInjection", credential_injection.as_ref(), |rules, injection| {
            if let Some(header) = &injection.header {
                header_name(rules, "header", header);
            }
            rules.field("credential", |rules| {
                rules.field("valueRef", |rules| secret_ref(rules, &injection.credential.value_ref));
            });
        });
        rules.count("matches", matches.len(), 0..=8);
        rules.each("matches", matches, |rules, one| {
            rules.count("cookies", one.cookies.len(), 1..=16);
            rules.each("cookies", &one.cookies, |rules, CookieMatch { name, .. }| {
                rules.length("name", name, 1..=256)
            });
        });
    }
}

fn rewrite(rules: &mut Rules, rewrite: &FilterUrlRewrite) {
    let FilterUrlRewrite { hostname, path, append_x_forwarded_host: _ } = rewrite;
    rules.optional(
        "hostname",
        hostname.as_ref(),
        |rules, HostnameModifier { modifier_type, header, path_regex }| {
            let (header_due, regex_due) = match modifier_type {
                HostnameModifierType::Header => (true, false),
                HostnameModifierType::Backend => (false, false),
                HostnameModifierType::PathRegex => (false, true),
            };
            for (name, due, given) in
                [("header", header_due, header.is_some()), ("pathRegex", regex_due, path_regex.is_some())]
            {
                if due && !given {
                    rules.broken(
                        "missing-filter-member",
                        "",
                        format!("a host change of this type needs `{name}`"),
                    );
                } else if given && !due {
                    rules.broken(
                        "extra-filter-member",
                        name,
                        format!("`{name}` does not belong to this type"),
                    );
                }
            }
        },
    );
    rules.optional("path", path.as_ref(), |rules, path| {
        let message = "a path change of this type needs `replaceRegexMatch`";
        rules.demand(path.replace_regex_match.is_some(), "missing-filter-member", ("", message));
    });
}

fn response(rules: &mut Rules, response: &DirectResponse) {
    let DirectResponse { status_code, content_type: _, body, header } = response;
    rules.range("statusCode", status_code.unwrap_or(200).into(), 200..=599);
    rules.optional("body", body.as_ref(), |rules, DirectResponseBody { body_type, inline, value_ref }| {
        let (wanted, holds) = match body_type {
            ValueSource::Inline => ("inline", inline.is_some() && value_ref.is_none()),
            ValueSource::ValueRef => ("valueRef", value_ref.is_some() && inline.is_none()),
        };
        if !holds {
            rules.broken(
                "exactly-one-of",
                "",
                format!("a body of this type needs `{wanted}` and nothing else"),
            );
        }
    });
    rules.optional("header", header.as_ref(), |rules, header| {
        header_modifier(rules, header);
        let message = "a direct answer has no headers to remove";
        rules.demand(header.remove.is_empty(), "remove-not-allowed", ("remove", message));
    });
}
