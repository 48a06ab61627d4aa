use std::sync::Arc;

use tollgate_auth::{Credential, GoogleFile, Grant, TokenId, TokenSource, google_grants::Federation};
use tollgate_resources::{GcpCredentials, GcpCredentialsFile, GcpWorkloadIdentityFederation};

use super::{Made, Policy, Wrong, oidc};
use crate::{Fault, notes::Notes};

/// The key of the Secret that holds a service account's key.
const FILE: &str = "service_account.json";

pub(super) fn of(policy: &Policy<'_>, spec: &GcpCredentials, notes: &mut Notes) -> Result<Made, Wrong> {
    let GcpCredentials { project_name, region, credentials_file, workload_identity_federation_config } = spec;
    for (field, word) in [("projectName", project_name), ("region", region)] {
        // Both go into the path of every request.
        if !word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b)) {
            let fault = Fault::new("invalid-name", format!("{word:?} cannot stand in a path"));
            return Err((format!(".gcpCredentials.{field}"), fault));
        }
    }
    let (principal, grant) = match (credentials_file, workload_identity_federation_config) {
        (Some(file), _) => of_file(policy, file)?,
        (None, Some(config)) => {
            let (federation, grant) = federated(policy, project_name, config, notes)?;
            (federation, grant)
        }
        (None, None) => (None, Grant::GoogleDefault),
    };
    let name = match principal {
        Some(principal) => format!("{} {principal}", policy.name()),
        None => "Google default chain".to_owned(),
    };
    let id = TokenId(name.into());
    let credential = Credential::google(project_name, region, id.clone());
    Ok(Made { credential, source: Some(TokenSource { id, grant }) })
}

fn of_file(policy: &Policy<'_>, file: &GcpCredentialsFile) -> Result<(Option<String>, Grant), Wrong> {
    let field = ".gcpCredentials.credentialsFile.secretRef";
    let GcpCredentialsFile { secret_ref } = file;
    let text = policy.file(field, (secret_ref, FILE))?;
    let wrong = |reason: &dyn std::fmt::Display| {
        let message = format!("the key {FILE} of Secret {} cannot be used: {reason}", secret_ref.name);
        (field.to_owned(), Fault::new("invalid-key", message))
    };
    let file = GoogleFile::read(text.expose()).map_err(|error| wrong(&error))?;
    let GoogleFile::Account(account) = &file else {
        // The others lead to files and addresses of whoever wrote them.
        return Err(wrong(&"it is not the key of a service account"));
    };
    Ok((Some(account.email().to_owned()), Grant::GoogleFile(Arc::new(file))))
}

fn federated(
    policy: &Policy<'_>,
    project: &str,
    config: &GcpWorkloadIdentityFederation,
    notes: &mut Notes,
) -> Result<(Option<String>, Grant), Wrong> {
    let GcpWorkloadIdentityFederation {
        project_id,
        workload_identity_pool_name: pool,
        workload_identity_provider_name: provider,
        oidc_exchange_token,
        service_account_impersonation,
    } = config;
    let field = ".gcpCredentials.workloadIdentityFederationConfig.oidcExchangeToken.oidc";
    let login = oidc::login(policy, field, &oidc_exchange_token.oidc, notes)?;
    let audience = format!(
        "//iam.googleapis.com/projects/{project_id}/locations/global/workloadIdentityPools/{pool}/providers/{provider}"
    );
    let account = service_account_impersonation
        .as_ref()
        .map(|account| format!("{}@{project}.iam.gserviceaccount.com", account.service_account_name));
    let principal = account.clone().unwrap_or_else(|| audience.clone());
    Ok((Some(principal), Grant::GoogleFederated(Federation { audience, account }, login)))
}
