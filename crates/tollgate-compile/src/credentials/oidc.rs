use tollgate_auth::ClientLogin;
use tollgate_resources::Oidc;

use super::{Policy, Wrong};
use crate::{Fault, notes::Notes};

/// The key of the Secret that holds the client's secret.
const SECRET: &str = "client-secret";
/// The key of the Secret that holds the client's name.
const ID: &str = "client-id";

/// How a token is had of the identity provider that is exchanged for the cloud's.
pub(super) fn login(
    policy: &Policy<'_>,
    field: &str,
    oidc: &Oidc,
    notes: &mut Notes,
) -> Result<ClientLogin, Wrong> {
    let provider = &oidc.provider;
    for (name, url) in
        [("issuer", Some(&provider.issuer)), ("tokenEndpoint", provider.token_endpoint.as_ref())]
    {
        let usable = url.is_none_or(|url| url.starts_with("https://") || url.starts_with("http://"));
        if !usable {
            let fault = Fault::new("invalid-url", format!("{name} begins with https:// or http://"));
            return Err((format!("{field}.provider.{name}"), fault));
        }
    }
    for (name, given) in [
        ("backendRefs", provider.backend_refs.is_some()),
        ("backendSettings", provider.backend_settings.is_some()),
    ] {
        if given {
            let fault = Fault::not_served(format!("{name} of a provider whose tokens are exchanged"))
                .help("the issuer is asked at its own address");
            notes.warning(&policy.at(&format!("{field}.provider.{name}")), fault);
        }
    }
    let client_id = match (&oidc.client_id, &oidc.client_id_ref) {
        (Some(id), _) => id.clone(),
        (None, Some(reference)) => {
            let id = policy.secret(&format!("{field}.clientIDRef"), (reference, ID), notes)?;
            String::from_utf8_lossy(id.expose().trim_ascii()).into_owned()
        }
        (None, None) => {
            return Err((field.to_owned(), Fault::new("missing-key", "there is no clientID")));
        }
    };
    let client_secret =
        policy.secret(&format!("{field}.clientSecret"), (&oidc.client_secret, SECRET), notes)?;
    Ok(ClientLogin {
        issuer: provider.issuer.clone(),
        token_endpoint: provider.token_endpoint.clone(),
        client_id,
        client_secret,
        scopes: oidc.scopes.clone(),
    })
}
