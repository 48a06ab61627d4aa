use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use tollgate_net::{Failure, UpstreamBody};

/// Why a body is not here.
#[derive(Debug)]
pub(crate) enum Unread {
    /// More bytes than are wanted.
    TooLarge,
    /// It broke off.
    Failed(Failure),
}

/// The whole body and its trailers; no more than `most` bytes are held.
pub(crate) async fn read(mut body: UpstreamBody, most: usize) -> Result<(Bytes, HeaderMap), Unread> {
    let mut whole = BytesMut::new();
    let mut chunks = Vec::new();
    while let Some(more) = body.next_chunks(&mut chunks).await {
        for chunk in chunks.drain(..) {
            if whole.len().saturating_add(chunk.len()) > most {
                return Err(Unread::TooLarge);
            }
            whole.extend_from_slice(&chunk);
        }
        more.map_err(Unread::Failed)?;
    }
    Ok((whole.freeze(), body.take_trailers().unwrap_or_default()))
}
