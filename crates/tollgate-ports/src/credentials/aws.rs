//! AWS's default chain: what says anything first, says it all.

use tollgate_auth::{AssumeRole, AwsKeys, Granted, Profile, Token, aws_grants};
use tollgate_types::Secret;

use super::{
    asking::{Unfetched, file},
    clouds::{Cloud, METADATA},
    fetch::World,
};

/// Where a container's agent is on ECS.
const CONTAINER: &str = "http://169.254.170.2";

pub(super) async fn chain(world: &World) -> Result<Granted, Unfetched> {
    if let Some(keys) = from_variables(world)? {
        return Ok(keys);
    }
    let variable = |name| world.clouds.variable(name);
    if let Some(token) = variable("AWS_WEB_IDENTITY_TOKEN_FILE") {
        return with_web_identity(world, &token).await;
    }
    if let Some(keys) = from_file(world).await? {
        return Ok(keys);
    }
    if let Some(url) = container(world) {
        return from_container(world, &url).await;
    }
    match world.clouds.instance() {
        Some(endpoint) => from_instance(world, &endpoint).await,
        None => Err(Unfetched::Nowhere(
            "no AWS_ACCESS_KEY_ID, no AWS_WEB_IDENTITY_TOKEN_FILE, no credentials file, no container, and instance \
             metadata are switched off",
        )),
    }
}

fn from_variables(world: &World) -> Result<Option<Granted>, Unfetched> {
    let [id, secret, session] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
        .map(|name| world.clouds.variable(name).map(Secret::new));
    let bytes = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_vec());
    match (bytes(&id), bytes(&secret)) {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) => {
            let keys = AwsKeys::new(&id, &secret, session.as_ref().map(Secret::expose));
            let keys = keys.ok_or(Unfetched::Variables("AWS_ACCESS_KEY_ID cannot stand in a header"))?;
            Ok(Some(Granted { token: Token::Aws(keys), expires: None }))
        }
        (Some(_), None) | (None, Some(_)) => Err(Unfetched::Variables(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set together or not at all",
        )),
    }
}

/// A service account of Kubernetes that stands for a role (IRSA).
async fn with_web_identity(world: &World, path: &str) -> Result<Granted, Unfetched> {
    let variable = |name| world.clouds.variable(name);
    let role = variable("AWS_ROLE_ARN").ok_or(Unfetched::Variables(
        "AWS_WEB_IDENTITY_TOKEN_FILE is set, so AWS_ROLE_ARN has to be set too",
    ))?;
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let session = variable("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "tollgate".to_owned());
    let role = AssumeRole { region: region.unwrap_or_else(|| "us-east-1".to_owned()), role, session };
    let token = Secret::new(file(path).await?);
    let request = role.ask(world.clouds.sts().as_deref(), &token);
    world.ask(Some(Cloud::Aws), request).await?.parse(aws_grants::assumed)
}

/// The credentials file of the user, where there is one or one is named.
async fn from_file(world: &World) -> Result<Option<Granted>, Unfetched> {
    let named = world.clouds.variable("AWS_SHARED_CREDENTIALS_FILE");
    let profile = world.clouds.variable("AWS_PROFILE");
    let must = named.is_some() || profile.is_some();
    let Some(path) = named.or_else(|| world.clouds.at_home(".aws/credentials")) else { return Ok(None) };
    let text = match file(&path).await {
        Ok(text) => Secret::new(text),
        Err(_) if !must => return Ok(None),
        Err(error) => return Err(error),
    };
    match Profile::read(text.expose(), profile.as_deref().unwrap_or("default")) {
        Ok(profile) => Ok(Some(Granted { token: Token::Aws(profile.keys), expires: None })),
        Err(_) if !must => Ok(None),
        Err(error) => Err(Unfetched::Profile { path, error }),
    }
}

/// Where the container's agent gives keys (ECS, EKS Pod Identity).
fn container(world: &World) -> Option<String> {
    let path = world.clouds.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let path = path.map(|path| format!("{CONTAINER}{path}"));
    path.or_else(|| world.clouds.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
}

async fn from_container(world: &World, url: &str) -> Result<Granted, Unfetched> {
    let authorization = match world.clouds.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(file(&path).await?),
        None => world.clouds.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(String::into_bytes),
    };
    let request = aws_grants::of_container(url, authorization.as_deref());
    world.ask_here(request, METADATA).await?.parse(aws_grants::answered)
}

async fn from_instance(world: &World, endpoint: &str) -> Result<Granted, Unfetched> {
    let session = world.ask_here(aws_grants::open_instance(endpoint), METADATA).await?;
    let session = session.line()?;
    let role = world.ask_here(aws_grants::role_of_instance(endpoint, session), METADATA).await?;
    let role = String::from_utf8_lossy(role.line()?).into_owned();
    let request = aws_grants::of_instance(endpoint, session, &role);
    world.ask_here(request, METADATA).await?.parse(aws_grants::answered)
}
