use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Version,
    header::{ACCEPT_ENCODING, CONNECTION, COOKIE, HOST, TE, TRAILER, UPGRADE},
};
use tollgate_llm::{Call, Prepared, Reply, Target, prepare, prepare_item, prepare_unread};
use tollgate_snapshot::{Backend, Choice, Filter, ForwardedHost, HostRewrite};
use tollgate_types::{Endpoint, ModelId};

use crate::{
    AttemptBody, Now, Outgoing, Plan, Record, Refusal, ReplyReader, client, headers, items, routed::Payload,
};

/// Who is asked, and when.
#[derive(Clone, Copy)]
struct Asked<'a> {
    choice: &'a Choice,
    backend: &'a Backend,
    now: Now,
}

type Composed = (Outgoing, ReplyReader);

// === impl Plan ===

impl Plan {
    /// Makes the request for one backend: translated, filtered, mutated, and signed last.
    pub(super) fn compose(
        &mut self,
        choice: &Choice,
        backend: &Backend,
        now: Now,
    ) -> Result<(Outgoing, ReplyReader), Refusal> {
        let asked = Asked { choice, backend, now };
        let (mut outgoing, reply) = match &backend.target {
            Some(target) if !matches!(self.payload, Payload::Http | Payload::Whole(_)) => {
                to_provider(&mut self.record, &self.payload, asked, target)?
            }
            _ => (self.untranslated(), ReplyReader::Http),
        };
        if !self.rule.traffic.compression.is_empty() && matches!(reply, ReplyReader::Http) {
            // The reply is to come as it is, so that it can be compressed as the client wants it.
            outgoing.headers.remove(ACCEPT_ENCODING);
        }
        self.finish(choice, &mut outgoing);
        Ok((outgoing, reply))
    }

    /// The request as it came.
    fn untranslated(&self) -> Outgoing {
        let mut outgoing = plain(&self.record, headers::for_upstream(&self.record.head.headers));
        match &self.payload {
            Payload::Http => self.announce_trailers(&mut outgoing.headers),
            Payload::Unread { .. } => {}
            Payload::Form { form, .. } => outgoing.body = form.body(),
            Payload::Llm { body, .. } | Payload::Item { body, .. } | Payload::Whole(body) => {
                outgoing.body = AttemptBody::Bytes(body.clone());
            }
        }
        outgoing
    }

    /// Tells a backend of the trailers that are to come; those of an HTTP/1 client where its policy lets them pass.
    fn announce_trailers(&self, outgoing: &mut HeaderMap) {
        let record = &self.record;
        if (record.head.version >= Version::HTTP_2 || record.client.http1.trailers)
            && let Some(names) = headers::announced_trailers(&record.head.headers)
        {
            outgoing.insert(TRAILER, names);
        }
    }

    /// What the rule wants of the request for this backend; the credential comes after it.
    fn finish(&self, choice: &Choice, outgoing: &mut Outgoing) {
        let record = &self.record;
        for filter in self.rule.filters.iter().chain(&choice.filters) {
            apply(filter, outgoing);
        }
        choice.headers.apply(&mut outgoing.headers);
        // A hop that reports no span must not put one into the chain.
        if record.endpoint.is_some() && record.live.sampler.is_some() {
            record.trace.inject(&mut outgoing.headers);
        }
        self.strip_own(&mut outgoing.headers);
    }
}

/// The request in the provider's words.
fn to_provider(
    record: &mut Record,
    payload: &Payload,
    asked: Asked<'_>,
    target: &Target,
) -> Result<Composed, Refusal> {
    let Asked { choice, backend, now } = asked;
    let query = query(record, backend);
    let without_model = || query.as_deref().and_then(items::without_model);
    let no_body = Bytes::new();
    let beta = headers::joined(&record.head.headers, &headers::ANTHROPIC_BETA);
    let call = |endpoint: Endpoint, inspected, body| Call {
        endpoint,
        body,
        inspected,
        target,
        model_override: choice.model_override.as_ref(),
        mutations: &[],
        query: query.as_deref(),
        beta: beta.as_deref(),
        now: now.unix_seconds(),
    };
    Ok(match payload {
        Payload::Llm { endpoint, inspected, body } => {
            let call = Call { mutations: &[&choice.body], ..call(*endpoint, inspected, body) };
            let (outgoing, reply, model) = llm(record, prepare(&call)?, *endpoint);
            record.model_sent = Some(model);
            (outgoing, reply)
        }
        Payload::Unread { endpoint, inspected } => {
            let call = Call { mutations: &[&choice.body], ..call(*endpoint, inspected, &no_body) };
            let (outgoing, reply, model) = llm(record, prepare_unread(&call)?, *endpoint);
            record.model_sent = Some(model);
            (Outgoing { body: AttemptBody::Client, ..outgoing }, reply)
        }
        // An upload is for no model, whatever its query says to us.
        Payload::Form { endpoint: Endpoint::Files, inspected, form } => {
            let query = without_model();
            let call = call(Endpoint::Files, inspected, &no_body);
            let call = Call { model_override: None, query: query.as_deref(), ..call };
            let (outgoing, reply, _) = llm(record, prepare(&call)?, Endpoint::Files);
            (Outgoing { body: form.body(), ..outgoing }, reply)
        }
        Payload::Form { endpoint, inspected, form } => {
            let prepared = prepare(&call(*endpoint, inspected, &no_body))?;
            let (outgoing, reply, model) = llm(record, prepared, *endpoint);
            let body = form.for_backend([&inspected.model, &model], &choice.body)?;
            record.model_sent = Some(model);
            (Outgoing { body, ..outgoing }, reply)
        }
        Payload::Item { endpoint, inspected, id, body } => {
            let query = without_model();
            let call = call(*endpoint, inspected, body);
            let call = Call { model_override: None, query: query.as_deref(), ..call };
            let prepared = match id {
                Some(id) => prepare_item(&call, id)?,
                None => prepare(&call)?,
            };
            let (outgoing, reply, _) = llm(record, prepared, *endpoint);
            (outgoing, reply)
        }
        Payload::Http | Payload::Whole(_) => {
            (plain(record, headers::for_upstream(&record.head.headers)), ReplyReader::Http)
        }
    })
}

/// The query of an LLM request, without keys of the client's where the gateway has one of its own.
fn query<'a>(record: &'a Record, backend: &Backend) -> Option<Cow<'a, str>> {
    match (record.head.uri.query(), &backend.credential) {
        (Some(query), Some(_)) => headers::without_keys(query).map(Cow::Owned),
        (query, _) => query.map(Cow::Borrowed),
    }
}

/// What goes to a provider, the reader of its reply, and the model that is asked for.
fn llm(
    record: &Record,
    (prepared, reply): (Prepared, Box<Reply>),
    endpoint: Endpoint,
) -> (Outgoing, ReplyReader, ModelId) {
    let mut headers: HeaderMap = headers::for_upstream(&record.head.headers);
    // What a client says to this gateway's host is not for the provider behind it.
    headers.remove(COOKIE);
    for name in &prepared.remove {
        headers.remove(name);
    }
    headers.extend(prepared.set.into_iter().map(|(name, value)| (Some(name), value)));
    for (name, value) in prepared.default {
        headers.entry(name).or_insert(value);
    }
    let upgrade =
        (endpoint == Endpoint::Realtime).then(|| headers::socket(&record.head.headers, &mut headers));
    let outgoing = Outgoing {
        method: record.head.method.clone(),
        path: prepared.path,
        host: None,
        headers,
        body: AttemptBody::Bytes(prepared.body),
        upgrade,
    };
    (outgoing, ReplyReader::Llm(reply), prepared.model)
}

pub(crate) fn plain(record: &Record, mut headers: HeaderMap) -> Outgoing {
    let head = &record.head;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let upgrade = headers::upgrade(&head.headers).cloned();
    if let Some(protocol) = &upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol.clone());
    }
    if headers::takes_trailers(&head.headers) {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    client::tell_upstream(record, &mut headers);
    // Without the user that an authority may name; it wins over the header (RFC 9112, 3.2.2).
    let authority = head.uri.authority().and_then(|authority| {
        let host = authority.as_str().rsplit('@').next()?;
        HeaderValue::from_str(host).ok()
    });
    Outgoing {
        method: head.method.clone(),
        path,
        host: authority.or_else(|| head.headers.get(HOST).cloned()),
        headers,
        body: AttemptBody::Client,
        upgrade,
    }
}

pub(super) fn apply(filter: &Filter, outgoing: &mut Outgoing) {
    match filter {
        Filter::RequestHeaders(edit) => edit.apply(&mut outgoing.headers),
        Filter::DefaultHeader(name, value) => {
            outgoing.headers.entry(name).or_insert_with(|| value.clone());
        }
        Filter::Rewrite(rewrite) => {
            if let (Some(_), ForwardedHost::Append, Some(host)) =
                (&rewrite.host, rewrite.forwarded, &outgoing.host)
            {
                outgoing.headers.append(headers::FORWARDED_HOST, host.clone());
            }
            match &rewrite.host {
                Some(HostRewrite::To(host)) => outgoing.host = Some(host.clone()),
                Some(HostRewrite::FromHeader(name)) => {
                    outgoing.host = outgoing.headers.get(name).cloned().or(outgoing.host.take());
                }
                Some(HostRewrite::Backend) => outgoing.host = None,
                None => {}
            }
            if let Some(rewrite) = &rewrite.path {
                let (path, query) = match outgoing.path.split_once('?') {
                    Some((path, query)) => (path, Some(query)),
                    None => (outgoing.path.as_str(), None),
                };
                let path = rewrite.apply(path);
                outgoing.path = query.map_or(path.clone(), |query| format!("{path}?{query}"));
            }
        }
        // Replies are edited when they come; copies are sent by the host.
        Filter::ResponseHeaders(_) | Filter::Mirror(_) => {}
    }
}

#[cfg(test)]
mod tests;
