use tollgate_core::Settled;

/// Learns of every finished request, on the core that served it. Must not block.
pub trait Observer: Send + Sync + std::fmt::Debug + 'static {
    /// A request has ended, on this core.
    fn settled(&self, core: usize, settled: Settled);
}
