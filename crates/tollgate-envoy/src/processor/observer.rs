use tollgate_core::Settled;

/// Learns of every request, on the core that serves it. Must not block.
pub trait Observer: Send + Sync + std::fmt::Debug + 'static {
    /// A request has come in on this port of the Gateway; it will settle, once.
    fn began(&self, port: u16);

    /// A request has ended.
    fn settled(&self, settled: Settled);
}
