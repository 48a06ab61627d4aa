use tollgate_auth::{AssumeRole, Credential, Grant, Profile, TokenId, TokenSource};
use tollgate_resources::{AwsCredentials, AwsCredentialsFile};

use super::{Made, Policy, Wrong, oidc};
use crate::{Fault, notes::Notes};

/// The key of the Secret that holds a credentials file.
const FILE: &str = "credentials";

/// The longest name of a session.
const SESSION: usize = 64;

pub(super) fn of(policy: &Policy<'_>, spec: &AwsCredentials, notes: &mut Notes) -> Result<Made, Wrong> {
    let AwsCredentials { region, credentials_file, oidc_exchange_token } = spec;
    if let Some(file) = credentials_file {
        if oidc_exchange_token.is_some() {
            let at = policy.at(".awsCredentials.oidcExchangeToken");
            let message = "oidcExchangeToken is not used, since there is a credentialsFile";
            notes.warning(&at, Fault::new("no-effect", message).help("leave one of them"));
        }
        return of_file(policy, region, file);
    }
    let source = match oidc_exchange_token {
        Some(token) => {
            let field = ".awsCredentials.oidcExchangeToken.oidc";
            let login = oidc::login(policy, field, &token.oidc, notes)?;
            let session = format!("ai-gateway-{}", policy.object.meta.name).chars().take(SESSION).collect();
            let role = AssumeRole { region: region.clone(), role: token.aws_role_arn.clone(), session };
            let id = TokenId(format!("{} {}", policy.name(), role.role).into());
            TokenSource { id, grant: Grant::AwsRole(role, login) }
        }
        None => TokenSource { id: TokenId("AWS default chain".into()), grant: Grant::AwsChain },
    };
    Ok(Made { credential: Credential::aws_fetched(region, source.id.clone()), source: Some(source) })
}

fn of_file(policy: &Policy<'_>, region: &str, file: &AwsCredentialsFile) -> Result<Made, Wrong> {
    let AwsCredentialsFile { secret_ref, profile } = file;
    let field = ".awsCredentials.credentialsFile";
    let text = policy.file(&format!("{field}.secretRef"), (secret_ref, FILE))?;
    let read = Profile::read(text.expose(), profile);
    let read = read.map_err(|error| {
        let message = format!("the key {FILE} of Secret {} cannot be used: {error}", secret_ref.name);
        (field.to_owned(), Fault::new("invalid-key", message))
    })?;
    Ok(Made { credential: Credential::aws(region, read.keys), source: None })
}
