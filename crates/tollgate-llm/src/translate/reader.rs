use http::{HeaderMap, StatusCode};
use tollgate_types::Usage;

use crate::{Fault, Tally};

/// How the events of a stream are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    #[default]
    Sse,
    /// Frames of an AWS event stream (`ConverseStream`). A reader gets each as one object: the frame's type is the key,
    /// its payload the value.
    Named,
    /// Frames of an AWS event stream around the events of another API (`InvokeModelWithResponseStream`), which a reader
    /// gets as they are.
    Chunks,
}

/// Turns one provider reply into the client's dialect. Appends to `out`; never waits.
pub trait Reader: Send + std::fmt::Debug {
    /// The headers of the reply, before its body.
    fn head(&mut self, _headers: &HeaderMap) {}
    /// A whole success body.
    ///
    /// # Errors
    /// [`Fault::ErrorInReply`] where it is an error, [`Fault::Malformed`] where it is not the provider's shape.
    fn whole(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>;
    /// One provider event (`event:` name, joined `data:` lines).
    ///
    /// # Errors
    /// [`Fault::ErrorInReply`] for an error event: where something has gone out already, call
    /// [`break_off`](Self::break_off), which then writes the provider's own words. [`Fault::Malformed`],
    /// [`Fault::TooLarge`].
    fn event(&mut self, name: Option<&str>, data: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>;
    /// The provider's stream ended: closes the client's, or says that it was cut.
    ///
    /// # Errors
    /// [`Fault::Truncated`] where the end mark is missing.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Fault>;
    /// A whole error body of the provider, in the client's words.
    fn error(&mut self, status: StatusCode, headers: &HeaderMap, body: &[u8], out: &mut Vec<u8>);
    /// The event that tells the client that its stream broke; nothing where the stream has ended already.
    fn break_off(&mut self, message: &str, out: &mut Vec<u8>);
    /// Tokens up to now, as the provider counts them.
    fn usage(&self) -> Usage;
    /// How far the stream has come.
    fn tally(&self) -> Tally;
    /// The model the provider named.
    fn model(&self) -> Option<&str>;
}
