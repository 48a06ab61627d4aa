//! The rate limit service of Envoy Gateway, which counts in Redis.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    envoy, http,
    process::{PATIENCE, Running, cache, free_port},
    redis,
    redis::Redis,
};

/// The version that the Envoy Gateway of the tests goes with, unless `TOLLGATE_RATE_LIMIT` names a program.
pub const RATE_LIMIT: &str = "v1.4.1-0.20260122083618-3fb702589d36";

/// How long is waited between two looks at something that nobody announces.
const LOOK: Duration = Duration::from_millis(10);
/// Where Envoy Gateway tells its rate limit service what to count; the port is fixed.
const GATEWAY_CONFIG: &str = "localhost:18001";
/// By which Envoy Gateway knows its service.
const GATEWAY_NODE: &str = "envoy-ratelimit";
/// By which quotas' services are known.
const QUOTA_NODE: &str = "envoy-ai-gateway-ratelimit";

/// A rate limit service, gone at the end.
#[derive(Debug)]
pub struct RateLimit {
    service: Running,
    /// Where Envoy asks it.
    pub port: u16,
    debug: u16,
}

/// Envoy Gateway's rate limit service with its Redis.
#[derive(Debug)]
pub struct GlobalLimits {
    /// Where it counts.
    pub redis: Redis,
    /// Who counts.
    pub service: RateLimit,
    certificates: PathBuf,
}

/// Where a rate limit service gets its configuration.
#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    /// From Envoy Gateway, by these certificates, which it also shows to Envoy.
    Gateway(&'a Path),
    /// From a controller on this port.
    Controller(u16),
}

/// The program of the rate limit service.
///
/// # Errors
/// Where it or Redis is missing: says how to get it.
pub fn programs() -> Result<PathBuf, String> {
    if !redis::is_installed() {
        return Err("redis-server is not installed".to_owned());
    }
    let named = env::var_os("TOLLGATE_RATE_LIMIT").map(PathBuf::from);
    let program = named.unwrap_or_else(|| cache().join(format!("ratelimit-{RATE_LIMIT}/ratelimit")));
    let missing = "the rate limit service is not installed: cargo xtask envoy";
    if program.exists() { Ok(program) } else { Err(missing.to_owned()) }
}

// === impl RateLimit ===

impl RateLimit {
    /// Starts one that counts the quotas of a controller, whose hooks are on this port. It answers on `port`.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn of_quotas(redis: &Redis, controller: u16, port: u16) -> Result<Self, String> {
        Self::start(redis, Source::Controller(controller), port)
    }

    fn start(redis: &Redis, source: Source<'_>, port: u16) -> Result<Self, String> {
        let debug = free_port().map_err(|error| error.to_string())?;
        let mut command = Command::new(programs()?);
        for (name, port) in [
            ("PORT", free_port().map_err(|error| error.to_string())?),
            ("GRPC_PORT", port),
            ("DEBUG_PORT", debug),
        ] {
            command.env(name, port.to_string());
        }
        command.envs([("HOST", "127.0.0.1"), ("GRPC_HOST", "127.0.0.1"), ("DEBUG_HOST", "127.0.0.1")]);
        command.envs([("REDIS_SOCKET_TYPE", "tcp"), ("REDIS_URL", &format!("127.0.0.1:{}", redis.port))]);
        command.envs([("USE_STATSD", "false"), ("LOG_LEVEL", "info"), ("CONFIG_TYPE", "GRPC_XDS_SOTW")]);
        command.env("FORCE_START_WITHOUT_INITIAL_CONFIG", "true");
        // It tries again after so long, where who tells it what to count is not there yet.
        let retry = ["XDS_CLIENT_BACKOFF_INITIAL_INTERVAL", "CONFIG_GRPC_XDS_SERVER_CONNECT_RETRY_INTERVAL"];
        command.envs(retry.map(|name| (name, "100ms")));
        match source {
            Source::Gateway(certificates) => {
                let file = |name: &str| certificates.join(name);
                command.env("CONFIG_GRPC_XDS_SERVER_URL", GATEWAY_CONFIG);
                command.env("CONFIG_GRPC_XDS_NODE_ID", GATEWAY_NODE);
                // Its certificate has the names of its Service.
                command.env("CONFIG_GRPC_XDS_SERVER_TLS_SAN", "envoy-gateway");
                command.envs([("CONFIG_GRPC_XDS_SERVER_USE_TLS", "true"), ("GRPC_SERVER_USE_TLS", "true")]);
                command.env("CONFIG_GRPC_XDS_CLIENT_TLS_CERT", file("tls.crt"));
                command.env("CONFIG_GRPC_XDS_CLIENT_TLS_KEY", file("tls.key"));
                command.env("CONFIG_GRPC_XDS_SERVER_TLS_CACERT", file("ca.crt"));
                command.env("GRPC_SERVER_TLS_CERT", file("tls.crt"));
                command.env("GRPC_SERVER_TLS_KEY", file("tls.key"));
                command.env("GRPC_CLIENT_TLS_CACERT", file("ca.crt"));
            }
            Source::Controller(controller) => {
                command.env("CONFIG_GRPC_XDS_SERVER_URL", format!("127.0.0.1:{controller}"));
                command.env("CONFIG_GRPC_XDS_NODE_ID", QUOTA_NODE);
            }
        }
        let service = Running::start("ratelimit", &mut command).map_err(|error| error.to_string())?;
        Ok(Self { service, port, debug })
    }

    /// Waits until its configuration has these words in it.
    ///
    /// # Errors
    /// Where it never has: says what it has, and what the service has said.
    pub fn wait_until_it_knows(&mut self, words: &str) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let config = http::get(self.debug, "/rlconfig").text();
            if config.contains(words) {
                return Ok(());
            }
            if Instant::now() > end || !self.service.lives() {
                let said = self.service.said().join("\n");
                return Err(format!("ratelimit: {words} is not in its configuration:\n{config}\n{said}"));
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// Waits until it has been told what to count.
    ///
    /// # Errors
    /// Where it never is; the text has what it said.
    pub fn wait_until_told(&mut self) -> Result<(), String> {
        self.service.has_said("Successfully loaded new configuration").map(drop)
    }

    /// What it counts: a line for each limit.
    #[must_use]
    pub fn config(&self) -> String {
        http::get(self.debug, "/rlconfig").text()
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// Where it cannot be waited for.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.service.kill()
    }

    /// What it has said.
    pub fn said(&mut self) -> String {
        self.service.said().join("\n")
    }
}

// === impl GlobalLimits ===

impl GlobalLimits {
    /// Starts both for an Envoy Gateway whose folder this will be.
    ///
    /// # Errors
    /// Where one of them does not start.
    pub fn start(folder: &Path) -> Result<Self, String> {
        envoy::certificates(folder)?;
        let certificates = folder.join("config/certs");
        let redis = Redis::start()?;
        let source = Source::Gateway(&certificates.join("envoy-rate-limit"));
        let service = RateLimit::start(&redis, source, free_port().map_err(|error| error.to_string())?)?;
        Ok(Self { redis, service, certificates })
    }

    /// What Envoy Gateway's configuration has beside what it has anyway. In a cluster a call takes 20 ms at most, and
    /// whoever is not answered passes; here nothing may pass because the machine is busy.
    #[must_use]
    pub fn config(&self) -> String {
        // A name: it takes an address for a scheme.
        let address = format!("localhost:{}", self.redis.port);
        format!(
            "rateLimit:\n  timeout: 30s\n  failClosed: true\n  backend: {{type: Redis, redis: {{url: \"{address}\"}}}}\n"
        )
    }

    /// What Envoy Gateway reads beside its resources. In a cluster it makes the Secret by itself, and finds the service
    /// by a name and its certificate in a place that there are none of here. `target` is the Gateway, or the
    /// GatewayClass where Gateways are merged: kind, namespace and name.
    ///
    /// # Errors
    /// Where certificates cannot be read.
    pub fn resources(&self, (kind, namespace, name): (&str, &str, &str)) -> Result<String, String> {
        let own = self.certificates.join("envoy");
        let read = |name: &str| {
            let path = own.join(name);
            let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok::<_, String>(STANDARD.encode(bytes))
        };
        let (certificate, key, authority) = (read("tls.crt")?, read("tls.key")?, read("ca.crt")?);
        let (port, trusted) = (self.service.port, own.join("ca.crt"));
        Ok(format!(
            "apiVersion: v1
kind: Secret
metadata: {{name: envoy, namespace: envoy-gateway-system}}
type: kubernetes.io/tls
data: {{tls.crt: {certificate}, tls.key: {key}, ca.crt: {authority}}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata: {{name: rate-limit-service, namespace: {namespace}}}
spec:
  type: JSONPatch
  targetRef: {{group: gateway.networking.k8s.io, kind: {kind}, name: {name}}}
  jsonPatches:
    - type: type.googleapis.com/envoy.config.cluster.v3.Cluster
      name: ratelimit_cluster
      operation:
        op: replace
        path: /load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address
        value: {{address: 127.0.0.1, port_value: {port}}}
    - type: type.googleapis.com/envoy.config.cluster.v3.Cluster
      name: ratelimit_cluster
      operation:
        op: replace
        path: /transport_socket/typed_config/common_tls_context/validation_context/trusted_ca/filename
        value: {}
",
            trusted.display()
        ))
    }
}
