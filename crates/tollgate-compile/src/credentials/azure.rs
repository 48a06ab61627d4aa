use tollgate_auth::{Credential, Grant, TokenId, TokenSource, azure_grants::Application};
use tollgate_resources::AzureCredentials;

use super::{Made, Policy, Wrong, oidc};
use crate::{Fault, notes::Notes};

/// The key of the Secret that holds the application's secret.
const SECRET: &str = "client-secret";

pub(super) fn of(policy: &Policy<'_>, spec: &AzureCredentials, notes: &mut Notes) -> Result<Made, Wrong> {
    let AzureCredentials { client_id, tenant_id, client_secret_ref, oidc_exchange_token } = spec;
    let application = Application { tenant: tenant_id.clone(), client_id: client_id.clone() };
    let grant = match (client_secret_ref, oidc_exchange_token) {
        (Some(reference), _) => {
            let field = ".azureCredentials.clientSecretRef";
            Grant::AzureSecret(application, policy.secret(field, (reference, SECRET), notes)?)
        }
        (None, Some(token)) => {
            let field = ".azureCredentials.oidcExchangeToken.oidc";
            Grant::AzureFederated(application, oidc::login(policy, field, &token.oidc, notes)?)
        }
        (None, None) => {
            let fault =
                Fault::new("missing-key", "the policy has no clientSecretRef and no oidcExchangeToken");
            return Err((".azureCredentials".to_owned(), fault));
        }
    };
    let id = TokenId(format!("{} {tenant_id}/{client_id}", policy.name()).into());
    Ok(Made { credential: Credential::bearer(id.clone()), source: Some(TokenSource { id, grant }) })
}
