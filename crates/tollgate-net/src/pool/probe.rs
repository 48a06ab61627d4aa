use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{Failure, dial::Transport};

/// Bytes of an answer that are looked at.
const MOST: usize = 64 * 1024;

/// Sends, and reads until what is expected has come; false where something else did, or the end.
pub(crate) async fn ask(mut transport: Transport, send: &[u8], receive: &[u8]) -> Result<bool, Failure> {
    let broken = |error| Failure::Reset(Arc::new(error));
    if !send.is_empty() {
        transport.write_all(send).await.map_err(broken)?;
        transport.flush().await.map_err(broken)?;
    }
    let mut heard = Vec::new();
    while !receive.is_empty() && !heard.windows(receive.len()).any(|window| window == receive) {
        if heard.len() >= MOST || transport.read_buf(&mut heard).await.map_err(broken)? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
