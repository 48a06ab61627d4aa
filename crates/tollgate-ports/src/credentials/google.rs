//! Google: files of several kinds, federation, the metadata server.

use http::HeaderName;
use tollgate_auth::{
    GoogleFile, GoogleSubject, Granted, Token, TokenRequest, UnixSeconds,
    google_grants::{self, External, Federation},
};
use tollgate_types::Secret;

use super::{
    asking::{Answer, Unfetched, file},
    clouds::{Cloud, METADATA},
    fetch::World,
};

/// Where gcloud keeps its own.
const AT_HOME: &str = ".config/gcloud/application_default_credentials.json";

/// Google's default chain.
pub(super) async fn default(world: &World, now: UnixSeconds) -> Result<Granted, Unfetched> {
    let named = world.clouds.variable("GOOGLE_APPLICATION_CREDENTIALS");
    let text = match named {
        Some(path) => Some(file(&path).await?),
        None => match world.clouds.at_home(AT_HOME) {
            Some(path) => file(&path).await.ok(),
            None => None,
        },
    };
    if let Some(text) = text.map(Secret::new) {
        let file = GoogleFile::read(text.expose())?;
        return of_file(world, &file, now).await;
    }
    let request = google_grants::of_metadata(&world.clouds.google_metadata());
    world.ask_here(request, METADATA).await?.parse(|body| google_grants::answered(body, now))
}

pub(super) async fn of_file(
    world: &World,
    file: &GoogleFile,
    now: UnixSeconds,
) -> Result<Granted, Unfetched> {
    let request = match file {
        GoogleFile::Account(account) => {
            account.ask(now).ok_or(Unfetched::Variables("the key of the service account signs nothing"))?
        }
        GoogleFile::Person(person) => person.ask(),
        GoogleFile::External(external) => return external_token(world, external, now).await,
    };
    world.ask(Some(Cloud::Google), request).await?.parse(|body| google_grants::answered(body, now))
}

/// Exchanges a token of an identity provider, and lets it act for an account where one is named.
pub(super) async fn federated(
    world: &World,
    federation: &Federation,
    subject: &Secret,
    now: UnixSeconds,
) -> Result<Granted, Unfetched> {
    let request = federation.exchange(world.clouds.google_sts().as_deref(), subject);
    let answer = world.ask(Some(Cloud::Google), request).await?;
    let act = |token: &Secret| federation.act(world.clouds.google_iam().as_deref(), token);
    exchanged(world, &answer, act, now).await
}

async fn external_token(world: &World, external: &External, now: UnixSeconds) -> Result<Granted, Unfetched> {
    let found = match &external.subject {
        GoogleSubject::File(path) => Secret::new(file(path).await?),
        GoogleSubject::Url(url, headers) => {
            let mut request = TokenRequest::get(url);
            for (name, value) in headers {
                if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                    request = request.header(name, value.expose());
                }
            }
            let answer = world.ask(None, request).await?;
            answer.parse(|body| Ok(Secret::new(body)))?
        }
    };
    let subject = external.subject_in(found.expose()).map_err(|answer| Unfetched::Bad {
        host: "the credential source".into(),
        status: http::StatusCode::OK,
        answer,
    })?;
    let answer = world.ask(Some(Cloud::Google), external.exchange(&subject)).await?;
    exchanged(world, &answer, |token| external.act(token), now).await
}

async fn exchanged(
    world: &World,
    answer: &Answer,
    act: impl FnOnce(&Secret) -> Option<TokenRequest>,
    now: UnixSeconds,
) -> Result<Granted, Unfetched> {
    let (token, expires) = answer.parse(|body| google_grants::exchanged(body, now))?;
    match act(&token) {
        Some(request) => world.ask(Some(Cloud::Google), request).await?.parse(google_grants::acted),
        None => {
            let token = Token::bearer(&token);
            let token = token.ok_or(Unfetched::Variables("the token cannot stand in a header"))?;
            Ok(Granted { token, expires })
        }
    }
}
