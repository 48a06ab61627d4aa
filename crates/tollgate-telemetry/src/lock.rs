/// A value that one core thread writes and the admin server or a writer thread looks at now and then.
///
/// A mutex on purpose: its other side holds it for a swap or a copy, some dozen times a second at most, so the
/// core's lock is one uncontended exchange. Nothing waits, calls out or logs while holding it.
#[derive(Debug, Default)]
#[expect(clippy::disallowed_types, reason = "core-local; the other side holds it for nanoseconds")]
pub(crate) struct Slot<T>(std::sync::Mutex<T>);

// === impl Slot ===

impl<T> Slot<T> {
    #[expect(clippy::disallowed_types, reason = "core-local; the other side holds it for nanoseconds")]
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// A panic of another holder leaves counts and lines that are still whole, so poison is no reason to stop.
    pub(crate) fn with<R>(&self, look: impl FnOnce(&mut T) -> R) -> R {
        look(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}
