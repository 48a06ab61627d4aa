use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use futures_util::future::LocalBoxFuture;
use http::Response;
use hyper::body::Incoming;

use crate::{Failure, UpstreamBody};

use super::{Home, Http1};

/// What hyper promises. Boxed, since the unboxed future has room for a whole request, and moving it would show.
pub(crate) type Promise = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>>>>;

/// A request on its way: waits for the head of the response.
pub(crate) enum Exchange {
    Http1 {
        /// None once the response is there.
        connection: Option<Box<Http1>>,
        promise: Promise,
        home: Rc<Home>,
    },
    Http2(LocalBoxFuture<'static, Result<Response<UpstreamBody>, Failure>>),
    /// It never left.
    Failed(Option<Failure>),
}

// === impl Exchange ===

impl Future for Exchange {
    type Output = Result<Response<UpstreamBody>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Http1 { connection: slot, promise, home } => {
                let mut connection = slot.take().expect("an exchange is not polled after its response");
                let Poll::Ready(outcome) = connection.poll_response(promise, cx) else {
                    *slot = Some(connection);
                    return Poll::Pending;
                };
                Poll::Ready(match outcome {
                    Ok(response) => {
                        Ok(response.map(|body| UpstreamBody::http1(body, connection, Rc::clone(home))))
                    }
                    Err(error) => Err(connection.failure(error)),
                })
            }
            Self::Http2(response) => Poll::Ready(ready!(response.as_mut().poll(cx))),
            Self::Failed(failure) => {
                Poll::Ready(Err(failure.take().expect("an exchange is not polled after its failure")))
            }
        }
    }
}
