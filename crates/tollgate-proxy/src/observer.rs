use tollgate_core::Settled;
use tollgate_net::PoolStats;
use tollgate_ports::TokenState;
use tollgate_types::BackendId;

/// Learns of every request, on the core that serves it. Must not block.
pub trait Observer: Send + Sync + std::fmt::Debug + 'static {
    /// A request has come in on this port of the Gateway; it will settle, once.
    fn began(&self, port: u16);

    /// A request has ended.
    fn settled(&self, settled: Settled);

    /// What this core holds of connections to backends, those without any left out. Told every second.
    fn pools(&self, core: usize, pools: Vec<(BackendId, PoolStats)>) {
        let _ = (core, pools);
    }

    /// How the tokens for providers are doing. Told every second, by one core for all.
    fn tokens(&self, tokens: Vec<TokenState>) {
        let _ = tokens;
    }
}
