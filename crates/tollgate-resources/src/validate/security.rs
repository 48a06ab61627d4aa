use std::collections::HashSet;

use super::{
    Rules, Validate, policy,
    shared::{backend_object_ref, header_name, local_ref, secret_ref},
};
use crate::kinds::{
    ApiKeyAuth, Authorization, AuthorizationPrincipal, AuthorizationRule, BackendObjectRef, ContextExtension,
    ExtAuth, ExtractFrom, JwksSource, JwtAuth, JwtProvider, LocalJwks, RemoteJwks, SecurityPolicy,
};
use crate::merge::Written;

const KINDS: [&str; 5] = ["Gateway", "ListenerSet", "HTTPRoute", "GRPCRoute", "TCPRoute"];

impl Validate for SecurityPolicy {
    fn remember(&mut self, written: impl FnOnce() -> serde_json::Value) {
        self.written = Written(Some(written()));
    }

    fn validate(&self, rules: &mut Rules) {
        let Self { api_key_auth, cors: _, basic_auth, jwt, ext_auth, authorization, .. } = self;
        policy::targets(rules, self.targets(), &KINDS);
        rules.optional("apiKeyAuth", api_key_auth.as_ref(), api_keys);
        rules.optional("basicAuth", basic_auth.as_ref(), |rules, basic| {
            rules.field("users", |rules| secret_ref(rules, &basic.users));
            if let Some(name) = &basic.forward_username_header {
                header_name(rules, "forwardUsernameHeader", name);
            }
        });
        rules.optional("jwt", jwt.as_ref(), jwt_auth);
        rules.optional("extAuth", ext_auth.as_ref(), ext_auth_rules);
        rules.optional("authorization", authorization.as_ref(), |rules, authorization| {
            authorization_rules(rules, authorization, jwt.as_ref());
        });
    }
}

fn api_keys(rules: &mut Rules, auth: &ApiKeyAuth) {
    let ApiKeyAuth { credential_refs, extract_from, forward_client_id_header, sanitize: _ } = auth;
    rules.count("credentialRefs", credential_refs.len(), 1..=256);
    rules.each("credentialRefs", credential_refs, secret_ref);
    rules.count("extractFrom", extract_from.len(), 1..=32);
    rules.each("extractFrom", extract_from, |rules, ExtractFrom { headers, params, cookies }| {
        let given = [headers, params, cookies].iter().filter(|names| !names.is_empty()).count();
        let message = "expected exactly one of `headers`, `params` and `cookies`";
        rules.demand(given == 1, "exactly-one-of", ("", message));
        rules.each("headers", headers, |rules, name| header_name(rules, "", name));
    });
    if let Some(name) = forward_client_id_header {
        header_name(rules, "forwardClientIDHeader", name);
    }
}

fn jwt_auth(rules: &mut Rules, auth: &JwtAuth) {
    let JwtAuth { optional, fail_open, providers } = auth;
    let message = "expected at most one of `optional` and `failOpen`";
    rules.demand(!(*optional && *fail_open), "at-most-one-of", ("failOpen", message));
    rules.count("providers", providers.len(), 1..=16);
    rules.unique("duplicate-name", "providers", providers.iter().map(|provider| Some(&provider.name)));
    rules.each("providers", providers, provider);
}

fn provider(rules: &mut Rules, provider: &JwtProvider) {
    let JwtProvider {
        name,
        issuer,
        audiences,
        remote_jwks,
        local_jwks,
        claim_to_headers,
        recompute_route,
        extract_from,
    } = provider;
    rules.length("name", name, 1..=253);
    rules.length("issuer", issuer, 0..=253);
    rules.count("audiences", audiences.len(), 0..=8);
    let one = remote_jwks.is_some() != local_jwks.is_some();
    rules.demand(one, "exactly-one-of", ("", "expected exactly one of `remoteJWKS` and `localJWKS`"));
    rules.optional("remoteJWKS", remote_jwks.as_ref(), remote);
    rules.optional("localJWKS", local_jwks.as_ref(), local);
    rules.each("claimToHeaders", claim_to_headers, |rules, claim| {
        header_name(rules, "header", &claim.header);
        rules.length("claim", &claim.claim, 1..=253);
    });
    let message = "`recomputeRoute` needs `claimToHeaders`";
    let alone = recompute_route == &Some(true) && claim_to_headers.is_empty();
    rules.demand(!alone, "missing-field", ("recomputeRoute", message));
    rules.optional("extractFrom", extract_from.as_ref(), |rules, from| {
        let empty = from.headers.is_empty() && from.cookies.is_empty() && from.params.is_empty();
        rules.demand(!empty, "missing-field", ("", "expected `headers`, `cookies` or `params`"));
        rules.each("headers", &from.headers, |rules, header| header_name(rules, "name", &header.name));
    });
}

fn remote(rules: &mut Rules, remote: &RemoteJwks) {
    let RemoteJwks { uri, backend_refs, backend_ref, .. } = remote;
    rules.length("uri", uri, 1..=253);
    let holds = uri.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    rules.form("invalid-uri", ("uri", uri), (holds, "an http or https URL"));
    rules.demand(
        backend_ref.is_none(),
        "unknown-value",
        ("backendRef", "write `backendRefs`, a list, instead"),
    );
    backends(rules, backend_refs);
}

fn backends(rules: &mut Rules, refs: &[BackendObjectRef]) {
    rules.count("backendRefs", refs.len(), 0..=16);
    rules.each("backendRefs", refs, backend_object_ref);
}

fn local(rules: &mut Rules, local: &LocalJwks) {
    let LocalJwks { source, inline, value_ref } = local;
    let fits = match source {
        JwksSource::Inline => inline.is_some() && value_ref.is_none(),
        JwksSource::ValueRef => value_ref.is_some() && inline.is_none(),
    };
    rules.demand(
        fits,
        "exactly-one-of",
        ("", "`type: Inline` needs `inline` alone, `type: ValueRef` `valueRef` alone"),
    );
    rules.optional("valueRef", value_ref.as_ref(), local_ref);
}

fn ext_auth_rules(rules: &mut Rules, auth: &ExtAuth) {
    let ExtAuth { grpc, http, status_on_error, body_to_ext_auth, .. } = auth;
    rules.demand(
        grpc.is_some() != http.is_some(),
        "exactly-one-of",
        ("", "expected exactly one of `grpc` and `http`"),
    );
    let refs = grpc.as_ref().map(|service| (&service.backend_ref, &service.backend_refs));
    let refs = refs.or(http.as_ref().map(|service| (&service.backend_ref, &service.backend_refs)));
    if let Some((single, list)) = refs {
        rules.field(if grpc.is_some() { "grpc" } else { "http" }, |rules| {
            rules.demand(
                single.is_some() || !list.is_empty(),
                "missing-field",
                ("", "the required field `backendRefs` is missing"),
            );
            rules.optional("backendRef", single.as_ref(), backend_object_ref);
            backends(rules, list);
        });
    }
    rules.optional("http", http.as_ref(), |rules, http| {
        let both = http.path.is_some() && http.path_override.is_some();
        let message = "expected at most one of `path` and `pathOverride`";
        rules.demand(!both, "at-most-one-of", ("pathOverride", message));
    });
    if let Some(status) = status_on_error {
        rules.range("statusOnError", u32::from(*status), 400..=599);
    }
    rules.each("contextExtensions", &auth.context_extensions, |rules, extension| {
        let ContextExtension { name, source, value, value_ref } = extension;
        rules.length("name", name, 1..=253);
        let fits = match source.as_deref() {
            None | Some("Value") => value.is_some() && value_ref.is_none(),
            Some("ValueRef") => value_ref.is_some() && value.is_none(),
            Some(_) => false,
        };
        let message = "`type: Value` needs `value` alone, `type: ValueRef` `valueRef` alone";
        rules.demand(fits, "exactly-one-of", ("", message));
        rules.optional("valueRef", value_ref.as_ref(), |rules, reference| {
            let holds =
                reference.group.is_empty() && matches!(reference.kind.as_str(), "Secret" | "ConfigMap");
            rules.form("invalid-kind", ("kind", &reference.kind), (holds, "Secret or ConfigMap"));
        });
    });
    rules.optional("bodyToExtAuth", body_to_ext_auth.as_ref(), |rules, body| {
        rules.range("maxRequestBytes", body.max_request_bytes, 1..=u32::MAX);
    });
}

fn authorization_rules(rules: &mut Rules, authorization: &Authorization, jwt: Option<&JwtAuth>) {
    let providers: HashSet<&str> =
        jwt.into_iter().flat_map(|jwt| &jwt.providers).map(|provider| provider.name.as_str()).collect();
    rules.each("rules", &authorization.rules, |rules, rule| {
        let AuthorizationRule { name: _, action: _, operation, principal, cel } = rule;
        if let Some(cel) = cel {
            rules.length("cel", cel, 1..=4096);
        }
        let message = "expected a `principal` or a `cel` expression";
        rules.demand(principal.is_some() || cel.is_some(), "missing-field", ("", message));
        rules.optional("operation", operation.as_ref(), |rules, operation| {
            let empty = operation.methods.is_empty() && operation.path.is_none();
            rules.demand(!empty, "missing-field", ("", "expected `methods` or `path`"));
            rules.count("methods", operation.methods.len(), 0..=16);
        });
        rules.optional("principal", principal.as_ref(), |rules, principal| {
            principal_rules(rules, principal, &providers);
        });
    });
}

fn principal_rules(rules: &mut Rules, principal: &AuthorizationPrincipal, providers: &HashSet<&str>) {
    let AuthorizationPrincipal { client_cidrs, jwt, headers, client_ip_geo_locations } = principal;
    let empty =
        client_cidrs.is_empty() && jwt.is_none() && headers.is_empty() && client_ip_geo_locations.is_none();
    rules.demand(!empty, "missing-field", ("", "expected `clientCIDRs`, `jwt` or `headers`"));
    rules.count("headers", headers.len(), 0..=256);
    rules.each("headers", headers, |rules, header| {
        header_name(rules, "name", &header.name);
        rules.count("values", header.values.len(), 1..=256);
    });
    rules.optional("jwt", jwt.as_ref(), |rules, jwt| {
        let known = providers.contains(jwt.provider.as_str());
        let expected = "the name of one of this policy's `jwt.providers`";
        rules.form("unknown-provider", ("provider", &jwt.provider), (known, expected));
        let message = "expected `claims` or `scopes`";
        rules.demand(!jwt.claims.is_empty() || !jwt.scopes.is_empty(), "missing-field", ("", message));
        rules.count("claims", jwt.claims.len(), 0..=16);
        rules.count("scopes", jwt.scopes.len(), 0..=16);
        rules.each("claims", &jwt.claims, |rules, claim| {
            rules.length("name", &claim.name, 1..=253);
            rules.count("values", claim.values.len(), 1..=128);
        });
    });
}
