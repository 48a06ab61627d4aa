//! The messages that we send.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use tollgate_core::LocalReply;

use super::heads::Changes;
use crate::proto::{
    ext_proc::{
        Answer, BodyMutation, Changed, CommonResponse, HttpStatus, ImmediateResponse, Mutation,
        ProcessingMode, ProcessingResponse, Said, StreamedBodyResponse, TrailersChanged,
    },
    value::Struct,
};

/// Which way something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the client
    Request,
    /// To the client
    Reply,
}

/// Whether the route is to be chosen anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// It stays
    Keep,
    /// The model is known now
    Choose,
}

/// A head, changed.
pub(crate) fn head(way: Way, changes: Changes, route: Route) -> ProcessingResponse {
    let response = CommonResponse {
        header_mutation: changes.into_mutation(),
        clear_route_cache: route == Route::Choose,
        ..CommonResponse::default()
    };
    let changed = Changed { response: Some(response) };
    answer(match way {
        Way::Request => Answer::RequestHeaders(changed),
        Way::Reply => Answer::ResponseHeaders(changed),
    })
}

/// The next piece of a body.
pub(crate) fn piece(way: Way, body: Bytes, end_of_stream: bool) -> ProcessingResponse {
    let mutation = Mutation::Streamed(StreamedBodyResponse { body, end_of_stream });
    let body_mutation = Some(BodyMutation { mutation: Some(mutation) });
    let changed = Changed { response: Some(CommonResponse { body_mutation, ..CommonResponse::default() }) };
    answer(match way {
        Way::Request => Answer::RequestBody(changed),
        Way::Reply => Answer::ResponseBody(changed),
    })
}

/// A head with its whole body, which is another one where there is `body`.
pub(crate) fn whole(changes: Changes, body: Option<Bytes>) -> ProcessingResponse {
    let mutation = |body| BodyMutation { mutation: Some(Mutation::Body(body)) };
    let response = CommonResponse {
        header_mutation: changes.into_mutation(),
        body_mutation: body.map(mutation),
        ..CommonResponse::default()
    };
    answer(Answer::RequestBody(Changed { response: Some(response) }))
}

/// The head of a request of which nothing more is to be sent to us: it has no body, or one that does not end.
pub(crate) fn alone(changes: Changes) -> ProcessingResponse {
    let mode_override = Some(ProcessingMode::NOTHING);
    ProcessingResponse { mode_override, ..head(Way::Request, changes, Route::Keep) }
}

/// Trailers, as they are.
pub(crate) fn trailers(way: Way) -> ProcessingResponse {
    answer(match way {
        Way::Request => Answer::RequestTrailers(TrailersChanged::default()),
        Way::Reply => Answer::ResponseTrailers(TrailersChanged::default()),
    })
}

/// A reply of our own; `details` is what Envoy logs, and what tells us at the other level whose reply it was.
pub(crate) fn immediate(reply: LocalReply, details: &str) -> ProcessingResponse {
    let LocalReply { status, headers, body } = reply;
    let mut changes = Changes::default();
    for name in headers.keys().filter(|name| **name != CONTENT_LENGTH) {
        changes.all(name, &headers);
    }
    answer(Answer::Immediate(ImmediateResponse {
        status: Some(HttpStatus { code: status.as_u16().into() }),
        headers: changes.into_mutation(),
        body,
        details: details.to_owned(),
    }))
}

/// What Envoy said, as it is.
pub(crate) fn unchanged(said: Said) -> ProcessingResponse {
    match said {
        Said::RequestHeaders(_) => head(Way::Request, Changes::default(), Route::Keep),
        Said::ResponseHeaders(_) => head(Way::Reply, Changes::default(), Route::Keep),
        Said::RequestBody(body) => piece(Way::Request, body.body, body.end_of_stream),
        Said::ResponseBody(body) => piece(Way::Reply, body.body, body.end_of_stream),
        Said::RequestTrailers(_) => trailers(Way::Request),
        Said::ResponseTrailers(_) => trailers(Way::Reply),
    }
}

/// The same with metadata.
pub(crate) fn with_metadata(response: ProcessingResponse, metadata: Struct) -> ProcessingResponse {
    ProcessingResponse { dynamic_metadata: Some(metadata), ..response }
}

fn answer(answer: Answer) -> ProcessingResponse {
    ProcessingResponse { answer: Some(answer), ..ProcessingResponse::default() }
}
