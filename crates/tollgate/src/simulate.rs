//! `tollgate simulate`: LLM providers to rehearse against.
use std::{fs, io, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use tollgate_simulate::{Behaviour, Issuer, Options, spawn};

/// Serve simulated LLM providers, from OpenAI to Bedrock and Vertex AI, with delays and errors on demand
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Requests may ask for behaviour by headers (x-sim-first-token-ms, x-sim-rate, x-sim-tokens, \
                        x-sim-status, x-sim-fault …), by model names (sim-429, sim-500, sim-reset …), or for all by \
                        POST /_sim/faults. GET /_sim/stats and /_sim/last tell what was asked.\n\nExamples:\n  \
                        tollgate simulate --listen 127.0.0.1:9101\n  \
                        tollgate simulate --listen 127.0.0.1:9101 --listen 127.0.0.1:9102 --rate 50\n  \
                        tollgate simulate --jwt-issuer inference-in-a-box --kserve-models sklearn-iris"
)]
pub(crate) struct SimulateArgs {
    /// Where to listen; port 0 takes a free one; may be repeated
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9101")]
    listen: Vec<SocketAddr>,
    /// Threads for each address
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Sent back as x-simulator-instance; without it the address
    #[arg(long)]
    name: Option<String>,
    /// The only key that is accepted
    #[arg(long, value_name = "KEY")]
    require_key: Option<String>,
    /// Models to list, comma-separated; every model is answered
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    models: Vec<String>,
    /// Milliseconds before the first token
    #[arg(long, value_name = "MS")]
    first_token_ms: Option<u64>,
    /// Tokens per second of a stream; 0 sends all at once
    #[arg(long)]
    rate: Option<f64>,
    /// Tokens of a reply
    #[arg(long)]
    tokens: Option<u32>,
    /// Models served as KServe does: /v1/models/NAME:predict, and /v1/models/NAME for readiness
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    kserve_models: Vec<String>,
    /// Sign tokens as this issuer for whoever asks: POST /token?tenant=NAME&expires_in=SECONDS, POST /rotate, their
    /// keys at /.well-known/jwks.json, and a check of them at /authz
    #[arg(long, value_name = "NAME")]
    jwt_issuer: Option<String>,
    /// The private key of tokens: RSA, in PEM; without it one is made at start
    #[arg(long, value_name = "FILE", requires = "jwt_issuer")]
    jwt_key: Option<PathBuf>,
    /// Tenants whose tokens /authz lets in, comma-separated; without it all
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "jwt_issuer")]
    jwt_tenants: Vec<String>,
}

/// Runs the command until it is stopped.
///
/// # Errors
/// Where an address cannot be bound.
pub(crate) fn run(args: SimulateArgs) -> io::Result<ExitCode> {
    let issuer = args.issuer()?;
    let SimulateArgs { listen, threads, name, require_key, models, first_token_ms, rate, tokens, .. } = args;
    let mut simulators = Vec::with_capacity(listen.len());
    for address in listen {
        let mut options = Options {
            listen: address,
            threads,
            name: name.clone().unwrap_or_else(|| address.to_string()),
            require_key: require_key.clone(),
            behaviour: Behaviour { first_token_ms, rate, tokens, ..Behaviour::default() },
            kserve: args.kserve_models.clone(),
            issuer: issuer.clone(),
            ..Options::default()
        };
        if !models.is_empty() {
            options.models.clone_from(&models);
        }
        let simulator = spawn(options)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))?;
        eprintln!("simulating LLM providers on {}", simulator.url());
        simulators.push(simulator);
    }
    for simulator in simulators {
        simulator.wait();
    }
    Ok(ExitCode::SUCCESS)
}

// === impl SimulateArgs ===

impl SimulateArgs {
    /// One for all addresses, so that they agree on the keys.
    fn issuer(&self) -> io::Result<Option<Arc<Issuer>>> {
        let Some(name) = &self.jwt_issuer else { return Ok(None) };
        let named = |error: io::Error| {
            let path = self.jwt_key.as_deref().unwrap_or_else(|| "--jwt-key".as_ref());
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        };
        let pem = self.jwt_key.as_ref().map(fs::read_to_string).transpose().map_err(named)?;
        let issuer = Issuer::new(name, &self.jwt_tenants, pem.as_deref()).map_err(named)?;
        Ok(Some(Arc::new(issuer)))
    }
}
