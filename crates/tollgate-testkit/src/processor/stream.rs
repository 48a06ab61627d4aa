//! One stream: what Envoy says comes in, what the stand-in answers goes out.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response as HttpResponse};
use http_body::{Body as HttpBody, Frame};
use hyper::body::Incoming;
use prost::Message as _;
use tokio::sync::Notify;

use super::{
    Fault, Manner, Point, Serve,
    messages::{
        Answer, Body, BodyMutation, Changed, Common, Header, HeaderMutation, Headers, Immediate, Kind,
        Nothing, Request, Response, Said, SetHeader, Status, Struct, Value,
    },
};

/// `BodySendMode.FULL_DUPLEX_STREAMED`
const DUPLEX: i32 = 4;
/// `BodySendMode.NONE`
const NONE: i32 = 0;
/// Before each message of gRPC: a flag and a length.
const PREFIX: usize = 5;
const DESTINATION: &str = "x-gateway-destination-endpoint";
/// By which routes are chosen.
const MODEL: &str = "x-ai-eg-model";
/// By which a tied processor's levels find each other, and its words where they do not.
const TIE: &str = "x-ai-eg-internal-req-id";
const UNTIED: &str = "missing internal request ID header from router filter";
/// The gRPC status of what it cannot do: `INTERNAL`.
const INTERNAL: u16 = 13;

/// The body of the reply, which is made while it is read.
#[derive(Debug)]
pub(super) struct Stream {
    incoming: Incoming,
    manner: Manner,
    /// Ends the connection.
    crash: Arc<Notify>,
    held: BytesMut,
    /// Whether pieces of bodies are answered by pieces: of requests, of replies.
    duplex: (bool, bool),
    /// The stream is of an attempt and not of a request: replies do not pass there.
    upstream: bool,
    /// The request's body, until its end tells where it goes.
    request: Vec<Bytes>,
    out: VecDeque<Frame<Bytes>>,
    /// After a fault nothing is answered any more.
    silent: bool,
    ended: bool,
}

pub(super) fn answer(incoming: Incoming, manner: Manner, crash: Arc<Notify>) -> HttpResponse<Stream> {
    let mut response = HttpResponse::new(Stream {
        incoming,
        manner,
        crash,
        held: BytesMut::new(),
        duplex: (false, false),
        upstream: false,
        request: Vec::new(),
        out: VecDeque::new(),
        silent: false,
        ended: false,
    });
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

// === impl Stream ===

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            if let Some(frame) = self.out.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.held.extend_from_slice(&data);
                        self.read();
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.end(0, ""),
            }
        }
    }
}

impl Stream {
    fn read(&mut self) {
        while !self.ended
            && let Some(message) = self.next()
        {
            match Request::decode(message) {
                Ok(request) => self.take(request),
                Err(_) => self.end(3, ""),
            }
        }
    }

    fn next(&mut self) -> Option<Bytes> {
        let (&[_, a, b, c, d], _) = self.held.split_first_chunk()?;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if self.held.len() < PREFIX + length {
            return None;
        }
        self.held.advance(PREFIX);
        Some(self.held.split_to(length).freeze())
    }

    fn take(&mut self, request: Request) {
        if let Some(modes) = request.modes {
            self.duplex = (modes.request == DUPLEX, modes.response == DUPLEX);
            self.upstream = modes.response == NONE;
        }
        let Some(said) = request.said.filter(|_| !self.silent) else { return };
        match self.manner.clone() {
            Manner::Pass => self.pass(said),
            Manner::Pick(endpoints) => self.pick(&endpoints, said),
            Manner::Serve(serve) => self.serve(&serve, said),
            Manner::Hang => self.fault(Fault::Hang),
            Manner::Fail(status) => self.fault(Fault::Fail(status)),
            Manner::Close => self.fault(Fault::Close),
            Manner::Refuse(status) => self.fault(Fault::Refuse(status)),
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.silent = true;
        match fault {
            Fault::Hang => {}
            Fault::Fail(status) => self.end(status, ""),
            Fault::Close => self.end(0, ""),
            Fault::Refuse(status) => {
                let status = Some(Status { code: i32::from(status) });
                let body = Bytes::from_static(b"refused by the stand-in");
                self.say(Answer::Immediate(Immediate { status, body }), None);
            }
            Fault::Crash => self.crash.notify_one(),
        }
    }

    /// As a processor of models at both levels.
    fn serve(&mut self, serve: &Serve, said: Said) {
        let Serve { model, fault, tied } = serve;
        let point = self.point(&said);
        match (fault, said) {
            (Some((at, fault)), _) if Some(*at) == point => self.fault(*fault),
            (_, Said::RequestHeaders(_)) if !self.upstream => {
                let tie = tied.then_some((TIE, "1"));
                self.head([(MODEL, model.as_str())].into_iter().chain(tie), None);
            }
            (_, Said::RequestHeaders(headers)) if *tied && !has(&headers, TIE) => self.end(INTERNAL, UNTIED),
            (_, said) => self.pass(said),
        }
    }

    const fn point(&self, said: &Said) -> Option<Point> {
        Some(match (said, self.upstream) {
            (Said::RequestHeaders(_), false) => Point::Head,
            (Said::RequestBody(_), false) => Point::Body,
            (Said::RequestHeaders(_), true) => Point::AttemptHead,
            (Said::RequestBody(_), true) => Point::AttemptBody,
            (Said::ResponseHeaders(_), _) => Point::ReplyHead,
            (Said::ResponseBody(_), _) => Point::ReplyBody,
            (Said::RequestTrailers(_) | Said::ResponseTrailers(_), _) => return None,
        })
    }

    fn pass(&mut self, said: Said) {
        let (request, response) = self.duplex;
        let answer = match said {
            Said::RequestHeaders(_) => Answer::RequestHeaders(Changed::default()),
            Said::ResponseHeaders(_) => Answer::ResponseHeaders(Changed::default()),
            Said::RequestBody(body) => Answer::RequestBody(echo(body, request)),
            Said::ResponseBody(body) => Answer::ResponseBody(echo(body, response)),
            Said::RequestTrailers(_) => Answer::RequestTrailers(Nothing {}),
            Said::ResponseTrailers(_) => Answer::ResponseTrailers(Nothing {}),
        };
        self.say(answer, None);
    }

    /// As the reference picker: the whole request comes first, then the head is answered, then the body is given back.
    fn pick(&mut self, endpoints: &str, said: Said) {
        match said {
            Said::RequestHeaders(headers) if headers.end => self.choose(endpoints),
            Said::RequestHeaders(_) => {}
            Said::RequestBody(body) => {
                self.request.push(body.bytes);
                if body.end {
                    self.choose(endpoints);
                    let pieces = std::mem::take(&mut self.request);
                    let last = pieces.len().saturating_sub(1);
                    for (index, bytes) in pieces.into_iter().enumerate() {
                        let body = Body { bytes, end: index == last };
                        let echoed = echo(body, self.duplex.0);
                        self.say(Answer::RequestBody(echoed), None);
                    }
                }
            }
            other => self.pass(other),
        }
    }

    fn choose(&mut self, endpoints: &str) {
        let text = |text: &str| Value { kind: Some(Kind::Text(text.to_owned())) };
        let inner = Struct { fields: HashMap::from([(DESTINATION.to_owned(), text(endpoints))]) };
        let inner = Value { kind: Some(Kind::Struct(inner)) };
        let metadata = Struct { fields: HashMap::from([("envoy.lb".to_owned(), inner)]) };
        self.head([(DESTINATION, endpoints)], Some(metadata));
    }

    /// Answers the head of a request with these headers, by which the route is chosen anew.
    fn head<'a>(&mut self, set: impl IntoIterator<Item = (&'a str, &'a str)>, metadata: Option<Struct>) {
        let header = |(name, value): (&str, &str)| SetHeader {
            header: Some(Header { name: name.to_owned(), value: Bytes::copy_from_slice(value.as_bytes()) }),
        };
        let headers = HeaderMutation { set: set.into_iter().map(header).collect() };
        let common = Common { headers: Some(headers), body: None, clear_route_cache: true };
        self.say(Answer::RequestHeaders(Changed { common: Some(common) }), metadata);
    }

    fn say(&mut self, answer: Answer, metadata: Option<Struct>) {
        let message = Response { answer: Some(answer), metadata };
        let length = message.encoded_len();
        let mut bytes = BytesMut::with_capacity(PREFIX + length);
        bytes.put_u8(0);
        bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        message.encode_raw(&mut bytes);
        self.out.push_back(Frame::data(bytes.freeze()));
    }

    fn end(&mut self, status: u16, words: &'static str) {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(status));
        if !words.is_empty() {
            trailers.insert("grpc-message", HeaderValue::from_static(words));
        }
        self.out.push_back(Frame::trailers(trailers));
        self.ended = true;
    }
}

/// Where pieces are answered by pieces each has to be given back; elsewhere silence keeps it.
fn echo(body: Body, duplex: bool) -> Changed {
    if !duplex {
        return Changed::default();
    }
    let body = BodyMutation { streamed: Some(body) };
    Changed { common: Some(Common { body: Some(body), ..Common::default() }) }
}

fn has(headers: &Headers, name: &str) -> bool {
    headers.all.iter().flat_map(|all| &all.headers).any(|header| header.name == name)
}
