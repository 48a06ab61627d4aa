use std::sync::Arc;

use http::Method;
use tollgate_auth::{
    Action, Authorization, Expression, HeaderRule, JwtRule, Operation, PathRule, PathShape, Principal,
    RequiredClaim, Root, Rule,
};
use tollgate_resources::{
    Authorization as AuthorizationSpec, AuthorizationAction, AuthorizationPrincipal, AuthorizationRule,
    JwtClaimType, PolicyPathMatch, PolicyPathMatchType,
};
use tollgate_snapshot::Problem;

use crate::{
    Fault,
    matches::{header_name, whole},
    notes::{At, Notes},
};

/// Who may do what.
pub(super) fn authorization(
    spec: &AuthorizationSpec,
    at: &At<'_>,
    notes: &mut Notes,
) -> Result<Authorization, Arc<Problem>> {
    let AuthorizationSpec { rules, default_action } = spec;
    let mut made = Vec::with_capacity(rules.len());
    for (i, spec) in rules.iter().enumerate() {
        let at = at.to(format!(".rules[{i}]"));
        let condition = condition(spec, &at, notes)?;
        made.push(rule(spec, condition, i).map_err(|fault| notes.error(&at, fault))?);
    }
    let default = action(default_action.unwrap_or(AuthorizationAction::Deny));
    Ok(Authorization { rules: made, default })
}

const fn action(action: AuthorizationAction) -> Action {
    match action {
        AuthorizationAction::Allow => Action::Allow,
        AuthorizationAction::Deny => Action::Deny,
    }
}

/// A rule's expression, compiled once.
fn condition(
    spec: &AuthorizationRule,
    at: &At<'_>,
    notes: &mut Notes,
) -> Result<Option<Arc<Expression>>, Arc<Problem>> {
    let Some(source) = &spec.cel else { return Ok(None) };
    match Expression::condition(source, &Root::OF_CALLERS) {
        Ok(expression) => Ok(Some(Arc::new(expression))),
        Err(error) => {
            let fault = Fault::new("invalid-cel", format!("invalid CEL expression: {}", error.reason()));
            let help = "known are request, source, destination, connection and metadata.filter_metadata";
            Err(notes.error(&at.to(".cel"), fault.help(help)))
        }
    }
}

fn rule(spec: &AuthorizationRule, condition: Option<Arc<Expression>>, i: usize) -> Result<Rule, Fault> {
    let AuthorizationRule { name, action: act, operation, principal, cel: _ } = spec;
    let mut made = Operation::default();
    if let Some(operation) = operation {
        for method in &operation.methods {
            let method = Method::from_bytes(method.as_bytes());
            made.methods
                .push(method.map_err(|_| Fault::new("invalid-method", "a method is no method of HTTP"))?);
        }
        made.path = operation.path.as_ref().map(path).transpose()?;
    }
    Ok(Rule {
        name: name.clone().unwrap_or_else(|| format!("rule {i}")).into(),
        action: action(*act),
        principal: principal.as_ref().map(self::principal).transpose()?.unwrap_or_default(),
        operation: made,
        condition,
    })
}

fn path(spec: &PolicyPathMatch) -> Result<PathRule, Fault> {
    let PolicyPathMatch { match_type, value, invert } = spec;
    let shape = match match_type {
        PolicyPathMatchType::Exact => PathShape::Exact(value.as_str().into()),
        PolicyPathMatchType::PathPrefix => PathShape::Prefix(value.trim_end_matches('/').into()),
        PolicyPathMatchType::RegularExpression => PathShape::Regex(whole(value)?),
    };
    Ok(PathRule { shape, invert: *invert })
}

fn principal(spec: &AuthorizationPrincipal) -> Result<Principal, Fault> {
    let AuthorizationPrincipal { client_cidrs, jwt, headers, client_ip_geo_locations } = spec;
    if client_ip_geo_locations.is_some() {
        return Err(Fault::not_served("clientIPGeoLocations"));
    }
    let mut clients = Vec::new();
    for text in client_cidrs {
        let cidr = text.parse();
        clients.push(
            cidr.map_err(|_| Fault::new("invalid-cidr", format!("{text:?} is no range of addresses")))?,
        );
    }
    let jwt = jwt.as_ref().map(|jwt| JwtRule {
        provider: jwt.provider.as_str().into(),
        claims: jwt
            .claims
            .iter()
            .map(|claim| {
                let name = claim.name.as_str().into();
                let values = claim.values.iter().map(|value| value.as_str().into()).collect();
                match claim.value_type {
                    JwtClaimType::String => RequiredClaim::Text { name, values },
                    JwtClaimType::StringArray => RequiredClaim::List { name, values },
                }
            })
            .collect(),
        scopes: jwt.scopes.iter().map(|scope| scope.as_str().into()).collect(),
    });
    let mut rules = Vec::new();
    for header in headers {
        let values = header.values.iter().map(|value| value.as_str().into()).collect();
        rules.push(HeaderRule { name: header_name(&header.name)?, values });
    }
    Ok(Principal { clients, jwt, headers: rules })
}
