use std::{io, time::Duration};

use futures_util::future::join_all;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, Pipeline, RedisResult, TlsMode,
    aio::MultiplexedConnection,
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    sentinel::{Sentinel, SentinelNodeConnectionInfo},
};
use tollgate_types::Secret;

use super::leases::Write;

/// How long connecting may take, greetings included.
const CONNECT: Duration = Duration::from_millis(500);

/// Where Redis is.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Single(Box<ConnectionInfo>),
    Cluster(Vec<ConnectionInfo>),
    Sentinel { nodes: Vec<ConnectionInfo>, service: String, tls: bool, master: Box<ConnectionInfo> },
}

/// A URL that leads to no Redis. Its text may hold a password, so it is not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid Redis URL: use redis://[user:password@]host:port[/db], rediss:// for TLS, \
     redis+cluster://host:port,host:port or redis+sentinel://host:port,host:port/service[/db]"
)]
pub struct InvalidRedisUrl;

/// A connection that any number of requests may use at once.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(Box<ClusterConnection>),
}

// === impl Target ===

impl Target {
    pub(super) fn parse(url: &Secret) -> Result<Self, InvalidRedisUrl> {
        let url = std::str::from_utf8(url.expose()).map_err(|_| InvalidRedisUrl)?;
        let (scheme, rest) = url.split_once("://").ok_or(InvalidRedisUrl)?;
        let tls = scheme.starts_with("rediss");
        match scheme {
            "redis" | "rediss" | "unix" | "redis+unix" => Ok(Self::Single(Box::new(info(url)?))),
            "redis+cluster" | "rediss+cluster" => Ok(Self::Cluster(Hosts::parse(rest)?.nodes(tls)?)),
            "redis+sentinel" | "rediss+sentinel" => {
                let hosts = Hosts::parse(rest)?;
                let (service, db) = hosts.path.split_once('/').unwrap_or((hosts.path, "0"));
                if service.is_empty() {
                    return Err(InvalidRedisUrl);
                }
                // Credentials are the master's; sentinels are asked without.
                let master = info(&format!("redis://{}placeholder/{db}", hosts.credentials))?;
                let bare = Hosts { credentials: "", ..hosts };
                let nodes = bare.nodes(tls)?;
                Ok(Self::Sentinel { nodes, service: service.to_owned(), tls, master: Box::new(master) })
            }
            _ => Err(InvalidRedisUrl),
        }
    }

    pub(super) async fn connect(&self) -> RedisResult<Connection> {
        // Deadlines of single requests are kept by whoever asks.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(None);
        match self {
            Self::Single(info) => {
                let client = Client::open((**info).clone())?;
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::Single)
            }
            Self::Cluster(nodes) => {
                let client = ClusterClientBuilder::new(nodes.clone())
                    .connection_timeout(CONNECT)
                    .retries(1)
                    .build()?;
                client
                    .get_async_connection()
                    .await
                    .map(|connection| Connection::Cluster(Box::new(connection)))
            }
            Self::Sentinel { nodes, service, tls, master } => {
                let mut node = SentinelNodeConnectionInfo::default()
                    .set_redis_connection_info(master.redis_settings().clone());
                if *tls {
                    node = node.set_tls_mode(TlsMode::Secure);
                }
                let mut sentinel = Sentinel::build(nodes.clone())?;
                let client = sentinel.async_master_for(service, Some(&node)).await?;
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::Single)
            }
        }
    }
}

// === impl Connection ===

impl Connection {
    /// Adds to each counter and says what it has come to, in one round trip.
    pub(super) async fn count(&self, writes: &[Write]) -> RedisResult<Vec<i64>> {
        match self {
            Self::Single(connection) => {
                let mut pipeline = Pipeline::with_capacity(writes.len() * 2);
                writes.iter().for_each(|write| add(&mut pipeline, write));
                pipeline.query_async(&mut connection.clone()).await
            }
            Self::Cluster(connection) => {
                // One pipeline cannot lead to several nodes, so each key has its own, all at the same time.
                let asked =
                    join_all(writes.iter().map(|write| count_one((**connection).clone(), write))).await;
                let some = asked.iter().any(Result::is_ok);
                let counts: RedisResult<Vec<i64>> = asked.into_iter().collect();
                // Where only some nodes have counted, nobody can say that nothing was written.
                counts.map_err(
                    |error| if some { io::Error::other("a node did not answer").into() } else { error },
                )
            }
        }
    }

    /// Fails where nothing can be written: a Redis that is full, or only a replica, is of no use.
    pub(super) async fn probe(&self) -> RedisResult<()> {
        let mut probe = redis::cmd("SET");
        probe.arg("tollgate_probe").arg(1).arg("EX").arg(60);
        match self {
            Self::Single(connection) => probe.exec_async(&mut connection.clone()).await,
            Self::Cluster(connection) => probe.exec_async(&mut (**connection).clone()).await,
        }
    }
}

async fn count_one(mut connection: ClusterConnection, write: &Write) -> RedisResult<i64> {
    let mut pipeline = Pipeline::with_capacity(2);
    add(&mut pipeline, write);
    let (count,) = pipeline.query_async(&mut connection).await?;
    Ok(count)
}

fn add(pipeline: &mut Pipeline, write: &Write) {
    pipeline.cmd("INCRBY").arg(&write.key).arg(write.delta);
    pipeline.cmd("EXPIRE").arg(&write.key).arg(write.expire).ignore();
}

/// `[user:password@]host:port,host:port/path`
struct Hosts<'a> {
    /// With its `@`, or empty.
    credentials: &'a str,
    hosts: &'a str,
    path: &'a str,
}

// === impl Hosts ===

impl<'a> Hosts<'a> {
    fn parse(rest: &'a str) -> Result<Self, InvalidRedisUrl> {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let at = authority.rfind('@').map_or(0, |at| at + 1);
        let (credentials, hosts) = authority.split_at_checked(at).ok_or(InvalidRedisUrl)?;
        Ok(Self { credentials, hosts, path })
    }

    fn nodes(&self, tls: bool) -> Result<Vec<ConnectionInfo>, InvalidRedisUrl> {
        let scheme = if tls { "rediss" } else { "redis" };
        self.hosts.split(',').map(|host| info(&format!("{scheme}://{}{host}", self.credentials))).collect()
    }
}

fn info(url: &str) -> Result<ConnectionInfo, InvalidRedisUrl> {
    url.into_connection_info().map_err(|_| InvalidRedisUrl)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, InvalidRedisUrl> {
        Target::parse(&Secret::new(url))
    }

    #[test]
    fn every_kind_of_redis_has_a_url() {
        assert!(matches!(parse("redis://localhost:6379"), Ok(Target::Single(_))));
        assert!(matches!(parse("rediss://user:geheim@redis.example:6380/2"), Ok(Target::Single(_))));
        let Ok(Target::Cluster(nodes)) = parse("rediss+cluster://:geheim@a:7000,b:7001") else {
            panic!("a cluster")
        };
        assert_eq!(nodes.len(), 2);
        let sentinel = parse("redis+sentinel://:geheim@a:26379,b:26379/mymaster/3");
        let Ok(Target::Sentinel { nodes, service, tls, master }) = sentinel else { panic!("sentinels") };
        assert_eq!((nodes.len(), service.as_str(), tls), (2, "mymaster", false));
        assert_eq!(master.redis_settings().db(), 3);
    }

    #[test]
    fn a_wrong_url_is_refused_without_being_shown() {
        for url in ["", "localhost:6379", "http://localhost", "redis+sentinel://a:1", "redis+cluster://"] {
            assert!(parse(url).is_err(), "{url}");
        }
        let error = parse("redis://user:geheim@:::/x").expect_err("not a URL");
        assert!(!format!("{error} {error:?}").contains("geheim"));
    }
}
