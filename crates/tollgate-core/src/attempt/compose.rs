use std::borrow::Cow;

use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT_ENCODING, CONNECTION, COOKIE, HOST, TE, UPGRADE},
};
use tollgate_llm::{Call, prepare};
use tollgate_snapshot::{Backend, Choice, Filter, ForwardedHost, HostRewrite};

use crate::{
    AttemptBody, Now, Outgoing, Plan, Record, Refusal, ReplyReader, client, headers, route::Payload,
};

// === impl Plan ===

impl Plan {
    /// Makes the request for one backend: translated, filtered, mutated, and signed last.
    pub(super) fn compose(
        &mut self,
        choice: &Choice,
        backend: &Backend,
        now: Now,
    ) -> Result<(Outgoing, ReplyReader), Refusal> {
        let record = &mut self.record;
        let mut headers = headers::for_upstream(&record.head.headers);
        let (mut outgoing, reply) = match (&self.payload, &backend.target) {
            (Payload::Llm { endpoint, inspected, body }, Some(target)) => {
                // What a client says to this gateway's host is not for the provider behind it.
                headers.remove(COOKIE);
                let query = match (record.head.uri.query(), &backend.credential) {
                    (Some(query), Some(_)) => headers::without_keys(query).map(Cow::Owned),
                    (query, _) => query.map(Cow::Borrowed),
                };
                let beta = headers::joined(&record.head.headers, "anthropic-beta");
                let (prepared, reply) = prepare(&Call {
                    endpoint: *endpoint,
                    body,
                    inspected,
                    target,
                    model_override: choice.model_override.as_ref(),
                    mutations: &[&choice.body],
                    query: query.as_deref(),
                    beta: beta.as_deref(),
                    now: now.unix_seconds(),
                })?;
                for name in &prepared.remove {
                    headers.remove(name);
                }
                headers.extend(prepared.set.into_iter().map(|(name, value)| (Some(name), value)));
                for (name, value) in prepared.default {
                    headers.entry(name).or_insert(value);
                }
                record.model_sent = Some(prepared.model);
                let outgoing = Outgoing {
                    method: Method::POST,
                    path: prepared.path,
                    host: None,
                    headers,
                    body: AttemptBody::Bytes(prepared.body),
                    upgrade: None,
                };
                (outgoing, ReplyReader::Llm(Box::new(reply)))
            }
            (Payload::Llm { body, .. }, None) => {
                let mut outgoing = plain(record, headers);
                outgoing.body = AttemptBody::Bytes(body.clone());
                (outgoing, ReplyReader::Http)
            }
            (Payload::Http, _) => (plain(record, headers), ReplyReader::Http),
            (Payload::Whole(body), _) => {
                let mut outgoing = plain(record, headers);
                outgoing.body = AttemptBody::Bytes(body.clone());
                (outgoing, ReplyReader::Http)
            }
        };
        if !self.rule.traffic.compression.is_empty() && matches!(reply, ReplyReader::Http) {
            // The reply is to come as it is, so that it can be compressed as the client wants it.
            outgoing.headers.remove(ACCEPT_ENCODING);
        }
        self.finish(choice, &mut outgoing);
        Ok((outgoing, reply))
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
