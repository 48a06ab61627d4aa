use std::{sync::Arc, time::Duration};

use tollgate_auth::{
    ClientLogin, Discovery, Grant, Granted, TokenRequest, UnixSeconds, aws_grants, azure_grants,
};
use tollgate_net::{Pool, Via};
use tollgate_types::Secret;

use super::{
    Clouds,
    asking::{Answer, PATIENCE, Unfetched, ask},
    aws,
    clouds::Cloud,
    google,
};

/// What fetching needs of the world.
#[derive(Debug)]
pub(super) struct World {
    pub(super) pool: Pool,
    pub(super) clouds: Clouds,
}

/// Has a token made, with as many requests as that takes.
pub(super) async fn fetch(world: &World, grant: &Grant, now: UnixSeconds) -> Result<Granted, Unfetched> {
    match grant {
        Grant::AwsChain => aws::chain(world).await,
        Grant::AwsRole(role, login) => {
            let token = world.login(login, now).await?;
            let request = role.ask(world.clouds.sts().as_deref(), &token);
            let answer = world.ask(Some(Cloud::Aws), request).await?;
            answer.parse(aws_grants::assumed)
        }
        Grant::AzureSecret(application, secret) => {
            let request = application.with_secret(&world.clouds.authority(), secret);
            let answer = world.ask(Some(Cloud::Azure), request).await?;
            answer.parse(|body| azure_grants::answered(body, now))
        }
        Grant::AzureFederated(application, login) => {
            let token = world.login(login, now).await?;
            let request = application.with_assertion(&world.clouds.authority(), &token);
            let answer = world.ask(Some(Cloud::Azure), request).await?;
            answer.parse(|body| azure_grants::answered(body, now))
        }
        Grant::GoogleFile(file) => google::of_file(world, file, now).await,
        Grant::GoogleFederated(federation, login) => {
            let token = world.login(login, now).await?;
            google::federated(world, federation, &token, now).await
        }
        Grant::GoogleDefault => google::default(world, now).await,
    }
}

// === impl World ===

impl World {
    /// Asks a token endpoint, through its cloud's proxy where there is one.
    pub(super) async fn ask(&self, cloud: Option<Cloud>, request: TokenRequest) -> Result<Answer, Unfetched> {
        let via = self.via(cloud)?;
        ask(&self.pool, via, request, PATIENCE).await
    }

    /// Asks what is on this machine or beside it, past all proxies.
    pub(super) async fn ask_here(
        &self,
        request: TokenRequest,
        patience: Duration,
    ) -> Result<Answer, Unfetched> {
        ask(&self.pool, None, request, patience).await
    }

    fn via(&self, cloud: Option<Cloud>) -> Result<Option<Arc<Via>>, Unfetched> {
        Ok(match cloud {
            Some(cloud) => self.clouds.proxy(cloud)?,
            None => None,
        })
    }

    /// A token of an identity provider, to be exchanged for one of a cloud.
    async fn login(&self, login: &ClientLogin, now: UnixSeconds) -> Result<Secret, Unfetched> {
        let found = self.ask(None, login.discover()).await?;
        let provider = found.parse(Discovery::parse)?;
        let answer = self.ask(None, login.ask(&provider)).await?;
        if answer.status.as_u16() == 400 || answer.status.as_u16() == 401 {
            // Some take the client's secret in the form alone.
            let answer = self.ask(None, login.ask_in_form(&provider)).await?;
            return answer.parse(|body| ClientLogin::answered(body, now));
        }
        answer.parse(|body| ClientLogin::answered(body, now))
    }
}
