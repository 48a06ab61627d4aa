use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use futures_util::future::LocalBoxFuture;
use http::{Response, StatusCode};

use crate::{Failure, UpstreamBody, h1::Wire};

use super::{Home, Http1};

/// A request on its way: waits for the head of the response.
pub(crate) enum Exchange {
    Http1 {
        /// None once the response is there.
        connection: Option<Box<Http1>>,
        home: Rc<Home>,
    },
    Http2(LocalBoxFuture<'static, Result<Response<UpstreamBody>, Failure>>),
}

/// There is no response.
pub(crate) struct Unanswered {
    pub(crate) failure: Failure,
    /// The request, where it can be sent over HTTP/1 again.
    pub(crate) wire: Option<Wire>,
}

// === impl Exchange ===

impl Future for Exchange {
    type Output = Result<Response<UpstreamBody>, Unanswered>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Http1 { connection: slot, home } => {
                let connection = slot.as_mut().expect("an exchange is not polled after its response");
                let outcome = ready!(connection.poll_response(cx));
                let mut connection = slot.take().expect("it was there a moment ago");
                Poll::Ready(match outcome {
                    Ok(parts) => {
                        let switched = parts.status == StatusCode::SWITCHING_PROTOCOLS;
                        let body = UpstreamBody::http1(connection, Rc::clone(home), switched);
                        Ok(Response::from_parts(parts, body))
                    }
                    Err(failure) => Err(Unanswered { failure, wire: connection.take_wire() }),
                })
            }
            Self::Http2(response) => {
                let response = ready!(response.as_mut().poll(cx));
                Poll::Ready(response.map_err(|failure| Unanswered { failure, wire: None }))
            }
        }
    }
}
