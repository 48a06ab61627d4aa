use std::sync::Arc;

use tokio::net::TcpListener;

use crate::Admin;

/// Answers on this socket until it is dropped. Belongs on a thread of its own, away from the data plane's.
pub async fn serve(listener: TcpListener, admin: Arc<Admin>) {
    tollgate_net::serve_few(listener, move |head| admin.answer(head)).await;
}
